//! Concurrency groups over the whole hub: several workflows, several submissions, several hubs on one store.

use std::path::{Path, PathBuf};

use gantry_core::{EventId, Fault, Outcome, Verdict};
use gantry_server::query::RunView;
use gantry_server::{Fleet, HubOptions, Source};

use crate::support::{TestHub, TestRunner, fleet, folder, outcome, reason, repo};

/// A workflow with this at its top and with these jobs' extra keys.
fn workflow(top: &str, job: &str) -> String {
    format!(
        "on: push\n{top}\njobs:\n  work: {{runs-on: ubuntu-latest, {job}steps: [{{run: 'true'}}]}}\n"
    )
}

fn app(dir: &Path, text: &str) -> (PathBuf, Fleet) {
    let dir = folder(&dir.join("src"), "app", text);
    let fleet = fleet(vec![repo("app", Source::Folder(dir.clone()), &[])]);
    (dir, fleet)
}

/// Waits for a state; the harness has the deadline.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn waits(hub: &TestHub, id: EventId) -> Vec<String> {
    let views = hub.views(id).await;
    views.iter().flat_map(|v| &v.waits).map(|w| format!("{}: {}", w.leg, w.reason)).collect()
}

/// Submits and waits until the submission waits for a group.
async fn submit_waiting(hub: &TestHub, fleet: &Fleet) -> EventId {
    let id = hub.submit(fleet.clone()).await;
    until(async || !waits(hub, id).await.is_empty()).await;
    id
}

async fn the_run(hub: &TestHub, id: EventId) -> RunView {
    hub.views(id).await.pop().expect("a run")
}

async fn done(runner: &TestRunner, lease: &gantry_api::lease::Lease) {
    runner.complete(lease, Verdict::success()).await;
}

#[tokio::test]
async fn two_workflows_of_one_group_never_overlap() {
    let hub = TestHub::start().await;
    let (dir, fleet) = app(&hub.dir, &workflow("concurrency: One", ""));
    let other = workflow("concurrency: {group: ONE, queue: max}", "");
    std::fs::write(dir.join(".github/workflows/other.yml"), other).unwrap();
    let id = submit_waiting(&hub, &fleet).await;
    let runner = hub.runner(5).await;
    let first = runner.lease().await;
    assert!(runner.poll(50).await.is_empty(), "the second waits");
    let waiting = hub.views(id).await.into_iter().find(|v| v.run.id != first.run).unwrap();
    let why = hub.hub.reader().why(waiting.run.id, None).await.unwrap();
    let said = why.iter().find(|c| c.what == "concurrency group `ONE`").expect("the group");
    let holder = format!("`One` is held by the run `.github/workflows/ci.yml` #1 ({})", first.run);
    assert!(said.detail.to_lowercase().contains(&holder.to_lowercase()), "{said:?}");
    done(&runner, &first).await;
    let second = runner.lease().await;
    assert_eq!(second.run, waiting.run.id);
    done(&runner, &second).await;
    assert!(hub.ended(id).await.iter().all(|v| outcome(v) == Outcome::Success));
}

#[tokio::test]
async fn a_newer_run_waits_in_the_place_of_the_one_that_waits() {
    let hub = TestHub::start().await;
    let (_, fleet) = app(&hub.dir, &workflow("concurrency: deploy", ""));
    let runner = hub.runner(5).await;
    let first = hub.submit(fleet.clone()).await;
    let lease = runner.lease().await;
    let second = submit_waiting(&hub, &fleet).await;
    let third = submit_waiting(&hub, &fleet).await;
    let replaced = hub.ended(second).await.pop().unwrap();
    assert_eq!((outcome(&replaced), replaced.jobs.len()), (Outcome::Cancelled, 0));
    let newest = the_run(&hub, third).await.run.id.to_string();
    assert!(reason(&replaced).contains(&newest), "{}", reason(&replaced));
    assert!(replaced.decisions.iter().any(|d| d.kind == "group_stopped"));
    done(&runner, &lease).await;
    let lease = runner.lease().await;
    assert_eq!(lease.run.to_string(), newest);
    done(&runner, &lease).await;
    for id in [first, third] {
        assert_eq!(outcome(&hub.ended(id).await[0]), Outcome::Success);
    }
}

#[tokio::test]
async fn cancel_in_progress_ends_the_run_that_has_the_group() {
    let hub = TestHub::start().await;
    let text = workflow("concurrency: {group: x, cancel-in-progress: true}", "");
    let (_, fleet) = app(&hub.dir, &text);
    let runner = hub.runner(5).await;
    let first = hub.submit(fleet.clone()).await;
    let lease = runner.lease().await;
    let second = submit_waiting(&hub, &fleet).await;
    let asked = async || runner.report(&lease, vec![]).await;
    until(async || asked().await.is_some()).await;
    let why = asked().await.unwrap();
    assert!(why.contains("`cancel-in-progress`"), "{why}");
    assert!(runner.poll(50).await.is_empty(), "the newer one waits for its end");
    runner.complete(&lease, Verdict::cancelled(Fault::User, "it was asked to")).await;
    let ended = hub.ended(first).await.pop().unwrap();
    assert_eq!(outcome(&ended), Outcome::Cancelled);
    assert!(reason(&ended).contains("concurrency group `x`"), "{}", reason(&ended));
    let lease = runner.lease().await;
    done(&runner, &lease).await;
    assert_eq!(outcome(&hub.ended(second).await[0]), Outcome::Success);
}

