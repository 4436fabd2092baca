//! One story: a data directory on which a small hub runs again and again, with a kill each time.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use gantry_e2e::gantry::Gantry;
use gantry_e2e::leftovers;
use gantry_e2e::processes::{self, Process, Role};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::check;

/// Longest time that a run may take to end by itself, on a machine that is busy with much else.
const RUN_PATIENCE: Duration = Duration::from_secs(240);
/// Longest time until nothing is left, likewise.
const CLEAN_PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks for a victim.
const PAUSE: Duration = Duration::from_millis(2);

const HUB: &str = "org: acme
repos:
  lib: {source: ./lib}
  app: {source: ./app, depends_on: [lib]}
";
const LIB: &str = "name: CI
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    strategy: {matrix: {leg: [a, b]}}
    steps:
      - name: Count
        run: |
          setsid sleep 600 >/dev/null 2>&1 &
          for i in $(seq 25); do echo \"build ${{ matrix.leg }} line $i\"; sleep 0.01; done
      - name: Make
        run: mkdir out; head -c 1000000 /dev/urandom > out/big; echo content > out/small
      - uses: actions/upload-artifact@v4
        with: {name: 'out-${{ matrix.leg }}', path: out}
      - run: echo end of build
";
const APP: &str = "name: CI
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        with: {name: out-a, path: up}
      - name: Count
        run: |
          test \"$(cat up/small)\" = content
          for i in $(seq 25); do echo \"test line $i\"; sleep 0.01; done
  after:
    needs: test
    runs-on: ubuntu-latest
    steps:
      - run: for i in $(seq 10); do echo \"after line $i\"; done
";

/// A seeded sequence of numbers (SplitMix64, Steele, Lea and Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Hub,
    Runner,
    Helper,
    Init,
    All,
}

const VICTIMS: [Victim; 5] =
    [Victim::Hub, Victim::Runner, Victim::Helper, Victim::Init, Victim::All];

/// A started `gantry run`.
struct Started {
    child: Child,
    begun: Instant,
}

pub struct Story {
    name: u64,
    gantry: Gantry,
    hub: tempfile::TempDir,
    random: Random,
    /// Names of all sandboxes that there ever were.
    sandboxes: BTreeSet<String>,
    /// How long a run takes that nobody disturbs.
    length: Duration,
}

