//! The live view of a terminal: one line for each running job as far as there is room, one for the
//! whole below them, and above them a line for everything that ended.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use gantry_core::{JobId, Outcome, Verdict};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::files::human_ms;

/// Lines of the terminal that are not for running jobs: the whole, what ended, the prompt.
const RESERVED_ROWS: usize = 4;

/// Bars: one for each running job, one for the whole.
pub struct Live {
    all: MultiProgress,
    total: ProgressBar,
    tick: Duration,
    jobs: HashMap<JobId, Job>,
    /// Running jobs without a bar, for want of room; the oldest first.
    waiting_for_room: VecDeque<JobId>,
    counted: (u64, u64),
}

struct Job {
    label: String,
    step: String,
    expected_ms: Option<u64>,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Live {
    /// An empty view that redraws at least once in `tick`.
    pub fn new(tick: Duration) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let total = all.add(ProgressBar::new(0));
        total.set_style(style("{bar:24.cyan/dim} {pos}/{len} jobs  {elapsed}  {wide_msg:.dim}"));
        total.set_message("reading the repositories");
        total.enable_steady_tick(tick);
        let (jobs, waiting_for_room) = (HashMap::new(), VecDeque::new());
        Self { all, total, tick, jobs, waiting_for_room, counted: (0, 0) }
    }

    /// A job has begun, perhaps again.
    pub fn start(&mut self, id: JobId, label: &str, expected_ms: Option<u64>) {
        self.take_away(id);
        let began = Instant::now();
        let (label, step) = (label.to_owned(), String::new());
        self.jobs.insert(id, Job { label, step, expected_ms, began, bar: None });
        self.waiting_for_room.push_back(id);
        self.fill();
    }

    /// A step of a job has begun.
    pub fn step(&mut self, id: JobId, name: &str) {
        if let Some(job) = self.jobs.get_mut(&id) {
            name.clone_into(&mut job.step);
            if let Some(bar) = &job.bar {
                bar.set_message(job.step.clone());
            }
        }
    }

    /// A job has written a line.
    pub fn says(&mut self, id: JobId, text: &str) {
        if let Some(job) = self.jobs.get(&id)
            && let Some(bar) = &job.bar
        {
            let text = text.trim().replace('\t', " ");
            bar.set_message(if job.step.is_empty() {
                text
            } else {
                job.step.clone() + "  " + &text
            });
        }
    }

    /// A job has ended; `text` says how.
    pub fn end(&mut self, id: JobId, verdict: Option<&Verdict>, text: &str) {
        self.take_away(id);
        let (mark, style) = mark(verdict);
        self.note(&format!("{} {text}", style.apply_to(mark)));
        self.fill();
    }

    /// How many jobs there are, and how many of them have ended.
    pub fn counts(&mut self, done: u64, total: u64) {
        self.counted = (done, total);
        self.total.set_length(total);
        self.total.set_position(done);
        self.summarise();
    }

    /// A line above the bars.
    pub fn note(&self, text: &str) {
        if self.all.println(text).is_err() {
            tracing::debug!("the terminal went away");
        }
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        for (_, job) in self.jobs.drain() {
            if let Some(bar) = job.bar {
                bar.finish_and_clear();
            }
        }
        self.waiting_for_room.clear();
        self.total.finish_and_clear();
    }

    fn take_away(&mut self, id: JobId) {
        self.waiting_for_room.retain(|waiting| *waiting != id);
        if let Some(bar) = self.jobs.remove(&id).and_then(|job| job.bar) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Gives bars to running jobs while there is room for them.
    fn fill(&mut self) {
        let (rows, columns) = console::Term::stderr().size();
        let room = usize::from(rows).saturating_sub(RESERVED_ROWS).max(1);
        let mut shown = self.jobs.values().filter(|j| j.bar.is_some()).count();
        while shown < room
            && let Some(id) = self.waiting_for_room.pop_front()
        {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let bar = ProgressBar::new_spinner().with_elapsed(job.began.elapsed());
            let bar = self.all.insert_before(&self.total, bar);
            bar.set_style(style(&job_template(job.expected_ms)));
            let width = usize::from(columns) / 2;
            bar.set_prefix(console::truncate_str(&job.label, width, "…").into_owned());
            bar.set_message(job.step.clone());
            bar.enable_steady_tick(self.tick);
            job.bar = Some(bar);
            shown += 1;
        }
        self.summarise();
    }

    fn summarise(&self) {
        let (done, total) = self.counted;
        let running = self.jobs.len() as u64;
        let waiting = total.saturating_sub(done + running);
        self.total.set_message(summary(running, waiting, self.waiting_for_room.len()));
    }
}

/// What the line for the whole says beside its bar.
fn summary(running: u64, waiting: u64, hidden: usize) -> String {
    let mut parts = vec![format!("{running} running")];
    if hidden > 0 {
        parts[0] += &format!(" ({hidden} not shown)");
    }
    if waiting > 0 {
        parts.push(format!("{waiting} waiting"));
    }
    parts.join(", ")
}

fn job_template(expected_ms: Option<u64>) -> String {
    let expected = expected_ms.map_or_else(String::new, |ms| format!(" of ~{}", human_ms(ms)));
    format!("{{spinner:.cyan}} {{prefix:.bold}}  {{elapsed}}{expected}  {{wide_msg:.dim}}")
}

fn mark(verdict: Option<&Verdict>) -> (&'static str, console::Style) {
    match verdict.map(|v| v.outcome) {
        Some(Outcome::Success) => ("✓", console::Style::new().green()),
        Some(Outcome::Skipped) => ("–", console::Style::new().dim()),
        Some(Outcome::Cancelled) => ("!", console::Style::new().yellow()),
        _ => ("✗", console::Style::new().red()),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_line_for_the_whole_says_what_has_no_line_of_its_own() {
        assert_eq!(summary(2, 0, 0), "2 running");
        assert_eq!(summary(60, 4, 24), "60 running (24 not shown), 4 waiting");
    }
}
