//! Where things are inside a sandbox.

use gantry_sandbox::JobUser;

/// Directories of one job, absolute, as the job sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Everything that belongs to the job lies below: `/` in a container.
    pub base: String,
    /// `HOME`.
    pub home: String,
    /// Parent of all work directories.
    pub work: String,
    /// `GITHUB_WORKSPACE`.
    pub workspace: String,
    /// `RUNNER_TEMP`.
    pub temp: String,
    /// `RUNNER_TOOL_CACHE`.
    pub tool_cache: String,
    /// Where actions would be unpacked.
    pub actions: String,
}

impl Paths {
    /// The directories for a repository (`owner/name`) in a container.
    pub fn new(repository: &str, user: JobUser) -> Self {
        let home = match user {
            JobUser::Runner => "/home/runner",
            JobUser::Root => "/root",
        };
        Self {
            tool_cache: "/opt/hostedtoolcache".to_owned(),
            ..Self::build("/", home, "/home/runner/work", repository)
        }
    }

    /// The same directories below `base`, for plain processes that share one file system.
    pub fn below(base: &str, repository: &str) -> Self {
        let home = format!("{base}/home/runner");
        Self {
            tool_cache: format!("{base}/opt/hostedtoolcache"),
            ..Self::build(base, &home, &format!("{home}/work"), repository)
        }
    }

    fn build(base: &str, home: &str, work: &str, repository: &str) -> Self {
        let name = repository.rsplit('/').next().unwrap_or("repository");
        Self {
            base: base.to_owned(),
            home: home.to_owned(),
            workspace: format!("{work}/{name}/{name}"),
            temp: format!("{work}/_temp"),
            actions: format!("{work}/_actions"),
            tool_cache: String::new(),
            work: work.to_owned(),
        }
    }

    /// What must exist before the first step.
    pub fn directories(&self) -> Vec<String> {
        let dirs = [&self.home, &self.workspace, &self.temp, &self.actions, &self.tool_cache];
        dirs.into_iter().cloned().collect()
    }

    /// The directory of the command files.
    pub fn command_files(&self) -> String {
        format!("{}/_runner_file_commands", self.temp)
    }

    /// The file with the event's payload.
    pub fn event_file(&self) -> String {
        format!("{}/_github_workflow/event.json", self.temp)
    }

    /// A path of the workflow: absolute as it is, `~` as the home directory, else below the workspace.
    pub fn resolve(&self, path: &str) -> String {
        let path = path.trim();
        if path == "~" || path.starts_with("~/") {
            return normalize(&format!("{}{}", self.home, &path[1..]));
        }
        join(&self.workspace, path)
    }
}

/// `path` below `base` unless it is absolute, with `.` and `..` resolved as text.
pub fn join(base: &str, path: &str) -> String {
    if path.starts_with('/') { normalize(path) } else { normalize(&format!("{base}/{path}")) }
}

/// The path without `.`, `..` and double slashes; never above `/`.
pub fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether `path` is `dir` or lies below it (both normalized).
pub fn within(path: &str, dir: &str) -> bool {
    dir == "/" || path == dir || path.strip_prefix(dir).is_some_and(|r| r.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_as_the_workflow_means_them() {
        let p = Paths::new("acme/lib", JobUser::Runner);
        assert_eq!(p.workspace, "/home/runner/work/lib/lib");
        assert_eq!(p.resolve("a/./b/../c"), "/home/runner/work/lib/lib/a/c");
        assert_eq!(p.resolve("~/.cache"), "/home/runner/.cache");
        assert_eq!(p.resolve("/x//y/"), "/x/y");
        assert_eq!(normalize("/../.."), "/");
        assert!(within("/a/b", "/a") && within("/a", "/a") && !within("/ab", "/a"));
    }
}
