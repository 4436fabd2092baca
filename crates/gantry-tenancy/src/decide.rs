//! The decision: whether an actor may do an action to a resource, and why.

use gantry_core::Timestamp;

use crate::action::{Action, Need};
use crate::actor::{Actor, ActorKind, Grant, OrgScope};
use crate::role::Role;

/// What it is to be done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The hub itself, which belongs to no org.
    Hub,
    /// An org.
    Org(&'a str),
    /// A repository of an org.
    Repo {
        /// The org.
        org: &'a str,
        /// The team that the repository belongs to.
        team: Option<&'a str>,
        /// `owner/name`.
        name: &'a str,
    },
    /// A list, of which the actor sees what [`visible`] says.
    List,
}

impl<'a> Resource<'a> {
    /// The repository of a full name.
    pub fn repo(name: &'a str, team: Option<&'a str>) -> Self {
        Self::Repo { org: name.split('/').next().unwrap_or(name), team, name }
    }

    /// Its org, when it has one.
    pub fn org(self) -> Option<&'a str> {
        match self {
            Self::Hub | Self::List => None,
            Self::Org(org) | Self::Repo { org, .. } => Some(org),
        }
    }
}

/// Whether it may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// Why, for people.
    pub reason: String,
}

impl Decision {
    fn yes(reason: impl Into<String>) -> Self {
        Self { allowed: true, reason: reason.into() }
    }

    fn no(reason: impl Into<String>) -> Self {
        Self { allowed: false, reason: reason.into() }
    }
}

/// Whether an actor may do an action to a resource.
pub fn decide(actor: &Actor, action: Action, resource: &Resource<'_>) -> Decision {
    let (word, needed) = match action.need() {
        Need::Nothing => return Decision::yes("needs no credential"),
        Need::Runner => return kind(actor.kind == ActorKind::Runner, "the credential of a runner"),
        Need::Registrar => {
            let fits = matches!(actor.kind, ActorKind::Registrar | ActorKind::Bootstrap);
            return kind(fits, "a token that registers runners");
        }
        Need::Credential => {
            let fits = matches!(
                actor.kind,
                ActorKind::Bootstrap | ActorKind::Token | ActorKind::User | ActorKind::Run { .. }
            );
            return kind(fits, "a token or a session");
        }
        Need::Role(role) => (action.as_str(), role),
    };
    match &actor.kind {
        ActorKind::Run { repository } => of_run(repository, action, resource),
        ActorKind::Runner | ActorKind::Registrar => {
            Decision::no(format!("`{word}` is not for runners"))
        }
        ActorKind::Nobody => Decision::no(format!("`{word}` needs a token or a session")),
        ActorKind::Bootstrap | ActorKind::Token | ActorKind::User => {
            let best = best(&actor.grants, resource);
            match best {
                Some(has) if has >= needed => Decision::yes(format!("has the role `{has}`")),
                Some(has) => {
                    Decision::no(format!("`{word}` needs the role `{needed}`; this is a `{has}`"))
                }
                None => Decision::no(format!("`{word}` needs the role `{needed}` here")),
            }
        }
    }
}

fn kind(fits: bool, what: &str) -> Decision {
    if fits { Decision::yes(format!("is {what}")) } else { Decision::no(format!("needs {what}")) }
}

/// A run's own token reads what is its repository's, and nothing else.
fn of_run(repository: &str, action: Action, resource: &Resource<'_>) -> Decision {
    let own = match resource {
        Resource::Repo { name, .. } => name.eq_ignore_ascii_case(repository),
        Resource::List => true,
        Resource::Hub | Resource::Org(_) => false,
    };
    if own && action.is_of_run() {
        Decision::yes("is of the run's own repository")
    } else {
        Decision::no("a run's own token reads what is of its repository, and nothing else")
    }
}

/// The highest role that grants give for a resource.
fn best(grants: &[Grant], resource: &Resource<'_>) -> Option<Role> {
    grants.iter().filter(|g| reaches(g, resource)).map(|g| g.role).max()
}

fn reaches(grant: &Grant, resource: &Resource<'_>) -> bool {
    match resource {
        Resource::List => true,
        Resource::Hub => grant.org == OrgScope::Any && grant.repos.is_none(),
        Resource::Org(org) => grant.org.has(org) && grant.repos.is_none(),
        Resource::Repo { org, name, .. } => {
            let listed = |repos: &std::collections::BTreeSet<String>| {
                repos.iter().any(|r| r.eq_ignore_ascii_case(name))
            };
            grant.org.has(org) && grant.repos.as_ref().is_none_or(listed)
        }
    }
}

/// What of a list an actor sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// Everything.
    Everything,
    /// Every repository of these orgs.
    Orgs(Vec<String>),
    /// These repositories.
    Repos(Vec<String>),
}

/// What of a list an actor sees by an action. Who has whole orgs and single repositories of others
/// sees the whole orgs; the single ones by their names.
pub fn visible(actor: &Actor, action: Action) -> Visible {
    if let ActorKind::Run { repository } = &actor.kind {
        return Visible::Repos(vec![repository.clone()]);
    }
    let Need::Role(needed) = action.need() else { return Visible::Repos(Vec::new()) };
    let (mut orgs, mut repos) = (Vec::new(), Vec::new());
    for grant in actor.grants.iter().filter(|g| g.role >= needed) {
        match (&grant.org, &grant.repos) {
            (OrgScope::Any, None) => return Visible::Everything,
            (OrgScope::One(org), None) => orgs.push(org.clone()),
            (scope, Some(named)) => {
                let inside = |r: &&String| scope.has(r.split('/').next().unwrap_or(r));
                repos.extend(named.iter().filter(inside).cloned());
            }
        }
    }
    if orgs.is_empty() { Visible::Repos(repos) } else { Visible::Orgs(orgs) }
}

/// Whether an actor may give a grant to another: never more than they have.
pub fn covers(actor: &Actor, grant: &Grant) -> bool {
    actor.grants.iter().any(|own| {
        let org = match (&own.org, &grant.org) {
            (OrgScope::Any, _) => true,
            (OrgScope::One(own), OrgScope::One(other)) => own.eq_ignore_ascii_case(other),
            (OrgScope::One(_), OrgScope::Any) => false,
        };
        let repos = match (&own.repos, &grant.repos) {
            (None, _) => true,
            (Some(own), Some(other)) => other.is_subset(own),
            (Some(_), None) => false,
        };
        org && repos && own.role >= grant.role
    })
}

/// Whether a credential counts at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Live,
    /// Its time is over.
    Expired,
    /// Somebody took it back.
    Revoked,
}

/// Whether a credential with these times counts at `now`.
pub fn standing(
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
    now: Timestamp,
) -> Standing {
    if revoked.is_some() {
        Standing::Revoked
    } else if expires.is_some_and(|e| e <= now) {
        Standing::Expired
    } else {
        Standing::Live
    }
}
