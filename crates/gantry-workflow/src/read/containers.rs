//! `container:` and `services:`.

use indexmap::IndexMap;

use super::expressions::{has_expression, is_whole_expression};
use super::{Reader, avail};
use crate::model::{Container, Template};
use crate::syntax::{Kind, Node};

const CONTAINER: &[&str] = &["image", "options", "env", "ports", "volumes", "credentials"];
const SERVICE: &[&str] =
    &["image", "options", "env", "ports", "volumes", "credentials", "entrypoint", "command"];

impl Reader<'_> {
    /// A container as an image or a mapping.
    pub(crate) fn container(&mut self, node: &Node, key: &str, service: bool) -> Option<Container> {
        if !service && node.scalar_text().is_some_and(|t| t.is_empty()) {
            return None;
        }
        if !matches!(node.kind, Kind::Map(_)) {
            let image = self.full_text(node, key, avail::LEG)?;
            let mut c = Container { span: node.span, image, ..Container::default() };
            if is_whole_expression(&c.image.text) {
                c.wholes.insert("container".to_owned(), c.image.clone());
            }
            return Some(c);
        }
        let (mut c, wholes) =
            self.with_wholes(|reader| reader.container_fields(node, key, service));
        c.wholes = wholes;
        Some(c)
    }

    fn container_fields(&mut self, node: &Node, key: &str, service: bool) -> Container {
        let mut c = Container { span: node.span, ..Container::default() };
        let errors = |r: &Self| r.out.iter().filter(|d| d.is_error()).count();
        let found = errors(self);
        let known = if service { SERVICE } else { CONTAINER };
        let what = format!("`{key}`");
        for (name, _, value) in self.fields(node, &what, known) {
            match name.as_str() {
                "image" => c.image = self.full_text(value, "image", avail::LEG).unwrap_or_default(),
                "options" => c.options = self.text(value, "options", avail::LEG),
                "env" => c.env = self.env(value, "env", avail::RUNNER, avail::LEG),
                "ports" => c.ports = self.list(value, "ports", avail::LEG),
                "volumes" => c.volumes = self.list(value, "volumes", avail::LEG),
                "credentials" => c.credentials = self.credentials(value),
                "entrypoint" => c.entrypoint = self.text(value, "entrypoint", avail::LEG),
                _ => c.command = self.text(value, "command", avail::LEG),
            }
        }
        if node.get("image").is_none() {
            let fix = "name the image under `image`";
            if errors(self) == found && holds_expression(node) {
                let message = format!("{what} has no `image`");
                self.beyond("workflow/missing-key", node.span, message, fix);
            } else {
                self.missing(node.span, &what, "image", fix);
            }
        }
        c
    }

    /// `services:`.
    pub(crate) fn services(&mut self, node: &Node) -> IndexMap<String, Container> {
        if self.whole_expression(node, "services", avail::LEG) {
            return IndexMap::new();
        }
        let mut out = IndexMap::new();
        for (name, key, value) in self.entries(node, "`services`") {
            if let Some(mut c) = self.container(value, &name, true) {
                c.span = key.span;
                out.insert(name, c);
            }
        }
        out
    }

    fn credentials(&mut self, node: &Node) -> Option<(Template, Template)> {
        if matches!(&node.kind, Kind::Text(t) if has_expression(t)) {
            self.whole_expression(node, "credentials", avail::CREDENTIALS);
            return None;
        }
        let (mut user, mut password) = (None, None);
        for (name, _, value) in self.fields(node, "`credentials`", &["username", "password"]) {
            let text = self.full_text(value, &name, avail::CREDENTIALS);
            if name == "username" { user = text } else { password = text }
        }
        Some((user?, password?))
    }
}

/// Whether an expression stands anywhere in it: GitHub checks nothing more then before the job begins.
fn holds_expression(node: &Node) -> bool {
    match &node.kind {
        Kind::Text(text) => has_expression(text),
        Kind::List(items) => items.iter().any(holds_expression),
        Kind::Map(entries) => {
            entries.iter().any(|(k, v)| holds_expression(k) || holds_expression(v))
        }
        _ => false,
    }
}
