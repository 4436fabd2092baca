//! Writing to standard output: JSON for scripts, text for people, and an end without a fuss when the
//! reader went away.

use std::io::Write as _;

use crate::exit::{Done, Exit, Failure};

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Decides once for both streams whether colours are used.
pub fn set_color(color: Color) {
    let quiet = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let (out, err) = match color {
        Color::Always => (true, true),
        Color::Never => (false, false),
        Color::Auto => (
            !quiet && console::Term::stdout().features().colors_supported(),
            !quiet && console::Term::stderr().features().colors_supported(),
        ),
    };
    console::set_colors_enabled(out);
    console::set_colors_enabled_stderr(err);
}

/// Prints `text` and a line end.
///
/// # Errors
/// The stream cannot be written; a reader that went away is no error.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::infra("cannot write to standard output").because(&error))
        }
        _ => Ok(()),
    }
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`line`].
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::infra("cannot write the answer as JSON").because(&e))?;
    line(&text)
}

/// Prints what a command found, in the asked form, and ends green.
///
/// # Errors
/// As [`line`].
pub fn answer(as_json: bool, value: &impl serde::Serialize, text: &str) -> Done {
    if as_json {
        json(value)?;
    } else {
        line(text.trim_end())?;
    }
    Ok(Exit::Green)
}
