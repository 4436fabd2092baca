//! The tests of this program that concern control groups, run in an emulated machine that has version 2 alone.
//!
//! Not in here: the tests, which are the same as on this machine.

use std::os::unix::fs::PermissionsExt;

/// Tests that are run in the machine; emulation is slow, so that the external runtimes show only what is theirs to do.
const TESTS: &[&str] = &[
    "embedded::usage_is_counted",
    "embedded::the_kernels_files_cannot_be_written",
    "embedded::a_fork_bomb_stops_at_the_limit",
    "embedded::a_memory_bomb_is_told_apart",
    "embedded::the_processor_share_holds",
    "embedded::stop_takes_every_descendant",
    "embedded::a_killed_runner_leaves_nothing",
    "embedded::killing_both_leaves_nothing_after_cleanup",
    "runc::usage_is_counted",
    "runc::a_memory_bomb_is_told_apart",
    "crun::usage_is_counted",
    "crun::a_memory_bomb_is_told_apart",
];

/// Runs the tests one by one, then shows what is left in the control groups.
const RUN: &str = r#"#!/bin/sh
cd /
echo "hierarchies: $(grep -o ' cgroup2\? ' /proc/mounts | sort -u | xargs)"
for test in TESTS; do /payload/tests --exact "$test" --color never || exit 1; done
echo "left: $(find /sys/fs/cgroup/gantry -mindepth 1 -type d | xargs)"
"#;

pub fn limits_hold_on_control_groups_v2() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy("/proc/self/exe", folder.path().join("tests")).expect("this program");
    let run = folder.path().join("run");
    std::fs::write(&run, RUN.replace("TESTS", &TESTS.join(" "))).expect("a script");
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).expect("rights");
    let Some(said) = gantry_testkit::guest(folder.path()) else { return };
    assert!(said.contains("hierarchies: cgroup2\n"), "{said}");
    assert!(!said.contains("SKIPPED"), "{said}");
    for test in TESTS {
        let passed =
            said.lines().any(|l| l.starts_with(&format!("test {test} ")) && l.ends_with(" ok"));
        assert!(passed, "`{test}` did not pass:\n{said}");
    }
    assert!(said.contains("left: \n"), "{said}");
}
