//! Actions and reusable workflows from outside: fetched from a forge over HTTP, pinned, kept, and refused when they
//! are not what was pinned.

use std::path::{Path, PathBuf};

use gantry_e2e::forge::Forge;
use gantry_e2e::gantry::{Called, Gantry};
use serde_json::Value;

const CI: &str = r#"name: CI
on: push
jobs:
  composite:
    runs-on: ubuntu-latest
    steps:
      - uses: Acme/tools/outer@v1
        id: o
        with: { who: world }
      - run: test "${{ steps.o.outputs.said }}" = "hello world"
  script:
    runs-on: ubuntu-latest
    steps:
      - uses: acme/js@release/v1
        id: js
        with: { word: ahoy }
      - run: test "${{ steps.js.outputs.echo }}" = AHOY
  called:
    uses: acme/flows/.github/workflows/check.yml@main
    with: { what: caller }
"#;
const OUTER: &str = "name: outer
inputs: {who: {required: true}}
outputs: {said: {value: '${{ steps.i.outputs.said }}'}}
runs:
  using: composite
  steps:
    - uses: acme/inner@v1
      id: i
      with: {who: '${{ inputs.who }}'}
    - run: test -f \"$GITHUB_ACTION_PATH/action.yml\"
      shell: bash
";
const JS: &str = "name: js
inputs: {word: {}}
runs: {using: node20, main: main.js}
";
const MAIN: &str = "const fs = require('fs');
fs.appendFileSync(process.env.GITHUB_OUTPUT, `echo=${process.env.INPUT_WORD.toUpperCase()}\\n`);
";
const CHECK: &str = "on:
  workflow_call: {inputs: {what: {type: string, required: true}}}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: acme/inner@v1
        id: i
        with: {who: '${{ inputs.what }}'}
      - run: test '${{ steps.i.outputs.said }}' = 'hello caller'
";

fn inner(word: &str) -> String {
    format!(
        "name: inner
inputs: {{who: {{}}}}
outputs: {{said: {{value: '${{{{ steps.s.outputs.said }}}}'}}}}
runs:
  using: composite
  steps:
    - run: echo \"said={word} $WHO\" >> \"$GITHUB_OUTPUT\"
      id: s
      shell: bash
      env: {{WHO: '${{{{ inputs.who }}}}'}}
"
    )
}

/// A forge with four repositories.
fn forge() -> anyhow::Result<Forge> {
    let forge = Forge::start()?;
    forge.commit("acme/tools", &[("outer/action.yml", OUTER)])?;
    forge.tag("acme/tools", "v1")?;
    forge.commit("acme/inner", &[("action.yml", &inner("hello"))])?;
    forge.tag("acme/inner", "v1")?;
    forge.commit("acme/js", &[("action.yml", JS), ("main.js", MAIN)])?;
    forge.tag("acme/js", "release/v1")?;
    forge.commit("acme/flows", &[(".github/workflows/check.yml", CHECK)])?;
    Ok(forge)
}

/// A hub file with one repository.
struct Hub {
    dir: tempfile::TempDir,
}

impl Hub {
    fn new(server: &str, workflow: &str, more: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir_all(dir.path().join("app/.github/workflows"))?;
        std::fs::write(dir.path().join("app/.github/workflows/ci.yml"), workflow)?;
        let hub = Self { dir };
        hub.rules(server, more)?;
        Ok(hub)
    }

    fn rules(&self, server: &str, more: &str) -> anyhow::Result<()> {
        let rules = format!("{{server: '{server}', allow: ['acme/*']{more}}}");
        let text = format!("repos:\n  app: {{source: ./app, actions: {rules}}}\n");
        Ok(std::fs::write(self.path("gantry.yaml"), text)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn lock(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.path("gantry.lock"))?)
    }

