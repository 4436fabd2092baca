//! Forges that a standing hub is connected with: who sends events, and who is told results.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::model::SecretRef;
use crate::read::Reader;
use crate::traced::Traced;
use crate::yaml::{Key, Node, Yaml};

/// Keys of an entry of `forges`.
pub const FORGE_KEYS: &[&str] =
    &["kind", "url", "api_url", "webhook_secret", "token", "app_id", "private_key"];
/// Kinds of forges.
pub const FORGE_KINDS: &[&str] = &["github", "gitlab", "gitea", "forgejo"];

/// One forge connection. Repositories whose URL lies below `url` belong to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forge {
    /// `github`, `gitlab`, `gitea` or `forgejo`.
    pub kind: Traced<String>,
    /// Base URL.
    pub url: Traced<String>,
    /// Base URL of its API, where it is not the usual one.
    pub api_url: Option<Traced<String>>,
    /// Secrets of its webhooks, any of which may sign.
    pub webhook_secrets: Vec<Traced<SecretRef>>,
    /// Token for its API and for cloning.
    pub token: Option<Traced<SecretRef>>,
    /// Id and private key of a GitHub App, in the place of a token.
    pub app: Option<(Traced<String>, Traced<SecretRef>)>,
}

impl Reader<'_> {
    /// The mapping `forges`.
    pub(crate) fn forges(&mut self, node: &Node) -> IndexMap<String, Forge> {
        let mut forges = IndexMap::new();
        for (key, value) in self.entries("`forges`", node) {
            if self.check_name("a forge connection", &key.text, key.span)
                && let Some(forge) = self.forge(key, value)
            {
                forges.insert(key.text.clone(), forge);
            }
        }
        forges
    }

    fn forge(&mut self, name: &Key, node: &Node) -> Option<Forge> {
        let what = format!("the forge `{}`", name.text);
        let (mut kind, mut url, mut api_url, mut token) = (None, None, None, None);
        let (mut app_id, mut private_key) = (None, None);
        let mut webhook_secrets = Vec::new();
        for (key, value) in self.entries(&what, node) {
            let field = format!("`{}` of {what}", key.text);
            match key.text.as_str() {
                "kind" => kind = self.word(&field, value, FORGE_KINDS),
                "url" => url = self.server_url(&field, value),
                "api_url" => api_url = self.server_url(&field, value),
                "webhook_secret" => webhook_secrets = self.one_or_more(key, value),
                "token" => {
                    token = self.secret(key, value).map(|s| self.traced(value.span, s));
                }
                "app_id" => app_id = self.text(&field, value),
                "private_key" => {
                    private_key = self.secret(key, value).map(|s| self.traced(value.span, s));
                }
                _ => self.unknown_key(key, &what, FORGE_KEYS.iter().copied()),
            }
        }
        if kind.is_none() && FORGE_KINDS.contains(&name.text.as_str()) {
            kind = Some(self.traced(name.span, name.text.clone()));
        }
        if url.is_none() {
            let usual = kind.as_ref().and_then(|k| match k.value.as_str() {
                "github" => Some("https://github.com"),
                "gitlab" => Some("https://gitlab.com"),
                _ => None,
            });
            url = usual.map(|u| self.traced(name.span, u.to_owned()));
        }
        if app_id.is_some() != private_key.is_some() {
            let message = format!("{what} has half of an App");
            self.bad_value(name.span, message, "write both `app_id` and `private_key`");
        }
        let app = app_id.zip(private_key);
        match (kind, url) {
            (Some(kind), Some(url)) => {
                Some(Forge { kind, url, api_url, webhook_secrets, token, app })
            }
            (None, _) => {
                let fix = format!("write `kind:` with one of `{}`", FORGE_KINDS.join("`, `"));
                self.bad_value(name.span, format!("{what} has no kind"), &fix);
                None
            }
            (_, None) => {
                let fix = "write `url: https://…`, the address that people open in a browser";
                self.bad_value(name.span, format!("{what} has no usable address"), fix);
                None
            }
        }
    }

    /// A secret, or several of which any counts, so that one can be exchanged without a gap.
    fn one_or_more(&mut self, key: &Key, node: &Node) -> Vec<Traced<SecretRef>> {
        let nodes: Vec<&Node> = match &node.value {
            Yaml::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut secrets = Vec::new();
        for node in nodes {
            let secret = self.secret(key, node);
            secrets.extend(secret.map(|s| self.traced(node.span, s)));
        }
        secrets
    }
}
