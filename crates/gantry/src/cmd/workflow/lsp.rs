//! The language server of `gantry workflow lsp`: messages in and out, and the texts that are open.
//!
//! Not in here: what is said about a text ([`answer`]) and where things lie in it ([`place`]).

mod answer;
mod place;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lsp_server::{Connection, ErrorCode, Message, Notification, ProtocolError, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _,
    PublishDiagnostics,
};
use lsp_types::request::{DocumentSymbolRequest, GotoDefinition, Request as _};
use lsp_types::{
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    DocumentSymbolParams, DocumentSymbolResponse, GotoDefinitionParams, GotoDefinitionResponse,
    Location, OneOf, PublishDiagnosticsParams, Range, ServerCapabilities,
    TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
};
use serde_json::{Value, json};

use self::answer::{Kind, Target};
use crate::exit::{Done, Exit, Failure};

/// Most texts that are open at the same time; more are not looked at.
const MAX_OPEN: usize = 1_000;

/// Serves an editor until it says goodbye.
///
/// # Errors
/// What comes in is not the protocol.
pub fn run() -> Done {
    let (connection, threads) = Connection::stdio();
    let served = serve(&connection);
    // The writing thread ends with its channel.
    drop(connection);
    let clean = served.map_err(|e| {
        Failure::usage(e.to_string())
            .hint("an editor starts this command; see docs/guides/editor.md")
    })?;
    threads.join().map_err(|e| Failure::usage(e.to_string()))?;
    Ok(if clean { Exit::Green } else { Exit::Failed })
}

/// Whether the editor said goodbye before it went.
fn serve(connection: &Connection) -> Result<bool, ProtocolError> {
    let (id, _) = connection.initialize_start()?;
    let capabilities = ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        document_symbol_provider: Some(OneOf::Left(true)),
        definition_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    };
    let about = json!({"name": "gantry", "version": env!("CARGO_PKG_VERSION")});
    connection.initialize_finish(id, json!({"capabilities": capabilities, "serverInfo": about}))?;
    let mut open = Texts::default();
    for message in &connection.receiver {
        let reply: Option<Message> = match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    return Ok(true);
                }
                Some(open.answer(request).into())
            }
            Message::Notification(notification) => open.note(notification).map(Into::into),
            Message::Response(_) => None,
        };
        if reply.is_some_and(|reply| connection.sender.send(reply).is_err()) {
            return Ok(false);
        }
    }
    Ok(false)
}

/// The open texts by their address.
#[derive(Default)]
struct Texts(HashMap<Uri, String>);

impl Texts {
    /// Takes a change; gives what is wrong with the text now.
    fn note(&mut self, notification: Notification) -> Option<Notification> {
        let params = notification.params;
        let uri = match notification.method.as_str() {
            DidOpenTextDocument::METHOD => {
                let params: DidOpenTextDocumentParams = serde_json::from_value(params).ok()?;
                let document = params.text_document;
                if self.0.len() < MAX_OPEN {
                    self.0.insert(document.uri.clone(), document.text);
                }
                document.uri
            }
            DidChangeTextDocument::METHOD => {
                let params: DidChangeTextDocumentParams = serde_json::from_value(params).ok()?;
                let whole = params.content_changes.into_iter().next_back()?.text;
                let uri = params.text_document.uri;
                *self.0.get_mut(&uri)? = whole;
                uri
            }
            DidCloseTextDocument::METHOD => {
                let params: DidCloseTextDocumentParams = serde_json::from_value(params).ok()?;
                self.0.remove(&params.text_document.uri);
                params.text_document.uri
            }
            _ => return None,
        };
        let text = self.0.get(&uri).map(String::as_str).unwrap_or_default();
        let path = file(&uri);
        let diagnostics = match path.as_deref().and_then(Kind::of) {
            Some(kind) if self.0.contains_key(&uri) => answer::diagnostics(text, kind),
            _ => Vec::new(),
        };
        let params = PublishDiagnosticsParams { uri, diagnostics, version: None };
        Some(Notification::new(PublishDiagnostics::METHOD.to_owned(), params))
    }

    fn answer(&self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let result = match method.as_str() {
            DocumentSymbolRequest::METHOD => self.symbols(params),
            GotoDefinition::METHOD => self.definition(params),
            _ => {
                let text = format!("`{method}` is not supported");
                return Response::new_err(id, ErrorCode::MethodNotFound as i32, text);
            }
        };
        match result {
            Ok(value) => Response::new_ok(id, value),
            Err(e) => Response::new_err(id, ErrorCode::InvalidParams as i32, e.to_string()),
        }
    }

    fn symbols(&self, params: Value) -> serde_json::Result<Value> {
        let params: DocumentSymbolParams = serde_json::from_value(params)?;
        let uri = params.text_document.uri;
        let kind = file(&uri).as_deref().and_then(Kind::of);
        let symbols = match (self.0.get(&uri), kind) {
            (Some(text), Some(kind)) => answer::symbols(text, kind),
            _ => Vec::new(),
        };
        serde_json::to_value(DocumentSymbolResponse::Nested(symbols))
    }

    fn definition(&self, params: Value) -> serde_json::Result<Value> {
        let params: GotoDefinitionParams = serde_json::from_value(params)?;
        let place = params.text_document_position_params;
        let uri = place.text_document.uri;
        let path = file(&uri);
        let kind = path.as_deref().and_then(Kind::of);
        let target = match (self.0.get(&uri), kind) {
            (Some(text), Some(kind)) => answer::definition(text, kind, place.position),
            _ => None,
        };
        let location = match (target, path) {
            (Some(Target::Here(range)), _) => Some(Location { uri, range }),
            (Some(Target::Path(named)), Some(path)) => {
                elsewhere(&path, &named).map(|uri| Location { uri, range: Range::default() })
            }
            _ => None,
        };
        serde_json::to_value(location.map(GotoDefinitionResponse::Scalar))
    }
}

/// The file that a local `uses` in the file `from` names, when it is there.
fn elsewhere(from: &Path, named: &str) -> Option<Uri> {
    let root = crate::hubfile::repository_around(from.parent()?)?;
    let named = root.join(named.trim_start_matches("./"));
    let candidates = [named.clone(), named.join("action.yml"), named.join("action.yaml")];
    candidates.iter().find(|path| path.is_file()).and_then(|path| address(path))
}

/// The path of a `file://` address.
fn file(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    decoded.starts_with('/').then(|| PathBuf::from(decoded.as_ref()))
}

fn address(path: &Path) -> Option<Uri> {
    // What a path in an address may have as it is.
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    let encoded = percent_encoding::utf8_percent_encode(path.to_str()?, KEPT);
    format!("file://{encoded}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_are_the_same_both_ways() {
        let path = Path::new("/w/a b/ü#1.yml");
        let uri = address(path).expect("an address");
        assert_eq!(uri.as_str(), "file:///w/a%20b/%C3%BC%231.yml");
        assert_eq!(file(&uri).as_deref(), Some(path));
        assert_eq!(file(&"untitled:1".parse().expect("an address")), None);
    }
}
