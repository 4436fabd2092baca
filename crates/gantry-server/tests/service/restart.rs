//! A service that dies or stops: the next one goes on, and nothing is lost or done twice.

use gantry_core::{JobState, Outcome, RunState, StepState, Verdict};
use gantry_server::{Hub, HubError, HubOptions};

use crate::support::{ONE_JOB, completion, jobs, line, outcome, step};
use crate::world::{config, kill, known, repository, service};

const TWO_JOBS: &str = "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n  test:\n    needs: build\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";

#[tokio::test]
async fn a_killed_service_goes_on_where_it_was() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", TWO_JOBS);
    let data = tmp.path().join("data");
    let with = || config(vec![known(&dir, "app", &[])]);
    let first = service(&data, with()).await;
    let runner = first.runner(1).await;
    let event = first.dispatch("acme/app", "push").await;
    let lease = runner.lease().await;
    let text = line("before");
    runner.log(&lease, 0, &text).await.unwrap();
    runner.report(&lease, vec![step(0, StepState::Running)]).await;
    drop(runner);
    kill(first).await;

    let second = service(&data, with()).await;
    let views = second.views(event.id).await;
    assert_eq!(views[0].run.state, RunState::Running);
    assert_eq!(views[0].jobs[0].job.state, JobState::Running);
    // Another runner gets nothing of what the first one holds.
    assert!(second.runner(1).await.poll(0).await.is_empty());
    assert!(second.hub.cancel(lease.run, "enough").await.unwrap());
    second.hub.runner_lost("test-runner", "its process has ended").await.unwrap();
    let views = second.ended(event.id).await;
    assert_eq!(outcome(&views[0]), Outcome::Cancelled);
    assert_eq!(second.hub.reader().log(lease.attempt, 0, 1_000).await.unwrap(), text);
}

#[tokio::test]
async fn a_runner_ends_its_job_at_the_next_process_of_the_service() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", TWO_JOBS);
    let data = tmp.path().join("data");
    let with = || config(vec![known(&dir, "app", &[])]);
    let first = service(&data, with()).await;
    let mut runner = first.runner(1).await;
    let event = first.dispatch("acme/app", "push").await;
    let lease = runner.lease().await;
    runner.report(&lease, vec![step(0, StepState::Running)]).await;
    let token = runner.token.clone();
    runner.client = first.client.clone();
    kill(first).await;

    let second = service(&data, with()).await;
    runner.client = second.client.with_token(&token);
    runner.complete(&lease, Verdict::success()).await;
    let test = runner.lease().await;
    assert_eq!(test.spec.key, "test");
    runner.client.complete(test.lease, &completion(&test, Verdict::success())).await.unwrap();
    let views = second.ended(event.id).await;
    assert_eq!(outcome(&views[0]), Outcome::Success);
    assert_eq!(jobs(&views[0]), "build success after 1 attempts\ntest success after 1 attempts");
}

#[tokio::test]
async fn a_stop_in_order_leaves_work_and_the_next_start_goes_on() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let data = tmp.path().join("data");
    let with = || config(vec![known(&dir, "app", &[])]);
    let first = service(&data, with()).await;
    let event = first.dispatch("acme/app", "push").await;
    let crate::support::TestHub { hub, client, .. } = first;
    drop(client);
    let mut hub = hub;
    let hub = loop {
        match std::sync::Arc::try_unwrap(hub) {
            Ok(hub) => break hub,
            Err(shared) => {
                shared.stop_serving();
                hub = shared;
                tokio::task::yield_now().await;
            }
        }
    };
    hub.shutdown().await.unwrap();
    let second = service(&data, with()).await;
    let runner = second.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    assert_eq!(outcome(&second.ended(event.id).await[0]), Outcome::Success);
}

#[tokio::test]
async fn two_services_do_not_share_a_data_directory() {
    let tmp = tempfile::tempdir().unwrap();
    let first = service(tmp.path(), config(vec![])).await;
    let second = Hub::open_service(tmp.path(), HubOptions::default(), config(vec![])).await;
    assert!(matches!(second, Err(HubError::Served(_))));
    kill(first).await;
    service(tmp.path(), config(vec![])).await;
}