    fn call(&self, gantry: &Gantry, args: &[&str]) -> anyhow::Result<Called> {
        let out = gantry.command(args).env("no_proxy", "127.0.0.1").output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = out.status.code().unwrap_or(-1);
        Ok(Called { code, stdout: text(&out.stdout), stderr: text(&out.stderr) })
    }

    fn run(&self, gantry: &Gantry, more: &[&str]) -> anyhow::Result<(Called, Vec<Value>)> {
        let hub = self.dir.path().to_string_lossy().into_owned();
        let called = self.call(gantry, &[&["run", "--hub", &hub, "--json"], more].concat())?;
        println!("{}\n{}", called.stdout, called.stderr);
        let summary: Value = serde_json::from_str(&called.stdout)?;
        let runs = summary["runs"].as_array().cloned().unwrap_or_default();
        let jobs = runs.iter().flat_map(|r| r["jobs"].as_array().cloned().unwrap_or_default());
        Ok((called, jobs.collect()))
    }

    fn workflow_lock(&self, gantry: &Gantry, more: &[&str]) -> anyhow::Result<Called> {
        let hub = self.dir.path().to_string_lossy().into_owned();
        let called = self.call(gantry, &[&["workflow", "lock", &hub], more].concat())?;
        println!("{}\n{}", called.stdout, called.stderr);
        Ok(called)
    }
}

/// `outcome/fault: reason` of a job.
fn verdict(jobs: &[Value], key: &str) -> String {
    let job = jobs.iter().find(|j| j["key"] == key);
    let v = &job.unwrap_or_else(|| panic!("no job {key} in {jobs:#?}"))["verdict"];
    let text = |name: &str| v[name].as_str().unwrap_or("-").to_owned();
    format!("{}/{}: {}", text("outcome"), text("fault"), text("reason"))
}

#[test]
fn what_was_pinned_stays_and_needs_no_network() -> anyhow::Result<()> {
    if !gantry_testkit::program("node") {
        return Ok(());
    }
    let forge = forge()?;
    let hub = Hub::new(&forge.url(), CI, "")?;
    let gantry = Gantry::new()?;
    let (called, jobs) = hub.run(&gantry, &[])?;
    assert_eq!(called.code, 0, "{}", called.stderr);
    let keys: Vec<&str> = jobs.iter().filter_map(|j| j["key"].as_str()).collect();
    assert_eq!(keys, ["composite", "script", "called / check"]);
    assert!(called.stderr.contains("fetched acme/inner@v1 and pinned it to "), "{}", called.stderr);
    let lock = hub.lock()?;
    let pins: Value = serde_json::from_str(&lock)?;
    let uses: Vec<&str> =
        pins["actions"].as_array().unwrap().iter().filter_map(|a| a["uses"].as_str()).collect();
    assert_eq!(uses, ["acme/flows@main", "acme/inner@v1", "acme/js@release/v1", "acme/tools@v1"]);

    // The tag moves: nobody follows it, and nobody asks.
    let moved = forge.commit("acme/inner", &[("action.yml", &inner("goodbye"))])?;
    forge.tag("acme/inner", "v1")?;
    let before = forge.requests();
    for more in [&[][..], &["--offline"]] {
        let (called, _) = hub.run(&gantry, more)?;
        assert_eq!(called.code, 0, "{more:?}: {}", called.stderr);
    }
    assert_eq!((forge.requests(), hub.lock()?), (before, lock.clone()));

    // Elsewhere the pinned commit is fetched, not what the tag is now.
    let other = Gantry::new()?;
    let (called, _) = hub.run(&other, &["--job", "composite"])?;
    assert_eq!((called.code, hub.lock()?), (0, lock.clone()));
    assert!(
        called.stderr.contains("fetched acme/inner@v1 at its pinned commit"),
        "{}",
        called.stderr
    );
    let nowhere = Gantry::new()?;
    let (called, jobs) = hub.run(&nowhere, &["--offline", "--job", "composite"])?;
    assert_eq!(called.code, 1);
    let why = verdict(&jobs, "composite");
    assert!(
        why.starts_with("failure/policy: ") && why.contains("`--offline` fetches nothing"),
        "{why}"
    );

    // Whoever wants the new one says so.
    assert_eq!(hub.workflow_lock(&gantry, &["--check"])?.code, 0);
    let updated = hub.workflow_lock(&gantry, &["--update", "acme/inner"])?;
    let arrow = format!("→ {}", &moved[..12]);
    assert!(
        updated.stdout.contains("acme/inner@v1: ") && updated.stdout.contains(&arrow),
        "{updated:?}"
    );
    assert_ne!(hub.lock()?, lock);
    let (called, jobs) = hub.run(&gantry, &["--job", "composite"])?;
    assert_eq!(called.code, 1, "the new one says goodbye");
    assert!(verdict(&jobs, "composite").starts_with("failure/user: "));
    Ok(())
}

