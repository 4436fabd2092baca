//! Benchmarks: whole commands of the release binary, beside a peer or a limit measured in the same run.
//!
//! Nothing here judges; it prints figures and ratios. `docs/operate/performance.md` says what they mean.

mod child;
mod figures;
mod hub;
mod language;
mod linters;
mod peers;
mod story;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};

use figures::{median, percentile, print};
use story::{Story, queued_and_placed, span_seconds};

/// Jobs of one round, and rounds; ours and the peers' take turns.
const NOOP_JOBS: usize = 64;
const NOOP_ROUNDS: usize = 3;
const PARALLEL: usize = 4;
const STEPS: usize = 100;
/// Jobs that each wait for the one before, so that each meets an idle runner.
const CHAIN: usize = 50;
const STARTS: usize = 10;
const LOG_BYTES: usize = 256 << 20;

/// Builds the release binary and prints every figure, or those of one part: `jobs`, `workflow` or `hub`.
///
/// # Errors
/// When something cannot be built or a run does not end well.
pub(crate) fn run(root: &Path, args: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (jobs, workflow, hub) = match words.as_slice() {
        [] => (true, true, true),
        ["jobs"] => (true, false, false),
        ["workflow"] => (false, true, false),
        ["hub", parts @ ..] if parts.iter().all(|p| hub::PARTS.contains(p)) => (false, false, true),
        [child::WORD, program, args @ ..] => return child::run(program, args),
        [hub::reads::WORD] => return hub::reads::serve_nothing(),
        [hub::WORD, gantry, parts @ ..] => return hub::run(Path::new(gantry), parts),
        _ => anyhow::bail!(
            "`{}` is no part of the benchmarks: `jobs`, `workflow`, `hub` (of it {})",
            args.join(" "),
            hub::PARTS.join(", ")
        ),
    };
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let release = target.join("release");
    build(root, &["--package", "gantry"])?;
    println!("{:<46} {:>10} {:<7} {:>10} {:>8}   beside", "figure", "here", "", "beside", "ratio");
    if workflow {
        build(root, &["--package", "gantry-workflow", "--example", "rate"])?;
        language::run(root, &release)?;
    }
    if jobs {
        let bench = Bench::new(release.join("gantry"))?;
        bench.start_up()?;
        bench.no_op_jobs()?;
        bench.dispatch()?;
        bench.steps()?;
        bench.log_throughput()?;
        bench.idle_memory()?;
    }
    if hub {
        build(root, &["--package", "xtask"])?;
        let parts = words.get(1..).unwrap_or_default();
        // The generator must not be the bottleneck: this program again, built for speed.
        let mut generator = Command::new(release.join("xtask"));
        let done = generator
            .args(["bench", hub::WORD])
            .arg(release.join("gantry"))
            .args(parts)
            .status()?;
        ensure!(done.success(), "the hub's part failed");
    }
    Ok(())
}

fn build(root: &Path, what: &[&str]) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    let built = cargo.args(["build", "--release"]).args(what).current_dir(root).status()?;
    ensure!(built.success(), "the release build failed");
    Ok(())
}

struct Bench {
    gantry: PathBuf,
    work: PathBuf,
}

impl Bench {
    fn new(gantry: PathBuf) -> anyhow::Result<Self> {
        let work = std::env::temp_dir().join(format!("gantry-bench-{}", std::process::id()));
        std::fs::create_dir_all(&work)?;
        Ok(Self { gantry, work })
    }

    fn story(&self, name: &str, workflow: &str) -> anyhow::Result<Story> {
        Story::new(&self.gantry, &self.work, name, workflow)
    }

