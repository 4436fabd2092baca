//! The git command in a hardened environment, and what is made with it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gantry_api::lease::Secret;

use crate::fleet::Source;
use crate::source::{SourceError, Tree, within};

/// Longest time that one git command may take.
const TIME_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Transports that git may use.
const TRANSPORTS: &str = "https:ssh:file";
/// Settings of our own in the place of the machine's and the user's.
const CONFIG: &str = "[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\
[protocol]\n\tallow = never\n[protocol \"https\"]\n\tallow = always\n[protocol \"ssh\"]\n\tallow = always\n\
[protocol \"file\"]\n\tallow = always\n[uploadpack]\n\tallowAnySHA1InWant = true\n\
[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n\
[http]\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 60\n\
[transfer]\n\tfsckObjects = false\n[submodule]\n\trecurse = false\n";

/// The same, and plain HTTP to this very machine.
const LOOPBACK_TRANSPORTS: &str = "http:https:ssh:file";

/// Git with a home of its own below a work directory.
#[derive(Debug, Clone)]
pub(super) struct Git {
    home: PathBuf,
    limit: Duration,
    transports: &'static str,
    /// Server and value of the header that it is sent.
    auth: Option<(String, Secret)>,
}

impl Git {
    pub(super) fn new(work: &Path) -> Result<Self, SourceError> {
        let home = work.join("git-home");
        std::fs::create_dir_all(&home).map_err(|e| SourceError::read(&home, e))?;
        let config = home.join("config");
        std::fs::write(&config, CONFIG).map_err(|e| SourceError::read(&config, e))?;
        Ok(Self { home, limit: TIME_LIMIT, transports: TRANSPORTS, auth: None })
    }

    /// For a source: with what its server wants to see, and plain HTTP when that is this very machine.
    pub(super) fn of(work: &Path, source: &Source) -> Result<Self, SourceError> {
        let git = Self::new(work)?;
        let Source::Git { url, auth, .. } = source else { return Ok(git) };
        let transports = if is_loopback(url) { LOOPBACK_TRANSPORTS } else { TRANSPORTS };
        let auth = auth.clone().and_then(|auth| Some((server(url)?, auth)));
        Ok(Self { transports, auth, ..git })
    }

    /// The same with another time for every command.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The same with a shorter time for every command, and with plain HTTP where `loopback` says that it
    /// does not leave the machine.
    pub(super) fn with_limit(
        work: &Path,
        limit: Duration,
        loopback: bool,
    ) -> Result<Self, SourceError> {
        let transports = if loopback { LOOPBACK_TRANSPORTS } else { TRANSPORTS };
        Ok(Self { limit, transports, ..Self::new(work)? })
    }

    /// Runs git in `dir`; its output on success.
    pub(super) fn run<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        args: &[A],
        what: &str,
        remote: bool,
    ) -> Result<Vec<u8>, SourceError> {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", self.home.join("config"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_COUNT", if self.auth.is_some() { "3" } else { "2" })
            .env("GIT_CONFIG_KEY_0", "core.hooksPath")
            .env("GIT_CONFIG_VALUE_0", "/dev/null")
            .env("GIT_CONFIG_KEY_1", "core.fsmonitor")
            .env("GIT_CONFIG_VALUE_1", "false")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("SSH_ASKPASS", "true")
            .env(
                "GIT_SSH_COMMAND",
                "ssh -oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=20",
            )
            .env("GIT_ALLOW_PROTOCOL", self.transports)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C");
        if let Some((server, header)) = &self.auth {
            command
                .env("GIT_CONFIG_KEY_2", format!("http.{server}.extraHeader"))
                .env("GIT_CONFIG_VALUE_2", format!("Authorization: {}", header.0));
        }
        let output = within::output(&mut command, self.limit).map_err(|e| match e.kind() {
            std::io::ErrorKind::TimedOut => SourceError::Git {
                what: what.to_owned(),
                said: format!("it took longer than {} minutes", self.limit.as_secs() / 60),
                remote,
            },
            _ => SourceError::NoGit(e),
        })?;
        let said = String::from_utf8_lossy(&output.stderr);
        // A checkout that could not write a file says so and ends well all the same.
        let is_whole = !said.lines().any(|l| l.starts_with(UNWRITTEN));
        if output.status.success() && is_whole {
            return Ok(output.stdout);
        }
        let lines: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(3)..].join("; ");
        Err(SourceError::Git { what: what.to_owned(), said: last, remote })
    }

    /// As [`Git::run`], as one trimmed line of text.
    pub(super) fn line(
        &self,
        dir: &Path,
        args: &[&str],
        what: &str,
    ) -> Result<String, SourceError> {
        let out = self.run(dir, args, what, false)?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }
}

/// How Git says that it could not write a file, mostly because the disk is full.
const UNWRITTEN: &str = "error: unable to write file";

