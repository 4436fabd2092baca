//! One story over the real binary: two repositories, one depending on the other, run without
//! isolation; results on disk, looking back, failure, cancellation and a killed runner.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const LIB: &str = "name: CI
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    strategy:
      matrix: {n: [1, 2]}
    steps:
      - run: |
          echo \"built ${{ matrix.n }}\"
          mkdir out
          echo content > out/lib.txt
      - uses: actions/upload-artifact@v4
        if: matrix.n == 1
        with: {name: lib, path: out}
";
const APP: &str = "name: CI
on: [push, workflow_dispatch]
jobs:
  test:
    runs-on: ubuntu-latest
    env: {TOKEN: '${{ secrets.TOKEN }}'}
    steps:
      - uses: actions/download-artifact@v4
        with: {name: lib, path: up}
      - name: Check
        run: |
          test \"$(cat up/lib.txt)\" = content
          echo \"token is $TOKEN\"
          test \"$MODE\" != break || exit 7
  after:
    needs: test
    runs-on: ubuntu-latest
    steps:
      - run: echo after
";
const HUB: &str = "org: acme
repos:
  lib: {source: ./lib}
  app:
    source: ./app
    depends_on: [lib]
    secrets: {TOKEN: {file: token}}
";
const SLOW: &str = "on: push
jobs:
  slow:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo begun
          sleep 600
";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn fleet(mode: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let place = Self { dir };
        place.write("gantry.yaml", &format!("{HUB}    env: {{MODE: {mode}}}\n"));
        place.write("token", "hunter2hunter2\n");
        place.write("lib/.github/workflows/ci.yml", LIB);
        place.write("app/.github/workflows/ci.yml", APP);
        place
    }

    fn alone(workflow: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        place.write(".github/workflows/ci.yml", workflow);
        place
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("GANTRY_DATA_DIR", self.dir.path().join("data"))
            .stdin(Stdio::null());
        command
    }

    fn gantry(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } =
            self.command(args).output().expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// Runs with `--json`; answers exit code, summary and progress.
    fn run(&self, args: &[&str]) -> (i32, serde_json::Value, String) {
        let all = [&["run", "--isolation", "process", "--json"], args].concat();
        let (code, out, err) = self.gantry(&all);
        let summary = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}\n{err}"));
        (code, summary, err)
    }
}

fn outcomes(summary: &serde_json::Value) -> Vec<String> {
    let jobs = summary["runs"].as_array().expect("runs").iter().flat_map(|run| {
        run["jobs"].as_array().expect("jobs").iter().map(move |job| {
            let text = |v: &serde_json::Value| v.as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {}",
                text(&run["repository"]),
                text(&job["key"]),
                text(&job["verdict"]["outcome"])
            )
        })
    });
    jobs.collect()
}

#[test]
fn two_repositories_run_in_order_and_leave_their_results() {
    let place = Place::fleet("fine");
    let (code, summary, progress) = place.run(&[]);
    assert_eq!(code, 0, "{progress}");
    assert_eq!(
        outcomes(&summary),
        [
            "acme/lib build (1) success",
            "acme/lib build (2) success",
            "acme/app test success",
            "acme/app after success"
        ]
    );
    assert!(progress.contains("lib · build (1) | built 1"), "{progress}");
    assert!(!progress.contains("hunter2") && progress.contains("token is ***"), "{progress}");
    let dir = Path::new(summary["output_dir"].as_str().expect("a folder"));
    let read = |name: &str| {
        std::fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    assert_eq!(read("artifacts/lib/lib/lib.txt"), "content\n");
    assert!(read("log/app/test.log").contains("token is ***"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&read("summary.json")).expect("JSON"),
        summary
    );
    let records = read("telemetry/pipeline_run.ndjson");
    assert_eq!(records.lines().count(), 2);
    for line in records.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            (&record["schema"], &record["status"]),
            (&"pipeline_run.v1.2".into(), &"success".into())
        );
    }
    assert_eq!(read("telemetry/job.ndjson").lines().count(), 4);
    looking_back(&place);
}

