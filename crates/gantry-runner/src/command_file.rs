//! Command files: what a step wrote to `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_STATE` and `GITHUB_PATH`.
//!
//! Not in here: reading the files out of the sandbox, and effects.

use indexmap::IndexMap;

/// A command file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandFileError {
    /// A line with neither `=` nor `<<`.
    #[error(
        "line {line} of the file in `${file}` is `{text}`; write `name=value` or `name<<DELIMITER`"
    )]
    Format {
        /// Name of the variable.
        file: &'static str,
        /// 1-based line.
        line: usize,
        /// The line, shortened.
        text: String,
    },
    /// A line without a name.
    #[error("line {line} of the file in `${file}` has no name before `=`")]
    NoName {
        /// Name of the variable.
        file: &'static str,
        /// 1-based line.
        line: usize,
    },
    /// A value whose end is missing.
    #[error("the value of `{name}` in the file in `${file}` has no closing line `{delimiter}`")]
    NoEnd {
        /// Name of the variable.
        file: &'static str,
        /// The value's name.
        name: String,
        /// The missing line.
        delimiter: String,
    },
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Names and values, the last one of a name winning, in the order of first mention.
    pub values: IndexMap<String, String>,
    /// The first broken line. What stands before it counts, and nothing behind it, as on GitHub.
    pub broken: Option<CommandFileError>,
}

/// The names and values of a file.
pub fn parse(file: &'static str, text: &str) -> Said {
    let mut values = IndexMap::new();
    let broken = read(file, text, &mut values).err();
    Said { values, broken }
}

fn read(
    file: &'static str,
    text: &str,
    values: &mut IndexMap<String, String>,
) -> Result<(), CommandFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n').enumerate();
    while let Some((index, raw)) = lines.next() {
        let line = trim_end(raw);
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=');
        let heredoc = line.find("<<");
        let (name, value) = match (equals, heredoc) {
            (Some(e), h) if h.is_none_or(|h| e < h) => (&line[..e], line[e + 1..].to_owned()),
            (_, Some(h)) => {
                let name = &line[..h];
                (name, read_heredoc(file, name, &line[h + 2..], &mut lines)?)
            }
            _ => {
                let text = line.chars().take(60).collect();
                return Err(CommandFileError::Format { file, line: index + 1, text });
            }
        };
        if name.is_empty() {
            return Err(CommandFileError::NoName { file, line: index + 1 });
        }
        values.insert(name.to_owned(), value);
    }
    Ok(())
}

/// Whether a step may set this variable for the steps after it.
pub fn may_be_set(name: &str) -> bool {
    !name.eq_ignore_ascii_case("NODE_OPTIONS")
}

/// The directories of `GITHUB_PATH`, in the order written.
pub fn parse_path(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim_end).filter(|l| !l.is_empty()).map(str::to_owned).collect()
}

fn trim_end(raw: &str) -> &str {
    let line = raw.strip_suffix('\n').unwrap_or(raw);
    line.strip_suffix('\r').unwrap_or(line)
}

fn read_heredoc<'a>(
    file: &'static str,
    name: &str,
    delimiter: &str,
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
) -> Result<String, CommandFileError> {
    let missing =
        || CommandFileError::NoEnd { file, name: name.to_owned(), delimiter: delimiter.to_owned() };
    if delimiter.is_empty() {
        return Err(missing());
    }
    let mut value = String::new();
    for (_, raw) in lines {
        if trim_end(raw) == delimiter {
            value.truncate(trim_end(&value).len());
            return Ok(value);
        }
        value.push_str(raw);
    }
    Err(missing())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn values(text: &str) -> Vec<(String, String)> {
        let said = parse("GITHUB_OUTPUT", text);
        assert_eq!(said.broken, None, "{text}");
        said.values.into_iter().collect()
    }

    #[rstest]
    #[case("a=b\n", "a", "b")]
    #[case("a=b=c<<d", "a", "b=c<<d")]
    #[case("a=\n", "a", "")]
    #[case("\n\r\na=b\r\n", "a", "b")]
    #[case("a<<E\none\ntwo\nE\n", "a", "one\ntwo")]
    #[case("a<<E\nE\n", "a", "")]
    #[case("a<<E\n\nE", "a", "")]
    #[case("a<<E\none\n\nE\n", "a", "one\n")]
    #[case("a<<E=F\nx=y\nE=F\n", "a", "x=y")]
    #[case("a=1\na=2\n", "a", "2")]
    fn a_file_is_read_as_github_reads_it(
        #[case] text: &str,
        #[case] name: &str,
        #[case] value: &str,
    ) {
        assert_eq!(values(text), [(name.to_owned(), value.to_owned())]);
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        let error = |text| parse("GITHUB_OUTPUT", text).broken.expect(text).to_string();
        insta::assert_snapshot!(error("fine=1\nbroken\n"), @"line 2 of the file in `$GITHUB_OUTPUT` is `broken`; write `name=value` or `name<<DELIMITER`");
        insta::assert_snapshot!(error("=x"), @"line 1 of the file in `$GITHUB_OUTPUT` has no name before `=`");
        insta::assert_snapshot!(error("a<<E\nb"), @"the value of `a` in the file in `$GITHUB_OUTPUT` has no closing line `E`");
        let said = parse("GITHUB_OUTPUT", "fine=1\nbroken\nlost=1\n");
        assert_eq!(said.values.keys().collect::<Vec<_>>(), ["fine"]);
    }

    #[test]
    fn paths_keep_their_order() {
        assert_eq!(parse_path("/a\n\n/b c\r\n"), ["/a", "/b c"]);
    }

    proptest! {
        #[test]
        fn a_heredoc_carries_any_text(value in "[a-z=<\\n\\r]{0,40}[a-z\\n]?") {
            let text = format!("name<<ghadelimiter\n{value}\nghadelimiter\n");
            let expected = value.strip_suffix('\r').unwrap_or(&value).to_owned();
            prop_assert_eq!(values(&text), [("name".to_owned(), expected)]);
        }
    }
}
