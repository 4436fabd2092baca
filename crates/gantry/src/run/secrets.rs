//! Secrets given to `gantry run`: by name from the environment or a prompt, and from files. Never from arguments,
//! which every user of the machine can read.
//!
//! Not in here: the secrets of the hub file (see `fleet`), and masking, which the runner does.

use std::path::Path;

use gantry_api::lease::Secret;
use indexmap::IndexMap;

use crate::cli::RunArgs;
use crate::exit::Failure;
use crate::files::read_limited;

/// Largest file with secrets, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Secrets by name.
pub(crate) type Secrets = IndexMap<String, Secret>;

/// Reads all secrets of the command line: the files in their order, above them those by name.
///
/// # Errors
/// A name is none or has a value behind it; a file cannot be read; nobody is there to be asked.
pub(super) fn load(args: &RunArgs) -> Result<Secrets, Failure> {
    read_all(&args.secrets, &args.secret_files)
}

/// As [`load`] for other commands.
///
/// # Errors
/// As [`load`].
pub(crate) fn read_all(names: &[String], files: &[std::path::PathBuf]) -> Result<Secrets, Failure> {
    let names: Vec<&str> = names.iter().map(|given| name(given)).collect::<Result<_, _>>()?;
    let mut secrets = Secrets::new();
    for file in files {
        read(file, &mut secrets)?;
    }
    for name in names {
        let value = match std::env::var(name) {
            Ok(value) => value,
            Err(std::env::VarError::NotPresent) => ask(name)?,
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Failure::usage(format!("the value of `{name}` is not UTF-8 text")));
            }
        };
        secrets.insert(name.to_owned(), Secret(value));
    }
    Ok(secrets)
}

/// The name; what stands behind a `=` is repeated in no message.
fn name(given: &str) -> Result<&str, Failure> {
    if let Some((name, _)) = given.split_once('=') {
        let name = if is_name(name) { name } else { "NAME" };
        return Err(Failure::usage("`--secret` takes a name and no value").hint(format!(
            "arguments are seen by every user of the machine: export `{name}` and give `--secret {name}`, or leave it unset and type the value at the prompt"
        )));
    }
    if is_name(given) {
        return Ok(given);
    }
    Err(Failure::usage(format!("`{given}` cannot name a secret"))
        .hint("letters, digits and `_`, not beginning with a digit or `GITHUB_`"))
}

fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
        && !name.to_ascii_uppercase().starts_with("GITHUB_")
}

fn ask(name: &str) -> Result<String, Failure> {
    let terminal = console::Term::stderr();
    let attended = std::io::IsTerminal::is_terminal(&std::io::stdin()) && terminal.is_term();
    if !attended {
        return Err(Failure::usage(format!(
            "the secret `{name}` is not set, and nobody can be asked"
        ))
        .hint(format!("export the environment variable `{name}`, or give `--secret-file`")));
    }
    let failed = |e: std::io::Error| Failure::usage("the secret cannot be asked for").because(&e);
    terminal.write_str(&format!("secret {name}: ")).map_err(failed)?;
    terminal.read_secure_line().map_err(failed)
}

/// Lines `NAME=value`, with comments, quotes and `export` as in other files of that kind. No message shows a line.
fn read(file: &Path, secrets: &mut Secrets) -> Result<(), Failure> {
    let text = read_limited(file, MAX_FILE_BYTES)?;
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = match entry {
            Ok(entry) => entry,
            Err(error) => return Err(unreadable(file, &text, &error)),
        };
        if !is_name(&name) {
            let message = format!("`{name}` in `{}` cannot name a secret", file.display());
            return Err(Failure::usage(message)
                .hint("letters, digits and `_`, not beginning with a digit or `GITHUB_`"));
        }
        secrets.insert(name, Secret(value));
    }
    Ok(())
}

fn unreadable(file: &Path, text: &str, error: &dotenvy::Error) -> Failure {
    let place = match error {
        dotenvy::Error::LineParse(line, _) => text
            .lines()
            .position(|l| l == line.lines().next().unwrap_or_default())
            .map_or_else(String::new, |n| format!(":{}", n + 1)),
        _ => String::new(),
    };
    let message = format!("`{}{place}` is not of the form NAME=value", file.display());
    Failure::usage(message).hint("put a value with blanks, `#` or `$` in single quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_an_argument_is_refused_and_not_repeated() {
        let failure = name("TOKEN=hunter2").expect_err("refused");
        assert!(!failure.text().contains("hunter2"), "{}", failure.text());
        assert!(failure.text().contains("--secret TOKEN"), "{}", failure.text());
        assert!(name("hunter2-and=more").is_err_and(|f| !f.text().contains("hunter2")));
        assert!(name("9A").is_err() && name("github_token").is_err() && name("A_1").is_ok());
    }

    #[test]
    fn a_file_is_read_and_a_broken_line_is_named_by_number_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("s.env");
        let text = "# keys\nexport A=one\nB='two $HOME # x'\nC=\"l1\\nl2\"\n";
        std::fs::write(&file, text).expect("a file");
        let mut secrets = Secrets::new();
        read(&file, &mut secrets).expect("a good file");
        let got: Vec<(&str, &str)> =
            secrets.iter().map(|(k, v)| (k.as_str(), v.0.as_str())).collect();
        assert_eq!(got, [("A", "one"), ("B", "two $HOME # x"), ("C", "l1\nl2")]);
        std::fs::write(&file, "A=one\nhunter2 hunter3\n").expect("a file");
        let failure = read(&file, &mut secrets).expect_err("a broken line");
        assert!(failure.message.contains("s.env:2`"), "{}", failure.message);
        assert!(!failure.text().contains("hunter2"), "{}", failure.text());
    }
}