/// What of a repository is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At<'a> {
    /// Branch, tag, full ref or commit; the default branch when absent.
    pub git_ref: Option<&'a str>,
    /// The commit on that ref; the newest when absent.
    pub sha: Option<&'a str>,
}

/// Fetches a Git URL at depth 1 and checks it out.
pub(super) fn fetch(git: &Git, work: &Path, url: &str, at: At<'_>) -> Result<Tree, SourceError> {
    check_transport(url)?;
    let dir = work.join("checkout");
    std::fs::create_dir_all(&dir).map_err(|e| SourceError::read(&dir, e))?;
    git.run(&dir, &["init", "--quiet"], "make a repository", false)?;
    git.run(&dir, &["remote", "add", "--", "origin", url], "name the remote", false)?;
    let (name, full) = match (at.git_ref, at.sha) {
        (None, _) => default_branch(git, &dir, url)?,
        (Some(wanted), Some(_)) if wanted.starts_with("refs/") => {
            (wanted.to_owned(), wanted.to_owned())
        }
        (Some(wanted), _) => find_ref(git, &dir, url, wanted)?,
    };
    match at.sha {
        None => {
            let what = format!("fetch `{name}` of `{url}`");
            let spec = refspec(&full);
            let args = ["fetch", "--quiet", "--no-tags", "--depth", "1", "--", "origin", &spec];
            git.run(&dir, &args, &what, true)?;
        }
        Some(sha) => fetch_commit(git, &dir, url, &full, sha)?,
    }
    check_out(git, &dir, &full, at.sha)?;
    let mut tree = describe(git, &dir, full)?;
    tree.files = super::folder::tracked(git, &dir)?;
    tree.git_dir = Some(dir.join(".git"));
    tree.root = dir;
    Ok(tree)
}

/// Fetches one commit and puts the ref there, wherever the server's own has moved meanwhile.
fn fetch_commit(
    git: &Git,
    dir: &Path,
    url: &str,
    full: &str,
    sha: &str,
) -> Result<(), SourceError> {
    let what = format!("fetch the commit `{sha}` of `{url}`");
    let shallow = ["fetch", "--quiet", "--no-tags", "--depth", "1", "--", "origin", sha];
    if git.run(dir, &shallow, &what, true).is_err() {
        // A server that hands out no single commits has it below one of its refs, or not at all.
        let spec = refspec(full);
        let all = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--",
            "origin",
            "+refs/heads/*:refs/remotes/all/*",
            &spec,
        ];
        let some =
            ["fetch", "--quiet", "--no-tags", "--", "origin", "+refs/heads/*:refs/remotes/all/*"];
        git.run(dir, &all, &what, true).or_else(|_| git.run(dir, &some, &what, true))?;
        let commit = format!("{sha}^{{commit}}");
        git.run(dir, &["rev-parse", "--verify", "--quiet", &commit], &what, false).map_err(
            |error| match error {
                SourceError::Git { what, .. } => SourceError::Git {
                    what,
                    said: "the repository does not have it any more".to_owned(),
                    remote: false,
                },
                other => other,
            },
        )?;
    }
    let target = match full.strip_prefix("refs/heads/") {
        Some(branch) => format!("refs/remotes/origin/{branch}"),
        None if full.starts_with("refs/tags/") => full.to_owned(),
        None => "refs/gantry/commit".to_owned(),
    };
    git.run(dir, &["update-ref", &target, sha], "set the ref", false)?;
    Ok(())
}

/// Where a URL's server is, as Git names it in its settings.
fn server(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split('/').next()?;
    matches!(scheme, "http" | "https").then(|| format!("{scheme}://{host}/"))
}

/// Whether a URL is plain HTTP to this very machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn check_transport(url: &str) -> Result<(), SourceError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let scp = scheme.is_none() && url.contains('@') && url.contains(':');
    let allowed = matches!(scheme, Some("https" | "ssh" | "file")) || scp || is_loopback(url);
    if allowed && !url.starts_with('-') && !url.contains(char::is_control) {
        Ok(())
    } else {
        Err(SourceError::Transport(url.to_owned()))
    }
}

/// The remote's default branch: short name and full ref.
fn default_branch(git: &Git, dir: &Path, url: &str) -> Result<(String, String), SourceError> {
    let what = format!("ask `{url}` for its default branch");
    let args = ["ls-remote", "--symref", "--", "origin", "HEAD"];
    let out = git.run(dir, &args, &what, true)?;
    let text = String::from_utf8_lossy(&out);
    let full = text
        .lines()
        .find_map(|l| l.strip_prefix("ref: ")?.split_whitespace().next())
        .map(str::to_owned);
    match full {
        Some(full) => Ok((full.trim_start_matches("refs/heads/").to_owned(), full)),
        None => Err(SourceError::Git {
            what,
            said: "it has no default branch".to_owned(),
            remote: true,
        }),
    }
}

