//! The lock file, `gantry.lock`: which commit each action from outside is, and the digest of its files.
//!
//! Pure: texts in, texts out. Not in here: reading, writing and fetching (the server's `actions`).

use std::collections::BTreeMap;

use gantry_core::Digest;
use serde::{Deserialize, Serialize};

/// Name of the file.
pub const LOCK_NAME: &str = "gantry.lock";
/// Largest lock file, in bytes.
pub const MAX_LOCK_BYTES: usize = 4 * 1024 * 1024;
/// The form that this program reads and writes.
const VERSION: u32 = 1;

/// What one reference is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Commit, 40 hex digits.
    pub commit: String,
    /// Digest of the files.
    pub digest: Digest,
}

/// The pins by server and `owner/name@ref`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    pins: BTreeMap<(String, String), Pin>,
}

/// The file's form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    actions: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    uses: String,
    server: String,
    commit: String,
    digest: Digest,
}

impl Lock {
    /// Reads the text of a lock file.
    ///
    /// # Errors
    /// It is no lock file, or of a newer form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if document.version != VERSION {
            let version = document.version;
            return Err(format!("it has version {version}, and this program knows {VERSION}"));
        }
        let mut lock = Self::default();
        for entry in document.actions {
            let Entry { uses, server, commit, digest } = entry;
            let whole = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            if !whole {
                return Err(format!("`{commit}` of `{uses}` is not a commit id of 40 hex digits"));
            }
            if lock.get(&server, &uses).is_some() {
                return Err(format!("`{uses}` stands twice"));
            }
            lock.set(&server, &uses, Pin { commit: commit.to_lowercase(), digest });
        }
        Ok(lock)
    }

    /// The text of the file: sorted, one key a line, the same for the same pins.
    pub fn render(&self) -> String {
        let mut actions: Vec<Entry> = self
            .pins
            .iter()
            .map(|((server, uses), pin)| Entry {
                uses: uses.clone(),
                server: server.clone(),
                commit: pin.commit.clone(),
                digest: pin.digest.clone(),
            })
            .collect();
        actions.sort_by(|a, b| (&a.uses, &a.server).cmp(&(&b.uses, &b.server)));
        let document = Document { version: VERSION, actions };
        // A document of texts and numbers always has a form.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What a reference is pinned to.
    pub fn get(&self, server: &str, uses: &str) -> Option<&Pin> {
        self.pins.get(&(server.to_owned(), uses.to_owned()))
    }

    /// Pins a reference; answers what it was pinned to before.
    pub fn set(&mut self, server: &str, uses: &str, pin: Pin) -> Option<Pin> {
        self.pins.insert((server.to_owned(), uses.to_owned()), pin)
    }

    /// Every pin with its server and reference.
    pub fn pins(&self) -> impl Iterator<Item = (&str, &str, &Pin)> {
        self.pins.iter().map(|((server, uses), pin)| (server.as_str(), uses.as_str(), pin))
    }

    /// Drops pins that `keep` does not name.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.pins.retain(|(server, uses), _| keep(server, uses));
    }

    /// Adds the pins of another that this one does not have: what is pinned is never changed.
    pub fn add_missing(&mut self, other: &Self) {
        for (key, pin) in &other.pins {
            self.pins.entry(key.clone()).or_insert_with(|| pin.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(commit: char) -> Pin {
        Pin { commit: commit.to_string().repeat(40), digest: Digest::from_sha256(&[7; 32]) }
    }

    #[test]
    fn the_text_is_stable_and_read_back() {
        let mut lock = Lock::default();
        lock.set("https://b", "z/z@v1", pin('a'));
        lock.set("https://b", "a/a@v1", pin('b'));
        lock.set("https://a", "z/z@v1", pin('c'));
        let text = lock.render();
        assert_eq!(Lock::parse(&text).as_ref(), Ok(&lock));
        assert_eq!(Lock::parse(&text).map(|l| l.render()), Ok(text.clone()));
        let order: Vec<usize> = ["a/a@v1", "https://a", "https://b\",\n      \"commit\": \"aaa"]
            .map(|t| text.find(t).expect(t))
            .to_vec();
        assert!(order.is_sorted(), "{text}");
    }

    #[test]
    fn what_is_no_lock_file_is_refused() {
        let text = |version: u32, commit: &str| {
            let digest = Digest::from_sha256(&[7; 32]);
            let entry = format!(
                r#"{{"uses":"a/b@v1","server":"https://x","commit":"{commit}","digest":"{digest}"}}"#
            );
            (format!(r#"{{"version":{version},"actions":[{entry}]}}"#), entry)
        };
        let (good, entry) = text(1, &"a".repeat(40));
        assert!(Lock::parse(&good).is_ok());
        let twice = good.replace(&entry, &format!("{entry},{entry}"));
        for bad in [
            text(2, &"a".repeat(40)).0,
            text(1, "abc").0,
            twice,
            String::new(),
            good.replace("sha256", "md5"),
        ] {
            assert!(Lock::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_pinned_stays() {
        let (mut ours, mut theirs) = (Lock::default(), Lock::default());
        ours.set("s", "a/a@v1", pin('a'));
        theirs.set("s", "a/a@v1", pin('b'));
        theirs.set("s", "b/b@v1", pin('c'));
        ours.add_missing(&theirs);
        assert_eq!(ours.get("s", "a/a@v1"), Some(&pin('a')));
        assert_eq!(ours.get("s", "b/b@v1"), Some(&pin('c')));
    }
}
