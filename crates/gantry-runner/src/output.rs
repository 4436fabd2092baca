//! The output of one step: lines become log lines, annotations, masks, outputs and matcher changes.
//!
//! Not in here: the process that writes it (see [`crate::exec`]).

use gantry_api::report::Annotation;
use gantry_observe::log::LineKind;
use gantry_observe::redact::Stream as MaskStream;
use gantry_sandbox::Stream;

use crate::command_file::may_be_set;
use crate::contexts::Vars;
use crate::log::{JobLog, Lines, Piece, text};
use crate::matcher::{self, Matcher};
use crate::paths::{join, within};
use crate::workflow_command::{Command, Place, Reader};

/// Most annotations of one step that are kept (GitHub keeps 10 of each kind).
pub const MAX_ANNOTATIONS: usize = 50;

/// Reads the output of one step.
#[derive(Debug)]
pub struct Output<'a> {
    log: &'a JobLog,
    step: Option<u32>,
    /// Directories that stand for the root of the repository in paths.
    roots: Vec<String>,
    /// Lines are neither commands nor matched.
    verbatim: bool,
    reader: Reader,
    stdout: (Lines, MaskStream),
    stderr: (Lines, MaskStream),
    /// Matchers at work; they outlive the step.
    pub matchers: Vec<Matcher>,
    /// Annotations in order.
    pub annotations: Vec<Annotation>,
    /// Outputs set by command.
    pub outputs: Vars,
    /// States set by command.
    pub state: Vars,
    /// Variables for later steps set by command.
    pub env: Vars,
    /// Directories for `PATH` of later steps added by command.
    pub path: Vec<String>,
    /// The first command that was refused, which fails the step.
    pub refused: Option<String>,
}

/// A file with matchers that must be read before the next line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherFile {
    /// As the command names it.
    pub path: String,
    /// Its matchers are added, or else removed.
    pub add: bool,
}

impl<'a> Output<'a> {
    /// For the step with this index; files below `roots` are named from there.
    ///
    /// `unsecure` lets the commands work that any printed text could use.
    pub fn new(
        log: &'a JobLog,
        step: Option<u32>,
        roots: Vec<String>,
        matchers: Vec<Matcher>,
        unsecure: bool,
    ) -> Self {
        Self {
            log,
            step,
            roots,
            verbatim: false,
            reader: Reader::new(unsecure),
            stdout: Default::default(),
            stderr: Default::default(),
            matchers,
            annotations: Vec::new(),
            outputs: Vars::new(),
            state: Vars::new(),
            env: Vars::new(),
            path: Vec::new(),
            refused: None,
        }
    }

    /// For a process whose lines are only shown, as those of a build are.
    pub fn verbatim(log: &'a JobLog, step: Option<u32>) -> Self {
        Self { verbatim: true, ..Self::new(log, step, Vec::new(), Vec::new(), false) }
    }

    /// The lines that this piece of output completes.
    pub fn split(&mut self, stream: Stream, bytes: &[u8]) -> Vec<Piece> {
        match stream {
            Stream::Stdout => self.stdout.0.push(bytes),
            Stream::Stderr => self.stderr.0.push(bytes),
        }
    }

    /// Lines without an end, when the process has ended.
    pub fn finish(&mut self) -> Vec<(Stream, Piece)> {
        let out = self.stdout.0.finish().map(|p| (Stream::Stdout, p));
        let err = self.stderr.0.finish().map(|p| (Stream::Stderr, p));
        out.into_iter().chain(err).collect()
    }

    /// Whether commands are shown from the beginning.
    pub fn echo(&mut self, on: bool) {
        self.reader.echo = on;
    }

    /// Where a file lies that a command names.
    pub fn place_of(&self, path: &str) -> String {
        join(self.roots.first().map_or("/", String::as_str), path)
    }

    /// Takes one line. Gives a matcher file that must be read before the next line.
    pub fn line(&mut self, stream: Stream, piece: &Piece) -> Option<MatcherFile> {
        if !(piece.start && piece.end) {
            let masks = match stream {
                Stream::Stdout => &mut self.stdout.1,
                Stream::Stderr => &mut self.stderr.1,
            };
            self.log.piece(masks, self.step, &piece.bytes, piece.end);
            return None;
        }
        let line = text(&piece.bytes);
        if self.verbatim {
            self.log.line(self.step, LineKind::Out, &line);
            return None;
        }
        let echo = self.reader.echo;
        let command = self.reader.read(&line);
        let shown = match &command {
            Command::Text | Command::AddMask(_) | Command::Message(..) => false,
            Command::Stop(_) | Command::Resume => true,
            _ => echo,
        };
        if shown {
            self.log.line(self.step, LineKind::Command, &line);
        }
        self.obey(command, &line)
    }

