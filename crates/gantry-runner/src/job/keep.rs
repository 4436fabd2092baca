//! What is written for who enters the job afterwards (`--keep`): the sandbox, and the environment of a step.
//!
//! Secrets are not written: a variable that holds one is left out and named. What steps wrote to the job's own disk is
//! there as they wrote it.

use gantry_core::{Outcome, Verdict};
use gantry_observe::log::LineKind;
use gantry_sandbox::SandboxSpec;
use gantry_sandbox::kept::Session;

use crate::attempt::Facts;
use crate::contexts::Vars;

/// The environment and directory of the step that failed first, or else of the last one that started a process.
#[derive(Debug, Clone, Default)]
pub struct KeptSession {
    env: Option<(Vars, String)>,
    step: Option<String>,
    settled: bool,
}

impl KeptSession {
    /// A process of a step begins.
    pub(crate) fn began(&mut self, env: &Vars, cwd: &str) {
        if !self.settled {
            self.env = Some((env.clone(), cwd.to_owned()));
            self.step = None;
        }
    }

    /// A step of the job has ended.
    pub(crate) fn ended(&mut self, name: &str, outcome: &Verdict) {
        if self.settled || outcome.outcome == Outcome::Skipped {
            return;
        }
        if self.env.is_some() && self.step.is_none() {
            self.step = Some(name.to_owned());
        }
        self.settled = outcome.outcome != Outcome::Success;
    }

    /// Writes it beside the sandbox's disk; a failure is said and changes nothing else.
    pub(crate) fn save(&self, facts: Facts<'_>, spec: &SandboxSpec, base: &Vars) {
        let log = facts.log;
        let (env, cwd) = match &self.env {
            Some((env, cwd)) => (env.clone(), cwd.clone()),
            None => (base.clone(), facts.paths.workspace.clone()),
        };
        let mut hidden = Vec::new();
        let mut open = |what: &str, env: &[(String, String)]| -> Vec<(String, String)> {
            let (bad, good): (Vec<_>, Vec<_>) =
                env.iter().cloned().partition(|(_, value)| log.finds_secret(value));
            hidden.extend(bad.into_iter().map(|(name, _)| format!("{what}{name}")));
            good
        };
        let env = open("", &env.into_iter().collect::<Vec<_>>());
        let mut spec = spec.clone();
        for service in &mut spec.services {
            service.env = open(&format!("service {}: ", service.name), &service.env);
        }
        let session = Session { spec, env, hidden, cwd, step: self.step.clone() };
        match session.save() {
            Ok(()) => log.line(
                None,
                LineKind::Runner,
                &format!("Kept: `gantry shell` enters this job (`{}`)", facts.lease.spec.key),
            ),
            Err(error) => {
                log.line(
                    None,
                    LineKind::Warning,
                    &format!("the job cannot be entered later: {error}"),
                );
            }
        }
    }
}
