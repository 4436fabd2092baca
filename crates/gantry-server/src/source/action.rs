//! The repository of an action from outside: its ref is resolved to a commit, that commit is fetched at depth 1
//! and packed without its `.git`.
//!
//! Not in here: whether it may be fetched, and what it is pinned to ([`crate::actions`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::source::git::Git;
use crate::source::{SourceError, Tree, pack};

/// Longest time that one git command may take for an action.
const TIME_LIMIT: Duration = Duration::from_mins(2);
/// Most files of an action's repository.
pub(crate) const MAX_ACTION_ENTRIES: usize = 50_000;
/// Largest sum of their sizes, in bytes.
pub(crate) const MAX_ACTION_BYTES: u64 = 512 << 20;

/// A repository that was fetched.
#[derive(Debug)]
pub(crate) struct FetchedAction {
    /// Its commit.
    pub commit: String,
    /// Its files, packed.
    pub packed: PathBuf,
}

/// Why it was not fetched.
#[derive(Debug)]
pub(crate) enum FetchProblem {
    /// The server answers, and has no such branch, tag or commit.
    Missing,
    /// It is beyond a limit.
    TooLarge(String),
    /// Git or the server failed.
    Failed(SourceError),
}

impl From<SourceError> for FetchProblem {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

/// Fetches `wanted`, a whole commit id, tag or branch of `url`, into `work`.
pub(crate) fn fetch(work: &Path, url: &str, wanted: &str) -> Result<FetchedAction, FetchProblem> {
    let git = Git::with_limit(work, TIME_LIMIT, url.starts_with("http://"))?;
    let dir = work.join("action");
    std::fs::create_dir_all(&dir).map_err(|e| SourceError::read(&dir, e))?;
    git.run(&dir, &["init", "--quiet"], "make a repository", false)?;
    let is_commit = wanted.len() == 40 && wanted.bytes().all(|b| b.is_ascii_hexdigit());
    let full = if is_commit { wanted.to_owned() } else { resolve(&git, &dir, url, wanted)? };
    let what = format!("fetch `{wanted}` of `{url}`");
    let args = ["fetch", "--quiet", "--no-tags", "--depth", "1", "--", url, full.as_str()];
    git.run(&dir, &args, &what, true).map_err(|error| match &error {
        SourceError::Git { said, .. } if is_commit && said.contains("not our ref") => {
            FetchProblem::Missing
        }
        _ => FetchProblem::Failed(error),
    })?;
    let commit =
        git.line(&dir, &["rev-parse", "--verify", "FETCH_HEAD^{commit}"], "read the commit")?;
    within_limits(&git, &dir)?;
    let args = ["checkout", "--quiet", "--detach", &commit, "--"];
    git.run(&dir, &args, "check the commit out", false)?;
    let files = super::folder::tracked(&git, &dir)?;
    let tree = Tree { root: dir, files, ..Tree::default() };
    let packed = pack::pack(&work.join("action.tar.zst"), &tree, None)?;
    Ok(FetchedAction { commit, packed })
}

/// The full ref of a tag or branch; a tag goes before a branch of the same name, as in Git itself.
fn resolve(git: &Git, dir: &Path, url: &str, wanted: &str) -> Result<String, FetchProblem> {
    let (tag, head) = (format!("refs/tags/{wanted}"), format!("refs/heads/{wanted}"));
    let what = format!("find `{wanted}` in `{url}`");
    let out = git.run(dir, &["ls-remote", "--", url, &tag, &head], &what, true)?;
    let text = String::from_utf8_lossy(&out).into_owned();
    let refs: Vec<&str> = text.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    [tag, head].into_iter().find(|r| refs.contains(&r.as_str())).ok_or(FetchProblem::Missing)
}

/// Counts before anything is written.
fn within_limits(git: &Git, dir: &Path) -> Result<(), FetchProblem> {
    let args = ["ls-tree", "-r", "-l", "-z", "FETCH_HEAD"];
    let list = git.run(dir, &args, "list the files", false)?;
    let (mut entries, mut bytes) = (0usize, 0u64);
    for entry in list.split(|b| *b == 0).filter(|e| !e.is_empty()) {
        let head = entry.split(|b| *b == b'\t').next().unwrap_or_default();
        let size =
            String::from_utf8_lossy(head).split_whitespace().nth(3).and_then(|s| s.parse().ok());
        entries += 1;
        bytes = bytes.saturating_add(size.unwrap_or(0));
    }
    if entries > MAX_ACTION_ENTRIES {
        let why = format!("it has {entries} files, and the limit is {MAX_ACTION_ENTRIES}");
        return Err(FetchProblem::TooLarge(why));
    }
    if bytes > MAX_ACTION_BYTES {
        let why = format!("it has {bytes} bytes, and the limit is {MAX_ACTION_BYTES}");
        return Err(FetchProblem::TooLarge(why));
    }
    Ok(())
}
