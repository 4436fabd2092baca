//! The README's story: a push over Git's own protocol leads to a sandboxed run, and a runner joins from another
//! network namespace with an address of its own.

use std::process::{Command, Stdio};

use gantry_e2e::forge::Forge;

use super::hub::{Hub, RUNNER_TOKEN};

const WORKFLOW: &str = "on: push\njobs:\n  here:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cat greeting.txt\n";
const FAR: &str =
    "on: push\njobs:\n  far:\n    runs-on: far-away\n    steps:\n      - run: echo from afar\n";

pub(super) fn hub_file(forge: &Forge) -> String {
    format!("org: acme\nrepos:\n  app: {{ source: {{ git: '{}/acme/app' }} }}\n", forge.url())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_leads_to_a_sandboxed_run() {
    if !gantry_testkit::root_for("making sandboxes") {
        return;
    }
    let forge = Forge::start().unwrap();
    forge.commit("acme/app", &[("README.md", "first")]).unwrap();
    let mut hub = Hub::start(&hub_file(&forge), "127.0.0.1", 1).await.unwrap();
    let decided = |v: &serde_json::Value| v["items"][0]["outcome"] == "nothing";
    hub.until("/events", "looked at", decided).await.unwrap();
    let files = [(".github/workflows/ci.yml", WORKFLOW), ("greeting.txt", "hello from the commit")];
    let sha = forge.commit("acme/app", &files).unwrap();
    let ended = |v: &serde_json::Value| v["items"][0]["state"] == "finished";
    let runs = hub.until("/runs", "ended", ended).await.unwrap();
    let run = &runs["items"][0];
    assert_eq!(
        (run["outcome"].as_str(), run["sha"].as_str()),
        (Some("success"), Some(sha.as_str()))
    );
    let run = hub.get(&format!("/runs/{}", run["id"].as_str().unwrap())).await.unwrap();
    let attempt = run["jobs"][0]["attempts"][0]["id"].as_str().unwrap();
    let log = hub.data().join("logs").join(format!("{attempt}.ndjson"));
    assert!(std::fs::read_to_string(log).unwrap().contains("hello from the commit"));
    assert!(hub.stop().unwrap(), "{}", hub.log());
}

/// A process that ends with the value, however the test ends.
pub(super) struct Ended(pub std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network namespace with one link to this one; gone with the value.
struct Elsewhere(String);

impl Elsewhere {
    fn new() -> anyhow::Result<Self> {
        let id = std::process::id() % 100_000;
        let (name, near) = (format!("gantry{id}"), format!("gn{id}"));
        let here = Self(name.clone());
        for args in [
            format!("netns add {name}"),
            format!("link add {near} type veth peer name far netns {name}"),
            format!("addr add 10.213.7.1/30 dev {near}"),
            format!("link set {near} up"),
            format!("-n {name} addr add 10.213.7.2/30 dev far"),
            format!("-n {name} link set far up"),
            format!("-n {name} link set lo up"),
        ] {
            let done = Command::new("ip").args(args.split(' ')).output()?;
            anyhow::ensure!(
                done.status.success(),
                "ip {args}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
        Ok(here)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_joins_from_another_network_and_takes_work() {
    if !gantry_testkit::root_for("making sandboxes and network namespaces") {
        return;
    }
    let elsewhere = match Elsewhere::new() {
        Ok(elsewhere) => elsewhere,
        Err(error) => {
            gantry_testkit::skip(format!("network namespaces: {error}"));
            return;
        }
    };
    let forge = Forge::start().unwrap();
    forge.commit("acme/app", &[("README.md", "first")]).unwrap();
    let mut hub = Hub::start(&hub_file(&forge), "10.213.7.1", 0).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    // `ip netns exec` would hide the control groups behind a fresh /sys.
    let runner = Command::new("nsenter")
        .arg(format!("--net=/run/netns/{}", elsewhere.0))
        .arg(exe.parent().unwrap().parent().unwrap().join("gantry"))
        .args(["runner", "--hub", &hub.url, "--name", "far", "--label", "far-away", "--jobs", "1"])
        .arg("--data-dir")
        .arg(state.path())
        .env("GANTRY_RUNNER_TOKEN", RUNNER_TOKEN)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut runner = Ended(runner);
    let online = |v: &serde_json::Value| v["items"][0]["name"] == "far";
    hub.until("/runners", "there", online).await.unwrap();
    let decided = |v: &serde_json::Value| v["items"][0]["outcome"] == "nothing";
    hub.until("/events", "looked at", decided).await.unwrap();
    forge.commit("acme/app", &[(".github/workflows/ci.yml", FAR)]).unwrap();
    let ended = |v: &serde_json::Value| v["items"][0]["state"] == "finished";
    let runs = hub.until("/runs", "ended", ended).await.unwrap();
    let id = runs["items"][0]["id"].as_str().unwrap();
    let run = hub.get(&format!("/runs/{id}")).await.unwrap();
    assert_eq!(run["outcome"], "success", "{run}");
    assert_eq!(run["jobs"][0]["attempts"][0]["runner"]["name"], "far");
    let pid = nix::unistd::Pid::from_raw(runner.0.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    runner.0.wait().unwrap();
    hub.kill();
}
