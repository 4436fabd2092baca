//! Submodules of a source: each becomes a packed tree of its own at the commit that its parent names.
//!
//! One is taken from where it is checked out already (a folder), from a repository of the hub that has the commit, or
//! from its URL. What a repository's `.gitmodules` says is not trusted: its URLs may use `https`, and `ssh` or `file`
//! only where the repository itself came that way.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

use gantry_api::lease::MissingSubmodule;
use gantry_core::Fault;
use indexmap::IndexMap;

use crate::error::chain;
use crate::fleet::{FleetRepo, Source};
use crate::source::git::{self, Git};
use crate::source::{SourceError, Tree, folder, pack};

/// Most submodules of one source, nested ones included.
const MAX_SUBMODULES: usize = 200;

/// A submodule with its packed tree, or why there is none.
#[derive(Debug)]
pub(super) struct Submodule {
    /// Path below the root of the outermost repository.
    pub path: String,
    pub nested: bool,
    pub sha: String,
    pub content: Result<PathBuf, MissingSubmodule>,
}

/// The repositories of the hub, where a submodule may be found without its URL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Neighbours(Vec<(String, String)>);

impl Neighbours {
    /// Name and URL of every repository that is under Git.
    pub fn new(repos: &[FleetRepo]) -> Self {
        let url = |source: &Source| match source {
            Source::Git { url, .. } => Some(url.clone()),
            Source::Folder(path) => folder::file_url(path).ok(),
            Source::Archive(_) => None,
        };
        Self(repos.iter().filter_map(|r| Some((r.full_name(), url(&r.source)?))).collect())
    }

    /// URLs of those that this URL may mean. A commit is the same wherever it comes from, so that the name is enough.
    fn like(&self, url: &str) -> Vec<String> {
        let wanted = plain(url);
        let fits = |name: &str, own: &str| {
            let name = name.to_lowercase();
            plain(own) == wanted || wanted.strip_suffix(&name).is_some_and(|s| s.ends_with('/'))
        };
        self.0.iter().filter(|(n, own)| fits(n, own)).map(|(_, own)| own.clone()).collect()
    }
}

/// A repository whose submodules are looked for.
struct Parent {
    /// Where it lies.
    root: PathBuf,
    /// Its own path below the outermost root, empty for that one.
    path: String,
    /// What relative URLs start from.
    url: String,
    /// Whether its folder is the machine's own, where submodules may be checked out.
    folder: bool,
}

/// Finds and packs the submodules of a source, parents before their children.
pub(super) fn find(
    work: &Path,
    source: &Source,
    tree: &Tree,
    neighbours: &Neighbours,
) -> Result<Vec<Submodule>, SourceError> {
    let git = Git::of(work, source)?;
    if tree.git_dir.is_none() {
        return Ok(without_git(&git, tree));
    }
    let url = match source {
        Source::Git { url, .. } => url.clone(),
        Source::Folder(path) => {
            origin(&git, &tree.root).map_or_else(|| folder::file_url(path), Ok)?
        }
        Source::Archive(_) => return Ok(Vec::new()),
    };
    let folder = matches!(source, Source::Folder(_));
    let mut open =
        VecDeque::from([Parent { root: tree.root.clone(), path: String::new(), url, folder }]);
    let mut found = Vec::new();
    while let Some(parent) = open.pop_front() {
        let urls = declared(&git, &parent.root);
        for (path, sha) in links(&git, &parent.root)? {
            if found.len() >= MAX_SUBMODULES {
                return Err(SourceError::TooLarge {
                    what: "submodules",
                    limit: MAX_SUBMODULES as u64,
                });
            }
            let dir = work.join("submodules").join(found.len().to_string());
            let taken = take(&dir, &parent, &path, &sha, urls.get(&path), neighbours);
            let full = join(&parent.path, &path);
            let nested = !parent.path.is_empty();
            let (sha, content) = match taken {
                Ok(Taken { tree, url, folder }) => {
                    let packed =
                        pack::pack(&dir.join("tree.tar.zst"), &tree, tree.git_dir.as_deref())?;
                    let sha = tree.sha.clone().unwrap_or(sha);
                    open.push_back(Parent { root: tree.root, path: full.clone(), url, folder });
                    (sha, Ok(packed))
                }
                Err(problem) => (sha, Err(problem)),
            };
            found.push(Submodule { path: full, nested, sha, content });
        }
    }
    Ok(found)
}

struct Taken {
    tree: Tree,
    url: String,
    folder: bool,
}

