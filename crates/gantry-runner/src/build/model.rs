//! What a Dockerfile says: stages and instructions, with what is not supported refused by name.
//!
//! Pure: text in, model out. Not in here: the grammar (`parse-dockerfile`), running it ([`super::stage`]).

use parse_dockerfile::{Flag, Instruction, Source, UnescapedString};

use super::expand::{expand, words};

/// Most stages of a Dockerfile.
pub const MAX_STAGES: usize = 32;
/// Most instructions of a Dockerfile.
pub const MAX_INSTRUCTIONS: usize = 256;
/// Longest text of an instruction that a log shows, in characters.
const MAX_SHOWN: usize = 160;

/// What is wrong with a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// What, and what to do.
    pub text: String,
}

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// In the order of the file; the last is the result.
    pub stages: Vec<Stage>,
    /// The escape character.
    pub escape: char,
    /// Values of `ARG` before the first `FROM`.
    pub globals: Vec<(String, String)>,
    /// What is ignored.
    pub notes: Vec<String>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What it begins with.
    pub base: Base,
    /// `AS name`.
    pub name: Option<String>,
    /// Line of the `FROM`.
    pub line: usize,
    /// The instructions behind `FROM`.
    pub steps: Vec<Step>,
}

/// What a stage begins with, or what is copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image.
    Image(String),
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its line.
    pub line: usize,
    /// Its text in one line, for the log.
    pub text: String,
    /// What it does.
    pub kind: Kind,
}

/// What an instruction does. Values are not expanded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Names and defaults.
    Arg(Vec<(String, Option<String>)>),
    /// Names and values.
    Env(Vec<(String, String)>),
    /// Runs a command.
    Run(Command),
    /// Copies files.
    Copy(Copy),
    /// Changes the working directory.
    Workdir(String),
    /// Changes the user.
    User(String),
    /// Changes the entry point.
    Entrypoint(Command),
    /// Changes the default arguments.
    Cmd(Command),
    /// Changes what runs commands in shell form.
    Shell(Vec<String>),
    /// Says something that the container of an action has no use for.
    Noted,
}

/// A command in one of the two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A list of words.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

/// `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// `ADD`: archives are unpacked.
    pub add: bool,
    /// `--from`.
    pub from: Option<Base>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// What.
    pub sources: Vec<String>,
    /// Where to.
    pub target: String,
}

/// The machine's architecture as images name it.
pub fn image_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Variables that say which platform is built, on which and for which.
pub fn platform_args() -> Vec<(String, String)> {
    let arch = image_arch();
    ["TARGET", "BUILD"]
        .into_iter()
        .flat_map(|kind| {
            [
                (format!("{kind}PLATFORM"), format!("linux/{arch}")),
                (format!("{kind}OS"), "linux".to_owned()),
                (format!("{kind}ARCH"), arch.to_owned()),
                (format!("{kind}VARIANT"), String::new()),
            ]
        })
        .collect()
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// The first thing that is wrong or not supported.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed = parse_dockerfile::parse(text)
            .map_err(|e| Problem { line: e.line(), text: format!("{e:#}") })?;
        if parsed.instructions.len() > MAX_INSTRUCTIONS {
            let text =
                format!("it has more than {MAX_INSTRUCTIONS} instructions (MAX_INSTRUCTIONS)");
            return Err(Problem { line: 0, text });
        }
        let directives = &parsed.parser_directives;
        let mut reader = Reader {
            text,
            escape: directives.escape.as_ref().map_or('\\', |d| d.value.value),
            stages: Vec::new(),
            globals: Vec::new(),
        };
        let mut notes = Vec::new();
        if let Some(syntax) = &directives.syntax {
            let name = syntax.value.value;
            notes.push(format!(
                "`# syntax={name}` is ignored: Dockerfiles are read by Gantry itself"
            ));
        }
        let starts: Vec<usize> = parsed.instructions.iter().map(start).collect();
        for (at, instruction) in parsed.instructions.iter().enumerate() {
            let end = starts.get(at + 1).copied().unwrap_or(text.len());
            let place = Place { line: reader.line(starts[at]), raw: &text[starts[at]..end] };
            reader.take(instruction, &place).map_err(|text| Problem { line: place.line, text })?;
        }
        let Reader { escape, stages, globals, .. } = reader;
        Ok(Self { stages, escape, globals, notes })
    }

    /// Which stages the last one needs, itself too.
    pub fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.stages.len()];
        if let Some(last) = needed.last_mut() {
            *last = true;
        }
        for at in (0..self.stages.len()).rev().collect::<Vec<_>>() {
            if !needed[at] {
                continue;
            }
            let stage = &self.stages[at];
            let from = stage.steps.iter().filter_map(|step| match &step.kind {
                Kind::Copy(copy) => copy.from.as_ref(),
                _ => None,
            });
            for base in from.chain([&stage.base]) {
                if let Base::Stage(other) = base {
                    needed[*other] = true;
                }
            }
        }
        needed
    }
}

