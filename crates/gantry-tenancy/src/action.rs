//! Actions: one for each kind of endpoint, with what it needs.

use crate::role::Role;

/// What an action needs of whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: also whoever has no credential.
    Nothing,
    /// Any credential of a person or program; a run's own as well.
    Credential,
    /// The credential of a runner; which leases it may touch is the lease's affair.
    Runner,
    /// The credential that lets runners register.
    Registrar,
    /// A role in the org of the resource; of the hub itself where the resource is the hub.
    Role(Role),
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $need:expr;)*) => {
        /// What is to be done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $name),* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its word in the audit.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it needs.
            pub fn need(self) -> Need {
                match self { $(Self::$name => $need),* }
            }
        }
    };
}

actions! {
    /// Reads how the hub stands, its metrics and the description of its API.
    HubRead = "hub.read", Need::Nothing;
    /// Begins a session with a token or a login.
    SessionBegin = "session.begin", Need::Nothing;
    /// Ends one's session.
    SessionEnd = "session.end", Need::Credential;
    /// Hands in the webhook of a forge, which signs it.
    HookReceive = "hook.receive", Need::Nothing;
    /// Asks who one is.
    SelfRead = "self.read", Need::Credential;
    /// Reads orgs and teams.
    OrgRead = "org.read", Need::Role(Role::Viewer);
    /// Reads repositories and their workflows.
    RepoRead = "repo.read", Need::Role(Role::Viewer);
    /// Registers a repository.
    RepoCreate = "repo.create", Need::Role(Role::Maintainer);
    /// Changes a repository, or switches it off or on.
    RepoChange = "repo.change", Need::Role(Role::Maintainer);
    /// Forgets a repository.
    RepoRemove = "repo.remove", Need::Role(Role::Admin);
    /// Starts workflows by hand.
    WorkflowDispatch = "workflow.dispatch", Need::Role(Role::Developer);
    /// Reads runs, their jobs, attempts and steps.
    RunRead = "run.read", Need::Role(Role::Viewer);
    /// Ends a run or a job.
    RunCancel = "run.cancel", Need::Role(Role::Developer);
    /// Runs a run again.
    RunRerun = "run.rerun", Need::Role(Role::Developer);
    /// Allows a run that waits for approval.
    RunApprove = "run.approve", Need::Role(Role::Maintainer);
    /// Reads logs.
    LogRead = "log.read", Need::Role(Role::Viewer);
    /// Reads artifacts.
    ArtifactRead = "artifact.read", Need::Role(Role::Viewer);
    /// Reads the queue.
    QueueRead = "queue.read", Need::Role(Role::Viewer);
    /// Follows changes as they happen.
    StreamRead = "stream.read", Need::Role(Role::Viewer);
    /// Lists events.
    EventRead = "event.read", Need::Role(Role::Viewer);
    /// Reads an event with headers and payload.
    EventOpen = "event.open", Need::Role(Role::Developer);
    /// Decides an event anew.
    EventReplay = "event.replay", Need::Role(Role::Maintainer);
    /// Reads runners and pools.
    RunnerRead = "runner.read", Need::Role(Role::Viewer);
    /// Drains, resumes or removes a runner.
    RunnerManage = "runner.manage", Need::Role(Role::Admin);
    /// Registers a runner.
    RunnerRegister = "runner.register", Need::Registrar;
    /// Takes work, reports, uploads: what a runner does.
    RunnerWork = "runner.work", Need::Runner;
    /// Lists tokens.
    TokenRead = "token.read", Need::Role(Role::Admin);
    /// Makes a token.
    TokenCreate = "token.create", Need::Role(Role::Admin);
    /// Revokes a token.
    TokenRevoke = "token.revoke", Need::Role(Role::Admin);
    /// Reads the audit.
    AuditRead = "audit.read", Need::Role(Role::Admin);
}

impl Action {
    /// Whether a run's own token may do it, for the run's repository.
    pub fn is_of_run(self) -> bool {
        matches!(
            self,
            Self::SelfRead | Self::RepoRead | Self::RunRead | Self::LogRead | Self::ArtifactRead
        )
    }
}
