//! How fast the engine is within one process; `cargo xtask bench workflow` puts it beside GitHub's own packages.
//!
//! ```text
//! rate check PASSES < paths         read and check the files, one path a line
//! rate expressions PASSES < cases   parse and evaluate the cases of tests/fixtures/expr/cases.json that have a value
//! rate plan PASSES < workflow       read and plan one workflow for a push
//! ```
//!
//! Each makes one pass that does not count, then prints `{"units": N, "seconds": S, "peak_kib": K}`.

use std::hint::black_box;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use gantry_workflow::expr::{Scope, Value, evaluate};
use gantry_workflow::model::{read_action, read_workflow};
use gantry_workflow::plan::{Event, Settings, plan};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let [what, passes] = args.as_slice() else { return Err("usage: rate WHAT PASSES".into()) };
    let passes: usize = passes.parse()?;
    match what.as_str() {
        "check" => check(passes, &input),
        "expressions" => expressions(passes, &input),
        "plan" => plans(passes, &input),
        other => Err(format!("`{other}` is not measured").into()),
    }
}

/// Times the passes of `one`, which works through `units` of something.
fn measure(units: usize, passes: usize, mut one: impl FnMut()) -> Outcome<()> {
    one();
    let began = Instant::now();
    for _ in 0..passes {
        one();
    }
    let seconds = began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let peak: Option<u64> = peak.and_then(|l| l.split_whitespace().next()?.parse().ok());
    let units = units * passes;
    println!("{}", serde_json::json!({"units": units, "seconds": seconds, "peak_kib": peak}));
    Ok(())
}

fn check(passes: usize, paths: &str) -> Outcome<()> {
    let mut files = Vec::new();
    for path in paths.lines() {
        let name = Path::new(path).file_name().unwrap_or_default();
        let action = name == "action.yml" || name == "action.yaml";
        files.push((path, std::fs::read_to_string(path)?, action));
    }
    measure(files.len(), passes, || {
        for (path, text, action) in &files {
            if *action {
                black_box(read_action(text, path));
            } else {
                black_box(read_workflow(text, path));
            }
        }
    })
}

/// The contexts of the cases.
struct Contexts(Value);

impl Scope for Contexts {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }
}

fn expressions(passes: usize, cases: &str) -> Outcome<()> {
    let cases: serde_json::Value = serde_json::from_str(cases)?;
    let contexts = Contexts(Value::from(cases["contexts"].clone()));
    let with_value = cases["cases"].as_array().into_iter().flatten().filter(|c| c["err"].is_null());
    let texts: Vec<&str> = with_value.filter_map(|c| c["expr"].as_str()).collect();
    for text in &texts {
        evaluate(text, &contexts).map_err(|e| format!("`{text}`: {e}"))?;
    }
    measure(texts.len(), passes, || {
        for text in &texts {
            black_box(evaluate(text, &contexts).is_ok());
        }
    })
}

fn plans(passes: usize, text: &str) -> Outcome<()> {
    let event = Event {
        name: "push".to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        sha: "0".repeat(40),
        ..Event::default()
    };
    let settings = Settings {
        repository: "acme/app".to_owned(),
        labels: vec!["ubuntu-latest".to_owned()],
        ..Settings::default()
    };
    let made = |text: &str| {
        let (workflow, found) = read_workflow(text, "bench.yml");
        workflow.map(|w| plan(&w, &event, &settings)).ok_or(found)
    };
    made(text).map_err(|found| format!("{found:?}"))?;
    measure(1, passes, || {
        black_box(made(text).is_ok());
    })
}
