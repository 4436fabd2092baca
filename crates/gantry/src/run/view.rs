//! Showing progress: bars on a terminal, prefixed lines elsewhere. Everything it shows is handed in.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use gantry_core::{JobId, Outcome, Verdict};
use gantry_observe::log::{LineKind, LogLine};

use super::lines::{Quiet, mark, printable};
use super::live::Live;
use crate::files::human_ms;

/// Steps of the runner's own, announced only when they have something to say.
const SILENT: &[&str] = &["Set up job", "Complete job"];

fn is_silent(step: &str) -> bool {
    SILENT.contains(&step) || step.starts_with("Post ")
}

/// Where progress goes.
pub enum View {
    /// A terminal.
    Live(Live),
    /// A pipe or a file.
    Plain(Plain),
}

/// Lines `repo · job | text`, with one line at the start of every step.
pub struct Plain {
    to_stderr: bool,
    verbose: bool,
    /// Lines of logs that are not written yet.
    pending: String,
    jobs: HashMap<JobId, Shown>,
}

/// A job as it is shown.
#[derive(Debug, Clone, Default)]
struct Shown {
    label: String,
    /// The step that was announced last.
    step: Option<String>,
    quiet: Quiet,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Standard output carries JSON.
    pub json: bool,
    /// The runner's own lines too; lines even on a terminal.
    pub verbose: bool,
}

impl Style {
    /// As the command line asks.
    pub fn of(args: &crate::cli::RunArgs) -> Self {
        Self { json: args.json, verbose: args.verbose }
    }
}

impl View {
    /// Bars when both streams are terminals and neither JSON nor details are wanted, else lines: on
    /// standard output, or on standard error when standard output carries JSON.
    pub fn new(style: Style) -> Self {
        let terminal = console::user_attended_stderr() && console::user_attended();
        if style.json || style.verbose || !terminal {
            let (to_stderr, verbose) = (style.json, style.verbose);
            return Self::Plain(Plain {
                to_stderr,
                verbose,
                pending: String::new(),
                jobs: HashMap::new(),
            });
        }
        Self::Live(Live::new(Duration::from_millis(200)))
    }

    /// A job has begun.
    pub fn job_started(&mut self, id: JobId, label: &str, expected_ms: Option<u64>) {
        match self {
            Self::Live(live) => live.start(id, label, expected_ms),
            Self::Plain(plain) => {
                let shown = Shown { label: label.to_owned(), ..Shown::default() };
                plain.jobs.insert(id, shown);
            }
        }
    }

    /// A step of a job has begun.
    pub fn step(&mut self, id: JobId, name: &str) {
        match self {
            Self::Live(live) => live.step(id, name),
            // Its first line in the log announces it: events may run ahead of the log.
            Self::Plain(_) => {}
        }
    }

    /// A line of a job's log, with the name of its step.
    pub fn line(&mut self, id: JobId, step: Option<&str>, line: &LogLine) {
        match self {
            Self::Live(live) => {
                let text = printable(&line.text);
                if !matches!(line.kind, LineKind::EndGroup | LineKind::Debug | LineKind::Command)
                    && !text.trim().is_empty()
                {
                    live.says(id, &text);
                }
            }
            Self::Plain(plain) => plain.line(id, step, line),
        }
    }

    /// A job has ended.
    pub fn job_ended(
        &mut self,
        id: JobId,
        label: &str,
        verdict: Option<&Verdict>,
        ms: Option<u64>,
    ) {
        let word = verdict.map_or("ended", |v| v.outcome.as_str());
        let time = ms.map_or_else(String::new, |ms| format!(" in {}", human_ms(ms)));
        let why = verdict
            .filter(|v| v.outcome != Outcome::Success)
            .and_then(|v| v.reason.as_deref())
            .map_or_else(String::new, |r| format!(" ({r})"));
        match self {
            Self::Live(live) => live.end(id, verdict, &format!("{label}  {word}{time}{why}")),
            Self::Plain(plain) => {
                plain.jobs.remove(&id);
                plain.write(&format!("{label} | {word}{time}{why}"));
            }
        }
    }

    /// Writes the lines of logs that were handed in; many at once, as each write costs a system call.
    pub fn flush(&mut self) {
        if let Self::Plain(plain) = self {
            plain.flush();
        }
    }

    /// How many jobs there are, and how many of them have ended.
    pub fn counts(&mut self, done: u64, total: u64) {
        if let Self::Live(live) = self {
            live.counts(done, total);
        }
    }

    /// A line about the whole.
    pub fn note(&mut self, text: &str) {
        match self {
            Self::Live(live) => live.note(text),
            Self::Plain(plain) => plain.write(text),
        }
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        if let Self::Live(live) = self {
            live.finish();
        }
    }
}

impl Plain {
    fn announce(&mut self, id: JobId, name: &str) {
        let shown = self.jobs.entry(id).or_default();
        if shown.step.as_deref() != Some(name) {
            shown.step = Some(name.to_owned());
            let text = format!("{} | ▸ {}", shown.label, printable(name));
            self.append(&text);
        }
    }

    fn line(&mut self, id: JobId, step: Option<&str>, line: &LogLine) {
        let shown = self.jobs.entry(id).or_default();
        let shows = shown.quiet.shows(line);
        let prints = shows || (self.verbose && line.kind != LineKind::EndGroup);
        if let Some(step) = step.filter(|s| prints || !is_silent(s)) {
            self.announce(id, step);
        }
        if !prints {
            return;
        }
        let label = self.jobs.get(&id).map(|s| s.label.as_str()).unwrap_or_default();
        let text = format!("{label} | {}{}", mark(line.kind), printable(&line.text));
        self.append(&text);
    }

    fn append(&mut self, text: &str) {
        self.pending.push_str(text);
        self.pending.push('\n');
    }

    fn write(&mut self, text: &str) {
        self.append(text);
        self.flush();
    }

    /// A reader that went away does not stop the run.
    fn flush(&mut self) {
        let _ = if self.to_stderr {
            std::io::stderr().lock().write_all(self.pending.as_bytes())
        } else {
            std::io::stdout().lock().write_all(self.pending.as_bytes())
        };
        self.pending.clear();
    }
}
