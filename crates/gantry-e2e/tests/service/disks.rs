//! Disks that are full and disks that are slow, under load: the hub says what is wrong, loses nothing, and goes on.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::hub::Hub;
use super::load::{Load, number, seed};

/// Size of the small disk, in bytes.
const SMALL: u64 = 24 << 20;
/// Most deliveries that a full disk may still have room for, in files that have grown before.
const STILL_TAKEN: u32 = 300;
/// Writes that the slow disk makes in a second.
const WRITES: u32 = 40;

/// A tmpfs over a directory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn over(dir: &Path) -> Self {
        let options = format!("size={SMALL},mode=0755");
        mount(Some("small"), dir, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .expect("mount");
        Self(dir.to_owned())
    }

    /// Takes all the room that there is.
    fn fill(&self) -> anyhow::Result<()> {
        let mut file = std::fs::File::options().create(true).append(true).open(self.filler())?;
        while file.write_all(&[1; 4096]).is_ok() {}
        Ok(())
    }

    fn make_room(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).expect("unmount");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_is_told_and_loses_nothing() {
    if !gantry_testkit::root_for("mounting a small disk") {
        return;
    }
    let seed = seed();
    full(seed).await.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

async fn full(seed: u64) -> anyhow::Result<()> {
    let mut load = Load::new(seed)?;
    let mut hub = Hub::new(&load.hub_file(), "127.0.0.1", 0, None)?;
    let disk = SmallDisk::over(&hub.data());
    hub.again().await?;
    load.work_at(&hub.url);
    for _ in 0..number("GANTRY_FAULTS", 2) {
        load.deliver(&hub, 2).await;
        disk.fill()?;
        let mut told = None;
        for _ in 0..STILL_TAKEN {
            disk.fill()?;
            told = load.refused(&hub).await;
            if told.is_some() {
                break;
            }
        }
        let told = told.context("a full disk takes everything")?;
        ensure!(told.status == 507, "{}: {}", told.status, told.body);
        ensure!(told.body.contains("hub/disk-full"), "{}", told.body);
        hub.get("/runs").await.context("what is there can be read")?;
        disk.make_room()?;
    }
    load.end(&hub, "a full disk").await
}

/// A group of processes whose writes to one device are slow; gone with the value.
struct SlowDisk(PathBuf);

impl SlowDisk {
    /// For the device that `path` is on.
    fn under(path: &Path) -> Result<Self, String> {
        let device = disk_of(path).ok_or("it is on no disk of its own")?;
        let name = format!("gantry-slow-{}", std::process::id());
        let old = Path::new("/sys/fs/cgroup/blkio");
        let new = Path::new("/sys/fs/cgroup");
        let (dir, file, text) = if old.is_dir() {
            (old.join(name), "blkio.throttle.write_iops_device", format!("{device} {WRITES}"))
        } else {
            (new.join(name), "io.max", format!("{device} wiops={WRITES}"))
        };
        std::fs::create_dir(&dir).map_err(|e| format!("`{}`: {e}", dir.display()))?;
        let slow = Self(dir);
        let file = slow.0.join(file);
        std::fs::write(&file, text).map_err(|e| format!("`{}`: {e}", file.display()))?;
        Ok(slow)
    }

    fn take(&self, pid: u32) -> anyhow::Result<()> {
        Ok(std::fs::write(self.0.join("cgroup.procs"), pid.to_string())?)
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // Those who were in it have ended, or are moved up.
        if let (Ok(left), Some(up)) =
            (std::fs::read_to_string(self.0.join("cgroup.procs")), self.0.parent())
        {
            for pid in left.lines() {
                let _ = std::fs::write(up.join("cgroup.procs"), pid);
            }
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// `major:minor` of the whole disk that a path is on.
fn disk_of(path: &Path) -> Option<String> {
    let device = std::fs::metadata(path).ok()?.dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let place = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let whole = if place.join("partition").exists() { place.parent()?.to_owned() } else { place };
    Some(std::fs::read_to_string(whole.join("dev")).ok()?.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_slow_loses_nothing() {
    if !gantry_testkit::root_for("making a disk slow") {
        return;
    }
    let seed = seed();
    slow(seed).await.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

async fn slow(seed: u64) -> anyhow::Result<()> {
    let mut load = Load::new(seed)?;
    let mut hub = Hub::new(&load.hub_file(), "127.0.0.1", 0, None)?;
    let disk = match SlowDisk::under(&hub.data()) {
        Ok(disk) => disk,
        Err(reason) => {
            gantry_testkit::skip(format!("a slow disk: {reason}"));
            return Ok(());
        }
    };
    hub.again().await?;
    disk.take(hub.pid().context("it does not run")?)?;
    load.work_at(&hub.url);
    load.deliver(&hub, number("GANTRY_FAULTS", 4)).await;
    // A kill in the middle of a write that takes long.
    hub.kill();
    hub.again().await?;
    disk.take(hub.pid().context("it does not run")?)?;
    load.deliver(&hub, 2).await;
    let done = load.end(&hub, "a slow disk").await;
    hub.kill();
    done
}
