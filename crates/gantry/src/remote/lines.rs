//! Lines of logs as they are printed: of one job below the names of its steps, of several with the job in front.

use std::collections::HashMap;

use gantry_core::JobId;
use gantry_observe::log::{LineKind, LogLine};

use crate::run::lines::{mark, printable};

/// How lines are printed.
#[derive(Debug, Clone, Copy)]
pub struct LineStyle {
    /// Each as JSON.
    pub json: bool,
    /// The time before each.
    pub timestamps: bool,
    /// The job before each.
    pub labels: bool,
}

/// Whose line it is.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// Job.
    pub job: JobId,
    /// Its key.
    pub key: &'a str,
    /// Number of the attempt.
    pub number: u32,
    /// Name of the step; empty for the job's own lines.
    pub step: &'a str,
}

/// Where in its attempts a job was shown last.
#[derive(Debug, Default)]
struct Place {
    attempt: u32,
    step: Option<String>,
    depth: usize,
}

/// Turns lines into text.
#[derive(Debug)]
pub struct Printer {
    style: LineStyle,
    places: HashMap<JobId, Place>,
}

impl Printer {
    /// Nothing was shown yet.
    pub fn new(style: LineStyle) -> Self {
        Self { style, places: HashMap::new() }
    }

    /// The lines of text that a line of a log becomes.
    pub fn print(&mut self, of: &Of<'_>, line: &LogLine) -> Vec<String> {
        if self.style.json {
            let step = if of.step.is_empty() { "job" } else { of.step };
            let value = serde_json::json!({ "job": of.key, "attempt": of.number, "step": step, "line": line });
            return vec![value.to_string()];
        }
        let time =
            if self.style.timestamps { format!("{} ", line.t.rfc3339()) } else { String::new() };
        let text = format!("{}{}", mark(line.kind), printable(&line.text));
        if self.style.labels {
            let step = if of.step.is_empty() { "job" } else { of.step };
            return match line.kind {
                LineKind::EndGroup => Vec::new(),
                _ => vec![format!("{time}{} · {step} | {text}", of.key)],
            };
        }
        let place = self.places.entry(of.job).or_default();
        let mut lines = Vec::new();
        if place.attempt != of.number {
            if of.number > 1 || place.attempt != 0 {
                lines.push(format!("{time}{}", bold(&format!("attempt {}", of.number))));
            }
            *place = Place { attempt: of.number, ..Place::default() };
        }
        if place.step.as_deref() != Some(of.step) {
            (place.step, place.depth) = (Some(of.step.to_owned()), 0);
            let name = if of.step.is_empty() { "job" } else { of.step };
            lines.push(format!("{time}{}", bold(&format!("▸ {}", printable(name)))));
        }
        match line.kind {
            LineKind::EndGroup => place.depth = place.depth.saturating_sub(1),
            LineKind::Group => {
                lines.push(format!("{time}{}▾ {text}", "  ".repeat(place.depth)));
                place.depth += 1;
            }
            _ => lines.push(format!("{time}{}{text}", "  ".repeat(place.depth))),
        }
        lines
    }
}

fn bold(text: &str) -> String {
    console::style(text).bold().to_string()
}

#[cfg(test)]
mod tests {
    use gantry_core::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn printed(style: LineStyle) -> String {
        console::set_colors_enabled(false);
        let mut printer = Printer::new(style);
        let lines = [
            (1, "", LineKind::Runner, "Runner: builder"),
            (1, "Build", LineKind::Group, "Run make"),
            (1, "Build", LineKind::Command, "make"),
            (1, "Build", LineKind::EndGroup, ""),
            (1, "Build", LineKind::Out, "cc \u{1b}[31ma.c"),
            (2, "Build", LineKind::Error, "it broke"),
        ];
        let mut text = String::new();
        for (number, step, kind, line) in lines {
            let job = JobId(Uuid::nil());
            let of = Of { job, key: "test", number, step };
            let line = LogLine { t: Timestamp(0), step: None, kind, text: line.to_owned() };
            for line in printer.print(&of, &line) {
                text += &line;
                text.push('\n');
            }
        }
        text
    }

    #[test]
    fn one_job_stands_below_its_steps_and_groups_are_set_in() {
        let plain = LineStyle { json: false, timestamps: false, labels: false };
        assert_eq!(
            printed(plain),
            "▸ job\nRunner: builder\n▸ Build\n▾ Run make\n  $ make\ncc a.c\nattempt 2\n▸ Build\nerror: it broke\n"
        );
        let timed = printed(LineStyle { timestamps: true, ..plain });
        assert!(timed.lines().all(|l| l.starts_with("1970-01-01T00:00:00")), "{timed}");
    }

    #[test]
    fn of_several_jobs_every_line_says_whose_it_is() {
        let text = printed(LineStyle { json: false, timestamps: false, labels: true });
        assert!(text.contains("test · job | Runner: builder\n"), "{text}");
        assert!(text.contains("test · Build | $ make\n"), "{text}");
        assert_eq!(text.lines().count(), 5, "{text}");
    }
}
