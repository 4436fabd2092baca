//! Reusable workflows: what is called, with what, and what comes back.

use gantry_core::{Fault, JobState, Outcome, Verdict};
use gantry_workflow::expr::Value;
use gantry_workflow::plan::{CALL_SEPARATOR, Plan, Support, call_secrets};
use gantry_workflow::progress::{Decision, next};
use indexmap::IndexMap;

use crate::common::{Run, planned_with};

const BUILD: (&str, &str) = (
    "acme/app/.github/workflows/build.yml",
    "
on:
  workflow_call:
    inputs:
      target: {type: string, required: true}
      fast: {type: boolean, default: false}
      n: {type: number}
    secrets: {KEY: {required: true}}
    outputs:
      made: {value: '${{ jobs.pack.outputs.file }}-${{ inputs.target }}'}
env: {FROM: callee}
jobs:
  compile:
    runs-on: ubuntu-latest
    strategy: {matrix: {v: [1, 2]}}
    steps: [{run: x}]
  pack:
    name: Pack ${{ inputs.target }}
    needs: compile
    if: ${{ !inputs.fast }}
    runs-on: ubuntu-latest
    outputs: {file: x}
    steps: [{run: x}]
",
);

const CALLER: &str = "
on: push
jobs:
  first: {runs-on: ubuntu-latest, outputs: {os: x}, steps: [{run: x}]}
  call:
    needs: first
    uses: ./.github/workflows/build.yml
    with: {target: '${{ needs.first.outputs.os }}'}
    secrets: {KEY: 'k-${{ secrets.ROOT }}'}
  last:
    needs: call
    runs-on: ubuntu-latest
    steps: [{run: x}]
";

fn ok(run: &mut Run, leg: &str, outputs: &[(&str, &str)]) {
    run.end(leg, Verdict::success(), outputs);
}

