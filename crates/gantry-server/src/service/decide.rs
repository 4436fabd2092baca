//! What follows from an event: a fleet to prepare, or nothing and why. Values in, a decision out.

use gantry_core::Timestamp;
use gantry_store::events::EventRecord;

use super::registry::{Registered, Registry};
use super::trigger::{Pull, REGISTERED, Trigger};
use crate::fleet::{EventFacts, Filters, Fleet, FleetEvent, FleetRepo, Source, Tier};

/// After so many failed tries an event is decided as failed.
const MAX_TRIES: u32 = 12;
/// Pause after the first failed try; each one doubles it.
const FIRST_PAUSE_MS: u64 = 2_000;
/// Longest pause between two tries.
const MAX_PAUSE_MS: u64 = 10 * 60 * 1_000;

/// How long an event waits that could not be decided `tries` times before; `None` when it has failed for good.
pub(super) fn pause_ms(tries: u32) -> Option<u64> {
    let doubled = FIRST_PAUSE_MS << tries.min(20);
    (tries < MAX_TRIES).then_some(doubled.min(MAX_PAUSE_MS))
}

/// Whether a delivery told of a push that polling sees, whose ref was seen elsewhere at `since`: one that came earlier
/// told of an older push to the same commit. `events` are those about ref and commit.
pub(super) fn is_told(events: &[EventRecord], since: Timestamp) -> bool {
    events.iter().any(|e| is_push(e) && !is_polled(e) && e.received >= since)
}

/// Why the delivery of a push changes nothing: polling had found it. Every push that was found stands for one delivery.
/// `others` are the events about ref and commit.
pub(super) fn seen_already(record: &EventRecord, others: &[EventRecord]) -> Option<String> {
    if !is_push(record) || is_polled(record) {
        return None;
    }
    let reason = |o: &EventRecord| format!("the same push was seen as {} ({})", o.id, o.source);
    let runs = |o: &EventRecord| matches!(o.outcome.as_deref(), None | Some("runs" | "nothing"));
    let is_spent = |o: &EventRecord| {
        others.iter().any(|other| other.id != record.id && other.reason == Some(reason(o)))
    };
    let found = |o: &&EventRecord| is_push(o) && is_polled(o) && runs(o) && !is_spent(o);
    others.iter().find(found).map(reason)
}

fn is_push(event: &EventRecord) -> bool {
    event.kind == "push" && event.replay_of.is_none()
}

fn is_polled(event: &EventRecord) -> bool {
    event.source == "poll"
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_core::EventId;

    fn push(n: u128, source: &str, at: i64) -> EventRecord {
        EventRecord {
            id: EventId(uuid::Uuid::from_u128(n)),
            source: source.to_owned(),
            connection: source.to_owned(),
            delivery: n.to_string(),
            kind: "push".to_owned(),
            action: None,
            repository: "acme/app".to_owned(),
            git_ref: Some("refs/heads/main".to_owned()),
            sha: Some("a".to_owned()),
            actor: None,
            title: None,
            headers: String::new(),
            payload: String::new(),
            replay_of: None,
            received: Timestamp(at),
            decided: Some(Timestamp(at)),
            outcome: Some("runs".to_owned()),
            reason: None,
            tries: 0,
            next_try: Timestamp(0),
        }
    }

    #[test]
    fn a_delivery_tells_of_what_came_after_the_last_look_and_no_longer() {
        let told = [push(1, "gitea", 50)];
        assert!(is_told(&told, Timestamp(50)));
        assert!(!is_told(&told, Timestamp(51)), "it told of the push before");
        assert!(!is_told(&[push(1, "poll", 50)], Timestamp(0)), "what polling found tells nothing");
    }

    #[test]
    fn what_polling_found_stands_for_one_delivery() {
        let (polled, late) = (push(1, "poll", 1), push(2, "gitea", 2));
        let why = seen_already(&late, &[late.clone(), polled.clone()]);
        assert_eq!(why, Some(format!("the same push was seen as {} (poll)", polled.id)));
        // The branch is set back to the commit later: another delivery, another run.
        let ignored = EventRecord { outcome: Some("ignored".to_owned()), reason: why, ..late };
        let again = push(3, "gitea", 3);
        assert_eq!(seen_already(&again, &[again.clone(), ignored, polled.clone()]), None);
        let replay = EventRecord { replay_of: Some(polled.id), ..again.clone() };
        assert_eq!(seen_already(&replay, std::slice::from_ref(&polled)), None);
        assert_eq!(seen_already(&polled, &[again, polled.clone()]), None);
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_end() {
        assert_eq!(pause_ms(0), Some(2_000));
        assert_eq!(pause_ms(3), Some(16_000));
        assert_eq!(pause_ms(11), Some(600_000));
        assert_eq!(pause_ms(12), None);
    }
}