    /// From the command until hub and runner are up, know each other, and the first job is placed.
    fn start_up(&self) -> anyhow::Result<()> {
        let job = "  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: 'true' }]\n";
        let story = self.story("start", &format!("on: push\njobs:\n{job}"))?;
        story.run(&[])?;
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
            story.run(&[])?;
            let (_, placed) = queued_and_placed(story.jobs()?.first().context("no job")?);
            times.push((placed - figures::of_day(began)) * 1e3);
        }
        print(
            "start: command until its first job is placed",
            median(&mut times),
            "ms",
            150.0,
            "goal",
        );
        Ok(())
    }

    fn no_op_jobs(&self) -> anyhow::Result<()> {
        let legs: Vec<String> = (0..NOOP_JOBS).map(|n| n.to_string()).collect();
        let story = self.story(
            "noop",
            &format!(
                "on: push\njobs:\n  noop:\n    runs-on: ubuntu-latest\n    strategy: {{ matrix: {{ n: [{}] }} }}\n    steps: [{{ run: 'true' }}]\n",
                legs.join(", ")
            ),
        )?;
        let peers = peers::installed(&self.work)?;
        let mut ours = Vec::new();
        let mut theirs = vec![Vec::new(); peers.len()];
        for _ in 0..NOOP_ROUNDS {
            story.run(&["--jobs", &PARALLEL.to_string()])?;
            let jobs = story.jobs()?;
            ensure!(jobs.len() == NOOP_JOBS, "{} of {NOOP_JOBS} jobs are stored", jobs.len());
            ours.push(NOOP_JOBS as f64 / span_seconds(&jobs)?);
            for (peer, rates) in peers.iter().zip(&mut theirs) {
                rates.push(peer.rate(NOOP_JOBS, PARALLEL)?);
            }
        }
        let (what, rate) = (format!("no-op sandboxed jobs, {PARALLEL} at once"), median(&mut ours));
        if peers.is_empty() {
            print(&what, rate, "jobs/s", f64::NAN, "neither runc nor crun is installed");
        }
        for (peer, rates) in peers.iter().zip(&mut theirs) {
            let name = format!("bare `{} run true`", peer.runtime);
            print(&what, rate, "jobs/s", median(rates), &name);
        }
        Ok(())
    }

    /// From the stored time at which a job was queued to the time that its step's first instruction reads.
    fn dispatch(&self) -> anyhow::Result<()> {
        let mut workflow = "on: push\njobs:\n".to_owned();
        for n in 0..CHAIN {
            let needs = if n == 0 { String::new() } else { format!("    needs: j{}\n", n - 1) };
            write!(
                workflow,
                "  j{n}:\n    runs-on: ubuntu-latest\n{needs}    steps: [{{ run: 'echo $EPOCHREALTIME' }}]\n"
            )?;
        }
        let story = self.story("chain", &workflow)?;
        story.run(&[])?;
        let (jobs, lines) = (story.jobs()?, story.lines()?);
        let (mut until_placed, mut until_step) = (Vec::new(), Vec::new());
        // The first job waits for the runner to start.
        for job in jobs.iter().filter(|j| j["key"] != "j0") {
            let (queued, placed) = queued_and_placed(job);
            let said = lines.iter().find(|(key, _)| job["key"] == key.as_str());
            let first: f64 = said.context("a step said nothing")?.1.trim().parse()?;
            until_placed.push((placed - queued) * 1e3);
            until_step.push((figures::of_day(first) - queued) * 1e3);
        }
        ensure!(until_step.len() + 1 == CHAIN, "{} of {CHAIN} jobs are stored", jobs.len());
        print("dispatch: queued until placed, p50", median(&mut until_placed), "ms", f64::NAN, "");
        print(
            "dispatch: queued until the step begins, p50",
            median(&mut until_step),
            "ms",
            25.0,
            "goal",
        );
        print("dispatch: the same, p99", percentile(&mut until_step, 0.99), "ms", 100.0, "goal");
        Ok(())
    }

    fn steps(&self) -> anyhow::Result<()> {
        let steps = "      - run: 'true'\n".repeat(STEPS);
        let story = self.story(
            "steps",
            &format!("on: push\njobs:\n  many:\n    runs-on: ubuntu-latest\n    steps:\n{steps}"),
        )?;
        story.run(&[])?;
        let began = Instant::now();
        story.run(&[])?;
        let wall = began.elapsed().as_secs_f64() * 1e3;
        let jobs = story.jobs()?;
        let job = jobs.first().context("no job")?;
        let total = job["duration_ms"].as_f64().unwrap_or(f64::NAN);
        let mut each: Vec<f64> = job["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|s| s["line"].is_number())
            .filter_map(|s| s["duration_ms"].as_f64())
            .collect();
        ensure!(each.len() == STEPS, "{} of {STEPS} steps are stored", each.len());
        let bare = peers::shell_ms(STEPS)?;
        let mean = each.iter().sum::<f64>() / STEPS as f64;
        print(
            "a no-op step in its job, mean",
            mean,
            "ms",
            bare,
            "fork and exec of bash, no sandbox",
        );
        print("a no-op step in its job, p99", percentile(&mut each, 0.99), "ms", f64::NAN, "");
        print("a run of them, command until exit", wall, "ms", total, "the job alone");
        Ok(())
    }

    fn log_throughput(&self) -> anyhow::Result<()> {
        let script = format!(
            "yes 'a line of an ordinary log, of some eighty characters or so, no more than that' | head -c {LOG_BYTES}"
        );
        let story = self.story(
            "logs",
            &format!("on: push\njobs:\n  talk:\n    runs-on: ubuntu-latest\n    steps:\n      - run: {script}\n"),
        )?;
        story.run(&[])?;
        let jobs = story.jobs()?;
        let ms = jobs.first().and_then(|j| j["duration_ms"].as_f64()).context("no job")?;
        let rate = LOG_BYTES as f64 / 1e6 / (ms / 1e3);
        print("log: written by a step until stored", rate, "MB/s", 100.0, "goal");
        let pipe = peers::pipe_mb_per_second(&self.work, &script, LOG_BYTES)?;
        print("log: written by a step until stored", rate, "MB/s", pipe, "a pipe into a file");
        Ok(())
    }

    /// A run whose one job sleeps: hub and runner have nothing to do.
    fn idle_memory(&self) -> anyhow::Result<()> {
        let story = self.story(
            "idle",
            "on: push\njobs:\n  wait:\n    runs-on: ubuntu-latest\n    steps: [{ run: sleep 4 }]\n",
        )?;
        let mut child = story.command(&["run"]).spawn()?;
        let (mut once, mut plain) = (Vec::new(), Vec::new());
        while child.try_wait()?.is_none() {
            let (pss, rss) = figures::resident_mb(child.id());
            once.push(pss);
            plain.push(rss);
            std::thread::sleep(Duration::from_millis(100));
        }
        ensure!(child.wait()?.success(), "the waiting run failed");
        print(
            "memory: idle hub, runner, helper; shared once",
            median(&mut once),
            "MB",
            50.0,
            "goal",
        );
        print("memory: the same, plain sum", median(&mut plain), "MB", 50.0, "goal");
        Ok(())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.work) {
            eprintln!("cannot remove {}: {e}", self.work.display());
        }
    }
}
