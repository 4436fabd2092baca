//! One expression in place of a key's whole value: when it is evaluated, and what it may give.

use gantry_core::Verdict;
use gantry_workflow::expr::Value;
use gantry_workflow::model::Template;
use gantry_workflow::plan::{Legs, Support};
use gantry_workflow::whole::{fill_env, fill_job};
use rstest::rstest;
use serde_json::json;

use crate::common::{Run, findings, planned, workflow};

fn strategy(expression: &str) -> String {
    format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy: {expression}\n    steps: [{{run: 'echo ${{{{ matrix.v }}}}'}}]\n"
    )
}

#[test]
fn a_strategy_is_expanded_when_the_plan_is_made() {
    let plan = planned(&strategy(
        "${{ fromJSON('{\"fail-fast\":false,\"max-parallel\":2,\"matrix\":{\"v\":[1,\"${{ x }}\"]}}') }}",
    ));
    let Legs::Known(legs) = &plan.jobs["a"].legs else { panic!("{:?}", plan.jobs["a"].legs) };
    let keys: Vec<&str> = legs.iter().map(|l| l.key.as_str()).collect();
    // A text that the expression gives is not evaluated again.
    assert_eq!(keys, ["a (1)", "a (${{ x }})"]);
    assert_eq!(
        legs[1].strategy.to_json().to_string(),
        r#"{"fail-fast":false,"job-index":1,"job-total":2,"max-parallel":2}"#
    );
}

#[test]
fn a_strategy_of_needs_is_expanded_when_they_have_ended() {
    let mut run = Run::of(
        "on: push\njobs:\n  make:\n    runs-on: ubuntu-latest\n    outputs: {s: x}\n    steps: [{run: x}]\n  use:\n    needs: make\n    runs-on: ubuntu-latest\n    strategy: ${{ fromJSON(needs.make.outputs.s) }}\n    steps: [{run: x}]\n",
    );
    assert_eq!(run.plan.jobs["use"].legs, Legs::Deferred);
    run.end("make", Verdict::success(), &[("s", r#"{"matrix":{"v":["p","q"]}}"#)]);
    assert!(run.log.contains(&"queue use (q)".to_owned()), "{:?}", run.log);
}

#[rstest]
#[case(
    "${{ format('x') }}",
    "`strategy` cannot be used",
    "it must be a mapping, and the expression gives a text"
)]
#[case("${{ fromJSON('[1]') }}", "`strategy` cannot be used", "gives a list")]
#[case("${{ fromJSON('{\"matrx\":{}}') }}", "`strategy` cannot be used", "has no key `matrx`")]
#[case("${{ fromJSON('{\"fail-fast\":1}') }}", "`strategy.fail-fast` cannot be used", "a boolean")]
#[case("${{ fromJSON('{\"matrix\":[1]}') }}", "`strategy.matrix` cannot be used", "a mapping")]
#[case("${{ fromJSON('{\"matrix\":{\"v\":1}}') }}", "the matrix axis `v` must be a list", "")]
#[case("${{ fromJSON('{') }}", "`strategy` cannot be used", "has no value: ")]
fn a_strategy_of_another_shape_names_it(
    #[case] expression: &str,
    #[case] message: &str,
    #[case] cause: &str,
) {
    let text = strategy(expression);
    assert!(!findings(&text).contains("error["), "{}", findings(&text));
    let plan = planned(&text);
    let Support::Unsupported(causes) = &plan.jobs["a"].support else { panic!("it runs") };
    let d = &causes[0];
    assert!(d.message.contains(message), "{d}");
    assert!(d.cause.as_deref().unwrap_or_default().contains(cause), "{d}");
    assert_eq!(d.span.map(|s| s.line > 0), Some(true));
}

const JOB: &str = "on: push\nenv: ${{ fromJSON(vars.E) }}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    env: ${{ vars.job }}\n    defaults: {run: '${{ vars.defaults }}'}\n    container: ${{ vars.container }}\n    services: ${{ vars.services }}\n    steps:\n      - uses: a/b@c\n        env: ${{ vars.step }}\n        with: ${{ vars.with }}\n";

/// Gives what stands behind the last word of the expression.
fn table(given: serde_json::Value) -> impl Fn(&Template) -> Result<Value, String> {
    move |t| {
        let name = t.text.trim_matches(['$', '{', '}', ' ']).trim_start_matches("vars.").to_owned();
        match &given[&name] {
            serde_json::Value::Null => Err(format!("nothing under {name}")),
            found => gantry_workflow::expr::read_json(&found.to_string()),
        }
    }
}

#[test]
fn a_job_is_filled_with_what_its_expressions_give() {
    let read = workflow(JOB);
    assert_eq!(read.wholes.keys().collect::<Vec<_>>(), ["env"]);
    let mut job = read.jobs["a"].clone();
    assert_eq!(job.steps[0].wholes.keys().collect::<Vec<_>>(), ["env", "with"]);
    let evaluate = table(json!({
        "job": {"N": 1.5, "B": true, "E": null, "T": "${{ x }}"},
        "defaults": {"shell": "bash", "working-directory": "sub"},
        "container": {"image": "node", "ports": [80], "env": {"A": "b"}},
        "services": {"s": "redis", "t": {"image": "pg", "credentials": {"username": "u", "password": "p"}}},
    }));
    fill_env(&mut job.wholes, "env", &mut job.env, &evaluate).expect("the variables");
    fill_job(&mut job, &evaluate).expect("the rest");
    let env: Vec<&str> = job.env.values().map(|t| t.text.as_str()).collect();
    assert_eq!(env, ["1.5", "true", "", "${{ '${{' }} x }}"]);
    assert_eq!(job.defaults.working_directory.expect("a directory").text, "sub");
    let container = job.container.expect("a container");
    assert_eq!((container.image.text.as_str(), container.ports[0].text.as_str()), ("node", "80"));
    assert_eq!(job.services["s"].image.text, "redis");
    assert!(job.services["t"].credentials.is_some());
    assert!(job.wholes.is_empty() && container.wholes.is_empty());
}

#[rstest]
#[case(json!({"container": 1}), "`defaults.run` has no value: nothing under defaults")]
#[case(json!({"defaults": []}), "`defaults.run` must be a mapping, and the expression gives a list")]
#[case(json!({"defaults": {"sh": "x"}}), "`defaults.run` has no key `sh`; keys here: shell, working-directory")]
#[case(json!({"defaults": {}, "container": []}), "`container` must be a text, and the expression gives a list")]
#[case(json!({"defaults": {}, "container": {"env": {}}}), "`container` has no `image`")]
#[case(json!({"defaults": {}, "container": {"image": "x", "command": "y"}}), "`container` has no key `command`; keys here: image, options, env, ports, volumes, credentials")]
#[case(json!({"defaults": {}, "container": "x", "services": {"s": {"image": "x", "ports": 1}}}), "`services.s.ports` must be a list, and the expression gives a number")]
#[case(json!({"defaults": {}, "container": "x", "services": {"s": {"image": "x", "env": {"A": []}}}}), "`services.s.env.A` must be a text, and the expression gives a list")]
fn another_shape_is_named(#[case] given: serde_json::Value, #[case] message: &str) {
    let mut job = workflow(JOB).jobs["a"].clone();
    let misfit = fill_job(&mut job, &table(given)).expect_err("a misfit");
    assert_eq!(misfit.to_string(), message);
    assert!((7..=9).contains(&misfit.span.line), "{misfit:?}");
}
