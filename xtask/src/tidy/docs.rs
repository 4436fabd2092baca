//! Relative links in Markdown files point to something, also to headings.

use std::path::Path;

use regex::Regex;

use super::{File, Finding};

pub(crate) fn check(root: &Path, files: &[File]) -> Vec<Finding> {
    let Ok(link) = Regex::new(r"\]\(([^)\s]+)\)") else { return Vec::new() };
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with(".md")) {
        let mut fenced = false;
        for (index, line) in file.text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            for target in link.captures_iter(line).filter_map(|c| c.get(1)) {
                if let Some(reason) = broken(root, file, target.as_str()) {
                    findings.push(format!("{}:{}: {reason}", file.path, index + 1));
                }
            }
        }
    }
    findings
}

fn broken(root: &Path, file: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let full = if path.is_empty() {
        root.join(&file.path)
    } else {
        root.join(&file.path).parent()?.join(path)
    };
    if !full.exists() {
        return Some(format!("the link `{target}` points nowhere"));
    }
    if heading.is_empty() || !full.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(&full).ok()?;
    let found = text
        .lines()
        .filter(|l| l.starts_with('#'))
        .any(|l| anchor(l.trim_start_matches('#').trim()) == heading);
    (!found).then(|| format!("the link `{target}` names a heading that is not there"))
}

/// A heading's anchor as forges make it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}
