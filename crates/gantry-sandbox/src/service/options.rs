//! The health flags in the `options:` of a service, as Docker's command line has them.
//!
//! Pure. Not in here: running the check.

use crate::spec::HealthCheck;

/// Docker's default time between two checks and of one check, in milliseconds.
const DEFAULT_MS: u64 = 30_000;
/// Docker's default number of failures.
const DEFAULT_RETRIES: u32 = 3;

/// Options that cannot be read or are not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A quotation mark without its partner, or a backslash at the end.
    #[error("the options `{0}` end inside of a quotation")]
    Unclosed(String),
    /// Some other option of `docker create`.
    #[error("the option `{0}` is not supported; of a service's options only `--health-*` are")]
    Unsupported(String),
    /// An option without its value.
    #[error("the option `{0}` has no value")]
    NoValue(String),
    /// A duration that is none.
    #[error(
        "the option `{option}` has the value `{value}`, which is no duration such as `10s` or `1m30s`"
    )]
    BadDuration {
        /// Option.
        option: String,
        /// Its value.
        value: String,
    },
    /// A number that is none.
    #[error("the option `{option}` has the value `{value}`, which is no number from 1 on")]
    BadNumber {
        /// Option.
        option: String,
        /// Its value.
        value: String,
    },
    /// Other health flags, but no command.
    #[error("the option `{0}` means nothing without `--health-cmd`")]
    NoCommand(String),
}

/// Reads the health flags; `None` when there are none.
///
/// # Errors
/// Names the first option that cannot be read or is not supported.
pub fn parse(options: &str) -> Result<Option<HealthCheck>, OptionsError> {
    let mut check = HealthCheck {
        command: String::new(),
        interval_ms: DEFAULT_MS,
        timeout_ms: DEFAULT_MS,
        retries: DEFAULT_RETRIES,
        start_period_ms: 0,
    };
    let mut last = None;
    let mut words = words(options)?.into_iter();
    while let Some(word) = words.next() {
        let (option, inline) = match word.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        if option == "--no-healthcheck" {
            return Ok(None);
        }
        if !option.starts_with("--health-") {
            return Err(OptionsError::Unsupported(option));
        }
        let value =
            inline.or_else(|| words.next()).ok_or_else(|| OptionsError::NoValue(option.clone()))?;
        match option.as_str() {
            "--health-cmd" => check.command = value,
            "--health-interval" => check.interval_ms = duration(&option, &value)?,
            "--health-timeout" => check.timeout_ms = duration(&option, &value)?,
            "--health-start-period" => check.start_period_ms = duration(&option, &value)?,
            "--health-retries" => {
                check.retries = value.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                    OptionsError::BadNumber { option: option.clone(), value: value.clone() }
                })?;
            }
            _ => return Err(OptionsError::Unsupported(option)),
        }
        last = Some(option);
    }
    match last {
        None => Ok(None),
        Some(_) if !check.command.is_empty() => Ok(Some(check)),
        Some(option) => Err(OptionsError::NoCommand(option)),
    }
}

/// Milliseconds of a duration as Go writes it; 0 stands for Docker's default of the option.
fn duration(option: &str, value: &str) -> Result<u64, OptionsError> {
    let bad = || OptionsError::BadDuration { option: option.to_owned(), value: value.to_owned() };
    if value == "0" {
        return Ok(if option == "--health-start-period" { 0 } else { DEFAULT_MS });
    }
    let mut rest = value;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return Err(bad()),
        };
        total += number * unit;
        rest = &rest[end..];
    }
    // Docker takes nothing below one millisecond; a week is beyond every job.
    if (1.0..=604_800_000.0).contains(&total) { Ok(total as u64) } else { Err(bad()) }
}

/// Splits as a shell does: blanks, both quotation marks, backslashes.
///
/// # Errors
/// A quotation mark without its partner, or a backslash at the end.
pub fn words(text: &str) -> Result<Vec<String>, OptionsError> {
    let unclosed = || OptionsError::Unclosed(text.to_owned());
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(characters.next().ok_or_else(unclosed)?),
            '\'' => loop {
                match characters.next().ok_or_else(unclosed)? {
                    '\'' => {
                        word.get_or_insert_default();
                        break;
                    }
                    c => word.get_or_insert_default().push(c),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match characters.next().ok_or_else(unclosed)? {
                    '"' => break,
                    '\\' => match characters.next().ok_or_else(unclosed)? {
                        c @ ('"' | '\\' | '$' | '`') => word.push(c),
                        c => word.extend(['\\', c]),
                    },
                    c => word.push(c),
                }
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_flags_of_a_database_are_read() {
        let text = "--health-cmd \"pg_isready -U 'x'\"\n --health-interval 10s --health-timeout=5s\n  \
                    --health-retries 5 --health-start-period 1m1.5s";
        let check = parse(text).unwrap().unwrap();
        assert_eq!(check.command, "pg_isready -U 'x'");
        assert_eq!((check.interval_ms, check.timeout_ms), (10_000, 5_000));
        assert_eq!((check.retries, check.start_period_ms), (5, 61_500));
        let check = parse("--health-cmd=redis-cli\\ ping").unwrap().unwrap();
        assert_eq!((check.command.as_str(), check.interval_ms), ("redis-cli ping", 30_000));
        assert_eq!(parse(" \n"), Ok(None));
        assert_eq!(parse("--health-cmd x --no-healthcheck"), Ok(None));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            error("--privileged --health-cmd x"),
            "the option `--privileged` is not supported; of a service's options only `--health-*` are"
        );
        assert_eq!(error("--memory=2g").split(' ').nth(2), Some("`--memory`"));
        assert_eq!(
            error("--health-cmd x --health-interval ten"),
            "the option `--health-interval` has the value `ten`, which is no duration such as `10s` or `1m30s`"
        );
        assert!(error("--health-cmd x --health-retries 0").ends_with("no number from 1 on"));
        assert_eq!(
            error("--health-retries 3"),
            "the option `--health-retries` means nothing without `--health-cmd`"
        );
        assert_eq!(error("--health-cmd"), "the option `--health-cmd` has no value");
        assert_eq!(
            error("--health-cmd 'a"),
            "the options `--health-cmd 'a` end inside of a quotation"
        );
        assert!(error("--health-cmd x --health-timeout 5").contains("no duration"));
    }
}