const ONE: &str = "on: push
jobs:
  plain: {runs-on: ubuntu-latest, steps: [{uses: acme/inner@v1, with: {who: x}}]}
";

fn digests(gantry: &Gantry) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(gantry.data().join("actions")).expect("kept trees");
    entries.flatten().map(|e| e.path()).collect()
}

fn blob_of(gantry: &Gantry, index: &Path) -> PathBuf {
    let digest = std::fs::read_to_string(index).expect("the name of a blob");
    let hex = digest.trim().trim_start_matches("sha256:");
    gantry.data().join("blobs/sha256").join(&hex[..2]).join(hex)
}

#[test]
fn what_is_not_what_was_pinned_does_not_run() -> anyhow::Result<()> {
    let forge = forge()?;
    let hub = Hub::new(&forge.url(), ONE, "")?;
    let gantry = Gantry::new()?;
    assert_eq!(hub.run(&gantry, &[])?.0.code, 0);
    let kept = digests(&gantry);
    let [index] = kept.as_slice() else { panic!("{kept:?}") };
    let blob = blob_of(&gantry, index);

    // Another tree in its place, as somebody would put it who can write there.
    forge.commit("acme/evil", &[("action.yml", &inner("evil"))])?;
    forge.tag("acme/evil", "v1")?;
    let evil = Hub::new(&forge.url(), &ONE.replace("inner", "evil"), "")?;
    assert_eq!(evil.run(&gantry, &[])?.0.code, 0);
    let other = digests(&gantry).into_iter().find(|p| p != index).expect("another tree");
    for bytes in [std::fs::read(blob_of(&gantry, &other))?, b"no archive".to_vec()] {
        std::fs::write(&blob, &bytes)?;
        let (called, jobs) = hub.run(&gantry, &[])?;
        let why = verdict(&jobs, "plain");
        assert_eq!(called.code, 1);
        assert!(
            why.starts_with("failure/policy: ") && why.contains("not what the lock file has"),
            "{why}"
        );
        assert!(why.contains(&format!("remove `{}`", index.display())), "{why}");
    }
    std::fs::remove_file(index)?;
    assert_eq!(hub.run(&gantry, &[])?.0.code, 0, "it is fetched anew");

    // A forge that has other files under the pinned commit's name, as a lock file with another digest sees it.
    let lock = hub.lock()?;
    let digest = index.file_name().expect("a name").to_string_lossy().into_owned();
    std::fs::write(hub.path("gantry.lock"), lock.replace(&digest, &"0".repeat(64)))?;
    let (_, jobs) = hub.run(&gantry, &[])?;
    let why = verdict(&jobs, "plain");
    assert!(
        why.starts_with("failure/policy: ") && why.contains(&format!("digest `sha256:{digest}`")),
        "{why}"
    );

    // A lock file that is none is not written over.
    std::fs::write(hub.path("gantry.lock"), "<<<<<<< mine\n")?;
    assert_eq!(hub.run(&gantry, &[])?.0.code, 1);
    assert_eq!(hub.lock()?, "<<<<<<< mine\n");
    assert_eq!(hub.workflow_lock(&gantry, &[])?.code, 2);
    Ok(())
}

