//! Sandboxes made ahead: each serves one job, is that job's own in all that it sees, and leaves nothing.
//!
//! Not in here: when they are worth it, which only the clock shows.

use gantry_sandbox::ready::Stock;
use gantry_sandbox::{JobUser, Runtime, Sandbox, SandboxSpec};

use crate::Test;
use crate::harness::{assert_gone, block_on, run_in, spec, state_dir};

pub const TESTS: &[Test] = &[
    ("one_made_ahead_is_its_jobs_own", one_made_ahead_is_its_jobs_own),
    ("one_of_another_shape_is_not_taken", one_of_another_shape_is_not_taken),
];

/// The names of sandboxes made ahead with this state directory.
fn ahead(spec: &SandboxSpec) -> Vec<String> {
    let entries = std::fs::read_dir(spec.state_dir.join("jobs")).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("ready-"))
        .collect()
}

/// A specification in a state directory that no other test uses.
fn alone(runtime: Runtime, test: &str) -> SandboxSpec {
    let plain = spec(runtime);
    let state_dir = state_dir().join(format!("ahead-{test}-{}", plain.id));
    SandboxSpec { state_dir, ..plain }
}

/// The next job after `before`, in another place.
fn next(before: &SandboxSpec, number: u32) -> SandboxSpec {
    SandboxSpec {
        id: format!("{}-{number}", before.id),
        hostname: format!("job-{number}"),
        directories: vec![format!("/home/runner/work/n{number}/a"), format!("/srv/n{number}")],
        ..before.clone()
    }
}

async fn run_one(stock: &Stock, spec: &SandboxSpec) {
    let sandbox = Sandbox::start_from(stock, spec.clone()).await.expect("start");
    let exec = ["touch", "/tmp/seen", "/usr/bin/seen"];
    run_in(&sandbox, JobUser::Root, "/", &exec).await.ok();
    sandbox.stop().await.expect("stop");
}

fn one_made_ahead_is_its_jobs_own(runtime: Runtime) {
    block_on(async {
        let stock = Stock::default();
        let first = alone(runtime, "own");
        run_one(&stock, &next(&first, 1)).await;
        assert_eq!(ahead(&first), [""; 0], "one job is no reason to make another sandbox");
        run_one(&stock, &next(&first, 2)).await;
        let third = next(&first, 3);
        let sandbox = Sandbox::start_from(&stock, third.clone()).await.expect("start");
        let own = third.state_dir.join("jobs").join(&third.id);
        assert!(!own.exists(), "the sandbox was not taken from the stock");
        let script = "cd /home/runner/work/n3/a; touch made /srv/n3/made; hostname; cat /etc/hostname; \
                      grep -c job-3 /etc/hosts; stat -c %u:%a . .. /srv/n3; ls /home/runner/work /srv; \
                      test ! -e /tmp/seen; test ! -e /usr/bin/seen; ! touch /etc/hosts 2>/dev/null";
        let exec = ["sh", "-ec", script];
        let out = run_in(&sandbox, JobUser::Runner, "/", &exec).await.ok();
        let wanted =
            "job-3\njob-3\n1\n1001:755\n1001:755\n1001:755\n/home/runner/work:\nn3\n\n/srv:\nn3\n";
        assert_eq!(out, wanted);
        let report = sandbox.stop().await.expect("stop");
        assert!(report.usage.cpu_us > 0 && report.usage.memory_peak_bytes > 0, "{report:?}");
        stock.close().await;
        assert_eq!(ahead(&first), [""; 0], "something waits after the end");
        std::fs::remove_dir_all(&first.state_dir).expect("nothing in it is in use");
    });
}

fn one_of_another_shape_is_not_taken(runtime: Runtime) {
    block_on(async {
        let stock = Stock::default();
        let first = alone(runtime, "shape");
        run_one(&stock, &next(&first, 1)).await;
        run_one(&stock, &next(&first, 2)).await;
        let mut other = next(&first, 3);
        other.resources.pids = 99;
        let sandbox = Sandbox::start_from(&stock, other.clone()).await.expect("start");
        assert!(other.state_dir.join("jobs").join(&other.id).exists());
        sandbox.stop().await.expect("stop");
        assert_gone(&other.id);
        drop(stock);
        // Dropped, not closed: as when the runner breaks off.
        while !ahead(&first).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        std::fs::remove_dir_all(&first.state_dir).expect("nothing in it is in use");
    });
}
