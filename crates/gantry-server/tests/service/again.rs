//! Running again: all of it, what failed, one job; with the numbers, outputs and artifacts that people expect.

use gantry_core::{Fault, Outcome, Verdict};
use gantry_server::HubError;
use gantry_server::service::{Configuration, Rerun, Which};

use crate::support::{TestHub, completion, jobs, outcome};
use crate::world::{config, known, repository, service};

const MATRIX: &str = "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    outputs: { v: '${{ steps.a.outputs.v }}' }\n    steps: [{ run: echo }]\n  test:\n    needs: build\n    strategy: { fail-fast: false, matrix: { n: [1, 2] } }\n    runs-on: ubuntu-latest\n    steps: [{ run: 'echo ${{ needs.build.outputs.v }}' }]\n  last:\n    needs: test\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";

fn asked(which: Which) -> Rerun {
    Rerun { which, configuration: Configuration::Same, actor: "ada".to_owned() }
}

/// A run in which `test (2)` failed.
async fn failed_run(hub: &TestHub) -> gantry_core::RunId {
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| {
        let fails = lease.spec.key == "test (2)";
        let verdict =
            if fails { Verdict::failure(Fault::User, "exit code 1") } else { Verdict::success() };
        let mut done = completion(lease, verdict);
        done.outputs.insert("v".to_owned(), "7".to_owned());
        done
    });
    let event = hub.dispatch("acme/app", "push").await;
    let views = hub.ended(event.id).await;
    assert_eq!(outcome(&views[0]), Outcome::Failure);
    views[0].run.id
}

#[tokio::test]
async fn failed_jobs_run_again_beside_those_that_stay() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", MATRIX);
    let hub = service(&tmp.path().join("data"), config(vec![known(&dir, "app", &[])])).await;
    let run = failed_run(&hub).await;
    let again = hub.hub.rerun(run, asked(Which::Failed)).await.unwrap();
    let runner = hub.runner(1).await;
    let lease = runner.lease().await;
    assert_eq!(lease.spec.key, "test (2)");
    assert_eq!(lease.spec.github.get("run_attempt").unwrap().to_text(), "2");
    let need = lease.spec.needs.get("build").unwrap();
    assert_eq!(need.get("outputs").unwrap().get("v").unwrap().to_text(), "7");
    runner.complete(&lease, Verdict::success()).await;
    let last = runner.lease().await;
    assert_eq!(last.spec.key, "last");
    runner.complete(&last, Verdict::success()).await;
    let view = hub.view(again).await;
    hub.ended(view.run.submission).await;
    let view = hub.view(again).await;
    assert_eq!(outcome(&view), Outcome::Success);
    assert_eq!((view.run.attempt, view.run.previous, view.run.number), (2, Some(run), 1));
    assert_eq!(
        jobs(&view),
        "build success after 0 attempts\ntest (1) success after 0 attempts\ntest (2) success after 1 attempts\nlast success after 1 attempts"
    );
    // Only the newest try can be tried again.
    let twice = hub.hub.rerun(run, asked(Which::All)).await;
    assert!(matches!(twice, Err(HubError::Conflict(why)) if why.contains(&again.to_string())));
    let none = hub.hub.rerun(again, asked(Which::Failed)).await;
    assert!(matches!(none, Err(HubError::Conflict(why)) if why.contains("has failed")));
}

#[tokio::test]
async fn one_job_runs_again_with_what_needs_it_and_all_of_it_from_the_start() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", MATRIX);
    let hub = service(&tmp.path().join("data"), config(vec![known(&dir, "app", &[])])).await;
    let run = failed_run(&hub).await;
    let unknown = hub.hub.rerun(run, asked(Which::Jobs(vec!["nope".to_owned()]))).await;
    assert!(matches!(unknown, Err(HubError::Conflict(why)) if why.contains("`nope`")));
    let again = hub.hub.rerun(run, asked(Which::Jobs(vec!["build".to_owned()]))).await.unwrap();
    let running = hub.hub.rerun(again, asked(Which::All)).await;
    assert!(matches!(running, Err(HubError::Conflict(why)) if why.contains("not ended")));
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    let submission = hub.view(again).await.run.submission;
    hub.ended(submission).await;
    let view = hub.view(again).await;
    assert_eq!(
        jobs(&view),
        "build success after 1 attempts\ntest (1) success after 1 attempts\ntest (2) success after 1 attempts\nlast success after 1 attempts"
    );
    let third = Rerun { configuration: Configuration::Latest, ..asked(Which::All) };
    let third = hub.hub.rerun(again, third).await.unwrap();
    hub.ended(hub.view(third).await.run.submission).await;
    let view = hub.view(third).await;
    assert_eq!((view.run.attempt, outcome(&view)), (3, Outcome::Success));
}
