//! What GitHub's grammar accepts is accepted, in all its forms.

use gantry_workflow::model::{ActionRuns, StepAction, read_action};
use rstest::rstest;

use crate::common::{findings, workflow};

fn job(lines: &str) -> String {
    format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{{run: x}}]\n{lines}\n")
}

#[rstest]
#[case("    permissions: read-all")]
#[case("    permissions: {}")]
#[case("    permissions: {contents: read, id-token: write, models: none}")]
#[case("    concurrency: group")]
#[case(
    "    concurrency: {group: 'x-${{ github.ref }}', cancel-in-progress: '${{ github.ref != 1 }}', queue: max}"
)]
#[case("    environment: production")]
#[case(
    "    environment: {name: '${{ inputs.x }}', url: '${{ steps.a.outputs.url }}', deployment: false}"
)]
#[case("    defaults: {run: {shell: bash, working-directory: a}}")]
#[case("    container: alpine:3")]
#[case(
    "    container: {image: x, env: {A: 1}, ports: [80, '90:80'], volumes: ['a:/b'], options: --cpus 1, credentials: {username: '${{ github.actor }}', password: '${{ secrets.P }}'}}"
)]
#[case(
    "    services: {db: {image: postgres, ports: [5432], options: --health-cmd x}, cache: redis}"
)]
#[case("    services: {db: {image: x, entrypoint: a, command: b}}")]
#[case("    snapshot: image")]
#[case("    snapshot: {image-name: a, version: 1.*, if: github.ref == 'x'}")]
#[case("    timeout-minutes: ${{ fromJSON('5') }}\n    continue-on-error: ${{ true }}")]
#[case("    if: ${{ !cancelled() && (success('a') || failure()) }}")]
#[case("    outputs: {a: '${{ steps.x.outputs.y }}'}\n    cancel-timeout-minutes: 5")]
fn every_form_of_a_job_is_accepted(#[case] lines: &str) {
    workflow(&job(lines));
}

#[rstest]
#[case("on: push")]
#[case("on: [push, pull_request]")]
#[case("'on': {push: null}")]
#[case("on: {schedule: [{cron: '0 5 * * mon', timezone: Europe/Berlin}]}")]
#[case(
    "on: {workflow_dispatch: {inputs: {a: {description: x, type: choice, options: [x, y], default: y, required: true}}}}"
)]
#[case(
    "on: {workflow_call: {inputs: {a: {type: string, default: '${{ github.ref }}'}}, secrets: {s: {required: true}, t: }, outputs: {o: {value: '${{ jobs.a.outputs.x }}'}}}}"
)]
#[case(
    "on: {repository_dispatch: {types: [anything]}, merge_group: {types: [checks_requested], branches: [main]}}"
)]
#[case("on: {workflow_run: {workflows: [ci], types: completed, branches-ignore: x}}")]
fn every_form_of_on_is_accepted(#[case] on: &str) {
    workflow(&format!(
        "{on}\njobs:\n  a:\n    runs-on: {{group: org/big, labels: [linux]}}\n    steps: [{{run: x}}]\n"
    ));
}

#[test]
fn a_called_workflow_is_accepted_with_inputs_and_secrets() {
    let w = workflow(
        "on: push\njobs:\n  a:\n    uses: ./.github/workflows/x.yml\n    with: {a: '${{ github.ref }}', b: 1}\n    secrets: inherit\n  b:\n    uses: o/r/.github/workflows/x.yaml@v1\n    secrets: {t: '${{ secrets.T }}'}\n",
    );
    assert_eq!(w.jobs["a"].with["b"].text, "1");
}

#[test]
fn anchors_and_aliases_stand_for_their_values() {
    let w = workflow(
        "on: push\njobs:\n  a: &job\n    runs-on: ubuntu-latest\n    env: &env {A: 1}\n    steps: &steps\n      - &hello {run: hello}\n  b:\n    runs-on: ubuntu-latest\n    env: *env\n    steps: [*hello, {run: bye}]\n  c: *job\n",
    );
    assert_eq!(w.jobs["b"].env["A"].text, "1");
    let StepAction::Run { script, .. } = &w.jobs["c"].steps[0].action else { panic!() };
    assert_eq!((script.text.as_str(), script.span.line), ("hello", 7));
}

#[test]
fn scalars_become_texts_as_on_github() {
    let w = workflow(
        "on: push\nenv: {A: 3.10, B: 0x1F, C: True, D: , E: on, F: 1e3, G: '3.10', H: ~}\njobs: {a: {runs-on: x, steps: []}}\n",
    );
    let texts: Vec<&str> = w.env.values().map(|t| t.text.as_str()).collect();
    assert_eq!(texts, ["3.1", "31", "true", "", "on", "1000", "3.10", ""]);
}

#[test]
fn concurrent_steps_are_valid_and_not_run_here() {
    let text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - {run: x, id: s, background: true}\n      - wait: s\n      - parallel: [{run: a}, {run: b}]\n";
    let w = workflow(text);
    assert_eq!(w.jobs["a"].unsupported.len(), 3);
    assert!(findings(text).contains("warning[workflow/unsupported-key]"));
}

#[rstest]
#[case("using: node20\n  main: a.js\n  post: b.js\n  post-if: success()", "JavaScript")]
#[case("using: docker\n  image: Dockerfile\n  args: ['${{ inputs.a }}']", "Docker")]
#[case(
    "using: composite\n  steps: [{run: x, shell: bash}, {uses: ./x, with: {a: '${{ inputs.a }}'}}]",
    "Composite"
)]
fn actions_of_every_kind_are_read(#[case] runs: &str, #[case] kind: &str) {
    let text = format!(
        "name: n\ninputs: {{a: {{required: true, default: 1}}, b: }}\noutputs: {{o: {{value: '${{{{ steps.x.outputs.y }}}}'}}}}\nruns:\n  {runs}\n"
    );
    let (action, found) = read_action(&text, "action.yml");
    assert!(found.is_empty(), "{found:?}");
    let action = action.expect("an action");
    assert_eq!(action.inputs["a"].default.as_ref().map(|t| t.text.as_str()), Some("1"));
    let read = match action.runs {
        ActionRuns::Composite { .. } => "Composite",
        ActionRuns::JavaScript { .. } => "JavaScript",
        ActionRuns::Docker(_) => "Docker",
    };
    assert_eq!(read, kind);
}
