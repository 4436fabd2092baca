//! Which files of a build context a `COPY` names: wildcards, links, `.dockerignore`.
//!
//! Not in here: copying.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::failed;

/// Most symbolic links on the way to one source.
const MAX_LINKS: usize = 40;

/// One file or directory that is to be copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its name below the context, links not followed.
    pub relative: PathBuf,
}

/// The rules of a `.dockerignore`: the last that fits counts.
pub struct Rules(Vec<(GlobMatcher, bool)>);

impl Rules {
    /// Reads the lines.
    pub fn read(lines: &[String]) -> Result<Self, String> {
        let mut rules = Vec::new();
        for line in lines.iter().map(|l| l.trim()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (text, back) = match line.strip_prefix('!') {
                Some(rest) => (rest.trim(), true),
                None => (line, false),
            };
            let clean: PathBuf = Path::new(text)
                .components()
                .filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir))
                .collect();
            rules.push((matcher(&clean.to_string_lossy())?, back));
        }
        Ok(Self(rules))
    }

    /// Whether a file is left out: a rule fits it or a directory above it.
    pub fn leave_out(&self, relative: &Path) -> bool {
        let fits = |rule: &GlobMatcher| {
            let mut names = relative.ancestors().filter(|a| !a.as_os_str().is_empty());
            names.any(|name| rule.is_match(name))
        };
        let last = self.0.iter().rev().find(|(rule, _)| fits(rule));
        last.is_some_and(|(_, back)| !back)
    }

    /// Whether something in a directory that is left out may be taken back.
    pub fn take_back(&self) -> bool {
        self.0.iter().any(|(_, back)| *back)
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    glob.map(|g| g.compile_matcher()).map_err(|e| format!("the pattern `{pattern}` is wrong: {e}"))
}

/// What the sources name, each pattern's matches sorted.
pub fn select(context: &Path, patterns: &[String], rules: &Rules) -> Result<Vec<Source>, String> {
    let mut all = Vec::new();
    for pattern in patterns {
        let mut names = vec![PathBuf::new()];
        for component in Path::new(pattern).components() {
            match component {
                Component::Normal(part) => names = step(context, names, part, pattern)?,
                Component::ParentDir => {
                    return Err(format!("the source `{pattern}` leads out of the build context"));
                }
                _ => {}
            }
        }
        let mut found = 0;
        for relative in names {
            if !relative.as_os_str().is_empty() && rules.leave_out(&relative) && !rules.take_back()
            {
                continue;
            }
            let Some(path) = inside(context, &relative) else { continue };
            if path.symlink_metadata().is_ok() {
                found += 1;
                all.push(Source { path, relative });
            }
        }
        if found == 0 {
            return Err(format!(
                "the source `{pattern}` is not in the build context (or is left out by `.dockerignore`)"
            ));
        }
    }
    Ok(all)
}

/// Adds one part of a pattern to every name.
fn step(
    context: &Path,
    names: Vec<PathBuf>,
    part: &std::ffi::OsStr,
    pattern: &str,
) -> Result<Vec<PathBuf>, String> {
    let text = part.to_string_lossy();
    if !text.contains(['*', '?', '[', '\\']) {
        return Ok(names.into_iter().map(|name| name.join(part)).collect());
    }
    // A pattern may be broken over `/` only by its author.
    let rule = matcher(&text).map_err(|e| format!("{e} (in `{pattern}`)"))?;
    let mut all = Vec::new();
    for name in names {
        let Some(dir) = inside(context, &name).filter(|dir| dir.is_dir()) else { continue };
        let entries = fs::read_dir(&dir).map_err(|error| failed("read", &dir, &error))?;
        let mut fitting: Vec<OsString> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed("read", &dir, &error))?.file_name();
            if rule.is_match(Path::new(&entry)) {
                fitting.push(entry);
            }
        }
        fitting.sort();
        all.extend(fitting.into_iter().map(|entry| name.join(entry)));
    }
    Ok(all)
}

/// The place of a name, links followed as if the context were the root; `None` when there are too many.
fn inside(context: &Path, relative: &Path) -> Option<PathBuf> {
    let mut at = context.to_owned();
    let mut parts: Vec<OsString> =
        relative.components().rev().map(|c| c.as_os_str().to_owned()).collect();
    let mut links = 0;
    while let Some(part) = parts.pop() {
        if part == ".." {
            if at != context {
                at.pop();
            }
            continue;
        }
        let next = at.join(&part);
        let Ok(target) = fs::read_link(&next) else {
            at = next;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return None;
        }
        if target.is_absolute() {
            at = context.to_owned();
        }
        for component in target.components().rev() {
            match component {
                Component::Normal(part) => parts.push(part.to_owned()),
                Component::ParentDir => parts.push("..".into()),
                _ => {}
            }
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lines: &[&str]) -> Rules {
        Rules::read(&lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_last_rule_that_fits_counts() {
        let rules =
            rules(&["# note", "", "target", "/docs/*.md", "**/*.log", "!docs/README.md", "*.txt"]);
        for (name, out) in [
            ("target", true),
            ("target/debug/x", true),
            ("src/target", false),
            ("docs/a.md", true),
            ("docs/README.md", false),
            ("docs/deep/a.md", false),
            ("a/b/c.log", true),
            ("c.log", true),
            ("a.txt", true),
            ("a/a.txt", false),
        ] {
            assert_eq!(rules.leave_out(Path::new(name)), out, "{name}");
        }
    }

    #[test]
    fn sources_are_found_inside_of_the_context_only() {
        let dir = tempfile::tempdir().unwrap();
        let context = dir.path().join("context");
        fs::create_dir_all(context.join("src/deep")).unwrap();
        for file in ["src/a.sh", "src/b.sh", "src/c.txt", "src/deep/d.sh"] {
            fs::write(context.join(file), "").unwrap();
        }
        fs::write(dir.path().join("outside"), "").unwrap();
        std::os::unix::fs::symlink("/src/deep", context.join("link")).unwrap();
        std::os::unix::fs::symlink("../outside", context.join("up")).unwrap();
        let names = |pattern: &str, ignore: &[&str]| {
            select(&context, &[pattern.to_owned()], &rules(ignore)).map(|found| {
                found.iter().map(|s| s.relative.display().to_string()).collect::<Vec<_>>()
            })
        };
        assert_eq!(names("src/*.sh", &[]).unwrap(), ["src/a.sh", "src/b.sh"]);
        assert_eq!(names("/src/[b-z]*", &[]).unwrap(), ["src/b.sh", "src/c.txt", "src/deep"]);
        assert_eq!(names("src/*.sh", &["src/a*"]).unwrap(), ["src/b.sh"]);
        assert_eq!(names(".", &[]).unwrap(), [""]);
        assert_eq!(names("link/d.sh", &[]).unwrap(), ["link/d.sh"]);
        for (pattern, ignore) in [("none", ""), ("*.zip", ""), ("src/a.sh", "src"), ("up", "")] {
            let error = names(pattern, &[ignore]).unwrap_err();
            assert!(error.contains("is not in the build context"), "{error}");
        }
        assert!(names("../outside", &[]).unwrap_err().contains("leads out"));
    }
}
