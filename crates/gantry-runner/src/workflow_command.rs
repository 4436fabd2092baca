//! Workflow commands: lines such as `::error file=a.py,line=3::text` that a step prints, read into
//! values. What a command does is decided by whoever reads the step's output.
//!
//! Not in here: command files (see [`crate::command_file`]) and effects.

use gantry_observe::log::LineKind;

/// One command as printed: its name in lower case, properties and text, unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Name in lower case.
    pub name: String,
    /// Properties in their order, names in lower case.
    pub properties: Vec<(String, String)>,
    /// What stands behind the second `::`.
    pub text: String,
}

/// Where an annotation points to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Title.
    pub title: Option<String>,
    /// File.
    pub file: Option<String>,
    /// 1-based line.
    pub line: Option<u32>,
    /// 1-based column.
    pub column: Option<u32>,
}

/// What a line of a step's output means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// An ordinary line.
    Text,
    /// Opens a group with this title.
    Group(String),
    /// Closes the group.
    EndGroup,
    /// An annotation (error, warning, notice) or a debug line.
    Message(LineKind, String, Place),
    /// A text that must be hidden from now on.
    AddMask(String),
    /// Sets an output (the old way).
    SetOutput(String, String),
    /// Sets a state (the old way).
    SaveState(String, String),
    /// Sets a variable for the steps after it, where the workflow allows that.
    SetEnv(String, String),
    /// Adds a directory to `PATH` for the steps after it, where the workflow allows that.
    AddPath(String),
    /// Adds the problem matchers of a file.
    AddMatcher(String),
    /// Removes the problem matcher of an owner.
    RemoveMatcher(String),
    /// Removes the problem matchers of a file.
    RemoveMatchersOf(String),
    /// Commands are shown in the log, or not any more.
    Echo(bool),
    /// Commands are ordinary text until this token comes.
    Stop(String),
    /// The token of an earlier [`Command::Stop`] came.
    Resume,
    /// A command that is known and refused, or a broken one, which fails the step; the text says why.
    Refused(String),
    /// A command that does nothing as it is; the text says why.
    Idle(String),
}

/// Reads the lines of one step. Remembers whether commands are stopped.
#[derive(Debug, Default)]
pub struct Reader {
    stopped_by: Option<String>,
    unsecure: bool,
    /// Whether commands are shown in the log.
    pub echo: bool,
}

impl Reader {
    /// A reader; `unsecure` lets the commands work that any printed text could use.
    pub fn new(unsecure: bool) -> Self {
        Self { unsecure, ..Self::default() }
    }

    /// What the line means.
    pub fn read(&mut self, line: &str) -> Command {
        let Some(raw) = parse(line) else {
            return Command::Text;
        };
        if let Some(token) = &self.stopped_by {
            if raw.name == token.to_ascii_lowercase() {
                self.stopped_by = None;
                return Command::Resume;
            }
            return Command::Text;
        }
        let command = interpret(&raw, self.unsecure);
        match &command {
            Command::Stop(token) => self.stopped_by = Some(token.clone()),
            Command::Echo(on) => self.echo = *on,
            _ => {}
        }
        command
    }
}

/// The command in a line; `None` when the line is none.
pub fn parse(line: &str) -> Option<Raw> {
    let (head, text) = match line.trim_start().strip_prefix("::") {
        Some(rest) => rest.split_once("::")?,
        None => return parse_old(line),
    };
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    Some(Raw {
        name: name.to_ascii_lowercase(),
        properties: read_properties(properties, ',', unescape_property),
        text: unescape(text),
    })
}

/// Commands that have an older form.
const OLD: &[&str] = &[
    "group",
    "endgroup",
    "error",
    "warning",
    "notice",
    "debug",
    "add-mask",
    "add-matcher",
    "remove-matcher",
];

/// The older form `##[name key=value;]text`.
fn parse_old(line: &str) -> Option<Raw> {
    let start = line.find("##[")?;
    let (head, text) = line[start + 3..].split_once(']')?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    OLD.contains(&name.to_ascii_lowercase().as_str()).then(|| Raw {
        name: name.to_ascii_lowercase(),
        properties: read_properties(properties, ';', unescape_property),
        text: unescape(text),
    })
}

fn read_properties(
    text: &str,
    separator: char,
    unescape: fn(&str) -> String,
) -> Vec<(String, String)> {
    text.split(separator)
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (k.trim().to_ascii_lowercase(), unescape(v)))
        .filter(|(k, v)| !k.is_empty() && !v.is_empty())
        .collect()
}

fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
}

fn unescape_property(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    unescape(&text.replace("%3A", ":").replace("%2C", ",").replace("%3B", ";").replace("%5D", "]"))
}

