//! The example fleet from one command, without any network: green on every runtime, and broken where it is
//! asked to break; what it leaves on disk is what it says.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use gantry_e2e::gantry::{Called, Gantry};
use gantry_e2e::leftovers;
use gantry_e2e::published::run;
use serde_json::Value;

/// The folder with the example fleet, prepared.
fn fleet() -> anyhow::Result<PathBuf> {
    let root = gantry_testkit::checkout();
    run(&mut Command::new(root.join("examples/prepare")))?;
    Ok(root.join("examples"))
}

/// Whether this process may make a network namespace.
fn no_network_possible() -> bool {
    let possible = Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|s| s.success());
    if !possible {
        gantry_testkit::skip("no network namespace can be made here (not root?)");
    }
    possible
}

/// Runs the fleet in a network namespace that has a loopback device and nothing else.
fn run_fleet(gantry: &Gantry, more: &[&str]) -> anyhow::Result<Called> {
    let hub = fleet()?;
    let program = gantry.command(&[]).get_program().to_owned();
    let out = Command::new("unshare")
        .args(["-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(program)
        .args(["run", "--hub"])
        .arg(hub)
        .args(more)
        .env("GANTRY_DATA_DIR", gantry.data())
        .stdin(Stdio::null())
        .output()?;
    let called = Called {
        code: out.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
    };
    println!("{}\n{}", called.stdout, called.stderr);
    Ok(called)
}

/// Every record of one kind, each of which its schema takes.
fn valid(gantry: &Gantry, kind: &str, schema: &str) -> anyhow::Result<Vec<Value>> {
    let file = gantry_testkit::checkout().join("docs/reference").join(schema);
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let schema = jsonschema::validator_for(&schema)?;
    let records = gantry.telemetry(kind)?;
    for record in &records {
        let errors: Vec<String> = schema.iter_errors(record).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}\n{record:#}", errors.join("\n"));
    }
    Ok(records)
}

/// `repo status fault` of every run, sorted.
fn endings(runs: &[Value]) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    let mut all: Vec<String> = runs
        .iter()
        .map(|r| format!("{} {} {}", text(&r["repo"]), text(&r["status"]), text(&r["fault"])))
        .collect();
    all.sort();
    all
}

const GREEN: [&str; 4] = [
    "example/greeter success -",
    "example/handbook success -",
    "example/textkit success -",
    "example/textkit-py success -",
];

/// The one directory of results.
fn results(gantry: &Gantry) -> anyhow::Result<PathBuf> {
    let mut dirs = std::fs::read_dir(gantry.data().join("runs"))?.collect::<Result<Vec<_>, _>>()?;
    assert_eq!(dirs.len(), 1, "{dirs:?}");
    Ok(dirs.remove(0).path())
}

/// Every refused connection of every job, as the summary on disk has it.
fn denials(gantry: &Gantry) -> anyhow::Result<String> {
    let file = results(gantry)?.join("summary.json");
    let summary: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let runs = summary["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let jobs = runs.iter().filter_map(|run| run["jobs"].as_array()).flatten();
    Ok(jobs.map(|job| job["denials"].to_string()).collect())
}

#[test]
fn the_fleet_is_green_without_any_network() -> anyhow::Result<()> {
    if !no_network_possible() {
        return Ok(());
    }
    let gantry = Gantry::new()?;
    let called = run_fleet(&gantry, &[])?;
    assert_eq!(called.code, 0);
    let runs = valid(&gantry, "pipeline_run", "pipeline_run.v1.2.schema.json")?;
    let jobs = valid(&gantry, "job", "job.v1.schema.json")?;
    assert_eq!(endings(&runs), GREEN);
    assert_eq!(jobs.len(), 8);
    let of = |repo: &str| runs.iter().find(|r| r["repo"] == repo).expect("a record");
    assert_eq!(of("example/textkit")["tests"]["total"], 10);
    assert_eq!(of("example/greeter")["tests"]["skipped"], 1);
    assert!(of("example/textkit-py")["artifact_bytes"].as_u64() > Some(0));
    assert!(jobs.iter().all(|j| j.to_string().contains("cpu")), "{jobs:#?}");

    assert_eq!(of("example/handbook")["egress_denials"], 3);
    let denials = denials(&gantry)?;
    assert!(denials.contains("tracker.example.net"), "{denials}");
    assert!(denials.contains("169.254.169.254"), "{denials}");
    assert!(called.stdout.contains("denied connections:"));

    let dir = results(&gantry)?;
    let artifact = dir.join("artifacts/textkit/textkit/libtextkit.so");
    assert!(std::fs::metadata(&artifact)?.len() > 1_000, "{}", artifact.display());
    for (log, line) in [
        ("textkit/package.log", "Artifact `textkit`"),
        ("textkit-py/test.log", "Ran 5 tests"),
        ("greeter/integration.log", "kvd: ready on port 7070"),
        ("handbook/network.log", "169.254.169.254: refused"),
    ] {
        let text = std::fs::read_to_string(dir.join("log").join(log))?;
        assert!(text.contains(line), "{log}:\n{text}");
    }
    assert_eq!(leftovers::of(gantry.data(), &[].into())?, [].into());
    Ok(())
}

#[test]
fn the_fleet_breaks_where_it_is_asked_to_and_only_there() -> anyhow::Result<()> {
    if !no_network_possible() {
        return Ok(());
    }
    let gantry = Gantry::new()?;
    let called = run_fleet(&gantry, &["--event", "workflow_dispatch", "--input", "break=true"])?;
    assert_eq!(called.code, 1);
    let runs = valid(&gantry, "pipeline_run", "pipeline_run.v1.2.schema.json")?;
    assert_eq!(
        endings(&runs),
        [
            "example/greeter skipped upstream",
            "example/handbook success -",
            "example/textkit success -",
            "example/textkit-py failed user",
        ]
    );
    let broken = runs.iter().find(|r| r["repo"] == "example/textkit-py").expect("a record");
    assert_eq!(broken["tests"]["failed"], 1);
    for told in ["AssertionError: 2 != 3", "upstream `example/textkit-py` failed"] {
        assert!(called.stdout.contains(told), "`{told}` is not told");
    }
    Ok(())
}

/// The green fleet on another runtime.
fn on_runtime(name: &str) -> anyhow::Result<()> {
    if !gantry_testkit::program(name) || !no_network_possible() {
        return Ok(());
    }
    let gantry = Gantry::new()?;
    let called = run_fleet(&gantry, &["--runtime", name])?;
    if called.code == 3 && called.stderr.contains("too old for today's programs") {
        // Refused for the reason that the doctor gives, with the way out.
        let doctor = gantry.json(&["doctor", "--json"])?;
        let checks = doctor["checks"].as_array().expect("checks");
        let check = checks.iter().find(|c| c["name"] == format!("runtime {name}").as_str());
        let check = check.expect("a check of the runtime");
        assert_eq!(check["status"], "warn", "{check:#}");
        let remedy = check["remedy"].as_str().unwrap_or_default();
        assert!(remedy.contains("install a newer one"), "{check:#}");
        gantry_testkit::skip(format!("the fleet on {name}: {}", check["found"]));
        return Ok(());
    }
    assert_eq!(called.code, 0);
    let runs = gantry.telemetry("pipeline_run")?;
    assert_eq!(endings(&runs), GREEN);
    let denials = denials(&gantry)?;
    assert!(denials.contains("tracker.example.net"), "{denials}");
    assert_eq!(leftovers::of(gantry.data(), &[].into())?, [].into());
    Ok(())
}

#[test]
fn the_fleet_is_green_on_runc() -> anyhow::Result<()> {
    on_runtime("runc")
}

#[test]
fn the_fleet_is_green_on_crun() -> anyhow::Result<()> {
    on_runtime("crun")
}

#[test]
fn the_fleet_is_green_on_runsc() -> anyhow::Result<()> {
    on_runtime("runsc")
}
