//! The web pages: static files that `script/web` builds and that are embedded here. Every address that is not a file is
//! a page of the application, which finds its way by itself.
//!
//! Not in here: anything that knows who asks. The pages hold no data; they fetch it through the API.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `script/web` has built. In a debug build the files are read from the checkout.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Pages;

/// Where files lie whose names change with their content.
const HASHED: &str = "assets/";

/// Pages may load what this hub serves, and nothing else: no inline script or style, no other host, no frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                      object-src 'none'";

/// Headers of every answer.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// The page or file at `path`; `None` when it is for others to answer.
pub(crate) fn answer(method: &Method, path: &str, asked: &HeaderMap) -> Option<Response> {
    let reads = method == Method::GET || method == Method::HEAD;
    let path = path.trim_start_matches('/');
    if !reads || path == "api" || path.starts_with("api/") {
        return None;
    }
    Some(serve(&|name| Pages::get(name), path, asked))
}

type Files<'a> = &'a dyn Fn(&str) -> Option<EmbeddedFile>;

fn serve(files: Files<'_>, path: &str, asked: &HeaderMap) -> Response {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    let is_file = !path.is_empty() && !hidden && !path.ends_with(".gz");
    if let Some(file) = is_file.then(|| files(path)).flatten() {
        return send(files, path, &file, asked);
    }
    if path.starts_with(HASHED) {
        // A file of an older build: an answer with the page instead would be taken for a script.
        return plain(
            StatusCode::NOT_FOUND,
            "this file is not part of this version: reload the page\n",
        );
    }
    match files("index.html") {
        Some(page) => send(files, "index.html", &page, asked),
        None => html(NOT_BUILT),
    }
}

fn send(files: Files<'_>, name: &str, file: &EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag: String =
        file.metadata.sha256_hash().iter().take(12).map(|b| format!("{b:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let known =
        asked.get_all(IF_NONE_MATCH).iter().any(|v| v.to_str().is_ok_and(|v| v.contains(&tag)));
    let cache =
        if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let packed = takes_gzip(asked).then(|| files(&format!("{name}.gz"))).flatten();
    let mut response = Response::new(match (&packed, known) {
        (_, true) => Body::empty(),
        (Some(packed), _) => Body::from(packed.data.to_vec()),
        (None, _) => Body::from(file.data.to_vec()),
    });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if packed.is_some() && !known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    guarded(response)
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    let mut codings = values.flat_map(|v| v.split(',')).map(str::trim);
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn html(page: &'static str) -> Response {
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    guarded(response)
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    guarded(response)
}

fn guarded(mut response: Response) -> Response {
    for &(name, value) in HEADERS {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Shown when this binary was built without the pages.
const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Gantry</title></head><body><main>\
<h1>This hub was built without its web pages</h1>\
<p>It runs: the API under <code>/api/v1</code> and the <code>gantry</code> command work.</p>\
<p>To have the pages, run <code>script/web</code> in the checkout (it needs Node 20.19 or newer), then build the binary \
again.</p></main></body></html>\n";

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use rust_embed::Metadata;

    use super::*;

    fn file(name: &str) -> Option<EmbeddedFile> {
        let data: &[u8] = match name {
            "index.html" => b"<page>",
            "assets/app-1.js" => b"code",
            "assets/app-1.js.gz" => b"packed",
            "assets/.secret" => b"no",
            _ => return None,
        };
        let metadata = Metadata::__rust_embed_new([7; 32], None, None);
        Some(EmbeddedFile { data: Cow::Borrowed(data), metadata })
    }

    fn asked(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_address_of_the_application_is_the_page() {
        for path in ["", "runs/run_1", "repos/a/site.io", ".git/config", "assets-of/x"] {
            let response = serve(&file, path, &HeaderMap::new());
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache", "{path}");
            assert!(response.headers().contains_key("content-security-policy"));
            assert_eq!(body(response).await, "<page>", "{path}");
        }
    }

    #[tokio::test]
    async fn a_hashed_file_is_kept_and_sent_packed_to_those_who_take_it() {
        let response = serve(&file, "assets/app-1.js", &asked(ACCEPT_ENCODING, "br, gzip;q=0.8"));
        assert!(response.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(body(response).await, "packed");
        let response = serve(&file, "assets/app-1.js", &asked(ACCEPT_ENCODING, "gzip;q=0"));
        assert_eq!(body(response).await, "code");
    }

    #[tokio::test]
    async fn a_file_of_another_build_or_a_hidden_one_is_not_there() {
        for path in ["assets/app-0.js", "assets/.secret", "assets/app-1.js.gz"] {
            assert_eq!(
                serve(&file, path, &HeaderMap::new()).status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let first = serve(&file, "", &HeaderMap::new());
        let tag = first.headers()[ETAG].clone();
        let again = serve(&file, "", &HeaderMap::from_iter([(IF_NONE_MATCH, tag)]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(body(again).await, "");
    }

    #[tokio::test]
    async fn without_a_build_the_page_says_how_to_make_one() {
        let response = serve(&|_| None, "runs", &HeaderMap::new());
        assert!(body(response).await.contains("script/web"));
    }

    #[test]
    fn the_api_and_writes_are_for_others() {
        let none = HeaderMap::new();
        assert!(answer(&Method::GET, "/api/v1/nothing", &none).is_none());
        assert!(answer(&Method::POST, "/runs", &none).is_none());
        assert!(answer(&Method::HEAD, "/runs", &none).is_some());
    }
}
