//! How fast containers come and go: `GANTRY_BENCH=<jobs>` runs this instead of the tests.
//!
//! Not in here: goals; it only prints.

use std::time::Instant;

use gantry_sandbox::Runtime;

use crate::harness::{block_on, run, spec, start};

/// Whether the measurement was asked for, or the other side of a crash test.
pub fn asked() -> bool {
    std::env::var_os("GANTRY_BENCH").is_some() || std::env::var_os("GANTRY_HOLD").is_some()
}

/// Prints the mean of no-op jobs, one after the other and two at a time.
pub fn run_it() {
    if let Ok(text) = std::env::var("GANTRY_HOLD") {
        crate::crash::hold(serde_json::from_str(&text).expect("a runtime"));
        return;
    }
    let jobs: u32 = std::env::var("GANTRY_BENCH").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    block_on(one(Runtime::Embedded));
    for (word, runtime) in crate::harness::RUNTIMES {
        for width in [1, 2, 4] {
            let begin = Instant::now();
            block_on(async {
                let workers = (0..width).map(|_| async {
                    for _ in 0..jobs / width {
                        one(runtime).await;
                    }
                });
                futures::future::join_all(workers).await;
            });
            let each = begin.elapsed() / jobs;
            println!("{word} {width} at a time: {each:?} a job, {:.1}/s", 1.0 / each.as_secs_f64());
        }
    }
}

async fn one(runtime: Runtime) {
    let sandbox = start(&spec(runtime)).await;
    let out = run(&sandbox, gantry_sandbox::JobUser::Runner, &["/bin/true"]).await;
    assert_eq!(out.exit.code, 0);
    sandbox.stop().await.expect("stop");
}
