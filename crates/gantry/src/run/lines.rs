//! Lines of a job's log as people read them: which ones are output and which are the runner's own
//! preamble, and how each kind is marked. Not in here: where lines go.

use gantry_observe::log::{LineKind, LogLine};

/// Tells output from preamble: what a step runs, with its environment, and how the job was set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet {
    /// Whether there was a line before, and its step.
    begun: bool,
    step: Option<u32>,
}

impl Quiet {
    /// Whether people who did not ask for details want to see the line; lines come in order.
    pub fn shows(&mut self, line: &LogLine) -> bool {
        let first = !self.begun || self.step != line.step;
        (self.begun, self.step) = (true, line.step);
        match line.kind {
            LineKind::Runner | LineKind::Command | LineKind::EndGroup | LineKind::Debug => false,
            // The runner opens every step with a group that holds its command.
            LineKind::Group => !(first && line.step.is_some() && line.text.starts_with("Run ")),
            _ => true,
        }
    }
}

/// What stands before a line on a screen.
pub fn mark(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Command => "$ ",
        LineKind::Error => "error: ",
        LineKind::Warning => "warning: ",
        LineKind::Notice => "notice: ",
        LineKind::Debug => "debug: ",
        _ => "",
    }
}

/// What stands before a line in a log file, as in the logs that GitHub gives out.
pub fn file_mark(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Group => "##[group]",
        LineKind::EndGroup => "##[endgroup]",
        LineKind::Error => "##[error]",
        LineKind::Warning => "##[warning]",
        LineKind::Notice => "##[notice]",
        LineKind::Debug => "##[debug]",
        _ => "",
    }
}

/// `text` for a terminal or a pipe: no escape sequences, and control characters of a job's output
/// replaced; of a line that was drawn several times over itself the last state.
pub fn printable(text: &str) -> String {
    let text = console::strip_ansi_codes(text);
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or(text);
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use gantry_core::Timestamp;

    use super::*;

    fn line(step: Option<u32>, kind: LineKind, text: &str) -> LogLine {
        LogLine { t: Timestamp(0), step, kind, text: text.to_owned() }
    }

    #[test]
    fn output_is_shown_and_the_preamble_is_not() {
        let lines = [
            line(Some(0), LineKind::Runner, "Limits: 2 processors"),
            line(Some(1), LineKind::Group, "Run make"),
            line(Some(1), LineKind::Command, "make"),
            line(Some(1), LineKind::EndGroup, ""),
            line(Some(1), LineKind::Out, "cc -c a.c"),
            line(Some(1), LineKind::Group, "Run the tests"),
            line(Some(1), LineKind::Error, "it broke"),
            line(None, LineKind::Group, "Run what"),
        ];
        let mut quiet = Quiet::default();
        let shown: Vec<&str> =
            lines.iter().filter(|l| quiet.shows(l)).map(|l| l.text.as_str()).collect();
        assert_eq!(shown, ["cc -c a.c", "Run the tests", "it broke", "Run what"]);
    }

    #[test]
    fn nothing_that_moves_a_cursor_gets_out() {
        assert_eq!(printable("\u{1b}[31mred\u{1b}[0m\u{7}"), "red\u{fffd}");
        assert_eq!(printable(" 10 %\r 50 %\r100 %\r"), "100 %");
        assert_eq!(printable("ünï ☃\tx"), "ünï ☃\tx");
    }
}
