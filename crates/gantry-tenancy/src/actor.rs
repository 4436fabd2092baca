//! Actors: who asks, and the roles that they were given.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::role::Role;

/// Which orgs a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum OrgScope {
    /// Every org, and the hub itself.
    Any,
    /// One org.
    One(String),
}

impl OrgScope {
    /// Whether it is for this org. Names of orgs differ not by case alone.
    pub fn has(&self, org: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(name) => name.eq_ignore_ascii_case(org),
        }
    }
}

impl From<String> for OrgScope {
    fn from(text: String) -> Self {
        if text == "*" { Self::Any } else { Self::One(text) }
    }
}

impl From<OrgScope> for String {
    fn from(scope: OrgScope) -> Self {
        match scope {
            OrgScope::Any => "*".to_owned(),
            OrgScope::One(name) => name,
        }
    }
}

/// A role in an org, or in some of its repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The org.
    pub org: OrgScope,
    /// The role.
    pub role: Role,
    /// Full names of the repositories that it is limited to.
    #[serde(default)]
    pub repos: Option<BTreeSet<String>>,
}

/// What somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorKind {
    /// Whoever started the hub.
    Bootstrap,
    /// A program with an API token.
    Token,
    /// A person who logged in.
    User,
    /// A run, by its own token: reads what is its repository's.
    Run {
        /// `owner/name`.
        repository: String,
    },
    /// A runner.
    Runner,
    /// Something that may register runners and nothing else.
    Registrar,
    /// Nobody known.
    Nobody,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Name for people and the audit.
    pub name: String,
    /// What they are.
    pub kind: ActorKind,
    /// Their roles.
    pub grants: Vec<Grant>,
}

impl Actor {
    /// Somebody without a credential.
    pub fn nobody() -> Self {
        Self { name: "nobody".to_owned(), kind: ActorKind::Nobody, grants: Vec::new() }
    }

    /// Whoever started the hub.
    pub fn bootstrap(name: &str) -> Self {
        let all = Grant { org: OrgScope::Any, role: Role::Admin, repos: None };
        Self { name: name.to_owned(), kind: ActorKind::Bootstrap, grants: vec![all] }
    }
}
