//! Shells: which program runs a script, with which arguments, and how the script file looks.

/// How a script is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Program and arguments with `{0}` in place of the script file.
    pub argv: Vec<String>,
    /// Ending of the script file, with its dot.
    pub extension: &'static str,
    /// What is written before and after the script.
    pub frame: (&'static str, &'static str),
    /// What to run when the program does not exist (only where no shell was asked for).
    pub fallback: Option<Vec<String>>,
}

/// A shell that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// A shell of Windows.
    #[error("the shell `{0}` exists on Windows only; this runner has Linux")]
    Windows(String),
    /// No `{0}`.
    #[error(
        "the shell `{0}` is not known and has no `{{0}}` for the script file; write for instance `perl {{0}}`"
    )]
    NoPlace(String),
    /// An open quote.
    #[error("the shell `{0}` has a quote that is not closed")]
    Quote(String),
}

impl Shell {
    /// The shell for `shell:`; `None` when the workflow names none.
    ///
    /// # Errors
    /// When it cannot be used here.
    pub fn find(name: Option<&str>) -> Result<Self, ShellError> {
        let Some(name) = name.map(str::trim).filter(|n| !n.is_empty()) else {
            return Ok(Self {
                fallback: Some(words(&["sh", "-e", "{0}"])),
                ..Self::of(&["bash", "-e", "{0}"], ".sh")
            });
        };
        match name {
            "bash" => Ok(Self::of(
                &["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "{0}"],
                ".sh",
            )),
            "sh" => Ok(Self::of(&["sh", "-e", "{0}"], ".sh")),
            "python" => Ok(Self {
                fallback: Some(words(&["python3", "{0}"])),
                ..Self::of(&["python", "{0}"], ".py")
            }),
            "pwsh" => Ok(Self {
                frame: (
                    "$ErrorActionPreference = 'stop'\n",
                    "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }",
                ),
                ..Self::of(&["pwsh", "-command", ". '{0}'"], ".ps1")
            }),
            "cmd" | "powershell" => Err(ShellError::Windows(name.to_owned())),
            custom => Self::custom(custom),
        }
    }

    fn custom(text: &str) -> Result<Self, ShellError> {
        let argv = split(text).ok_or_else(|| ShellError::Quote(text.to_owned()))?;
        if !argv.iter().any(|a| a.contains("{0}")) {
            return Err(ShellError::NoPlace(text.to_owned()));
        }
        let program = argv[0].rsplit('/').next().unwrap_or_default();
        let extension = match program {
            "bash" | "sh" => ".sh",
            "python" | "python3" => ".py",
            "pwsh" => ".ps1",
            _ => "",
        };
        Ok(Self { argv, extension, frame: ("", ""), fallback: None })
    }

    fn of(argv: &[&str], extension: &'static str) -> Self {
        Self { argv: words(argv), extension, frame: ("", ""), fallback: None }
    }

    /// The text of the script file.
    pub fn script(&self, text: &str) -> String {
        format!("{}{}{}", self.frame.0, text.replace("\r\n", "\n"), self.frame.1)
    }

    /// As shown above the output.
    pub fn shown(&self) -> String {
        self.argv.join(" ")
    }
}

/// The arguments with the script file in place.
pub fn with_script(argv: &[String], file: &str) -> Vec<String> {
    argv.iter().map(|a| a.replace("{0}", file)).collect()
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|a| (*a).to_owned()).collect()
}

fn split(text: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => out.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    quote.is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_run_as_on_github() {
        let shown = |name| Shell::find(name).map(|s| s.shown()).unwrap_or_else(|e| e.to_string());
        let all = [
            None,
            Some("bash"),
            Some("sh"),
            Some("python"),
            Some("pwsh"),
            Some("perl -w {0}"),
            Some("bash -lc 'source {0}'"),
            Some("cmd"),
            Some("fish"),
            Some("a 'b {0}"),
        ]
        .map(shown)
        .join("\n");
        insta::assert_snapshot!(all, @r"
        bash -e {0}
        bash --noprofile --norc -e -o pipefail {0}
        sh -e {0}
        python {0}
        pwsh -command . '{0}'
        perl -w {0}
        bash -lc source {0}
        the shell `cmd` exists on Windows only; this runner has Linux
        the shell `fish` is not known and has no `{0}` for the script file; write for instance `perl {0}`
        the shell `a 'b {0}` has a quote that is not closed
        ");
    }

    #[test]
    fn the_script_file_takes_its_place_in_every_argument() {
        let shell = Shell::find(Some("bash -lc 'source {0}'")).expect("custom");
        assert_eq!(with_script(&shell.argv, "/t/x.sh"), ["bash", "-lc", "source /t/x.sh"]);
        assert_eq!(shell.script("a\r\nb"), "a\nb");
    }
}
