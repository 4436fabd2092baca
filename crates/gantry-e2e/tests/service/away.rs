//! The hub is away when a job ends, and the runner is killed before the hub is back; and a runner that drains.

use std::process::{Command, Stdio};
use std::time::Duration;

use gantry_e2e::forge::Forge;

use super::hub::{Hub, RUNNER_TOKEN};
use super::story::{Ended, hub_file};

const WORKFLOW: &str = "on: push\njobs:\n  far:\n    runs-on: far-away\n    steps:\n      - run: sleep 15; echo said while nobody listened\n";

fn runner(hub: &Hub, state: &std::path::Path) -> Ended {
    let exe = std::env::current_exe().unwrap();
    let runner = Command::new(exe.parent().unwrap().parent().unwrap().join("gantry"))
        .args(["runner", "--hub", &hub.url, "--name", "far", "--label", "far-away", "--jobs", "1"])
        .arg("--data-dir")
        .arg(state)
        .env("GANTRY_RUNNER_TOKEN", RUNNER_TOKEN)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Ended(runner)
}

/// Starts the job on a runner of its own and waits until its step runs; answers the run's id.
async fn begun(forge: &Forge, hub: &Hub) -> String {
    let decided = |v: &serde_json::Value| v["items"][0]["outcome"] == "nothing";
    hub.until("/events", "looked at", decided).await.unwrap();
    forge.commit("acme/app", &[(".github/workflows/ci.yml", WORKFLOW)]).unwrap();
    let there = |v: &serde_json::Value| v["items"][0]["id"].is_string();
    let runs = hub.until("/runs", "there", there).await.unwrap();
    let id = runs["items"][0]["id"].as_str().unwrap().to_owned();
    let running = |v: &serde_json::Value| v["jobs"][0]["attempts"][0]["state"] == "running";
    hub.until(&format!("/runs/{id}"), "running", running).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_no_hub_heard_is_sent_by_the_next_process_of_the_runner() {
    if !gantry_testkit::root_for("making sandboxes") {
        return;
    }
    let forge = Forge::start().unwrap();
    forge.commit("acme/app", &[("README.md", "first")]).unwrap();
    let mut hub = Hub::start(&hub_file(&forge), "127.0.0.1", 0).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let first = runner(&hub, state.path());
    let id = begun(&forge, &hub).await;
    hub.kill();
    let spool = state.path().join("runner/spool");
    let ended = || {
        let entry = std::fs::read_dir(&spool).ok()?.next()?.ok()?.path();
        let text = std::fs::read_to_string(entry.join("end.json")).ok()?;
        let report: serde_json::Value = serde_json::from_str(&text).ok()?;
        (report["end"]["verdict"]["outcome"] == "success").then_some(())
    };
    for _ in 0..1_200 {
        if ended().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(ended().is_some(), "the end is not on disk");
    drop(first);
    hub.again().await.unwrap();
    let _second = runner(&hub, state.path());
    let path = format!("/runs/{id}");
    let run = hub.until(&path, "ended", |v| v["state"] == "finished").await.unwrap();
    assert_eq!(run["outcome"], "success", "{run}");
    let attempts = run["jobs"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "it ran twice: {run}");
    let log =
        hub.data().join("logs").join(format!("{}.ndjson", attempts[0]["id"].as_str().unwrap()));
    assert!(std::fs::read_to_string(log).unwrap().contains("said while nobody listened"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_asked_to_end_lets_its_job_end_first() {
    if !gantry_testkit::root_for("making sandboxes") {
        return;
    }
    let forge = Forge::start().unwrap();
    forge.commit("acme/app", &[("README.md", "first")]).unwrap();
    let hub = Hub::start(&hub_file(&forge), "127.0.0.1", 0).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut runner = runner(&hub, state.path());
    let id = begun(&forge, &hub).await;
    let pid = nix::unistd::Pid::from_raw(runner.0.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(runner.0.wait().unwrap().success());
    let path = format!("/runs/{id}");
    let run = hub.until(&path, "ended", |v| v["state"] == "finished").await.unwrap();
    assert_eq!(run["outcome"], "success", "{run}");
    assert_eq!(run["jobs"][0]["attempts"].as_array().unwrap().len(), 1, "{run}");
}
