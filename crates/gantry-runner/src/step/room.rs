//! A container of a step's own: what of the job it sees where, and its variables.
//!
//! Not in here: which steps have one (see [`crate::actions`]).

use gantry_sandbox::Beside;

use crate::contexts::Vars;
use crate::paths::{Paths, within};

/// Home directory in a step's own container.
const HOME: &str = "/github/home";
/// Working directory in a step's own container.
pub(crate) const WORKSPACE: &str = "/github/workspace";

/// A container of a step's own.
#[derive(Debug)]
pub(crate) struct Room {
    /// The container.
    pub beside: Beside,
    /// Directory of the job, and where it is in there.
    pub directories: Vec<(String, String)>,
}

/// The directories of the job that every such container sees, as GitHub's runner places them.
pub(crate) fn directories(paths: &Paths) -> Vec<(String, String)> {
    [
        (format!("{}/_github_home", paths.temp), HOME),
        (format!("{}/_github_workflow", paths.temp), "/github/workflow"),
        (paths.command_files(), "/github/file_commands"),
        (paths.workspace.clone(), WORKSPACE),
        (paths.temp.clone(), "/github/runner_temp"),
    ]
    .map(|(source, target)| (source, target.to_owned()))
    .into()
}

impl Room {
    /// The image's variables, above them the step's with the paths of the job translated.
    pub(crate) fn env(&self, step: &Vars) -> Vars {
        let mut env: Vars = self.beside.env.iter().cloned().collect();
        env.insert("HOME".to_owned(), HOME.to_owned());
        env.extend(step.iter().map(|(k, v)| (k.clone(), translated(&self.directories, v))));
        env
    }
}

/// A value that is a path of the job as the path that the container has for it; the first match counts.
fn translated(directories: &[(String, String)], value: &str) -> String {
    directories
        .iter()
        .find(|(source, _)| within(value, source))
        .map_or_else(|| value.to_owned(), |(from, to)| format!("{to}{}", &value[from.len()..]))
}

#[cfg(test)]
mod tests {
    use gantry_sandbox::JobUser;

    use super::*;

    #[test]
    fn paths_of_the_job_become_those_of_the_container() {
        let directories = directories(&Paths::new("acme/lib", JobUser::Runner));
        for (job, here) in [
            ("/home/runner/work/lib/lib/a b", "/github/workspace/a b"),
            ("/home/runner/work/_temp/_runner_file_commands/x", "/github/file_commands/x"),
            ("/home/runner/work/_temp/_github_workflow/event.json", "/github/workflow/event.json"),
            ("/home/runner/work/_temp", "/github/runner_temp"),
            ("/home/runner/work/lib", "/home/runner/work/lib"),
            ("x/home/runner/work/lib/lib", "x/home/runner/work/lib/lib"),
        ] {
            assert_eq!(translated(&directories, job), here);
        }
    }
}
