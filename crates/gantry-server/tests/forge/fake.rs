//! A forge on loopback that is held to the published descriptions of the real ones: what these would not take, it does
//! not take either, and notes it as a problem.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use gantry_server::forge::ForgeKind;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// What the forge does with the next request, instead of taking it.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: it takes the request.
    None,
    Answer(u16, Vec<(&'static str, String)>),
    /// No answer until the test lets it go; then the connection breaks.
    Hang,
    /// It takes the request, and the answer is lost.
    TakenAndLost,
}

/// What the forge has seen and has.
#[derive(Debug, Default)]
pub struct Seen {
    pub faults: VecDeque<Fault>,
    pub requests: Vec<(String, String)>,
    pub problems: Vec<String>,
    /// Check runs with all their annotations, by number.
    pub checks: BTreeMap<u64, Value>,
    /// States of commit statuses, by path and name.
    pub statuses: BTreeMap<(String, String), Vec<String>>,
    pub authorizations: BTreeSet<String>,
    /// Installation tokens that were made.
    pub made_tokens: u64,
    /// Installation tokens that hold.
    pub tokens: BTreeSet<String>,
    /// The App's public key, PKCS#1 DER: with it requests need an installation token.
    pub app_key: Option<Vec<u8>>,
    /// Life of the next installation tokens.
    pub token_life_s: i64,
}

pub struct Fake {
    pub url: String,
    pub kind: ForgeKind,
    seen: Mutex<Seen>,
    description: Vec<(Method, Vec<String>, Option<jsonschema::Validator>)>,
    release: Notify,
}

impl Fake {
    pub async fn start(kind: ForgeKind) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Mutex::new(Seen { token_life_s: 3600, ..Seen::default() });
        let fake = Arc::new(Self {
            url,
            kind,
            seen,
            description: description(kind),
            release: Notify::new(),
        });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        fake
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// The next requests meet these.
    pub fn fails<const N: usize>(&self, faults: [Fault; N]) {
        self.seen().faults.extend(faults);
    }

    /// Lets the requests go that hang.
    pub fn release(&self) {
        self.release.notify_waiters();
    }

    /// What the forge would not have taken.
    pub fn assert_no_problems(&self) {
        assert_eq!(self.seen().problems, Vec::<String>::new());
    }
}

/// Method, parts of the path, and schema of the body of each request that the forge describes.
pub fn description(kind: ForgeKind) -> Vec<(Method, Vec<String>, Option<jsonschema::Validator>)> {
    let file = match kind {
        ForgeKind::GitHub => "github",
        ForgeKind::GitLab => "gitlab",
        ForgeKind::Gitea | ForgeKind::Forgejo => "gitea",
    };
    let path = format!("crates/gantry-server/tests/forge/api/{file}.json");
    let text = std::fs::read(gantry_testkit::checkout().join(path)).unwrap();
    let described: Value = serde_json::from_slice(&text).unwrap();
    let mut found = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, schema) in methods.as_object().unwrap() {
            let method = method.to_ascii_uppercase().parse().unwrap();
            let parts = path.split('/').map(str::to_owned).collect();
            let schema = (!schema.is_null()).then(|| jsonschema::validator_for(schema).unwrap());
            found.push((method, parts, schema));
        }
    }
    found
}

/// What the description says against a request.
pub fn problem(
    description: &[(Method, Vec<String>, Option<jsonschema::Validator>)],
    method: &Method,
    path: &str,
    body: &Value,
) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |known: &[String]| {
        known.len() == parts.len()
            && known
                .iter()
                .zip(&parts)
                .all(|(k, p)| if k.starts_with('{') { !p.is_empty() } else { k == p })
    };
    let Some((_, _, schema)) = description.iter().find(|(m, known, _)| m == method && fits(known))
    else {
        return Some(format!("{method} {path} is not described"));
    };
    let errors: Vec<String> = schema
        .iter()
        .flat_map(|schema| {
            schema
                .iter_errors(body)
                .map(|e| format!("{e} at {}", e.instance_path()))
                .collect::<Vec<_>>()
        })
        .collect();
    (!errors.is_empty()).then(|| format!("{method} {path}: {}", errors.join("; ")))
}

fn says(status: u16, message: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), axum::Json(json!({ "message": message })))
        .into_response()
}

