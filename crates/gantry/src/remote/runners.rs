//! `gantry runners`.

use gantry_api::v1::runner::Runner;

use super::table::{Rows, at, plain, word};
use super::{block, cannot, connect, find};
use crate::cli::{RunnersArgs, RunnersCommand};
use crate::exit::Done;
use crate::files::human_bytes;
use crate::out;

/// Most runners that are listed.
const MOST: usize = 10_000;

/// Acts on a `gantry runners` command.
///
/// # Errors
/// There is no hub or no such runner, or the hub refuses.
pub fn run(args: &RunnersArgs) -> Done {
    let client = connect(&args.answer.hub)?;
    let json = args.answer.json;
    block(async {
        match &args.command {
            RunnersCommand::List { state } => {
                let all = client.runners(state.as_deref(), MOST).await;
                let all = all.map_err(cannot("list the runners"))?;
                out::answer(json, &all, &table(&all))
            }
            RunnersCommand::Show { runner } => {
                let found = find::runner(&client, runner).await?;
                out::answer(json, &found, &details(&found))
            }
            RunnersCommand::Drain { runner } => {
                let id = find::runner(&client, runner).await?.id;
                let now = client.drain_runner(id).await.map_err(cannot("drain the runner"))?;
                let text = match now.busy {
                    0 => format!("{} gets nothing more and has nothing to end", now.name),
                    n => format!("{} gets nothing more and ends its {n}", now.name),
                };
                out::answer(json, &now, &text)
            }
            RunnersCommand::Resume { runner } => {
                let id = find::runner(&client, runner).await?.id;
                let now = client.resume_runner(id).await.map_err(cannot("resume the runner"))?;
                out::answer(json, &now, &format!("{} gets work again", now.name))
            }
            RunnersCommand::Remove { runner } => {
                let found = find::runner(&client, runner).await?;
                client.remove_runner(found.id).await.map_err(cannot("remove the runner"))?;
                out::answer(json, &found, &format!("{} is forgotten", found.name))
            }
        }
    })
}

fn table(runners: &[Runner]) -> String {
    let mut rows = Rows::new(&["runner", "name", "pool", "state", "busy", "labels", "seen"]);
    for runner in runners {
        rows.add(vec![
            plain(runner.id),
            plain(&runner.name),
            plain(&runner.pool),
            word(runner.state.as_str(), &["online"], &["offline"]),
            plain(format!("{}/{}", runner.busy, runner.slots)),
            plain(runner.labels.join(" ")),
            plain(at(Some(runner.seen_at))),
        ]);
    }
    rows.text("no runners; `gantry runner --hub URL` joins one")
}

fn details(r: &Runner) -> String {
    let reason = r.offline_reason.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    let mut text = format!(
        "{}  {}\n{}{reason}, {} of {} slots taken\n",
        r.id,
        r.name,
        r.state.as_str(),
        r.busy,
        r.slots
    );
    let mut say = |what: &str, value: String| {
        if !value.is_empty() {
            text += &format!("  {what:10} {value}\n");
        }
    };
    say("pool", r.pool.clone());
    say("labels", r.labels.join(" "));
    say("features", r.features.join(" "));
    say("cores", format!("{:.1}", f64::from(r.capacity.cpu_millis) / 1000.0));
    say("memory", human_bytes(r.capacity.memory_bytes));
    say("disk", human_bytes(r.capacity.disk_bytes));
    say("version", r.version.clone().unwrap_or_default());
    say("kind", if r.ephemeral { "ends after one job".to_owned() } else { String::new() });
    say("registered", at(Some(r.registered_at)));
    say("seen", at(Some(r.seen_at)));
    for job in &r.jobs {
        say("job", job.to_string());
    }
    text
}
