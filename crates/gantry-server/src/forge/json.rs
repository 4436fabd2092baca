//! Lenient steps through a payload: what is missing or of another kind is simply not there.

use serde_json::Value;

/// Longest text that is taken out of a payload for a column or a path; longer ones are not there.
const MAX_TEXT_BYTES: usize = 4096;

/// The text at a JSON pointer; an empty or overlong one, or one with control characters, is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty() && text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control))
        .then_some(text)
}

/// The first line of the text at a JSON pointer.
pub(super) fn first_line(value: &Value, pointer: &str) -> Option<String> {
    let line = value.pointer(pointer)?.as_str()?.lines().next()?.trim();
    let mut end = line.len().min(MAX_TEXT_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    (end > 0).then(|| line[..end].to_owned())
}

/// The number at a JSON pointer.
pub(super) fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer)?.as_u64()
}

/// Whether there is a true at a JSON pointer.
pub(super) fn truth(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// The commit at a JSON pointer: 40 or 64 hex digits, in lower case.
pub(super) fn commit(value: &Value, pointer: &str) -> Option<String> {
    let text = text(value, pointer)?;
    let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| text.to_ascii_lowercase())
}

/// As [`commit`], and none where the digits are all zero: forges write so what does not exist.
pub(super) fn real_commit(value: &Value, pointer: &str) -> Option<String> {
    commit(value, pointer).filter(|sha| !is_zero(sha))
}

/// Whether a commit stands for "none".
pub(super) fn is_zero(sha: &str) -> bool {
    !sha.is_empty() && sha.bytes().all(|b| b == b'0')
}

/// A copy of what is at a JSON pointer, null when nothing is.
pub(super) fn copy(value: &Value, pointer: &str) -> Value {
    value.pointer(pointer).cloned().unwrap_or(Value::Null)
}
