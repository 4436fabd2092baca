//! A local folder as it is: what git would not ignore, or everything where there is no git.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::source::git::{Git, describe};
use crate::source::{MAX_SNAPSHOT_FILES, SourceError, Tree};

/// Reads the folder at `path`.
pub(super) fn read(work: &Path, path: &Path) -> Result<Tree, SourceError> {
    let root = path.canonicalize().map_err(|e| SourceError::read(path, e))?;
    if !root.is_dir() {
        return Err(SourceError::NotAFolder(root));
    }
    std::fs::read_dir(&root).map_err(|e| SourceError::read(&root, e))?;
    let git = Git::new(work)?;
    match top_level(&git, &root) {
        None => plain(root),
        Some(top) if top == root => under_git(&git, work, root),
        // A part of a larger repository: its files, and no history that would be another's.
        Some(_) => {
            Ok(Tree { files: listed(&git, &root)?, root, git_ref: main(), ..Tree::default() })
        }
    }
}

/// The `file://` URL of a folder.
pub(super) fn file_url(path: &Path) -> Result<String, SourceError> {
    let path = path.canonicalize().map_err(|e| SourceError::read(path, e))?;
    let mut url = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(*byte)),
            b if b.is_ascii_alphanumeric() => url.push(char::from(*b)),
            b => {
                // Writing to a text cannot fail.
                let _ = write!(url, "%{b:02X}");
            }
        }
    }
    Ok(url)
}

fn main() -> String {
    "refs/heads/main".to_owned()
}

pub(super) fn top_level(git: &Git, root: &Path) -> Option<PathBuf> {
    let top = git.line(root, &["rev-parse", "--show-toplevel"], "find the top folder").ok()?;
    Path::new(&top).canonicalize().ok()
}

fn plain(root: PathBuf) -> Result<Tree, SourceError> {
    let mut files = Vec::new();
    let walk = ignore::WalkBuilder::new(&root)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|e| e.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            // A folder that is gone since it was listed: somebody may work in the tree.
            Err(e) if e.io_error().is_some_and(|e| e.kind() == ErrorKind::NotFound) => continue,
            Err(e) => return Err(SourceError::read(&root, std::io::Error::other(e))),
        };
        if entry.file_type().is_some_and(|t| t.is_dir()) {
            continue;
        }
        if let Ok(file) = entry.path().strip_prefix(&root) {
            files.push(file.to_owned());
        }
    }
    Ok(Tree { files: checked(files)?, root, git_ref: main(), ..Tree::default() })
}

fn under_git(git: &Git, work: &Path, root: PathBuf) -> Result<Tree, SourceError> {
    let files = listed(git, &root)?;
    let head = git.line(&root, &["rev-parse", "--verify", "--quiet", "HEAD"], "read the commit");
    let branch = git.line(&root, &["symbolic-ref", "--quiet", "HEAD"], "read the branch").ok();
    let Ok(sha) = head else {
        let git_ref = branch.unwrap_or_else(main);
        return Ok(Tree { root, files, git_ref, ..Tree::default() });
    };
    let shallow = shallow(git, work, &root, &sha, branch.as_deref())?;
    let git_ref = branch.unwrap_or_else(|| sha.clone());
    let tree = describe(git, &root, git_ref)?;
    let git_dir = shallow.join(".git");
    let dirty = is_dirty(git, &git_dir, &root)?;
    Ok(Tree { files, root, git_dir: Some(git_dir), dirty, ..tree })
}

/// A repository of depth 1 with the same HEAD, branch and remote, and an index that equals HEAD.
pub(super) fn shallow(
    git: &Git,
    work: &Path,
    root: &Path,
    sha: &str,
    branch: Option<&str>,
) -> Result<PathBuf, SourceError> {
    let dir = work.join("shallow");
    std::fs::create_dir_all(&dir).map_err(|e| SourceError::read(&dir, e))?;
    git.run(&dir, &["init", "--quiet"], "make a repository", false)?;
    let url = file_url(root)?;
    let what = format!("copy the commit of `{}`", root.display());
    let args = ["fetch", "--quiet", "--no-tags", "--depth", "1", "--", url.as_str(), sha];
    git.run(&dir, &args, &what, false)?;
    match branch {
        Some(branch) => {
            git.run(&dir, &["update-ref", branch, sha], "set the branch", false)?;
            git.run(&dir, &["symbolic-ref", "HEAD", branch], "set the branch", false)?;
        }
        None => {
            git.run(&dir, &["update-ref", "--no-deref", "HEAD", sha], "set the commit", false)?;
        }
    }
    let tags = git.line(root, &["tag", "--points-at", sha], "read the tags")?;
    for tag in tags.lines().filter(|t| !t.is_empty()) {
        let name = format!("refs/tags/{tag}");
        git.run(&dir, &["update-ref", &name, sha], "set the tag", false)?;
    }
    git.run(&dir, &["read-tree", "HEAD"], "fill the index", false)?;
    let remote = git.line(root, &["config", "--get", "remote.origin.url"], "read the remote");
    if let Ok(remote) = remote {
        let remote = without_credentials(&remote);
        git.run(&dir, &["remote", "add", "--", "origin", &remote], "name the remote", false)?;
    }
    Ok(dir)
}

/// A URL without user and password: a job must not see the owner's credentials.
pub(super) fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit('@').next().unwrap_or(host);
            format!("{scheme}://{host}/{path}")
        }
        _ => url.to_owned(),
    }
}

/// Whether the folder differs from its commit, asked with our own repository and thus without the
/// folder's own settings (filters, hooks, monitors).
fn is_dirty(git: &Git, git_dir: &Path, root: &Path) -> Result<bool, SourceError> {
    let mut dir = std::ffi::OsString::from("--git-dir=");
    dir.push(git_dir);
    let mut tree = std::ffi::OsString::from("--work-tree=");
    tree.push(root);
    let args = [dir.as_os_str(), tree.as_os_str(), OsStr::new("status"), OsStr::new("--porcelain")];
    Ok(!git.run(root, &args, "compare the folder with its commit", false)?.is_empty())
}

/// Tracked files and those that are new and not ignored.
fn listed(git: &Git, root: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let args = ["ls-files", "-z", "-c", "-o", "--exclude-standard", "--deduplicate"];
    from_list(root, &git.run(root, &args, "list the files", false)?)
}

/// Tracked files.
pub(super) fn tracked(git: &Git, root: &Path) -> Result<Vec<PathBuf>, SourceError> {
    from_list(root, &git.run(root, &["ls-files", "-z", "-c"], "list the files", false)?)
}

fn from_list(root: &Path, list: &[u8]) -> Result<Vec<PathBuf>, SourceError> {
    let files = list
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
        .map(|name| PathBuf::from(OsStr::from_bytes(name)))
        // What was deleted is in the list, as are submodules, which are folders.
        .filter(|file| root.join(file).symlink_metadata().is_ok())
        .collect();
    checked(files)
}

fn checked(mut files: Vec<PathBuf>) -> Result<Vec<PathBuf>, SourceError> {
    if files.len() > MAX_SNAPSHOT_FILES {
        return Err(SourceError::TooLarge { what: "files", limit: MAX_SNAPSHOT_FILES as u64 });
    }
    files.sort();
    Ok(files)
}

/// The files of an unpacked archive.
pub(super) fn everything(root: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        let full = root.join(&dir);
        for entry in std::fs::read_dir(&full).map_err(|e| SourceError::read(&full, e))? {
            let entry = entry.map_err(|e| SourceError::read(&full, e))?;
            let path = dir.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => dirs.push(path),
                _ => files.push(path),
            }
        }
    }
    checked(files)
}
