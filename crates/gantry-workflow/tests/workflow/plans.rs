//! Planning: contexts, inputs, legs, what cannot run here and why.

use gantry_workflow::expr::Value;
use gantry_workflow::plan::{Event, Legs, Settings, Support, plan, summary};
use indexmap::IndexMap;
use rstest::rstest;

use crate::common::{planned, push, settings, workflow};

const DISPATCH: &str = "on:\n  workflow_dispatch:\n    inputs:\n      level: {type: choice, options: [low, high], default: low}\n      count: {type: number, required: true}\n      dry: {type: boolean}\n      note: {default: 'at ${{ github.ref_name }}'}\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n";

fn dispatch(inputs: &[(&str, &str)]) -> Event {
    let inputs = inputs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Event { name: "workflow_dispatch".into(), inputs, ..push() }
}

fn with_inputs(inputs: &[(&str, &str)]) -> (Value, Vec<String>) {
    let text = DISPATCH.replace(", default: low", "").replace(
        "      note: {default: 'at ${{ github.ref_name }}'}\n",
        "      note: {default: plain}\n",
    );
    let p = plan(&workflow(&text), &dispatch(inputs), &settings());
    (p.inputs, p.diagnostics.iter().map(|d| d.message.clone()).collect())
}

#[test]
fn inputs_are_typed_and_defaults_filled_in() {
    let (inputs, found) = with_inputs(&[("COUNT", "3"), ("level", "high"), ("dry", "true")]);
    assert_eq!(found, [] as [&str; 0]);
    let shown = inputs.to_json().to_string();
    assert_eq!(shown, r#"{"level":"high","count":3,"dry":true,"note":"plain"}"#);
}

#[rstest]
#[case(&[], "the input `count` is required and not given")]
#[case(&[("count", "x")], "the input `count` is a number, and `x` is none")]
#[case(&[("count", "1"), ("dry", "maybe")], "the input `dry` is a boolean, and `maybe` is none")]
#[case(&[("count", "1"), ("level", "mid")], "`mid` is not one of the options of the input `level`")]
#[case(&[("count", "1"), ("notes", "x")], "the workflow has no input `notes`")]
fn a_bad_input_is_refused(#[case] inputs: &[(&str, &str)], #[case] message: &str) {
    assert_eq!(with_inputs(inputs).1, [message]);
}

#[test]
fn the_github_context_tells_of_event_and_repository() {
    let p = planned(
        "name: CI\nrun-name: '${{ github.ref_name }} by ${{ github.actor }}'\non: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n",
    );
    assert_eq!(p.run_name, "main by mona");
    let get = |k: &str| p.github.get(k).and_then(Value::as_str).unwrap_or("?").to_owned();
    assert_eq!(get("repository_owner"), "acme");
    assert_eq!(get("ref_type"), "branch");
    assert_eq!(get("run_id"), "7");
    assert_eq!(get("workflow"), "CI");
    assert_eq!(get("workflow_ref"), "acme/app/.github/workflows/ci.yml@refs/heads/main");
}

#[test]
fn a_leg_has_everything_evaluated() {
    let p = planned(
        "on: push\njobs:\n  a:\n    name: on ${{ matrix.os }}\n    strategy: {matrix: {os: [ubuntu-latest, ubuntu-22.04]}}\n    runs-on: ${{ matrix.os }}\n    timeout-minutes: ${{ matrix.os == 'ubuntu-latest' && 5 || 1.5 }}\n    continue-on-error: ${{ matrix.os != 'ubuntu-latest' }}\n    steps: [{run: x}]\n",
    );
    let Legs::Known(legs) = &p.jobs["a"].legs else { panic!() };
    let second = &legs[1];
    assert_eq!(second.key, "a (ubuntu-22.04)");
    assert_eq!(second.name, "on ubuntu-22.04");
    assert_eq!(second.runs_on, ["ubuntu-22.04"]);
    assert_eq!((legs[0].timeout_ms, second.timeout_ms), (Some(300_000), Some(90_000)));
    assert_eq!((legs[0].continue_on_error, second.continue_on_error), (false, true));
}

#[rstest]
#[case("runs-on: [self-hosted, Linux, X64]", None)]
#[case("runs-on: \"${{ fromJSON('[\\\"self-hosted\\\",\\\"linux\\\"]') }}\"", None)]
#[case("runs-on: windows-latest", Some("job `a` asks for the runner `windows-latest`"))]
#[case("runs-on: macos-14", Some("job `a` asks for the runner `macos-14`"))]
#[case("runs-on: gpu", Some("no runner here has the label `gpu`"))]
#[case("runs-on: {group: big}", Some("job `a` asks for the runner group `big`"))]
fn labels_decide_whether_a_job_can_run_here(#[case] runs_on: &str, #[case] cause: Option<&str>) {
    let p = planned(&format!("on: push\njobs:\n  a:\n    {runs_on}\n    steps: [{{run: x}}]\n"));
    let found = match &p.jobs["a"].support {
        Support::Unsupported(causes) => Some(causes[0].message.as_str()),
        _ => None,
    };
    assert_eq!(found, cause);
}

#[test]
fn one_foreign_leg_does_not_stop_its_siblings() {
    let p = planned(
        "on: push\njobs:\n  a:\n    runs-on: ${{ matrix.os }}\n    strategy: {matrix: {os: [ubuntu-latest, windows-latest]}}\n    steps: [{run: x}]\n",
    );
    assert_eq!(p.jobs["a"].support, Support::Runnable);
    let Legs::Known(legs) = &p.jobs["a"].legs else { panic!() };
    assert_eq!(legs.iter().map(|l| l.unsupported.len()).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn called_workflows_and_background_steps_are_named_with_their_place() {
    let p = planned(
        "on: push\njobs:\n  a:\n    uses: ./.github/workflows/x.yml\n  b:\n    runs-on: ubuntu-latest\n    steps:\n      - background: true\n        run: x\n",
    );
    let shown: Vec<String> = p
        .jobs
        .values()
        .map(|j| match &j.support {
            Support::Unsupported(c) => c[0].to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    .github/workflows/ci.yml:4:11: error[workflow/unsupported-reusable-workflow]: the reusable workflow `./.github/workflows/x.yml` is not run here
      cause: only this one file is looked at
      fix: plan it where its repository is
    ci.yml:8:9: warning[workflow/unsupported-key]: steps beside each other (`background`, `wait`, `wait-all`, `cancel`, `parallel`) are not run here
      fix: run them one after the other, or as jobs of their own
    ");
}

#[test]
fn a_matrix_from_needs_waits_for_them() {
    let p = planned(
        "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: x}]}\n  b:\n    needs: a\n    runs-on: ubuntu-latest\n    strategy: {matrix: {v: '${{ fromJSON(needs.a.outputs.l) }}'}}\n    steps: [{run: x}]\n",
    );
    assert_eq!(p.jobs["b"].legs, Legs::Deferred);
    assert_eq!(p.jobs["b"].support, Support::Runnable);
}

#[test]
fn selected_jobs_bring_what_they_need() {
    let text = "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: x}]}\n  b: {needs: a, runs-on: ubuntu-latest, steps: [{run: x}]}\n  c: {runs-on: ubuntu-latest, steps: [{run: x}]}\n";
    let only = |jobs: &[&str]| Settings {
        only_jobs: jobs.iter().map(|j| (*j).to_owned()).collect(),
        ..settings()
    };
    let p = plan(&workflow(text), &push(), &only(&["b"]));
    let selected: Vec<&str> = p
        .jobs
        .iter()
        .filter(|(_, j)| j.support != Support::NotSelected)
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(selected, ["a", "b"]);
    let p = plan(&workflow(text), &push(), &only(&["bb"]));
    assert_eq!(p.diagnostics[0].message, "there is no job `bb`");
}

#[test]
fn the_summary_names_jobs_steps_and_causes() {
    let p = planned(
        "name: CI\non: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{uses: actions/checkout@v4}, {name: t, run: make}]}\n  b: {needs: [a], runs-on: gpu, steps: [{run: x}]}\n",
    );
    let s = summary(&p);
    assert_eq!(s["jobs"]["a"]["runnable"], true);
    assert_eq!(s["jobs"]["a"]["steps"][0]["uses"], "actions/checkout@v4");
    assert_eq!(s["jobs"]["a"]["steps"][1]["name"], "t");
    assert_eq!(s["jobs"]["a"]["legs"][0]["key"], "a");
    assert_eq!(s["jobs"]["b"]["needs"][0], "a");
    assert_eq!(s["jobs"]["b"]["runnable"], false);
    assert_eq!(s["jobs"]["b"]["unsupported"][0]["span"]["line"], 5);
    assert_eq!(s["triggered"], true);
}

#[test]
fn a_plan_survives_its_text_form() {
    let p = planned(
        "on: push\nenv: {A: 1}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy: {matrix: {v: [1, x, {k: true}]}}\n    steps: [{run: x}]\n",
    );
    let text = serde_json::to_string(&p).expect("a plan is JSON");
    let back: gantry_workflow::plan::Plan = serde_json::from_str(&text).expect("it reads back");
    assert_eq!(back, p);
    let _: IndexMap<String, serde_json::Value> = serde_json::from_str(&text).expect("an object");
}
