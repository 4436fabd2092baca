//! The real binary on files: check, plan, expressions, the hub file, errors and help.

use assert_cmd::Command;
use rstest::rstest;

/// A folder of its own with files in it, and the binary in that folder.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn with(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        Self { dir }
    }

    /// Exit code, standard output, standard error.
    fn gantry(&self, args: &[&str]) -> (i32, String, String) {
        self.gantry_with(args, "")
    }

    fn gantry_with(&self, args: &[&str], stdin: &str) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_gantry"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .write_stdin(stdin)
            .output()
            .expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str], exit: i32) -> serde_json::Value {
        let (code, out, err) = self.gantry(args);
        assert_eq!(code, exit, "{out}\n{err}");
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
    }
}

const CI: &str = "name: CI
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix: {py: ['3.11', '3.12']}
    steps:
      - run: make test
  ship:
    needs: [test]
    if: github.ref == 'refs/heads/main'
    runs-on: ubuntu-latest
    steps:
      - run: make ship
";
const BROKEN: &str =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    stepz: []\n    needs: [b]\n";

#[test]
fn check_reads_the_workflows_of_a_repository() {
    let place = Place::with(&[(".github/workflows/ci.yml", CI)]);
    let (code, out, _) = place.gantry(&["workflow", "check", "."]);
    assert_eq!((code, out.as_str()), (0, "1 file, 0 errors, 0 warnings\n"));
}

