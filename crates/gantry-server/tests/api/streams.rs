//! Changes and logs as they happen.

use futures::StreamExt as _;
use gantry_core::Verdict;
use reqwest::Method;

use crate::caller::{BY_HAND, Caller, place};
use crate::support::{completion, line};

/// Messages of a stream, one at a time.
struct Reader {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

#[derive(Debug, Default)]
struct Message {
    event: String,
    id: String,
    data: String,
}

impl Reader {
    async fn open(caller: &Caller, path: &str, last: Option<&str>) -> Self {
        let mut request = caller.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { bytes: answer.bytes_stream().boxed(), text: String::new() }
    }

    /// The next message; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let mut message = Message::default();
                for field in block.lines() {
                    match field.split_once(':') {
                        Some(("event", v)) => v.trim().clone_into(&mut message.event),
                        Some(("id", v)) => v.trim().clone_into(&mut message.id),
                        Some(("data", v)) => {
                            message.data += v.strip_prefix(' ').unwrap_or(v);
                            message.data.push('\n');
                        }
                        _ => {}
                    }
                }
                if !message.event.is_empty() {
                    return Some(message);
                }
            }
            let part = self.bytes.next().await?.ok()?;
            self.text += &String::from_utf8_lossy(&part);
        }
    }

    /// The next message that says this.
    async fn until(&mut self, event: &str, text: &str) -> Message {
        loop {
            let message = self.next().await.expect("the stream goes on");
            if message.event == event && message.data.contains(text) {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn a_log_is_followed_from_its_first_byte_to_its_end_and_taken_up_again() {
    let place = place(BY_HAND).await;
    let runner = place.hub.runner(1).await;
    place.start().await;
    let lease = runner.lease().await;
    let path = format!("/api/v1/attempts/{}/log/stream", lease.attempt);
    let mut reader = Reader::open(&place.owner, &path, None).await;
    let first = line("first");
    runner.log(&lease, 0, &first).await.unwrap();
    let message = reader.until("lines", "first").await;
    assert_eq!(
        (message.data.as_str(), message.id.as_str()),
        (first.as_str(), &*first.len().to_string())
    );
    drop(reader);
    let second = line("second");
    let length = runner.log(&lease, first.len() as u64, &second).await.unwrap();
    let mut reader = Reader::open(&place.owner, &path, Some(&message.id)).await;
    assert_eq!(reader.next().await.unwrap().data, second);
    let mut request = completion(&lease, Verdict::success());
    request.log_bytes = length;
    runner.client.complete(lease.lease, &request).await.unwrap();
    assert_eq!(reader.until("end", "").await.id, length.to_string());
    assert!(reader.next().await.is_none());
    assert_eq!(place.owner.status(Method::GET, &format!("{path}?offset=3")).await, 200);
    assert_eq!(place.owner.status(Method::GET, &format!("{path}?offset=99999")).await, 409);
}

#[tokio::test]
async fn changes_are_followed_by_run_and_what_was_missed_comes_later() {
    let place = place(BY_HAND).await;
    let mut all = Reader::open(&place.owner, "/api/v1/stream?runs=1&queue=1", None).await;
    let run = place.start().await;
    let stored = all.until("run", &run).await;
    all.until("job", "\"state\":\"queued\"").await;
    let path = format!("/api/v1/stream?run={run}");
    let mut one = Reader::open(&place.owner, &path, None).await;
    let runner = place.hub.runner(1).await;
    let lease = runner.lease().await;
    one.until("job", "\"state\":\"running\"").await;
    let text = line("hello");
    runner.log(&lease, 0, &text).await.unwrap();
    one.until("log", &lease.attempt.to_string()).await;
    let mut request = completion(&lease, Verdict::success());
    request.log_bytes = text.len() as u64;
    runner.client.complete(lease.lease, &request).await.unwrap();
    one.until("run", "\"state\":\"finished\"").await;
    let mut again = Reader::open(&place.owner, &path, Some(&stored.id)).await;
    again.until("job", "build").await;
    again.until("run", "\"state\":\"finished\"").await;
    let mut unknown = Reader::open(&place.owner, &path, Some("another.7")).await;
    assert_eq!(unknown.next().await.unwrap().event, "reset");
}

#[tokio::test]
async fn nobody_follows_what_is_of_another_org() {
    let place = place(BY_HAND).await;
    let far = serde_json::json!({"name": "far", "org": "other", "role": "admin"});
    let far = place.owner.with(&place.owner.token(far).await);
    let mut reader = Reader::open(&far, "/api/v1/stream", None).await;
    let run = place.start().await;
    assert_eq!(far.status(Method::GET, &format!("/api/v1/stream?run={run}")).await, 404);
    let own = serde_json::json!({"name": "other/app", "url": "https://127.0.0.1:1/app.git"});
    place.owner.post("/api/v1/repos", own, 201).await;
    far.post("/api/v1/repos/other/app/dispatch", serde_json::json!({}), 202).await;
    // Whatever was told of `acme` came before this.
    let first = reader.next().await.unwrap();
    assert!(first.event == "event" && first.data.contains("other/app"), "{first:?}");
}
