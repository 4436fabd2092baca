//! Damaged deliveries: whatever the bytes, reading ends with a value, and what was changed is not believed.

use axum::http::HeaderMap;
use base64::Engine as _;
use gantry_api::lease::Secret;
use gantry_core::Timestamp;
use gantry_server::forge::{ForgeKind, MAX_BODY_BYTES, delivery, read_delivery};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use serde_json::Value;
use sha2::Sha256;

use crate::support::{headers, sample};

const SECRET: &str = "correct horse battery staple";
const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The ways in which a forge signs: its headers over a body.
fn signed(way: usize, body: &[u8]) -> (ForgeKind, Secret, HeaderMap) {
    let digits = hex(&mac(SECRET.as_bytes(), body));
    let plain = Secret(SECRET.to_owned());
    match way {
        0 => {
            let signature = format!("sha256={digits}");
            let headers =
                headers([("x-github-event", "push"), ("x-hub-signature-256", &signature)]);
            (ForgeKind::GitHub, plain, headers)
        }
        1 => {
            let headers = headers([("x-gitea-event", "push"), ("x-gitea-signature", &digits)]);
            (ForgeKind::Gitea, plain, headers)
        }
        2 => {
            let headers = headers([("x-forgejo-event", "push"), ("x-forgejo-signature", &digits)]);
            (ForgeKind::Forgejo, plain, headers)
        }
        _ => {
            let engine = base64::engine::general_purpose::STANDARD;
            let text = [b"msg_1.1800000000.".as_slice(), body].concat();
            let signature = format!("v1,{}", engine.encode(mac(SECRET.as_bytes(), &text)));
            let headers = headers([
                ("x-gitlab-event", "Push Hook"),
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1800000000"),
                ("webhook-signature", &signature),
            ]);
            (ForgeKind::GitLab, Secret(format!("whsec_{}", engine.encode(SECRET))), headers)
        }
    }
}

const SIGNATURES: [&str; 4] =
    ["x-hub-signature-256", "x-gitea-signature", "x-forgejo-signature", "webhook-signature"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn one_changed_byte_is_not_believed(way in 0usize..4, at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let body = serde_json::to_vec(&sample("forgejo_push.json")).unwrap();
        let (kind, secret, headers) = signed(way, &body);
        let secrets = [secret];
        prop_assert!(read_delivery(kind, &headers, &body, &secrets, NOW).is_ok());
        let mut changed = body;
        let at = at.index(changed.len());
        changed[at] ^= flip;
        let error = read_delivery(kind, &headers, &changed, &secrets, NOW).unwrap_err();
        prop_assert_eq!(error.code(), "hook/signature");
        prop_assert_eq!(error.status(), 401);
    }

    #[test]
    fn other_signatures_are_not_believed(
        way in 0usize..4,
        cut in any::<prop::sample::Index>(),
        random in "[ -~]{0,80}",
        digits in "[0-9a-f]{64}",
    ) {
        let body = b"{}";
        let (kind, secret, headers) = signed(way, body);
        let secrets = [secret];
        let name = SIGNATURES[way];
        let whole = headers.get(name).unwrap().to_str().unwrap().to_owned();
        let short = whole[..cut.index(whole.len())].to_owned();
        let prefixed = format!("sha256={digits}");
        for wrong in [short, random, digits, prefixed, String::new()] {
            if wrong == whole { continue; }
            let mut headers = headers.clone();
            headers.insert(name, wrong.parse().unwrap());
            prop_assert!(read_delivery(kind, &headers, body, &secrets, NOW).is_err(), "{}", wrong);
            let said = read_delivery(kind, &headers, body, &secrets, NOW).unwrap_err().to_string();
            prop_assert!(!said.contains(SECRET) && (wrong.len() < 8 || !said.contains(&wrong)), "{}", said);
        }
        let mut without = headers.clone();
        without.remove(name);
        prop_assert!(read_delivery(kind, &without, body, &secrets, NOW).is_err());
    }

    #[test]
    fn any_bytes_are_read_to_an_end(kind in 0usize..4, body in prop::collection::vec(any::<u8>(), 0..200), event in "[a-z_ ]{0,30}") {
        let headers = headers([("x-github-event", event.trim()), ("x-gitlab-event", event.trim()), ("x-gitea-event", event.trim())]);
        let _ = delivery::read(ForgeKind::ALL[kind], &headers, &body);
    }

    /// A value of a payload is gone, or is of another kind.
    #[test]
    fn damaged_payloads_are_read_to_an_end(which in 0usize..5, at in any::<prop::sample::Index>(), with in 0usize..9) {
        let (kind, name, file) = [
            (ForgeKind::Forgejo, "push", "forgejo_push.json"),
            (ForgeKind::Gitea, "pull_request", "gitea_pull_request.json"),
            (ForgeKind::GitHub, "pull_request", "gitea_pull_request.json"),
            (ForgeKind::GitLab, "Push Hook", "gitlab_push.json"),
            (ForgeKind::GitLab, "Merge Request Hook", "gitlab_merge_request.json"),
        ][which];
        let mut payload = sample(file);
        let mut pointers = Vec::new();
        collect(&payload, String::new(), &mut pointers);
        let pointer = &pointers[at.index(pointers.len())];
        *payload.pointer_mut(pointer).unwrap() = [
            Value::Null, true.into(), (-1).into(), "".into(), "../..".into(), "\u{0}\n".into(),
            serde_json::json!([]), serde_json::json!({}), "é".repeat(5000).into(),
        ][with].clone();
        let headers = headers([("x-github-event", name), ("x-gitlab-event", name), ("x-gitea-event", name)]);
        let body = serde_json::to_vec(&payload).unwrap();
        let Ok(delivery) = delivery::read(kind, &headers, &body) else { return Ok(()) };
        prop_assert_eq!(delivery.event.is_some(), delivery.reason.is_none());
        if let Some(event) = delivery.event {
            prop_assert!(!event.repository.contains("..") && event.repository.contains('/'));
            prop_assert!(event.git_ref.starts_with("refs/") || event.git_ref == "HEAD", "{}", event.git_ref);
            let hex = |sha: &String| sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_hexdigit());
            prop_assert!(event.sha.iter().chain(&event.before).chain(&event.base_sha).all(hex));
        }
    }
}

