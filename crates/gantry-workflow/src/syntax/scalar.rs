//! Scalars of the YAML 1.2 core schema as GitHub reads and prints them, and hints for broken ones.

use gantry_core::Span;

use super::Kind;

/// What a scalar means. `tag` is the core schema's suffix (`str`, `int`, …) or `?` for any other.
///
/// # Errors
/// A sentence when the tag is unknown or the text is not what the tag says.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&str>) -> Result<Kind, String> {
    let mismatch = |t: &str| format!("`{text}` is not of type `!!{t}`");
    match tag {
        None if plain => Ok(core(text)),
        None | Some("str") => Ok(Kind::Text(text.to_owned())),
        Some(t @ ("null" | "bool" | "int" | "float")) => match (t, core(text)) {
            ("null", Kind::Null) => Ok(Kind::Null),
            ("bool", k @ Kind::Bool(_)) | ("int" | "float", k @ Kind::Number(_)) => Ok(k),
            _ => Err(mismatch(t)),
        },
        Some(_) => Err("the YAML tag is not one of the core schema".to_owned()),
    }
}

fn core(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Kind::Number(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Kind::Number(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Kind::Number(f64::NAN),
        _ => {}
    }
    number(text).map_or_else(|| Kind::Text(text.to_owned()), Kind::Number)
}

fn number(text: &str) -> Option<f64> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return valid.then(|| {
                digits
                    .chars()
                    .filter_map(|c| c.to_digit(radix))
                    .fold(0.0, |n, d| n * f64::from(radix) + f64::from(d))
            });
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(i) => (&unsigned[..i], Some(&unsigned[i + 1..])),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_ok =
        digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    if mantissa_ok && exponent_ok { text.parse().ok() } else { None }
}

/// `${{ 'text' }}` is that text wherever it stands, as GitHub reads it: a way to write what would mean something else.
///
/// One that quotes another expression stays, as it would be evaluated then.
pub(super) fn without_quotation(kind: Kind) -> Kind {
    let Kind::Text(text) = &kind else { return kind };
    let inner = text.strip_prefix("${{").and_then(|t| t.strip_suffix("}}")).map(str::trim);
    let quoted = inner.and_then(|t| t.strip_prefix('\'')?.strip_suffix('\''));
    match quoted {
        Some(t) if !t.contains("${{") && !t.replace("''", "").contains('\'') => {
            Kind::Text(t.replace("''", "'"))
        }
        _ => kind,
    }
}

/// The place of a block text with its header (`|`, `>` and what belongs to them), where GitHub says that it begins.
pub(super) fn with_header(source: &str, span: Span) -> Span {
    let Some(before) = source.get(..span.start) else { return span };
    let head = before.trim_end();
    let start = head.rfind('\n').map_or(0, |i| i + 1);
    let mut at = head[start..].char_indices().filter(|(_, c)| matches!(c, '|' | '>'));
    let Some((found, _)) = at.find(|(i, _)| is_header(&head[start + i + 1..])) else { return span };
    let line = before[..start].matches('\n').count() as u32 + 1;
    let column = head[start..start + found].chars().count() as u32 + 1;
    Span { start: start + found, line, column, ..span }
}

/// Whether the rest of a line belongs to the header of a block text.
fn is_header(rest: &str) -> bool {
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
    rest.trim_start().is_empty() || rest.trim_start().starts_with('#')
}

/// A likely remedy for a place where the YAML reader stopped.
pub(super) fn hint(source: &str, at: Span) -> Option<String> {
    let nth = |n: u32| source.lines().nth(n.checked_sub(1)? as usize);
    let line = nth(at.line).unwrap_or("");
    let before = nth(at.line.saturating_sub(1)).unwrap_or("");
    if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
        return Some("indent with spaces; YAML does not allow tabs there".to_owned());
    }
    for l in [line, before] {
        let value = l.split_once(": ").map_or("", |(_, v)| v.trim_start());
        if value.starts_with(['*', '@', '`', '%', '!', '&']) {
            let start = &value[..1];
            return Some(format!("quote the value; a plain text cannot begin with `{start}`"));
        }
        if value.contains(": ") && !value.starts_with(['"', '\'', '|', '>', '{', '[']) {
            return Some("quote the value; it holds `: `, which would begin a mapping".to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_of_the_core_schema() {
        for text in
            ["on", "yes", "off", "0b1", "1_000", "0x", "1.2.3", "-", "+", ".", "1e", "08:00"]
        {
            assert_eq!(resolve(text, true, None), Ok(Kind::Text(text.to_owned())), "{text}");
        }
        for (text, n) in [
            ("0x10", 16.0),
            ("0o17", 15.0),
            ("-1", -1.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("1e3", 1e3),
            ("012", 12.0),
        ] {
            assert_eq!(resolve(text, true, None), Ok(Kind::Number(n)), "{text}");
        }
        assert_eq!(resolve("true", false, None), Ok(Kind::Text("true".into())));
        assert_eq!(resolve("12", true, Some("str")), Ok(Kind::Text("12".into())));
        assert!(resolve("x", true, Some("int")).is_err());
    }
}
