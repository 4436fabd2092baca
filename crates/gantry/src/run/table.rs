//! The table at the end of a run, made to fit: on a narrow terminal columns that say nothing go
//! first, then owners, then long names are shortened, then the least needed columns go.

use console::{Alignment, Style, measure_text_width, pad_str, truncate_str};
use gantry_core::{Outcome, Verdict};

use super::summary::{JobSummary, RunSummary, Summary};
use crate::files::{human_bytes, human_ms};

/// Between two columns.
const GAP: &str = "  ";
/// What a name is shortened to at most.
const SHORTEST_NAME: usize = 12;
const REPO: usize = 0;
const JOB: usize = 2;
const OUTCOME: usize = 3;
const HEAD: [&str; 11] = [
    "repo", "workflow", "job", "outcome", "fault", "time", "memory", "cpu s", "cache", "denied",
    "tests",
];
/// Columns of numbers.
const RIGHT: std::ops::RangeInclusive<usize> = 5..=9;
/// Columns that may go when they say nothing: fault, cache, denied, tests.
const MAY_BE_EMPTY: [usize; 4] = [4, 8, 9, 10];
/// Columns that may go for want of room, the least needed first: cpu, memory, cache, workflow.
const EXPENDABLE: [usize; 4] = [7, 6, 8, 1];

/// One row, and the outcome that colours it.
struct Row {
    cells: [String; 11],
    outcome: Option<Outcome>,
}

/// The table of a summary, at most `width` columns wide if that can be.
pub fn table(summary: &Summary, width: Option<usize>) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for run in &summary.runs {
        if run.jobs.is_empty() {
            rows.push(run_row(run));
        }
        rows.extend(run.jobs.iter().map(|job| job_row(run, job)));
    }
    let mut shown: Vec<usize> = (0..HEAD.len()).collect();
    if let Some(width) = width {
        fit(&mut rows, &mut shown, width);
    }
    let widths = widths(&rows, &shown);
    let mut lines = vec![line(HEAD, &shown, &widths, None)];
    lines.extend(
        rows.iter().map(|r| line(r.cells.each_ref().map(String::as_str), &shown, &widths, Some(r))),
    );
    lines.join("\n")
}

fn fit(rows: &mut [Row], shown: &mut Vec<usize>, width: usize) {
    let too_wide = |rows: &[Row], shown: &[usize]| total(rows, shown).saturating_sub(width);
    if too_wide(rows, shown) > 0 {
        let says_nothing = |c: &usize| {
            MAY_BE_EMPTY.contains(c)
                && rows.iter().all(|r| matches!(r.cells[*c].as_str(), "" | "0"))
        };
        shown.retain(|c| !says_nothing(c));
    }
    if too_wide(rows, shown) > 0 {
        for row in rows.iter_mut() {
            if let Some((_, name)) = row.cells[REPO].rsplit_once('/') {
                row.cells[REPO] = name.to_owned();
            }
        }
    }
    for column in std::iter::once(None).chain(EXPENDABLE.into_iter().map(Some)) {
        if too_wide(rows, shown) > longest(rows, JOB).saturating_sub(SHORTEST_NAME) {
            shown.retain(|c| Some(*c) != column);
        }
    }
    let over = too_wide(rows, shown);
    if over > 0 {
        let room = longest(rows, JOB).saturating_sub(over).max(SHORTEST_NAME);
        for row in rows.iter_mut() {
            row.cells[JOB] = truncate_str(&row.cells[JOB], room, "…").into_owned();
        }
    }
}

fn longest(rows: &[Row], column: usize) -> usize {
    let cells = rows.iter().map(|r| measure_text_width(&r.cells[column]));
    cells.chain([HEAD[column].len()]).max().unwrap_or(0)
}

fn widths(rows: &[Row], shown: &[usize]) -> Vec<usize> {
    shown.iter().map(|c| longest(rows, *c)).collect()
}

fn total(rows: &[Row], shown: &[usize]) -> usize {
    let gaps = GAP.len() * shown.len().saturating_sub(1);
    widths(rows, shown).iter().sum::<usize>() + gaps
}

