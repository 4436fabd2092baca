//! Numbers as text and back, by the rules of ECMAScript, which GitHub's expressions share.
//!
//! Not in here: which values become numbers when ([`super::value`], `compare`).

/// Whether `c` is white space to ECMAScript: unlike Rust's, with U+FEFF and without U+0085.
pub(super) fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// The number that `text` stands for: 0 when it is empty, NaN when it is none. White space around
/// it is ignored; `0x`, `0o`, `0b`, exponents, and signed `Infinity` are understood.
pub fn from_text(text: &str) -> f64 {
    let text = text.trim_matches(is_space);
    if text.is_empty() {
        return 0.0;
    }
    let bytes = text.as_bytes();
    if bytes.len() > 2 && bytes[0] == b'0' {
        let digit_bits = match bytes[1] | 0x20 {
            b'x' => 4,
            b'o' => 3,
            b'b' => 1,
            _ => 0,
        };
        if digit_bits > 0 {
            return from_digits(&text[2..], digit_bits);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "Infinity" {
        return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    if is_decimal(unsigned) { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

/// Digits, an optional point, an optional exponent, and at least one digit before the exponent.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_is_good = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    (!whole.is_empty() || !fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && exponent_is_good
}

/// Digits of a base that is a power of two, rounded once (to nearest, ties to even).
fn from_digits(digits: &str, digit_bits: u32) -> f64 {
    let mut mantissa: u64 = 0;
    let mut dropped_bits: i32 = 0;
    let mut sticky = false;
    for c in digits.chars() {
        let Some(digit) = c.to_digit(1 << digit_bits) else { return f64::NAN };
        if mantissa.leading_zeros() >= digit_bits {
            mantissa = (mantissa << digit_bits) | u64::from(digit);
        } else {
            dropped_bits = dropped_bits.saturating_add(digit_bits as i32);
            sticky |= digit != 0;
        }
    }
    // At least 60 significant bits are kept when any are dropped, so the lowest is free to be sticky.
    let rounded = (mantissa | u64::from(sticky)) as f64;
    if dropped_bits > 1_100 { rounded * f64::INFINITY } else { rounded * 2f64.powi(dropped_bits) }
}

/// The text of a number in a template: at most 15 decimals.
pub(super) fn to_text(n: f64) -> String {
    // From 8 on half the distance between doubles is more than what rounding to 15 decimals moves.
    if !n.is_finite() || n.abs() >= 8.0 {
        return to_shortest(n);
    }
    let scaled = n * 65_536.0;
    // Exactly between two texts of 15 decimals (only odd multiples of 2^-16 can be): away from zero.
    let is_tie = scaled.fract() == 0.0 && scaled % 2.0 != 0.0;
    let n = if is_tie { f64::from_bits(n.to_bits() + 1) } else { n };
    to_shortest(format!("{n:.15}").parse().unwrap_or(n))
}

/// The shortest text that reads back as `n`, laid out as ECMAScript does.
pub(super) fn to_shortest(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if n == 0.0 {
        return "0".to_owned();
    }
    let sign = if n < 0.0 { "-" } else { "" };
    let (digits, point) = shortest_digits(n.abs());
    let count = digits.len() as i32;
    // `point` digits stand before the decimal point.
    if (count..=21).contains(&point) {
        format!("{sign}{digits}{}", "0".repeat((point - count) as usize))
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(point as usize);
        format!("{sign}{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        format!("{sign}0.{}{digits}", "0".repeat(-point as usize))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let exponent = point - 1;
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        format!("{sign}{first}{dot}{rest}e{exponent_sign}{}", exponent.abs())
    }
}

/// The significant digits of a positive number and how many of them stand before the point.
///
/// From serde_json, which like ECMAScript and unlike Rust's own formatting takes the even one of two
/// texts that are equally short and equally close.
fn shortest_digits(n: f64) -> (String, i32) {
    let text = serde_json::Number::from_f64(n).map(|n| n.to_string()).unwrap_or_default();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading = (all.len() - digits.len()) as i32;
    let exponent: i32 = exponent.parse().unwrap_or(0);
    (digits.trim_end_matches('0').to_owned(), whole.len() as i32 - leading + exponent)
}
