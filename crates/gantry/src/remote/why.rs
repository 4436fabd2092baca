//! `gantry why` of a hub: of a run, a job, or an event.

use super::{block, cannot, connect, events, find};
use crate::cli::{HubArgs, WhyArgs};
use crate::cmd::runs::mark;
use crate::exit::Done;
use crate::out;

/// Acts on `gantry why`.
///
/// # Errors
/// There is no hub, run, job or event of that name, or the hub refuses.
pub fn run(args: &WhyArgs, hub: &HubArgs) -> Done {
    let client = connect(hub)?;
    let json = args.data.json;
    block(async {
        if let Ok(event) = args.what.parse() {
            let found = client.event(event).await.map_err(cannot("explain the event"))?;
            return out::answer(json, &found.event, &events::details(&found.event));
        }
        let (name, job) = find::run_and_job(&args.what);
        let run = find::run(&client, name).await?;
        let key = match job {
            // An id stands for its key; a name of the file for all its legs.
            Some(job) => match find::jobs(&run, job)?[..] {
                [one] => Some(one.key.clone()),
                _ => Some(job.to_owned()),
            },
            None => None,
        };
        let why = client.why(run.summary.id, key.as_deref()).await;
        let why = why.map_err(cannot("explain the run"))?;
        let mut text = String::new();
        for c in &why.constraints {
            text += &format!("{} {}: {}\n", mark(c.met, &c.detail), c.what, c.detail);
        }
        text += "decisions:\n";
        for d in &why.decisions {
            text += &format!("  {}  {}: {}\n", d.at.0.rfc3339(), d.kind, d.reason);
        }
        let value = serde_json::json!({
            "run": run.summary.id, "job": key, "constraints": why.constraints, "decisions": why.decisions,
        });
        out::answer(json, &value, &text)
    })
}
