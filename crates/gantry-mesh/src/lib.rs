//! Dependencies between repositories: which may start, which must wait, which are skipped and why.
//!
//! Pure functions over names. Not in here: sources, runs, and how a repository ended.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

/// The graph of `depends_on` over the repositories of one fleet, in the fleet's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Upstreams by repository.
    upstreams: IndexMap<String, Vec<String>>,
    /// Repositories with what is wrong with their `depends_on`.
    broken: BTreeMap<String, GraphError>,
}

/// What is wrong with the `depends_on` of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A name that the fleet does not have.
    #[error("`{repo}` depends on `{upstream}`, which is not a repository of this hub{}", hint.as_deref().map(|h| format!("; did you mean `{h}`?")).unwrap_or_default())]
    Unknown {
        /// The repository.
        repo: String,
        /// The name it wants.
        upstream: String,
        /// The nearest name there is.
        hint: Option<String>,
    },
    /// The repository waits for itself.
    #[error("`depends_on` goes in a circle: {}; remove one of these dependencies", path.join(" → "))]
    Cycle {
        /// The way round, first and last equal.
        path: Vec<String>,
    },
}

/// How a repository stands, as far as its dependents look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not ended.
    Open,
    /// Every run of it ended well, or nothing of it was to run.
    Passed,
    /// Something of it failed.
    Failed,
    /// It was skipped because an upstream failed.
    Skipped,
}

/// What follows for a repository that has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It may begin.
    Begin,
    /// It waits for these.
    Wait(Vec<String>),
    /// It will not run; why.
    Skip(String),
}

impl Graph {
    /// The graph of repositories with the names that each depends on. A dependency may be written
    /// as `owner/name` or as `name` where that is clear.
    pub fn new<'a>(repos: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Self {
        let wanted: Vec<(&str, &[String])> = repos.into_iter().collect();
        let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        let mut graph = Self::default();
        for (repo, upstreams) in &wanted {
            let mut resolved = Vec::new();
            for upstream in *upstreams {
                match resolve(upstream, &names) {
                    Some(name) if !resolved.iter().any(|r| r == name) => {
                        resolved.push(name.to_owned());
                    }
                    Some(_) => {}
                    None => {
                        let error = GraphError::Unknown {
                            repo: (*repo).to_owned(),
                            upstream: upstream.clone(),
                            hint: gantry_core::diag::did_you_mean(upstream, names.iter().copied())
                                .map(str::to_owned),
                        };
                        graph.broken.entry((*repo).to_owned()).or_insert(error);
                    }
                }
            }
            graph.upstreams.insert((*repo).to_owned(), resolved);
        }
        for repo in graph.upstreams.keys() {
            if let Some(path) = graph.way_back(repo) {
                graph.broken.insert(repo.clone(), GraphError::Cycle { path });
            }
        }
        graph
    }

    /// Repositories that cannot be ordered, with the reason. The others can.
    pub fn broken(&self) -> &BTreeMap<String, GraphError> {
        &self.broken
    }

    /// What `repo` depends on directly.
    pub fn upstreams(&self, repo: &str) -> &[String] {
        self.upstreams.get(repo).map_or(&[], Vec::as_slice)
    }

    /// Everything that `repo` depends on, directly or not, without itself; nearest first.
    pub fn all_upstreams(&self, repo: &str) -> Vec<String> {
        reach(repo, |r| self.upstreams(r).to_vec())
    }

    /// Everything that depends on `repo`, directly or not: what a change of it may break.
    pub fn impact(&self, repo: &str) -> Vec<String> {
        reach(repo, |r| {
            self.upstreams
                .iter()
                .filter(|(_, ups)| ups.iter().any(|u| u == r))
                .map(|(name, _)| name.clone())
                .collect()
        })
    }

    /// Every repository behind all that it depends on, otherwise in the fleet's order; the broken
    /// ones stand at the end.
    pub fn order(&self) -> Vec<String> {
        let mut done: Vec<String> = Vec::new();
        while let Some(next) = self.upstreams.iter().find(|(name, upstreams)| {
            !done.contains(*name) && upstreams.iter().all(|u| done.contains(u))
        }) {
            done.push(next.0.clone());
        }
        let rest: Vec<String> =
            self.upstreams.keys().filter(|name| !done.contains(*name)).cloned().collect();
        done.extend(rest);
        done
    }

    /// What follows for `repo`, given how its upstreams stand.
    pub fn next(&self, repo: &str, standing: impl Fn(&str) -> Standing) -> Next {
        let mut open = Vec::new();
        for upstream in self.upstreams(repo) {
            match standing(upstream) {
                Standing::Passed => {}
                Standing::Failed => return Next::Skip(format!("upstream `{upstream}` failed")),
                Standing::Skipped => {
                    return Next::Skip(format!("upstream `{upstream}` was skipped"));
                }
                Standing::Open => open.push(upstream.clone()),
            }
        }
        if open.is_empty() { Next::Begin } else { Next::Wait(open) }
    }

    /// The shortest way from `repo` along its upstreams back to itself.
    fn way_back(&self, repo: &str) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut ways = vec![vec![repo.to_owned()]];
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                let end = way.last().map_or("", String::as_str);
                for upstream in self.upstreams(end) {
                    let mut next = way.clone();
                    next.push(upstream.clone());
                    if upstream == repo {
                        return Some(next);
                    }
                    if seen.insert(upstream.clone()) {
                        longer.push(next);
                    }
                }
            }
            ways = longer;
        }
        None
    }
}

fn resolve<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    if let Some(exact) = names.iter().find(|n| **n == wanted) {
        return Some(exact);
    }
    let mut short = names.iter().filter(|n| n.rsplit('/').next() == Some(wanted));
    match (short.next(), short.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn reach(from: &str, near: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut queue = near(from);
    while !queue.is_empty() {
        let name = queue.remove(0);
        if name != from && !found.contains(&name) {
            queue.extend(near(&name));
            found.push(name);
        }
    }
    found
}
