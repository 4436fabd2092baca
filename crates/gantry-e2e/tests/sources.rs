//! What jobs get beside their own tree: submodules, sparse trees, tags, artifacts of other runs, matchers and the parts
//! of actions of other repositories.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use gantry_e2e::gantry::{Called, Gantry};
use serde_json::Value;

/// A hub file over Git repositories in one folder.
struct Hub {
    dir: tempfile::TempDir,
    gantry: Gantry,
}

impl Hub {
    fn new(repositories: &[&str]) -> anyhow::Result<Self> {
        let hub = Self { dir: tempfile::tempdir()?, gantry: Gantry::new()? };
        let mut text = "org: acme\nrepos:\n".to_owned();
        for name in repositories {
            text += &format!("  {name}: {{source: ./{name}}}\n");
            hub.git(name, &["init", "--quiet", "--initial-branch=main"])?;
        }
        std::fs::write(hub.path("gantry.yaml"), text)?;
        Ok(hub)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn git(&self, repository: &str, args: &[&str]) -> anyhow::Result<String> {
        let dir = self.path(repository);
        std::fs::create_dir_all(&dir)?;
        let user =
            ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always"];
        let out = Command::new("git").current_dir(dir).args(user).args(args).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        ensure!(out.status.success(), "git {args:?}: {}", text(&out.stderr));
        Ok(text(&out.stdout))
    }

    fn commit(&self, repository: &str, files: &[(&str, &str)]) -> anyhow::Result<()> {
        for (name, text) in files {
            let path = self.path(repository).join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            std::fs::write(path, text)?;
        }
        self.git(repository, &["add", "-A"])?;
        self.git(repository, &["commit", "--quiet", "-m", "change"])?;
        Ok(())
    }

    fn run(&self, more: &[&str]) -> anyhow::Result<(Called, Vec<Value>)> {
        let hub = self.dir.path().to_string_lossy().into_owned();
        let called = self.gantry.call(&[&["run", "--hub", &hub, "--json"], more].concat())?;
        println!("{}\n{}", called.stdout, called.stderr);
        let summary: Value = serde_json::from_str(&called.stdout)?;
        Ok((called, summary["runs"].as_array().cloned().unwrap_or_default()))
    }
}

fn job<'a>(runs: &'a [Value], key: &str) -> &'a Value {
    let mut jobs = runs.iter().flat_map(|r| r["jobs"].as_array().into_iter().flatten());
    jobs.find(|j| j["key"] == key).unwrap_or_else(|| panic!("no job {key} in {runs:#?}"))
}

/// `outcome/fault: reason` of a job.
fn verdict(runs: &[Value], key: &str) -> String {
    let v = &job(runs, key)["verdict"];
    let text = |name: &str| v[name].as_str().unwrap_or("-").to_owned();
    format!("{}/{}: {}", text("outcome"), text("fault"), text("reason"))
}

const MODULES: &str = r#"on: push
jobs:
  none:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: test -z "$(ls vendor/lib)" && test -z "$(git status --porcelain)"
  direct:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { submodules: true }
      - run: |
          test "$(cat vendor/lib/lib.txt)" = first
          test -z "$(ls vendor/lib/deep)"
          test -z "$(git status --porcelain)"
          git submodule status | grep -E '^ [0-9a-f]{40} vendor/lib'
  recursive:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { submodules: recursive }
      - run: test "$(cat vendor/lib/deep/deep.txt)" = deep
"#;

#[test]
fn submodules_are_there_at_the_commits_that_their_parents_name() -> anyhow::Result<()> {
    let hub = Hub::new(&["deep", "lib", "app"])?;
    hub.commit("deep", &[("deep.txt", "deep\n")])?;
    hub.commit("lib", &[("lib.txt", "first\n")])?;
    hub.git("lib", &["submodule", "add", "--quiet", "../deep", "deep"])?;
    hub.commit("lib", &[])?;
    hub.git("app", &["submodule", "add", "--quiet", "../lib", "vendor/lib"])?;
    // Nobody has it checked out: the hub's own repository has the commit.
    hub.commit("app", &[(".github/workflows/ci.yml", MODULES)])?;
    hub.git("app", &["submodule", "deinit", "--quiet", "--all", "--force"])?;
    hub.commit("lib", &[("lib.txt", "second\n")])?;
    let (called, _) = hub.run(&["--repo", "app"])?;
    assert_eq!(called.code, 0, "{}", called.stderr);
    Ok(())
}

