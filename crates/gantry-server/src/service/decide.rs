//! What follows from an event: a fleet to prepare, or nothing and why. Values in, a decision out.

use gantry_store::events::EventRecord;

use super::registry::{Registered, Registry};
use super::trigger::{Pull, REGISTERED, Trigger};
use crate::fleet::{EventFacts, Filters, Fleet, FleetEvent, FleetRepo, Source, Tier};

/// What follows from an event.
#[derive(Debug)]
pub(super) enum Decision {
    /// Nothing, because of the hub: it does not know the repository, or does not run it.
    Ignore(String),
    /// Nothing, because the event is broken.
    Refuse(String),
    /// Its workflows are to be planned.
    Plan(Box<Fleet>),
}

/// Decides about an event. `known_actor` says whether its author had a green run of this repository before.
pub(super) fn decide(
    registry: &Registry,
    record: &EventRecord,
    trigger: Result<Trigger, String>,
    known_actor: bool,
) -> Decision {
    let trigger = match trigger {
        Ok(trigger) => trigger,
        Err(why) => return Decision::Refuse(why),
    };
    let Some(known) = registry.find(&record.repository) else {
        return Decision::Ignore(format!(
            "`{}` is not a repository of this hub; `gantry repos add` registers it",
            record.repository
        ));
    };
    if let Some(why) = &known.record.disabled_reason {
        return Decision::Ignore(format!("`{}` is switched off: {why}", known.record.name));
    }
    if known.record.connection.as_ref().is_some_and(|own| is_foreign(record, own)) {
        return Decision::Refuse(format!(
            "`{}` belongs to another connection than `{}`",
            known.record.name, record.connection
        ));
    }
    Decision::Plan(Box::new(fleet(registry, known, trigger, known_actor)))
}

/// Whether a forge sends an event about a repository of another forge.
fn is_foreign(record: &EventRecord, own: &str) -> bool {
    matches!(record.source.as_str(), "github" | "gitlab" | "gitea" | "forgejo")
        && record.connection != own
}

fn fleet(registry: &Registry, known: &Registered, trigger: Trigger, known_actor: bool) -> Fleet {
    let facts = facts(&trigger, known_actor);
    let name = known.repo.full_name();
    let mut repos: Vec<FleetRepo> = registry.repos().map(|r| r.repo.clone()).collect();
    if let Some(own) = repos.iter_mut().find(|r| r.full_name() == name) {
        if let Source::Git { git_ref, sha, .. } = &mut own.source {
            if trigger.git_ref.is_some() {
                git_ref.clone_from(&trigger.git_ref);
            }
            *sha = trigger.sha;
        }
        if facts.tier == Tier::Fork {
            own.settings.secrets.clear();
        }
    }
    let read_only = trigger.event == REGISTERED;
    let branch = known.record.default_branch.as_ref().map(|b| format!("refs/heads/{b}"));
    // What is known of the default branch follows from what it has now, whatever brought that.
    let is_default = trigger.git_ref.is_none() || trigger.git_ref == branch;
    Fleet {
        repos,
        schedules: (is_default && trigger.pull.is_none()).then(|| name.clone()),
        read_only,
        event: FleetEvent {
            name: trigger.event,
            payload: trigger.payload,
            inputs: trigger.inputs,
            actor: trigger.actor,
            facts,
            ..FleetEvent::default()
        },
        filters: Filters {
            repos: vec![name],
            workflow: trigger.workflow,
            strict: true,
            ..Filters::default()
        },
        ..Fleet::default()
    }
}

/// How far an event is trusted, and whether somebody has to allow it first.
fn facts(trigger: &Trigger, known_actor: bool) -> EventFacts {
    let Some(Pull { number, is_fork, is_member }) = &trigger.pull else {
        return EventFacts { title: trigger.title.clone(), ..EventFacts::default() };
    };
    // What runs for the target is its own code, whoever opened the request.
    let own_code = trigger.event == "pull_request_target";
    let tier = match (own_code, is_fork) {
        (true, _) => Tier::Trusted,
        (false, true) => Tier::Fork,
        (false, false) => Tier::Internal,
    };
    let first = tier == Tier::Fork && !is_member && !known_actor;
    EventFacts {
        tier,
        approval: first.then(|| {
            format!("`{}` contributes to this repository for the first time", trigger.actor)
        }),
        title: trigger.title.clone(),
        pull_request: Some(*number),
    }
}
