//! How a run goes on: needs, conditions, matrices, cancellation, verdicts.

use gantry_core::{Fault, JobState, Outcome, Verdict};
use gantry_workflow::expr::Value;
use gantry_workflow::progress::{Decision, next};
use rstest::rstest;

use crate::common::Run;

fn failed() -> Verdict {
    Verdict::failure(Fault::User, "exit code 1")
}

fn jobs(lines: &[&str]) -> String {
    let jobs: Vec<String> = lines
        .iter()
        .map(|l| {
            let (id, rest) = l.split_once(": ").unwrap_or((l, ""));
            format!(
                "  {id}: {{runs-on: ubuntu-latest, steps: [{{run: x}}]{}{rest}}}",
                if rest.is_empty() { "" } else { ", " }
            )
        })
        .collect();
    format!("on: push\njobs:\n{}\n", jobs.join("\n"))
}

#[test]
fn a_chain_runs_one_after_the_other_and_succeeds() {
    let mut run = Run::of(&jobs(&["a", "b: needs: a", "c: needs: [a, b]"]));
    assert_eq!(run.in_state(JobState::Queued), ["a"]);
    run.end("a", Verdict::success(), &[]);
    assert_eq!(run.in_state(JobState::Queued), ["b"]);
    run.end("b", Verdict::success(), &[]);
    run.end("c", Verdict::success(), &[]);
    assert_eq!(run.verdict, Some(Verdict::success()));
}