fn line(cells: [&str; 11], shown: &[usize], widths: &[usize], row: Option<&Row>) -> String {
    let padded = shown.iter().zip(widths).map(|(column, width)| {
        let align = if RIGHT.contains(column) { Alignment::Right } else { Alignment::Left };
        let text = pad_str(cells[*column], *width, align, None);
        match row {
            None => Style::new().dim().apply_to(text).to_string(),
            Some(row) if *column == OUTCOME => style(row.outcome).apply_to(text).to_string(),
            Some(_) => text.into_owned(),
        }
    });
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

fn style(outcome: Option<Outcome>) -> Style {
    match outcome {
        Some(Outcome::Success) => Style::new().green(),
        Some(Outcome::Skipped) => Style::new().dim(),
        Some(Outcome::Cancelled) => Style::new().yellow(),
        Some(Outcome::Failure | Outcome::TimedOut) | None => Style::new().red(),
    }
}

/// Outcome and fault as words.
fn words(verdict: Option<&Verdict>) -> (String, String) {
    let Some(verdict) = verdict else { return ("unfinished".to_owned(), "infra".to_owned()) };
    let fault = verdict.fault.map_or("", gantry_core::Fault::as_str);
    (verdict.outcome.as_str().to_owned(), fault.to_owned())
}

fn run_row(run: &RunSummary) -> Row {
    let (outcome, fault) = words(run.verdict.as_ref());
    let mut cells: [String; 11] = Default::default();
    cells[REPO].clone_from(&run.repository);
    cells[1].clone_from(&run.workflow);
    "–".clone_into(&mut cells[JOB]);
    cells[OUTCOME] = outcome;
    cells[4] = fault;
    Row { cells, outcome: run.verdict.as_ref().map(|v| v.outcome) }
}

fn job_row(run: &RunSummary, job: &JobSummary) -> Row {
    let (outcome, fault) = words(job.verdict.as_ref());
    let ran = |text: String| if job.attempts > 0 { text } else { String::new() };
    let hits = job.caches.iter().filter(|c| c.hit).count();
    let cache =
        if job.caches.is_empty() { String::new() } else { format!("{hits}/{}", job.caches.len()) };
    let denied: u64 = job.denials.iter().map(|d| d.count).sum();
    let cells = [
        run.repository.clone(),
        run.workflow.clone(),
        job.name.clone(),
        outcome,
        fault,
        ran(human_ms(job.duration_ms)),
        ran(human_bytes(job.usage.memory_peak_bytes)),
        ran(format!("{:.2}", job.usage.cpu_us as f64 / 1e6)),
        cache,
        ran(denied.to_string()),
        job.tests.map_or_else(String::new, tests),
    ];
    Row { cells, outcome: job.verdict.as_ref().map(|v| v.outcome) }
}

fn tests(totals: gantry_api::report::TestTotals) -> String {
    let passed = totals.total.saturating_sub(totals.failed + totals.skipped);
    let mut text = format!("{passed} passed");
    if totals.failed > 0 {
        text += &format!(", {} failed", totals.failed);
    }
    if totals.skipped > 0 {
        text += &format!(", {} skipped", totals.skipped);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let job = |name: &str| JobSummary {
            name: name.to_owned(),
            verdict: Some(Verdict::success()),
            attempts: 1,
            duration_ms: 1_234,
            ..JobSummary::default()
        };
        let run: RunSummary = serde_json::from_value(serde_json::json!({
            "run": "run_1", "repository": "example/textkit", "workflow": "CI",
            "workflow_path": ".github/workflows/ci.yml", "event": "push", "sha": "", "git_ref": "",
            "dirty": false, "verdict": null, "started_at": "", "ended_at": "", "duration_ms": 0,
            "jobs": [], "artifacts": [],
        }))
        .expect("a run");
        let jobs =
            vec![job("test (O2, -fstack-protector-strong, with everything)"), job("package")];
        Summary {
            schema: String::new(),
            submission: String::new(),
            exit_code: 0,
            started_at: String::new(),
            ended_at: String::new(),
            duration_ms: 0,
            output_dir: String::new(),
            runs: vec![RunSummary { jobs, ..run }],
            learned_egress: Vec::new(),
        }
    }

    #[test]
    fn a_wide_place_gets_everything() {
        console::set_colors_enabled(false);
        let text = table(&summary(), None);
        let head: Vec<&str> = text.lines().next().unwrap_or_default().split("  ").collect();
        let head: Vec<&str> = head.iter().map(|h| h.trim()).filter(|h| !h.is_empty()).collect();
        assert_eq!(head, HEAD);
        assert!(text.contains("example/textkit  CI        test (O2, -fstack-protector-strong, with everything)  success"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_gets_what_matters() {
        console::set_colors_enabled(false);
        let text = table(&summary(), Some(60));
        assert!(text.lines().all(|l| measure_text_width(l) <= 60), "{text}");
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert!(lines[0].starts_with("repo ") && lines[0].contains("outcome"), "{text}");
        assert!(!lines[0].contains("fault"), "a column without a value goes first: {text}");
        assert!(lines[1].starts_with("textkit  ") && lines[1].contains("…  success"), "{text}");
    }
}
