//! Whether a delivery comes from who knows the secret: over the raw bytes, in constant time, before anything is parsed.
//!
//! | forge | header | content |
//! |---|---|---|
//! | GitHub | `X-Hub-Signature-256` | `sha256=` and the HMAC-SHA256 of the body in hex |
//! | GitLab, secret token | `X-Gitlab-Token` | the token itself |
//! | GitLab, signing token (`whsec_…`) | `webhook-signature` with `webhook-id`, `webhook-timestamp` | Standard Webhooks: `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64 |
//! | Gitea | `X-Gitea-Signature`, else `X-Hub-Signature-256` | the HMAC-SHA256 of the body in hex |
//! | Forgejo | `X-Forgejo-Signature`, else Gitea's | the same |

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_api::lease::Secret;
use gantry_core::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::ForgeKind;

/// How far the time that a delivery was signed at may be from the hub's clock, either way.
pub const TIMESTAMP_TOLERANCE_US: i64 = 5 * 60 * 1_000_000;
/// Beginning of a signing token, and so of the secret of a GitLab connection that signs.
pub const SIGNING_TOKEN_PREFIX: &str = "whsec_";

/// Bytes of a HMAC-SHA256.
const MAC_BYTES: usize = 32;
/// Most signatures in one header: a sender lists one for each of its keys.
const MAX_SIGNATURES: usize = 16;

/// Why a delivery is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The connection has no secret.
    #[error(
        "the connection has no secret, so no delivery can be believed\nhint: give the connection a secret, and the webhook the same"
    )]
    NoSecret,
    /// The request has no signature.
    #[error(
        "the header `{0}` is missing\nhint: set the connection's secret on the forge's webhook page"
    )]
    Missing(&'static str),
    /// The signature is not of the form that the forge sends.
    #[error("the header `{0}` does not hold a signature")]
    Malformed(&'static str),
    /// The signature is not that of the secret over these bytes.
    #[error(
        "the header `{0}` does not fit the body and the connection's secret\nhint: the forge's webhook must send `application/json`, with the connection's secret"
    )]
    Mismatch(&'static str),
    /// Signed too long ago, or in the future.
    #[error(
        "the delivery was signed {seconds} seconds from the hub's time\nhint: set the clocks of forge and hub"
    )]
    Stale {
        /// Distance of the two clocks.
        seconds: u64,
    },
}

/// Checks who sent a delivery; any of the secrets may have signed.
///
/// # Errors
/// What is missing or wrong. The text never holds a secret or a signature.
pub fn verify(
    kind: ForgeKind,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), SignatureError> {
    // An empty secret is none: a HMAC with it could be made by anybody.
    let secrets: Vec<&str> =
        secrets.iter().map(|s| s.0.as_str()).filter(|s| !s.is_empty()).collect();
    if secrets.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    match kind {
        ForgeKind::GitHub => by_hex(headers, "x-hub-signature-256", body, &secrets),
        ForgeKind::GitLab => gitlab(headers, body, &secrets, now),
        ForgeKind::Gitea | ForgeKind::Forgejo => {
            let mut known =
                ["x-forgejo-signature", "x-gitea-signature", "x-hub-signature-256"].into_iter();
            // The first that is there decides: a wrong one is not made good by another.
            let name =
                known.find(|name| headers.contains_key(*name)).unwrap_or("x-gitea-signature");
            by_hex(headers, name, body, &secrets)
        }
    }
}

/// The one value of a header.
fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a [u8], SignatureError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().ok_or(SignatureError::Missing(name))?;
    if values.next().is_some() {
        return Err(SignatureError::Malformed(name));
    }
    Ok(first.as_bytes())
}

fn by_hex(
    headers: &HeaderMap,
    name: &'static str,
    body: &[u8],
    secrets: &[&str],
) -> Result<(), SignatureError> {
    let value = one(headers, name)?;
    let digits = if name == "x-hub-signature-256" {
        value.strip_prefix(b"sha256=").ok_or(SignatureError::Malformed(name))?
    } else {
        value
    };
    let given = from_hex(digits).ok_or(SignatureError::Malformed(name))?;
    let good = secrets.iter().fold(subtle::Choice::from(0), |good, secret| {
        good | mac(secret.as_bytes(), &[body]).ct_eq(&given)
    });
    if bool::from(good) { Ok(()) } else { Err(SignatureError::Mismatch(name)) }
}

fn gitlab(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&str],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let (signing, tokens): (Vec<&str>, Vec<&str>) =
        secrets.iter().partition(|s| s.starts_with(SIGNING_TOKEN_PREFIX));
    // What is signed is checked as such: the plain token says nothing about the body.
    if !signing.is_empty() && (tokens.is_empty() || headers.contains_key("webhook-signature")) {
        return signed(headers, body, &signing, now);
    }
    let given = Sha256::digest(one(headers, "x-gitlab-token")?);
    // Digests have one length, so the comparison tells nothing about the token's.
    let good = tokens.iter().fold(subtle::Choice::from(0), |good, token| {
        good | Sha256::digest(token.as_bytes()).ct_eq(&given)
    });
    if bool::from(good) { Ok(()) } else { Err(SignatureError::Mismatch("x-gitlab-token")) }
}

