//! Figures of the workflow engine: reading and checking real files, expressions, plans, memory.
//!
//! The files are the workflow files of the crates that Cargo has fetched, and those below `GANTRY_CORPUS_DIR`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::child::{self, Used};
use super::figures::print_rounds;
use super::linters;

/// Rounds of each figure; ours and the peers' take turns.
const ROUNDS: usize = 5;
/// Passes over the files or expressions of one round, in one process.
const OUR_PASSES: usize = 20;
const REFERENCE_PASSES: usize = 2;
/// How often the reference's rate is to be reached.
const GOAL_RATE: f64 = 20.0;
/// 1,000 legs; one matrix has at most 256.
const PLAN_JOBS: usize = 4;
const PLAN_LEGS: usize = 250;
const GOAL_PLAN_MS: f64 = 50.0;

/// Prints every figure; what cannot be measured is named with its reason.
///
/// # Errors
/// When a part of ours does not run.
pub(crate) fn run(root: &Path, release: &Path) -> anyhow::Result<()> {
    let files = corpus()?;
    let bench = Bench {
        root: root.to_owned(),
        gantry: release.join("gantry"),
        rate: release.join("examples/rate"),
        list: files.iter().map(|f| format!("{}\n", f.display())).collect(),
        files,
        reference: or_skip("GitHub's packages", linters::reference(root)),
    };
    println!(
        "# {} workflow files, {} rounds; at the end the least and the most ratio",
        bench.files.len(),
        ROUNDS
    );
    bench.check()?;
    bench.commands()?;
    bench.expressions()?;
    bench.plans()
}

struct Bench {
    root: PathBuf,
    gantry: PathBuf,
    /// Measures within one process.
    rate: PathBuf,
    files: Vec<PathBuf>,
    /// Their paths, one a line.
    list: String,
    /// Where GitHub's packages are.
    reference: Option<PathBuf>,
}

fn or_skip<T>(what: &str, found: anyhow::Result<T>) -> Option<T> {
    found.map_err(|e| println!("SKIPPED {what}: {e:#}")).ok()
}

/// Units per second of one call of the example, or of the reference.
fn rate_of(answer: &Value) -> anyhow::Result<f64> {
    let number = |key: &str| answer[key].as_f64().with_context(|| format!("no `{key}`: {answer}"));
    Ok(number("units")? / number("seconds")?)
}

