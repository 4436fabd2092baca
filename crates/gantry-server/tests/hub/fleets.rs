//! Limits, filters and events of a whole fleet.

use gantry_core::Verdict;
use gantry_server::{HubOptions, Source, WorkflowLimits};

use crate::support::{ONE_JOB, TestHub, fleet, folder, reason, repo};

const THREE_JOBS: &str = "
on: [push, workflow_dispatch]
jobs:
  a: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}
  b: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}
  c: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}
";

/// Takes all leases that come while at most `most` may run at once; the highest number seen.
async fn most_at_once(hub: &TestHub, jobs: usize) -> usize {
    let runner = hub.runner(10).await;
    let mut held = Vec::new();
    let (mut done, mut most) = (0, 0);
    while done < jobs {
        held.extend(runner.poll(100).await);
        most = most.max(held.len());
        if let Some(lease) = held.pop() {
            runner.complete(&lease, Verdict::success()).await;
            done += 1;
        }
    }
    most
}

#[tokio::test]
async fn the_hubs_limit_holds() {
    let hub = TestHub::with(HubOptions { max_jobs: Some(2), ..HubOptions::default() }).await;
    let dir = folder(&hub.dir.join("src"), "app", THREE_JOBS);
    let id = hub.submit(fleet(vec![repo("app", Source::Folder(dir), &[])])).await;
    assert_eq!(most_at_once(&hub, 3).await, 2);
    hub.ended(id).await;
}

#[tokio::test]
async fn a_repositorys_and_a_jobs_limits_hold() {
    let hub = TestHub::start().await;
    let dir = folder(&hub.dir.join("src"), "app", THREE_JOBS);
    let mut app = repo("app", Source::Folder(dir), &[]);
    app.settings.max_parallel = Some(1);
    let id = hub.submit(fleet(vec![app])).await;
    assert_eq!(most_at_once(&hub, 3).await, 1);
    hub.ended(id).await;

    let matrix = "on: push\njobs:\n  t:\n    runs-on: ubuntu-latest\n    strategy: {matrix: {n: [1, 2, 3, 4]}}\n    steps: [{run: 'true'}]\n";
    let dir = folder(&hub.dir.join("src"), "legs", matrix);
    let mut legs = repo("legs", Source::Folder(dir), &[]);
    let limits = WorkflowLimits {
        max_in_progress: Some(1),
        jobs: [("t".to_owned(), 2)].into(),
        ..WorkflowLimits::default()
    };
    legs.settings.workflows.insert("ci.yml".to_owned(), limits);
    let id = hub.submit(fleet(vec![legs])).await;
    assert_eq!(most_at_once(&hub, 4).await, 2);
    hub.ended(id).await;
}

#[tokio::test]
async fn a_hold_says_why() {
    let hub = TestHub::with(HubOptions { max_jobs: Some(1), ..HubOptions::default() }).await;
    let dir = folder(&hub.dir.join("src"), "app", THREE_JOBS);
    let runner = hub.runner(5).await;
    hub.submit(fleet(vec![repo("app", Source::Folder(dir), &[])])).await;
    let lease = runner.lease().await;
    assert!(runner.poll(50).await.is_empty());
    let why = hub.hub.reader().why(lease.run, None).await.unwrap();
    let waiting: Vec<_> = why.iter().filter(|c| c.detail.starts_with("queued")).collect();
    assert_eq!(waiting.len(), 2, "{why:?}");
    assert!(waiting[0].detail.contains("the most that this hub runs at a time"), "{why:?}");
}

#[tokio::test]
async fn filters_choose_repositories_workflows_and_jobs() {
    let hub = TestHub::start().await;
    let src = hub.dir.join("src");
    let app = folder(&src, "app", THREE_JOBS);
    let other = ".github/workflows/other.yml";
    std::fs::write(
        app.join(other),
        "on: release\njobs: {x: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}}\n",
    )
    .unwrap();
    let lib = folder(&src, "lib", ONE_JOB);
    let runner = hub.runner(5).await;
    let _work = runner.work(|lease| crate::support::completion(lease, Verdict::success()));
    let repos = || {
        vec![
            repo("lib", Source::Folder(lib.clone()), &[]),
            repo("app", Source::Folder(app.clone()), &["lib"]),
        ]
    };
    let mut only = fleet(repos());
    only.filters.repos = vec!["app".to_owned()];
    only.filters.jobs = vec!["b".to_owned()];
    let views = {
        let id = hub.submit(only).await;
        hub.ended(id).await
    };
    assert_eq!(views.len(), 1, "a dependency that was not chosen is not waited for");
    assert_eq!(crate::support::jobs(&views[0]), "b success after 1 attempts");

    let mut one = fleet(repos());
    one.filters.repos = vec!["app".to_owned()];
    one.filters.workflow = Some("other.yml".to_owned());
    let views = {
        let id = hub.submit(one).await;
        hub.ended(id).await
    };
    assert_eq!(crate::support::jobs(&views[0]), "x success after 1 attempts");

    let push = fleet(repos());
    let id = hub.submit(push).await;
    let views = hub.ended(id).await;
    assert_eq!(views.len(), 2);
    assert_eq!(views[1].run.number, 2, "the second run of that workflow");
    let passed = hub.hub.reader().decisions(id).await.unwrap();
    assert!(
        passed.iter().any(|d| d.kind == "workflow_passed_over" && d.reason.contains("other.yml"))
    );
}

#[tokio::test]
async fn a_workflow_runs_as_far_as_the_hub_file_lets_it() {
    let hub = TestHub::start().await;
    let dir = folder(&hub.dir.join("src"), "app", THREE_JOBS);
    let mut unlisted = repo("unlisted", Source::Folder(dir.clone()), &[]);
    unlisted.settings.only_workflows = Some(vec!["release-*.yml".to_owned()]);
    let mut disabled = repo("disabled", Source::Folder(dir.clone()), &[]);
    let off = WorkflowLimits { disabled: true, ..WorkflowLimits::default() };
    disabled.settings.workflows.insert("ci.yml".to_owned(), off);
    let id = hub.submit(fleet(vec![unlisted, disabled])).await;
    for view in hub.ended(id).await {
        assert!(reason(&view).contains("the hub file leaves it out"), "{}", reason(&view));
    }

    let mut narrow = repo("narrow", Source::Folder(dir), &[]);
    let limits = WorkflowLimits {
        max_parallel: Some(2),
        timeout_ms: Some(60_000),
        job_timeouts_ms: [("a".to_owned(), 5_000)].into(),
        ..WorkflowLimits::default()
    };
    narrow.settings.workflows.insert("ci.yml".to_owned(), limits);
    assert_eq!(narrow.settings.job_timeout_ms("ci.yml", "a"), 5_000);
    assert_eq!(narrow.settings.job_timeout_ms("ci.yml", "b"), 60_000);
    let id = hub.submit(fleet(vec![narrow])).await;
    assert_eq!(most_at_once(&hub, 3).await, 2);
    hub.ended(id).await;
}