struct Place<'a> {
    line: usize,
    raw: &'a str,
}

struct Reader<'a> {
    text: &'a str,
    escape: char,
    stages: Vec<Stage>,
    globals: Vec<(String, String)>,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    fn take(&mut self, instruction: &Instruction<'_>, place: &Place<'_>) -> Result<(), String> {
        if let Instruction::From(from) = instruction {
            let stage = self.from(from, place.line)?;
            self.stages.push(stage);
            return Ok(());
        }
        let kind = self.kind(instruction)?;
        match (self.stages.last_mut(), kind) {
            (Some(stage), kind) => {
                let text = shown(place.raw, self.escape);
                stage.steps.push(Step { line: place.line, text, kind });
            }
            (None, Kind::Arg(args)) => {
                for (name, default) in args {
                    let value = self.expand(default.as_deref().unwrap_or_default())?;
                    self.globals.push((name, value));
                }
            }
            (None, _) => return Err("the first instruction must be `FROM`".to_owned()),
        }
        Ok(())
    }

    /// Expands with what is known before the first stage.
    fn expand(&self, text: &str) -> Result<String, String> {
        let platform = platform_args();
        let all = || self.globals.iter().rev().chain(&platform);
        let look = |name: &str| all().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        expand(text, self.escape, &look)
    }

    fn from(
        &self,
        from: &parse_dockerfile::FromInstruction<'_>,
        line: usize,
    ) -> Result<Stage, String> {
        if self.stages.len() >= MAX_STAGES {
            return Err(format!("there are more than {MAX_STAGES} stages (MAX_STAGES)"));
        }
        for option in &from.options {
            let value = self.expand(value(option))?;
            let own = image_arch();
            match (&*option.name.value, value.as_str()) {
                ("platform", "") => {}
                ("platform", platform) if platform == format!("linux/{own}") => {}
                ("platform", platform) => {
                    return Err(format!(
                        "`--platform={platform}` is not this machine's, which is `linux/{own}`; leave it out"
                    ));
                }
                (name, _) => return Err(unknown_option("FROM", name)),
            }
        }
        let image = self.expand(&from.image.value)?;
        if image.is_empty() {
            return Err(format!(
                "`FROM {}` names no image; give the `ARG` before it a default",
                from.image.value
            ));
        }
        let name = from.as_.as_ref().map(|(_, name)| name.value.to_lowercase());
        let base = match image.as_str() {
            "scratch" => Base::Scratch,
            image => self.stage_named(image).map_or(Base::Image(image.to_owned()), Base::Stage),
        };
        Ok(Stage { base, name, line, steps: Vec::new() })
    }

    fn stage_named(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.stages.iter().rposition(|stage| stage.name.as_deref() == Some(name.as_str()))
    }

    fn kind(&self, instruction: &Instruction<'_>) -> Result<Kind, String> {
        Ok(match instruction {
            Instruction::Arg(i) => Kind::Arg(
                words(&i.arguments.value, self.escape)
                    .iter()
                    .map(|word| match word.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (word.clone(), None),
                    })
                    .collect(),
            ),
            Instruction::Env(i) => Kind::Env(pairs(&i.arguments.value, self.escape)?),
            Instruction::Run(i) => Kind::Run(self.run(i)?),
            Instruction::Copy(i) => Kind::Copy(self.copy("COPY", &i.options, &i.src, &i.dest)?),
            Instruction::Add(i) => Kind::Copy(self.copy("ADD", &i.options, &i.src, &i.dest)?),
            Instruction::Workdir(i) => Kind::Workdir(i.arguments.value.to_string()),
            Instruction::User(i) => Kind::User(i.arguments.value.to_string()),
            Instruction::Entrypoint(i) => Kind::Entrypoint(self.command(&i.arguments)),
            Instruction::Cmd(i) => Kind::Cmd(self.command(&i.arguments)),
            Instruction::Shell(i) => {
                Kind::Shell(i.arguments.iter().map(|a| a.value.to_string()).collect())
            }
            Instruction::Expose(_)
            | Instruction::Healthcheck(_)
            | Instruction::Label(_)
            | Instruction::Maintainer(_)
            | Instruction::Stopsignal(_)
            | Instruction::Volume(_) => Kind::Noted,
            Instruction::Onbuild(_) => {
                return Err(
                    "`ONBUILD` is not supported; write the instruction into the Dockerfile \
                            that uses this one"
                        .to_owned(),
                );
            }
            _ => return Err("this instruction is not supported; leave it out".to_owned()),
        })
    }

    fn run(&self, run: &parse_dockerfile::RunInstruction<'_>) -> Result<Command, String> {
        for option in &run.options {
            match (&*option.name.value, value(option)) {
                ("network", "default") => {}
                ("mount", _) => {
                    return Err(
                        "`RUN --mount` is not supported; copy the files, or leave a cache \
                                mount out"
                            .to_owned(),
                    );
                }
                (name, _) => return Err(unknown_option("RUN", name)),
            }
        }
        let Some(document) = run.here_docs.first() else { return Ok(self.command(&run.arguments)) };
        let behind = match &run.arguments {
            parse_dockerfile::Command::Shell(rest) => rest.value,
            _ => "",
        };
        if !behind.is_empty() || document.value.starts_with("#!") {
            return Err(
                "a here-document of `RUN` is a script for the shell and nothing else; write \
                        the rest into it, or copy a file"
                    .to_owned(),
            );
        }
        Ok(Command::Shell(document.value.to_string()))
    }

    fn command(&self, command: &parse_dockerfile::Command<'_>) -> Command {
        match command {
            parse_dockerfile::Command::Exec(words) => {
                Command::Exec(words.value.iter().map(|w| w.value.to_string()).collect())
            }
            parse_dockerfile::Command::Shell(text) => {
                Command::Shell(joined(text.value, self.escape))
            }
            _ => Command::Exec(Vec::new()),
        }
    }

    fn copy(
        &self,
        what: &str,
        options: &[Flag<'_>],
        sources: &[Source<'_>],
        target: &UnescapedString<'_>,
    ) -> Result<Copy, String> {
        let target = target.value.to_string();
        let mut copy = Copy { add: what == "ADD", target, ..Copy::default() };
        for option in options {
            let text = value(option).to_owned();
            match &*option.name.value {
                "chown" => copy.chown = Some(text),
                "chmod" => copy.chmod = Some(text),
                "link" => {}
                "from" if !copy.add => copy.from = Some(self.source_of(&text)?),
                name => return Err(unknown_option(what, name)),
            }
        }
        for source in sources {
            let Source::Path(path) = source else {
                return Err(format!(
                    "`{what}` of a here-document is not supported; put the text into a file"
                ));
            };
            let path = path.value.to_string();
            let remote = ["http://", "https://", "git@", "git://", "ssh://"];
            if copy.add && remote.iter().any(|r| path.starts_with(r)) {
                return Err(format!(
                    "`ADD {path}` fetches an address, which is not supported; use `RUN` with a \
                     program that fetches it, and list its host in `allowed_egress`"
                ));
            }
            copy.sources.push(path);
        }
        if copy.sources.is_empty() {
            return Err(format!("`{what}` needs at least a source and a target"));
        }
        Ok(copy)
    }

    /// What `--from` names: a stage by name or number, else an image.
    fn source_of(&self, text: &str) -> Result<Base, String> {
        // The last one is the stage that is being read.
        let earlier = self.stages.len().saturating_sub(1);
        let stage = match text.parse::<usize>() {
            Ok(number) => Some(number),
            Err(_) => self.stage_named(text),
        };
        match stage {
            Some(at) if at < earlier => Ok(Base::Stage(at)),
            Some(_) => Err(format!("`--from={text}` names no stage before this one")),
            None if text.is_empty() => Err("`--from` names nothing".to_owned()),
            None if text == "scratch" => Err("`--from=scratch` has no files".to_owned()),
            None => Ok(Base::Image(text.to_owned())),
        }
    }
}

fn value<'a>(option: &'a Flag<'_>) -> &'a str {
    option.value.as_ref().map_or("", |v| &v.value)
}

fn unknown_option(instruction: &str, name: &str) -> String {
    format!("`{instruction} --{name}` is not supported; leave it out")
}

/// `NAME=value …`, or the older `NAME value`.
fn pairs(text: &str, escape: char) -> Result<Vec<(String, String)>, String> {
    let words = words(text, escape);
    if let Some(first) = words.first().filter(|first| !first.contains('=')) {
        let value = text.trim_start()[first.len()..].trim();
        if value.is_empty() {
            return Err(format!("`ENV {first}` has no value; write `ENV {first}=value`"));
        }
        return Ok(vec![(first.clone(), value.to_owned())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("`{word}` of `ENV` is not `NAME=value`")),
        })
        .collect()
}

/// A command in shell form without line continuations and the comments between them.
fn joined(text: &str, escape: char) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let bare = line.trim();
        if !out.is_empty() && (bare.is_empty() || bare.starts_with('#')) {
            continue;
        }
        match line.trim_end().strip_suffix(escape) {
            Some(rest) => out.push_str(rest),
            None => {
                out.push_str(line);
                break;
            }
        }
    }
    out.trim().to_owned()
}