fn looking_back(place: &Place) {
    let (code, list, _) = place.gantry(&["runs", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!((code, list.as_array().map(Vec::len)), (0, Some(2)));
    let lib = list.as_array().expect("runs").iter().find(|r| r["repository"] == "acme/lib");
    let lib = lib.and_then(|r| r["run"].as_str()).expect("the run of lib").to_owned();
    let (code, shown, _) = place.gantry(&["runs", "show", &lib]);
    assert!(code == 0 && shown.contains("artifact lib (8 B, 1 file)"), "{shown}");
    let (_, log, _) = place.gantry(&["runs", "logs", &lib, "--job", "build (2)"]);
    assert!(log.contains("| built 2") && !log.contains("built 1"), "{log}");
    let (code, _, _) = place.gantry(&["runs", "artifacts", &lib, "--extract", "got"]);
    assert_eq!(code, 0);
    let got = std::fs::read_to_string(place.dir.path().join("got/lib/lib.txt"));
    assert_eq!(got.expect("the artifact"), "content\n");
    let (code, why, _) = place.gantry(&["why", &format!("{lib}/build (1)")]);
    assert!(code == 0 && why.contains("job `build (1)`: success"), "{why}");
    let (code, _, err) = place.gantry(&["why", "last/nope"]);
    assert!(code == 2 && err.contains("has no job `nope`"), "{err}");
}

#[test]
fn a_failure_ends_with_1_and_shows_the_place_and_the_last_lines() {
    let place = Place::fleet("break");
    let (code, out, err) = place.gantry(&["run", "--isolation", "process"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("failed: acme/app · test"), "{out}");
    assert!(out.contains("at .github/workflows/ci.yml:10, step `Check`"), "{out}");
    assert!(out.contains("│ token is ***"), "{out}");
    assert!(out.contains("not run:\n  acme/app · after: "), "{out}");
    assert!(err.contains("warning: --isolation process"), "{err}");
}

#[test]
fn a_broken_repository_fails_alone_and_its_dependents_are_skipped() {
    let place = Place::fleet("fine");
    place
        .write("gantry.yaml", &format!("{HUB}  gone: {{source: ./gone}}\n  wrong: {{runer: x}}\n"));
    place.write("app/.github/workflows/ci.yml", "on: push\njobs: {a: {stepz: []}}\n");
    let (code, summary, err) = place.run(&[]);
    assert_eq!(code, 1, "{err}");
    let runs = summary["runs"].as_array().expect("runs");
    let of = |name: &str| {
        let run = runs.iter().find(|r| r["repository"] == format!("acme/{name}"));
        run.map_or_else(|| panic!("no run of {name}: {runs:?}"), |r| r["verdict"].clone())
    };
    assert_eq!(of("lib")["outcome"], "success");
    for name in ["app", "gone", "wrong"] {
        assert_eq!(of(name)["outcome"], "failure", "{name}");
        assert!(of(name)["reason"].as_str().is_some_and(|r| !r.is_empty()), "{name}");
    }
    assert!(of("wrong")["reason"].as_str().is_some_and(|r| r.contains("did you mean `runner`?")));
}

#[test]
fn a_filter_that_nothing_passes_ends_with_2() {
    let place = Place::alone(SLOW);
    for filter in [["--workflow", "nope.yml"], ["--job", "nope"]] {
        let (code, _, err) = place.run(&filter);
        assert!(code == 2 && err.contains("nothing ran"), "{code} {err}");
    }
}

const ASKING: &str = "on:
  push:
  workflow_dispatch: {inputs: {who: {type: string, default: nobody}}}
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - run: test '${{ inputs.who }}' = world
";
const SHARED: &str = "on:
  workflow_call:
    inputs: {n: {type: number, required: true}, mode: {type: string, default: quick}}
    secrets: {KEY: {required: true}}
    outputs: {made: {value: '${{ jobs.pack.outputs.made }}'}}
env: {OWN: callee}
jobs:
  pack:
    runs-on: ubuntu-latest
    outputs: {made: '${{ steps.x.outputs.made }}'}
    env: {KEY: '${{ secrets.KEY }}'}
    steps:
      - id: x
        run: |
          test \"$OWN ${{ inputs.mode }}\" = 'callee quick' && test -z \"$CALLERS\" && test \"${#KEY}\" = 14
          echo \"made=${{ inputs.n }}\" >> \"$GITHUB_OUTPUT\"
";
const CALLING: &str = "on: push
env: {CALLERS: x}
jobs:
  first:
    runs-on: ubuntu-latest
    outputs: {n: '${{ steps.x.outputs.n }}'}
    steps: [{id: x, run: 'echo n=7 >> \"$GITHUB_OUTPUT\"'}]
  far:
    needs: first
    uses: acme/lib/.github/workflows/shared.yml@main
    with: {n: '${{ fromJSON(needs.first.outputs.n) }}'}
    secrets: {KEY: '${{ secrets.TOKEN }}'}
  near:
    uses: ./.github/workflows/near.yml
    secrets: inherit
  last:
    needs: [far, near]
    runs-on: ubuntu-latest
    steps: [{run: 'test \"${{ needs.far.outputs.made }}\" = 7 && test -z \"${{ needs.near.outputs.made }}\"'}]
";
const NEAR: &str = "on: workflow_call
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'test -n \"${{ secrets.TOKEN }}\"'}]}}
";

