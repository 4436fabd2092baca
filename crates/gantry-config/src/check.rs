//! Loading a hub: several texts become one set of layers, and everything wrong is known at once.
//!
//! A problem inside one entry of `repos` refuses that repository only; any other problem refuses the
//! hub, so that a wrong file never half-applies.

use gantry_core::{Diagnostic, Span};
use indexmap::IndexMap;

use crate::graph;
use crate::model::{Hub, RepoEntry, TOP_KEYS};
use crate::read::{Reader, nearest_fix};
use crate::read_repo::{flat_entry, repo_entry};
use crate::resolve::EffectiveRepo;
use crate::traced::{Layer, Origin};
use crate::yaml::{self, Key, Node, Yaml};

/// Most repositories of one hub.
pub const MAX_REPOS: usize = 100_000;

/// One file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubText {
    /// The file as the user named it.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

/// A hub as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// Its layers.
    pub hub: Hub,
    /// Problems outside the entries of repositories: with an error among them the hub cannot be used.
    pub problems: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether a problem outside the repositories forbids using the hub.
    pub fn is_refused(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }

    /// Every problem: the hub's own, then each repository's.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let entries = self.hub.flat.values().chain(self.hub.repos.values());
        let mut all: Vec<Diagnostic> =
            self.problems.iter().chain(entries.flat_map(|e| &e.problems)).cloned().collect();
        all.dedup();
        all
    }

    /// What holds for a repository that the hub file does not name.
    pub fn defaults(&self) -> EffectiveRepo {
        crate::resolve::defaults(&self.hub)
    }

    /// What holds for each repository, upstreams before their dependents.
    pub fn repos(&self) -> Vec<EffectiveRepo> {
        crate::resolve::resolve(&self.hub)
    }
}

/// Reads the texts of a hub: one file, or every file of a folder in name order.
///
/// Never fails: what is wrong stands in [`Loaded::problems`] and in the entries.
pub fn load(texts: &[HubText]) -> Loaded {
    let mut loaded = Loaded::default();
    let mut seen = Seen::default();
    for text in texts {
        match yaml::parse(&text.file, &text.text) {
            Ok(node) => file(&mut loaded, &mut seen, &text.file, &node),
            Err(problem) => loaded.problems.push(*problem),
        }
    }
    check_names(&mut loaded);
    check_cycles(&mut loaded.hub);
    loaded
}

/// Where each thing that may stand only once was first seen.
#[derive(Default)]
struct Seen {
    places: IndexMap<String, (String, u32)>,
}

impl Seen {
    /// Whether this is the first of its kind; otherwise the finding.
    fn first(&mut self, what: &str, file: &str, span: Span) -> Result<(), Box<Diagnostic>> {
        if let Some((first_file, line)) = self.places.get(what) {
            let found = Diagnostic::error("config/duplicate", file, format!("{what} stands twice"));
            return Err(Box::new(
                found
                    .at(span)
                    .because(format!("it is already set in {first_file}:{line}"))
                    .fix("keep one of the two"),
            ));
        }
        self.places.insert(what.to_owned(), (file.to_owned(), span.line));
        Ok(())
    }
}

fn file(loaded: &mut Loaded, seen: &mut Seen, file: &str, node: &Node) {
    let mut r = Reader::new(file, Layer::Org);
    if node.value == Yaml::Null {
        let found = Diagnostic::warning("config/empty", file, "the file is empty")
            .fix("list repositories below `repos:`");
        r.found.push(found);
    }
    for (key, value) in r.entries("the hub file", node) {
        top_key(loaded, seen, &mut r, key, value);
    }
    loaded.problems.append(&mut r.found);
}

fn top_key(loaded: &mut Loaded, seen: &mut Seen, r: &mut Reader<'_>, key: &Key, value: &Node) {
    let hub = &mut loaded.hub;
    match key.text.as_str() {
        "org" | "org_defaults" => {
            if let Err(found) = seen.first(&format!("`{}`", key.text), r.file, key.span) {
                r.found.push(*found);
            } else if key.text == "org" {
                hub.org = r
                    .text("`org`", value)
                    .filter(|t| r.check_name("an organisation", &t.value, value.span));
            } else {
                let workflows = std::mem::take(&mut hub.org_defaults.workflows);
                hub.org_defaults = r.settings("`org_defaults`", value);
                hub.org_defaults.workflows.extend(workflows);
            }
        }
        "workflows" => {
            let mut rules = crate::model::Settings::default();
            r.workflows(&mut rules, "`workflows`", value);
            for (name, rule) in rules.workflows {
                match seen.first(&format!("`workflows` entry `{name}`"), r.file, key.span) {
                    Ok(()) => drop(hub.org_defaults.workflows.insert(name, rule)),
                    Err(found) => r.found.push(*found),
                }
            }
            if rules.only_workflows.is_some() {
                hub.org_defaults.only_workflows = rules.only_workflows;
            }
        }
        "forges" => match seen.first("`forges`", r.file, key.span) {
            Ok(()) => hub.forges = r.forges(value),
            Err(found) => r.found.push(*found),
        },
        "teams" => teams(hub, seen, r, value),
        "repos" => repos(hub, seen, r, value),
        "repositories" => flat(hub, seen, r, value),
        _ => r.unknown_key(key, "the hub file", TOP_KEYS.iter().copied()),
    }
}

