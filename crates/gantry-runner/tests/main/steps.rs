//! Steps among themselves: outputs, variables, contexts, conditions, shells, command files.

use gantry_observe::log::LineKind;
use gantry_workflow::expr::Value;
use libtest_mimic::Trial;

use super::support::{Fixture, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("outputs_env_and_path_reach_later_steps", outputs_env_and_path),
        trial("variables_are_layered", layers),
        trial("contexts_have_githubs_fields", contexts),
        trial("matrix_needs_and_strategy_are_there", matrix_and_needs),
        trial("shells_run_what_they_say", shells),
        trial("defaults_and_working_directory_hold", defaults),
        trial("continue_on_error_tells_outcome_from_conclusion", continue_on_error),
        trial("annotations_groups_and_old_commands_are_understood", commands),
        trial("problem_matchers_make_annotations", matchers),
        trial("a_step_summary_is_collected", summary),
        trial("job_outputs_are_evaluated_and_secrets_dropped", job_outputs),
        trial("secrets_and_masks_are_hidden_everywhere", masks),
        trial("a_secret_without_value_is_said_once", absent_secrets),
        trial("the_header_shows_script_shell_and_env", header),
        trial("a_broken_command_file_fails_the_step", broken_file),
        trial("hash_files_looks_into_the_workspace", hash_files),
        trial("junit_reports_are_summed", junit),
    ]
}

async fn outputs_env_and_path() {
    let done = Fixture::steps(
        r#"- id: a
  run: |
    echo "word=hello world" >> $GITHUB_OUTPUT
    printf 'many<<EOF\none\ntwo\nEOF\n' >> "$GITHUB_OUTPUT"
    echo "COLOUR=blue" >> "$GITHUB_ENV"
    mkdir -p "$RUNNER_TEMP/bin"
    printf '#!/bin/sh\necho tool $COLOUR\n' > "$RUNNER_TEMP/bin/tool"
    chmod +x "$RUNNER_TEMP/bin/tool"
    echo "$RUNNER_TEMP/bin" >> "$GITHUB_PATH"
- run: |
    echo "got ${{ steps.a.outputs.word }} ${{ env.COLOUR }}"
    echo "${{ steps.a.outputs.many }}"
    tool"#,
    )
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["got hello world blue", "one", "two", "tool blue"]);
}

async fn layers() {
    let mut fixture = Fixture::workflow(
        r#"on: push
env: { A: workflow, B: workflow, C: workflow, H: workflow }
jobs:
  j:
    runs-on: ubuntu-latest
    env: { B: job, C: job, J: "${{ github.event.number }}" }
    steps:
      - run: echo "C=file" >> "$GITHUB_ENV"
      - env: { C: step, E: "${{ env.C }}" }
        run: echo "$A $B $C $E $H $HUB $J $CI $GITHUB_ACTIONS"
      - run: echo "after $C"
"#,
    );
    fixture.hub_env.insert("H".to_owned(), "hub".to_owned());
    fixture.hub_env.insert("HUB".to_owned(), "hub".to_owned());
    let done = fixture.run().await;
    done.assert_success();
    done.assert_has(&["workflow job step file workflow hub 7 true true", "after file"]);
}

async fn contexts() {
    let done = Fixture::steps(
        r#"- id: s
  run: |
    echo "${{ github.repository }} ${{ github.ref_name }} ${{ github.run_id }} ${{ github.job }}"
    echo "${{ runner.os }} ${{ job.status }} ${{ github.event_name }}"
    test "${{ github.workspace }}" = "$GITHUB_WORKSPACE" && test "$PWD" = "$GITHUB_WORKSPACE"
    test "${{ runner.temp }}" = "$RUNNER_TEMP"
    grep -q '"number": *7' "$GITHUB_EVENT_PATH" && echo event
    echo "$GITHUB_REPOSITORY $GITHUB_SHA $GITHUB_RUN_ID $GITHUB_ACTION $GITHUB_JOB $RUNNER_OS"
- run: echo "${{ toJSON(steps.s) }} $GITHUB_ACTION""#,
    )
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["acme/lib main 42 j", "Linux success push", "event"]);
    let vars = format!("acme/lib {} 42 s j Linux", "a".repeat(40));
    done.assert_has(&[&vars]);
    assert!(done.text().contains("conclusion: success"), "{}", done.text());
    assert!(done.text().contains("__run"), "{}", done.text());
}

