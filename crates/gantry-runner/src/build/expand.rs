//! Words of a Dockerfile: quotes, escapes and `$variables`.
//!
//! Not in here: which instructions have them.

/// Deepest nesting of `${a:-${b}}`.
const MAX_DEPTH: usize = 16;

/// Looks a variable up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The text with variables replaced and quotes removed, as Docker's own lexer does it.
///
/// # Errors
/// A reference that is not closed or a modifier that is not known; the text says what.
pub fn expand(text: &str, escape: char, lookup: Lookup<'_>) -> Result<String, String> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, escape, lookup, depth: 0 };
    lexer.word(None)
}

struct Lexer<'a> {
    chars: Vec<char>,
    at: usize,
    escape: char,
    lookup: Lookup<'a>,
    depth: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.get(self.at).copied();
        self.at += 1;
        next
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn word(&mut self, end: Option<char>) -> Result<String, String> {
        let mut out = String::new();
        let mut closed = end.is_none();
        while let Some(c) = self.peek() {
            if Some(c) == end {
                self.at += 1;
                closed = true;
                break;
            }
            self.at += 1;
            match c {
                '\'' => loop {
                    match self.next() {
                        Some('\'') => break,
                        Some(c) => out.push(c),
                        None => return Err("a quotation with `'` is not closed".to_owned()),
                    }
                },
                '"' => self.quoted(&mut out)?,
                '$' => out.push_str(&self.variable()?),
                c if c == self.escape => out.extend(self.next()),
                c => out.push(c),
            }
        }
        if closed { Ok(out) } else { Err("a `${` is not closed".to_owned()) }
    }

    fn quoted(&mut self, out: &mut String) -> Result<(), String> {
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('$') => out.push_str(&self.variable()?),
                Some(c) if c == self.escape => match self.next() {
                    Some(next) if next == '"' || next == '$' || next == self.escape => {
                        out.push(next);
                    }
                    Some(next) => out.extend([c, next]),
                    None => return Err("a quotation with `\"` is not closed".to_owned()),
                },
                Some(c) => out.push(c),
                None => return Err("a quotation with `\"` is not closed".to_owned()),
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            if name.is_empty() && c.is_ascii_digit() {
                break;
            }
            name.push(c);
            self.at += 1;
        }
        name
    }

    /// What stands for a reference; the `$` is read already.
    fn variable(&mut self) -> Result<String, String> {
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok((self.lookup)(&name).unwrap_or_default());
        }
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("references are nested deeper than {MAX_DEPTH}"));
        }
        let name = self.name();
        if name.is_empty() {
            return Err("a `${` is not followed by the name of a variable".to_owned());
        }
        let value = (self.lookup)(&name);
        let colon = self.peek() == Some(':');
        self.at += usize::from(colon);
        // With `:` an empty variable counts as one that is not there.
        let set = value.clone().filter(|v| !(colon && v.is_empty()));
        let found = match self.next() {
            Some('}') if !colon => value.unwrap_or_default(),
            Some('-') => {
                let other = self.word(Some('}'))?;
                set.unwrap_or(other)
            }
            Some('+') => {
                let other = self.word(Some('}'))?;
                set.map(|_| other).unwrap_or_default()
            }
            Some('?') => {
                let message = self.word(Some('}'))?;
                set.ok_or_else(|| format!("the variable `{name}` is not set: {message}"))?
            }
            Some(other) => {
                return Err(format!(
                    "`${{{name}{}{other}…}}` is not supported; there are `:-`, `:+` and `:?`",
                    if colon { ":" } else { "" }
                ));
            }
            None => return Err("a `${` is not closed".to_owned()),
        };
        self.depth -= 1;
        Ok(found)
    }
}

/// Splits at white space outside of quotes; quotes and escapes stay.
pub fn words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == escape && quote != Some('\'') {
            word.push(c);
            word.extend(chars.next());
            continue;
        }
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "B" => Some("two words".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_as_in_docker() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("$A/${A}x", "one/onex"),
            ("$NONE-", "-"),
            ("${NONE:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${A:-d}", "one"),
            ("${A:+yes}${NONE:+no}", "yes"),
            ("${NONE:-${B}}", "two words"),
            ("${NONE:-'a b'}", "a b"),
            (r"\$A", "$A"),
            ("'$A'", "$A"),
            ("\"$A b\"", "one b"),
            (r#""\$A \x""#, r"$A \x"),
            ("a$", "a$"),
            ("$1", "$1"),
        ] {
            assert_eq!(expand(text, '\\', &look).as_deref(), Ok(wanted), "{text}");
        }
        assert_eq!(expand(r"C:\$A", '`', &look).as_deref(), Ok(r"C:\one"));
        for (text, part) in [
            ("${A", "not closed"),
            ("${NONE:-x", "not closed"),
            ("${}", "name of a variable"),
            ("'a", "not closed"),
            ("\"a", "not closed"),
            ("${A/x/y}", "is not supported"),
            ("${NONE:?give it}", "give it"),
        ] {
            let error = expand(text, '\\', &look).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(expand(&"${N:-".repeat(40), '\\', &look).is_err());
    }

    #[test]
    fn words_keep_their_quotes() {
        assert_eq!(
            words(r#"a="b c" d='e f' g=h\ i  j"#, '\\'),
            [r#"a="b c""#, "d='e f'", r"g=h\ i", "j"]
        );
    }
}
