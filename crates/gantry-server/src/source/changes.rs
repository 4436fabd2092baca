//! Which files an event changed, for path filters: commits of the payload, or what the command line asked for,
//! compared by Git.
//!
//! Trees are compared with trees, so that no filter, hook or tool of a repository runs. Not in here: whether a
//! workflow runs because of them; that is `gantry-workflow`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use gantry_core::limits::MAX_PUSHED_COMMITS;
use gantry_workflow::expr::Value;
use gantry_workflow::plan::Changes;
use serde::{Deserialize, Serialize};

use crate::fleet::Source;
use crate::source::git::Git;
use crate::source::{SourceError, folder};

/// How the changed files are found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// From the commits that the event's payload names.
    #[default]
    Payload,
    /// These.
    Files(Vec<String>),
    /// Those that differ from where this branch, tag or commit and the source part; in a folder also what is not
    /// committed.
    Since(String),
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Name of the event.
    pub event: &'a str,
    /// Its payload.
    pub payload: Option<&'a Value>,
    /// What the command line asked for.
    pub changed: &'a Changed,
}

/// Two commits, or why there are none.
enum Pair {
    /// Compared directly.
    Two {
        before: String,
        after: String,
    },
    /// Compared from where they part.
    Three {
        base: String,
        head: String,
    },
    /// A branch that was not there before: from where it leaves the default branch.
    New {
        after: String,
        default: Option<String>,
        pushed: String,
    },
    Unknown(&'static str),
}

/// The files that an event changed in a folder as it is.
///
/// # Errors
/// The commit that was asked for is not there, or Git fails.
pub fn in_folder(path: &Path, asked: Asked<'_>) -> Result<Changes, SourceError> {
    let work = tempfile::tempdir().map_err(|e| SourceError::read(&std::env::temp_dir(), e))?;
    of(work.path(), &Source::Folder(path.to_owned()), None, asked)
}

/// The files that an event changed; `head` is the commit of the source.
pub(super) fn of(
    work: &Path,
    source: &Source,
    head: Option<&str>,
    asked: Asked<'_>,
) -> Result<Changes, SourceError> {
    if let Changed::Files(files) = asked.changed {
        return Ok(Changes::Known {
            files: files.clone(),
            of: "the files that were named".to_owned(),
        });
    }
    let pair = match asked.changed {
        Changed::Since(base) => {
            Pair::Three { base: base.clone(), head: head.unwrap_or("HEAD").to_owned() }
        }
        _ => pair(asked.event, asked.payload, head),
    };
    if let Pair::Unknown(why) = pair {
        return Ok(Changes::Unknown(why.to_owned()));
    }
    let git = Git::of(work, source)?;
    let Some(history) = History::of(&git, work, source)? else {
        return Ok(Changes::Unknown("the source has no history".to_owned()));
    };
    let since = matches!(asked.changed, Changed::Since(_));
    match history.commits(&pair) {
        Ok((before, after)) => history.compare(work, &before, &after, since),
        Err(why) if since => Err(SourceError::Git {
            what: "compare with the commit that was asked for".to_owned(),
            said: why,
            remote: false,
        }),
        Err(why) => Ok(Changes::Unknown(why)),
    }
}

/// The commits that a payload names.
fn pair(event: &str, payload: Option<&Value>, head: Option<&str>) -> Pair {
    let text = |path: &[&str]| {
        let found = path.iter().try_fold(payload?, |value, key| value.get(key))?;
        found.as_str().filter(|t| !t.is_empty()).map(str::to_owned)
    };
    match event {
        "push" => {
            let after = text(&["after"]).or_else(|| head.map(str::to_owned));
            let (Some(before), Some(after)) = (text(&["before"]), after) else {
                return Pair::Unknown("the event names no commits `before` and `after`");
            };
            let pushed = payload.and_then(|p| p.get("commits"));
            if matches!(pushed, Some(Value::Array(list)) if list.len() > MAX_PUSHED_COMMITS) {
                return Pair::Unknown("more than 1,000 commits were pushed");
            }
            if is_none(&after) {
                return Pair::Unknown("the branch was deleted");
            }
            if is_none(&before) {
                let default = text(&["repository", "default_branch"]);
                let pushed = text(&["ref"]).unwrap_or_default();
                return Pair::New { after, default, pushed };
            }
            Pair::Two { before, after }
        }
        "pull_request" | "pull_request_target" => {
            let side = |side: &str| text(&["pull_request", side, "sha"]);
            match (side("base"), side("head")) {
                (Some(base), Some(head)) => Pair::Three { base, head },
                _ => Pair::Unknown("the event names no commits of the pull request"),
            }
        }
        _ => Pair::Unknown("the event has no changed files"),
    }
}

/// The commit of all zeros, which stands for none.
fn is_none(sha: &str) -> bool {
    sha.bytes().all(|b| b == b'0')
}

/// A repository with the commits of a source.
struct History<'a> {
    git: &'a Git,
    dir: PathBuf,
    /// The folder, when there is one that may differ from its commit.
    folder: Option<PathBuf>,
}