impl Story {
    pub fn new(name: u64, random: Random) -> Self {
        let hub = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in [
            ("gantry.yaml", HUB),
            ("lib/.github/workflows/ci.yml", LIB),
            ("app/.github/workflows/ci.yml", APP),
        ] {
            let path = hub.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let gantry = Gantry::new().expect("the binary");
        Self { name, gantry, hub, random, sandboxes: BTreeSet::new(), length: Duration::ZERO }
    }

    /// Kills `kills` times.
    pub fn run(mut self, kills: u64) -> anyhow::Result<()> {
        let mut first = self.start()?;
        let code = wait(&mut first.child)?;
        self.length = first.begun.elapsed();
        ensure!(code == Some(0), "the undisturbed run ends with {code:?}: {}", self.output());
        let mut done = 0;
        while done < kills {
            // Each victim in turn, so that a short series has them all.
            let victim = VICTIMS[((self.name + done) % 5) as usize];
            let delay = self.random.below(self.length.as_micros() as u64);
            let delay = Duration::from_micros(delay);
            let said = |e: anyhow::Error, story: &Self| {
                e.context(format!(
                    "story {}, kill {done}: {victim:?} after {delay:?}\n{}",
                    story.name,
                    story.output()
                ))
            };
            match self.one(victim, delay) {
                Ok(hit) => done += u64::from(hit),
                Err(e) => return Err(said(e, &self)),
            }
        }
        Ok(())
    }

    /// One run with one kill; whether there was somebody to kill.
    fn one(&mut self, victim: Victim, delay: Duration) -> anyhow::Result<bool> {
        let before = check::newest_submission(&self.gantry)?;
        let mut started = self.start()?;
        while started.begun.elapsed() < delay && started.child.try_wait()?.is_none() {
            std::thread::sleep(PAUSE.min(delay.saturating_sub(started.begun.elapsed())));
        }
        let struck = self.strike(victim, &mut started.child)?;
        let code = wait(&mut started.child)?;
        // A signal also reaches a process that has just ended by itself and is not reaped yet: that is a miss.
        let hub = matches!(victim, Victim::Hub | Victim::All);
        let hit = struck && !(hub && code.is_some());
        if !hit {
            // A machine that was busier before would make most later kills miss.
            self.length = started.begun.elapsed();
        }
        let dies = hit && hub;
        ensure!(code.is_none() == dies, "`gantry run` ended with {code:?}");
        if victim != Victim::All {
            self.no_process_is_left().context("before the next start")?;
        }
        if dies && self.random.below(4) == 0 {
            // A run is the next start instead of a look at what ran.
            let next = self.gantry.call(&self.args(&["--repo", "lib"]))?;
            ensure!(next.code == 0, "the next run: {next:?}");
            self.nothing_is_left().context("after the next run")?;
            check::all_ended(&self.gantry)?;
            return Ok(hit);
        }
        let now = check::newest_submission(&self.gantry)?;
        check::all_ended(&self.gantry)?;
        let shown = std::fs::read_to_string(self.gantry.data().join("shown"))?;
        if let Some(submission) = now.filter(|now| before.as_ref() != Some(now)) {
            let seen = check::submission(&self.gantry, &submission, &shown)?;
            self.sandboxes.extend(seen.sandboxes);
            ensure!(
                dies || code == Some(seen.exit),
                "exit code {code:?}, the runs say {}",
                seen.exit
            );
        } else {
            ensure!(!shown.contains(" · "), "lines were shown of a run that is not stored");
            ensure!(dies, "the run is not stored");
        }
        self.nothing_is_left().context("after the next start")?;
        Ok(hit)
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let hub = self.hub.path().to_str().expect("UTF-8");
        [&["run", "--hub", hub], more].concat()
    }

    /// Starts a run in a process group of its own; what it shows goes to a file.
    fn start(&self) -> anyhow::Result<Started> {
        let file = |name: &str| std::fs::File::create(self.gantry.data().join(name));
        let mut command = self.gantry.command(&self.args(&[]));
        command.process_group(0).stdout(file("shown")?).stderr(file("complaints")?);
        Ok(Started { child: command.spawn()?, begun: Instant::now() })
    }

    fn output(&self) -> String {
        let read = |name: &str| {
            let text = std::fs::read_to_string(self.gantry.data().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(25)..].join("\n")
        };
        format!("{}\n{}", read("shown"), read("complaints"))
    }

    /// Kills, once there is somebody to kill; `false` when the run ended before.
    fn strike(&mut self, victim: Victim, child: &mut Child) -> anyhow::Result<bool> {
        loop {
            self.sandboxes.extend(leftovers::sandbox_names(self.gantry.data()));
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            let all = processes::of(self.gantry.data())?;
            let of =
                |role: Role| -> Vec<&Process> { all.iter().filter(|p| p.role == role).collect() };
            let chosen = match victim {
                Victim::Hub | Victim::All => of(Role::Command),
                Victim::Runner => of(Role::Runner),
                Victim::Helper => of(Role::Helper),
                Victim::Init => of(Role::Init),
            };
            if chosen.is_empty() {
                std::thread::sleep(PAUSE);
                continue;
            }
            if victim == Victim::All {
                // Those may have ended meanwhile, which is what is wanted.
                let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
                for process in &all {
                    let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
                }
                return Ok(true);
            }
            let chosen = chosen[self.random.below(chosen.len() as u64) as usize];
            if kill(Pid::from_raw(chosen.pid), Signal::SIGKILL).is_ok() {
                return Ok(true);
            }
        }
    }

    fn no_process_is_left(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let left = processes::of(self.gantry.data())?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(start.elapsed() < CLEAN_PATIENCE, "processes are left: {left:#?}");
            std::thread::sleep(PAUSE);
        }
    }

    fn nothing_is_left(&self) -> anyhow::Result<()> {
        let left = leftovers::after(self.gantry.data(), &self.sandboxes, CLEAN_PATIENCE)?;
        ensure!(left.is_empty(), "left: {left:#?}\n{}", runner_log(self.gantry.data()));
        Ok(())
    }
}

/// The newest runner's own log.
fn runner_log(data: &Path) -> String {
    let runs = std::fs::read_dir(data.join("runs")).into_iter().flatten().flatten();
    let newest = runs.map(|e| e.path()).max();
    newest.and_then(|d| std::fs::read_to_string(d.join("log/runner.log")).ok()).unwrap_or_default()
}

/// The exit code; `None` when a signal ended it.
fn wait(child: &mut Child) -> anyhow::Result<Option<i32>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if start.elapsed() > RUN_PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("`gantry run` did not end within {RUN_PATIENCE:?}");
        }
        std::thread::sleep(PAUSE);
    }
}