impl Bench {
    /// Rates of one process that is warm.
    fn check(&self) -> anyhow::Result<()> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rate_of(&self.within("check", OUR_PASSES, &self.list)?)?);
            if let Some(dir) = &self.reference {
                let mut lines = self.cases(true)?;
                writeln!(lines, "{}", json!({"rate": REFERENCE_PASSES}))?;
                theirs.push(rate_of(&self.reference(dir, "oracle/workflow.mjs", &lines)?)?);
            }
        }
        let what = "parse and check in one process";
        print_rounds(what, &ours, "files/s", &theirs, "`@actions/workflow-parser` on Node");
        if !theirs.is_empty() {
            let what = "the same, how often the reference's rate";
            let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(o, t)| o / t).collect();
            print_rounds(what, &ratios, "times", &[GOAL_RATE; ROUNDS], "goal");
        }
        Ok(())
    }

    /// Whole commands over all files: time and memory.
    fn commands(&self) -> anyhow::Result<()> {
        let mut check = Command::new(&self.gantry);
        check.args(["workflow", "check", "--json"]).args(&self.files);
        let mut peers = Vec::new();
        if let Some(dir) = &self.reference {
            let mut node = Command::new("node");
            node.arg(self.fixture("oracle/workflow.mjs")).env("GANTRY_ORACLE_DIR", dir);
            peers.push(("`@actions/workflow-parser` on Node", node, self.cases(false)?));
        }
        if let Some(bin) = or_skip("zizmor and actionlint", linters::linters(&self.root)) {
            let mut zizmor = Command::new(bin.join("zizmor"));
            zizmor.args(["--offline", "--no-progress", "--no-exit-codes", "--format", "json"]);
            peers.push((
                "zizmor, whose audits are others",
                with(zizmor, &self.files),
                String::new(),
            ));
            let mut actionlint = Command::new(bin.join("actionlint"));
            actionlint.args(["-shellcheck=", "-pyflakes="]);
            peers.push((
                "actionlint (the fork on PyPI)",
                with(actionlint, &self.files),
                String::new(),
            ));
        }
        let mut ours: Vec<Used> = Vec::new();
        let mut theirs: Vec<Vec<Used>> = vec![Vec::new(); peers.len()];
        for _ in 0..ROUNDS {
            ours.push(child::measure(&check, "")?);
            for ((_, command, input), used) in peers.iter().zip(&mut theirs) {
                used.push(child::measure(command, input)?);
            }
        }
        let walls = |used: &[Used]| used.iter().map(|u| u.wall_ms).collect::<Vec<_>>();
        let peaks = |used: &[Used]| used.iter().map(|u| u.peak_mb).collect::<Vec<_>>();
        let (what, same) = ("`gantry workflow check` of all files", "the same, peak memory");
        for ((name, ..), used) in peers.iter().zip(&theirs) {
            print_rounds(what, &walls(&ours), "ms", &walls(used), name);
            print_rounds(same, &peaks(&ours), "MB", &peaks(used), name);
        }
        if peers.is_empty() {
            print_rounds(what, &walls(&ours), "ms", &[], "");
            print_rounds(same, &peaks(&ours), "MB", &[], "");
        }
        Ok(())
    }

    fn expressions(&self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.fixture("expr/cases.json"))?;
        let mut asked: Value = serde_json::from_str(&text)?;
        asked["rate"] = json!(OUR_PASSES);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rate_of(&self.within("expressions", OUR_PASSES, &text)?)?);
            if let Some(dir) = &self.reference {
                let line = format!("{asked}\n");
                theirs.push(rate_of(&self.reference(dir, "expr/oracle.mjs", &line)?)?);
            }
        }
        let what = "expressions parsed and evaluated";
        print_rounds(what, &ours, "/s", &theirs, "`@actions/expressions` on Node");
        Ok(())
    }

    fn plans(&self) -> anyhow::Result<()> {
        let legs: Vec<String> = (0..PLAN_LEGS).map(|n| n.to_string()).collect();
        let mut text = "on: push\njobs:\n".to_owned();
        for job in 0..PLAN_JOBS {
            write!(
                text,
                "  j{job}:\n    runs-on: ubuntu-latest\n    strategy: {{ matrix: {{ n: [{}] }} }}\n    env: {{ N: '${{{{ matrix.n }}}}' }}\n    steps: [{{ run: 'true' }}, {{ run: 'true', if: matrix.n > 3 }}]\n",
                legs.join(", ")
            )?;
        }
        let folder = std::env::temp_dir().join(format!("gantry-bench-plan-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("bench.yml");
        std::fs::write(&file, &text)?;
        let mut command = Command::new(&self.gantry);
        command.args(["workflow", "plan", "--json"]).arg(&file);
        let (mut inside, mut whole) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            inside.push(1e3 / rate_of(&self.within("plan", OUR_PASSES, &text)?)?);
            whole.push(child::measure(&command, "")?.wall_ms);
        }
        std::fs::remove_dir_all(&folder)?;
        let goal = [GOAL_PLAN_MS; ROUNDS];
        print_rounds("plan of 1,000 legs, from the text", &inside, "ms", &goal, "goal");
        print_rounds("the same, `gantry workflow plan --json`", &whole, "ms", &goal, "goal");
        Ok(())
    }

    /// What the example says.
    fn within(&self, what: &str, passes: usize, input: &str) -> anyhow::Result<Value> {
        let mut rate = Command::new(&self.rate);
        rate.args([what, &passes.to_string()]);
        answer(&mut rate, input)
    }

    /// The last thing that a script of the differential tests says.
    fn reference(&self, dir: &Path, script: &str, input: &str) -> anyhow::Result<Value> {
        let mut node = Command::new("node");
        node.arg(self.fixture(script)).env("GANTRY_ORACLE_DIR", dir);
        answer(&mut node, input)
    }

    fn fixture(&self, name: &str) -> PathBuf {
        self.root.join("crates/gantry-workflow/tests/fixtures").join(name)
    }

    /// The files as the reference's script takes them; kept for a rate, or judged once.
    fn cases(&self, keep: bool) -> anyhow::Result<String> {
        let mut lines = String::new();
        for file in &self.files {
            let text = std::fs::read_to_string(file)?;
            let case = json!({"file": file, "text": text, "action": is_action(file), "keep": keep});
            writeln!(lines, "{case}")?;
        }
        Ok(lines)
    }
}

fn with(mut command: Command, files: &[PathBuf]) -> Command {
    command.args(files.iter().filter(|f| !is_action(f)));
    command
}

/// The JSON of a command's last line.
fn answer(command: &mut Command, input: &str) -> anyhow::Result<Value> {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().context("a pipe")?;
    let input = input.to_owned();
    let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{command:?} failed: {}", output.status);
    writer.join().map_err(|_| anyhow::anyhow!("the writer ended early"))??;
    let text = String::from_utf8(output.stdout)?;
    serde_json::from_str(text.lines().last().context("no answer")?).context("no JSON")
}

fn is_action(file: &Path) -> bool {
    file.file_name().is_some_and(|n| n == "action.yml" || n == "action.yaml")
}

/// Files that are UTF-8, in order.
fn corpus() -> anyhow::Result<Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut found = Vec::new();
    for registry in entries(&home.context("`HOME` is not set")?.join("registry/src")) {
        for package in entries(&registry) {
            below(&package.join(".github/workflows"), &mut found);
        }
    }
    if let Some(more) = std::env::var_os("GANTRY_CORPUS_DIR") {
        below(Path::new(&more), &mut found);
    }
    found.retain(|f| std::fs::read_to_string(f).is_ok());
    found.sort();
    ensure!(!found.is_empty(), "no crate with a workflow file below `CARGO_HOME`");
    Ok(found)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect()
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            found.push(path);
        }
    }
}
