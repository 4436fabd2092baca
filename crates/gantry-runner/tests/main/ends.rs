//! How jobs end: failures, limits of time, cancels, an absent hub.

use gantry_core::Outcome;
use gantry_runner::stop::{Stop, Why};
use libtest_mimic::Trial;

use super::support::{Fixture, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("the_first_failing_step_wins_and_is_named", first_failure),
        trial("a_program_that_is_missing_is_the_users_fault", missing_program),
        trial("a_step_has_its_own_time", step_timeout),
        trial("a_job_has_its_time_and_always_steps_still_run", job_timeout),
        trial("a_cancel_interrupts_the_step_and_runs_always_steps", cancel),
        trial("a_stubborn_step_is_killed", stubborn),
        trial("a_lost_lease_kills_at_once", lost),
        trial("an_unknown_action_is_a_matter_of_policy", unknown_action),
        trial("a_broken_condition_fails_its_step", broken_condition),
        trial("an_absent_hub_loses_no_line", absent_hub),
        trial("what_a_step_left_running_is_gone_at_the_end", leftovers),
    ]
}

async fn first_failure() {
    let done = Fixture::steps(
        r#"- name: build
  run: echo ok
- name: test
  run: |
    echo testing
    exit 7
- name: deploy
  run: echo never
- name: clean
  if: always()
  run: exit 9
- name: tell
  if: failure()
  run: echo "told ${{ job.status }}""#,
    )
    .run()
    .await;
    insta::assert_snapshot!(done.verdict(), @"failure/user: step `test` exited with code 7 (.github/workflows/ci.yml:8)");
    assert_eq!(
        done.steps(),
        ["build=success", "test=failure", "deploy=skipped", "clean=failure", "tell=success"]
    );
    done.assert_has(&["told failure"]);
    assert_eq!(done.end.steps[2].line, Some(8));
}

async fn missing_program() {
    let done = Fixture::steps("- name: x\n  run: hi\n  shell: no-such-shell {0}").run().await;
    let verdict = done.verdict();
    assert!(
        verdict.starts_with("failure/user: step `x` cannot start `no-such-shell`"),
        "{verdict}"
    );
}

async fn step_timeout() {
    let done = Fixture::steps(
        "- name: slow\n  timeout-minutes: 0.01\n  run: sleep 60\n- if: failure()\n  name: after\n  run: echo after",
    )
    .run()
    .await;
    insta::assert_snapshot!(done.verdict(), @"failure/user: step `slow` ran longer than its time limit of 600 milliseconds (.github/workflows/ci.yml:6)");
    assert_eq!(done.end.steps[1].outcome.as_ref().map(|v| v.outcome), Some(Outcome::TimedOut));
    done.assert_has(&["after"]);
}

async fn job_timeout() {
    let mut fixture = Fixture::steps(
        "- name: slow\n  run: sleep 60\n- run: echo no\n- if: always()\n  run: echo cleaned ${{ job.status }}",
    );
    fixture.timeout_ms = 1_000;
    let done = fixture.run().await;
    insta::assert_snapshot!(done.verdict(), @"timed_out/user: the job ran longer than its time limit of 1 second; raise `timeout-minutes`");
    done.assert_has(&["cleaned cancelled"]);
    assert!(!done.has("no"));
}

async fn cancel() {
    let fixture = Fixture::steps(
        r#"- name: long
  run: |
    trap 'echo interrupted; exit 130' INT
    echo started
    while true; do sleep 0.05; done
- name: skipped
  run: echo no
- name: always
  if: always()
  run: echo "always ${{ job.status }}"
- name: cancelled
  if: cancelled()
  run: echo cancelled"#,
    );
    fixture.hub.state().cancel_at = Some("\"text\":\"started\"".to_owned());
    let done = fixture.run().await;
    insta::assert_snapshot!(done.verdict(), @"cancelled/user: somebody asked");
    done.assert_has(&["interrupted", "always cancelled", "cancelled"]);
    assert_eq!(
        done.steps(),
        ["long=cancelled", "skipped=skipped", "always=success", "cancelled=success"]
    );
}

async fn stubborn() {
    let done = Fixture::steps(
        "- name: deaf\n  timeout-minutes: 0.005\n  run: |\n    trap '' INT TERM\n    while true; do sleep 0.1; done",
    )
    .run()
    .await;
    assert_eq!(done.end.steps[1].outcome.as_ref().map(|v| v.outcome), Some(Outcome::TimedOut));
}

async fn lost() {
    let stop = Stop::default();
    let fixture = Fixture::steps("- run: sleep 60\n- if: always()\n  run: echo no");
    let hub = fixture.hub.clone();
    let ask = stop.clone();
    let asking = async move {
        while !hub
            .state()
            .steps
            .values()
            .any(|s| s.name == "Run sleep 60" && s.started_at.is_some())
        {
            tokio::task::yield_now().await;
        }
        ask.ask(Why::Lost("another epoch".to_owned()));
    };
    let hub = fixture.hub.clone();
    let running = tokio::spawn(async move {
        let result = tokio::spawn(async move { fixture.run_with(&stop).await }).await;
        assert!(result.is_err(), "the end of a lost lease is not reported");
    });
    asking.await;
    running.await.expect("the run");
    assert!(hub.state().complete.is_none());
}

async fn unknown_action() {
    let done =
        Fixture::steps("- name: odd\n  uses: some/thing@v1\n- uses: docker://alpine:3").run().await;
    insta::assert_snapshot!(done.verdict(), @"failure/policy: step `odd` uses `some/thing@v1`: the runner does not have this action and no repository of this hub is called so; add that repository to the hub file, or write the steps as `run:` or as a local action (.github/workflows/ci.yml:6)");
}

async fn broken_condition() {
    let done =
        Fixture::steps("- name: x\n  if: fromJSON(github.sha) == 1\n  run: echo no").run().await;
    let verdict = done.verdict();
    assert!(verdict.starts_with("failure/user: `if` cannot be evaluated: "), "{verdict}");
    assert!(verdict.ends_with("(.github/workflows/ci.yml:7)"), "{verdict}");
}

async fn absent_hub() {
    let fixture = Fixture::steps("- run: seq 1 2000");
    fixture.hub.state().away = 7;
    let done = fixture.run().await;
    done.assert_success();
    let numbers: Vec<u32> = done.out().iter().filter_map(|l| l.parse().ok()).collect();
    assert_eq!(numbers, (1..=2000).collect::<Vec<_>>());
}

async fn leftovers() {
    let done = Fixture::steps(
        "- run: |\n    sleep 300 &\n    echo pid $!\n- run: kill -0 $(pgrep -n -x sleep) && echo still",
    )
    .run()
    .await;
    let line =
        done.out().into_iter().find_map(|l| l.strip_prefix("pid ")).expect("a pid").to_owned();
    let gone = !std::path::Path::new(&format!("/proc/{line}")).exists();
    assert!(gone, "process {line} is still there");
}
