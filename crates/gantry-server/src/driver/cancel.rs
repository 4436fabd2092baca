//! Asking runs to end.

use gantry_core::{RunId, RunState};
use gantry_store::StoreError;
use gantry_store::decisions::DecisionRecord;

use crate::HubError;
use crate::driver::Poke;
use crate::events::RunEvent;
use crate::ids::now;
use crate::state::Shared;

/// Notes that a run is to be ended; says whether that is new. A run that has ended stays as it is.
pub(crate) async fn cancel(shared: &Shared, run: RunId, reason: &str) -> Result<bool, HubError> {
    let reason = reason.to_owned();
    let done = shared
        .db
        .write(move |tx| {
            Box::pin(async move {
                let record = tx.run_fetch(run).await?;
                if record.state.step(RunState::Cancelling).is_err() {
                    return Ok::<_, StoreError>(false);
                }
                tx.run_cancel(run, record.state, &reason).await?;
                tx.decision_insert(&DecisionRecord {
                    submission: record.submission,
                    run: Some(run),
                    job: None,
                    at: now(),
                    kind: "run_cancel_asked".to_owned(),
                    reason,
                })
                .await?;
                Ok(true)
            })
        })
        .await?;
    if done {
        shared.tell(RunEvent::RunChanged { run, state: RunState::Cancelling, verdict: None });
        shared.poke(Poke::Run(run));
    }
    Ok(done)
}
