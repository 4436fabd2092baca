//! Extractors whose refusals are problem documents.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::{header, request::Parts};
use serde::de::DeserializeOwned;

use super::Refusal;

/// An id, or other parameters, in the path.
#[derive(Debug)]
pub(crate) struct Id<T>(pub Path<T>);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Path::<T>::from_request_parts(parts, state).await?))
    }
}

/// A JSON body; an empty one is the default.
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

/// A JSON body.
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
    serde_json::from_slice(bytes)
        .map_err(|e| Refusal::invalid(format!("the body cannot be read: {e}")))
}
