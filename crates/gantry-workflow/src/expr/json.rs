//! JSON text for `toJSON` and `fromJSON`: as ECMAScript reads and writes it, within limits.
//!
//! An own reader because serde's refuses what GitHub accepts (numbers beyond the range of a double,
//! halves of surrogate pairs; the latter become U+FFFD here).

use std::collections::HashSet;
use std::fmt::Write as _;

use indexmap::IndexMap;

use super::text::{Text, TooLong};
use super::{MAX_JSON_DEPTH, Value, number};

/// Writes `value` indented by two spaces; `depth` is that of the line it begins on.
pub(super) fn write(to: &mut Text, value: &Value, depth: usize) -> Result<(), TooLong> {
    match value {
        Value::Null => to.push("null"),
        Value::Number(n) if !n.is_finite() => to.push("null"),
        Value::Number(n) => to.push(&number::to_shortest(*n)),
        Value::String(s) => write_string(to, s),
        Value::Array(items) if items.is_empty() => to.push("[]"),
        Value::Object(map) if map.is_empty() => to.push("{}"),
        Value::Array(items) => {
            let mut before = "[";
            for item in items {
                begin_entry(to, before, depth + 1)?;
                write(to, item, depth + 1)?;
                before = ",";
            }
            begin_entry(to, "", depth)?;
            to.push("]")
        }
        Value::Object(map) => {
            let mut before = "{";
            for (key, item) in map {
                begin_entry(to, before, depth + 1)?;
                write_string(to, key)?;
                to.push(": ")?;
                write(to, item, depth + 1)?;
                before = ",";
            }
            begin_entry(to, "", depth)?;
            to.push("}")
        }
        Value::Bool(_) => to.push(&value.to_text()),
    }
}

fn begin_entry(to: &mut Text, before: &str, depth: usize) -> Result<(), TooLong> {
    to.push(before)?;
    to.push("\n")?;
    (0..depth).try_for_each(|_| to.push("  "))
}

fn write_string(to: &mut Text, text: &str) -> Result<(), TooLong> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c < ' ' => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    to.push(&quoted)
}

/// Reads one JSON value. Of keys that differ only in case the first stays.
///
/// # Errors
/// What was expected or is too deep, with line and column.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value().and_then(|value| {
        reader.skip_space();
        if reader.at == text.len() { Ok(value) } else { Err("nothing more".to_owned()) }
    });
    value.map_err(|expected| {
        let before = text.get(..reader.at).unwrap_or(text);
        let line = before.split('\n').count();
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        format!("expected {expected} at line {line} column {column}")
    })
}

/// Keeps the first of keys that differ only in case, here and in everything inside.
pub(super) fn fold_keys(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(fold_keys),
        Value::Object(map) => {
            keep_first(map);
            map.values_mut().for_each(fold_keys);
        }
        _ => {}
    }
}

fn keep_first(map: &mut IndexMap<String, Value>) {
    let mut seen = HashSet::with_capacity(map.len());
    map.retain(|key, _| seen.insert(key.to_lowercase()));
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, String> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.keyword(),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        if self.depth == MAX_JSON_DEPTH {
            return Err(format!("no more than {MAX_JSON_DEPTH} levels"));
        }
        self.depth += 1;
        self.at += 1;
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        if self.accept(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.accept(b']') {
                return Ok(Value::Array(items));
            }
            self.expect(b',', "`,` or `]`")?;
        }
    }

    fn object(&mut self) -> Result<Value, String> {
        let mut map = IndexMap::new();
        if self.accept(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            self.skip_space();
            let key = self.string()?;
            self.expect(b':', "`:`")?;
            let value = self.value()?;
            map.insert(key, value);
            if self.accept(b'}') {
                keep_first(&mut map);
                return Ok(Value::Object(map));
            }
            self.expect(b',', "`,` or `}`")?;
        }
    }

    fn keyword(&mut self) -> Result<Value, String> {
        let words =
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
        for (word, value) in words {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("a value".to_owned())
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        self.text[start..self.at].parse().map(Value::Number).map_err(|_| "a number".to_owned())
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err("a digit".to_owned()) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, String> {
        if self.peek() != Some(b'"') {
            return Err("a text in double quotes".to_owned());
        }
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err("an escape instead of a control character".to_owned()),
                None => return Err("a closing double quote".to_owned()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let Some(letter) = self.peek() else { return Err("an escape".to_owned()) };
        let c = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err("an escape".to_owned()),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, String> {
        let high = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&high) || !self.text[self.at..].starts_with("\\u") {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_high = self.at;
        self.at += 2;
        let low = self.four_digits()?;
        if (0xdc00..0xe000).contains(&low) {
            let point = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        // The second escape is a character of its own.
        self.at = after_high;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|d| u32::from_str_radix(d, 16).ok()) else {
            return Err("four hexadecimal digits".to_owned());
        };
        self.at += 4;
        Ok(code)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, name: &str) -> Result<(), String> {
        if self.accept(byte) { Ok(()) } else { Err(name.to_owned()) }
    }
}