async fn answer(
    State(fake): State<Arc<Fake>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let fault = {
        let mut seen = fake.seen();
        seen.requests.push((method.to_string(), path.clone()));
        seen.faults.pop_front()
    };
    match fault {
        None | Some(Fault::None) => take(&fake, &method, &path, &headers, &body),
        Some(Fault::TakenAndLost) => {
            take(&fake, &method, &path, &headers, &body);
            says(502, "lost on the way")
        }
        Some(Fault::Answer(status, pairs)) => {
            let mut response = says(status, "told to fail");
            for (name, value) in pairs {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Fault::Hang) => {
            fake.release.notified().await;
            says(504, "let go")
        }
    }
}

fn take(fake: &Fake, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let mut seen = fake.seen();
    let problem = problem(&fake.description, method, path, &json);
    if let Some(problem) = problem {
        seen.problems.push(problem.clone());
        return says(422, &problem);
    }
    let authorization = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
    let Some(authorization) = authorization else { return says(401, "who are you") };
    seen.authorizations.insert(authorization.clone());
    if fake.kind == ForgeKind::GitHub && headers.get("x-github-api-version").is_none() {
        seen.problems.push("no API version".to_owned());
    }
    if path.ends_with("/installation") || path.starts_with("/app/") {
        return app(&mut seen, path, &authorization);
    }
    let bearer =
        authorization.split_once(' ').map(|(_, token)| token.to_owned()).unwrap_or_default();
    if seen.app_key.is_some() && !seen.tokens.contains(&bearer) {
        return says(401, "Bad credentials");
    }
    if path.contains("/check-runs") {
        check_run(&mut seen, method, path, &json)
    } else {
        status(&mut seen, path, &json)
    }
}

/// The two requests of an App, which its signed token must be good for.
fn app(seen: &mut Seen, path: &str, authorization: &str) -> Response {
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let key = jsonwebtoken::DecodingKey::from_rsa_der(seen.app_key.as_ref().unwrap());
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_required_spec_claims(&["exp", "iss"]);
    rules.set_issuer(&["Iv1.test"]);
    let claims = match jsonwebtoken::decode::<Value>(token, &key, &rules) {
        Ok(data) => data.claims,
        Err(e) => {
            seen.problems.push(format!("the App's token is not good: {e}"));
            return says(401, "A JSON web token could not be decoded");
        }
    };
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    if expires - issued > 600 || issued > jiff::Timestamp::now().as_second() {
        seen.problems.push(format!("{claims}"));
    }
    if path.ends_with("/installation") {
        return axum::Json(json!({ "id": 17 })).into_response();
    }
    seen.made_tokens += 1;
    let token = format!("ghs_{}", seen.made_tokens);
    seen.tokens.insert(token.clone());
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seen.token_life_s);
    (StatusCode::CREATED, axum::Json(json!({ "token": token, "expires_at": until.to_string() })))
        .into_response()
}

fn check_run(seen: &mut Seen, method: &Method, path: &str, body: &Value) -> Response {
    if body["status"] == "completed" && body["conclusion"].is_null() {
        seen.problems.push("completed without a conclusion".to_owned());
    }
    let id = if method == Method::POST {
        let id = seen.checks.keys().last().map_or(1000, |id| id + 1);
        seen.checks.insert(id, json!({ "annotations": [] }));
        id
    } else {
        path.rsplit('/').next().unwrap().parse().unwrap()
    };
    let Some(check) = seen.checks.get_mut(&id) else { return says(404, "Not Found") };
    for (name, value) in body.as_object().unwrap() {
        check[name] = value.clone();
    }
    // Annotations add up, as at GitHub.
    let more = body["output"]["annotations"].as_array().cloned().unwrap_or_default();
    check["annotations"].as_array_mut().unwrap().extend(more);
    let status = if method == Method::POST { 201 } else { 200 };
    (StatusCode::from_u16(status).unwrap(), axum::Json(json!({ "id": id }))).into_response()
}

fn status(seen: &mut Seen, path: &str, body: &Value) -> Response {
    let name = body["context"].as_str().or(body["name"].as_str()).unwrap().to_owned();
    let state = body["state"].as_str().unwrap().to_owned();
    let states = seen.statuses.entry((path.to_owned(), name)).or_default();
    states.push(state);
    (StatusCode::CREATED, axum::Json(json!({ "id": 5 }))).into_response()
}