#[test]
fn a_submodule_that_may_not_be_fetched_fails_only_the_step_that_wants_it() -> anyhow::Result<()> {
    let hub = Hub::new(&["lib", "app"])?;
    hub.commit("lib", &[("lib.txt", "first\n")])?;
    hub.git("app", &["submodule", "add", "--quiet", "../lib", "vendor/lib"])?;
    let modules = "[submodule \"x\"]\n  path = vendor/lib\n  url = ext::sh -c 'touch /tmp/never'\n";
    hub.commit("app", &[(".github/workflows/ci.yml", MODULES), (".gitmodules", modules)])?;
    hub.git("app", &["submodule", "deinit", "--quiet", "--all", "--force"])?;
    let (called, runs) = hub.run(&["--repo", "app"])?;
    assert_eq!(called.code, 1);
    assert_eq!(verdict(&runs, "none"), "success/-: -");
    let why = verdict(&runs, "direct");
    assert!(why.starts_with("failure/policy: ") && why.contains("`vendor/lib`"), "{why}");
    assert!(why.contains("may not be used by `.gitmodules` here"), "{why}");
    Ok(())
}

const SPARSE: &str = r#"on: push
jobs:
  cone:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { sparse-checkout: docs }
      - run: test -f docs/a.md && test -f top.txt && test ! -e src
  patterns:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          sparse-checkout: |
            *.rs
          sparse-checkout-cone-mode: false
      - run: test -f src/a.rs && test ! -e docs && test ! -e top.txt
  tags:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { fetch-tags: true, fetch-depth: 0 }
      - run: test "$(git describe --tags)" = v1.2
"#;

#[test]
fn a_sparse_tree_has_what_was_asked_for_and_tags_are_there() -> anyhow::Result<()> {
    let hub = Hub::new(&["app"])?;
    let files = [
        ("docs/a.md", "a"),
        ("src/a.rs", ""),
        ("top.txt", ""),
        (".github/workflows/ci.yml", SPARSE),
    ];
    hub.commit("app", &files)?;
    hub.git("app", &["tag", "v1.2"])?;
    let (called, _) = hub.run(&[])?;
    assert_eq!(called.code, 0, "{}", called.stderr);
    Ok(())
}

const ARTIFACTS: &str = r#"on: push
jobs:
  build:
    strategy: { matrix: { part: [a, b] } }
    runs-on: ubuntu-latest
    steps:
      - run: mkdir out && echo ${{ matrix.part }} > out/${{ matrix.part }}.txt
      - uses: actions/upload-artifact@v4
        with: { name: 'part-${{ matrix.part }}', path: out, retention-days: 3 }
  join:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - uses: actions/upload-artifact/merge@v4
        with: { name: all, pattern: part-*, separate-directories: true, delete-merged: true }
      - uses: actions/download-artifact@v4
        with: { path: got }
      - run: test "$(cd got && find . -type f | sort | tr '\n' ' ')" = "./all/part-a/a.txt ./all/part-b/b.txt "
"#;
const EARLIER: &str = r#"on: workflow_dispatch
jobs:
  good:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        with: { name: all, run-id: RUN, path: got }
      - run: test "$(cat got/part-a/a.txt)" = a
  unknown:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        with: { name: all, run-id: 17 }
"#;

#[test]
fn artifacts_are_merged_kept_for_their_time_and_found_from_later_runs() -> anyhow::Result<()> {
    let hub = Hub::new(&["app"])?;
    let show = "\n  id:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo \"::notice::${{ github.run_id }}\"\n";
    let text = format!("{}{}", ARTIFACTS.trim_end(), show);
    hub.commit("app", &[(".github/workflows/ci.yml", &text)])?;
    let (called, runs) = hub.run(&[])?;
    assert_eq!(called.code, 0, "{}", called.stderr);
    let artifacts = runs[0]["artifacts"].as_array().context("artifacts")?;
    let names: Vec<_> = artifacts.iter().map(|a| a["name"].as_str()).collect();
    assert_eq!(names, [Some("all")]);
    let id = job(&runs, "id")["annotations"][0]["message"].as_str().context("a run id")?.to_owned();
    let later = EARLIER.replace("RUN", &id);
    hub.commit("app", &[(".github/workflows/ci.yml", &later)])?;
    let (called, runs) = hub.run(&["--event", "workflow_dispatch"])?;
    assert_eq!((called.code, verdict(&runs, "good").as_str()), (1, "success/-: -"));
    let why = verdict(&runs, "unknown");
    assert!(why.contains("there is no run 17 of `acme/app`"), "{why}");
    Ok(())
}

