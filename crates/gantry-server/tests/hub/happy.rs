//! Submissions that go well.

use gantry_api::artifact::CacheQuery;
use gantry_api::client::ArtifactQuery;
use gantry_api::{ArtifactUpload, Client};
use gantry_core::{JobState, Outcome, StepState, Verdict};
use gantry_server::{Reader, RunEvent, Source};
use gantry_workflow::expr::Value;

use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::support::{
    ONE_JOB, TestHub, completion, fleet, folder, jobs, line, outcome, repo, single, step,
};

const NEEDS_AND_MATRIX: &str = "
name: ci
on: push
jobs:
  setup:
    runs-on: ubuntu-latest
    outputs:
      version: ${{ steps.v.outputs.version }}
    steps:
      - id: v
        run: echo version=1 >> $GITHUB_OUTPUT
  test:
    needs: setup
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ['3.11', '3.12']
    steps:
      - run: echo ${{ needs.setup.outputs.version }}
  only-on-failure:
    needs: test
    if: failure()
    runs-on: ubuntu-latest
    steps:
      - run: exit 1
";

#[tokio::test]
async fn jobs_run_in_the_order_of_their_needs_with_every_leg() {
    let hub = TestHub::start().await;
    let dir = folder(&hub.dir.join("src"), "app", NEEDS_AND_MATRIX);
    let runner = hub.runner(4).await;
    let id = hub.submit(fleet(vec![repo("app", Source::Folder(dir), &[])])).await;

    let setup = runner.lease().await;
    assert_eq!(setup.spec.key, "setup");
    assert_eq!(setup.number, 1);
    assert_eq!(setup.spec.repository, "acme/app");
    assert!(runner.poll(1).await.is_empty(), "what needs `setup` waits for it");
    let mut end = completion(&setup, Verdict::success());
    end.outputs.insert("version".to_owned(), "7".to_owned());
    runner.client.complete(setup.lease, &end).await.unwrap();

    let mut keys = Vec::new();
    while keys.len() < 2 {
        for lease in runner.poll(5_000).await {
            let version = lease.spec.needs.get("setup").and_then(|n| n.get("outputs"));
            assert_eq!(version.and_then(|o| o.get("version")), Some(&Value::from("7")));
            runner.complete(&lease, Verdict::success()).await;
            keys.push(lease.spec.key.clone());
        }
    }
    keys.sort();
    assert_eq!(keys, ["test (3.11)", "test (3.12)"]);

    let views = hub.ended(id).await;
    assert_eq!(outcome(&views[0]), Outcome::Success);
    insta::assert_snapshot!(jobs(&views[0]), @r"
    setup success after 1 attempts
    test (3.11) success after 1 attempts
    test (3.12) success after 1 attempts
    only-on-failure skipped after 0 attempts
    ");
    assert_eq!(views[0].jobs[0].attempts[0].attempt.usage.cpu_us, 42);
    assert_eq!(views[0].jobs[0].attempts[0].steps.len(), 1);
}

#[tokio::test]
async fn what_happens_is_told_and_can_be_read_by_another_process() {
    let hub = TestHub::start().await;
    let mut events = hub.hub.subscribe();
    let runner = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let lease = runner.lease().await;
    let text = line("hello");
    assert_eq!(runner.log(&lease, 0, &text).await.unwrap(), text.len() as u64);
    assert_eq!(runner.report(&lease, vec![step(0, StepState::Running)]).await, None);

    let reader = Reader::open(&hub.dir).await.expect("a second reader beside the running hub");
    let view = reader.run(lease.run).await.unwrap();
    assert_eq!(view.jobs[0].job.state, JobState::Running);
    assert_eq!(view.jobs[0].attempts[0].steps[0].state, StepState::Running);
    assert_eq!(reader.log(lease.attempt, 0, 1_000).await.unwrap(), text);
    let why = reader.why(lease.run, Some("build")).await.unwrap();
    assert!(why[1].detail.contains("test-runner"), "{why:?}");

    runner.complete(&lease, Verdict::success()).await;
    hub.ended(id).await;
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(match event {
            RunEvent::RunStored { .. } => "run stored".to_owned(),
            RunEvent::RunChanged { state, .. } => format!("run {state}"),
            RunEvent::Waits { .. } => "waits".to_owned(),
            RunEvent::JobChanged { state, .. } => format!("job {state}"),
            RunEvent::StepChanged { state, .. } => format!("step {state}"),
            RunEvent::LogGrew { .. } => "log grew".to_owned(),
            RunEvent::EventStored { .. } | RunEvent::EventDecided { .. } => "event".to_owned(),
            RunEvent::RegistryChanged | RunEvent::Missed => "service".to_owned(),
            RunEvent::Note { text, .. } => text,
            RunEvent::SubmissionEnded { .. } => "submission ended".to_owned(),
        });
    }
    insta::assert_snapshot!(seen.join("\n"), @r"
    run stored
    job waiting
    job queued
    run running
    job running
    log grew
    step running
    step finished
    job finished
    run finished
    submission ended
    ");
}

fn body(text: &'static str) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    futures::stream::iter([Ok(Bytes::from_static(text.as_bytes()))])
}

async fn whole(
    client: &Client,
    lease: gantry_core::LeaseId,
    digest: &gantry_core::Digest,
) -> Vec<u8> {
    let stream = client.blob(lease, digest).await.expect("readable");
    let parts: Vec<Bytes> = stream.try_collect().await.expect("bytes");
    parts.concat()
}

fn upload(epoch: u64, overwrite: bool) -> ArtifactUpload {
    ArtifactUpload {
        epoch,
        name: "dist".to_owned(),
        files: 1,
        size: 3,
        overwrite,
        retention_days: None,
    }
}

#[tokio::test]
async fn artifacts_go_up_once_per_name_and_come_down_in_the_dependent() {
    let hub = TestHub::start().await;
    let lib = folder(&hub.dir.join("src"), "lib", ONE_JOB);
    let app = folder(&hub.dir.join("src"), "app", ONE_JOB);
    let runner = hub.runner(2).await;
    let repos =
        vec![repo("app", Source::Folder(app), &["lib"]), repo("lib", Source::Folder(lib), &[])];
    let id = hub.submit(fleet(repos)).await;

    let first = runner.lease().await;
    assert_eq!(first.spec.repository, "acme/lib", "the upstream comes first");
    let client = &runner.client;
    let kept = client.upload_artifact(first.lease, &upload(first.epoch, false), body("one")).await;
    let kept = kept.unwrap();
    let again = client.upload_artifact(first.lease, &upload(first.epoch, false), body("two")).await;
    assert_eq!(again.unwrap_err().problem().unwrap().code, "artifact/exists");
    let bad = ArtifactUpload { name: "../x".to_owned(), ..upload(first.epoch, false) };
    let bad = client.upload_artifact(first.lease, &bad, body("x")).await;
    assert_eq!(bad.unwrap_err().problem().unwrap().code, "artifact/name");
    assert_eq!(whole(client, first.lease, &kept.blob).await, b"one");
    let new = client.upload_artifact(first.lease, &upload(first.epoch, true), body("three")).await;
    let new = new.unwrap();
    assert_eq!(
        client.artifacts(first.lease, &ArtifactQuery::default()).await.unwrap(),
        std::slice::from_ref(&new)
    );
    runner.complete(&first, Verdict::success()).await;

    let second = runner.lease().await;
    assert_eq!(second.spec.repository, "acme/app");
    assert_eq!(second.spec.upstream_artifacts, std::slice::from_ref(&new));
    assert_eq!(
        client.artifacts(second.lease, &ArtifactQuery::default()).await.unwrap(),
        std::slice::from_ref(&new)
    );
    assert_eq!(whole(client, second.lease, &new.blob).await, b"three");
    let foreign = client.blob(second.lease, &kept.blob).await.err().expect("refused");
    assert_eq!(foreign.problem().unwrap().code, "blob/unknown");
    runner.complete(&second, Verdict::success()).await;
    let views = hub.ended(id).await;
    assert!(views.iter().all(|v| outcome(v) == Outcome::Success));
}

#[tokio::test]
async fn caches_are_found_by_key_then_by_prefix_newest_first_within_their_repository() {
    let hub = TestHub::start().await;
    let other = folder(&hub.dir.join("src"), "other", ONE_JOB);
    let mut both = single(&hub);
    both.repos.push(repo("other", Source::Folder(other), &[]));
    let runner = hub.runner(2).await;
    hub.submit(both).await;
    let mut leases = Vec::new();
    while leases.len() < 2 {
        leases.extend(runner.poll(5_000).await);
    }
    leases.sort_by_key(|l| l.spec.repository.clone());
    let (mine, theirs) = (&leases[0], &leases[1]);
    let client = &runner.client;
    let save = async |key: &str, text| {
        client.save_cache(mine.lease, mine.epoch, key, "v1", body(text)).await.unwrap()
    };
    let old = save("linux-a", "old").await;
    assert_eq!(save("linux-a", "other bytes").await, old, "a key that exists stays as it is");
    let newer = save("linux-b", "newer").await;

    let find =
        async |lease: &gantry_api::lease::Lease, key: &str, restore: &[&str], version: &str| {
            let query = CacheQuery {
                key: key.to_owned(),
                restore_keys: restore.iter().map(|r| (*r).to_owned()).collect(),
                version: version.to_owned(),
            };
            client.lookup_cache(lease.lease, &query).await.unwrap().map(|c| c.key)
        };
    assert_eq!(find(mine, "linux-a", &[], "v1").await.as_deref(), Some("linux-a"));
    assert_eq!(find(mine, "linux-c", &["linux-"], "v1").await.as_deref(), Some("linux-b"));
    assert_eq!(find(mine, "linux-c", &["win-", "linux-a"], "v1").await.as_deref(), Some("linux-a"));
    assert_eq!(find(mine, "Linux-a", &["LINUX-"], "v1").await, None);
    assert_eq!(find(mine, "linux-a", &["linux-"], "v2").await, None);
    assert_eq!(find(theirs, "linux-a", &["linux-"], "v1").await, None);
    assert_eq!(whole(client, mine.lease, &newer.blob).await, b"newer");
    assert!(client.blob(theirs.lease, &newer.blob).await.is_err());
}

#[tokio::test]
async fn a_later_attempt_of_the_same_job_replaces_the_artifact_of_one_that_was_lost() {
    let hub = TestHub::start().await;
    let dead = hub.runner(1).await;
    let id = hub.submit(single(&hub)).await;
    let lost = dead.lease().await;
    let upload_of = |lease: &gantry_api::lease::Lease| upload(lease.epoch, false);
    dead.client.upload_artifact(lost.lease, &upload_of(&lost), body("one")).await.unwrap();
    hub.hub.runner_lost("test-runner", "the runner died").await.unwrap();
    let runner = hub.runner(1).await;
    let lease = runner.lease().await;
    let client = &runner.client;
    let kept = client.upload_artifact(lease.lease, &upload_of(&lease), body("two")).await.unwrap();
    assert_eq!(
        client.artifacts(lease.lease, &ArtifactQuery::default()).await.unwrap(),
        std::slice::from_ref(&kept)
    );
    assert_eq!(whole(client, lease.lease, &kept.blob).await, b"two");
    let again = client.upload_artifact(lease.lease, &upload_of(&lease), body("three")).await;
    assert_eq!(again.unwrap_err().problem().unwrap().code, "artifact/exists");
    runner.complete(&lease, Verdict::success()).await;
    assert_eq!(outcome(&hub.ended(id).await[0]), Outcome::Success);
}