    fn obey(&mut self, command: Command, line: &str) -> Option<MatcherFile> {
        match command {
            Command::Text => self.plain(line),
            Command::Group(title) => self.log.line(self.step, LineKind::Group, &title),
            Command::EndGroup => self.log.line(self.step, LineKind::EndGroup, ""),
            Command::Message(kind, message, place) => self.annotate(kind, &message, place),
            Command::AddMask(secret) => {
                self.log.add_mask(&secret);
                if self.reader.echo {
                    self.log.line(self.step, LineKind::Out, "::add-mask::***");
                }
            }
            Command::SetOutput(name, value) => {
                self.outputs.insert(name, value);
            }
            Command::SaveState(name, value) => {
                self.state.insert(name, value);
            }
            Command::AddMatcher(path) => return Some(MatcherFile { path, add: true }),
            Command::RemoveMatchersOf(path) => return Some(MatcherFile { path, add: false }),
            Command::RemoveMatcher(owner) => self.matchers.retain(|m| m.owner != owner),
            Command::Echo(_) | Command::Stop(_) | Command::Resume => {}
            Command::SetEnv(name, value) if may_be_set(&name) => {
                self.env.insert(name, value);
            }
            Command::SetEnv(name, _) => {
                let text = format!("`{name}` cannot be set through `set-env`");
                self.annotate(LineKind::Error, &text, Place::default());
            }
            Command::AddPath(dir) => self.path.push(dir),
            Command::Idle(reason) => self.annotate(LineKind::Warning, &reason, Place::default()),
            Command::Refused(reason) => self.refuse(reason),
        }
        None
    }

    /// Says why a command is refused; the step fails.
    pub fn refuse(&mut self, reason: String) {
        self.annotate(LineKind::Error, &reason, Place::default());
        self.refused.get_or_insert(reason);
    }

    fn plain(&mut self, line: &str) {
        match matcher::find(&mut self.matchers, &strip_colours(line)) {
            Some(mut problem) => {
                problem.place.file = problem.place.file.map(|file| self.below_root(&file));
                self.remember(problem.kind, &problem.message, problem.place);
                self.log.line(self.step, problem.kind, line);
            }
            None => self.log.line(self.step, LineKind::Out, line),
        }
    }

    /// A path as the repository has it.
    fn below_root(&self, file: &str) -> String {
        let root = self.roots.iter().find(|root| within(file, root) && file != root.as_str());
        let file = root.map_or(file, |root| file[root.len()..].trim_start_matches('/'));
        file.strip_prefix("./").unwrap_or(file).to_owned()
    }

    /// Writes and keeps an annotation.
    pub fn annotate(&mut self, kind: LineKind, message: &str, place: Place) {
        self.log.line(self.step, kind, message);
        if kind != LineKind::Debug {
            self.remember(kind, message, place);
        }
    }

    fn remember(&mut self, kind: LineKind, message: &str, place: Place) {
        if self.annotations.len() >= MAX_ANNOTATIONS {
            return;
        }
        let hide = |t: Option<String>| t.map(|t| self.log.redact(&t));
        let annotation = Annotation {
            kind,
            message: self.log.redact(message),
            title: hide(place.title),
            file: hide(place.file),
            line: place.line,
            column: place.column,
            step: self.step,
        };
        self.annotations.push(annotation);
    }

    /// Takes the matchers of a file, or says in the log why not.
    pub fn add_matchers(&mut self, path: &str, file: Result<Vec<Matcher>, String>) {
        match file {
            Ok(matchers) => matcher::add(&mut self.matchers, matchers),
            Err(reason) => {
                let text = format!("the problem matchers of `{path}` are not used: {reason}");
                self.annotate(LineKind::Warning, &text, Place::default());
            }
        }
    }
}

fn strip_colours(line: &str) -> std::borrow::Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return line.into();
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("\u{1b}[") {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        let end = tail.find(|c: char| c.is_ascii_alphabetic()).map_or(tail.len(), |e| e + 1);
        rest = &tail[end..];
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_hide_a_problem() {
        assert_eq!(strip_colours("\u{1b}[31mred\u{1b}[0m x"), "red x");
        assert_eq!(strip_colours("plain"), "plain");
    }
}
