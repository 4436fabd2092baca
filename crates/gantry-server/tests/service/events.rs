//! Events: from people, from looking, from schedules and from upstream; each decided once with its reason.

use gantry_core::{Timestamp, Verdict};
use gantry_server::service::{Dispatch, NewRepo};

use crate::support::{ONE_JOB, completion, folder, outcome};
use crate::world::{commit, config, git, known, repository, service};

#[tokio::test]
async fn the_first_look_starts_nothing_and_a_push_later_runs_once() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let hub = service(&tmp.path().join("data"), config(vec![known(&dir, "app", &[])])).await;
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));

    assert_eq!(hub.hub.look("acme/app").await.unwrap(), 1);
    let first = hub.next_event("poll", &[]).await;
    assert_eq!((first.kind.as_str(), first.outcome.as_deref()), ("registered", Some("nothing")));
    assert_eq!(hub.hub.look("acme/app").await.unwrap(), 0);

    let sha = commit(&dir, "second");
    git(&dir, &["branch", "topic"]);
    assert_eq!(hub.hub.look("ACME/app").await.unwrap(), 2);
    let main = loop {
        let all = hub.hub.reader().events(10).await.unwrap();
        let found = all
            .into_iter()
            .find(|e| e.git_ref.as_deref() == Some("refs/heads/main") && e.kind == "push");
        if let Some(found) = found {
            break hub.decided(found.id).await;
        }
    };
    assert_eq!(main.outcome.as_deref(), Some("runs"));
    let views = hub.ended(main.id).await;
    assert_eq!(views.len(), 1);
    assert_eq!(
        (views[0].run.sha.as_str(), views[0].run.git_ref.as_str()),
        (sha.as_str(), "refs/heads/main")
    );
    assert_eq!((outcome(&views[0]).as_str(), views[0].run.title.as_str()), ("success", "second"));
    assert_eq!(hub.hub.look("acme/app").await.unwrap(), 0);
}

#[tokio::test]
async fn a_branch_that_is_set_back_runs_its_old_commit_again() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let hub = service(&tmp.path().join("data"), config(vec![known(&dir, "app", &[])])).await;
    hub.hub.look("acme/app").await.unwrap();
    let mut seen = vec![hub.next_event("poll", &[]).await.id];
    let first = commit(&dir, "second");
    for change in [
        &["reset", "--quiet", "--hard"][..],
        &["commit", "--quiet", "--allow-empty", "-m", "third"],
        &["reset", "--quiet", "--hard", &first],
    ] {
        git(&dir, change);
        if hub.hub.look("acme/app").await.unwrap() > 0 {
            let push = hub.next_event("poll", &seen).await;
            assert_eq!(push.outcome.as_deref(), Some("runs"), "{:?}", push.reason);
            seen.push(push.id);
        }
    }
    assert_eq!(seen.len(), 4, "second, third and second again");
}

#[tokio::test]
async fn an_event_runs_the_commit_that_it_names_though_the_branch_moved_on() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let hub = service(&tmp.path().join("data"), config(vec![known(&dir, "app", &[])])).await;
    hub.hub.look("acme/app").await.unwrap();
    let seen = commit(&dir, "second");
    hub.hub.look("acme/app").await.unwrap();
    commit(&dir, "third");
    let first = hub.next_event("poll", &[]).await;
    let push = hub.next_event("poll", &[first.id]).await;
    let (first, push) = if first.kind == "push" { (push, first) } else { (first, push) };
    assert_eq!(first.kind, "registered");
    let runner = hub.runner(1).await;
    let lease = runner.lease().await;
    assert_eq!(lease.spec.source.sha, seen);
    assert_eq!(push.sha.as_deref(), Some(seen.as_str()));
}

#[tokio::test]
async fn what_starts_nothing_says_why() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let hub = service(&tmp.path().join("data"), config(vec![known(&dir, "app", &[])])).await;
    let record = hub.dispatch("acme/app", "workflow_dispatch").await;
    assert_eq!(record.outcome.as_deref(), Some("nothing"));
    assert!(record.reason.as_deref().unwrap().contains("does not start it"), "{:?}", record.reason);
    let unknown = Dispatch { repository: "acme/nobody".to_owned(), ..Dispatch::default() };
    assert!(hub.hub.dispatch(unknown).await.unwrap_err().to_string().contains("store"));
    // The same key again is the same event.
    let asked = || Dispatch {
        repository: "acme/app".to_owned(),
        event: "push".to_owned(),
        key: Some("k".to_owned()),
        ..Dispatch::default()
    };
    let (a, b) =
        (hub.hub.dispatch(asked()).await.unwrap(), hub.hub.dispatch(asked()).await.unwrap());
    assert_eq!((a.event, a.duplicate, b.duplicate), (b.event, false, true));
    let again = hub.hub.replay(a.event, "ada").await.unwrap();
    let record = hub.decided(again.event).await;
    assert_eq!((record.replay_of, record.outcome.as_deref()), (Some(a.event), Some("runs")));
}

