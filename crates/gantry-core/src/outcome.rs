//! How something ended, on two axes: outcome × fault.

use serde::{Deserialize, Serialize};

/// How an attempt, job or run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Success,
    /// It ran and did not.
    Failure,
    /// Somebody or a rule ended it.
    Cancelled,
    /// It was not to run.
    Skipped,
    /// It ran longer than it may.
    TimedOut,
}

/// Whose fault an ending other than success is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The repository's own code or workflow.
    User,
    /// The hub, a runner or its machine; such attempts are tried again for free.
    Infra,
    /// A rule of the hub (egress, limits, unsupported or forbidden things).
    Policy,
    /// A service outside (forge, registry, mirror) or an upstream repository.
    Upstream,
}

/// Outcome × fault with the sentence that explains it.
///
/// Invariant: a success has no fault, everything but success and skipped has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Whose fault it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<Fault>,
    /// Why, for people: lower case, no final period.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl Outcome {
    /// The word that `needs.<id>.result`, `steps.<id>.outcome` and `job.status` have for it.
    pub fn as_result(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure | Self::TimedOut => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// The name in the store, the API and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::TimedOut => "timed_out",
        }
    }
}

impl Fault {
    /// The name in the store, the API and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Infra => "infra",
            Self::Policy => "policy",
            Self::Upstream => "upstream",
        }
    }
}

impl Verdict {
    /// It did what it should.
    pub fn success() -> Self {
        Self { outcome: Outcome::Success, fault: None, reason: None }
    }

    /// It was not to run, and why.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, fault: None, reason: Some(reason.into()) }
    }

    /// It failed, whose fault, and why.
    pub fn failure(fault: Fault, reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failure, fault: Some(fault), reason: Some(reason.into()) }
    }

    /// It was ended, whose fault, and why.
    pub fn cancelled(fault: Fault, reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Cancelled, fault: Some(fault), reason: Some(reason.into()) }
    }

    /// It took longer than it may.
    pub fn timed_out(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::TimedOut, fault: Some(Fault::User), reason: Some(reason.into()) }
    }

    /// Whether the invariant between the two axes holds.
    pub fn is_consistent(&self) -> bool {
        match self.outcome {
            Outcome::Success => self.fault.is_none(),
            Outcome::Skipped => true,
            Outcome::Failure | Outcome::Cancelled | Outcome::TimedOut => self.fault.is_some(),
        }
    }

    /// Whether dependents that ask for success may go on.
    pub fn is_success(&self) -> bool {
        self.outcome == Outcome::Success
    }
}

impl std::str::FromStr for Outcome {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        [Self::Success, Self::Failure, Self::Cancelled, Self::Skipped, Self::TimedOut]
            .into_iter()
            .find(|o| o.as_str() == s)
            .ok_or_else(|| format!("`{s}` is not an outcome"))
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        [Self::User, Self::Infra, Self::Policy, Self::Upstream]
            .into_iter()
            .find(|o| o.as_str() == s)
            .ok_or_else(|| format!("`{s}` is not a fault domain"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
