//! Roles: each may do what the ones below it may.

use serde::{Deserialize, Serialize};

/// What somebody may do in an org, or in some repositories of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Starts, cancels and repeats runs.
    Developer,
    /// Registers and changes repositories, allows runs, repeats events.
    Maintainer,
    /// Everything: tokens, runners, the audit.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: &'static [Self] =
        &[Self::Viewer, Self::Developer, Self::Maintainer, Self::Admin];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Maintainer => "maintainer",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|r| r.as_str() == s);
        found.ok_or_else(|| format!("`{s}` is not a role"))
    }
}
