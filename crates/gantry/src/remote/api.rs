//! `gantry api`: a call as it is, and its answer as it comes.

use std::io::{IsTerminal as _, Write as _};

use futures::StreamExt as _;
use gantry_api::v1::client::{ApiClient, RawAnswer, RawRequest};
use serde_json::{Map, Value};

use super::{block, cannot, connect};
use crate::cli::ApiArgs;
use crate::exit::{Done, Exit, Failure};
use crate::{files, out};

/// Longest answer that is kept in memory, to join pages and to indent it, in bytes.
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;
/// Most pages that are joined.
const MAX_PAGES: usize = 10_000;

/// Acts on `gantry api`.
///
/// # Errors
/// There is no hub, a field is wrong, or the hub refuses.
pub fn run(args: &ApiArgs) -> Done {
    let client = connect(&args.hub)?;
    let request = request(args)?;
    block(async {
        if args.paginate {
            return paginate(&client, request).await;
        }
        let answer = client.raw(&request).await.map_err(cannot("do it"))?;
        if answer.content_type.contains("json") && std::io::stdout().is_terminal() {
            let value = json(answer).await?;
            out::json(&value)?;
            return Ok(Exit::Green);
        }
        stream(answer).await
    })
}

fn request(args: &ApiArgs) -> Result<RawRequest, Failure> {
    let is_read = matches!(args.method.as_str(), "GET" | "HEAD");
    let mut query: Vec<(String, String)> = Vec::new();
    let mut body = args.input.as_deref().map(files::read_json).transpose()?;
    if is_read {
        query.extend(args.fields.iter().chain(&args.json_fields).cloned());
    } else if !args.fields.is_empty() || !args.json_fields.is_empty() {
        let mut fields = Map::new();
        for (key, text) in &args.fields {
            fields.insert(key.clone(), Value::String(text.clone()));
        }
        for (key, text) in &args.json_fields {
            let value = serde_json::from_str(text).map_err(|e| {
                Failure::usage(format!("the value of `{key}` is not JSON"))
                    .because(&e)
                    .hint(format!("`-f {key}=…` takes it as text"))
            })?;
            fields.insert(key.clone(), value);
        }
        body = Some(Value::Object(fields));
    }
    if args.paginate && args.method != "GET" {
        return Err(Failure::usage("`--paginate` reads lists, with GET"));
    }
    Ok(RawRequest { method: args.method.clone(), path: args.path.clone(), query, body })
}

async fn paginate(client: &ApiClient, mut request: RawRequest) -> Done {
    let own = request.query.len();
    let mut items = Vec::new();
    for _ in 0..MAX_PAGES {
        let answer = client.raw(&request).await.map_err(cannot("do it"))?;
        let mut page = json(answer).await?;
        let Some(Value::Array(part)) = page.get_mut("items").map(Value::take) else {
            return Err(Failure::usage(format!("`{}` is not a list of pages", request.path))
                .hint("leave `--paginate` away"));
        };
        items.extend(part);
        let Some(cursor) = page["next_cursor"].as_str() else {
            out::json(&items)?;
            return Ok(Exit::Green);
        };
        request.query.truncate(own);
        request.query.push(("cursor".to_owned(), cursor.to_owned()));
    }
    Err(Failure::usage(format!("the list has more than {MAX_PAGES} pages"))
        .hint("narrow it with `-f`"))
}

async fn json(mut answer: RawAnswer) -> Result<Value, Failure> {
    let mut text = Vec::new();
    while let Some(part) = answer.body.next().await {
        text.extend_from_slice(&part.map_err(|e| broken(&e))?);
        if text.len() > MAX_KEPT_BYTES {
            return Err(Failure::infra(format!(
                "the answer is longer than {MAX_KEPT_BYTES} bytes"
            )));
        }
    }
    serde_json::from_slice(&text).map_err(|e| Failure::infra("the answer is not JSON").because(&e))
}

async fn stream(mut answer: RawAnswer) -> Done {
    let mut output = std::io::stdout().lock();
    while let Some(part) = answer.body.next().await {
        let part = part.map_err(|e| broken(&e))?;
        match output.write_all(&part).and_then(|()| output.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            Err(error) => {
                return Err(Failure::infra("cannot write to standard output").because(&error));
            }
            Ok(()) => {}
        }
    }
    Ok(Exit::Green)
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::infra("the answer broke off").because(error)
}