fn interpret(raw: &Raw, unsecure: bool) -> Command {
    let property =
        |name: &str| raw.properties.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
    let text = raw.text.clone();
    match raw.name.as_str() {
        "group" => Command::Group(text),
        "endgroup" => Command::EndGroup,
        "error" => Command::Message(LineKind::Error, text, place(&property)),
        "warning" => Command::Message(LineKind::Warning, text, place(&property)),
        "notice" => Command::Message(LineKind::Notice, text, place(&property)),
        "debug" => Command::Message(LineKind::Debug, text, Place::default()),
        "add-mask" if text.trim().is_empty() => {
            Command::Idle("`add-mask` needs a value".to_owned())
        }
        "add-mask" => Command::AddMask(text),
        "set-output" => named(property("name"), "set-output", |n| Command::SetOutput(n, text)),
        "save-state" => named(property("name"), "save-state", |n| Command::SaveState(n, text)),
        "add-matcher" if !text.is_empty() => Command::AddMatcher(text),
        "add-matcher" => Command::Idle("`add-matcher` needs a file".to_owned()),
        "remove-matcher" => remove_matcher(property("owner"), text),
        "echo" => match text.trim().to_ascii_lowercase().as_str() {
            "on" => Command::Echo(true),
            "off" => Command::Echo(false),
            other => Command::Refused(format!("`echo` takes `on` or `off`, not `{other}`")),
        },
        "stop-commands" => stop(text),
        "set-env" if unsecure => named(property("name"), "set-env", |n| Command::SetEnv(n, text)),
        "add-path" if unsecure => named(Some(text), "add-path", Command::AddPath),
        "set-env" | "add-path" => Command::Refused(format!(
            "the command `{}` is off because any printed text could use it; append to the file in \
             `$GITHUB_{}`",
            raw.name,
            if raw.name == "set-env" { "ENV" } else { "PATH" }
        )),
        _ => Command::Text,
    }
}

/// The names of all commands.
const NAMES: [&str; 15] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

fn stop(token: String) -> Command {
    let lower = token.to_ascii_lowercase();
    if lower.is_empty() || lower == "pause-logging" || NAMES.contains(&lower.as_str()) {
        Command::Refused(format!("`{token}` is no token for `stop-commands`; use a random text"))
    } else {
        Command::Stop(token)
    }
}

fn remove_matcher(owner: Option<String>, file: String) -> Command {
    match owner {
        Some(owner) if file.is_empty() => Command::RemoveMatcher(owner),
        None if !file.is_empty() => Command::RemoveMatchersOf(file),
        _ => Command::Idle("`remove-matcher` needs either an `owner` or a file".to_owned()),
    }
}

fn named(name: Option<String>, command: &str, make: impl FnOnce(String) -> Command) -> Command {
    match name {
        Some(name) if !name.is_empty() => make(name),
        _ => Command::Refused(format!("`{command}` needs a name")),
    }
}

fn place(property: &dyn Fn(&str) -> Option<String>) -> Place {
    let number = |name| property(name).and_then(|v| v.trim().parse().ok());
    Place {
        title: property("title"),
        file: property("file"),
        line: number("line"),
        column: number("col").or_else(|| number("column")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain text", Command::Text)]
    #[case("::group::A title", Command::Group("A title".into()))]
    #[case("##[group]A title", Command::Group("A title".into()))]
    #[case("##[add-matcher]/x/m.json", Command::AddMatcher("/x/m.json".into()))]
    #[case("##[remove-matcher owner=x]", Command::RemoveMatcher("x".into()))]
    #[case("::endgroup::", Command::EndGroup)]
    #[case("::add-mask::s%25cret%0A", Command::AddMask("s%cret\n".into()))]
    #[case("::set-output name=a::b::c", Command::SetOutput("a".into(), "b::c".into()))]
    #[case("::unknown::x", Command::Text)]
    #[case("a ::error::not at the start", Command::Text)]
    #[case("  ::notice::indented", Command::Message(LineKind::Notice, "indented".into(), Place::default()))]
    #[case("::echo::on", Command::Echo(true))]
    #[case("::remove-matcher owner=tsc::", Command::RemoveMatcher("tsc".into()))]
    #[case("::remove-matcher::a.json", Command::RemoveMatchersOf("a.json".into()))]
    fn lines_mean_what_they_say(#[case] line: &str, #[case] expected: Command) {
        assert_eq!(Reader::default().read(line), expected);
    }

    #[test]
    fn an_annotation_has_its_place_with_escapes_resolved() {
        let Command::Message(kind, text, place) = Reader::default()
            .read("::error file=a%2Cb.py,line=3,col=7,title=Oops%3A::first%0Asecond %253A")
        else {
            panic!("no message")
        };
        assert_eq!((kind, text.as_str()), (LineKind::Error, "first\nsecond %3A"));
        assert_eq!(place.file.as_deref(), Some("a,b.py"));
        assert_eq!(place.title.as_deref(), Some("Oops:"));
        assert_eq!((place.line, place.column), (Some(3), Some(7)));
    }

    #[test]
    fn stopped_commands_are_text_until_the_token() {
        let mut reader = Reader::default();
        assert_eq!(reader.read("::stop-commands::T0ken"), Command::Stop("T0ken".into()));
        assert_eq!(reader.read("::add-mask::x"), Command::Text);
        assert_eq!(reader.read("::other::"), Command::Text);
        assert_eq!(reader.read("::T0ken::"), Command::Resume);
        assert_eq!(reader.read("::add-mask::x"), Command::AddMask("x".into()));
    }

    #[test]
    fn what_any_text_could_use_works_where_it_is_allowed() {
        let mut reader = Reader::new(true);
        let set = Command::SetEnv("A".into(), "b".into());
        assert_eq!(reader.read("::set-env name=A::b"), set);
        assert_eq!(reader.read("::add-path::/x"), Command::AddPath("/x".into()));
        assert!(matches!(reader.read("::add-mask::  "), Command::Idle(_)));
    }

    #[rstest]
    #[case("::set-env name=A::b")]
    #[case("::add-path::/x")]
    #[case("::set-output::x")]
    #[case("::stop-commands::error")]
    #[case("::stop-commands::Add-Mask")]
    #[case("::stop-commands::")]
    #[case("::echo::maybe")]
    fn unsafe_or_broken_commands_are_refused_with_a_reason(#[case] line: &str) {
        assert!(matches!(Reader::default().read(line), Command::Refused(_)), "{line}");
    }
}