fn errors(plan: &Plan) -> String {
    plan.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_call_runs_the_jobs_of_the_called_workflow_and_hands_its_outputs_on() {
    let mut run = Run::new(planned_with(CALLER, &[BUILD]));
    assert_eq!(errors(&run.plan), "");
    run.settle();
    assert_eq!(run.in_state(JobState::Queued), ["first"]);
    ok(&mut run, "first", &[("os", "linux")]);
    assert_eq!(run.in_state(JobState::Queued), ["call / compile (1)", "call / compile (2)"]);
    ok(&mut run, "call / compile (1)", &[]);
    ok(&mut run, "call / compile (2)", &[]);
    assert_eq!(run.in_state(JobState::Queued), ["call / pack"]);
    assert_eq!(run.outcome("call"), None, "the call goes on while its jobs do");
    ok(&mut run, "call / pack", &[("file", "app.tar")]);
    assert_eq!(run.outcome("call"), Some(Outcome::Success));
    assert_eq!(run.view.legs["call"].outputs["made"], "app.tar-linux");
    assert_eq!(run.in_state(JobState::Queued), ["last"]);
    ok(&mut run, "last", &[]);
    assert_eq!(run.verdict, Some(Verdict::success()));
}

#[test]
fn legs_of_a_called_workflow_know_their_inputs_names_and_secrets() {
    let mut run = Run::new(planned_with(CALLER, &[BUILD]));
    run.settle();
    run.start("first");
    run.view.legs["first"].state = JobState::Finished;
    run.view.legs["first"].verdict = Some(Verdict::success());
    run.view.legs["first"].outputs.insert("os".into(), "linux".into());
    let legs: Vec<_> = next(&run.plan, &run.view)
        .into_iter()
        .filter_map(|d| if let Decision::Expand { legs, .. } = d { Some(legs) } else { None })
        .flatten()
        .collect();
    let pack = legs.iter().find(|l| l.key == "call / pack").expect("the job of the called file");
    assert_eq!(pack.name, "call / Pack linux");
    let site = pack.call.as_ref().expect("a leg of a call");
    assert_eq!(
        (site.workflow.as_str(), site.job.as_str()),
        ("./.github/workflows/build.yml", "pack")
    );
    assert_eq!(site.inputs.get("target"), Some(&Value::from("linux")));
    assert_eq!(site.inputs.get("fast"), Some(&Value::Bool(false)));
    assert_eq!(site.inputs.get("n"), Some(&Value::Number(0.0)));
    let root: IndexMap<String, String> = [("ROOT", "r"), ("OTHER", "o"), ("GITHUB_TOKEN", "t")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let (own, bad) = call_secrets(&run.plan, site, root);
    assert!(bad.is_empty());
    assert_eq!(own["KEY"], "k-r");
    assert_eq!(own["GITHUB_TOKEN"], "t");
    assert!(!own.contains_key("OTHER"), "what is not handed over is not there");
}

#[test]
fn a_failure_inside_fails_the_call_and_skips_what_needs_it() {
    let mut run = Run::new(planned_with(CALLER, &[BUILD]));
    run.settle();
    ok(&mut run, "first", &[("os", "linux")]);
    run.end("call / compile (1)", Verdict::failure(Fault::User, "x"), &[]);
    assert_eq!(run.outcome("call / compile (2)"), Some(Outcome::Cancelled), "fail-fast inside");
    assert_eq!(run.outcome("call / pack"), Some(Outcome::Skipped));
    assert_eq!(run.outcome("call"), Some(Outcome::Failure));
    assert_eq!(run.outcome("last"), Some(Outcome::Skipped));
    let verdict = run.verdict.expect("ended");
    assert_eq!(verdict.outcome, Outcome::Failure);
    assert!(verdict.reason.expect("why").contains("call / compile (1)"));
}

#[test]
fn a_call_that_is_not_to_run_is_one_skipped_job() {
    let text =
        CALLER.replace("    needs: first\n    uses", "    needs: first\n    if: false\n    uses");
    let mut run = Run::new(planned_with(&text, &[BUILD]));
    run.settle();
    ok(&mut run, "first", &[]);
    assert_eq!(run.outcome("call"), Some(Outcome::Skipped));
    assert!(!run.view.legs.keys().any(|k| k.contains(CALL_SEPARATOR)));
}

const LEAF: (&str, &str) = (
    "acme/lib/.github/workflows/leaf.yml",
    "on: {workflow_call: {inputs: {v: {type: number}}}}\njobs:\n  leaf: {runs-on: ubuntu-latest, steps: [{run: x}]}\n",
);
const MIDDLE: (&str, &str) = (
    "acme/lib/.github/workflows/middle.yml",
    "on: {workflow_call: {inputs: {v: {type: number}}}}\njobs:\n  mid:\n    uses: ./.github/workflows/leaf.yml\n    with: {v: '${{ inputs.v }}'}\n",
);

#[test]
fn a_matrix_of_calls_of_another_repository_nests_and_fails_fast() {
    let text = "
on: push
jobs:
  all:
    strategy: {max-parallel: 2, matrix: {v: [1, 2, 3]}}
    uses: acme/lib/.github/workflows/middle.yml@v1
    with: {v: '${{ matrix.v }}'}
";
    let mut run = Run::new(planned_with(text, &[MIDDLE, LEAF]));
    assert_eq!(errors(&run.plan), "");
    run.settle();
    let queued = run.in_state(JobState::Queued);
    assert_eq!(
        queued,
        ["all (1) / mid / leaf", "all (2) / mid / leaf"],
        "max-parallel counts calls"
    );
    ok(&mut run, "all (1) / mid / leaf", &[]);
    assert_eq!(run.in_state(JobState::Queued), ["all (2) / mid / leaf", "all (3) / mid / leaf"]);
    run.start("all (3) / mid / leaf");
    run.end("all (2) / mid / leaf", Verdict::failure(Fault::User, "x"), &[]);
    assert!(run.view.cancelling.contains("all (3) / mid / leaf"), "{:#?}", run.log);
    run.end("all (3) / mid / leaf", Verdict::cancelled(Fault::User, "asked"), &[]);
    assert_eq!(run.outcome("all (3)"), Some(Outcome::Cancelled));
    assert_eq!(run.verdict.expect("ended").outcome, Outcome::Failure);
}

#[test]
fn a_cancelled_run_ends_its_calls_with_it() {
    let mut run = Run::new(planned_with(CALLER, &[BUILD]));
    run.settle();
    ok(&mut run, "first", &[("os", "linux")]);
    run.start("call / compile (1)");
    run.view.cancel_requested = true;
    run.settle();
    assert!(run.view.cancelling.contains("call / compile (1)"));
    assert_eq!(run.outcome("call / compile (2)"), Some(Outcome::Cancelled));
    run.end("call / compile (1)", Verdict::cancelled(Fault::User, "asked"), &[]);
    assert_eq!(run.outcome("call"), Some(Outcome::Cancelled));
    assert_eq!(run.verdict.expect("ended").outcome, Outcome::Cancelled);
}

#[test]
fn an_input_of_the_wrong_type_fails_the_call_with_its_reason() {
    let text =
        CALLER.replace("with: {target: ", "with: {n: '${{ needs.first.outputs.os }}', target: ");
    let mut run = Run::new(planned_with(&text, &[BUILD]));
    run.settle();
    ok(&mut run, "first", &[("os", "linux")]);
    let verdict = run.view.legs["call"].verdict.clone().expect("ended");
    let reason = verdict.reason.expect("why");
    assert!(reason.contains("`n` is a number, and `linux` is none"), "{reason}");
    assert!(reason.contains("(.github/workflows/ci.yml:"), "{reason}");
}

#[test]
fn what_cannot_be_called_is_told_at_the_caller() {
    let call =
        |target: &str, rest: &str| format!("on: push\njobs:\n  call:\n    uses: {target}\n{rest}");
    let local = "./.github/workflows/build.yml";
    let has = |text: &str, files: &[(&'static str, &'static str)], wanted: &str| {
        let found = errors(&planned_with(text, files));
        assert!(found.contains(wanted), "{wanted:?} is not in:\n{found}");
        assert!(
            found.contains(".github/workflows/ci.yml:4:") || found.contains("ci.yml:5:"),
            "{found}"
        );
    };
    has(
        &call("./.github/workflows/biuld.yml", ""),
        &[BUILD],
        "did you mean `.github/workflows/build.yml`?",
    );
    has(
        &call(local, ""),
        &[BUILD],
        "the input `target` of `./.github/workflows/build.yml` is required",
    );
    has(&call(local, "    with: {target: a, tagret: b}\n"), &[BUILD], "has no input `tagret`");
    has(&call(local, "    with: {target: a, fast: maybe}\n"), &[BUILD], "`maybe` is none");
    has(&call(local, "    with: {target: a}\n"), &[BUILD], "the secret `KEY`");
    let broken = ("acme/app/.github/workflows/build.yml", "on: workflow_call\njobs: {a: {}}\n");
    has(&call(local, ""), &[broken], "the workflow `./.github/workflows/build.yml` has errors");
    let no_call = (
        "acme/app/.github/workflows/build.yml",
        "on: push\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n",
    );
    has(&call(local, ""), &[no_call], "its `on` has no `workflow_call`");
    let round = (
        "acme/app/.github/workflows/build.yml",
        "on: workflow_call\njobs: {a: {uses: ./.github/workflows/build.yml}}\n",
    );
    let found = errors(&planned_with(&call(local, ""), &[round]));
    assert!(
        found.contains("workflows call each other: `./.github/workflows/build.yml` calls `./.g"),
        "{found}"
    );
}

#[test]
fn a_repository_that_is_not_known_makes_the_job_unsupported_and_never_green() {
    let text = "on: push\njobs:\n  call:\n    uses: far/away/.github/workflows/x.yml@v1\n";
    let mut run = Run::new(planned_with(text, &[BUILD]));
    let Support::Unsupported(causes) = &run.plan.jobs["call"].support else { panic!("runnable") };
    assert_eq!(causes[0].code, "workflow/unsupported-reusable-workflow");
    assert_eq!(causes[0].cause.as_deref(), Some("it is elsewhere"));
    run.settle();
    let verdict = run.verdict.expect("ended");
    assert_eq!((verdict.outcome, verdict.fault), (Outcome::Failure, Some(Fault::Policy)));
}
