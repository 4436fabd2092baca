//! Rules for actions and reusable workflows from outside of the hub: whose they may be, and whether they are fetched.

use serde::{Deserialize, Serialize};

use crate::read::Reader;
use crate::traced::Traced;
use crate::yaml::Node;

/// The forge that `owner/name@ref` means when the hub file names none.
pub const DEFAULT_SERVER: &str = "https://github.com";
const ACTIONS_KEYS: &[&str] = &["server", "fetch", "allow"];
const WORDS: &[&str] = &["allowed", "locked", "never"];

/// Whether code from outside is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetch {
    /// What `allow` names; what is new is pinned in the lock file.
    #[default]
    Allowed,
    /// Only what the lock file or a whole commit id pins.
    Locked,
    /// Nothing: only what was fetched before.
    Never,
}

/// What one layer says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActionSettings {
    /// Base URL of the forge.
    pub server: Option<Traced<String>>,
    /// Whether it is fetched.
    pub fetch: Option<Traced<Fetch>>,
    /// `*`, `owner/*` or `owner/name`; layers add up.
    pub allow: Vec<Traced<String>>,
}

/// What holds for one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Actions {
    /// Base URL of the forge.
    pub server: Traced<String>,
    /// Whether it is fetched.
    pub fetch: Traced<Fetch>,
    /// `*`, `owner/*` or `owner/name`.
    pub allow: Vec<Traced<String>>,
}

impl ActionSettings {
    /// Lays a higher layer on this one.
    pub(crate) fn lay_over(&mut self, over: &Self) {
        if over.server.is_some() {
            self.server.clone_from(&over.server);
        }
        if over.fetch.is_some() {
            self.fetch.clone_from(&over.fetch);
        }
        for pattern in &over.allow {
            if !self.allow.iter().any(|p| p.value == pattern.value) {
                self.allow.push(pattern.clone());
            }
        }
    }

    /// What holds, with the built-in defaults.
    pub(crate) fn effective(&self) -> Actions {
        let default = || Traced::default_value(DEFAULT_SERVER.to_owned());
        Actions {
            server: self.server.clone().unwrap_or_else(default),
            fetch: self.fetch.clone().unwrap_or_else(|| Traced::default_value(Fetch::default())),
            allow: self.allow.clone(),
        }
    }
}

/// Whether one of the patterns names the repository `owner/name`; case does not count.
pub fn allows<'p>(patterns: impl IntoIterator<Item = &'p str>, repository: &str) -> bool {
    let repository = repository.to_lowercase();
    patterns.into_iter().any(|pattern| {
        let pattern = pattern.to_lowercase();
        match pattern.strip_suffix("/*") {
            Some(owner) => repository.split('/').next() == Some(owner),
            None => pattern == "*" || pattern == repository,
        }
    })
}

/// Whether `text` is `*`, `owner/*` or `owner/name`.
fn is_pattern(text: &str) -> bool {
    let name = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    text == "*" || text.split_once('/').is_some_and(|(o, n)| name(o) && (n == "*" || name(n)))
}

/// Why a text is no base URL of a forge.
fn server_problem(text: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Some("is not a URL") };
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let bare = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    match scheme {
        _ if text.chars().any(|c| c.is_control() || c.is_whitespace()) => Some("is not a URL"),
        "https" | "http" if user.is_some() => Some("has a credential in it"),
        "ssh" if user.is_some_and(|u| u.contains(':')) => Some("has a credential in it"),
        "https" | "ssh" if host.is_empty() => Some("names no host"),
        "https" | "ssh" | "file" => None,
        "http" if matches!(bare, "localhost" | "127.0.0.1" | "[::1]") => None,
        "http" => Some("is not encrypted"),
        _ => Some("has a transport that is not used"),
    }
}

impl Reader<'_> {
    /// The mapping `actions`.
    pub(crate) fn actions(&mut self, what: &str, node: &Node) -> ActionSettings {
        let mut to = ActionSettings::default();
        for (key, value) in self.entries(what, node) {
            let name = format!("`{}` in {what}", key.text);
            match key.text.as_str() {
                "server" => to.server = self.server_url(&name, value),
                "fetch" => {
                    to.fetch = self.word(&name, value, WORDS).map(|word| Traced {
                        value: match word.value.as_str() {
                            "locked" => Fetch::Locked,
                            "never" => Fetch::Never,
                            _ => Fetch::Allowed,
                        },
                        origin: word.origin,
                    });
                }
                "allow" => to.allow = self.action_patterns(&name, value),
                _ => self.unknown_key(key, what, ACTIONS_KEYS.iter().copied()),
            }
        }
        to
    }

    /// Base URL of a forge, without a slash at its end.
    pub(crate) fn server_url(&mut self, what: &str, node: &Node) -> Option<Traced<String>> {
        let mut text = self.text(what, node)?;
        if let Some(problem) = server_problem(&text.value) {
            // The text itself may hold a credential and is not repeated.
            let fix = "write for instance `https://github.com`; Git finds credentials by itself, \
                       for instance by an ssh key";
            self.bad_value(node.span, format!("{what} {problem}"), fix);
            return None;
        }
        text.value.truncate(text.value.trim_end_matches('/').len());
        Some(text)
    }

    fn action_patterns(&mut self, what: &str, node: &Node) -> Vec<Traced<String>> {
        let mut patterns = Vec::new();
        for item in self.items(what, node) {
            let Some(text) = self.text(&format!("an entry of {what}"), item) else { continue };
            if is_pattern(&text.value) {
                patterns.push(text);
            } else {
                let message = format!("`{}` names no actions", text.value);
                self.bad_value(item.span, message, "write `owner/name`, `owner/*` or `*`");
            }
        }
        patterns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_owners_and_repositories() {
        assert!(allows(["actions/*"], "Actions/stale"));
        assert!(allows(["a/b", "*"], "x/y") && allows(["A/b"], "a/B"));
        assert!(!allows(["actions/*", "a/b"], "actions-evil/stale"));
        assert!(!allows([], "a/b") && !allows(["a/b"], "a/bc"));
        for bad in ["", "actions", "*/x", "a/b/c", "a/b@v1", "a/*/b", "**"] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn servers_are_encrypted_or_of_this_machine_and_carry_no_credential() {
        for good in [
            "https://github.com",
            "ssh://git@forge.example",
            "file:///srv/git",
            "http://127.0.0.1:8080",
        ] {
            assert_eq!(server_problem(good), None, "{good}");
        }
        for bad in [
            "github.com",
            "http://forge.example",
            "https://me:pw@forge.example",
            "https://tok@forge.example",
            "ssh://me:pw@forge.example",
            "ext::sh -c x",
            "git://forge.example",
            "https://",
            "http://127.0.0.1.example",
        ] {
            assert!(server_problem(bad).is_some(), "{bad}");
        }
    }
}
