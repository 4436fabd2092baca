//! Actions of the table: notices, tools, steps, and what is refused.

use gantry_observe::log::LineKind;
use libtest_mimic::Trial;

use super::hub::Hub;
use super::support::{Done, Fixture, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_notice_says_what_is_not_done", notice),
        trial("an_action_that_deploys_is_refused_with_its_cause", refused),
        trial("a_missing_program_is_named", missing_program),
        trial("actions_rs_cargo_runs_the_command_with_its_arguments", cargo),
        trial("maturin_runs_in_the_image_of_the_job_or_says_so", maturin),
        trial("a_toolchain_of_another_channel_is_not_taken", channel),
        trial("a_tool_of_the_image_is_found_and_put_first", tool),
        trial("setup_python_keeps_its_cache", python_cache),
        trial("setup_python_with_cache_and_no_lock_file_fails", python_cache_missing),
        trial("rust_cache_restores_the_target_folder", rust_cache),
        trial("retry_tries_until_it_works", retry),
        trial("alls_green_judges_the_needs", alls_green),
        trial("shellcheck_and_pages_are_steps", pages),
    ]
}

/// A program of that name in the first directory of the path.
fn program(name: &str, script: &str) -> String {
    format!(
        "- run: |\n    mkdir -p \"$RUNNER_TEMP/bin\"; cd \"$RUNNER_TEMP/bin\"\n    printf '%s\\n' '#!/bin/sh' '{script}' > {name}\n    chmod +x {name}; echo \"$PWD\" >> \"$GITHUB_PATH\"\n"
    )
}

fn notices(done: &Done) -> Vec<&str> {
    let lines = done.lines.iter().filter(|l| l.kind == LineKind::Notice);
    lines.map(|l| l.text.as_str()).collect()
}

async fn notice() {
    let done = Fixture::steps(
        "- uses: Codecov/codecov-action@v4\n  with: { token: x, fail_ci_if_error: true }\n- uses: github/codeql-action/init@v3\n- run: echo after",
    )
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["after"]);
    assert_eq!(
        notices(&done),
        [
            "`codecov/codecov-action` is not run here: coverage is not reported to a service outside",
            "`github/codeql-action/init` is not run here: code scanning belongs to GitHub; nothing is scanned or uploaded",
        ]
    );
}

async fn refused() {
    let done = Fixture::steps("- uses: pypa/gh-action-pypi-publish@release/v1\n- run: echo after")
        .run()
        .await;
    let verdict = done.verdict();
    assert!(verdict.starts_with("failure/policy"), "{verdict}");
    assert!(verdict.contains("it publishes packages"), "{verdict}");
    assert!(!done.has("after"));
}

async fn missing_program() {
    let done = Fixture::steps("- uses: hadolint/hadolint-action@v3").run().await;
    let verdict = done.verdict();
    assert!(verdict.starts_with("failure/policy"), "{verdict}");
    assert!(verdict.contains("it needs `hadolint`, which the image"), "{verdict}");
}

