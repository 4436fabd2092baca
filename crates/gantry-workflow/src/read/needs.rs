//! The graph of `needs:`: unknown jobs, a job that needs itself, cycles with their path.

use std::collections::HashSet;

use gantry_core::diag::did_you_mean;
use indexmap::IndexMap;

use super::Reader;
use crate::model::Job;
use crate::syntax::{Kind, Node};

impl Reader<'_> {
    /// Reports needs that cannot be met; `nodes` are the `needs` values by job.
    pub(crate) fn check_needs(&mut self, jobs: &IndexMap<String, Job>, nodes: &[(String, Node)]) {
        for (job, node) in nodes {
            let one = std::slice::from_ref(node);
            let items = if let Kind::List(items) = &node.kind { items.as_slice() } else { one };
            for item in items {
                let Some(need) = item.scalar_text().filter(|t| !t.is_empty()) else { continue };
                if jobs.contains_key(&need) || need.contains("${{") {
                    continue;
                }
                let fix = match did_you_mean(&need, jobs.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a job of this file".to_owned(),
                };
                self.error(
                    "workflow/unknown-need",
                    item.span,
                    format!("job `{job}` needs `{need}`, and there is no such job"),
                    fix,
                );
            }
        }
        for cycle in cycles(jobs) {
            let first = &cycle[0];
            let span = nodes.iter().find(|(j, _)| j == first).map_or_else(
                || jobs.get(first).map(|j| j.span).unwrap_or_default(),
                |(_, n)| n.span,
            );
            let path: Vec<String> = cycle.iter().chain([first]).map(|j| format!("`{j}`")).collect();
            self.error(
                "workflow/cyclic-needs",
                span,
                format!("jobs wait for each other: {}", path.join(" needs ")),
                "remove one of these `needs`",
            );
        }
    }
}

/// Cycles of the graph, each once, beginning with its first job in file order.
fn cycles(jobs: &IndexMap<String, Job>) -> Vec<Vec<String>> {
    let mut done: HashSet<&str> = HashSet::new();
    let mut found = Vec::new();
    for start in jobs.keys() {
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        let mut on_path: HashSet<&str> = HashSet::from([start.as_str()]);
        if done.contains(start.as_str()) {
            continue;
        }
        while let Some((job, next)) = path.last_mut() {
            let job: &str = job;
            let need = jobs.get(job).and_then(|j| j.needs.get(*next));
            *next += 1;
            let Some(need) = need else {
                done.insert(job);
                on_path.remove(job);
                path.pop();
                continue;
            };
            let Some((need, _)) = jobs.get_key_value(need) else { continue };
            if on_path.contains(need.as_str()) {
                let from = path.iter().position(|(j, _)| j == need).unwrap_or(0);
                found.push(path[from..].iter().map(|(j, _)| (*j).to_owned()).collect());
            } else if !done.contains(need.as_str()) {
                on_path.insert(need);
                path.push((need, 0));
            }
        }
    }
    found
}
