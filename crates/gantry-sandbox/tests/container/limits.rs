//! Limits that hold: processes, memory, disk; and the end that takes everything along.
//!
//! Not in here: escapes.

use gantry_sandbox::Runtime;

use crate::Test;
use crate::harness::{assert_gone, block_on, python, root, sh, spec, start};

pub const TESTS: &[Test] = &[
    ("a_fork_bomb_stops_at_the_limit", a_fork_bomb_stops_at_the_limit),
    ("a_memory_bomb_is_told_apart", a_memory_bomb_is_told_apart),
    ("a_full_disk_is_the_jobs_own", a_full_disk_is_the_jobs_own),
    ("the_processor_share_holds", the_processor_share_holds),
    ("stop_takes_every_descendant", stop_takes_every_descendant),
    ("dropping_a_sandbox_ends_it", dropping_a_sandbox_ends_it),
];

fn a_fork_bomb_stops_at_the_limit(runtime: Runtime) {
    block_on(async {
        let mut spec = spec(runtime);
        spec.resources.pids = 40;
        let sandbox = start(&spec).await;
        let out = python(
            &sandbox,
            "
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0: time.sleep(1000)
        made += 1
except OSError as e:
    print(e.errno, made < 40)
",
        )
        .await
        .ok();
        assert_eq!(out, "11 True\n");
        sandbox.stop().await.expect("stop");
        assert_gone(&spec.id);
    });
}

fn a_memory_bomb_is_told_apart(runtime: Runtime) {
    block_on(async {
        let mut spec = spec(runtime);
        spec.resources.memory_bytes = 96 << 20;
        let sandbox = start(&spec).await;
        let quiet = sh(&sandbox, "kill -9 $$").await;
        assert_eq!((quiet.exit.code, quiet.exit.out_of_memory), (137, false), "{quiet:?}");
        let bomb = python(&sandbox, "x = bytearray(400 << 20)").await;
        assert_eq!((bomb.exit.code, bomb.exit.out_of_memory), (137, true), "{bomb:?}");
        // Only a child is killed and the step goes on: still told.
        let child = sh(&sandbox, "python3 -c 'x = bytearray(400 << 20)' || true").await;
        assert_eq!((child.exit.code, child.exit.out_of_memory), (0, true), "{child:?}");
        let report = sandbox.stop().await.expect("stop");
        assert!(report.oom_kills >= 2, "{report:?}");
        assert!(report.usage.memory_peak_bytes <= 100 << 20, "{report:?}");
    });
}

fn a_full_disk_is_the_jobs_own(runtime: Runtime) {
    block_on(async {
        let mut spec = spec(runtime);
        spec.resources.disk_bytes = 48 << 20;
        let sandbox = start(&spec).await;
        let before =
            nix::sys::statvfs::statvfs(&spec.state_dir).expect("statvfs").blocks_available();
        let out = root(&sandbox, "for d in /tmp /home/runner /usr /opt /etc /root /var/tmp /run; do \
             dd if=/dev/zero of=$d/fill bs=1M count=500 2>&1 | grep -q 'No space left' || echo \"NO LIMIT $d\"; done; \
             du -cm /tmp/fill /home/runner/fill /usr/fill /opt/fill /etc/fill /root/fill /var/tmp/fill /run/fill \
             | tail -1 | cut -f1").await;
        assert!(out.exit.disk_full, "{out:?}");
        let used: u64 = out.ok().trim().parse().expect("a number and nothing else");
        assert!((30..=48).contains(&used), "{used} MiB");
        let after =
            nix::sys::statvfs::statvfs(&spec.state_dir).expect("statvfs").blocks_available();
        assert!(before.saturating_sub(after) * 4096 < 2 << 30, "the host's disk is left alone");
        // Room again, and the disk works on.
        root(&sandbox, "rm /tmp/fill; echo fine > /tmp/fine").await.ok();
        sandbox.stop().await.expect("stop");
        assert_gone(&spec.id);
    });
}

fn the_processor_share_holds(runtime: Runtime) {
    block_on(async {
        let mut spec = spec(runtime);
        spec.resources.cpu_millis = 200;
        let sandbox = start(&spec).await;
        let out = python(
            &sandbox,
            "
import time
start, used = time.monotonic(), time.process_time()
while time.monotonic() < start + 1.5: pass
print(time.process_time() - used < 0.75)
",
        )
        .await
        .ok();
        assert_eq!(out, "True\n");
        sandbox.stop().await.expect("stop");
    });
}

/// Daemons in sessions of their own, doubly forked, deaf to signals, some forking on.
const DAEMONS: &str = "
import os, signal, time
for i in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for s in range(1, 32):
                try: signal.signal(s, signal.SIG_IGN)
                except OSError: pass
            os.dup2(os.open('/dev/null', os.O_RDWR), 1); os.dup2(1, 2)
            while i % 2:
                if os.fork() == 0: time.sleep(0.05); os._exit(0)
                time.sleep(0.01)
                try:
                    while os.waitpid(-1, os.WNOHANG)[0]: pass
                except OSError: pass
            time.sleep(10000)
        os._exit(0)
";

fn stop_takes_every_descendant(runtime: Runtime) {
    block_on(async {
        let spec = spec(runtime);
        let sandbox = start(&spec).await;
        python(&sandbox, DAEMONS).await.ok();
        sandbox.stop().await.expect("stop");
        assert_gone(&spec.id);
    });
}

fn dropping_a_sandbox_ends_it(runtime: Runtime) {
    block_on(async {
        let spec = spec(runtime);
        let sandbox = start(&spec).await;
        python(&sandbox, DAEMONS).await.ok();
        drop(sandbox);
        tokio::task::spawn_blocking(move || assert_gone(&spec.id)).await.expect("gone");
    });
}