/// The full ref for a branch, tag, full ref or commit as people write it.
fn find_ref(
    git: &Git,
    dir: &Path,
    url: &str,
    wanted: &str,
) -> Result<(String, String), SourceError> {
    let what = format!("find `{wanted}` in `{url}`");
    if wanted.len() == 40 && wanted.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok((wanted.to_owned(), wanted.to_owned()));
    }
    let heads = format!("refs/heads/{wanted}");
    let tags = format!("refs/tags/{wanted}");
    let args = ["ls-remote", "--", "origin", wanted, &heads, &tags];
    let out = git.run(dir, &args, &what, true)?;
    let text = String::from_utf8_lossy(&out).into_owned();
    let refs: Vec<&str> = text.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    let found = [wanted, &heads, &tags].into_iter().find(|r| refs.contains(r));
    match found {
        Some(full) => Ok((wanted.to_owned(), full.to_owned())),
        None => Err(SourceError::Git {
            what,
            said: "there is no such branch, tag or commit".to_owned(),
            remote: true,
        }),
    }
}

fn refspec(full: &str) -> String {
    match full.strip_prefix("refs/heads/") {
        Some(branch) => format!("+{full}:refs/remotes/origin/{branch}"),
        None if full.starts_with("refs/tags/") => format!("+{full}:{full}"),
        None => full.to_owned(),
    }
}

fn check_out(git: &Git, dir: &Path, full: &str, sha: Option<&str>) -> Result<(), SourceError> {
    let what = "check the commit out";
    let commit = sha.unwrap_or("FETCH_HEAD");
    match full.strip_prefix("refs/heads/") {
        Some(branch) => {
            let remote = format!("refs/remotes/origin/{branch}");
            git.run(dir, &["checkout", "--quiet", "-B", branch, &remote, "--"], what, false)?;
        }
        None => {
            git.run(dir, &["checkout", "--quiet", "--detach", commit, "--"], what, false)?;
        }
    }
    Ok(())
}

/// Commit and message of what is checked out in `dir`.
pub(super) fn describe(git: &Git, dir: &Path, git_ref: String) -> Result<Tree, SourceError> {
    let sha = git.line(dir, &["rev-parse", "--verify", "HEAD"], "read the commit")?;
    let message = git.line(dir, &["log", "-1", "--format=%s"], "read the commit")?;
    Ok(Tree { sha: Some(sha), git_ref, message, ..Tree::default() })
}

/// A `.git` with the whole history of a source, when it is under Git.
pub(super) fn deepen(
    work: &Path,
    source: &Source,
    tree: &Tree,
) -> Result<Option<PathBuf>, SourceError> {
    let (Some(shallow), Some(sha)) = (&tree.git_dir, &tree.sha) else { return Ok(None) };
    let git = Git::of(work, source)?;
    let full = work.join("full");
    std::fs::create_dir_all(&full).map_err(|e| SourceError::read(&full, e))?;
    let target = full.join(".git");
    let from = match source {
        Source::Git { url, .. } => url.clone(),
        Source::Folder(path) => super::folder::file_url(path)?,
        Source::Archive(_) => return Ok(None),
    };
    let remote = matches!(source, Source::Git { .. });
    let what = format!("fetch the history of `{from}`");
    let args = [
        OsStr::new("clone"),
        OsStr::new("--quiet"),
        OsStr::new("--no-checkout"),
        OsStr::new("--no-local"),
        OsStr::new("--"),
        OsStr::new(&from),
        full.as_os_str(),
    ];
    git.run(work, &args, &what, remote)?;
    match tree.git_ref.strip_prefix("refs/heads/") {
        Some(branch) => {
            let head = format!("refs/heads/{branch}");
            git.run(&full, &["update-ref", &head, sha], "set the branch", false)?;
            git.run(&full, &["symbolic-ref", "HEAD", &head], "set the branch", false)?;
        }
        None => {
            git.run(&full, &["update-ref", "--no-deref", "HEAD", sha], "set the commit", false)?;
        }
    }
    git.run(&full, &["read-tree", "HEAD"], "fill the index", false)?;
    copy_remote(&git, shallow, &full)?;
    Ok(Some(target))
}

/// The full clone names the same remote as the shallow one.
fn copy_remote(git: &Git, shallow: &Path, full: &Path) -> Result<(), SourceError> {
    let Some(dir) = shallow.parent() else { return Ok(()) };
    let url = git.line(dir, &["config", "--get", "remote.origin.url"], "read the remote");
    match url {
        Ok(url) => {
            git.run(full, &["remote", "set-url", "--", "origin", &url], "name the remote", false)?;
        }
        Err(_) => {
            git.run(full, &["remote", "remove", "origin"], "name the remote", false)?;
        }
    }
    Ok(())
}
