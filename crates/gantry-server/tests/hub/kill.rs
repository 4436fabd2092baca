//! A hub that is killed: the next start on its data shows the truth.

use gantry_core::{AttemptState, Fault, JobState, Outcome, StepState, Verdict};
use gantry_server::HubOptions;

use crate::support::{TestHub, completion, line, outcome, reason, single, step};

#[tokio::test]
async fn the_next_start_ends_what_a_killed_hub_left_and_keeps_its_log() {
    let tmp = tempfile::tempdir().unwrap();
    let first = TestHub::on(tmp.path(), HubOptions::default()).await;
    let runner = first.runner(1).await;
    let id = first.submit(single(&first)).await;
    let lease = runner.lease().await;
    let text = line("shown before the end");
    runner.log(&lease, 0, &text).await.unwrap();
    runner.report(&lease, vec![step(0, StepState::Running), step(1, StepState::Pending)]).await;
    // A runner's retried call may hold the hub for a moment; all of it goes with the runtime's tasks.
    drop(runner);
    let TestHub { hub, client, .. } = first;
    drop(client);
    let lock_holder = std::sync::Arc::downgrade(&hub);
    hub.kill();
    drop(hub);
    while lock_holder.strong_count() > 0 {
        tokio::task::yield_now().await;
    }

    let second = TestHub::on(tmp.path(), HubOptions::default()).await;
    let views = second.views(id).await;
    assert_eq!(outcome(&views[0]), Outcome::Cancelled);
    assert_eq!(reason(&views[0]), "the hub was stopped while it ran");
    let job = &views[0].jobs[0];
    assert_eq!(job.job.state, JobState::Finished);
    let attempt = &job.attempts[0];
    assert_eq!(attempt.attempt.state, AttemptState::Finished);
    let verdict = attempt.attempt.verdict.as_ref().unwrap();
    assert_eq!(verdict.fault, Some(Fault::Infra));
    assert!(attempt.steps.iter().all(|s| s.state == StepState::Finished));
    assert_eq!(attempt.steps[0].conclusion.as_ref().unwrap().outcome, Outcome::Cancelled);
    assert_eq!(attempt.steps[1].conclusion.as_ref().unwrap().outcome, Outcome::Skipped);
    assert_eq!(second.hub.reader().log(lease.attempt, 0, 1_000).await.unwrap(), text);
    assert!(second.hub.reader().is_ended(id).await.unwrap());
}

#[tokio::test]
async fn a_living_hub_on_the_same_data_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let first = TestHub::on(tmp.path(), HubOptions::default()).await;
    let runner = first.runner(1).await;
    let id = first.submit(single(&first)).await;
    let lease = runner.lease().await;
    let second = TestHub::on(tmp.path(), HubOptions::default()).await;
    assert_eq!(second.views(id).await[0].run.verdict, None);
    runner.complete(&lease, Verdict::success()).await;
    assert_eq!(outcome(&first.ended(id).await[0]), Outcome::Success);
}

#[tokio::test]
async fn what_a_dead_runner_held_is_placed_anew_at_once() {
    let hub = TestHub::start().await;
    let dead = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let lost = dead.lease().await;
    hub.hub.runner_lost("test-runner", "the runner died").await.unwrap();
    // Nothing that was still under way counts.
    assert!(dead.log(&lost, 0, &line("too late")).await.is_err());
    assert!(
        dead.client.complete(lost.lease, &completion(&lost, Verdict::success())).await.is_err()
    );
    let next = hub.runner(1).await;
    let lease = next.lease().await;
    assert_eq!(lease.number, 2);
    next.complete(&lease, Verdict::success()).await;
    let views = hub.ended(id).await;
    assert_eq!(outcome(&views[0]), Outcome::Success);
    let first = views[0].jobs[0].attempts[0].attempt.verdict.as_ref().unwrap();
    assert_eq!(first.fault, Some(Fault::Infra));
    assert_eq!(first.reason.as_deref(), Some("the runner died"));
}

#[tokio::test]
async fn looking_at_the_data_of_a_killed_hub_ends_its_runs() {
    let tmp = tempfile::tempdir().unwrap();
    let first = TestHub::on(tmp.path(), HubOptions::default()).await;
    let id = first.submit(single(&first)).await;
    let runner = first.runner(1).await;
    runner.lease().await;
    assert_eq!(gantry_server::mend(tmp.path()).await.unwrap(), 0, "a living hub is left alone");
    drop(runner);
    let TestHub { hub, client, .. } = first;
    drop(client);
    let alive = std::sync::Arc::downgrade(&hub);
    hub.kill();
    drop(hub);
    while alive.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gantry_server::mend(tmp.path()).await.unwrap(), 1);
    let reader = gantry_server::Reader::open(tmp.path()).await.unwrap();
    assert!(reader.is_ended(id).await.unwrap());
    for place in ["tmp", "blobs/incoming", "hubs"] {
        assert_eq!(std::fs::read_dir(tmp.path().join(place)).unwrap().count(), 0, "{place}");
    }
    assert_eq!(gantry_server::mend(tmp.path()).await.unwrap(), 0);

    // One that died after its end was stored, and before its folders were removed.
    std::fs::create_dir_all(tmp.path().join("tmp/hub_gone")).unwrap();
    assert_eq!(gantry_server::mend(tmp.path()).await.unwrap(), 0);
    for place in ["tmp", "hubs"] {
        assert_eq!(std::fs::read_dir(tmp.path().join(place)).unwrap().count(), 0, "{place}");
    }
}