#[tokio::test]
async fn all_wait_in_their_order_with_queue_max() {
    let hub = TestHub::start().await;
    let text = workflow("", "concurrency: {group: line, queue: max}, ");
    let (_, fleet) = app(&hub.dir, &text);
    let runner = hub.runner(5).await;
    let mut ids = vec![hub.submit(fleet.clone()).await];
    let mut lease = runner.lease().await;
    for _ in 0..3 {
        ids.push(submit_waiting(&hub, &fleet).await);
    }
    let last = waits(&hub, ids[3]).await;
    assert!(last[0].starts_with("work: ") && last[0].ends_with("; 2 wait before it"), "{last:?}");
    let run = the_run(&hub, ids[3]).await.run.id;
    let why = hub.hub.reader().why(run, Some("work")).await.unwrap();
    assert!(
        why[1]
            .detail
            .starts_with("waiting: the concurrency group `line` is held by the job `work`"),
        "{why:?}"
    );
    for id in &ids {
        assert_eq!(lease.run, the_run(&hub, *id).await.run.id, "first come first");
        done(&runner, &lease).await;
        if id != ids.last().unwrap() {
            lease = runner.lease().await;
        }
        assert_eq!(outcome(&hub.ended(*id).await[0]), Outcome::Success);
    }
}

#[tokio::test]
async fn legs_of_a_matrix_share_a_group_and_the_last_that_waits_is_kept() {
    let hub = TestHub::start().await;
    let text = workflow("", "strategy: {matrix: {n: [1, 2, 3]}}, concurrency: x, ");
    let (_, fleet) = app(&hub.dir, &text);
    let runner = hub.runner(5).await;
    let id = hub.submit(fleet).await;
    let first = runner.lease().await;
    assert_eq!(first.spec.key, "work (1)");
    done(&runner, &first).await;
    let last = runner.lease().await;
    done(&runner, &last).await;
    let ended = hub.ended(id).await.pop().unwrap();
    insta::assert_snapshot!(crate::support::jobs(&ended), @r"
    work (1) success after 1 attempts
    work (2) cancelled after 0 attempts
    work (3) success after 1 attempts
    ");
    assert_eq!(outcome(&ended), Outcome::Cancelled);
}

#[tokio::test]
async fn a_job_in_the_group_of_its_own_run_is_not_waited_for() {
    let hub = TestHub::start().await;
    let (_, fleet) = app(&hub.dir, &workflow("concurrency: x", "concurrency: X, "));
    let id = hub.submit(fleet).await;
    let ended = hub.ended(id).await.pop().unwrap();
    assert_eq!(outcome(&ended), Outcome::Cancelled);
    assert!(reason(&ended).contains("it would wait for ever"), "{}", reason(&ended));
}

#[tokio::test]
async fn a_run_that_waits_can_be_cancelled() {
    let hub = TestHub::start().await;
    let (_, fleet) = app(&hub.dir, &workflow("concurrency: x", ""));
    let runner = hub.runner(5).await;
    hub.submit(fleet.clone()).await;
    let _lease = runner.lease().await;
    let second = submit_waiting(&hub, &fleet).await;
    hub.hub.cancel(the_run(&hub, second).await.run.id, "by hand").await.unwrap();
    let ended = hub.ended(second).await.pop().unwrap();
    assert_eq!((outcome(&ended), reason(&ended).as_str()), (Outcome::Cancelled, "by hand"));
}

#[tokio::test]
async fn a_group_is_one_over_all_hubs_of_a_store_and_a_dead_hub_holds_none() {
    let first = TestHub::start().await;
    let (_, fleet) = app(&first.dir, &workflow("concurrency: x", ""));
    let runner = first.runner(5).await;
    first.submit(fleet.clone()).await;
    let lease = runner.lease().await;
    let second = TestHub::on(&first.dir, HubOptions::default()).await;
    let id = submit_waiting(&second, &fleet).await;
    done(&runner, &lease).await;
    let worker = second.runner(5).await;
    let lease = worker.lease().await;
    assert_eq!(lease.run, the_run(&second, id).await.run.id);
    // Now the other way round, and whoever has the group dies.
    let id = submit_waiting(&first, &fleet).await;
    drop((worker, lease));
    let TestHub { hub, .. } = second;
    hub.kill();
    drop(hub);
    let lease = runner.lease().await;
    assert_eq!(lease.run, the_run(&first, id).await.run.id);
    done(&runner, &lease).await;
    assert_eq!(outcome(&first.ended(id).await[0]), Outcome::Success);
}