#[test]
fn called_workflows_of_this_and_of_another_repository_run_with_inputs_secrets_and_outputs() {
    let place = Place::fleet("fine");
    place.write("lib/.github/workflows/shared.yml", SHARED);
    place.write("app/.github/workflows/ci.yml", CALLING);
    place.write("app/.github/workflows/near.yml", NEAR);
    let (code, summary, progress) = place.run(&[]);
    assert_eq!(code, 0, "{progress}");
    let all = outcomes(&summary);
    for wanted in ["first", "far / pack", "near / a", "last"] {
        assert!(all.contains(&format!("acme/app {wanted} success")), "{wanted}: {all:?}");
    }
    assert!(!progress.contains("hunter2"), "{progress}");
    // A called job that fails takes what needs its caller with it.
    place.write("app/.github/workflows/near.yml", &NEAR.replace("test -n", "test -z"));
    let (code, summary, progress) = place.run(&[]);
    assert_eq!(code, 1, "{progress}");
    let all = outcomes(&summary);
    for wanted in ["near / a failure", "last skipped"] {
        assert!(all.contains(&format!("acme/app {wanted}")), "{wanted}: {all:?}");
    }
}

const SILENT: &str = "on: [push, workflow_dispatch]
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}}
";

#[test]
fn an_input_goes_to_the_workflows_that_declare_it_and_one_that_none_declares_is_refused() {
    let place = Place::alone(SILENT);
    place.write("gantry.yaml", "org: acme\nrepos: {asks: {source: ./asks}, quiet: {source: .}}\n");
    place.write("asks/.github/workflows/ci.yml", ASKING);
    let (code, summary, err) = place.run(&["--input", "who=world"]);
    assert_eq!((code, outcomes(&summary).len()), (0, 2), "{err}");
    let (code, summary, _) = place.run(&["--input", "whom=world"]);
    assert_eq!((code, outcomes(&summary).len()), (1, 0), "nothing runs on a slip");
    let reason = summary["runs"][0]["verdict"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("did you mean `who`?"), "{reason}");
}

#[test]
fn the_older_flat_files_run_as_they_are() {
    let place = Place::alone(SILENT);
    place.write(
        "repositories.yaml",
        "repositories:
  - name: core
    owner: acme
    enabled: true
    settings: {path: ./core, package: core, build_timeout: 30m, resource_limit_mb: 512,
      max_parallel_jobs: 2, allowed_egress: [pypi.org, 'files.pythonhosted.org:443'], secret_scope: ci}
  - {name: retired, owner: acme, enabled: false, settings: {path: ./retired}}
",
    );
    place.write(
        "runner-isolation.yaml",
        "workflows: {ci.yml: {max_in_progress: 1, jobs: {a: {max_parallel: 2}}}}\n",
    );
    place.write("core/.github/workflows/ci.yml", SILENT);
    for hub in [&[][..], &["--hub", "repositories.yaml"]] {
        let (code, summary, err) = place.run(hub);
        assert_eq!(
            (code, outcomes(&summary)),
            (0, vec!["acme/core a success".to_owned()]),
            "{err}"
        );
        let (_, shown, _) = place.gantry(&[&["config", "show", "--repo", "core"], hub].concat());
        for value in ["30m00s", "512.0 MiB", "ci.yml.max_in_progress", "pypi.org"] {
            assert!(shown.contains(value), "{value}: {shown}");
        }
    }
}

const ALONE: &str = "on: push
concurrency: {group: 'Only-${{ github.ref }}', queue: max}
jobs:
  a:
    runs-on: ubuntu-latest
    strategy: {matrix: {n: [1, 2]}}
    concurrency: {group: leg, queue: max}
    steps: [{run: 'mkdir PLACE/taken && sleep 0.1 && rmdir PLACE/taken'}]
";

#[test]
fn workflows_and_legs_of_one_concurrency_group_never_overlap() {
    let place = Place::alone("");
    let text = ALONE.replace("PLACE", &place.dir.path().display().to_string());
    for name in ["ci", "cd", "nightly"] {
        place.write(&format!(".github/workflows/{name}.yml"), &text);
    }
    let (code, summary, progress) = place.run(&[]);
    let all = outcomes(&summary);
    assert_eq!((code, all.len()), (0, 6), "{progress}");
    assert!(all.iter().all(|o| o.ends_with(" success")), "{all:?}");
    let waits = "| waits: the concurrency group `Only-refs/heads/main` is held by the run";
    assert!(progress.contains(waits), "{progress}");
    let (_, shown, _) = place.gantry(&["why", "last"]);
    assert!(shown.contains("group_held: the concurrency group `leg` is free"), "{shown}");
    let plan = [".github/workflows/ci.yml"];
    let (_, planned, _) = place.gantry(&[&["workflow", "plan"][..], &plan].concat());
    assert!(planned.contains("concurrency group `Only-refs/heads/main`"), "{planned}");
}

