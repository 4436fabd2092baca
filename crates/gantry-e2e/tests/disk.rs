//! The disk of the data directory is full: before a run, and because of one. Either way it is said with
//! place and remedy, nothing is corrupt, nothing is left, and the next run with room is green.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantry_e2e::gantry::Gantry;
use gantry_e2e::leftovers;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Size of the small disk, in bytes: room for what every sandbox sees of the binary, not for the log.
const SMALL: u64 = 256 << 20;
/// Its size once somebody has made room.
const LARGE: u64 = 1 << 30;
/// Longest time until nothing is left.
const PATIENCE: Duration = Duration::from_secs(20);

const CI: &str = "on: push
jobs:
  talk:
    runs-on: ubuntu-latest
    steps:
      - run: echo first line
      - name: Fill
        run: test \"$MODE\" != fill || yes 'a line that fills the disk' | head -c 400000000
";

/// A tmpfs over a data directory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn over(dir: &Path) -> Self {
        let disk = Self(dir.to_owned());
        disk.set(SMALL, MsFlags::empty());
        disk
    }

    fn set(&self, bytes: u64, flags: MsFlags) {
        let options = format!("size={bytes},mode=0755");
        mount(Some("small"), &self.0, Some("tmpfs"), flags, Some(options.as_str())).expect("mount");
    }

    fn enlarge(&self) {
        self.set(LARGE, MsFlags::MS_REMOUNT);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).expect("unmount");
    }
}

struct Place {
    hub: tempfile::TempDir,
    disk: SmallDisk,
    gantry: Gantry,
}

impl Place {
    /// `None` where nothing can be mounted.
    fn new() -> Option<Self> {
        if !gantry_testkit::root_for("mounting a small disk") {
            return None;
        }
        let hub = tempfile::tempdir().expect("a temporary folder");
        let gantry = Gantry::new().expect("the binary");
        let disk = SmallDisk::over(gantry.data());
        let place = Self { hub, disk, gantry };
        std::fs::create_dir_all(place.hub.path().join("app/.github/workflows")).expect("folders");
        place.write("app/.github/workflows/ci.yml", CI);
        place.mode("quiet");
        Some(place)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.hub.path().join(name), text).expect("a file");
    }

    fn mode(&self, mode: &str) {
        let text = format!("org: acme\nrepos:\n  app: {{source: ./app, env: {{MODE: {mode}}}}}\n");
        self.write("gantry.yaml", &text);
    }

    fn run(&self) -> gantry_e2e::gantry::Called {
        let hub = self.hub.path().to_str().expect("UTF-8");
        self.gantry.call(&["run", "--hub", hub]).expect("it starts")
    }

    fn assert_told(&self, called: &gantry_e2e::gantry::Called) {
        assert_eq!(called.code, 4, "{called:?}");
        let place = self.gantry.data().display().to_string();
        for part in ["is full", place.as_str(), "free disk space", "--data-dir"] {
            assert!(called.stderr.contains(part), "no `{part}` in {}", called.stderr);
        }
    }

    fn assert_nothing_left(&self) {
        let left = leftovers::after(self.gantry.data(), &BTreeSet::new(), PATIENCE).expect("look");
        // The disk itself is mounted there.
        assert!(left.iter().all(|l| l.starts_with("mount ")), "{left:#?}");
    }
}

#[test]
fn a_disk_that_is_full_before_the_run() {
    let Some(place) = Place::new() else { return };
    let filler = place.gantry.data().join("filler");
    std::fs::write(&filler, vec![1u8; (SMALL - (1 << 20)) as usize]).expect("fill");
    place.assert_told(&place.run());
    place.assert_nothing_left();
    std::fs::remove_file(filler).expect("make room");
    let next = place.run();
    assert_eq!(next.code, 0, "{next:?}");
}

#[test]
fn a_disk_that_a_run_fills() {
    let Some(place) = Place::new() else { return };
    place.mode("fill");
    place.assert_told(&place.run());
    place.assert_nothing_left();
    let runs = place.gantry.json(&["runs", "list", "--json"]).expect("the store is readable");
    assert_eq!(runs[0]["state"], "finished");
    assert_eq!(runs[0]["verdict"]["fault"], "infra");
    let logs = place.gantry.call(&["runs", "logs", "last"]).expect("the log is readable");
    assert!(logs.stdout.contains("first line"), "{logs:?}");
    place.disk.enlarge();
    place.mode("quiet");
    let next = place.run();
    assert_eq!(next.code, 0, "{next:?}");
    place.assert_nothing_left();
}
