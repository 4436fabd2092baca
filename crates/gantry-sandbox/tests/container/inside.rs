//! What a job finds inside: its user, its root, its directories, its network.
//!
//! Not in here: what it must not reach.

use gantry_sandbox::doctor::{Status, doctor};
use gantry_sandbox::{JobUser, Runtime};

use crate::Test;
use crate::harness::{assert_gone, block_on, root, run, sh, spec, start, state_dir};

pub const TESTS: &[Test] = &[
    ("a_job_is_runner_in_its_own_world", a_job_is_runner_in_its_own_world),
    ("root_owns_the_system_and_may_install", root_owns_the_system_and_may_install),
    ("sudo_gives_root_without_a_password", sudo_gives_root_without_a_password),
    ("one_step_sees_what_another_left", one_step_sees_what_another_left),
    ("two_jobs_do_not_see_each_other", two_jobs_do_not_see_each_other),
    ("usage_is_counted", usage_is_counted),
];

fn a_job_is_runner_in_its_own_world(runtime: Runtime) {
    block_on(async {
        let spec = spec(runtime);
        let sandbox = start(&spec).await;
        let script = "id -u; id -un; echo ~; hostname; pwd; cat /proc/1/comm >/dev/null && ls /proc \
                      | grep -c '^[0-9]'; touch made /opt/hostedtoolcache/made; ls -A /home /mnt /srv /boot";
        let out = sh(&sandbox, script).await.ok();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(&lines[..5], ["1001", "runner", "/home/runner", "job", "/home/runner/work/a/a"]);
        let processes: u32 = lines[5].parse().expect("a number");
        assert!(processes < 8, "{out}");
        assert!(!out.contains("lost+found"), "{out}");
        let names = sh(&sandbox, "cat /etc/hosts /etc/resolv.conf /etc/hostname").await.ok();
        assert!(names.contains("127.0.0.1\tlocalhost"), "{names}");
        assert!(names.contains("nameserver 127.0.0.1"), "{names}");
        let network = sh(&sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1").await.ok();
        assert_eq!(network.trim(), "lo");
        sh(
            &sandbox,
            "touch /tmp/x /var/tmp/x /dev/shm/x; echo > /dev/null; head -c1 /dev/urandom \
                      >/dev/null; exec 3<>/dev/ptmx",
        )
        .await
        .ok();
        sandbox.stop().await.expect("stop");
        assert_gone(&spec.id);
    });
}

fn root_owns_the_system_and_may_install(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        let script = "test \"$(stat -c %u /usr /usr/bin /etc /opt | sort -u)\" = 0; \
            echo '#!/bin/sh' > /usr/bin/new-tool; chmod 755 /usr/bin/new-tool; new-tool; \
            cp /usr/bin/env /usr/bin/env.copy; mv /usr/bin/env.copy /usr/bin/env; \
            useradd --create-home someone 2>/dev/null || adduser --disabled-password someone; \
            chown someone /etc/profile; install -d -o someone /var/lib/thing";
        root(&sandbox, script).await.ok();
        sandbox.stop().await.expect("stop");
        assert!(!std::path::Path::new("/usr/bin/new-tool").exists());
    });
}

fn sudo_gives_root_without_a_password(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        let out = sh(&sandbox, "sudo id -u; sudo -n sh -c 'echo $HOME; exit 7' || echo $?").await;
        let text = out.stdout.clone();
        assert_eq!(text.lines().collect::<Vec<_>>(), ["0", "/root", "7"], "{out:?}");
        sandbox.stop().await.expect("stop");
    });
}

fn one_step_sees_what_another_left(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        sh(
            &sandbox,
            "echo kept > /tmp/kept; mkfifo /tmp/fifo; (cat /tmp/fifo > /tmp/copy) \
                      >/dev/null 2>&1 &",
        )
        .await
        .ok();
        let out = sh(
            &sandbox,
            "cat /tmp/kept; echo through > /tmp/fifo; \
                                while ! grep -q through /tmp/copy; do :; done; cat /tmp/copy",
        )
        .await
        .ok();
        assert_eq!(out, "kept\nthrough\n");
        sandbox.stop().await.expect("stop");
    });
}

fn two_jobs_do_not_see_each_other(runtime: Runtime) {
    block_on(async {
        let (one, two) = tokio::join!(async { start(&spec(runtime)).await }, async {
            start(&spec(runtime)).await
        });
        sh(
            &one,
            "echo secret > /tmp/secret; echo secret > /dev/shm/secret; \
                  echo secret > /home/runner/work/a/a/secret",
        )
        .await
        .ok();
        let out = root(&two, "ls -A /tmp /dev/shm /home/runner/work/a/a").await.ok();
        assert!(!out.contains("secret"), "{out}");
        let maps = (
            run(&one, JobUser::Root, &["cat", "/proc/self/uid_map"]).await.ok(),
            run(&two, JobUser::Root, &["cat", "/proc/self/uid_map"]).await.ok(),
        );
        assert_ne!(maps.0, maps.1, "two jobs must not share host ids");
        one.stop().await.expect("stop");
        two.stop().await.expect("stop");
    });
}

fn usage_is_counted(runtime: Runtime) {
    block_on(async {
        let sandbox = start(&spec(runtime)).await;
        let out = run(
            &sandbox,
            JobUser::Runner,
            &[
                "python3",
                "-c",
                "
import time
x = bytearray(64 << 20)
end = time.process_time() + 0.2
while time.process_time() < end: pass
",
            ],
        )
        .await;
        assert!(out.exit.usage.cpu_us >= 200_000, "{out:?}");
        assert!(out.exit.usage.memory_peak_bytes >= 64 << 20, "{out:?}");
        root(&sandbox, "dd if=/dev/zero of=/tmp/f bs=1M count=8 oflag=direct 2>/dev/null")
            .await
            .ok();
        let report = sandbox.stop().await.expect("stop");
        assert!(report.usage.cpu_us >= 200_000, "{report:?}");
        assert!(report.usage.io_write_bytes >= 8 << 20, "{report:?}");
        assert_eq!(report.oom_kills, 0);
    });
}

pub fn doctor_finds_this_machine_fit() {
    let checks = doctor(&state_dir());
    for name in ["privileges", "kernel", "namespaces", "overlay", "control groups", "seccomp"] {
        let check = checks.iter().find(|c| c.name == name).expect(name);
        assert_eq!(check.status, Status::Ok, "{check:?}");
    }
    let embedded = checks.iter().find(|c| c.name == "runtime embedded").expect("embedded");
    assert!(embedded.found.contains("the self-test passed"), "{embedded:?}");
    assert!(checks.iter().all(|c| (c.status == Status::Ok) == c.remedy.is_empty()), "{checks:?}");
}
