//! Published packages run their own test suites under `gantry run` with the outcomes of running them by
//! hand on this machine: five Python packages (with "Flask against the Jinja2 just built here"), two
//! crates, one npm package.

use std::path::Path;
use std::process::Command;

use gantry_e2e::by_hand::{SYSTEM_PATH, verdicts, verdicts_by_hand};
use gantry_e2e::gantry::Gantry;
use gantry_e2e::published::{crate_source, git_init, npm, pypi, reach, run};
use serde_json::Value;

const PYTHON_CI: &str = r#"name: CI
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: { python-version: "3.x" }
      - run: |
          python -m venv .venv
          .venv/bin/pip install --quiet "pytest<9" EXTRA .
      - run: .venv/bin/pytest -q --junitxml=junit.xml -p no:cacheprovider
"#;

const JINJA_BUILD: &str = r#"
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          python3 -m venv .venv
          .venv/bin/pip wheel --quiet --no-deps --wheel-dir dist .
      - uses: actions/upload-artifact@v4
        with: { name: wheel, path: dist/*.whl }
"#;

const FLASK_CI: &str = r#"name: CI
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with: { name: wheel, path: upstream }
      - run: |
          python3 -m venv .venv
          .venv/bin/pip install --quiet "pytest<9" EXTRA upstream/*.whl .
          .venv/bin/pip freeze | grep -i "jinja2 @"
      - run: .venv/bin/pytest -q --junitxml=junit.xml -p no:cacheprovider
"#;

const CRATE_CI: &str = r"name: CI
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix: { profile: [dev, release] }
    steps:
      - uses: actions/checkout@v4
      - run: cargo test --offline --profile ${{ matrix.profile }}
";

const NPM_CI: &str = r"name: CI
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
      - run: npm install --no-audit --no-fund --ignore-scripts
      - run: npx tape 'test/*.js'
";

/// Version, its extra test requirements.
const PYTHON: &[(&str, &str, &str)] = &[
    ("MarkupSafe", "3.0.3", ""),
    ("itsdangerous", "2.2.0", "freezegun"),
    ("click", "8.1.8", ""),
    ("Jinja2", "3.1.6", "trio"),
    ("Flask", "3.1.2", "werkzeug==3.1.3 asgiref greenlet python-dotenv"),
];

fn workflow(dir: &Path, text: &str) -> anyhow::Result<()> {
    let folder = dir.join(".github/workflows");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("ci.yml"), text)?;
    git_init(dir)
}

fn python_ci(name: &str, extra: &str) -> String {
    match name {
        "Flask" => FLASK_CI.replace("EXTRA", extra),
        "Jinja2" => PYTHON_CI.replace("EXTRA", extra) + JINJA_BUILD,
        _ => PYTHON_CI.replace("EXTRA", extra),
    }
}

const CRATES: &[(&str, &str)] = &[("fnv", "1.0.7"), ("scopeguard", "1.2.0")];

/// What the suite says when it runs by hand: (total, failed, skipped).
fn by_hand(dir: &Path, extra: &str, wheel: Option<&Path>) -> anyhow::Result<(u64, u64, u64)> {
    let mut venv = Command::new("python3");
    run(venv.args(["-m", "venv", ".venv"]).env("PATH", SYSTEM_PATH).current_dir(dir))?;
    let mut install = Command::new(dir.join(".venv/bin/pip"));
    install.args(["install", "--quiet", "pytest<9"]).args(extra.split_whitespace()).args(wheel);
    run(install.arg(".").current_dir(dir))?;
    let report = dir.join("junit.xml");
    Command::new(dir.join(".venv/bin/pytest"))
        .args(["-q", "-p", "no:cacheprovider", "--junitxml"])
        .arg(&report)
        .env("PATH", SYSTEM_PATH)
        .current_dir(dir)
        .output()?;
    let text = std::fs::read_to_string(report)?;
    let count = |tag: &str| text.matches(tag).count() as u64;
    Ok((count("<testcase "), count("<failure") + count("<error"), count("<skipped")))
}

fn find<'a>(runs: &'a [Value], repo: &str) -> &'a Value {
    runs.iter()
        .find(|r| r["repo"].as_str().is_some_and(|n| n.ends_with(repo)))
        .unwrap_or_else(|| panic!("no run of {repo} in {runs:#?}"))
}

#[test]
fn python_packages_have_the_outcomes_of_running_them_by_hand() -> anyhow::Result<()> {
    let work = tempfile::tempdir()?;
    let hand = tempfile::tempdir()?;
    let mut hub = String::from(
        "org_defaults:\n  runner: ubuntu-latest\n  timeout: 20m\n  allowed_egress: [pypi.org, files.pythonhosted.org]\n",
    );
    hub += &reach();
    hub += "repos:\n";
    for (name, version, extra) in PYTHON {
        let dir = pypi(name, version, work.path())?;
        workflow(&dir, &python_ci(name, extra))?;
        hub += &format!("  {name}:\n    source: ./{name}\n    owner: published\n");
        if *name == "Flask" {
            hub += "    depends_on: [Jinja2]\n";
        }
    }
    std::fs::write(work.path().join("gantry.yaml"), hub)?;
    let gantry = Gantry::new()?;
    let called = gantry.call(&["run", "--hub", &work.path().to_string_lossy()])?;
    let runs = gantry.telemetry("pipeline_run")?;
    println!("{}\n{}", called.stdout, called.stderr);
    for (name, version, extra) in PYTHON {
        let dir = pypi(name, version, hand.path())?;
        let wheel = (*name == "Flask").then(|| hand.path().join("Jinja2"));
        let (total, failed, skipped) = by_hand(&dir, extra, wheel.as_deref())?;
        let tests = &find(&runs, name)["tests"];
        assert!(total > 10, "{name} has only {total} tests by hand");
        assert_eq!(tests["total"], total, "{name}: total");
        assert_eq!(tests["failed"], failed, "{name}: failed");
        assert_eq!(tests["skipped"], skipped, "{name}: skipped");
        let status = if failed == 0 { "success" } else { "failed" };
        assert_eq!(find(&runs, name)["status"], status, "{name}");
    }
    Ok(())
}

/// The verdicts in the logs of a repository.
fn logged(gantry: &Gantry, repo: &str) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for run in std::fs::read_dir(gantry.data().join("runs"))? {
        for log in std::fs::read_dir(run?.path().join("log").join(repo))? {
            all.extend(verdicts(&std::fs::read_to_string(log?.path())?));
        }
    }
    all.sort();
    Ok(all)
}

#[test]
fn crates_and_an_npm_package_have_the_outcomes_of_running_them_by_hand() -> anyhow::Result<()> {
    let (work, hand) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let sysroot = String::from_utf8(sysroot.stdout)?;
    let tools = format!("  tools: {{ rust: {:?} }}\n", sysroot.trim());
    let mut hub = format!("org_defaults:\n  runner: ubuntu-latest\n{tools}{}repos:\n", reach());
    for (name, version) in CRATES {
        let dir = crate_source(name, version, work.path())?;
        workflow(&dir, CRATE_CI)?;
        hub += &format!("  {name}:\n    source: ./{name}\n    owner: published\n");
    }
    let dir = npm("minimist", "1.2.8", work.path())?;
    workflow(&dir, NPM_CI)?;
    hub += "  minimist:\n    source: ./minimist\n    owner: published\n    allowed_egress: [registry.npmjs.org]\n";
    std::fs::write(work.path().join("gantry.yaml"), hub)?;
    let gantry = Gantry::new()?;
    let called = gantry.call(&["run", "--hub", &work.path().to_string_lossy()])?;
    println!("{}\n{}", called.stdout, called.stderr);
    let runs = gantry.telemetry("pipeline_run")?;
    for name in ["fnv", "scopeguard", "minimist"] {
        assert_eq!(find(&runs, name)["status"], "success", "{name}");
    }
    assert_eq!(find(&runs, "fnv")["jobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(called.code, 0);
    for (name, version) in CRATES {
        let dir = crate_source(name, version, hand.path())?;
        let commands =
            ["cargo test --offline --profile dev", "cargo test --offline --profile release"];
        let by_hand = verdicts_by_hand(&dir, &commands)?;
        assert!(by_hand.len() >= 4, "{by_hand:?}");
        assert_eq!(logged(&gantry, name)?, by_hand, "{name}");
    }
    let dir = npm("minimist", "1.2.8", hand.path())?;
    let install = "npm install --no-audit --no-fund --ignore-scripts";
    let by_hand = verdicts_by_hand(&dir, &[install, "npx tape 'test/*.js'"])?;
    assert_eq!(by_hand, ["# pass  153", "# tests 153"]);
    assert_eq!(logged(&gantry, "minimist")?, by_hand);
    Ok(())
}
