//! Redaction: registered secrets never leave a text, however it is cut into pieces.
//!
//! A secret is looked for in every form that tools print by accident: as it is, line by line,
//! in Base64 at its three alignments, percent-encoded, and inside JSON or shell strings. Every
//! byte that belongs to some form is covered; a run of covered bytes becomes one [`MASK`].
//!
//! Not in here: where secrets come from, and the splitting into lines.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// What stands in place of a secret.
pub const MASK: &str = "***";
/// A line of a multi-line secret that is shorter than this many bytes is not a secret of its own.
pub const MIN_LINE_BYTES: usize = 4;
/// A derived form (Base64, percent-encoded, escaped) that is shorter than this many bytes is not
/// looked for: it would hide ordinary text.
pub const MIN_DERIVED_BYTES: usize = 6;
/// Most bytes of one form; longer secrets are covered by their lines and by pieces of this size.
pub const MAX_FORM_BYTES: usize = 16 * 1024;

/// The set of secrets, ready to be looked for. Cheap to query, rebuilt when a secret is added.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    forms: BTreeSet<Vec<u8>>,
    searcher: Option<AhoCorasick>,
    longest: usize,
}

impl Redactor {
    /// Without any secret: everything passes as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these secrets.
    pub fn with<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut redactor = Self::new();
        for secret in secrets {
            collect_forms(secret, &mut redactor.forms);
        }
        redactor.rebuild();
        redactor
    }

    /// Adds one secret with all its forms. A blank text is no secret.
    pub fn add(&mut self, secret: &str) {
        let before = self.forms.len();
        collect_forms(secret, &mut self.forms);
        if self.forms.len() != before {
            self.rebuild();
        }
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The texts that are looked for, in order; for tests and diagnosis, never for logs.
    pub fn forms(&self) -> impl Iterator<Item = &[u8]> {
        self.forms.iter().map(Vec::as_slice)
    }

    /// Whether the text holds a secret.
    pub fn finds(&self, text: &str) -> bool {
        self.searcher.as_ref().is_some_and(|s| s.is_match(text))
    }

    /// The text with every run of secret bytes replaced by [`MASK`].
    pub fn redact<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if !self.finds(text) {
            return std::borrow::Cow::Borrowed(text);
        }
        let out = self.redact_bytes(text.as_bytes());
        std::borrow::Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// As [`Redactor::redact`], over bytes.
    pub fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = Stream::default();
        let mut out = stream.push(self, bytes);
        out.extend(stream.finish(self));
        out
    }

    fn rebuild(&mut self) {
        self.longest = self.forms.iter().map(Vec::len).max().unwrap_or(0);
        self.searcher = if self.forms.is_empty() {
            None
        } else {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .build(self.forms.iter())
                .inspect_err(|_| debug_assert!(false, "forms are bounded"))
                .ok()
        };
    }
}

/// Redaction of one stream that arrives in pieces. Holds back what could be the start of a secret.
///
/// The output over all pieces equals [`Redactor::redact_bytes`] of the whole, as long as no secret is
/// added in between; a secret added later covers everything not yet given out.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    pending: Vec<u8>,
    /// Bytes at the front of `pending` that are known to be covered.
    covered: usize,
    /// The last byte given out stood for a covered run.
    masking: bool,
}

impl Stream {
    /// Takes the next piece and gives out what is settled.
    pub fn push(&mut self, redactor: &Redactor, piece: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(piece);
        let settled = (self.pending.len() + 1).saturating_sub(redactor.longest.max(1));
        self.emit(redactor, settled)
    }

    /// Gives out the rest; the stream starts afresh.
    pub fn finish(&mut self, redactor: &Redactor) -> Vec<u8> {
        let out = self.emit(redactor, self.pending.len());
        *self = Self::default();
        out
    }

    fn emit(&mut self, redactor: &Redactor, upto: usize) -> Vec<u8> {
        let mut ranges = vec![(0, self.covered)];
        if let Some(searcher) = &redactor.searcher {
            ranges.extend(
                searcher.find_overlapping_iter(&self.pending).map(|m| (m.start(), m.end())),
            );
        }
        ranges.retain(|(start, end)| start < end);
        ranges.sort_unstable();
        let mut out = Vec::with_capacity(upto);
        let mut at = 0;
        let mut covered_to = 0;
        for (start, end) in ranges {
            if start >= upto {
                break;
            }
            if start > at {
                out.extend_from_slice(&self.pending[at..start]);
                self.masking = false;
            }
            if !self.masking {
                out.extend_from_slice(MASK.as_bytes());
                self.masking = true;
            }
            at = at.max(end.min(upto));
            covered_to = covered_to.max(end);
        }
        if at < upto {
            out.extend_from_slice(&self.pending[at..upto]);
            self.masking = false;
        }
        self.covered = covered_to.saturating_sub(upto);
        self.pending.drain(..upto);
        out
    }
}

fn collect_forms(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let trimmed = secret.trim();
    if trimmed.is_empty() {
        return;
    }
    add_value(trimmed, forms);
    if secret.len() != trimmed.len() {
        for engine in [&STANDARD, &URL_SAFE] {
            add_base64(secret.as_bytes(), engine, forms);
        }
    }
    if trimmed.contains(['\n', '\r']) {
        for line in trimmed.split(['\n', '\r']).map(str::trim) {
            if line.len() >= MIN_LINE_BYTES {
                add_value(line, forms);
            }
        }
    }
}