#[test]
fn check_reports_every_error_of_every_file_with_its_place() {
    let place = Place::with(&[("a.yml", BROKEN), ("b.yml", "on: push\njobs: [\n")]);
    let found = place.json(&["workflow", "check", "a.yml", "b.yml", "--json"], 1);
    let places: Vec<(&str, u64)> = found["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|d| (d["file"].as_str().expect("file"), d["span"]["line"].as_u64().unwrap_or(0)))
        .collect();
    assert!(places.contains(&("a.yml", 5)) && places.contains(&("a.yml", 6)), "{places:?}");
    assert!(places.iter().any(|(file, _)| *file == "b.yml"), "{places:?}");
    let (code, out, _) = place.gantry(&["workflow", "check", "a.yml"]);
    assert_eq!(code, 1);
    assert!(out.contains("a.yml:5:5: error[workflow/unknown-key]"), "{out}");
}

#[test]
fn plan_shows_jobs_legs_and_needs() {
    let place = Place::with(&[(".github/workflows/ci.yml", CI)]);
    let file = ".github/workflows/ci.yml";
    let plan = place.json(&["workflow", "plan", file, "--event", "push", "--json"], 0);
    assert_eq!(plan["workflow"], "CI");
    assert_eq!(plan["not_triggered"], serde_json::Value::Null);
    let legs = plan["jobs"]["test"]["legs"].as_array().expect("legs");
    let names: Vec<&str> = legs.iter().filter_map(|l| l["name"].as_str()).collect();
    assert_eq!(names, ["test (3.11)", "test (3.12)"]);
    let ship = &plan["jobs"]["ship"];
    assert_eq!((&ship["needs"], &ship["runnable"]), (&serde_json::json!(["test"]), &true.into()));
    assert_eq!(
        (&ship["steps"][0]["run"], &ship["steps"][0]["line"]),
        (&"make ship".into(), &15.into())
    );
    let (_, out, _) = place.gantry(&["workflow", "plan", file, "--event", "release"]);
    assert!(out.contains("not started:"), "{out}");
}

#[test]
fn coverage_counts_jobs_and_names_what_holds_them_back() {
    let ci = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: Actions/Checkout@v4\n      - uses: ./.github/actions/x\n  b:\n    runs-on: ${{ matrix.os }}\n    strategy: {matrix: {os: [macos-14, ubuntu-24.04]}}\n    steps: [{uses: acme/tool@v1}, {uses: Acme/Tool@v2}]\n  c:\n    runs-on: windows-latest\n    steps: [{run: x}]\n  d:\n    runs-on: ubuntu-24.04-arm\n    steps: [{run: x}]\n  e:\n    runs-on: ubuntu-22.04\n    steps: [{run: x}]\n  f:\n    runs-on: ubuntu-22.04\n    steps: [{uses: acme/tool@v1}, {uses: pypa/gh-action-pypi-publish@v1}]\n";
    let inner = "runs:\n  using: composite\n  steps: [{uses: acme/inner@v1}]\n";
    let late = "on: release\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n";
    let place = Place::with(&[
        (".github/workflows/ci.yml", ci),
        (".github/workflows/late.yml", late),
        (".github/workflows/broken.yml", BROKEN),
        (".github/actions/x/action.yml", inner),
    ]);
    let all = place.json(&["workflow", "coverage", ".", "--json"], 0);
    assert_eq!(
        (&all["files"], &all["workflows"], &all["actions"]),
        (&4.into(), &2.into(), &1.into())
    );
    assert_eq!(all["invalid"][0]["file"], ".github/workflows/broken.yml");
    let expected = serde_json::json!({"total": 7, "linux": 5, "runnable": 2, "needs_fetching": 2, "unsupported": 1, "windows": 1, "macos": 0, "other_architecture": 1});
    assert_eq!(all["jobs"], expected);
    assert_eq!(all["causes"][0]["subject"], "pypa/gh-action-pypi-publish");
    let fetches: Vec<_> = all["fetches"].as_array().expect("fetches").iter().collect();
    let brief = |c: &serde_json::Value| {
        format!("{} {} {}", c["subject"].as_str().unwrap_or(""), c["jobs"], c["alone"])
    };
    let mut briefs: Vec<String> = fetches.iter().map(|c| brief(c)).collect();
    briefs.sort();
    assert_eq!(briefs, ["acme/inner 1 1", "acme/tool 2 2"]);
    let place_of_tool =
        &fetches.iter().find(|c| c["subject"] == "acme/tool").expect("the cause")["places"][0];
    assert_eq!(
        *place_of_tool,
        serde_json::json!({"file": ".github/workflows/ci.yml", "line": 11, "job": "b"})
    );
    let pushed = place.json(&["workflow", "coverage", ".", "--event", "push", "--json"], 0);
    assert_eq!((&pushed["not_started"], &pushed["jobs"]["total"]), (&1.into(), &6.into()));
    let (_, text, _) = place.gantry(&["workflow", "coverage", "."]);
    assert!(
        text.contains(
            "runnable: 2 of 5 (40.0 %); with code fetched from outside: 2; unsupported: 1"
        ),
        "{text}"
    );
}

#[test]
fn an_action_with_a_dockerfile_is_runnable() {
    let ci = "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{uses: ./act}]}}\n";
    let action = "runs: {using: docker, image: Dockerfile, entrypoint: /x, args: [a]}\n";
    let place = Place::with(&[(".github/workflows/ci.yml", ci), ("act/action.yml", action)]);
    let all = place.json(&["workflow", "coverage", ".", "--json"], 0);
    assert_eq!((&all["jobs"]["runnable"], &all["jobs"]["total"]), (&1.into(), &1.into()));
    let plan = place.json(&["workflow", "plan", ".github/workflows/ci.yml", "--json"], 0);
    let text = plan.to_string();
    assert!(text.contains("\"runnable\":true") && !text.contains("\"runnable\":false"), "{text}");
    assert_eq!(place.gantry(&["workflow", "check", ".github/workflows/ci.yml"]).0, 0);
}

#[test]
fn a_plan_of_a_broken_file_is_refused_with_the_findings() {
    let place = Place::with(&[("a.yml", BROKEN)]);
    let (code, _, err) = place.gantry(&["workflow", "plan", "a.yml"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("a.yml:5:5: error[") && err.contains("error: `a.yml` has errors"),
        "{err}"
    );
}

#[rstest]
#[case("a.b[0] + 'x'", r#"{"err":{"kind":"lexing""#)]
#[case("a.b[", r#"{"err":{"kind":"parsing""#)]
#[case("a.b[1] == 2", r#"{"kind":"Boolean","value":true}"#)]
#[case("-1 < a.b[0]", r#"{"kind":"Boolean","value":true}"#)]
#[case("-0", r#"{"kind":"Number","value":0}"#)]
#[case("format('{0}-{1}', a.n, 'y')", r#"{"kind":"String","value":"x-y"}"#)]
fn expressions_answer_in_one_line_of_json(#[case] expression: &str, #[case] start: &str) {
    let place = Place::with(&[("c.json", r#"{"a": {"b": [1, 2], "n": "x"}}"#)]);
    let args = ["expr", "eval", expression, "--contexts", "c.json", "--json"];
    let (code, out, err) = place.gantry(&args);
    let compact = out.replace(": ", ":").replace(", ", ",");
    assert!(code == 0 && compact.starts_with(start), "{out}{err}");
}

#[test]
fn an_expression_for_people_prints_its_value_or_the_error() {
    let place = Place::with(&[]);
    let args = ["expr", "eval", "toJSON(a)", "--contexts", "-"];
    assert_eq!(place.gantry_with(&args, "{\"a\": [1]}").1, "[\n  1\n]\n");
    let (code, _, err) = place.gantry(&["expr", "eval", "nope("]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: the expression was refused while parsing"), "{err}");
}

const HUB: &str = "org: acme
org_defaults: {timeout: 1h}
repos:
  lib: {source: ./lib}
  app: {source: ./app, depends_on: [lib], timeout: 2h}
";

#[test]
fn config_show_says_what_holds_and_where_it_comes_from() {
    let place = Place::with(&[("gantry.yaml", HUB)]);
    let repos = place.json(&["config", "show", "--json"], 0);
    assert_eq!(repos[1]["name"], "app");
    assert_eq!(repos[1]["timeout_ms"]["origin"]["line"], 5);
    let (_, out, _) = place.gantry(&["config", "show", "--repo", "lib"]);
    assert!(out.contains("org_defaults (gantry.yaml:2)") && !out.contains("acme/app"), "{out}");
    let (code, _, err) = place.gantry(&["config", "show", "--repo", "lab"]);
    assert!(code == 2 && err.contains("did you mean `lib`?"), "{err}");
}

#[test]
fn config_validate_reports_every_problem_and_the_schema_is_one() {
    let place = Place::with(&[("hub/gantry.yaml", "repos: {a: {depends_on: [a], runer: x}}\n")]);
    let found = place.json(&["config", "validate", "--hub", "hub", "--json"], 2);
    assert_eq!(found["errors"], 2);
    let schema = place.json(&["config", "schema"], 0);
    assert_eq!(schema["title"], "HubDocument");
}

#[test]
fn a_run_without_hub_and_repository_says_what_was_looked_for() {
    let place = Place::with(&[]);
    let (code, out, err) = place.gantry(&["run"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("no hub file and no repository"), "{err}");
    assert!(err.contains("gantry.yaml") && err.contains("repos:"), "{err}");
}

#[rstest]
#[case::missing(&["run", "--hub", "nope.yaml"], "cannot read the hub `nope.yaml`")]
#[case::empty_folder(&["run", "--hub", "empty"], "no hub file in `empty`")]
#[case::wrong_yaml(&["run", "--hub", "wrong.yaml"], "wrong.yaml:1:")]
#[case::unknown_repo(&["run", "--hub", "hub.yaml", "--repo", "x"], "the hub has no repository `x`")]
#[case::nothing_enabled(&["run", "--hub", "off.yaml"], "no enabled repository")]
#[case::no_json(&["run", "--hub", "hub.yaml", "--event-file", "wrong.yaml"], "is not JSON")]
#[case::bad_input(&["run", "--input", "x"], "is not of the form KEY=VALUE")]
#[case::no_command(&["frobnicate"], "unrecognized subcommand")]
fn wrong_use_ends_with_2_and_says_why(#[case] args: &[&str], #[case] text: &str) {
    let place = Place::with(&[
        ("wrong.yaml", "repos: [\n"),
        ("hub.yaml", "repos: {a: {}}\n"),
        ("off.yaml", "repos: {a: {enabled: false}}\n"),
        ("empty/readme.txt", ""),
    ]);
    let (code, out, err) = place.gantry(args);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains(text), "{err}");
}

#[test]
fn an_error_is_one_json_object_when_json_is_asked_for() {
    let place = Place::with(&[]);
    let (code, out, err) = place.gantry(&["workflow", "check", "nope", "--json"]);
    assert_eq!((code, out.as_str()), (2, ""));
    let error: serde_json::Value = serde_json::from_str(&err).expect("JSON");
    assert_eq!(error["error"]["message"], "cannot read `nope`");
    assert_eq!(error["error"]["exit_code"], 2);
}

#[test]
fn every_command_has_help_with_a_summary() {
    let place = Place::with(&[]);
    for command in [
        "run",
        "runs",
        "why",
        "workflow check",
        "workflow plan",
        "workflow graph",
        "shell",
        "workflow coverage",
        "workflow lock",
        "expr eval",
        "config",
        "doctor",
        "completion",
        "runner",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (code, out, err) = place.gantry(&args);
        assert_eq!((code, err.as_str()), (0, ""), "{command}");
        assert!(out.contains("Examples:") && out.contains("Usage: gantry"), "{command}: {out}");
    }
    let (code, out, _) = place.gantry(&["completion", "bash"]);
    assert!(code == 0 && out.contains("_gantry()"));
    assert_eq!(place.json(&["version", "--json"], 0)["version"], env!("CARGO_PKG_VERSION"));
}

#[rstest]
#[case("commands", "cli.md")]
#[case("actions", "actions.md")]
#[case("hub", "gantry.schema.json")]
#[case("pipeline-run", "pipeline_run.v1.2.schema.json")]
#[case("job", "job.v1.schema.json")]
#[case("open-api", "openapi.json")]
fn generated_pages_of_the_reference_are_current(#[case] page: &str, #[case] file: &str) {
    let path = gantry_testkit::checkout().join("docs/reference").join(file);
    let (_, now, _) = Place::with(&[]).gantry(&["reference", page]);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == now, "write it anew: gantry reference {page} > docs/reference/{file}");
}

#[test]
fn what_is_not_run_is_said_by_check_and_plan() {
    let place = Place::with(&[(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  a:\n    uses: far/away/.github/workflows/b.yml@v1\n  b:\n    runs-on: windows-latest\n    steps: [{run: dir}]\n  c:\n    runs-on: ubuntu-latest\n    steps: [{run: x, background: true}]\n",
    )]);
    let (code, out, err) = place.gantry(&["workflow", "check", "."]);
    let said = format!("{out}{err}");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning[workflow/unsupported-key]"), "{said}");
    let (code, out, _) = place.gantry(&["workflow", "plan", ".github/workflows/ci.yml"]);
    assert!(code == 0 && out.matches("cannot run:").count() == 2, "{out}");
    assert!(out.contains("fetches far/away/.github/workflows/b.yml@v1"), "{out}");
    assert!(out.contains("asks for the runner `windows-latest`"), "{out}");
}

#[test]
fn a_path_filter_is_judged_against_the_files_that_are_named() {
    let file = ".github/workflows/ci.yml";
    let text = CI.replace("on: [push, pull_request]", "on: {push: {paths: ['src/**']}}");
    let place = Place::with(&[(file, &text)]);
    let plan =
        |more: &[&str]| place.json(&[&["workflow", "plan", file, "--json"], more].concat(), 0);
    let open = plan(&[]);
    assert_eq!(open["not_triggered"], serde_json::Value::Null);
    assert_eq!(open["diagnostics"][0]["code"], "workflow/paths-not-judged");
    let docs = plan(&["--changed", "./docs/a.md"])["not_triggered"].to_string();
    assert!(docs.contains("`docs/a.md`") && docs.contains("`src/**`"), "{docs}");
    let both = plan(&["--changed", "docs/a.md", "--changed", "src/b.c"]);
    assert_eq!(both["not_triggered"], serde_json::Value::Null);
}
