//! Splits a stream of bytes into lines of bounded length.

use gantry_core::limits::MAX_LOG_LINE_BYTES;

/// A line, or a part of one that is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes without their line end.
    pub bytes: Vec<u8>,
    /// Whether the line begins here.
    pub start: bool,
    /// Whether the line ends here.
    pub end: bool,
}

/// Splits one stream.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    inside: bool,
}

impl Lines {
    /// Takes what came and gives the lines that are complete.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut out = Vec::new();
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            self.pending.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            self.cut(&mut out);
            if self.pending.last() == Some(&b'\r') {
                self.pending.pop();
            }
            out.push(self.take(self.pending.len(), true));
        }
        self.pending.extend_from_slice(bytes);
        self.cut(&mut out);
        out
    }

    /// The last line when it has no line end.
    pub fn finish(&mut self) -> Option<Piece> {
        (!self.pending.is_empty() || self.inside).then(|| self.take(self.pending.len(), true))
    }

    fn cut(&mut self, out: &mut Vec<Piece>) {
        while self.pending.len() > MAX_LOG_LINE_BYTES {
            let mut at = MAX_LOG_LINE_BYTES;
            while at > MAX_LOG_LINE_BYTES - 4 && self.pending[at] & 0xc0 == 0x80 {
                at -= 1;
            }
            out.push(self.take(at, false));
        }
    }

    fn take(&mut self, len: usize, end: bool) -> Piece {
        let rest = self.pending.split_off(len);
        let bytes = std::mem::replace(&mut self.pending, rest);
        let start = !std::mem::replace(&mut self.inside, !end);
        Piece { bytes, start, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut lines = Lines::default();
        let mut out: Vec<Piece> = chunks.iter().flat_map(|c| lines.push(c)).collect();
        out.extend(lines.finish());
        out
    }

    #[test]
    fn lines_come_whole_and_the_last_one_too() {
        let texts: Vec<_> =
            all(&[b"a\r", b"\nb", b"c\n\nd"]).into_iter().map(|p| p.bytes).collect();
        assert_eq!(texts, [b"a".to_vec(), b"bc".to_vec(), b"".to_vec(), b"d".to_vec()]);
        assert!(all(&[b"a\n"]).len() == 1);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = "é".repeat(MAX_LOG_LINE_BYTES);
        let pieces = all(&[b"x", text.as_bytes(), b"\nnext"]);
        assert!(pieces.len() > 2);
        for piece in &pieces {
            assert!(std::str::from_utf8(&piece.bytes).is_ok());
            assert!(piece.bytes.len() <= MAX_LOG_LINE_BYTES);
        }
        let first: Vec<u8> =
            pieces[..pieces.len() - 1].iter().flat_map(|p| p.bytes.clone()).collect();
        assert_eq!(first, format!("x{text}").into_bytes());
        assert!(pieces[0].start && !pieces[0].end && pieces[pieces.len() - 2].end);
        assert!(pieces[pieces.len() - 1].start && pieces[pieces.len() - 1].end);
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_gives_the_same_lines(text in "[ab\\n]{0,60}", cut in 0usize..60) {
            let cut = cut.min(text.len());
            let (a, b) = text.as_bytes().split_at(cut);
            prop_assert_eq!(all(&[a, b]), all(&[text.as_bytes()]));
        }
    }
}
