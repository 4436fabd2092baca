//! What the tests of forges share.

use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use gantry_server::forge::{Delivery, ForgeKind, delivery};
use gantry_testkit::skip;
use serde_json::Value;

/// The folder of what forges publish, which `script/test` fills; says so where a part of it is not there.
pub fn published(part: &str) -> Option<PathBuf> {
    let Some(dir) = std::env::var_os("GANTRY_FORGES_DIR") else {
        skip("`GANTRY_FORGES_DIR` is not set; `script/test` fetches what forges publish");
        return None;
    };
    let path = Path::new(&dir).join(part);
    if !path.exists() {
        skip(format!("`{}` is missing; `script/test` fetches it", path.display()));
        return None;
    }
    Some(path)
}

/// A sample of this folder.
pub fn sample(name: &str) -> Value {
    let path =
        gantry_testkit::checkout().join("crates/gantry-server/tests/forge/samples").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn headers<const N: usize>(pairs: [(&str, &str); N]) -> HeaderMap {
    let pair = |(name, value): (&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    pairs.into_iter().map(pair).collect()
}

/// The delivery of a payload under the name that the forge gives the event.
pub fn read(kind: ForgeKind, event: &str, payload: &Value) -> Delivery {
    let name = match kind {
        ForgeKind::GitHub => "x-github-event",
        ForgeKind::GitLab => "x-gitlab-event",
        ForgeKind::Gitea => "x-gitea-event",
        ForgeKind::Forgejo => "x-forgejo-event",
    };
    let body = serde_json::to_vec(payload).unwrap();
    delivery::read(kind, &headers([(name, event)]), &body).unwrap()
}

/// The text at a JSON pointer, which must be there.
pub fn at<'a>(payload: &'a Value, pointer: &str) -> &'a str {
    payload.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}"))
}

/// The last parts of a URL's path, joined by slashes.
pub fn tail(url: &str, parts: usize) -> String {
    let all: Vec<&str> = url.trim_end_matches(".git").split('/').collect();
    all[all.len() - parts..].join("/")
}
