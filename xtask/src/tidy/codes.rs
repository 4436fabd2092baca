//! Every error code that the sources name has its heading in `docs/errors`, and none there is stale.
//!
//! Codes are found because they are written in full, as one literal: putting one together is a finding.

use std::collections::BTreeSet;

use regex::Regex;

use super::{File, Finding};

/// First words of error codes; each has a page `docs/errors/<area>.md`.
const AREAS: &str = "workflow|config|auth|hub|http|lease|runner|artifact|cache|blob|source|sandbox|request|log|hook";

/// `docs/errors` and the index that links every page there.
const PAGES: &str = "docs/errors/";
const INDEX: &str = "docs/errors/README.md";

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let (Ok(in_code), Ok(in_docs), Ok(built)) = (
        Regex::new(&format!(r#""((?:{AREAS})/[a-z][a-z0-9]*(?:-[a-z0-9]+)*)""#)),
        Regex::new(r"^#+ `([a-z]+/[a-z0-9-]+)`"),
        Regex::new(r#""((?:workflow|config)/\{[a-z_]*\})""#),
    ) else {
        return Vec::new();
    };
    let source = |p: &str| {
        p.starts_with("crates/")
            && !p.starts_with("crates/gantry-e2e/")
            && p.contains("/src/")
            && p.ends_with(".rs")
    };
    let used = collect(files, &in_code, source);
    let documented = collect(files, &in_docs, |p| p.starts_with(PAGES));
    let mut findings: Vec<Finding> = used
        .difference(&documented)
        .map(|c| {
            format!("docs/errors: `{c}` has no heading: add \"## `{c}`\" with cause and remedy")
        })
        .collect();
    findings.extend(
        documented.difference(&used).map(|c| format!("docs/errors: `{c}` is in no source")),
    );
    findings.extend(collect(files, &built, source).into_iter().map(|c| {
        format!("crates: `{c}` is put together: write the code in full, so that it can be found")
    }));
    findings.extend(misplaced(files, &in_docs));
    findings
}

/// A code stands on the page of its area, and the index names it.
fn misplaced(files: &[File], heading: &Regex) -> Vec<Finding> {
    let index = files.iter().find(|f| f.path == INDEX).map_or("", |f| &f.text);
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with(PAGES) && f.path != INDEX) {
        let page = file.path.trim_start_matches(PAGES).trim_end_matches(".md");
        for code in collect(std::slice::from_ref(file), heading, |_| true) {
            if code.split('/').next() != Some(page) {
                findings.push(format!("{}: `{code}` belongs on the page of its area", file.path));
            }
            if !index.contains(&format!("`{code}`")) {
                findings.push(format!("{INDEX}: does not name `{code}`"));
            }
        }
    }
    findings
}

fn collect(files: &[File], pattern: &Regex, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    files
        .iter()
        .filter(|f| wanted(&f.path))
        .flat_map(|f| f.text.lines())
        .filter(|l| !l.trim_start().starts_with("//"))
        .flat_map(|l| pattern.captures_iter(l).filter_map(|c| c.get(1)))
        .map(|m| m.as_str().to_owned())
        .collect()
}
