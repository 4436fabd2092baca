//! Reading entries of `repos` and of the older flat list `repositories`.

use gantry_core::Span;

use crate::model::{REPO_KEYS, RepoEntry, SETTINGS_KEYS, Settings, Source};
use crate::read::Reader;
use crate::traced::{Layer, Traced};
use crate::yaml::{Key, Node, Yaml};

const SOURCE_KEYS: &[&str] = &["git", "ref", "path", "archive"];
const FLAT_KEYS: &[&str] = &["name", "owner", "enabled", "settings", "depends_on"];
const FLAT_SETTINGS: &[&str] = &[
    "path",
    "package",
    "build_timeout",
    "resource_limit_mb",
    "max_parallel_jobs",
    "allowed_egress",
    "secret_scope",
];

fn empty_entry(name: &str, origin: crate::traced::Origin) -> RepoEntry {
    RepoEntry {
        name: name.to_owned(),
        owner: None,
        source: None,
        team: None,
        enabled: None,
        depends_on: Vec::new(),
        package: None,
        secret_scope: None,
        settings: Settings::default(),
        origin,
        problems: Vec::new(),
    }
}

/// One entry of `repos`. The key is `name` or `owner/name`.
pub(crate) fn repo_entry(file: &str, key: &Key, node: &Node) -> RepoEntry {
    let (owner, name) = match key.text.split_once('/') {
        Some((owner, name)) => (Some(owner), name),
        None => (None, key.text.as_str()),
    };
    let mut r = Reader::new(file, Layer::Repo(name.to_owned()));
    let mut entry = empty_entry(name, r.origin(key.span));
    r.check_name("a repository", name, key.span);
    if let Some(owner) = owner
        && r.check_name("an owner", owner, key.span)
    {
        entry.owner = Some(r.traced(key.span, owner.to_owned()));
    }
    let what = format!("repository `{name}`");
    for (k, v) in r.entries(&what, node) {
        let field = format!("`{}` of {what}", k.text);
        match k.text.as_str() {
            "source" => entry.source = r.source(&field, v),
            "owner" => entry.owner = r.name("an owner", &field, v),
            "team" => entry.team = r.text(&field, v),
            "enabled" => entry.enabled = r.boolean(&field, v),
            "depends_on" => entry.depends_on = r.names(&field, v),
            "package" => entry.package = r.text(&field, v),
            _ if r.setting(&mut entry.settings, &what, k, v) => {}
            _ => r.unknown_key(k, &what, REPO_KEYS.iter().chain(SETTINGS_KEYS).copied()),
        }
    }
    entry.problems = r.found;
    entry
}

/// One entry of the older flat list; `None` when it has no name (then only the findings count).
pub(crate) fn flat_entry<'a>(file: &'a str, node: &Node) -> (Option<RepoEntry>, Reader<'a>) {
    let mut r = Reader::new(file, Layer::Flat(String::new()));
    let entries = r.entries("an entry of `repositories`", node);
    let named = entries.iter().find(|(k, _)| k.text == "name");
    let Some(name) = named.and_then(|(_, v)| r.name("a repository", "`name`", v)) else {
        if named.is_none() {
            let message = "an entry of `repositories` has no `name`";
            r.bad_value(node.span, message, "add `name: <repository>`");
        }
        return (None, r);
    };
    let name_span = named.map_or(node.span, |(_, v)| v.span);
    r.layer = Layer::Flat(name.value.clone());
    let mut entry = empty_entry(&name.value, r.origin(name_span));
    let what = format!("repository `{}`", name.value);
    for (k, v) in entries {
        let field = format!("`{}` of {what}", k.text);
        match k.text.as_str() {
            "name" => {}
            "owner" => entry.owner = r.name("an owner", &field, v),
            "enabled" => entry.enabled = r.boolean(&field, v),
            "depends_on" => entry.depends_on = r.names(&field, v),
            "settings" => r.flat_settings(&mut entry, &what, v),
            _ => r.unknown_key(k, &what, FLAT_KEYS.iter().copied()),
        }
    }
    (Some(entry), r)
}