async fn cargo() {
    let steps = program("cargo", r#"printf "<%s>" "$@"; echo"#)
        + "- uses: actions-rs/cargo@v1\n  with:\n    command: test\n    args: --features \"a b\" -- --skip '$HOME'";
    let done = Fixture::steps(&steps).run().await;
    done.assert_success();
    done.assert_has(&["<test><--features><a b><--><--skip><$HOME>"]);
}

async fn maturin() {
    let steps = |with: &str| {
        program("maturin", r#"printf "<%s>" "$@"; echo"#)
            + &format!("- uses: PyO3/maturin-action@v1\n  with: {{ {with} }}")
    };
    let done = Fixture::steps(&steps("target: x64, args: --release --out 'a dist'")).run().await;
    done.assert_success();
    done.assert_has(&["<build><--release><--out><a dist>"]);
    let done = Fixture::steps(&steps("command: sdist, manylinux: auto")).run().await;
    done.assert_has(&["<sdist>"]);
    let done = Fixture::steps(&steps("manylinux: 2_28")).run().await;
    assert!(done.verdict().starts_with("failure/user"), "{}", done.verdict());
    assert!(done.text().contains("name that image as container"), "{}", done.text());
}

async fn channel() {
    let rustc = |version: &str| program("rustc", &format!("echo rustc {version}"));
    let stable = rustc("9.99.0") + "- uses: dtolnay/rust-toolchain@nightly";
    let verdict = Fixture::steps(&stable).run().await.verdict();
    assert!(verdict.starts_with("failure/policy"), "{verdict}");
    assert!(verdict.contains("Rust `nightly` is not in the image"), "{verdict}");
    assert!(verdict.contains("9.99.0 ("), "{verdict}");
    let nightly = rustc("9.99.0-nightly") + "- uses: dtolnay/rust-toolchain@nightly";
    Fixture::steps(&nightly).run().await.assert_success();
}

async fn tool() {
    let steps = program("just", "echo just 1.40.0")
        + "- uses: extractions/setup-just@v3\n  with: { just-version: '1.40' }\n- run: just\n- uses: extractions/setup-just@v3\n  with: { just-version: '2' }";
    let done = Fixture::steps(&steps).run().await;
    done.assert_has(&["just 1.40.0"]);
    let verdict = done.verdict();
    assert!(
        verdict.contains("just `2` is not in the image of this job; there is: 1.40.0"),
        "{verdict}"
    );
}

async fn python_cache() {
    let hub = Hub::default();
    let steps = "- uses: actions/checkout@v4\n- id: py\n  uses: actions/setup-python@v5\n  with: { cache: pip }\n- run: |\n    echo \"hit [${{ steps.py.outputs.cache-hit }}]\"\n    cat ~/.cache/pip/wheel || echo empty\n    mkdir -p ~/.cache/pip; echo kept > ~/.cache/pip/wheel";
    let run = |lock: &str| Fixture::steps(steps).hub(&hub).file("requirements.txt", lock).run();
    let first = run("a==1").await;
    first.assert_success();
    first.assert_has(&["hit [false]", "empty"]);
    let second = run("a==1").await;
    second.assert_success();
    second.assert_has(&["hit [true]", "kept"]);
    let third = run("a==2").await;
    third.assert_has(&["hit [false]", "kept"]);
}

async fn python_cache_missing() {
    let steps = "- uses: actions/setup-python@v5\n  with: { cache: pip }";
    let done = Fixture::steps(steps).run().await;
    assert!(done.verdict().starts_with("failure/user"), "{}", done.verdict());
    assert!(done.text().contains("cache 'pip' needs a dependency file"), "{}", done.text());
}

async fn rust_cache() {
    let hub = Hub::default();
    let steps = "- uses: actions/checkout@v4\n- id: c\n  uses: Swatinem/rust-cache@v2\n  with:\n    workspaces: |\n      . -> out\n      sub\n- run: |\n    echo \"hit [${{ steps.c.outputs.cache-hit }}]\"\n    cat out/x sub/target/y || echo empty\n    mkdir -p out sub/target; echo one > out/x; echo two > sub/target/y";
    let run = || Fixture::steps(steps).hub(&hub).file("Cargo.lock", "x").run();
    let first = run().await;
    first.assert_success();
    first.assert_has(&["hit [false]", "empty"]);
    let second = run().await;
    second.assert_success();
    second.assert_has(&["hit [true]", "one", "two"]);
}

async fn retry() {
    let steps = "- id: r\n  uses: nick-fields/retry@v3\n  with:\n    max_attempts: 3\n    timeout_minutes: 1\n    retry_wait_seconds: 0\n    command: |\n      echo x >> tries\n      test \"$(wc -l < tries)\" = 2\n- run: echo \"after ${{ steps.r.outputs.total_attempts }}\"\n- uses: nick-fields/retry@v3\n  with: { max_attempts: 2, timeout_seconds: 9, retry_wait_seconds: 0, command: exit 7 }";
    let done = Fixture::steps(steps).run().await;
    done.assert_has(&["after 2"]);
    assert!(done.verdict().contains("with code 7"), "{}", done.verdict());
}

async fn alls_green() {
    let steps = |more: &str| {
        format!(
            "- uses: re-actors/alls-green@release/v1\n  with:\n    jobs: '{{\"a\":{{\"result\":\"success\"}},\"b\":{{\"result\":\"skipped\"}}}}'\n{more}"
        )
    };
    let bad = Fixture::steps(&steps("")).run().await;
    assert!(bad.verdict().starts_with("failure/user"), "{}", bad.verdict());
    assert!(bad.text().contains("these jobs are not green: b"), "{}", bad.text());
    Fixture::steps(&steps("    allowed-skips: b")).run().await.assert_success();
}

async fn pages() {
    let hub = Hub::default();
    let steps = program("shellcheck", r#"printf "[%s]" "$@"; echo"#)
        + "- run: mkdir -p site; echo hi > site/index.html; touch 'a b.sh'\n- uses: ludeeus/action-shellcheck@master\n  with: { severity: error }\n- uses: actions/upload-pages-artifact@v3\n  with: { path: site }";
    let done = Fixture::steps(&steps).hub(&hub).run().await;
    done.assert_success();
    done.assert_has(&["[--format=gcc][--severity=error][./a b.sh]"]);
    let names: Vec<String> = hub.state().artifacts.iter().map(|a| a.name.clone()).collect();
    assert_eq!(names, ["github-pages"]);
}