const PARTS: &str = r#"on: push
jobs:
  parts:
    runs-on: ubuntu-latest
    steps:
      - run: test "$(cat "$RUNNER_TEMP/trace")" = "pre-one pre-two"
      - uses: acme/acts/one@main
      - uses: acme/acts/two@main
        with: { word: hello }
      - run: test "$(cat "$RUNNER_TEMP/trace")" = "pre-one pre-two one two-hello-kept"
      - uses: actions/upload-artifact@v4
        with: { name: trace, path: '${{ runner.temp }}/trace' }
  skipped:
    runs-on: ubuntu-latest
    steps:
      - uses: acme/acts/one@main
        if: ${{ false }}
      - run: test "$(cat "$RUNNER_TEMP/trace")" = "pre-one"
"#;

fn script(what: &str) -> String {
    format!(
        "const fs = require('fs'), file = process.env.RUNNER_TEMP + '/trace';
const old = fs.existsSync(file) ? fs.readFileSync(file) + ' ' : '';
fs.writeFileSync(file, old + {what});
fs.appendFileSync(process.env.GITHUB_STATE, 'word=kept\\n');
"
    )
}

#[test]
fn pre_runs_before_the_first_step_and_post_after_the_last_in_reverse() -> anyhow::Result<()> {
    if !gantry_testkit::program("node") {
        return Ok(());
    }
    let hub = Hub::new(&["acts", "app"])?;
    let action = |name: &str| {
        format!(
            "name: {name}\ninputs: {{word: {{default: none}}}}\nruns: {{using: node20, pre: pre.js, main: main.js, post: post.js}}\n"
        )
    };
    let main_two = script("`two-${process.env.INPUT_WORD}-${process.env.STATE_word}`");
    let files = [
        ("one/action.yml", action("one")),
        ("one/pre.js", script("'pre-one'")),
        ("one/main.js", script("'one'")),
        ("one/post.js", "console.log('post of one')".to_owned()),
        ("two/action.yml", action("two")),
        ("two/pre.js", script("'pre-two'")),
        ("two/main.js", main_two),
        ("two/post.js", "console.log('post of two')".to_owned()),
    ];
    hub.commit("acts", &files.each_ref().map(|(name, text)| (*name, text.as_str())))?;
    hub.commit("app", &[(".github/workflows/ci.yml", PARTS)])?;
    let (called, runs) = hub.run(&["--repo", "acts", "--repo", "app"])?;
    assert_eq!(called.code, 0, "{}", called.stderr);
    let steps = |key: &str| -> Vec<String> {
        let steps = job(&runs, key)["steps"].as_array().cloned().unwrap_or_default();
        steps.iter().filter_map(|s| s["name"].as_str()).map(str::to_owned).collect()
    };
    let parts: Vec<String> = steps("parts").into_iter().filter(|s| s.contains("acts/")).collect();
    let expected = [
        "Pre Run acme/acts/one@main",
        "Pre Run acme/acts/two@main",
        "Run acme/acts/one@main",
        "Run acme/acts/two@main",
        "Post Run acme/acts/two@main",
        "Post Run acme/acts/one@main",
    ];
    assert_eq!(parts, expected);
    assert!(steps("skipped").contains(&"Post Run acme/acts/one@main".to_owned()), "as on GitHub");
    Ok(())
}

const MATCHERS: &str = r#"on: push
jobs:
  report:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
      - run: python3 bad.py || true
"#;

#[test]
fn setup_actions_bring_their_problem_matchers() -> anyhow::Result<()> {
    if !gantry_testkit::program("python3") {
        return Ok(());
    }
    let hub = Hub::new(&["app"])?;
    let bad = "def f():\n    raise ValueError('no good')\n\nf()\n";
    hub.commit("app", &[("bad.py", bad), (".github/workflows/ci.yml", MATCHERS)])?;
    let (called, runs) = hub.run(&[])?;
    assert_eq!(called.code, 0, "{}", called.stderr);
    let all = job(&runs, "report")["annotations"].as_array().cloned().unwrap_or_default();
    let found = all.iter().find(|a| a["line"] == 2).with_context(|| format!("{all:?}"))?;
    assert!(found["file"].as_str().is_some_and(|f| f.ends_with("bad.py")), "{found}");
    assert_eq!(found["message"], "no good");
    Ok(())
}
