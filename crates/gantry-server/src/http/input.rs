//! Extractors whose refusals are problem documents that name the place.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, RawPathParams, Request};
use axum::http::{header, request::Parts};
use serde::de::DeserializeOwned;

use super::Refusal;

/// Longest text of one parameter of a query, in characters; the document says the same.
pub(crate) const MAX_PARAM_CHARS: usize = 512;

/// An id, or other parameters, in the path.
#[derive(Debug)]
pub(crate) struct Id<T>(pub Path<T>);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let refused = match Path::<T>::from_request_parts(parts, state).await {
            Ok(path) if !parts.uri.path().contains("%00") => return Ok(Self(path)),
            Ok(_) => return Err(Refusal::invalid("the path has a NUL in it")),
            Err(refused) => refused.body_text(),
        };
        let why = refused.strip_prefix("Invalid URL: ").unwrap_or(&refused);
        let names = RawPathParams::from_request_parts(parts, state).await;
        let names: Vec<String> =
            names.iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
        Err(Refusal::invalid(format!("{} in the path: {why}", names.join(" or "))))
    }
}

/// The parameters of the query.
#[derive(Debug)]
pub(crate) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let pairs: Query<Vec<(String, String)>> = Query::try_from_uri(&parts.uri)?;
        for (name, value) in &pairs.0 {
            let length = value.chars().count();
            if length > MAX_PARAM_CHARS {
                let title = format!("`{name}` has {length} characters; at most {MAX_PARAM_CHARS}");
                return Err(Refusal::invalid(title));
            }
            if value.contains('\0') {
                return Err(Refusal::invalid(format!("`{name}` has a NUL in it")));
            }
        }
        Ok(Self(Query::<T>::try_from_uri(&parts.uri)?.0))
    }
}

/// A JSON object as body; an empty one is the default.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Refusal> {
        let is_json = is_json(&request);
        let bytes = Bytes::from_request(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        parse(&bytes, is_json).map(Self)
    }
}

/// A JSON object as body.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Refusal> {
        let is_json = is_json(&request);
        let bytes = Bytes::from_request(request, state).await?;
        parse(&bytes, is_json).map(Self)
    }
}

fn is_json(request: &Request<Body>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|k| k.split(';').next().is_some_and(|k| k.trim() == "application/json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8], is_json: bool) -> Result<T, Refusal> {
    if !is_json {
        return Err(Refusal::media_type());
    }
    // A list would be read as the fields in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::invalid("the body is not a JSON object"));
    }
    if has_nul(bytes) {
        return Err(Refusal::invalid("a text of the body has a NUL in it"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = error.path().to_string();
        let why = error.into_inner();
        Refusal::invalid(match place.as_str() {
            "." => format!("the body cannot be read: {why}"),
            place => format!("`{place}` of the body cannot be read: {why}"),
        })
    })?;
    json.end().map_err(|e| Refusal::invalid(format!("something follows the body: {e}")))?;
    Ok(read)
}

/// Whether a text has the escaped character that PostgreSQL cannot keep.
fn has_nul(json: &[u8]) -> bool {
    let escape = b"\\u0000";
    json.windows(escape.len()).enumerate().any(|(at, part)| {
        let before = json[..at].iter().rev().take_while(|b| **b == b'\\').count();
        part == escape && before % 2 == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_found_and_a_text_about_it_is_not_one() {
        assert!(has_nul(br#"{"a":"x\u0000"}"#) && has_nul(br#"{"a":"\\\u0000"}"#));
        assert!(!has_nul(br#"{"a":"\\u0000"}"#) && !has_nul(b"{}"));
    }

    #[test]
    fn a_body_that_cannot_be_read_says_where() {
        #[derive(Debug, serde::Deserialize)]
        struct Body {
            #[allow(dead_code, reason = "only read")]
            jobs: Vec<u32>,
        }
        let title = |body: &str| parse::<Body>(body.as_bytes(), true).expect_err(body).0.title;
        assert!(title(r#"{"jobs": [1, "x"]}"#).starts_with("`jobs[1]` of the body"));
        assert_eq!(title("[[1]]"), "the body is not a JSON object");
        assert!(title(r#"{"jobs": []} {}"#).starts_with("something follows"));
    }
}
