//! Open-source projects run their own workflow files, unmodified, from their published sources: every leg ends
//! as it truthfully must on this machine. One `gantry run` over a hub file with all of them.

mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use gantry_e2e::by_hand::{command, verdicts, verdicts_by_hand};
use gantry_e2e::gantry::Gantry;
use gantry_e2e::published::{crate_source, git_init_on, npm, own_registries, pypi, reach};
use serde_json::Value;

use rows::{End, PROJECTS, Project, Registry};

/// The registries of the packages that the projects need.
const REGISTRIES: &[(Registry, &str)] = &[
    (Registry::Crates, "index.crates.io, static.crates.io"),
    (Registry::Npm, "registry.npmjs.org"),
    (Registry::PyPi, "pypi.org, files.pythonhosted.org"),
];

/// What this machine has for its jobs.
#[derive(Debug)]
struct Machine {
    rust: String,
    node: String,
    python: String,
}

impl Machine {
    fn look(dir: &Path) -> anyhow::Result<Self> {
        let version = |line: &str| -> anyhow::Result<String> {
            let (_, said) = command(dir, line)?;
            let mut words = said.split_whitespace().map(|w| w.trim_start_matches('v'));
            let number = words.find(|w| w.starts_with(|c: char| c.is_ascii_digit()));
            Ok(number.unwrap_or("none").to_owned())
        };
        Ok(Self {
            rust: version("rustc --version")?,
            node: version("node --version")?,
            python: version("python3 --version")?,
        })
    }

    /// Whether a version of a tool is there; no other channel and no other Python than the ordinary one is.
    fn has(&self, tool: &str, version: &str) -> bool {
        let there = match tool {
            "Rust" => &self.rust,
            "Node.js" => &self.node,
            "Python" => &self.python,
            _ => panic!("the tool {tool}"),
        };
        there == version || there.starts_with(&format!("{version}."))
    }
}

/// Fetches a project; `None` when its registry is out of reach, which is said.
fn fetch(project: &Project, into: &Path) -> anyhow::Result<Option<std::path::PathBuf>> {
    let (package, version) = project.package;
    let part = tempfile::tempdir_in(into)?;
    let fetched = match project.from {
        Registry::Crates => crate_source(package, version, part.path()),
        Registry::Npm => npm(package, version, part.path()),
        Registry::PyPi => pypi(package, version, part.path()),
    };
    let dir = match fetched {
        Ok(dir) => dir,
        Err(error) => {
            gantry_testkit::skip(format!("{package} {version} is out of reach: {error:#}"));
            return Ok(None);
        }
    };
    let named = into.join(project.name);
    std::fs::rename(&dir, &named)?;
    Ok(Some(named))
}

fn hub_file(projects: &[&Project], sysroot: &str) -> String {
    let mut hub = format!(
        "org_defaults:\n  runner: ubuntu-latest\n  timeout: 20m\n  max_parallel: 1\n  tools: {{ rust: {sysroot:?} }}\n{}repos:\n",
        reach()
    );
    for project in projects {
        let mut hosts: Vec<String> = Vec::new();
        if project.shut_in_for.is_none() {
            let public = REGISTRIES.iter().filter(|r| r.0 == project.from);
            hosts.extend(public.map(|r| r.1.to_owned()).chain(own_registries()));
        }
        let hosts = hosts.join(", ");
        hub += &format!(
            "  {}:\n    owner: published\n    allowed_egress: [{hosts}]\n    workflows: [{}]\n",
            project.name, project.workflow
        );
        if let Some(timeout) = project.shut_in_for {
            hub += &format!("    timeout: {timeout}\n");
        }
    }
    hub
}

/// One leg as the summary has it, with its log.
struct Leg<'a> {
    what: String,
    job: &'a Value,
    log: String,
}

