//! `gantry events`.

use gantry_api::v1::client::EventFilter;
use gantry_api::v1::event::{Event, EventDetail};

use super::table::{Rows, at, plain, short_ref, short_sha, word};
use super::{block, cannot, connect};
use crate::cli::{EventsArgs, EventsCommand};
use crate::exit::{Done, Failure};
use crate::out;

/// Acts on a `gantry events` command.
///
/// # Errors
/// There is no hub or no such event, or the hub refuses.
pub fn run(args: &EventsArgs) -> Done {
    let client = connect(&args.answer.hub)?;
    let json = args.answer.json;
    block(async {
        match &args.command {
            EventsCommand::List { repo, org, source, outcome, text, limit } => {
                let filter = EventFilter {
                    repo: repo.clone(),
                    org: org.clone(),
                    source: source.clone(),
                    outcome: outcome.clone(),
                    q: text.clone(),
                };
                let events = client.events(&filter, *limit as usize).await;
                let events = events.map_err(cannot("list the events"))?;
                out::answer(json, &events, &table(&events))
            }
            EventsCommand::Show { event, payload } => {
                let found = client.event(*event).await.map_err(cannot("show the event"))?;
                let mut text = details(&found.event);
                if *payload {
                    text += &came(&found)?;
                }
                out::answer(json, &found, &text)
            }
            EventsCommand::Replay { event } => {
                let taken = client.replay(*event).await.map_err(cannot("take the event again"))?;
                let text = format!(
                    "taken as {0}\n`gantry events show {0}` says what comes of it",
                    taken.event
                );
                out::answer(json, &taken, &text)
            }
        }
    })
}

/// What was decided, in a word.
fn decided(event: &Event) -> &str {
    event.outcome.as_deref().unwrap_or("undecided")
}

fn table(events: &[Event]) -> String {
    let mut rows = Rows::new(&[
        "event", "source", "kind", "repo", "ref", "actor", "outcome", "runs", "received",
    ]);
    for event in events {
        let action = event.action.as_ref().map_or_else(String::new, |a| format!(".{a}"));
        rows.add(vec![
            plain(event.id),
            plain(&event.source),
            plain(format!("{}{action}", event.kind)),
            plain(&event.repository),
            plain(short_ref(event.git_ref.as_deref().unwrap_or_default())),
            plain(event.actor.as_deref().unwrap_or_default()),
            word(decided(event), &["runs"], &["refused", "failed"]),
            plain(event.runs.len()),
            plain(at(Some(event.received_at))),
        ]);
    }
    rows.text("no events")
}

/// An event for people.
pub fn details(event: &Event) -> String {
    let mut text =
        format!("{}  {} from {}\n{}", event.id, event.kind, event.source, decided(event));
    if let Some(reason) = &event.reason {
        text += &format!(": {reason}");
    }
    text.push('\n');
    let mut say = |what: &str, value: &str| {
        if !value.is_empty() {
            text += &format!("  {what:10} {value}\n");
        }
    };
    let of = |value: &Option<String>| value.clone().unwrap_or_default();
    say("action", &of(&event.action));
    say("repository", &event.repository);
    say("ref", short_ref(event.git_ref.as_deref().unwrap_or_default()));
    say("commit", short_sha(event.sha.as_deref().unwrap_or_default()));
    say("actor", &of(&event.actor));
    say("title", &of(&event.title));
    say("delivery", &event.delivery);
    say("received", &at(Some(event.received_at)));
    say("decided", &at(event.decided_at));
    say("replay of", &event.replay_of.map(|e| e.to_string()).unwrap_or_default());
    for run in &event.runs {
        say("run", &run.to_string());
    }
    text
}

fn came(found: &EventDetail) -> Result<String, Failure> {
    let pretty = |value: &serde_json::Value| {
        serde_json::to_string_pretty(value)
            .map_err(|e| Failure::infra("cannot write the payload as JSON").because(&e))
    };
    Ok(format!("headers\n{}\npayload\n{}\n", pretty(&found.headers)?, pretty(&found.payload)?))
}