#[test]
fn plain_output_is_steps_and_their_output_and_everything_only_when_asked() {
    let place = Place::alone(
        "on: push
env: {SOME: thing}
jobs: {a: {runs-on: ubuntu-latest, steps: [{name: Greet, run: 'echo hello'}, {run: 'true'}]}}
",
    );
    place.write("gantry.yaml", "repos: {r: {source: .}}\n");
    let (_, quiet, _) = place.gantry(&["run", "--isolation", "process"]);
    let lines: Vec<&str> = quiet.lines().filter(|l| l.starts_with("r · a | ")).collect();
    assert_eq!(lines[0], "r · a | ▸ Set up job", "{quiet}");
    assert!(lines[1].contains("NOT isolated"), "{quiet}");
    assert_eq!(lines[2..5], ["r · a | ▸ Greet", "r · a | hello", "r · a | ▸ Run true"], "{quiet}");
    assert!(!quiet.contains("SOME"), "{quiet}");
    let (_, verbose, _) = place.gantry(&["run", "--isolation", "process", "--verbose"]);
    for part in ["r · a | Run echo hello", "r · a | $ echo hello", "r · a | $   SOME: thing"] {
        assert!(verbose.contains(part), "{part}: {verbose}");
    }
    let (_, log, _) = place.gantry(&["runs", "logs", "latest"]);
    assert!(log.contains("a · Greet | $   SOME: thing"), "the stored log has everything: {log}");
}

#[test]
fn json_output_has_the_documented_keys() {
    let docs = include_str!("../../../docs/reference/json.md");
    let place = Place::alone(LIB);
    place.write("gantry.yaml", "org: acme\nrepos: {lib: {source: .}}\n");
    let mut checked = 0;
    for row in docs.lines().filter_map(|l| l.strip_prefix("| `")) {
        let (command, rest) = row.split_once("` | ").expect("two columns");
        let keys: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        let mut args: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        if command == "run" {
            args.extend(["--isolation", "process"]);
        }
        let (_, out, err) = place.gantry(&args);
        let first = if command == "runs logs last" { out.lines().next() } else { Some(&*out) };
        let value: serde_json::Value = serde_json::from_str(first.unwrap_or_default())
            .unwrap_or_else(|e| panic!("{command}: {e}: {out}{err}"));
        let object = value.get(0).unwrap_or(&value).as_object().expect("an object");
        assert_eq!(object.keys().collect::<Vec<_>>(), keys, "{command}");
        checked += 1;
    }
    assert_eq!(checked, 12, "every row of the table");
}

/// Starts a run and answers once the slow job has printed its line.
fn begun(place: &Place) -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let mut child = place
        .command(&["run", "--isolation", "process"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.ends_with("| begun\n") {
        line.clear();
        assert!(out.read_line(&mut line).expect("a line") > 0, "ended before the job began");
    }
    (child, out)
}

/// A process that `parent` started.
fn child_of(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.filter_map(Result::ok).find_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields = stat.rsplit_once(") ")?.1;
        let its_parent = fields.split(' ').nth(1)?.parse::<u32>().ok()?;
        (its_parent == parent).then(|| entry.file_name().to_str()?.parse().ok())?
    })
}

fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([name, &pid.to_string()]).status().expect("kill");
    assert!(done.success(), "kill {name} {pid}");
}

#[test]
fn an_interrupt_cancels_and_ends_with_130() {
    let place = Place::alone(SLOW);
    let (mut child, mut out) = begun(&place);
    signal(child.id(), "-INT");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).expect("its output");
    assert_eq!(child.wait().expect("its end").code(), Some(130), "{rest}");
    assert!(rest.contains("cancelling") && rest.contains("cancelled"), "{rest}");
}

#[test]
fn a_killed_run_is_told_truthfully_by_the_next_start() {
    let place = Place::alone(SLOW);
    let (mut child, _out) = begun(&place);
    let runner = child_of(child.id()).expect("its runner");
    child.kill().expect("killed");
    child.wait().expect("its end");
    // The runner ends by itself; the test waits for it, the harness has the deadline.
    while Path::new("/proc").join(runner.to_string()).join("exe").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    place.write(
        ".github/workflows/ci.yml",
        "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}}\n",
    );
    let (code, _, err) = place.run(&[]);
    assert_eq!(code, 0, "{err}");
    let (_, list, _) = place.gantry(&["runs", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let verdict = &list[1]["verdict"];
    assert_eq!((&verdict["outcome"], &verdict["fault"]), (&"cancelled".into(), &"infra".into()));
    let (_, log, _) = place.gantry(&["runs", "logs", list[1]["run"].as_str().expect("an id")]);
    assert!(log.contains("| begun"), "a line that was shown is kept: {log}");
}