const REFUSED: &str = "on: push
jobs:
  owner: {runs-on: ubuntu-latest, steps: [{uses: mallory/inner@v1}]}
  later: {runs-on: ubuntu-latest, steps: [{run: echo first}, {if: github.actor != '', uses: mallory/inner@v1}]}
  ref: {runs-on: ubuntu-latest, steps: [{uses: acme/inner@v9}]}
  commit: {runs-on: ubuntu-latest, steps: [{uses: acme/inner@COMMIT}]}
  folder: {runs-on: ubuntu-latest, steps: [{uses: acme/tools/none@v1}]}
  gone: {runs-on: ubuntu-latest, steps: [{uses: acme/none@v1}]}
  flow: {uses: mallory/flows/.github/workflows/check.yml@main}
  good: {runs-on: ubuntu-latest, steps: [{uses: acme/inner@v1}]}
";

#[test]
fn what_cannot_be_had_fails_its_job_only_and_says_why() -> anyhow::Result<()> {
    let forge = forge()?;
    forge.commit("mallory/inner", &[("action.yml", &inner("evil"))])?;
    forge.tag("mallory/inner", "v1")?;
    let hub = Hub::new(&forge.url(), &REFUSED.replace("COMMIT", &"1".repeat(40)), "")?;
    let gantry = Gantry::new()?;
    let (called, jobs) = hub.run(&gantry, &[])?;
    assert_eq!(called.code, 1);
    let says = |key: &str, start: &str, text: &str| {
        let why = verdict(&jobs, key);
        assert!(why.starts_with(start) && why.contains(text), "{key}: {why}");
    };
    says("owner", "failure/policy: ", "does not name `mallory/inner`");
    says("later", "failure/policy: ", "does not name `mallory/inner`");
    says("ref", "failure/user: ", "has no tag, branch or commit `v9`");
    says("commit", "failure/user: ", "has no tag, branch or commit");
    says("folder", "failure/user: ", "has no `action.yml` or `action.yaml` in that folder");
    says("gone", "failure/upstream: ", "acme/none");
    says("flow", "failure/policy: ", "does not name `mallory/flows`");
    says("good", "success/", "");
    assert!(!hub.lock()?.contains("mallory"));

    // Whether anything is fetched at all.
    let fresh = Hub::new(&forge.url(), ONE, ", fetch: locked")?;
    let (_, jobs) = fresh.run(&Gantry::new()?, &[])?;
    assert!(verdict(&jobs, "plain").contains("`actions.fetch` is `locked`"), "{jobs:#?}");
    assert!(!fresh.path("gantry.lock").exists());
    let before = forge.requests();
    assert_eq!(fresh.workflow_lock(&gantry, &["--check"])?.code, 1);
    assert_eq!(forge.requests(), before);
    assert_eq!(fresh.workflow_lock(&gantry, &[])?.code, 0);
    assert_eq!(fresh.run(&Gantry::new()?, &[])?.0.code, 0, "what is locked is fetched");
    fresh.rules(&forge.url(), ", fetch: never")?;
    let (_, jobs) = fresh.run(&Gantry::new()?, &[])?;
    assert!(verdict(&jobs, "plain").contains("`actions.fetch` is `never`"), "{jobs:#?}");
    assert_eq!(fresh.run(&gantry, &[])?.0.code, 0, "what is here runs");
    Ok(())
}

#[test]
fn a_forge_that_is_away_is_the_forges_fault() -> anyhow::Result<()> {
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let hub = Hub::new(&format!("http://{closed}"), ONE, "")?;
    let (called, jobs) = hub.run(&Gantry::new()?, &[])?;
    assert_eq!(called.code, 1);
    let why = verdict(&jobs, "plain");
    assert!(why.starts_with("failure/upstream: ") && why.contains("cannot be had"), "{why}");
    Ok(())
}
