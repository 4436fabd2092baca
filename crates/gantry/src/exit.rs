//! Exit codes, and the errors that carry one: what failed, why, and what to do.

use gantry_core::{Diagnostic, Fault, Outcome};

/// What the process tells its caller. Documented in `docs/reference/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything did what it should.
    Green = 0,
    /// Something ran and failed, or a checked file has errors.
    Failed = 1,
    /// The command or its input is wrong.
    Usage = 2,
    /// This machine cannot isolate jobs as asked.
    CannotIsolate = 3,
    /// Gantry itself or its machine failed.
    Infrastructure = 4,
    /// Somebody cancelled it.
    Cancelled = 130,
}

impl Exit {
    /// That of something on a hub which has ended so; what has not ended is a fault.
    pub fn of(outcome: Option<Outcome>, fault: Option<Fault>) -> Self {
        match (outcome, fault) {
            (Some(Outcome::Success | Outcome::Skipped), _) => Self::Green,
            (None, _) | (_, Some(Fault::Infra)) => Self::Infrastructure,
            (Some(Outcome::Cancelled), _) => Self::Cancelled,
            (Some(Outcome::Failure | Outcome::TimedOut), _) => Self::Failed,
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What failed: lower case, no final period.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Stable code of what a hub refused, as in `docs/errors`.
    pub code: Option<String>,
    /// Id of the request to a hub.
    pub request_id: Option<String>,
    /// Findings in the user's files.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a command gives back.
pub type Done = Result<Exit, Failure>;

impl Failure {
    /// Wrong input.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A fault of Gantry or its machine.
    pub fn infra(message: impl Into<String>) -> Self {
        Self::new(Exit::Infrastructure, message)
    }

    /// A failure with the given exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            code: None,
            request_id: None,
            diagnostics: Vec::new(),
        }
    }

    /// The same with an error and its sources behind it.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// The same with its remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with findings.
    #[must_use]
    pub fn findings(mut self, diagnostics: Vec<Diagnostic>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// A file that could not be read or written, with a remedy that fits the cause.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let (exit, hint) = match error.kind() {
            NotFound => (Exit::Usage, "check the path".to_owned()),
            PermissionDenied => {
                (Exit::Usage, format!("give this user access to `{}`", path.display()))
            }
            StorageFull => (
                Exit::Infrastructure,
                "free disk space, or name another place with `--data-dir`".to_owned(),
            ),
            ReadOnlyFilesystem => {
                (Exit::Infrastructure, "name a writable place with `--data-dir`".to_owned())
            }
            _ => (Exit::Infrastructure, "check the disk and the path".to_owned()),
        };
        Self::new(exit, format!("cannot {doing} `{}`", path.display())).because(error).hint(hint)
    }

    /// The whole text for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for found in &self.diagnostics {
            text += &format!("{found}\n");
        }
        text +=
            &format!("{} {}\n", console::style("error:").red().bold().for_stderr(), self.message);
        for cause in &self.causes {
            text += &format!("  caused by: {cause}\n");
        }
        if let Some(code) = &self.code {
            let request =
                self.request_id.as_ref().map_or_else(String::new, |id| format!(", request {id}"));
            text += &format!("  code: {code}{request}\n");
        }
        if let Some(hint) = &self.hint {
            text += &format!("{} {hint}\n", console::style("hint:").cyan().for_stderr());
        }
        text
    }

    /// The whole as one JSON object for scripts.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": {
            "message": self.message,
            "causes": self.causes,
            "hint": self.hint,
            "code": self.code,
            "request_id": self.request_id,
            "exit_code": self.exit as i32,
            "diagnostics": self.diagnostics,
        }})
    }
}
