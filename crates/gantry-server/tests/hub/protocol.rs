//! What the protocol refuses, and what it takes twice.

use gantry_core::{Outcome, StepState, Verdict};
use gantry_server::HubOptions;

use crate::support::{TestHub, completion, jobs, line, outcome, single, step};

fn short_leases() -> HubOptions {
    HubOptions { lease_ttl_ms: 300, ..HubOptions::default() }
}

#[tokio::test]
async fn a_lost_lease_is_given_again_with_a_higher_epoch_and_the_old_one_is_refused() {
    let hub = TestHub::with(short_leases()).await;
    let runner = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let first = runner.lease().await;
    runner.report(&first, vec![step(0, StepState::Running)]).await;
    // Silence: the lease runs out.
    let second = runner.lease().await;
    assert_eq!(second.job, first.job);
    assert_eq!(second.number, 2);
    assert!(second.epoch > first.epoch);
    assert_ne!(second.attempt, first.attempt);

    let late = runner.client.complete(first.lease, &completion(&first, Verdict::success())).await;
    let late = late.unwrap_err();
    assert!(late.is_lease_gone(), "{late}");
    let log = runner.log(&first, 0, &line("late")).await.unwrap_err();
    assert!(log.is_lease_gone());

    runner.complete(&second, Verdict::success()).await;
    let views = hub.ended(id).await;
    insta::assert_snapshot!(jobs(&views[0]), @"build success after 2 attempts");
    let lost = &views[0].jobs[0].attempts[0];
    assert_eq!(
        lost.attempt.verdict,
        Some(Verdict::failure(gantry_core::Fault::Infra, "the runner did not report for 1 s"))
    );
    assert_eq!(lost.steps[0].state, StepState::Finished);
    assert!(lost.report.is_none());
}

#[tokio::test]
async fn a_job_that_is_lost_every_time_ends_with_an_infrastructure_fault() {
    let hub = TestHub::with(short_leases()).await;
    let runner = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    for number in 1..=gantry_core::limits::MAX_INFRA_ATTEMPTS {
        assert_eq!(runner.lease().await.number, number);
    }
    let views = hub.ended(id).await;
    assert_eq!(outcome(&views[0]), Outcome::Failure);
    insta::assert_snapshot!(jobs(&views[0]), @"build failure after 3 attempts");
}

#[tokio::test]
async fn a_completion_that_comes_twice_counts_once() {
    let hub = TestHub::start().await;
    let runner = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let lease = runner.lease().await;
    runner.complete(&lease, Verdict::success()).await;
    let other = Verdict::failure(gantry_core::Fault::User, "exit code 1");
    runner.complete(&lease, other).await;
    let views = hub.ended(id).await;
    insta::assert_snapshot!(jobs(&views[0]), @"build success after 1 attempts");
}

#[tokio::test]
async fn a_log_with_a_gap_is_refused_and_the_end_waits_for_the_whole_log() {
    let hub = TestHub::start().await;
    let runner = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let lease = runner.lease().await;
    let (one, two) = (line("one"), line("two"));
    runner.log(&lease, 0, &one).await.unwrap();
    let gap = runner.log(&lease, one.len() as u64 + 1, &two).await.unwrap_err();
    assert_eq!(gap.problem().unwrap().code, "log/gap");
    let mut end = completion(&lease, Verdict::success());
    end.log_bytes = (one.len() + two.len()) as u64;
    let early = runner.client.complete(lease.lease, &end).await.unwrap_err();
    assert_eq!(early.problem().unwrap().code, "log/gap");
    runner.log(&lease, 0, &format!("{one}{two}")).await.unwrap();
    runner.client.complete(lease.lease, &end).await.unwrap();
    let views = hub.ended(id).await;
    let log = hub.hub.reader().log(lease.attempt, 0, 10_000).await.unwrap();
    assert_eq!(log, format!("{one}{two}"));
    assert_eq!(views[0].jobs[0].attempts[0].attempt.log_bytes, log.len() as u64);
}

