//! GitHub's patterns for branches, tags and paths: `*`, `**`, `?`, `+`, `[…]`, `\`, and `!` in front.

/// Whether a name passes a list of patterns: the last pattern that matches decides, one with `!` in
/// front against it; a list without any positive pattern lets nothing pass.
pub(super) fn passes(patterns: &[String], name: &str) -> bool {
    let mut passed = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negative) => passed &= !matches(negative, name),
            None => passed |= matches(pattern, name),
        }
    }
    passed
}

/// Whether a name matches one of the patterns, none of which negates.
pub(super) fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|p| matches(p, name))
}

/// Whether the whole name matches the pattern. Linear in pattern times name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let parts = compile(pattern);
    let mut states = vec![false; parts.len() + 1];
    states[0] = true;
    close(&parts, &mut states);
    for c in name.chars() {
        let mut next = vec![false; parts.len() + 1];
        for (i, part) in parts.iter().enumerate() {
            if states[i] && part.atom.accepts(c) {
                next[i + 1] = true;
                if part.repeat {
                    next[i] = true;
                }
            }
        }
        close(&parts, &mut next);
        states = next;
    }
    states[parts.len()]
}

/// Steps over parts that may be absent.
fn close(parts: &[Part], states: &mut [bool]) {
    for (i, part) in parts.iter().enumerate() {
        if states[i] && part.optional {
            states[i + 1] = true;
            states[i + 1 + part.skips] = true;
        }
    }
}

struct Part {
    atom: Atom,
    /// It may be absent.
    optional: bool,
    /// It may follow itself.
    repeat: bool,
    /// Parts behind it that are absent with it (the `**` and `/` behind a fork).
    skips: usize,
}

enum Atom {
    Char(char),
    Class(Vec<(char, char)>),
    NotSlash,
    Any,
    /// A fork that takes nothing: what follows may be there or be skipped.
    Nothing,
}

impl Atom {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::Class(ranges) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)),
            Self::NotSlash => c != '/',
            Self::Any => true,
            Self::Nothing => false,
        }
    }
}

fn compile(pattern: &str) -> Vec<Part> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut parts: Vec<Part> = Vec::with_capacity(chars.len());
    let single = |atom| Part { atom, optional: false, repeat: false, skips: 0 };
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '*' => {
                let double = chars.get(i + 1) == Some(&'*');
                let folder =
                    double && chars.get(i + 2) == Some(&'/') && (i == 0 || chars[i - 1] == '/');
                let atom = if double { Atom::Any } else { Atom::NotSlash };
                if folder {
                    let fork = Atom::Nothing;
                    parts.push(Part { atom: fork, optional: true, repeat: false, skips: 2 });
                }
                parts.push(Part { atom, optional: true, repeat: true, skips: 0 });
                i += usize::from(double);
            }
            '?' => match parts.last_mut() {
                Some(last) => last.optional = true,
                None => parts.push(single(Atom::Char('?'))),
            },
            '+' => match parts.last_mut() {
                Some(last) => last.repeat = true,
                None => parts.push(single(Atom::Char('+'))),
            },
            '[' => match class(&chars[i + 1..]) {
                Some((ranges, length)) => {
                    parts.push(single(Atom::Class(ranges)));
                    i += length;
                }
                None => parts.push(single(Atom::Char('['))),
            },
            '\\' if i + 1 < chars.len() => {
                i += 1;
                parts.push(single(Atom::Char(chars[i])));
            }
            c => parts.push(single(Atom::Char(c))),
        }
        i += 1;
    }
    parts
}

/// The ranges of a class and how many characters it takes with its `]`.
fn class(rest: &[char]) -> Option<(Vec<(char, char)>, usize)> {
    let end = rest.iter().position(|c| *c == ']')?;
    let inner = &rest[..end];
    let mut ranges = Vec::new();
    let mut i = 0;
    while i < inner.len() {
        if i + 2 < inner.len() && inner[i + 1] == '-' {
            ranges.push((inner[i], inner[i + 2]));
            i += 3;
        } else {
            ranges.push((inner[i], inner[i]));
            i += 1;
        }
    }
    Some((ranges, end + 1))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("feature/*", &["feature/my-branch", "feature/x"], &["feature/beta-a/my-branch", "feature"])]
    #[case("feature/**", &["feature/beta-a/my-branch", "feature/x"], &["features/x"])]
    #[case("main", &["main"], &["main2", "Main"])]
    #[case("*", &["main", "releases"], &["all/the/branches"])]
    #[case("**", &["all/the/branches", "every/tag"], &[])]
    #[case("*feature", &["mona-feature", "feature", "ver-10-feature"], &["a/feature"])]
    #[case("v2*", &["v2", "v2.0", "v2.9"], &["v1"])]
    #[case("v[12].[0-9]+.[0-9]+", &["v1.10.1", "v2.0.0"], &["v3.0.0", "v1.0", "v1.a.0"])]
    #[case("*.jsx?", &["page.js", "page.jsx"], &["page.jsxx", "a/page.js"])]
    #[case("**.js", &["index.js", "js/index.js", "src/js/app.js"], &["index.jsx"])]
    #[case("docs/*", &["docs/README.md"], &["docs/a/b.md"])]
    #[case("docs/**/*.md", &["docs/README.md", "docs/mona/hello.md"], &["docs/README.txt"])]
    #[case("**/docs/**", &["docs/hello.md", "dir/docs/my-file.txt"], &["mydocs/a"])]
    #[case("**/README.md", &["README.md", "js/README.md"], &["XREADME.md"])]
    #[case("**/*-post.md", &["my-post.md", "path/their-post.md"], &["post.md"])]
    #[case(r"a\*b", &["a*b"], &["axb"])]
    #[case("[CB]at", &["Cat", "Bat"], &["Hat"])]
    fn patterns_of_the_documentation(
        #[case] pattern: &str,
        #[case] yes: &[&str],
        #[case] no: &[&str],
    ) {
        for name in yes {
            assert!(matches(pattern, name), "{pattern} should match {name}");
        }
        for name in no {
            assert!(!matches(pattern, name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn the_last_matching_pattern_decides() {
        let list = |p: &[&str]| p.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert!(passes(&list(&["releases/**", "!releases/**-alpha"]), "releases/10"));
        assert!(!passes(&list(&["releases/**", "!releases/**-alpha"]), "releases/10-alpha"));
        assert!(passes(&list(&["a/**", "!a/b", "a/b"]), "a/b"));
        assert!(!passes(&list(&["!a/b"]), "c"));
    }

    #[test]
    fn an_evil_pattern_takes_no_exponential_time() {
        let pattern = "*a".repeat(40) + "b";
        assert!(!matches(&pattern, &"a".repeat(2_000)));
    }
}
