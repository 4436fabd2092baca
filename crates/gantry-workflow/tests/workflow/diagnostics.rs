//! The texts of findings: place, cause, remedy; all of a file at once.

use crate::common::findings;

#[test]
fn all_problems_of_a_file_at_once() {
    let text = "nmae: CI\non:\n  push: {branch: main}\n  pul_request:\nenv: [A]\njobs:\n  build:\n    runs_on: ubuntu-latest\n    needs: [tset]\n    timeout-minutes: '30'\n    steps:\n      - run: x\n        uses: a/b@c\n      - name: nothing\n      - uses: actions/checkout\n        id: 1st\n";
    insta::assert_snapshot!(findings(text), @r"
    ci.yml:1:1: error[workflow/unknown-key]: a workflow has no key `nmae`
      fix: did you mean `name`?
    ci.yml:3:10: error[workflow/unknown-key]: `push` has no key `branch`
      fix: did you mean `branches`?
    ci.yml:4:3: error[workflow/unknown-event]: `pul_request` is not an event that starts workflows
      fix: did you mean `pull_request`?
    ci.yml:5:6: error[workflow/wrong-type]: `env` must be a mapping, and is a list
      fix: write a mapping here
    ci.yml:7:3: error[workflow/cyclic-needs]: no job can begin: each one needs another
      fix: remove `needs` of the job that begins
    ci.yml:8:5: error[workflow/unknown-key]: job `build` has no key `runs_on`
      fix: did you mean `runs-on`?
    ci.yml:8:5: error[workflow/missing-key]: job `build` needs `runs-on`
      fix: add for instance `runs-on: ubuntu-latest`
    ci.yml:9:13: error[workflow/unknown-need]: job `build` needs `tset`, and there is no such job
      fix: name a job of this file
    ci.yml:10:22: error[workflow/wrong-type]: `timeout-minutes` must be a number, and is a text
      fix: write a number here
    ci.yml:13:9: error[workflow/step-with-two-actions]: the step has `run` and `uses`
      fix: make two steps of it
    ci.yml:14:9: error[workflow/step-without-action]: the step does nothing
      fix: give it `run` or `uses`
    ci.yml:15:15: error[workflow/bad-uses]: `actions/checkout` does not name an action
      fix: name a version: `actions/checkout@<ref>`, or `./actions/checkout` for a folder of this repository
    ci.yml:16:13: error[workflow/bad-id]: `1st` is not an id of a step
      fix: begin with a letter or `_`, go on with letters, digits, `-`, `_`, and stay below 100 characters
    ");
}

#[test]
fn expressions_are_placed_where_they_stand() {
    let text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    if: steps.x.outcome == 'y'\n    env:\n      A: 'it''s ${{ runner.os }}'\n      B: \"x \\\"y\\\" ${{ githb.ref }}\"\n    steps:\n      - run: |\n          echo ok\n          echo ${{ matrix.os }} ${{ startWith('a', 'b') }}\n      - run: >-\n          folded\n          text ${{ github.ref == }}\n      - run: plain\n          goes on ${{ success() }}\n      - if: ${{ github.ref }} == 'x'\n        run: echo ${{ 'open'\n      - run: echo ${{ }}\n        shell: ${{ matrix.shell }}\n";
    insta::assert_snapshot!(findings(text), @r"
    ci.yml:5:9: error[workflow/context-not-available]: the context `steps` does not exist in `if`
      cause: contexts here: `github`, `inputs`, `vars`, `needs`
      fix: use it in a step, or hand the value on through job outputs
    ci.yml:7:21: error[workflow/context-not-available]: the context `runner` does not exist in `env.A`
      cause: contexts here: `github`, `inputs`, `vars`, `needs`, `strategy`, `matrix`, `secrets`
      fix: use it in a step, or hand the value on through job outputs
    ci.yml:8:23: error[workflow/unknown-context]: there is no context `githb`
      fix: did you mean `github`?
    ci.yml:12:20: warning[workflow/unknown-reference]: the matrix has no key `os`
      cause: such a reference is empty wherever it is used
      fix: add it to `strategy.matrix`
    ci.yml:12:37: error[workflow/unknown-function]: there is no function `startWith`
      fix: did you mean `startsWith`?
    ci.yml:15:32: error[workflow/expression-syntax]: the expression `github.ref ==` cannot be read
      cause: unexpected end of expression after `==`
      fix: mend the expression; texts stand in single quotes
    ci.yml:17:23: error[workflow/function-not-available]: `success` cannot be called in `run`
      cause: status functions exist in `if` only
      fix: call it in `if`, or look at `job.status` or `needs.<id>.result`
    ci.yml:18:13: warning[workflow/condition-always-true]: `if` is always true
      cause: text outside of `${{ }}` makes the condition a non-empty text, and that counts as true
      fix: put the whole condition into one `${{ }}`, or write it without them
    ci.yml:19:14: error[workflow/expression-syntax]: the expression is not closed
      cause: `${{` opens it in line 19 and `}}` does not follow
      fix: write `}}` behind the expression
    ci.yml:20:19: error[workflow/expression-syntax]: the expression is empty
      fix: write an expression between `${{` and `}}`, or remove them
    ci.yml:21:16: error[workflow/expression-not-allowed]: `shell` cannot hold an expression
      cause: GitHub reads this key before any context exists
      fix: write the value itself
    ");
}

#[test]
fn cycles_are_printed_with_their_path() {
    let text = "on: push\njobs:\n  a: {needs: c, runs-on: x, steps: []}\n  b: {needs: a, runs-on: x, steps: []}\n  c: {needs: [b], runs-on: x, steps: []}\n  d: {needs: d, runs-on: x, steps: []}\n";
    insta::assert_snapshot!(findings(text), @r"
    ci.yml:3:3: error[workflow/cyclic-needs]: no job can begin: each one needs another
      fix: remove `needs` of the job that begins
    ci.yml:3:14: error[workflow/cyclic-needs]: jobs wait for each other: `a` needs `c` needs `b` needs `a`
      fix: remove one of these `needs`
    ci.yml:6:14: error[workflow/cyclic-needs]: jobs wait for each other: `d` needs `d`
      fix: remove one of these `needs`
    ");
}

#[test]
fn broken_yaml_is_told_with_a_likely_remedy() {
    let all: Vec<String> = [
        "on: push\njobs:\n\ta: x\n",
        "name: a: b\non: push\n",
        "on: [push\njobs: x\n",
        "if: *x\n",
        "a: 1\n---\nb: 2\n",
        "on: push\non: pull_request\nON: x\n",
        "",
        "- a\n",
        "{[a]: b}\n",
    ]
    .into_iter()
    .map(findings)
    .collect();
    insta::assert_snapshot!(all.join("\n--\n"), @r"
    ci.yml:3:2: error[workflow/yaml-syntax]: the file is not valid YAML
      cause: tabs disallowed within this context (block indentation)
      fix: indent with spaces; YAML does not allow tabs there
    --
    ci.yml:1:7: error[workflow/yaml-syntax]: the file is not valid YAML
      cause: mapping values are not allowed in this context
      fix: quote the value; it holds `: `, which would begin a mapping
    --
    ci.yml:2:5: error[workflow/yaml-syntax]: the file is not valid YAML
      cause: illegal placement of ':' indicator
      fix: check the indentation, the quotes and the brackets up to this place
    --
    ci.yml:1:5: error[workflow/alias]: there is no anchor of this name above
      fix: name the value with `&name` before it is used, or quote a text that begins with `*`
    --
    ci.yml:2:1: error[workflow/yaml-syntax]: the file holds more than one YAML document
      fix: keep one document; everything behind a second `---` belongs into a file of its own
    --
    ci.yml:1:1: error[workflow/missing-key]: a workflow needs `jobs`
      fix: add `jobs` with at least one job
    ci.yml:2:1: error[workflow/duplicate-key]: `on` is written twice in one mapping
      cause: it stands in line 1 already; keys are compared without regard to case
      fix: keep one of the two
    ci.yml:3:1: error[workflow/duplicate-key]: `ON` is written twice in one mapping
      cause: it stands in line 1 already; keys are compared without regard to case
      fix: keep one of the two
    --
    ci.yml: error[workflow/empty]: the file is empty
      fix: write at least `on`, `jobs`, and one job with `runs-on` and `steps`
    --
    ci.yml:1:1: error[workflow/wrong-type]: a workflow file must be a mapping, and is a list
      fix: write a mapping here
    --
    ci.yml:1:2: error[workflow/yaml-syntax]: a key must be a text
      fix: quote the key; a value that begins with `{` or `[` needs quotes
    ");
}

#[test]
fn values_out_of_range_are_told_with_what_is_known() {
    let text = "on:\n  schedule: [{cron: '61 * * * *'}]\n  pull_request: {types: [open], branches: [a], branches-ignore: [b]}\n  workflow_dispatch:\n    inputs:\n      a: {type: choise}\n      b: {type: choice, options: [x], default: y}\npermissions: {contents: reed, id-token: read, content: read}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy: {matrix: {v: 3, w: []}, max-parallel: 0, fail-fast: 'true'}\n    steps:\n      - {id: x, run: a, shell: bahs}\n      - {id: X, run: b, with: {a: b}}\n  b:\n    uses: ./x.sh\n    runs-on: x\n";
    insta::assert_snapshot!(findings(text), @r"
    ci.yml:2:21: error[workflow/bad-cron]: `61 * * * *` is not a cron line: `61` is not a minute (0 to 59)
      fix: write five fields: minute hour day-of-month month day-of-week
    ci.yml:3:26: error[workflow/unknown-type]: `open` is not an activity type of `pull_request`
      fix: did you mean `opened`?
    ci.yml:3:48: error[workflow/filter-conflict]: `branches` and `branches-ignore` cannot stand together
      fix: keep `branches` and exclude with patterns that begin with `!`
    ci.yml:6:17: error[workflow/bad-input]: `choise` is not a type of inputs
      fix: did you mean `choice`?
    ci.yml:7:48: error[workflow/bad-input]: `y` is not one of the options
      fix: known: `x`
    ci.yml:8:25: error[workflow/bad-permission]: `reed` is not a level of `contents`
      fix: did you mean `read`?
    ci.yml:8:41: error[workflow/bad-permission]: `read` is not a level of `id-token`
      fix: known: `write`, `none`
    ci.yml:8:47: error[workflow/unknown-key]: `permissions` has no key `content`
      fix: did you mean `contents`?
    ci.yml:12:28: error[workflow/wrong-type]: the matrix axis `v` must be a list, and is a number
      fix: write a list here
    ci.yml:12:34: warning[workflow/empty-value]: the matrix axis `w` has no values, so the job cannot run
      fix: list at least one value, or remove the axis
    ci.yml:12:53: error[workflow/wrong-type]: `max-parallel` must be at least 1
      fix: write a whole number from 1 on
    ci.yml:12:67: error[workflow/wrong-type]: `fail-fast` must be a boolean, and is a text
      fix: write true without quotes
    ci.yml:14:32: warning[workflow/bad-shell]: `bahs` is not a shell
      fix: did you mean `bash`?
    ci.yml:15:14: error[workflow/duplicate-id]: the step id `X` is taken
      fix: choose another one; line 14 has it already
    ci.yml:15:25: error[workflow/unknown-key]: a step with `run` has no key `with`
      fix: `with` belongs to a step with `uses`
    ci.yml:17:11: error[workflow/bad-uses]: `./x.sh` does not name a reusable workflow
      fix: write `./.github/workflows/<file>.yml` or `<owner>/<repository>/.github/workflows/<file>.yml@<ref>`
    ci.yml:18:5: error[workflow/unknown-key]: job `b` calls a workflow and cannot have `runs-on`
      fix: remove `runs-on`, or `uses`
    ");
}

#[test]
fn references_to_nothing_are_warned_of() {
    let text = "on: push\njobs:\n  a: {runs-on: x, steps: []}\n  b:\n    needs: a\n    if: needs.c.result == 'success'\n    runs-on: ${{ matrix.os }}\n    strategy: {matrix: {oss: [x], include: [{y: 1}]}}\n    steps:\n      - {id: build, run: 'echo ${{ matrix.y }} ${{ matrix[github.ref] }} ${{ needs.a.result }}'}\n      - run: echo ${{ steps.biuld.outputs.x }} ${{ steps.build.outcome }}\n  c:\n    runs-on: x\n    strategy: {matrix: '${{ fromJSON(vars.M) }}'}\n    steps: [{run: 'echo ${{ matrix.any }}'}]\n";
    insta::assert_snapshot!(findings(text), @r"
    ci.yml:6:9: warning[workflow/unknown-reference]: the `needs` of this job have no `c`
      cause: such a reference is empty wherever it is used
      fix: add it to the `needs` of this job
    ci.yml:7:18: warning[workflow/unknown-reference]: the matrix has no key `os`
      cause: such a reference is empty wherever it is used
      fix: did you mean `oss`?
    ci.yml:11:23: warning[workflow/unknown-reference]: no step has the id `biuld`
      cause: such a reference is empty wherever it is used
      fix: did you mean `build`?
    ");
}
