//! Text that an evaluation makes, within its limit.

/// The text would exceed its limit.
#[derive(Debug)]
pub(super) struct TooLong;

/// A text that refuses to grow beyond a number of bytes.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    limit: usize,
}

impl Text {
    pub fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    pub fn push(&mut self, part: &str) -> Result<(), TooLong> {
        if part.len() > self.limit - self.text.len() {
            return Err(TooLong);
        }
        self.text.push_str(part);
        Ok(())
    }

    pub fn into_string(self) -> String {
        self.text
    }
}
