//! Sizes and processor shares as people write them.

/// Bytes of a size: `4GiB`, `512 MB`, `1.5G`, `512Mi`, or a bare number of bytes.
///
/// `K`, `M`, `G`, `T` and `KB`… are powers of 1000; `Ki`… and `KiB`… powers of 1024.
///
/// # Errors
/// A sentence that names the text when it has no number, an unknown unit, or does not fit.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is not a size; write for instance `512MiB` or `4GiB`");
    let (number, unit) = split(text).ok_or_else(bad)?;
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        _ => return Err(bad()),
    };
    scaled(number, scale).ok_or_else(bad)
}

/// Thousandths of a core: `2`, `1.5`, `500m`.
///
/// # Errors
/// A sentence that names the text when it is none, is zero, or does not fit.
pub fn parse_cpu(text: &str) -> Result<u32, String> {
    let bad =
        || format!("`{text}` is not a processor share; write for instance `2`, `1.5`, `500m`");
    let (number, unit) = split(text).ok_or_else(bad)?;
    let scale = match unit {
        "" => 1_000,
        "m" => 1,
        _ => return Err(bad()),
    };
    let millis = scaled(number, scale).ok_or_else(bad)?;
    u32::try_from(millis).ok().filter(|m| *m > 0).ok_or_else(bad)
}

/// The number and the unit behind it.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then(|| (number, unit.trim()))
}

/// `number × scale` without floating point: at most nine decimals.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(scale);
    let part = part / 10u128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("4GiB", 4 << 30)]
    #[case("512 MB", 512_000_000)]
    #[case("512Mi", 512 << 20)]
    #[case("1.5G", 1_500_000_000)]
    #[case("1048576", 1 << 20)]
    fn sizes_read_as_people_write_them(#[case] text: &str, #[case] bytes: u64) {
        assert_eq!(parse_bytes(text), Ok(bytes));
    }

    #[rstest]
    #[case("2", 2_000)]
    #[case("500m", 500)]
    #[case("1.5", 1_500)]
    fn shares_read_as_people_write_them(#[case] text: &str, #[case] millis: u32) {
        assert_eq!(parse_cpu(text), Ok(millis));
    }

    #[rstest]
    #[case("")]
    #[case("GiB")]
    #[case("4 parsecs")]
    #[case("-1G")]
    #[case("1.2.3G")]
    #[case("99999999999T")]
    fn what_is_no_size_is_refused(#[case] text: &str) {
        assert!(parse_bytes(text).is_err());
    }

    #[rstest]
    #[case("0")]
    #[case("many")]
    #[case("2GiB")]
    fn what_is_no_share_is_refused(#[case] text: &str) {
        assert!(parse_cpu(text).is_err());
    }
}