impl Reader<'_> {
    fn flat_settings(&mut self, entry: &mut RepoEntry, what: &str, node: &Node) {
        for (k, v) in self.entries(&format!("`settings` of {what}"), node) {
            let field = format!("`{}` of {what}", k.text);
            let to = &mut entry.settings;
            match k.text.as_str() {
                "path" => {
                    entry.source = self
                        .text(&field, v)
                        .map(|t| Traced { value: Source::Path(t.value), origin: t.origin });
                }
                "package" => entry.package = self.text(&field, v),
                "build_timeout" => to.timeout_ms = self.duration(&field, v),
                "resource_limit_mb" => {
                    to.memory_bytes = self
                        .count(&field, v)
                        .map(|t| Traced { value: u64::from(t.value) << 20, origin: t.origin });
                }
                "max_parallel_jobs" => to.max_parallel = self.count(&field, v),
                "allowed_egress" => to.allowed_egress = self.egress_rules(&field, v),
                "secret_scope" => entry.secret_scope = self.text(&field, v),
                _ => self.unknown_key(
                    k,
                    &format!("`settings` of {what}"),
                    FLAT_SETTINGS.iter().copied(),
                ),
            }
        }
    }

    fn name(&mut self, kind: &str, what: &str, node: &Node) -> Option<Traced<String>> {
        let text = self.text(what, node)?;
        self.check_name(kind, &text.value, node.span).then_some(text)
    }

    fn names(&mut self, what: &str, node: &Node) -> Vec<Traced<String>> {
        let mut names: Vec<Traced<String>> = Vec::new();
        for item in self.items(what, node) {
            let Some(text) = self.text(&format!("an entry of {what}"), item) else { continue };
            if names.iter().any(|n| n.value == text.value) {
                let message = format!("`{}` stands twice in {what}", text.value);
                self.bad_value(item.span, message, "keep one of the two");
            } else {
                names.push(text);
            }
        }
        names
    }

    /// `./dir`, an archive's name, a Git URL; or a mapping with one of `git`, `path`, `archive`.
    fn source(&mut self, what: &str, node: &Node) -> Option<Traced<Source>> {
        if !matches!(node.value, Yaml::Map(_)) {
            let text = self.text(what, node)?;
            return Some(Traced { value: short_source(&text.value), origin: text.origin });
        }
        let mut kinds: Vec<(Span, Source)> = Vec::new();
        let mut git_ref: Option<(Span, String)> = None;
        for (key, value) in self.entries(what, node) {
            if !SOURCE_KEYS.contains(&key.text.as_str()) {
                self.unknown_key(key, what, SOURCE_KEYS.iter().copied());
                continue;
            }
            let Some(text) = self.text(&format!("`{}` of {what}", key.text), value) else {
                continue;
            };
            match key.text.as_str() {
                "git" => kinds.push((key.span, Source::Git { url: text.value, git_ref: None })),
                "path" => kinds.push((key.span, Source::Path(text.value))),
                "archive" => kinds.push((key.span, Source::Archive(text.value))),
                _ => git_ref = Some((key.span, text.value)),
            }
        }
        if kinds.len() > 1 {
            let message = format!("{what} names more than one place");
            self.bad_value(kinds[1].0, message, "keep one of `git`, `path`, `archive`");
        }
        let Some((_, mut source)) = kinds.into_iter().next() else {
            let message = format!("{what} names no place");
            self.bad_value(node.span, message, "write one of `git`, `path`, `archive`");
            return None;
        };
        match (&mut source, git_ref) {
            (Source::Git { git_ref: to, .. }, Some((span, given))) => {
                if given.starts_with('-') || given.chars().any(char::is_whitespace) {
                    self.bad_value(
                        span,
                        format!("`{given}` is not a Git ref"),
                        "write a branch, tag or commit",
                    );
                }
                *to = Some(given);
            }
            (_, Some((span, _))) => {
                let message = format!("`ref` of {what} needs `git`");
                self.bad_value(
                    span,
                    message,
                    "remove `ref`, or name the repository by `git: <url>`",
                );
            }
            (_, None) => {}
        }
        Some(self.traced(node.span, source))
    }
}

fn short_source(text: &str) -> Source {
    const ARCHIVES: &[&str] = &[".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip", ".whl", ".crate"];
    let scp_like =
        text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    if text.contains("://") || scp_like {
        return Source::Git { url: text.to_owned(), git_ref: None };
    }
    let lower = text.to_ascii_lowercase();
    if ARCHIVES.iter().any(|a| lower.ends_with(a)) {
        return Source::Archive(text.to_owned());
    }
    Source::Path(text.to_owned())
}