fn teams(hub: &mut Hub, seen: &mut Seen, r: &mut Reader<'_>, value: &Node) {
    for (team, node) in r.entries("`teams`", value) {
        if !r.check_name("a team", &team.text, team.span) {
            continue;
        }
        if let Err(found) = seen.first(&format!("team `{}`", team.text), r.file, team.span) {
            r.found.push(*found);
            continue;
        }
        let mut inner = Reader::new(r.file, Layer::Team(team.text.clone()));
        let settings = inner.settings(&format!("team `{}`", team.text), node);
        r.found.append(&mut inner.found);
        hub.teams.insert(team.text.clone(), settings);
    }
}

fn repos(hub: &mut Hub, seen: &mut Seen, r: &mut Reader<'_>, value: &Node) {
    for (key, node) in r.entries("`repos`", value) {
        let entry = repo_entry(r.file, key, node);
        let what = format!("repository `{}` of `repos`", entry.name);
        match seen.first(&what, r.file, key.span) {
            Err(found) => r.found.push(*found),
            Ok(()) if hub.repos.len() >= MAX_REPOS => {
                let message = format!("the hub lists more than {MAX_REPOS} repositories");
                r.bad_value(key.span, message, "split the hub");
                return;
            }
            Ok(()) => drop(hub.repos.insert(entry.name.clone(), entry)),
        }
    }
}

fn flat(hub: &mut Hub, seen: &mut Seen, r: &mut Reader<'_>, value: &Node) {
    let Yaml::List(items) = &value.value else {
        r.wrong_type("`repositories`", "a list", value);
        return;
    };
    for item in items.iter().take(MAX_REPOS) {
        let (entry, mut inner) = flat_entry(r.file, item);
        let Some(mut entry) = entry else {
            r.found.append(&mut inner.found);
            continue;
        };
        let what = format!("repository `{}` of `repositories`", entry.name);
        entry.problems = inner.found;
        match seen.first(&what, r.file, item.span) {
            Err(found) => r.found.push(*found),
            Ok(()) => drop(hub.flat.insert(entry.name.clone(), entry)),
        }
    }
}

/// Teams and upstreams must exist.
fn check_names(loaded: &mut Loaded) {
    let hub = &mut loaded.hub;
    let teams: Vec<String> = hub.teams.keys().cloned().collect();
    let names: Vec<String> = hub.repos.keys().chain(hub.flat.keys()).cloned().collect();
    for entry in hub.repos.values_mut().chain(hub.flat.values_mut()) {
        let mut found = Vec::new();
        if let Some(team) = &entry.team
            && !teams.contains(&team.value)
        {
            let message =
                format!("repository `{}` names unknown team `{}`", entry.name, team.value);
            let or = "add the team below `teams:`";
            found.push(named(
                &team.origin,
                "config/unknown-team",
                message,
                &team.value,
                &teams,
                or,
            ));
        }
        for up in &entry.depends_on {
            if !names.contains(&up.value) {
                let message =
                    format!("repository `{}` depends on unknown `{}`", entry.name, up.value);
                let or = "add that repository below `repos:`";
                found.push(named(
                    &up.origin,
                    "config/unknown-dependency",
                    message,
                    &up.value,
                    &names,
                    or,
                ));
            }
        }
        entry.problems.append(&mut found);
    }
}

fn named(
    origin: &Origin,
    code: &str,
    message: String,
    name: &str,
    known: &[String],
    or: &str,
) -> Diagnostic {
    let fix = nearest_fix(name, known.iter().map(String::as_str), or);
    placed(origin, code, message).fix(fix)
}

fn placed(origin: &Origin, code: &str, message: String) -> Diagnostic {
    let file = origin.file.as_deref().unwrap_or_default();
    let found = Diagnostic::error(code, file, message);
    match origin.line {
        Some(line) => found.at(Span { line, column: 1, end_line: line, ..Span::default() }),
        None => found,
    }
}

/// Every member of a cycle is refused with the cycle's path.
fn check_cycles(hub: &mut Hub) {
    let edges = dependency_edges(hub);
    for path in graph::cycles(&edges) {
        let text = path.join(" → ");
        for name in path.iter().take(path.len().saturating_sub(1)) {
            let entry: Option<&mut RepoEntry> = match hub.repos.get_mut(name) {
                Some(entry) => Some(entry),
                None => hub.flat.get_mut(name),
            };
            let Some(entry) = entry else { continue };
            let found = placed(
                &entry.origin,
                "config/dependency-cycle",
                format!("repository `{name}` depends on itself: {text}"),
            )
            .fix("remove one `depends_on` of this path");
            entry.problems.push(found);
        }
    }
}

/// Upstreams by repository name, both forms together.
pub(crate) fn dependency_edges(hub: &Hub) -> IndexMap<String, Vec<String>> {
    let mut edges: IndexMap<String, Vec<String>> = IndexMap::new();
    for entry in hub.flat.values().chain(hub.repos.values()) {
        let needs = edges.entry(entry.name.clone()).or_default();
        for up in &entry.depends_on {
            if !needs.contains(&up.value) {
                needs.push(up.value.clone());
            }
        }
    }
    edges
}
