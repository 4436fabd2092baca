//! Bad input of one repository: it ends with the reason, the others go on.

use std::time::Duration;

use gantry_core::{Fault, JobState, Outcome, Verdict};
use gantry_server::Source;
use gantry_server::query::JobView;
use sqlx::{Connection as _, SqliteConnection};

use crate::support::{
    ONE_JOB, TestHub, completion, fleet, folder, jobs, outcome, reason, repo, single,
};

#[tokio::test]
async fn a_repository_that_cannot_be_read_fails_alone() {
    let hub = TestHub::start().await;
    let src = hub.dir.join("src");
    let good = folder(&src, "good", ONE_JOB);
    let broken = folder(&src, "broken", "on: push\njobs:\n  build:\n    runs-on: [\n");
    let empty = src.join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    let git = Source::Git {
        url: "http://git.example/x.git".to_owned(),
        git_ref: None,
        sha: None,
        auth: None,
    };
    let repos = vec![
        repo("missing", Source::Folder(src.join("nowhere")), &[]),
        repo("good", Source::Folder(good), &[]),
        repo("broken", Source::Folder(broken), &[]),
        repo("empty", Source::Folder(empty), &[]),
        repo("plain-http", git, &[]),
    ];
    let id = hub.submit(fleet(repos)).await;
    let views = hub.ended(id).await;
    let outcomes: Vec<Outcome> = views.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Failure, Outcome::Success, Outcome::Failure, Outcome::Skipped, Outcome::Failure,]
    );
    assert!(reason(&views[0]).contains("nowhere"), "{}", reason(&views[0]));
    assert!(reason(&views[0]).contains("No such file"), "{}", reason(&views[0]));
    assert!(reason(&views[2]).contains(".github/workflows/ci.yml:"), "{}", reason(&views[2]));
    assert!(reason(&views[3]).contains("no workflow files"), "{}", reason(&views[3]));
    assert!(reason(&views[4]).contains("https://"), "{}", reason(&views[4]));
}

#[tokio::test]
async fn a_circle_of_dependencies_names_its_path_and_its_dependents_are_skipped() {
    let hub = TestHub::start().await;
    let src = hub.dir.join("src");
    let at = |name: &str| Source::Folder(folder(&src, name, ONE_JOB));
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    let repos = vec![
        repo("a", at("a"), &["b"]),
        repo("b", at("b"), &["a"]),
        repo("c", at("c"), &["a"]),
        repo("d", at("d"), &[]),
    ];
    let id = hub.submit(fleet(repos)).await;
    let views = hub.ended(id).await;
    assert!(reason(&views[0]).contains("acme/a → acme/b → acme/a"), "{}", reason(&views[0]));
    assert_eq!(outcome(&views[1]), Outcome::Failure);
    assert_eq!(reason(&views[2]), "upstream `acme/a` failed");
    assert_eq!(outcome(&views[2]), Outcome::Skipped);
    assert_eq!(outcome(&views[3]), Outcome::Success);
}

#[tokio::test]
async fn a_failed_upstream_skips_everything_behind_it() {
    let hub = TestHub::start().await;
    let src = hub.dir.join("src");
    let at = |name: &str| Source::Folder(folder(&src, name, ONE_JOB));
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| {
        let bad = Verdict::failure(Fault::User, "exit code 1");
        completion(
            lease,
            if lease.spec.repository == "acme/lib" { bad } else { Verdict::success() },
        )
    });
    let repos = vec![
        repo("lib", at("lib"), &[]),
        repo("app", at("app"), &["lib"]),
        repo("site", at("site"), &["app"]),
        repo("docs", at("docs"), &[]),
    ];
    let id = hub.submit(fleet(repos)).await;
    let views = hub.ended(id).await;
    assert_eq!(outcome(&views[0]), Outcome::Failure);
    assert_eq!(reason(&views[1]), "upstream `acme/lib` failed");
    assert_eq!(reason(&views[2]), "upstream `acme/app` was skipped");
    assert_eq!(outcome(&views[3]), Outcome::Success);
}

#[tokio::test]
async fn a_submission_that_names_nothing_is_refused() {
    let hub = TestHub::start().await;
    assert!(hub.hub.submit(fleet(vec![])).await.is_err());
    let dir = folder(&hub.dir.join("src"), "app", ONE_JOB);
    let mut wrong = fleet(vec![repo("app", Source::Folder(dir), &[])]);
    wrong.filters.repos = vec!["acme/ap".to_owned()];
    let error = hub.hub.submit(wrong).await.unwrap_err().to_string();
    assert!(error.contains("did you mean `acme/app`"), "{error}");
}

#[tokio::test]
async fn a_job_that_cannot_be_handed_out_fails_alone() {
    let hub = TestHub::start().await;
    let two = "on: push\njobs:\n  a: &job\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hi\n  b: *job\n";
    let dir = folder(&hub.dir.join("src"), "app", two);
    let id = hub.submit(fleet(vec![repo("app", Source::Folder(dir), &[])])).await;
    let queued = async {
        let is_queued = |j: &&JobView| j.job.state == JobState::Queued;
        while hub.views(id).await.iter().flat_map(|v| &v.jobs).filter(is_queued).count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), queued).await.expect("both are queued");
    let url = format!("sqlite://{}", hub.dir.join("hub.db").display());
    let mut store = SqliteConnection::connect(&url).await.unwrap();
    let broken = sqlx::query("UPDATE jobs SET needs = '{' WHERE key = 'a'");
    assert_eq!(broken.execute(&mut store).await.unwrap().rows_affected(), 1);

    let runner = hub.runner(4).await;
    let lease = runner.lease().await;
    assert_eq!(lease.spec.key, "b");
    runner.complete(&lease, Verdict::success()).await;
    let runs = hub.ended(id).await;
    insta::assert_snapshot!(jobs(&runs[0]), @r"
    a failure after 0 attempts
    b success after 1 attempts
    ");
    let why = runs[0].jobs[0].job.verdict.as_ref().and_then(|v| v.reason.clone()).unwrap();
    assert!(why.starts_with("the stored `needs` context cannot be read: EOF"), "{why}");
}

#[tokio::test]
async fn submissions_at_once_never_share_a_run_number() {
    let hub = TestHub::start().await;
    let one = single(&hub);
    let ids = futures::future::join_all((0..8).map(|_| hub.submit(one.clone()))).await;
    let runner = hub.runner(8).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    let mut numbers = Vec::new();
    for id in ids {
        numbers.extend(hub.ended(id).await.iter().map(|v| v.run.number));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<u64>>());
}