impl Leg<'_> {
    fn ended(&self) -> (&str, &str) {
        let of = |key: &str| self.job["verdict"][key].as_str().unwrap_or_default();
        (of("outcome"), of("fault"))
    }

    fn reason(&self) -> &str {
        self.job["verdict"]["reason"].as_str().unwrap_or_default()
    }

    fn steps(&self) -> impl Iterator<Item = (&str, &str)> {
        let steps = self.job["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        steps.iter().map(|s| {
            (
                s["name"].as_str().unwrap_or_default(),
                s["outcome"]["outcome"].as_str().unwrap_or_default(),
            )
        })
    }

    /// The step that ended in this way, the only one that did not succeed or was left out.
    fn step(&self, outcome: &str) -> &str {
        let bad: Vec<(&str, &str)> =
            self.steps().filter(|s| !matches!(s.1, "success" | "skipped")).collect();
        assert_eq!(bad.len(), 1, "{}: {bad:?}", self.what);
        assert_eq!(bad[0].1, outcome, "{}: {bad:?}", self.what);
        bad[0].0
    }

    fn check(&self, end: &End, machine: &Machine, dir: &Path) -> anyhow::Result<()> {
        let said = format!("{}: {:?} ({})\n{}", self.what, self.ended(), self.reason(), self.log);
        match end {
            End::Green => {
                assert_eq!(self.ended().0, "success", "{said}");
                assert!(self.steps().count() > 2, "{said}");
                assert!(self.steps().all(|s| matches!(s.1, "success" | "skipped")), "{said}");
            }
            End::AsByHand(lines) => {
                let mut good = true;
                for line in *lines {
                    good = good && command(dir, line)?.0;
                }
                let wanted = if good { "success" } else { "failure" };
                assert_eq!(self.ended().0, wanted, "{lines:?} by hand; {said}");
            }
            End::System(label) => {
                assert_eq!(self.ended(), ("failure", "policy"), "{said}");
                assert!(self.reason().contains(&format!("the runner `{label}`")), "{said}");
            }
            End::Refused(words) => {
                assert_eq!(self.ended(), ("failure", "policy"), "{said}");
                assert!(self.reason().contains(words), "{said}");
            }
            End::With(tool, version, end) if machine.has(tool, version) => {
                self.check(end, machine, dir)?;
            }
            End::With(tool, ..) => {
                assert_eq!(self.ended(), ("failure", "policy"), "{said}");
                assert!(self.reason().contains(&format!(": {tool} `")), "{said}");
                assert!(self.reason().contains("the image of this job; there is: "), "{said}");
                self.step("failure");
            }
            End::Lacks(program) if !command(dir, &format!("command -v {program}"))?.0 => {
                assert_eq!(self.ended(), ("failure", "user"), "{said}");
                assert!(self.log.contains(&format!("{program}: command not found")), "{said}");
                assert!(self.reason().contains("code 127"), "{said}");
                self.step("failure");
            }
            End::Lacks(_) => {}
            End::Red(words) => {
                assert_eq!(self.ended(), ("failure", "user"), "{said}");
                assert!(self.log.contains(words), "{said}");
                self.step("failure");
            }
            End::TimedOut(step) => {
                assert_eq!(self.ended(), ("timed_out", "user"), "{said}");
                assert!(self.reason().contains("longer than its time limit"), "{said}");
                assert_eq!(
                    self.steps().find(|s| s.0 == *step),
                    Some((*step, "timed_out")),
                    "{said}"
                );
            }
            End::FailFast(_) if self.ended() == ("cancelled", "user") => {
                assert!(self.reason().contains("the matrix fails fast"), "{said}");
            }
            End::FailFast(end) => self.check(end, machine, dir)?,
            End::Skipped(words) => {
                assert_eq!(self.ended().0, "skipped", "{said}");
                assert!(self.reason().contains(words), "{said}");
            }
        }
        Ok(())
    }
}

fn check_project(
    project: &Project,
    summary: &Value,
    machine: &Machine,
    dir: &Path,
) -> anyhow::Result<()> {
    let repo = format!("published/{}", project.name);
    let runs = summary["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_repo: Vec<&Value> = runs.iter().filter(|r| r["repository"] == repo.as_str()).collect();
    assert_eq!(of_repo.len(), 1, "{}: one workflow, one run", project.name);
    let jobs = of_repo[0]["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found: BTreeMap<&str, &Value> =
        jobs.iter().filter_map(|j| Some((j["key"].as_str()?, j))).collect();
    let there: Vec<&str> = found.keys().copied().collect();
    let mut expected: Vec<&str> = project.legs.iter().map(|leg| leg.0).collect();
    expected.sort_unstable();
    assert_eq!(there, expected, "{}: the legs", project.name);
    let leg = |key: &str| -> anyhow::Result<Leg<'_>> {
        let job = found[key];
        let file = job["log"].as_str().unwrap_or_default();
        let place = Path::new(summary["output_dir"].as_str().unwrap_or_default()).join(file);
        let log = if file.is_empty() { String::new() } else { std::fs::read_to_string(place)? };
        Ok(Leg { what: format!("{} · {key}", project.name), job, log })
    };
    for (key, end) in project.legs {
        leg(key)?.check(end, machine, dir)?;
    }
    let Some((start, lines)) = project.by_hand else { return Ok(()) };
    let minor: String = machine.python.split('.').take(2).collect();
    let start = start.replace("{python}", &minor);
    let Some(key) = there.iter().find(|key| key.starts_with(&start)) else { return Ok(()) };
    let leg = leg(key)?;
    if leg.ended().0 == "success" {
        let by_hand = verdicts_by_hand(dir, lines)?;
        assert!(!by_hand.is_empty(), "{}: no tests by hand", leg.what);
        assert_eq!(verdicts(&leg.log), by_hand, "{}", leg.what);
        println!("{}: {} by hand too", leg.what, by_hand.join(", "));
    }
    Ok(())
}

#[test]
fn their_own_workflow_files_end_as_they_must() -> anyhow::Result<()> {
    let (work, hand) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let machine = Machine::look(hand.path())?;
    println!("{machine:?}");
    let mut projects = Vec::new();
    for project in PROJECTS {
        let Some(dir) = fetch(project, work.path())? else { continue };
        git_init_on(&dir, project.branch)?;
        projects.push(project);
    }
    if projects.is_empty() {
        gantry_testkit::skip("no registry is in reach");
        return Ok(());
    }
    let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let sysroot = String::from_utf8(sysroot.stdout)?;
    let hub = hub_file(&projects, sysroot.trim());
    std::fs::write(work.path().join("gantry.yaml"), &hub)?;
    let gantry = Gantry::new()?;
    let hub = work.path().to_string_lossy().into_owned();
    let called = gantry.call(&["run", "--json", "--hub", &hub])?;
    println!("{}", called.stderr);
    assert_eq!(called.code, 1, "some fail, as they must; the hub does not");
    let summary: Value = serde_json::from_str(&called.stdout)?;
    for project in projects {
        let Some(dir) = fetch(project, hand.path())? else { continue };
        check_project(project, &summary, &machine, &dir)?;
    }
    Ok(())
}
