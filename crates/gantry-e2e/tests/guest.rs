//! `gantry run` on a machine that has control groups of version 2 alone, emulated: limits hold and are told apart, usage is
//! in the records, nothing is left; and what an ordinary user is told there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gantry_e2e::gantry::Gantry;
use serde_json::Value;

const CI: &str = r#"on: push
jobs:
  works:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python3 -c 'x = bytearray(64 << 20); print(sum(range(10 ** 6)))' && cat here.txt
      - run: setsid sleep 1000 >/dev/null 2>&1 &
      - run: if mkdir /sys/fs/cgroup/mine; then exit 1; fi
  bomb:
    runs-on: ubuntu-latest
    steps:
      - run: python3 -c 'x = bytearray(1 << 30)'
  crowd:
    runs-on: ubuntu-latest
    steps:
      - run: |
          for n in $(seq 200); do sleep 1000 >/dev/null 2>&1 & done
"#;

const HUB: &str = "\
org_defaults:
  limits: { memory: 256MiB, pids: 64 }
repos:
  app:
    source: ./app
    owner: v2
";

const RUN: &str = r#"#!/bin/sh
cp -r /payload/hub /root/hub; cd /root
export GANTRY_DATA_DIR=/var/lib/gantry
/payload/gantry run --hub /root/hub --jobs 1; echo "code: $?"
/payload/gantry run --hub /root/hub --job works --runtime runc; echo "code on runc: $?"
cat /var/lib/gantry/runs/*/telemetry/job.ndjson | sed 's/^/record: /'
echo "groups left: $(find /sys/fs/cgroup/gantry -mindepth 1 -type d | xargs)"
echo "processes left: $(pgrep -x sleep | xargs)"
mkdir /tmp/nobody; chown 65534 /tmp/nobody
setpriv --reuid 65534 --regid 65534 --clear-groups /payload/gantry doctor --data-dir /tmp/nobody; echo "code of nobody: $?"
"#;

fn payload() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::copy(Gantry::new()?.command(&[]).get_program(), at("gantry"))?;
    std::fs::create_dir_all(at("hub/app/.github/workflows"))?;
    std::fs::write(at("hub/app/.github/workflows/ci.yml"), CI)?;
    std::fs::write(at("hub/app/here.txt"), "here\n")?;
    std::fs::write(at("hub/gantry.yaml"), HUB)?;
    std::fs::write(at("run"), RUN)?;
    for path in [folder.path(), &at("run") as &Path] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

#[test]
fn jobs_are_limited_and_measured_on_control_groups_v2() -> anyhow::Result<()> {
    let folder = payload()?;
    let Some(said) = gantry_testkit::guest(folder.path()) else { return Ok(()) };
    let records: Vec<Value> = said
        .lines()
        .filter_map(|line| line.strip_prefix("record: "))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let of = |key: &str| records.iter().filter(|r| r["key"] == key).collect::<Vec<_>>();
    assert!(said.contains("code: 1\n") && said.contains("code on runc: 0\n"));
    let (works, bomb, crowd) = (of("works"), of("bomb"), of("crowd"));
    assert_eq!((works.len(), bomb.len(), crowd.len()), (2, 1, 1));
    for job in works {
        assert_eq!(job["status"], "success", "{job:#}");
        assert!(job["usage"]["memory_peak_bytes"].as_u64() > Some(64 << 20), "{job:#}");
        assert!(job["usage"]["cpu_seconds"].as_f64() > Some(0.0), "{job:#}");
    }
    assert_eq!((&bomb[0]["status"], &bomb[0]["fault"]), (&"failed".into(), &"user".into()));
    assert!(bomb[0].to_string().contains("memory"), "{:#}", bomb[0]);
    assert_eq!(crowd[0]["status"], "failed");
    assert!(said.contains("groups left: \n") && said.contains("processes left: \n"));
    assert!(said.contains("not root; this kernel") && said.contains("not delegated"));
    assert!(said.contains("code of nobody: 3\n"));
    Ok(())
}