/// Standard Webhooks.
fn signed(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&str],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let id = one(headers, "webhook-id")?;
    let time = one(headers, "webhook-timestamp")?;
    let list = one(headers, "webhook-signature")?;
    let list =
        std::str::from_utf8(list).map_err(|_| SignatureError::Malformed("webhook-signature"))?;
    let mut good = subtle::Choice::from(0);
    for secret in secrets {
        let key = secret.strip_prefix(SIGNING_TOKEN_PREFIX).unwrap_or(secret);
        let Ok(key) = STANDARD.decode(key) else { continue };
        let expected = mac(&key, &[id, b".", time, b".", body]);
        for entry in list.split(' ').take(MAX_SIGNATURES) {
            let given = entry.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
            if let Some(given) = given.filter(|mac| mac.len() == MAC_BYTES) {
                good |= expected.ct_eq(given.as_slice());
            }
        }
    }
    if !bool::from(good) {
        return Err(SignatureError::Mismatch("webhook-signature"));
    }
    let seconds = std::str::from_utf8(time).ok().and_then(|text| text.parse::<i64>().ok());
    let seconds = seconds.ok_or(SignatureError::Malformed("webhook-timestamp"))?;
    let apart = seconds.saturating_mul(1_000_000).saturating_sub(now.0).unsigned_abs();
    if apart > TIMESTAMP_TOLERANCE_US.unsigned_abs() {
        return Err(SignatureError::Stale { seconds: apart / 1_000_000 });
    }
    Ok(())
}

/// The HMAC-SHA256 of the parts, one after the other.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    // A HMAC takes a key of any length; the zero key of the other branch is never taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; MAC_BYTES] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn from_hex(text: &[u8]) -> Option<[u8; MAC_BYTES]> {
    if text.len() != 2 * MAC_BYTES {
        return None;
    }
    let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = [0; MAC_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().expect("name"), v.parse().expect("value"))).collect()
    }

    fn check(
        kind: ForgeKind,
        pairs: &[(&'static str, &str)],
        body: &[u8],
        secret: &str,
    ) -> Result<(), SignatureError> {
        verify(kind, &headers(pairs), body, &[Secret(secret.to_owned())], NOW)
    }

    /// The example of GitHub's documentation ("Validating webhook deliveries").
    #[test]
    fn githubs_documented_example_is_believed() {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secret = "It's a Secret to Everybody";
        let with = |body: &[u8]| {
            check(ForgeKind::GitHub, &[("x-hub-signature-256", signature)], body, secret)
        };
        assert_eq!(with(b"Hello, World!"), Ok(()));
        assert_eq!(with(b"Hello, World?"), Err(SignatureError::Mismatch("x-hub-signature-256")));
        let bare = &[("x-gitea-signature", &signature[7..])];
        assert_eq!(check(ForgeKind::Gitea, bare, b"Hello, World!", secret), Ok(()));
        assert_eq!(check(ForgeKind::Forgejo, bare, b"Hello, World!", secret), Ok(()));
        let both = &[("x-forgejo-signature", &"0".repeat(64) as &str), bare[0]];
        assert!(check(ForgeKind::Forgejo, both, b"Hello, World!", secret).is_err());
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn a_signing_token_of_gitlab_is_checked_as_standard_webhooks_say() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let pairs = |time: &'static str| {
            [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", time),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ]
        };
        let at = |now: i64, time| {
            verify(
                ForgeKind::GitLab,
                &headers(&pairs(time)),
                body,
                &[Secret(secret.to_owned())],
                Timestamp(now),
            )
        };
        assert_eq!(at(1_614_265_330_000_000, "1614265330"), Ok(()));
        assert_eq!(
            at(1_614_265_330_000_000, "1614265331"),
            Err(SignatureError::Mismatch("webhook-signature"))
        );
        assert_eq!(
            at(1_614_265_930_000_000, "1614265330"),
            Err(SignatureError::Stale { seconds: 600 })
        );
        // The plain header does not stand in for a signature.
        let plain = &[("x-gitlab-token", secret)];
        assert_eq!(
            check(ForgeKind::GitLab, plain, body, secret),
            Err(SignatureError::Missing("webhook-id"))
        );
    }

    #[test]
    fn gitlabs_secret_token_is_compared() {
        let with =
            |token: &str| check(ForgeKind::GitLab, &[("x-gitlab-token", token)], b"{}", "right");
        assert_eq!(with("right"), Ok(()));
        for wrong in ["", "righ", "right ", "rightright", "Right"] {
            assert_eq!(with(wrong), Err(SignatureError::Mismatch("x-gitlab-token")), "{wrong}");
        }
    }

    #[test]
    fn without_a_secret_nothing_is_believed() {
        for kind in ForgeKind::ALL {
            assert_eq!(
                verify(kind, &HeaderMap::new(), b"", &[], NOW),
                Err(SignatureError::NoSecret)
            );
            assert_eq!(check(kind, &[], b"", ""), Err(SignatureError::NoSecret));
            assert!(matches!(check(kind, &[], b"", "x"), Err(SignatureError::Missing(_))));
        }
    }

    #[test]
    fn the_second_of_two_secrets_is_taken_too() {
        let body = b"payload";
        let hex: String = mac(b"new", &[body]).iter().map(|b| format!("{b:02x}")).collect();
        let both = [Secret("old".to_owned()), Secret("new".to_owned())];
        let headers = headers(&[("x-hub-signature-256", &format!("sha256={hex}"))]);
        assert_eq!(verify(ForgeKind::GitHub, &headers, body, &both, NOW), Ok(()));
        assert!(verify(ForgeKind::GitHub, &headers, body, &both[..1], NOW).is_err());
        let twice: HeaderMap =
            headers.iter().chain(headers.iter()).fold(HeaderMap::new(), |mut map, (k, v)| {
                map.append(k.clone(), v.clone());
                map
            });
        assert_eq!(
            verify(ForgeKind::GitHub, &twice, body, &both, NOW),
            Err(SignatureError::Malformed("x-hub-signature-256"))
        );
    }
}