async fn matrix_and_needs() {
    let mut fixture = Fixture::workflow(
        r#"on: push
jobs:
  first:
    runs-on: ubuntu-latest
    steps: [{ run: "true" }]
  j:
    needs: first
    runs-on: ubuntu-latest
    strategy:
      matrix: { py: ["3.10", "3.11"], os: [a] }
    steps:
      - run: echo "${{ matrix.py }} ${{ matrix.os }} ${{ needs.first.outputs.v }} ${{ needs.first.result }} ${{ strategy.job-index }}/${{ strategy.job-total }}"
"#,
    )
    .leg(1);
    let outputs = Value::object([("v", Value::from("1.2"))]);
    let first = Value::object([("result", Value::from("success")), ("outputs", outputs)]);
    fixture.needs = Value::object([("first", first)]);
    let done = fixture.run().await;
    done.assert_success();
    done.assert_has(&["3.11 a 1.2 success 1/2"]);
}

async fn shells() {
    let done = Fixture::steps(
        r#"- run: false | echo no-pipefail
- run: false | echo pipefail
  shell: bash
  continue-on-error: true
  id: b
- run: echo sh-$0
  shell: sh
- run: |
    import os
    print("python", os.environ["CI"])
  shell: python
- run: test "${{ steps.b.outcome }}" = failure
- run: echo custom
  shell: bash -c 'echo pre; source {0}'"#,
    )
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["no-pipefail", "pipefail", "python true", "pre", "custom"]);
}

async fn defaults() {
    let done = Fixture::workflow(
        r#"on: push
defaults: { run: { shell: sh, working-directory: w } }
jobs:
  j:
    runs-on: ubuntu-latest
    defaults: { run: { working-directory: sub/dir } }
    steps:
      - run: mkdir -p sub/dir other
        working-directory: .
      - run: echo "in ${PWD#$GITHUB_WORKSPACE} ${BASH_VERSION:-sh}"
      - run: echo "in ${PWD#$GITHUB_WORKSPACE}"
        working-directory: other
"#,
    )
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["in /other"]);
    assert!(done.out().iter().any(|l| l.starts_with("in /sub/dir")));
}

async fn continue_on_error() {
    let done = Fixture::steps(
        r#"- id: a
  name: may fail
  run: exit 3
  continue-on-error: true
- name: sees both
  run: echo "${{ steps.a.outcome }} ${{ steps.a.conclusion }} ${{ job.status }}"
- name: not this
  if: failure()
  run: echo never"#,
    )
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["failure success success"]);
    assert_eq!(done.steps(), ["may fail=success", "sees both=success", "not this=skipped"]);
}

async fn commands() {
    let done = Fixture::steps(
        r#"- id: a
  run: |
    echo "::group::Things"
    echo inside
    echo "::endgroup::"
    echo "::warning file=a.py,line=3,title=Odd::look%0Ahere"
    echo "::set-output name=old::way"
    echo "::stop-commands::tok"
    echo "::error::not one"
    echo "::tok::"
- name: refused
  continue-on-error: true
  run: echo "::set-env name=X::y"
- run: echo "old ${{ steps.a.outputs.old }} [$X]""#,
    )
    .run()
    .await;
    done.assert_success();
    done.assert_has(&["inside", "::error::not one", "old way []"]);
    let first = &done.end.annotations[0];
    assert_eq!((first.message.as_str(), first.file.as_deref()), ("look\nhere", Some("a.py")));
    assert_eq!((first.line, first.title.as_deref(), first.step), (Some(3), Some("Odd"), Some(1)));
    assert_eq!(done.end.annotations.len(), 2, "{:?}", done.end.annotations);
    assert!(done.text().contains("Group: Things"));
}

async fn matchers() {
    let done = Fixture::steps(
        r#"- uses: actions/checkout@v4
- run: |
    echo "::add-matcher::.github/m.json"
    echo "src/a.c:12: error: bad thing"
    echo "::remove-matcher owner=cc::"
    echo "src/a.c:13: error: unseen""#,
    )
    .file(
        ".github/m.json",
        r#"{"problemMatcher":[{"owner":"cc","pattern":[{"regexp":"^(.+):(\\d+): (error): (.+)$","file":1,"line":2,"severity":3,"message":4}]}]}"#,
    )
    .run()
    .await;
    done.assert_success();
    assert_eq!(done.end.annotations.len(), 1, "{}", done.text());
    assert_eq!(done.end.annotations[0].file.as_deref(), Some("src/a.c"));
    assert_eq!(done.end.annotations[0].line, Some(12));
}

async fn summary() {
    let done = Fixture::steps(
        "- run: echo '# One' >> $GITHUB_STEP_SUMMARY\n- run: printf 'two s3cr3t-value' >> $GITHUB_STEP_SUMMARY",
    )
    .secret("S", "s3cr3t-value")
    .run()
    .await;
    done.assert_success();
    assert_eq!(done.end.summary, "# One\ntwo ***");
}