impl<'a> History<'a> {
    fn of(git: &'a Git, work: &Path, source: &Source) -> Result<Option<Self>, SourceError> {
        match source {
            Source::Archive(_) => Ok(None),
            Source::Folder(path) => {
                let root = path.canonicalize().map_err(|e| SourceError::read(path, e))?;
                let has = folder::top_level(git, &root).is_some_and(|top| top == root)
                    && git
                        .line(&root, &["rev-parse", "--verify", "--quiet", "HEAD"], "read")
                        .is_ok();
                Ok(has.then(|| Self { git, dir: root.clone(), folder: Some(root) }))
            }
            Source::Git { url, .. } => {
                let dir = work.join("history");
                std::fs::create_dir_all(&dir).map_err(|e| SourceError::read(&dir, e))?;
                git.run(&dir, &["init", "--quiet", "--bare"], "make a repository", false)?;
                git.run(&dir, &["remote", "add", "--", "origin", url], "name the remote", false)?;
                // Commits and trees are enough: names are compared, not contents.
                let args = [
                    "fetch",
                    "--quiet",
                    "--no-tags",
                    "--filter=blob:none",
                    "--",
                    "origin",
                    "+refs/heads/*:refs/remotes/origin/*",
                    "+refs/tags/*:refs/tags/*",
                ];
                git.run(&dir, &args, &format!("fetch the history of `{url}`"), true)?;
                Ok(Some(Self { git, dir, folder: None }))
            }
        }
    }

    /// The commit of a name.
    fn commit(&self, name: &str) -> Option<String> {
        let names = [name.to_owned(), format!("refs/remotes/origin/{name}")];
        names.iter().filter(|n| !n.starts_with('-')).find_map(|name| {
            let wanted = format!("{name}^{{commit}}");
            let args = ["rev-parse", "--verify", "--quiet", &wanted];
            self.git.line(&self.dir, &args, "find a commit").ok()
        })
    }

    fn merge_base(&self, one: &str, two: &str) -> Option<String> {
        self.git.line(&self.dir, &["merge-base", one, two], "find where they part").ok()
    }

    /// The two commits to compare, or why there are none.
    fn commits(&self, pair: &Pair) -> Result<(String, String), String> {
        let find = |name: &str| {
            self.commit(name)
                .ok_or_else(|| format!("there is no commit `{name}` in the repository"))
        };
        match pair {
            Pair::Unknown(why) => Err((*why).to_owned()),
            Pair::Two { before, after } => {
                let (before, after) = (find(before)?, find(after)?);
                self.few(&before, &after)?;
                Ok((before, after))
            }
            Pair::Three { base, head } => {
                let (base, head) = (find(base)?, find(head)?);
                let parted = self.merge_base(&base, &head);
                Ok((parted.ok_or("the two have no commit in common")?, head))
            }
            Pair::New { after, default, pushed } => {
                let after = find(after)?;
                let default = default.as_deref().filter(|d| format!("refs/heads/{d}") != *pushed);
                let base = default
                    .and_then(|d| {
                        self.commit(&format!("refs/remotes/origin/{d}")).or_else(|| self.commit(d))
                    })
                    .and_then(|default| self.merge_base(&default, &after));
                let before = match base {
                    Some(base) => base,
                    None => self.nothing().map_err(|e| e.to_string())?,
                };
                self.few(&before, &after)?;
                Ok((before, after))
            }
        }
    }

    /// The tree without files, for a branch whose first commit has no parent.
    fn nothing(&self) -> Result<String, SourceError> {
        let args = ["hash-object", "-t", "tree", "--stdin"];
        self.git.line(&self.dir, &args, "name the empty tree")
    }

    /// Refuses more commits than GitHub compares.
    fn few(&self, before: &str, after: &str) -> Result<(), String> {
        let not = format!("^{before}");
        let known = self.commit(before).is_some();
        let args: &[&str] = if known {
            &["rev-list", "--count", after, &not, "--"]
        } else {
            &["rev-list", "--count", after, "--"]
        };
        let count =
            self.git.line(&self.dir, args, "count the commits").map_err(|e| e.to_string())?;
        match count.parse::<usize>() {
            Ok(n) if n <= MAX_PUSHED_COMMITS => Ok(()),
            _ => Err(format!(
                "{count} commits were pushed, and at most {MAX_PUSHED_COMMITS} are compared"
            )),
        }
    }

    fn compare(
        &self,
        work: &Path,
        before: &str,
        after: &str,
        with_tree: bool,
    ) -> Result<Changes, SourceError> {
        let args = [
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            before,
            after,
            "--",
        ];
        let out = self.git.run(&self.dir, &args, "compare two commits", false)?;
        let mut files = names(&out);
        let mut of = format!("`{}..{}`", short(before), short(after));
        if let Some(root) = self.folder.as_ref().filter(|_| with_tree) {
            let more = self.uncommitted(work, root, after)?;
            if !more.is_empty() {
                of += " and of what is not committed";
            }
            files.extend(more);
            files.sort();
            files.dedup();
        }
        Ok(Changes::Known { files, of })
    }

    /// What differs from the commit in a folder, asked with a repository of our own and thus without the
    /// folder's settings.
    fn uncommitted(&self, work: &Path, root: &Path, sha: &str) -> Result<Vec<String>, SourceError> {
        let own = work.join("shallow/.git");
        if !own.is_dir() {
            folder::shallow(self.git, work, root, sha, None)?;
        }
        let flag = |name: &str, dir: &Path| {
            let mut flag = std::ffi::OsString::from(name);
            flag.push(dir);
            flag
        };
        let (git_dir, tree) = (flag("--git-dir=", &own), flag("--work-tree=", root));
        let args = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"]
            .map(OsStr::new);
        let all: Vec<&OsStr> =
            [git_dir.as_os_str(), tree.as_os_str()].into_iter().chain(args).collect();
        let out = self.git.run(root, &all, "compare the folder with its commit", false)?;
        // `XY name`, each ended by a zero byte.
        Ok(names(&out).iter().filter_map(|line| line.get(3..)).map(str::to_owned).collect())
    }
}

fn names(list: &[u8]) -> Vec<String> {
    let names = list.split(|b| *b == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}
