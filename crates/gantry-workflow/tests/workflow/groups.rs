//! Concurrency groups on the way of a run: what claims which group when, and what follows from a claim.

use gantry_core::{JobState, Outcome, Part, Queue};
use gantry_workflow::plan::uses_groups;

use crate::common::{Run, findings, planned, planned_with};

const STEPS: &str = "runs-on: ubuntu-latest, steps: [{run: x}]";

fn run(text: &str) -> Run {
    Run::of(&text.replace("STEPS", STEPS))
}

#[test]
fn a_run_does_nothing_before_it_has_its_group() {
    let mut run = run(
        "on: push\nconcurrency: {group: 'X-${{ github.ref }}', cancel-in-progress: '${{ github.actor == ''mona'' }}'}\njobs: {a: {STEPS}}\n",
    );
    let asked = run.plan.concurrency.clone().expect("a group");
    assert_eq!((asked.key().as_str(), asked.cancel_in_progress), ("x-refs/heads/main", true));
    assert_eq!(run.log, ["claim  run X-refs/heads/main"]);
    run.hold("", Part::Run);
    assert_eq!(run.log[1..], ["expand a", "queue a"]);
}

#[test]
fn a_run_that_waits_and_is_cancelled_ends_without_its_jobs() {
    let text = "on: push\nconcurrency: x\njobs: {a: {if: always(), STEPS}}\n";
    let mut first = run(text);
    first.stop("", Part::Run, "a newer one waits");
    assert_eq!(first.log[1..], ["finish cancelled"]);
    assert_eq!(first.verdict.and_then(|v| v.reason).as_deref(), Some("a newer one waits"));
    let mut second = run(text);
    second.view.cancel_requested = true;
    second.view.cancel_reason = Some("by hand".into());
    second.settle();
    assert_eq!(second.log[1..], ["finish cancelled"]);
    assert_eq!(second.verdict.and_then(|v| v.reason).as_deref(), Some("by hand"));
}

#[test]
fn a_leg_claims_when_it_is_ready_and_waits_for_its_group() {
    let mut run = run("on: push
jobs:
  a: {STEPS, outputs: {e: x}}
  b:
    {needs: a, strategy: {max-parallel: 1, matrix: {n: [1, 2]}},
     concurrency: {group: '${{ needs.a.outputs.e }}-${{ matrix.n }}', queue: max}, STEPS}
");
    assert!(!run.log.iter().any(|l| l.starts_with("claim")), "{:?}", run.log);
    run.end("a", gantry_core::Verdict::success(), &[("e", "prod")]);
    assert_eq!(run.log.last().map(String::as_str), Some("claim b (1) job prod-1"), "one at a time");
    run.hold("b (1)", Part::Job);
    assert_eq!(run.in_state(JobState::Queued), ["b (1)"]);
    run.end("b (1)", gantry_core::Verdict::success(), &[]);
    assert_eq!(run.log.last().map(String::as_str), Some("claim b (2) job prod-2"));
    run.stop("b (2)", Part::Job, "it was replaced");
    assert_eq!(run.outcome("b (2)"), Some(Outcome::Cancelled));
    let verdict = run.verdict.expect("the run has ended");
    assert_eq!(verdict.outcome, Outcome::Cancelled);
    assert!(verdict.reason.is_some_and(|r| r.contains("it was replaced")));
}

#[test]
fn a_leg_that_runs_is_asked_to_end_once_and_one_that_is_queued_ends() {
    let mut run =
        run("on: push\njobs:\n  a: {concurrency: x, STEPS}\n  b: {concurrency: y, STEPS}\n");
    run.hold("a", Part::Job);
    run.hold("b", Part::Job);
    run.start("a");
    run.stop("a", Part::Job, "another takes it");
    run.stop("b", Part::Job, "another takes it");
    assert_eq!(run.log.iter().filter(|l| *l == "cancel a").count(), 1);
    assert_eq!(run.outcome("b"), Some(Outcome::Cancelled));
    assert_eq!(run.outcome("a"), None, "it ends when its runner says so");
}

const CALLER: &str = "on: push
jobs:
  call:
    concurrency: outer
    uses: ./.github/workflows/called.yml
    with: {where: prod}
";
const CALLED: &str = "on: {workflow_call: {inputs: {where: {type: string}}}}
concurrency: inner-${{ inputs.where }}
jobs:
  a: {concurrency: job, runs-on: ubuntu-latest, steps: [{run: x}]}
  b: {runs-on: ubuntu-latest, steps: [{run: x}]}
";

#[test]
fn a_call_claims_its_own_group_then_that_of_the_called_file() {
    let plan = planned_with(CALLER, &[("acme/app/.github/workflows/called.yml", CALLED)]);
    assert!(uses_groups(&plan));
    let mut run = Run::new(plan);
    run.settle();
    assert_eq!(run.log, ["expand call", "claim call job outer"]);
    run.hold("call", Part::Job);
    assert_eq!(run.log[2..], ["claim call called inner-prod"]);
    run.hold("call", Part::Called);
    assert_eq!(
        run.log[3..],
        ["expand call / a", "expand call / b", "claim call / a job job", "queue call / b"]
    );
    run.start("call / b");
    // Its group is taken: what runs in it is asked to end, what waits ends.
    run.stop("call", Part::Called, "another takes it");
    assert!(run.log.contains(&"cancel call / b".to_owned()), "{:?}", run.log);
    assert_eq!(run.outcome("call / a"), Some(Outcome::Cancelled));
    run.end("call / b", gantry_core::Verdict::cancelled(gantry_core::Fault::User, "x"), &[]);
    assert_eq!(run.outcome("call"), Some(Outcome::Cancelled));
    let reason = run.view.legs["call"].verdict.as_ref().and_then(|v| v.reason.clone());
    assert_eq!(reason.as_deref(), Some("another takes it"));
}

#[test]
fn what_has_no_name_or_excludes_itself_is_refused() {
    let jobs = format!("jobs: {{a: {{{STEPS}}}}}");
    let found = findings(&format!(
        "on: push\nconcurrency: {{group: x, queue: max, cancel-in-progress: true}}\n{jobs}\n"
    ));
    assert!(
        found.contains("workflow/bad-concurrency") && found.contains("exclude each other"),
        "{found}"
    );
    for text in [
        "concurrency: '${{ github.head_ref }}'",
        "concurrency: {group: x, queue: max, cancel-in-progress: '${{ github.ref != null }}'}",
    ] {
        let plan = planned(&format!("on: push\n{text}\n{jobs}\n"));
        let codes: Vec<&str> = plan.diagnostics.iter().map(|d| d.code.as_str()).collect();
        assert_eq!(codes, ["workflow/bad-concurrency"]);
    }
    let mut broken = run("on: push\njobs: {a: {concurrency: '${{ github.head_ref }}', STEPS}}\n");
    broken.settle();
    let reason = broken.verdict.and_then(|v| v.reason).unwrap_or_default();
    assert!(reason.contains("has no name") && reason.contains("fallback"), "{reason}");
    assert_eq!(
        planned(&format!("on: push\nconcurrency: {{group: x, queue: max}}\n{jobs}\n"))
            .concurrency
            .map(|g| g.queue),
        Some(Queue::Max)
    );
}