#[tokio::test]
async fn schedules_are_read_from_the_default_branch_and_fire_when_due() {
    let tmp = tempfile::tempdir().unwrap();
    let workflow = "on:\n  schedule:\n    - cron: '0 5 * * *'\n      timezone: Europe/Berlin\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";
    let dir = repository(&tmp.path().join("src"), "app", workflow);
    let hub = service(&tmp.path().join("data"), config(vec![known(&dir, "app", &[])])).await;
    hub.hub.look("acme/app").await.unwrap();
    hub.next_event("poll", &[]).await;
    let now = gantry_server::ids::now();
    assert_eq!(hub.hub.fire_schedules(now).await.unwrap(), 0);
    let tomorrow = Timestamp(now.0 + 25 * 3_600 * 1_000_000);
    assert_eq!(hub.hub.fire_schedules(tomorrow).await.unwrap(), 1);
    let event = hub.next_event("schedule", &[]).await;
    assert_eq!((event.outcome.as_deref(), event.kind.as_str()), (Some("runs"), "schedule"));
    assert!(event.title.unwrap().contains("Europe/Berlin"));
    // A file without a schedule takes it away, as soon as something is decided about the branch.
    folder(&tmp.path().join("src"), "app", ONE_JOB);
    commit(&dir, "no schedule");
    hub.dispatch("acme/app", "push").await;
    let later = Timestamp(tomorrow.0 + 25 * 3_600 * 1_000_000);
    assert_eq!(hub.hub.fire_schedules(later).await.unwrap(), 0);
}

#[tokio::test]
async fn a_green_upstream_starts_its_dependents() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    let lib = repository(&src, "lib", ONE_JOB);
    let heard = "on:\n  repository_dispatch:\n    types: [upstream-success]\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";
    let app = repository(&src, "app", heard);
    let repos = vec![known(&lib, "lib", &[]), known(&app, "app", &["lib"])];
    let hub = service(&tmp.path().join("data"), config(repos)).await;
    let runner = hub.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    hub.hub.look("acme/lib").await.unwrap();
    commit(&lib, "second");
    hub.hub.look("acme/lib").await.unwrap();
    let event = hub.next_event("upstream", &[]).await;
    assert_eq!((event.repository.as_str(), event.outcome.as_deref()), ("acme/app", Some("runs")));
    let views = hub.ended(event.id).await;
    assert_eq!(outcome(&views[0]).as_str(), "success");
}

#[tokio::test]
async fn a_repository_added_at_run_time_is_there_after_a_restart() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "late", ONE_JOB);
    let data = tmp.path().join("data");
    let hub = service(&data, config(vec![])).await;
    let url = format!("file://{}", dir.display());
    let new = NewRepo { name: "acme/late".to_owned(), url, ..NewRepo::default() };
    hub.hub.add_repo(new).await.unwrap();
    crate::world::kill(hub).await;
    let hub = service(&data, config(vec![])).await;
    assert!(hub.hub.registry().find("acme/late").is_some());
    let record = hub.dispatch("acme/late", "push").await;
    assert_eq!(record.outcome.as_deref(), Some("runs"));
}

#[tokio::test]
async fn a_source_that_is_away_puts_its_event_off_and_nobody_elses() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let gone = tmp.path().join("gone");
    let repos = vec![known(&gone, "away", &[]), known(&dir, "app", &[])];
    let hub = service(&tmp.path().join("data"), config(repos)).await;
    let asked = Dispatch {
        repository: "acme/away".to_owned(),
        event: "push".to_owned(),
        ..Dispatch::default()
    };
    let waits = hub.hub.dispatch(asked).await.unwrap().event;
    assert_eq!(hub.dispatch("acme/app", "push").await.outcome.as_deref(), Some("runs"));
    loop {
        let record = hub.hub.reader().event(waits).await.unwrap();
        if record.tries > 0 {
            assert!(record.decided.is_none());
            assert!(record.reason.unwrap().starts_with("tried again after"));
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // It comes back, and the event is decided without anybody's doing.
    repository(tmp.path(), "gone", ONE_JOB);
    assert_eq!(hub.decided(waits).await.outcome.as_deref(), Some("runs"));
}