#[test]
fn outputs_reach_conditions_and_needs() {
    let mut run = Run::of(&jobs(&[
        "a",
        "b: needs: a, if: needs.a.outputs.go == 'yes'",
        "c: needs: a, if: needs.a.outputs.go != 'yes'",
    ]));
    if run.view.legs["a"].state == JobState::Queued {
        run.start("a");
    }
    let leg = run.view.legs.get_mut("a").expect("a");
    leg.state = JobState::Finished;
    leg.verdict = Some(Verdict::success());
    leg.outputs.insert("go".into(), "yes".into());
    let decisions = next(&run.plan, &run.view);
    let needs = decisions.iter().find_map(|d| match d {
        Decision::Queue { leg, needs } if leg == "b" => Some(needs.to_json().to_string()),
        _ => None,
    });
    assert_eq!(needs.as_deref(), Some(r#"{"a":{"result":"success","outputs":{"go":"yes"}}}"#));
    run.settle();
    assert_eq!(run.outcome("c"), Some(Outcome::Skipped));
    assert_eq!(
        run.view.legs["c"].verdict.as_ref().and_then(|v| v.reason.as_deref()),
        Some("its condition is false: `needs.a.outputs.go != 'yes'`")
    );
}

/// `a` fails; what do jobs behind it do?
#[rstest]
#[case("", Outcome::Skipped)]
#[case(", if: success()", Outcome::Skipped)]
#[case(", if: github.ref == 'refs/heads/main'", Outcome::Skipped)]
#[case(", if: failure()", Outcome::Success)]
#[case(", if: always()", Outcome::Success)]
#[case(", if: '!cancelled()'", Outcome::Success)]
#[case(", if: cancelled()", Outcome::Skipped)]
#[case(", if: needs.b.result == 'skipped'", Outcome::Skipped)]
#[case(", if: always() && needs.b.result == 'skipped'", Outcome::Success)]
#[case(", if: \"failure('b')\"", Outcome::Skipped)]
fn status_functions_look_at_everything_needed(#[case] condition: &str, #[case] expected: Outcome) {
    let last = format!("c: needs: b{condition}");
    let mut run = Run::of(&jobs(&["a", "b: needs: a", &last]));
    run.end("a", failed(), &[]);
    assert_eq!(run.outcome("b"), Some(Outcome::Skipped));
    if expected == Outcome::Success {
        run.end("c", Verdict::success(), &[]);
    }
    assert_eq!(run.outcome("c"), Some(expected));
    let verdict = run.verdict.expect("the run is over");
    assert_eq!((verdict.outcome, verdict.fault), (Outcome::Failure, Some(Fault::User)));
    assert_eq!(verdict.reason.as_deref(), Some("`a` failed: exit code 1"));
}

/// A skipped ancestor is neither a success nor a failure, however far away.
#[test]
fn a_skipped_ancestor_skips_what_asks_for_success() {
    let mut run = Run::of(&jobs(&[
        "a: if: false",
        "b: needs: a, if: always()",
        "c: needs: b",
        "d: needs: b, if: failure()",
        "e: needs: b, if: '!failure() && !cancelled()'",
    ]));
    run.end("b", Verdict::success(), &[]);
    assert_eq!(run.outcome("c"), Some(Outcome::Skipped));
    assert_eq!(run.outcome("d"), Some(Outcome::Skipped));
    run.end("e", Verdict::success(), &[]);
    assert_eq!(run.verdict, Some(Verdict::success()));
}

#[test]
fn a_matrix_fails_fast_and_keeps_to_max_parallel() {
    let mut run = Run::of(&jobs(&["a: strategy: {max-parallel: 2, matrix: {v: [1, 2, 3, 4]}}"]));
    assert_eq!(run.in_state(JobState::Queued), ["a (1)", "a (2)"]);
    run.start("a (1)");
    run.start("a (2)");
    run.end("a (1)", failed(), &[]);
    assert_eq!(run.view.cancelling.iter().collect::<Vec<_>>(), ["a (2)"]);
    assert_eq!(run.outcome("a (3)"), Some(Outcome::Cancelled));
    run.end("a (2)", Verdict::cancelled(Fault::User, "asked"), &[]);
    assert_eq!(run.verdict.map(|v| v.reason), Some(Some("`a (1)` failed: exit code 1".into())));
}

#[test]
fn without_fail_fast_every_leg_runs() {
    let mut run =
        Run::of(&jobs(&["a: strategy: {fail-fast: false, max-parallel: 1, matrix: {v: [1, 2]}}"]));
    run.end("a (1)", failed(), &[]);
    assert_eq!(run.in_state(JobState::Queued), ["a (2)"]);
    run.end("a (2)", Verdict::success(), &[]);
    assert_eq!(run.verdict.map(|v| v.outcome), Some(Outcome::Failure));
}

#[test]
fn a_leg_that_may_fail_fails_nothing() {
    let mut run = Run::of(&jobs(&[
        "a: continue-on-error: '${{ matrix.v == 1 }}', strategy: {matrix: {v: [1, 2]}}",
        "b: needs: a",
    ]));
    run.end("a (1)", failed(), &[]);
    assert!(run.view.cancelling.is_empty());
    run.end("a (2)", Verdict::success(), &[]);
    run.end("b", Verdict::success(), &[]);
    assert_eq!(run.verdict, Some(Verdict::success()));
}

#[test]
fn a_deferred_matrix_grows_from_outputs() {
    let mut run = Run::of(&jobs(&[
        "a",
        "b: needs: a, strategy: {fail-fast: false, max-parallel: 1, matrix: {v: '${{ fromJSON(needs.a.outputs.l) }}'}}",
        "c: needs: b",
    ]));
    run.end("a", Verdict::success(), &[("l", "[\"x\",\"y\"]")]);
    assert_eq!(run.in_state(JobState::Queued), ["b (x)"]);
    run.end("b (x)", Verdict::success(), &[("o", "1")]);
    run.end("b (y)", Verdict::success(), &[("o", "")]);
    let needs = next(&run.plan, &run.view);
    assert!(needs.is_empty());
    run.end("c", Verdict::success(), &[]);
    assert_eq!(run.verdict, Some(Verdict::success()));
}

#[rstest]
#[case("[]", "the matrix axis `v` has no values")]
#[case("oops", "`v` has no value")]
fn a_deferred_matrix_without_legs_fails_with_its_reason(#[case] output: &str, #[case] why: &str) {
    let mut run = Run::of(&jobs(&[
        "a",
        "b: needs: a, strategy: {matrix: {v: '${{ fromJSON(needs.a.outputs.l) }}'}}",
    ]));
    run.end("a", Verdict::success(), &[("l", output)]);
    let verdict = run.verdict.expect("the run is over");
    assert_eq!(verdict.fault, Some(Fault::User));
    assert!(verdict.reason.as_deref().is_some_and(|r| r.contains(why)), "{verdict:?}");
}

#[test]
fn what_cannot_run_here_fails_by_policy_and_only_if_it_would_run() {
    let mut run = Run::of(
        "on: push\njobs:\n  a: {runs-on: windows-latest, if: github.actor == 'nobody', steps: [{run: x}]}\n  b: {runs-on: windows-latest, steps: [{run: x}]}\n  c: {runs-on: ubuntu-latest, steps: [{run: x}]}\n",
    );
    assert_eq!(run.outcome("a"), Some(Outcome::Skipped));
    assert_eq!(run.outcome("b"), Some(Outcome::Failure));
    run.end("c", failed(), &[]);
    let verdict = run.verdict.expect("the run is over");
    assert_eq!(verdict.fault, Some(Fault::Policy));
    insta::assert_snapshot!(verdict.reason.unwrap_or_default(), @"`b` failed: job `b` asks for the runner `windows-latest` (.github/workflows/ci.yml:4); run the job on `ubuntu-latest`, or leave it out (1 more)");
}

#[test]
fn a_foreign_leg_does_not_fail_its_siblings_fast() {
    let mut run = Run::of(
        "on: push\njobs:\n  a: {runs-on: '${{ matrix.os }}', strategy: {matrix: {os: [windows-latest, ubuntu-latest]}}, steps: [{run: x}]}\n",
    );
    assert_eq!(run.in_state(JobState::Queued), ["a (ubuntu-latest)"]);
    run.end("a (ubuntu-latest)", Verdict::success(), &[]);
    assert_eq!(run.verdict.map(|v| v.fault), Some(Some(Fault::Policy)));
}

#[test]
fn a_cancelled_run_ends_what_does_not_insist() {
    let mut run = Run::of(&jobs(&["a", "b", "c: needs: a", "d: needs: a, if: always()"]));
    run.start("a");
    run.view.cancel_requested = true;
    run.settle();
    assert_eq!(run.outcome("b"), Some(Outcome::Cancelled));
    assert!(run.view.cancelling.contains("a"));
    run.end("a", Verdict::cancelled(Fault::User, "asked"), &[]);
    assert_eq!(run.outcome("c"), Some(Outcome::Cancelled));
    run.end("d", Verdict::success(), &[]);
    assert_eq!(run.verdict.map(|v| v.outcome), Some(Outcome::Cancelled));
}

#[test]
fn a_job_that_insists_goes_on_when_the_run_is_cancelled() {
    let mut run = Run::of(&jobs(&["a: if: always()"]));
    run.start("a");
    run.view.cancel_requested = true;
    run.settle();
    assert!(run.view.cancelling.is_empty());
    run.end("a", Verdict::success(), &[]);
    assert_eq!(run.verdict, Some(Verdict::success()));
}

#[test]
fn the_hubs_own_fault_goes_first() {
    let mut run = Run::of(&jobs(&["a", "b", "c"]));
    run.end("a", failed(), &[]);
    run.end("b", Verdict::failure(Fault::Infra, "the runner was lost"), &[]);
    run.end("c", Verdict::timed_out("6 h"), &[]);
    let verdict = run.verdict.expect("the run is over");
    assert_eq!(verdict.fault, Some(Fault::Infra));
    assert_eq!(verdict.reason.as_deref(), Some("`a` failed: exit code 1 (2 more)"));
}

#[test]
fn a_run_that_was_not_triggered_is_skipped_with_the_reason() {
    let mut run = Run::of("on: release\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n");
    run.settle();
    let verdict = run.verdict.expect("the run is over");
    assert_eq!(verdict.outcome, Outcome::Skipped);
    assert!(verdict.reason.is_some_and(|r| r.contains("`push` does not start it")));
}

#[test]
fn a_condition_without_value_fails_its_job() {
    let run = Run::of(&jobs(&["a: if: \"fromJSON('{')\""]));
    let verdict = run.verdict.expect("the run is over");
    assert_eq!(verdict.outcome, Outcome::Failure);
    assert!(verdict.reason.is_some_and(|r| r.starts_with("`a` failed: `if` has no value")));
    assert_eq!(run.plan.vars, Value::Object(indexmap::IndexMap::new()));
}