/// One submodule, from where it is first found.
fn take(
    dir: &Path,
    parent: &Parent,
    path: &str,
    sha: &str,
    url: Option<&String>,
    neighbours: &Neighbours,
) -> Result<Taken, MissingSubmodule> {
    let upstream = |e: SourceError| missing(Fault::Upstream, e.explain());
    std::fs::create_dir_all(dir).map_err(|e| upstream(SourceError::read(dir, e)))?;
    let written = url.map_or_else(|| "./".to_owned() + path, Clone::clone);
    let resolved = resolve(&parent.url, &written);
    let there = parent.root.join(path);
    if parent.folder && there.join(".git").exists() {
        let tree = folder::read(dir, &there).map_err(upstream)?;
        return Ok(Taken { tree, url: resolved.unwrap_or_default(), folder: true });
    }
    if url.is_none() {
        return Err(missing(Fault::User, "`.gitmodules` has no URL for it"));
    }
    let resolved = resolved.map_err(|why| missing(Fault::User, why))?;
    let mut problem = None;
    let mut urls = neighbours.like(&resolved);
    match allowed(&parent.url, &resolved) {
        Ok(()) => urls.push(resolved.clone()),
        Err(refused) => problem = Some(missing(Fault::Policy, refused)),
    }
    for (n, from) in urls.iter().enumerate() {
        let work = dir.join(n.to_string());
        let fetched = std::fs::create_dir_all(&work)
            .map_err(|e| SourceError::read(&work, e))
            .and_then(|()| Git::new(&work))
            .and_then(|git| {
                let at = git::At { git_ref: Some(sha), sha: None };
                Ok((git::fetch(&git, &work, from, at)?, git))
            });
        match fetched {
            Ok((tree, git)) => {
                let shown = folder::without_credentials(&resolved);
                let args = ["remote", "set-url", "--", "origin", &shown];
                git.run(&tree.root, &args, "name the remote", false).map_err(upstream)?;
                return Ok(Taken { tree, url: resolved, folder: false });
            }
            Err(error) => problem = Some(missing(Fault::Upstream, chain(&error))),
        }
    }
    Err(problem
        .unwrap_or_else(|| missing(Fault::Upstream, format!("`{resolved}` cannot be reached"))))
}

fn missing(fault: Fault, why: impl Into<String>) -> MissingSubmodule {
    MissingSubmodule { why: why.into(), fault }
}

/// Those that an archive or a folder without Git declares and does not bring along.
fn without_git(git: &Git, tree: &Tree) -> Vec<Submodule> {
    let inside = |f: &Path, path: &str| f.starts_with(path) && f != Path::new(path);
    let brought = |path: &str| tree.files.iter().any(|f| inside(f, path));
    let paths = declared(git, &tree.root).into_keys().filter(|path| !brought(path));
    let why = "its parent is not under Git, which would name the commit";
    paths
        .map(|path| Submodule {
            path,
            nested: false,
            sha: "0".repeat(40),
            content: Err(missing(Fault::User, why)),
        })
        .collect()
}

/// Paths and commits of the submodules in the index.
fn links(git: &Git, root: &Path) -> Result<Vec<(String, String)>, SourceError> {
    let list = git.run(root, &["ls-files", "-s", "-z"], "list the submodules", false)?;
    let text = String::from_utf8_lossy(&list);
    let link = |entry: &str| {
        let (meta, path) = entry.split_once('\t')?;
        let sha = meta.strip_prefix("160000 ")?.split(' ').next()?;
        let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
        (inside && !path.starts_with(".git")).then(|| (path.to_owned(), sha.to_owned()))
    };
    Ok(text.split('\0').filter_map(link).collect())
}

/// URLs by path, as `.gitmodules` says; nothing when there is no such file or it is broken.
fn declared(git: &Git, root: &Path) -> IndexMap<String, String> {
    let args =
        ["config", "-z", "--file", ".gitmodules", "--get-regexp", r"^submodule\..*\.(path|url)$"];
    let list = git.run(root, &args, "read `.gitmodules`", false).unwrap_or_default();
    let text = String::from_utf8_lossy(&list).into_owned();
    let mut by_name: IndexMap<String, (Option<String>, Option<String>)> = IndexMap::new();
    for entry in text.split('\0').filter_map(|e| e.split_once('\n')) {
        let (key, value) = (entry.0, entry.1.to_owned());
        match key.rsplit_once('.') {
            Some((name, "path")) => by_name.entry(name.to_owned()).or_default().0 = Some(value),
            Some((name, "url")) => by_name.entry(name.to_owned()).or_default().1 = Some(value),
            _ => {}
        }
    }
    by_name.into_values().filter_map(|(path, url)| Some((path?, url?))).collect()
}

fn origin(git: &Git, root: &Path) -> Option<String> {
    let url = git.line(root, &["config", "--get", "remote.origin.url"], "read the remote").ok()?;
    let url = if url.starts_with('/') { format!("file://{url}") } else { url };
    (!url.is_empty()).then_some(url)
}

