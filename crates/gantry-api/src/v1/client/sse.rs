//! Server-sent events out of bytes, however they are cut.

/// Longest message that is kept until its end, in bytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// What to send as `Last-Event-ID` to go on behind it.
    pub id: Option<String>,
    /// Its kind; `message` when it names none.
    pub event: String,
    /// Its lines.
    pub data: String,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    message: Message,
    has_data: bool,
}

impl Parser {
    /// The messages that end within `bytes`.
    ///
    /// # Errors
    /// A message is longer than its limit.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, String> {
        let mut messages = Vec::new();
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.message.data.len() > MAX_MESSAGE_BYTES {
                return Err(format!("a message is longer than {MAX_MESSAGE_BYTES} bytes"));
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                messages.extend(self.take(line.trim_end_matches(['\n', '\r'])));
            }
        }
        Ok(messages)
    }

    fn take(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let mut message = std::mem::take(&mut self.message);
            if !std::mem::take(&mut self.has_data) {
                return None;
            }
            if message.event.is_empty() {
                "message".clone_into(&mut message.event);
            }
            return Some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "id" => self.message.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
                self.has_data = true;
            }
            // Comments keep the connection, other fields are not ours.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nid: 7\nevent: lines\ndata: a\ndata:\ndata:  ☃\n\n\
        data: plain\r\n\r\nevent: nothing\n\nid: 9\nevent: end\ndata: {}\n\ndata: cut";

    #[test]
    fn messages_are_the_same_however_the_bytes_are_cut() {
        let message = |id: Option<&str>, event: &str, data: &str| Message {
            id: id.map(str::to_owned),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let wanted = [
            message(Some("7"), "lines", "a\n\n ☃"),
            message(None, "message", "plain"),
            message(Some("9"), "end", "{}"),
        ];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let parts = STREAM.as_bytes().chunks(size);
            let got: Vec<Message> =
                parts.flat_map(|part| parser.feed(part).expect("short enough")).collect();
            assert_eq!(got, wanted, "in parts of {size} bytes");
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut parser = Parser::default();
        let line = [b'x'; 64 * 1024];
        let refused = (0..=MAX_MESSAGE_BYTES / line.len()).find_map(|_| parser.feed(&line).err());
        assert!(refused.is_some_and(|e| e.contains("longer than")));
    }
}