#[tokio::test]
async fn steps_only_move_on() {
    let hub = TestHub::start().await;
    let runner = hub.runner(1).await;
    hub.submit(single(&hub)).await;
    let lease = runner.lease().await;
    runner.report(&lease, vec![step(0, StepState::Running)]).await;
    runner.report(&lease, vec![step(0, StepState::Finished)]).await;
    runner.report(&lease, vec![step(0, StepState::Running), step(1, StepState::Running)]).await;
    let view = hub.hub.reader().run(lease.run).await.unwrap();
    let states: Vec<_> = view.jobs[0].attempts[0].steps.iter().map(|s| s.state).collect();
    assert_eq!(states, [StepState::Finished, StepState::Running]);
}

#[tokio::test]
async fn tokens_are_asked_for_and_a_lease_belongs_to_its_runner() {
    let hub = TestHub::start().await;
    let (mine, other) = (hub.runner(1).await, hub.runner(1).await);
    hub.submit(single(&hub)).await;
    let lease = mine.lease().await;
    let end = completion(&lease, Verdict::success());
    let refused = other.client.complete(lease.lease, &end).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, "auth/forbidden");
    let nobody = hub.client.with_token("wrong");
    let refused = nobody.complete(lease.lease, &end).await.unwrap_err();
    assert!(matches!(refused.problem().unwrap().status, 401 | 403));
    let refused = nobody
        .poll(
            mine.id,
            &gantry_api::runner::LeaseRequest {
                slots: 1,
                free: crate::support::capacity(),
                held: Vec::new(),
                wait_ms: 1,
            },
        )
        .await;
    assert_eq!(refused.unwrap_err().problem().unwrap().code, "auth/token");
    mine.complete(&lease, Verdict::success()).await;
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_comes_again_with_the_next_poll() {
    let hub = TestHub::start().await;
    let runner = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let first = runner.lease().await;
    // As if the answer had not come: the runner does not name the lease.
    runner.held.lock().expect("lock").clear();
    let again = runner.poll(5_000).await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].lease, again[0].epoch, again[0].number), (first.lease, first.epoch, 1));
    // What it names, and what it has begun, does not come again.
    assert!(runner.poll(1).await.is_empty());
    runner.report(&again[0], vec![]).await;
    runner.held.lock().expect("lock").clear();
    assert!(runner.poll(1).await.is_empty());
    runner.complete(&again[0], Verdict::success()).await;
    assert_eq!(outcome(&hub.ended(id).await[0]), Outcome::Success);
}

#[tokio::test]
async fn another_protocol_is_refused_with_what_to_do() {
    let hub = TestHub::start().await;
    let request = gantry_api::runner::RegisterRequest {
        name: "old".to_owned(),
        protocol: 99,
        labels: vec![],
        slots: 1,
        capacity: crate::support::capacity(),
        features: vec![],
        version: None,
        ephemeral: false,
    };
    let refused = hub.client.register(&request).await.unwrap_err();
    let problem = refused.problem().unwrap();
    assert_eq!(problem.code, "runner/protocol");
    assert!(problem.hint.is_some());
}

#[tokio::test]
async fn cancelling_reaches_the_runner_and_ends_what_waits() {
    let hub = TestHub::start().await;
    let runner = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let lease = runner.lease().await;
    assert!(hub.hub.cancel(lease.run, "asked by a test").await.unwrap());
    assert!(!hub.hub.cancel(lease.run, "again").await.unwrap());
    let mut told = None;
    while told.is_none() {
        told = runner.report(&lease, vec![]).await;
    }
    let verdict = Verdict::cancelled(gantry_core::Fault::User, "asked by a test");
    runner.complete(&lease, verdict).await;
    let views = hub.ended(id).await;
    assert_eq!(outcome(&views[0]), Outcome::Cancelled);
}
