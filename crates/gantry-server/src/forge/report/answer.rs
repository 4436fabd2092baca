//! What a forge's answer means for a status.

use axum::http::HeaderMap;
use gantry_core::Timestamp;
use serde_json::Value;

use super::ForgeKind;

/// Longest wait that a forge's answer can ask for; longer ones are cut.
pub const MAX_PAUSE_MS: u64 = 60 * 60 * 1000;
/// Wait for a forge that refuses for its limits and does not say how long.
const UNSAID_PAUSE_MS: u64 = 60 * 1000;
/// Longest part of an answer that is kept as the reason.
const MAX_REASON_BYTES: usize = 300;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The forge took it; its id, where it has one. No more requests of this connection before `pause`, if any.
    Taken {
        /// The forge's number of what it made.
        id: Option<u64>,
        /// The last request of the forge's limit was used: when there are more.
        pause: Option<Timestamp>,
    },
    /// The forge has had enough of this connection: no request of it before then.
    Throttled {
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// The forge fails; the same may be taken later.
    Fails(String),
    /// The credentials are not taken; new ones may be.
    Unauthorized(String),
    /// The thing that was to be changed is gone: make it anew.
    Gone,
    /// The forge refuses this very status.
    Refused(String),
}

/// Judges an answer: its status, headers and the beginning of its body.
///
/// `changes` when the request changed something that the forge had made.
pub fn judge(
    forge: ForgeKind,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    changes: bool,
    now: Timestamp,
) -> Verdict {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if (200..300).contains(&status) {
        return Verdict::Taken {
            id: json.get("id").and_then(Value::as_u64),
            pause: used_up(headers, now),
        };
    }
    let reason = reason(status, &json, body);
    let lower = reason.to_ascii_lowercase();
    match status {
        429 => Verdict::Throttled { until: pause(headers, now), reason },
        // GitHub answers 403 for its limits too, and says so in headers or words.
        403 if headers.contains_key("retry-after")
            || used_up(headers, now).is_some()
            || lower.contains("rate limit") =>
        {
            Verdict::Throttled { until: pause(headers, now), reason }
        }
        // GitLab refuses a state that a status has already.
        400 if forge == ForgeKind::GitLab && lower.contains("cannot transition status") => {
            Verdict::Taken { id: None, pause: None }
        }
        401 => Verdict::Unauthorized(reason),
        404 if changes => Verdict::Gone,
        408 | 425 | 500..=599 => match headers.contains_key("retry-after") {
            true => Verdict::Throttled { until: pause(headers, now), reason },
            false => Verdict::Fails(reason),
        },
        _ => Verdict::Refused(reason),
    }
}

/// The end of a limit whose last request this was.
fn used_up(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let number = |names: &[&str]| names.iter().find_map(|name| number(headers, name));
    if number(&["x-ratelimit-remaining", "ratelimit-remaining"])? > 0 {
        return None;
    }
    let reset = number(&["x-ratelimit-reset", "ratelimit-reset"])?;
    let until = Timestamp(i64::try_from(reset).ok()?.checked_mul(1_000_000)?);
    Some(until.clamp(now, now.plus_ms(MAX_PAUSE_MS)))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// When the forge wants to hear again: as `Retry-After` says in seconds or as a date, else the end of its limit.
fn pause(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let asked = headers.get("retry-after").and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = asked.and_then(|text| match text.parse::<u64>() {
        Ok(seconds) => Some(now.plus_ms(seconds.saturating_mul(1000))),
        Err(_) => {
            jiff::fmt::rfc2822::parse(text).ok().map(|t| Timestamp(t.timestamp().as_microsecond()))
        }
    });
    asked
        .or_else(|| used_up(headers, now))
        .unwrap_or_else(|| now.plus_ms(UNSAID_PAUSE_MS))
        .clamp(now, now.plus_ms(MAX_PAUSE_MS))
}

/// What the forge said, for people.
fn reason(status: u16, json: &Value, body: &[u8]) -> String {
    let said =
        ["message", "error", "error_description"].iter().find_map(|key| match json.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        });
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let line = said.lines().next().unwrap_or_default().replace(char::is_control, " ");
    let mut end = line.len().min(MAX_REASON_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    if end == 0 { format!("status {status}") } else { format!("status {status}: {}", &line[..end]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn given(status: u16, pairs: &[(&'static str, &str)], body: &str) -> Verdict {
        let headers =
            pairs.iter().map(|(k, v)| (k.parse().expect("name"), v.parse().expect("value")));
        judge(ForgeKind::GitHub, status, &headers.collect(), body.as_bytes(), false, NOW)
    }

    fn until(verdict: Verdict) -> i64 {
        match verdict {
            Verdict::Throttled { until, .. } => (until.0 - NOW.0) / 1_000_000,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_forge_that_has_had_enough_is_left_alone_for_as_long_as_it_says() {
        assert_eq!(until(given(429, &[("retry-after", "17")], "")), 17);
        assert_eq!(until(given(403, &[("retry-after", "5")], "")), 5);
        assert_eq!(until(given(503, &[("retry-after", "9")], "")), 9);
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000100")];
        assert_eq!(until(given(403, &spent, "")), 100);
        assert_eq!(
            until(given(403, &[], r#"{"message": "You have exceeded a secondary rate limit"}"#)),
            60
        );
        assert_eq!(until(given(429, &[("retry-after", "999999999")], "")), 3600, "within reason");
        assert_eq!(until(given(429, &[("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT")], "")), 60);
        assert_eq!(until(given(429, &[("retry-after", "soon")], "")), 60);
        let taken = given(
            201,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000030")],
            r#"{"id": 4}"#,
        );
        assert_eq!(taken, Verdict::Taken { id: Some(4), pause: Some(NOW.plus_ms(30_000)) });
    }

    #[test]
    fn failures_of_the_forge_are_apart_from_refusals() {
        assert_eq!(given(502, &[], "<html>"), Verdict::Fails("status 502: <html>".to_owned()));
        assert_eq!(
            given(401, &[], r#"{"message": "Bad credentials"}"#),
            Verdict::Unauthorized("status 401: Bad credentials".to_owned())
        );
        assert_eq!(
            given(403, &[], r#"{"message": "Resource not accessible"}"#),
            Verdict::Refused("status 403: Resource not accessible".to_owned())
        );
        assert_eq!(given(404, &[], ""), Verdict::Refused("status 404".to_owned()));
        let gone = judge(ForgeKind::GitHub, 404, &HeaderMap::new(), b"", true, NOW);
        assert_eq!(gone, Verdict::Gone);
        let same = br#"{"message":"Cannot transition status via :run from :running"}"#;
        let gitlab = |body| judge(ForgeKind::GitLab, 400, &HeaderMap::new(), body, false, NOW);
        assert_eq!(gitlab(same), Verdict::Taken { id: None, pause: None });
        assert!(matches!(gitlab(b"{}"), Verdict::Refused(_)));
    }
}
