//! `gantry queue`.

use gantry_api::v1::client::QueueFilter;
use gantry_api::v1::queue::QueueState;

use super::table::{Rows, at, outcome, plain};
use super::{block, cannot, connect};
use crate::cli::QueueArgs;
use crate::exit::Done;
use crate::out;

/// Acts on `gantry queue`.
///
/// # Errors
/// There is no hub, or it refuses.
pub fn run(args: &QueueArgs) -> Done {
    let client = connect(&args.answer.hub)?;
    block(async {
        let filter = QueueFilter { repo: args.repo.clone(), org: args.org.clone() };
        let items = client.queue(&filter, args.limit as usize).await;
        let items = items.map_err(cannot("list the queue"))?;
        let mut rows = Rows::new(&[
            "#",
            "state",
            "repo",
            "workflow",
            "job",
            "run",
            "queued",
            "runner or reason",
        ]);
        for item in &items {
            let state = match item.state {
                QueueState::Queued => "queued",
                QueueState::Running => "running",
            };
            let runner = item.runner.as_ref().map(|r| r.name.clone());
            rows.add(vec![
                plain(item.position.map_or_else(String::new, |p| p.to_string())),
                outcome(None, state),
                plain(&item.repository),
                plain(&item.workflow),
                plain(&item.name),
                plain(item.run),
                plain(at(item.queued_at)),
                plain(runner.or_else(|| item.hold.clone()).unwrap_or_default()),
            ]);
        }
        out::answer(args.answer.json, &items, &rows.text("nothing waits and nothing runs"))
    })
}