fn join(parent: &str, path: &str) -> String {
    if parent.is_empty() { path.to_owned() } else { format!("{parent}/{path}") }
}

/// A URL of `.gitmodules`, which may be relative to that of its repository.
fn resolve(base: &str, url: &str) -> Result<String, String> {
    if url.starts_with('/') {
        return Ok(format!("file://{url}"));
    }
    if !url.starts_with("./") && !url.starts_with("../") {
        return Ok(url.to_owned());
    }
    let mut base = base.trim_end_matches('/').to_owned();
    let mut rest = url;
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            let start = base.find("://").map_or(0, |at| at + 3);
            let cut = base[start..]
                .rfind(['/', ':'])
                .ok_or_else(|| format!("`{url}` leads out of `{base}`"))?;
            // The separator of `host:path` stays.
            let at = start + cut;
            base.truncate(if base[at..].starts_with(':') { at + 1 } else { at });
            rest = after;
        } else {
            break;
        }
    }
    let separator = if base.ends_with([':', '/']) { "" } else { "/" };
    Ok(format!("{base}{separator}{rest}").trim_end_matches('/').to_owned())
}

/// Whether a repository that came from `base` may name this URL.
fn allowed(base: &str, url: &str) -> Result<(), String> {
    let ok = match transport(url) {
        ("https", _) => true,
        ("file", _) => transport(base).0 == "file",
        ("ssh", host) => transport(base) == ("ssh", host),
        _ => false,
    };
    if ok {
        return Ok(());
    }
    Err(format!(
        "`{}` may not be used by `.gitmodules` here: write an `https://` or relative URL, or add that repository to \
         the hub file",
        folder::without_credentials(url)
    ))
}

/// Transport and, of `ssh`, the host.
fn transport(url: &str) -> (&str, &str) {
    match url.split_once("://") {
        Some(("ssh", rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            ("ssh", host.rsplit('@').next().unwrap_or_default())
        }
        Some((scheme, _)) => (scheme, ""),
        None => match url.split_once(':') {
            Some((host, _)) if host.contains('@') => {
                ("ssh", host.rsplit('@').next().unwrap_or_default())
            }
            _ => ("", ""),
        },
    }
}

/// A URL without what differs between its ways of writing.
fn plain(url: &str) -> String {
    let url = url.trim_end_matches('/').trim_end_matches(".git").to_lowercase();
    let url = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).to_owned();
    let url = url.rsplit_once('@').map_or(url.as_str(), |(_, rest)| rest);
    url.replacen(':', "/", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_urls_start_from_the_repository() {
        let of = |base: &str, url: &str| resolve(base, url).unwrap_or_else(|e| e);
        assert_eq!(of("https://h.example/o/app.git", "../lib"), "https://h.example/o/lib");
        assert_eq!(of("https://h.example/o/app", "../../p/lib.git"), "https://h.example/p/lib.git");
        assert_eq!(of("git@h.example:o/app", "../lib"), "git@h.example:o/lib");
        assert_eq!(of("git@h.example:app", "../lib"), "git@h.example:lib");
        assert_eq!(of("file:///srv/app", "./lib"), "file:///srv/app/lib");
        assert_eq!(of("https://h.example/app", "https://x.example/y"), "https://x.example/y");
        assert_eq!(of("https://h.example/app", "/srv/lib"), "file:///srv/lib");
        assert!(resolve("https://h", "../../../lib").is_err());
    }

    #[test]
    fn a_repository_names_only_what_its_own_way_allows() {
        assert!(allowed("https://h.example/a", "https://other.example/b").is_ok());
        assert!(allowed("git@h.example:a", "ssh://git@h.example/b").is_ok());
        assert!(allowed("file:///srv/a", "file:///srv/b").is_ok());
        assert!(allowed("https://h.example/a", "file:///etc").is_err());
        assert!(allowed("https://h.example/a", "git@h.example:b").is_err());
        assert!(allowed("git@h.example:a", "git@other.example:b").is_err());
        assert!(allowed("file:///srv/a", "ext::sh -c true").is_err());
    }

    #[test]
    fn a_repository_of_the_hub_is_known_by_url_and_by_name() {
        let neighbours = Neighbours(vec![("acme/lib".into(), "file:///srv/lib".into())]);
        for url in ["file:///srv/lib", "https://h.example/Acme/lib.git", "git@h.example:acme/lib"] {
            assert_eq!(neighbours.like(url), ["file:///srv/lib"], "{url}");
        }
        assert!(neighbours.like("https://h.example/not-acme/lib").is_empty());
        assert!(neighbours.like("https://h.example/xacme/lib").is_empty());
    }
}