async fn job_outputs() {
    let done = Fixture::workflow(
        r#"on: push
jobs:
  j:
    runs-on: ubuntu-latest
    outputs:
      version: ${{ steps.a.outputs.v }}
      leak: x${{ secrets.TOKEN }}
      none: ${{ steps.zzz.outputs.v }}
    steps:
      - id: a
        run: echo "v=1.2.3" >> "$GITHUB_OUTPUT"
"#,
    )
    .secret("TOKEN", "hunter22")
    .run()
    .await;
    done.assert_success();
    assert_eq!(done.end.outputs.get("version").map(String::as_str), Some("1.2.3"));
    assert_eq!(done.end.outputs.get("none"), None, "an empty one is none");
    assert_eq!(done.end.outputs.get("leak"), None);
    assert!(done.text().contains("the output `leak` is dropped"));
}

async fn masks() {
    let fixture = Fixture::steps(
        r#"- name: say ${{ secrets.TOKEN }}
  env: { T: "${{ secrets.TOKEN }}" }
  run: |
    echo "token $T"; printf '%s' "$T" | base64
    echo "$T" | sed 's/./& /g' >/dev/null
    w=later-; echo "::add-mask::${w}masked"
    echo "now ${w}masked"
    echo "::error::with $T"
    printf '%70000s%s\n' x "$T"
    exit 1"#,
    )
    .secret("TOKEN", "tok-en%42");
    let hub = fixture.hub.clone();
    let done = fixture.run().await;
    let log = String::from_utf8_lossy(&hub.state().log).into_owned();
    let steps = format!("{:?}", hub.state().steps);
    let everything = format!("{log}{:?}{steps}", done.end);
    for secret in ["tok-en%42", "later-masked", "dG9rLWVuJTQ"] {
        let at = everything.find(secret).map(|i| &everything[i.saturating_sub(80)..i]);
        assert_eq!(at, None, "`{secret}` is seen");
    }
    done.assert_has(&["token ***", "now ***"]);
}

async fn absent_secrets() {
    let done = Fixture::steps(
        "- env: { A: \"${{ secrets.here }}${{ secrets.none }}\" }\n  run: echo \"[${{ secrets.NONE || 'empty' }}]\"\n- run: \"true ${{ false && secrets.never }}\"",
    )
    .secret("HERE", "given")
    .run()
    .await;
    done.assert_has(&["[empty]"]);
    let said: Vec<_> = done
        .lines
        .iter()
        .filter(|l| l.kind == LineKind::Warning && l.text.contains("secret"))
        .collect();
    assert_eq!(said.len(), 1, "{}", done.text());
    assert!(said[0].text.contains("the secret `NONE` has no value here"), "{:?}", said[0]);
}

async fn header() {
    let done = Fixture::steps(
        "- env: { A: \"b ${{ secrets.S }}\" }\n  run: |\n    echo one\n    echo two",
    )
    .secret("S", "hideme")
    .run()
    .await;
    done.assert_success();
    let text = done.text();
    let wanted = "Group: Run echo one\nCommand: echo one\nCommand: echo two\n\
                  Command: shell: bash -e {0}\nCommand: env:\nCommand:   A: b ***\nEndGroup: \nOut: one";
    assert!(text.contains(wanted), "{text}");
}

async fn broken_file() {
    let done = Fixture::steps("- name: bad\n  run: echo 'no sign' >> $GITHUB_OUTPUT").run().await;
    insta::assert_snapshot!(done.verdict(), @"failure/user: step `bad`: line 1 of the file in `$GITHUB_OUTPUT` is `no sign`; write `name=value` or `name<<DELIMITER`");
}

async fn hash_files() {
    let done = Fixture::steps(
        "- uses: actions/checkout@v4\n- run: echo \"h=${{ hashFiles('**/lock.txt') }} e=${{ hashFiles('none') }}\"",
    )
    .file("a/lock.txt", "x")
    .run()
    .await;
    done.assert_success();
    let line = done.out().into_iter().find(|l| l.starts_with("h=")).expect("a line").to_owned();
    assert!(line.len() == 2 + 64 + 3 && line.ends_with(" e="), "{line}");
}

async fn junit() {
    let done = Fixture::steps(
        r#"- run: |
    mkdir -p build/test-results
    echo '<testsuite><testcase name="a" time="0.5"/><testcase name="b"><failure message="x"/></testcase></testsuite>' > junit-one.xml
    echo '<testsuite><testcase name="c"><skipped/></testcase></testsuite>' > build/test-results/r.xml"#,
    )
    .run()
    .await;
    done.assert_success();
    let tests = done.end.tests.expect("totals");
    assert_eq!((tests.total, tests.failed, tests.skipped, tests.duration_ms), (3, 1, 1, 500));
}
