//! `gantry dispatch`.

use std::time::Duration;

use gantry_api::v1::client::ApiClient;
use gantry_api::v1::event::Event;
use gantry_api::v1::repo::DispatchRequest;
use gantry_core::EventId;
use tokio::time::Instant;

use super::{block, connect, failure, find, watch};
use crate::cli::DispatchArgs;
use crate::exit::{Done, Exit, Failure};
use crate::out;

/// Time between two looks at an event that is not decided.
const LOOK: Duration = Duration::from_millis(300);
/// Longest wait for a decision: the repository has to be read for it.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// Acts on `gantry dispatch`.
///
/// # Errors
/// There is no hub or no such repository, the hub refuses, or nothing was started.
pub fn run(args: &DispatchArgs) -> Done {
    let client = connect(&args.hub)?;
    let (owner, name) = find::owner_and_name(&args.repo)?;
    let request = DispatchRequest {
        workflow: args.workflow.clone(),
        git_ref: args.git_ref.clone(),
        event: args.event.clone(),
        inputs: args.inputs.iter().cloned().collect(),
    };
    block(async {
        let taken = match client.dispatch(owner, name, &request).await {
            Ok(taken) => taken,
            Err(error) => {
                let doing = "start workflows";
                return Err(find::repo_failure(&client, doing, &args.repo, error).await);
            }
        };
        if !args.watch {
            let text = format!(
                "taken as {0}\n`gantry events show {0}` says what comes of it",
                taken.event
            );
            return out::answer(args.json, &taken, &text);
        }
        let event = decided(&client, taken.event).await?;
        if event.runs.is_empty() {
            let message =
                format!("nothing was started ({})", event.outcome.as_deref().unwrap_or("failed"));
            let mut failure = Failure::new(Exit::Failed, message);
            failure.causes.extend(event.reason);
            return Err(
                failure.hint(format!("`gantry repos show {}` lists its workflows", args.repo))
            );
        }
        watch::watch(&client, &event.runs, args.json).await
    })
}

/// The event, once it was decided.
async fn decided(client: &ApiClient, id: EventId) -> Result<Event, Failure> {
    let began = Instant::now();
    loop {
        match client.event(id).await {
            Ok(found) if found.event.decided_at.is_some() => return Ok(found.event),
            Ok(_) => {}
            Err(error) if error.is_transient() && began.elapsed() < MAX_WAIT => {}
            Err(error) => return Err(failure("see what comes of it", &error)),
        }
        if began.elapsed() > MAX_WAIT {
            let message = format!("`{id}` is not decided after {} min", MAX_WAIT.as_secs() / 60);
            return Err(Failure::infra(message).hint(format!("`gantry events show {id}` says why")));
        }
        tokio::time::sleep(LOOK).await;
    }
}