/// An instruction in one line for people.
fn shown(raw: &str, escape: char) -> String {
    let one = joined(raw, escape);
    let one: Vec<&str> = one.split_whitespace().collect();
    let one = one.join(" ");
    match one.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &one[..at]),
        None => one,
    }
}

/// Where an instruction begins.
fn start(instruction: &Instruction<'_>) -> usize {
    let span = match instruction {
        Instruction::Add(i) => &i.add.span,
        Instruction::Arg(i) => &i.arg.span,
        Instruction::Cmd(i) => &i.cmd.span,
        Instruction::Copy(i) => &i.copy.span,
        Instruction::Entrypoint(i) => &i.entrypoint.span,
        Instruction::Env(i) => &i.env.span,
        Instruction::Expose(i) => &i.expose.span,
        Instruction::From(i) => &i.from.span,
        Instruction::Healthcheck(i) => &i.healthcheck.span,
        Instruction::Label(i) => &i.label.span,
        Instruction::Maintainer(i) => &i.maintainer.span,
        Instruction::Onbuild(i) => &i.onbuild.span,
        Instruction::Run(i) => &i.run.span,
        Instruction::Shell(i) => &i.shell.span,
        Instruction::Stopsignal(i) => &i.stopsignal.span,
        Instruction::User(i) => &i.user.span,
        Instruction::Volume(i) => &i.volume.span,
        Instruction::Workdir(i) => &i.workdir.span,
        _ => return 0,
    };
    span.start
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
