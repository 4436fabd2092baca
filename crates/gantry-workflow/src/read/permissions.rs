//! `permissions:` in all its forms.

use indexmap::IndexMap;

use super::Reader;
use crate::syntax::{Kind, Node};

/// Scopes with the levels that each may have besides `none`.
const SCOPES: &[(&str, &[&str])] = &[
    ("actions", &["read", "write"]),
    ("artifact-metadata", &["read", "write"]),
    ("attestations", &["read", "write"]),
    ("checks", &["read", "write"]),
    ("code-quality", &["read", "write"]),
    ("contents", &["read", "write"]),
    ("copilot-requests", &["write"]),
    ("deployments", &["read", "write"]),
    ("discussions", &["read", "write"]),
    ("drives", &["read", "write"]),
    ("id-token", &["write"]),
    ("issues", &["read", "write"]),
    ("models", &["read"]),
    ("packages", &["read", "write"]),
    ("pages", &["read", "write"]),
    ("pull-requests", &["read", "write"]),
    ("repository-projects", &["read", "write"]),
    ("security-events", &["read", "write"]),
    ("statuses", &["read", "write"]),
    ("vulnerability-alerts", &["read"]),
];

impl Reader<'_> {
    /// `permissions:`; the shorthands are written out over all scopes.
    pub(crate) fn permissions(&mut self, node: &Node) -> Option<IndexMap<String, String>> {
        if let Kind::Map(_) = node.kind {
            return Some(self.permission_map(node));
        }
        let text = self.plain(node, "permissions")?;
        let level = match text.as_str() {
            "read-all" => "read",
            "write-all" => "write",
            _ => {
                self.error(
                    "workflow/bad-permission",
                    node.span,
                    format!("`{text}` is not a form of `permissions`"),
                    "write `read-all`, `write-all`, `{}` or a mapping of scopes to `read`, `write`, `none`",
                );
                return None;
            }
        };
        Some(
            SCOPES
                .iter()
                .filter(|(_, levels)| levels.contains(&level))
                .map(|(scope, _)| ((*scope).to_owned(), level.to_owned()))
                .collect(),
        )
    }

    fn permission_map(&mut self, node: &Node) -> IndexMap<String, String> {
        let names: Vec<&str> = SCOPES.iter().map(|s| s.0).collect();
        let mut out = IndexMap::new();
        for (name, _, value) in self.fields(node, "`permissions`", &names) {
            let Some(level) = self.plain(value, &name) else { continue };
            let levels = SCOPES.iter().find(|s| s.0 == name).map_or(&[][..], |s| s.1);
            if level == "none" || levels.contains(&level.as_str()) {
                out.insert(name, level);
            } else {
                let known: Vec<&str> = levels.iter().copied().chain(["none"]).collect();
                let what = format!("a level of `{name}`");
                self.unknown_word("workflow/bad-permission", value.span, &what, &level, &known);
            }
        }
        out
    }
}