/// The pointers of every value.
fn collect(value: &Value, at: String, found: &mut Vec<String>) {
    let each: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (format!("{at}/{k}"), v)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(i, v)| (format!("{at}/{i}"), v)).collect()
        }
        _ => return,
    };
    for (pointer, value) in each {
        found.push(pointer.clone());
        collect(value, pointer, found);
    }
}

#[test]
fn limits_hold_before_anything_else() {
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    let error = read_delivery(ForgeKind::GitHub, &HeaderMap::new(), &large, &[], NOW).unwrap_err();
    assert_eq!((error.code(), error.status()), ("hook/too-large", 413));
    assert!(error.to_string().contains("`MAX_BODY_BYTES` of 26214400"), "{error}");
    let mut many = HeaderMap::new();
    for n in 0..200 {
        many.insert(
            format!("x-{n}").parse::<axum::http::HeaderName>().unwrap(),
            "1".parse().unwrap(),
        );
    }
    let error = read_delivery(ForgeKind::GitHub, &many, b"{}", &[], NOW).unwrap_err();
    assert_eq!(error.code(), "hook/too-large");
    let error = read_delivery(ForgeKind::GitHub, &HeaderMap::new(), b"{}", &[], NOW).unwrap_err();
    assert_eq!((error.code(), error.status()), ("hook/no-secret", 403));
}

#[test]
fn a_payload_that_is_nested_too_deeply_is_refused() {
    let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    let headers = headers([("x-github-event", "push")]);
    let error = delivery::read(ForgeKind::GitHub, &headers, deep.as_bytes()).unwrap_err();
    assert_eq!((error.code(), error.status()), ("hook/malformed", 400));
}

#[test]
fn a_form_of_github_is_read_and_one_of_others_is_refused_with_the_remedy() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = b"payload=%7B%22zen%22%3A+%22a+b%22%7D";
    let github = headers([("x-github-event", "ping"), form]);
    let read = delivery::read(ForgeKind::GitHub, &github, body).unwrap();
    assert!(read.reason.unwrap().contains("webhook works"));
    let gitea = headers([("x-gitea-event", "push"), form]);
    let error = delivery::read(ForgeKind::Gitea, &gitea, body).unwrap_err();
    assert!(error.to_string().contains("choose `application/json`"), "{error}");
}