fn add_value(value: &str, forms: &mut BTreeSet<Vec<u8>>) {
    insert(value.as_bytes(), forms);
    for engine in [&STANDARD, &URL_SAFE] {
        add_base64(value.as_bytes(), engine, forms);
    }
    for derived in [percent(value, true), percent(value, false), json(value), shell(value)] {
        if derived != value && derived.len() >= MIN_DERIVED_BYTES {
            insert(derived.as_bytes(), forms);
        }
    }
}

fn insert(form: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    if form.len() <= MAX_FORM_BYTES {
        forms.insert(form.to_vec());
    } else {
        for piece in form.chunks(MAX_FORM_BYTES).filter(|p| p.len() >= MIN_DERIVED_BYTES) {
            forms.insert(piece.to_vec());
        }
    }
}

/// The Base64 digits that depend on the secret alone, for each place it can have in a group of three.
fn add_base64(
    value: &[u8],
    engine: &base64::engine::GeneralPurpose,
    forms: &mut BTreeSet<Vec<u8>>,
) {
    for before in 0..3usize {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let bits = bytes.len() * 8;
        let text = engine.encode(&bytes);
        let first = (before * 8).div_ceil(6);
        let last = bits / 6;
        if last > first && last - first >= MIN_DERIVED_BYTES {
            insert(&text.as_bytes()[first..last], forms);
        }
    }
}

fn percent(value: &str, upper: bool) -> String {
    let hex: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digits = [b'%', hex[usize::from(byte >> 4)], hex[usize::from(byte & 15)]];
            out.extend(digits.map(char::from));
        }
    }
    out
}

fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn shell(value: &str) -> String {
    value.replace('\'', "'\\''")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contains(haystack: &[u8], needle: &[u8]) -> bool {
        haystack.windows(needle.len()).any(|w| w == needle)
    }

    #[test]
    fn each_form_of_a_secret_is_hidden() {
        let r = Redactor::with(["p@ss \"word\" 42", "line one\nline two!"]);
        let b64 = |s: &str| STANDARD.encode(s);
        for text in [
            "p@ss \"word\" 42".to_owned(),
            "p%40ss%20%22word%22%2042".to_owned(),
            "{\"t\":\"p@ss \\\"word\\\" 42\"}".to_owned(),
            "see line two! here".to_owned(),
        ] {
            assert!(r.redact(&text).contains(MASK), "{text}");
        }
        for prefix in ["", "u", "us", "user:"] {
            let text = b64(&format!("{prefix}p@ss \"word\" 42"));
            let shown = r.redact(&text);
            assert!(shown.contains(MASK) && shown.len() + 8 < text.len(), "{prefix}: {shown}");
        }
    }

    #[test]
    fn overlapping_secrets_become_one_mask_and_other_text_stays() {
        let r = Redactor::with(["abcd", "cdef"]);
        assert_eq!(r.redact("x abcdef y abcd"), "x *** y ***");
        assert_eq!(r.redact("nothing here"), "nothing here");
        assert_eq!(Redactor::with(["", "  \n"]).redact("  \n"), "  \n");
    }

    #[test]
    fn a_late_secret_covers_what_was_not_given_out() {
        let mut r = Redactor::with(["0123456789abcdef"]);
        let mut s = Stream::default();
        let mut out = s.push(&r, b"xx tok");
        r.add("token7");
        out.extend(s.push(&r, b"en7 yy"));
        out.extend(s.finish(&r));
        assert_eq!(out, b"xx *** yy");
    }

    fn secret() -> impl Strategy<Value = String> {
        prop_oneof!["[a-c]{1,6}", "[ -)+-~]{4,24}", "[a-z\"\\\\é ]{4,12}\n[A-Za-z0-9/+=]{4,12}",]
    }

    proptest! {
        #[test]
        fn no_form_survives_and_chunking_does_not_matter(
            secrets in prop::collection::vec(secret(), 1..4),
            noise in prop::collection::vec("[a-d \n]{0,8}", 1..6),
            cuts in prop::collection::vec(1usize..7, 1..40),
            encode in 0usize..5,
        ) {
            let r = Redactor::with(secrets.iter().map(String::as_str));
            let mut text = String::new();
            for (i, n) in noise.iter().enumerate() {
                text.push_str(n);
                let s = &secrets[i % secrets.len()];
                text.push_str(&match encode {
                    1 => STANDARD.encode(format!("{n}{s}")),
                    2 => percent(s, true),
                    3 => json(s),
                    4 => URL_SAFE.encode(s),
                    _ => s.clone(),
                });
            }
            let whole = r.redact_bytes(text.as_bytes());
            for form in r.forms() {
                prop_assert!(!contains(&whole, form));
            }
            let mut stream = Stream::default();
            let mut out = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                out.extend(stream.push(&r, piece));
                rest = tail;
            }
            out.extend(stream.finish(&r));
            prop_assert_eq!(out, whole);
        }
    }
}
