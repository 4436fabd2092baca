//! What whoever keeps a hub does with it: backups, the doctor, the units of systemd.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::world::{World, masked};

#[test]
fn a_hub_is_backed_up_while_it_runs_and_goes_on_from_the_backup() {
    if !gantry_testkit::program("git") {
        return;
    }
    let world = World::new();
    let mut hub = world.serve("127.0.0.1:0", "0");
    world.login(&hub);
    world.wait_for(&["events", "list"], |events| events[0]["decided_at"].is_string());
    world.ok(&["dispatch", "acme/app", "ci.yml"]);
    let file = world.path("hub.tar.zst");
    let file = file.to_str().expect("UTF-8");
    let data = world.path("data");
    let data = data.to_str().expect("UTF-8");
    let said = world.ok(&["backup", file, "--data-dir", data]);
    assert!(said.contains("records and") && said.contains(" file"), "{said}");
    let mode = std::fs::metadata(file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, _, err) = world.gantry(&["backup", file, "--data-dir", data]);
    assert!(code == 2 && err.contains("not there yet"), "{err}");
    let (code, _, err) = world.gantry(&["restore", file, "--data-dir", data]);
    assert!(code == 2 && err.contains("new directory"), "{err}");
    let (code, _, err) = world.gantry(&["restore", "/etc/hostname", "--data-dir", "elsewhere"]);
    assert!(code == 2 && err.contains("no backup, or a damaged one"), "{err}");
    hub.kill();

    std::fs::rename(data, world.path("old")).expect("renamed");
    let said = world.ok(&["restore", file, "--data-dir", data]);
    assert!(said.contains("goes on with what was unfinished"), "{said}");
    let address = hub.address().to_owned();
    let _hub = world.serve(&address, "0");
    // The same token, the same run that still waits.
    world.wait_for(&["runs", "list", "--remote"], |runs| runs[0]["repository"] == "acme/app");
    world.wait_for(&["queue"], |items| items[0]["state"] == "queued");
}

#[test]
fn the_doctor_says_whether_a_hub_can_serve() {
    let world = World::new();
    let hub = world.path("fleet");
    std::fs::create_dir_all(&hub).expect("a folder");
    std::fs::write(
        hub.join("gantry.yaml"),
        "org: acme\nrepos: { app: { source: { git: 'https://a/b' } } }\n",
    )
    .expect("a file");
    let hub = hub.to_str().expect("UTF-8");
    let asked = ["doctor", "--server", "--data-dir", "fresh", "--hub", hub];
    let (code, out, err) = world.gantry(&asked);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("1 repository, 0 forges") && out.ends_with("a hub can serve here\n"),
        "{out}"
    );
    let mut with = world.command(&asked);
    with.env("GANTRY_DATABASE_URL", "postgres://nobody:hunter2@127.0.0.1:1/none").arg("--json");
    let said = with.output().expect("the binary starts");
    let text = String::from_utf8_lossy(&said.stdout);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((said.status.code(), &value["can_serve"]), (Some(4), &false.into()), "{text}");
    let checks = value["checks"].as_array().expect("checks");
    let failed: Vec<_> = checks.iter().filter(|c| c["status"] == "fail").collect();
    assert!(failed.len() == 1 && failed[0]["name"] == "store", "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let (code, out, _) = world.gantry(&["doctor", "--server", "--data-dir", "/proc/none"]);
    assert!(code == 4 && masked(&out).contains("FAIL data directory"), "{out}");
}

#[test]
fn the_units_are_understood_by_systemd() {
    if !gantry_testkit::program("systemd-analyze") {
        return;
    }
    let tmp = tempfile::tempdir().expect("a folder");
    let units = gantry_testkit::checkout().join("contrib/systemd");
    for name in ["gantry.service", "gantry-runner.service"] {
        let text = std::fs::read_to_string(units.join(name)).expect(name);
        let unit = tmp.path().join(name);
        // The binary need not be installed for it.
        std::fs::write(&unit, text.replace("/usr/local/bin/gantry", "/bin/true")).expect(name);
        let done = analyze(&["verify", "--man=no"], &unit);
        assert!(done.0 && done.1.is_empty(), "{name}: {}", done.1);
    }
    // Ten is a process with every right; a hub needs next to none.
    let rated = analyze(
        &["security", "--offline=true", "--threshold=20"],
        &tmp.path().join("gantry.service"),
    );
    assert!(rated.0, "{}", rated.1);
}

fn analyze(args: &[&str], unit: &Path) -> (bool, String) {
    let out = Command::new("systemd-analyze").args(args).arg(unit).output().expect("it starts");
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}
