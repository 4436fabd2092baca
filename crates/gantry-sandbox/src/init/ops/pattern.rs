//! Glob patterns with the meaning of `actions/toolkit`: `**`, `*`, `?`, `[…]`, `\` escapes, a leading
//! `!` excludes, a `#` line is a comment, a final `/` means directories only. Braces are plain
//! characters. A pattern stands for everything below what it matches, too.
//!
//! Not in here: the file system.

/// One part of a pattern between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// Any number of directories.
    Any,
    /// One name.
    Name(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// What a pattern says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Match {
    /// It counts when it is a directory.
    pub directory: bool,
    /// It counts when it is a file.
    pub file: bool,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// It excludes.
    pub negated: bool,
    /// Where the search starts: the leading part without wildcards.
    pub search: String,
    segments: Vec<Segment>,
    directories_only: bool,
    implicit: bool,
}

/// Reads patterns, one or several per text (lines); relative ones start at `root`.
pub fn parse(texts: &[String], root: &str) -> Vec<Pattern> {
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| Pattern::parse(line, root)).collect()
}

impl Pattern {
    fn parse(line: &str, root: &str) -> Option<Self> {
        let rest = line.trim_start_matches('!');
        let negated = (line.len() - rest.len()) % 2 == 1;
        let rest = rest.trim();
        if rest.is_empty() {
            return None;
        }
        let absolute = if rest.starts_with('/') {
            rest.to_owned()
        } else {
            format!("{}/{rest}", escape(root))
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in absolute.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                parts.pop();
            } else {
                parts.push(part);
            }
        }
        let segments: Vec<Segment> = parts.iter().map(|part| segment(part)).collect();
        let search = literal_prefix(&segments);
        let directories_only = absolute.ends_with('/');
        let implicit = directories_only || segments.last() != Some(&Segment::Any);
        Some(Self { negated, search, segments, directories_only, implicit })
    }

    /// What the pattern itself or its implicit `/**` says about an absolute path.
    pub fn matches(&self, path: &str) -> Match {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if whole(&self.segments, &parts) {
            return Match { directory: true, file: !self.directories_only || self.below(&parts) };
        }
        let below = self.implicit && self.below(&parts);
        Match { directory: below, file: below }
    }

    /// Whether the path is strictly below something that the pattern matches.
    fn below(&self, parts: &[&str]) -> bool {
        (1..parts.len()).any(|count| whole(&self.segments, &parts[..count]))
    }

    /// Whether something below a directory could match.
    pub fn may_match_below(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        partial(&self.segments, &parts) || (self.implicit && self.below(&parts))
    }
}

/// What all patterns together say: later ones override earlier ones.
pub fn matches(patterns: &[Pattern], path: &str) -> Match {
    let mut result = Match::default();
    for pattern in patterns {
        let found = pattern.matches(path);
        if pattern.negated {
            result.directory &= !found.directory;
            result.file &= !found.file;
        } else {
            result.directory |= found.directory;
            result.file |= found.file;
        }
    }
    result
}

/// Whether something below a directory could match one of the including patterns.
pub fn may_match_below(patterns: &[Pattern], path: &str) -> bool {
    patterns.iter().any(|pattern| !pattern.negated && pattern.may_match_below(path))
}

/// Where to search: the places of all including patterns, none below another.
pub fn search_paths(patterns: &[Pattern]) -> Vec<String> {
    let all: Vec<&String> =
        patterns.iter().filter(|pattern| !pattern.negated).map(|pattern| &pattern.search).collect();
    let below = |path: &str, above: &str| {
        path != above && (above == "/" || path.starts_with(&format!("{above}/")))
    };
    let mut paths: Vec<String> = Vec::new();
    for path in &all {
        if !all.iter().any(|other| below(path, other)) && !paths.contains(path) {
            paths.push((*path).clone());
        }
    }
    paths
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

fn literal_prefix(segments: &[Segment]) -> String {
    let mut prefix = String::new();
    for segment in segments {
        let Segment::Name(tokens) = segment else { break };
        let chars: Option<String> = tokens
            .iter()
            .map(|token| if let Token::Char(char) = token { Some(*char) } else { None })
            .collect();
        let Some(chars) = chars else { break };
        prefix.push('/');
        prefix.push_str(&chars);
    }
    if prefix.is_empty() { "/".to_owned() } else { prefix }
}

fn segment(text: &str) -> Segment {
    if text == "**" {
        return Segment::Any;
    }
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '\\' if at + 1 < chars.len() => {
                at += 1;
                tokens.push(Token::Char(chars[at]));
            }
            '*' => {
                if tokens.last() != Some(&Token::Many) {
                    tokens.push(Token::Many);
                }
            }
            '?' => tokens.push(Token::One),
            '[' => match set(&chars[at + 1..]) {
                Some((token, used)) => {
                    tokens.push(token);
                    at += used;
                }
                None => tokens.push(Token::Char('[')),
            },
            char => tokens.push(Token::Char(char)),
        }
        at += 1;
    }
    Segment::Name(tokens)
}

/// Reads a set behind its `[`; gives how many characters it took, the `]` included.
fn set(chars: &[char]) -> Option<(Token, usize)> {
    let negated = matches!(chars.first(), Some('!' | '^'));
    let mut at = usize::from(negated);
    let start = at;
    let mut ranges = Vec::new();
    loop {
        let mut low = *chars.get(at)?;
        if low == ']' && at > start {
            return Some((Token::Set { negated, ranges }, at + 1));
        }
        if low == '\\' && at + 1 < chars.len() {
            at += 1;
            low = chars[at];
        }
        if chars.get(at + 1) == Some(&'-') && chars.get(at + 2).is_some_and(|char| *char != ']') {
            ranges.push((low, chars[at + 2]));
            at += 3;
        } else {
            ranges.push((low, low));
            at += 1;
        }
    }
}

fn whole(segments: &[Segment], parts: &[&str]) -> bool {
    match segments.split_first() {
        None => parts.is_empty(),
        Some((Segment::Any, rest)) => (0..=parts.len()).any(|skip| whole(rest, &parts[skip..])),
        Some((Segment::Name(tokens), rest)) => parts
            .split_first()
            .is_some_and(|(part, behind)| name_matches(tokens, part) && whole(rest, behind)),
    }
}

fn partial(segments: &[Segment], parts: &[&str]) -> bool {
    match (segments.split_first(), parts.split_first()) {
        (_, None) | (Some((Segment::Any, _)), _) => true,
        (None, Some(_)) => false,
        (Some((Segment::Name(tokens), rest)), Some((part, behind))) => {
            name_matches(tokens, part) && partial(rest, behind)
        }
    }
}

fn name_matches(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // The usual walk with one point to come back to: linear in practice, quadratic at worst.
    let (mut token, mut at, mut back) = (0, 0, None);
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                back = Some((token, at));
                token += 1;
            }
            Some(other) if one_matches(other, name[at]) => {
                token += 1;
                at += 1;
            }
            _ => {
                let Some((many, from)) = back else { return false };
                back = Some((many, from + 1));
                token = many + 1;
                at = from + 1;
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Many)
}

fn one_matches(token: &Token, char: char) -> bool {
    match token {
        Token::Char(wanted) => *wanted == char,
        Token::One | Token::Many => true,
        Token::Set { negated, ranges } => {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&char)) != *negated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(patterns: &str, path: &str) -> bool {
        matches(&parse(&[patterns.to_owned()], "/w"), path).file
    }

    #[test]
    fn patterns_mean_what_the_toolkit_says() {
        let cases = [
            ("*.js", "/w/a.js", true),
            ("*.js", "/w/sub/a.js", false),
            ("**/*.js", "/w/sub/deep/a.js", true),
            ("**/*.js", "/w/a.js", true),
            ("**", "/w/.hidden", true),
            ("sub", "/w/sub/deep/file", true),
            ("sub/", "/w/sub/deep/file", true),
            ("sub/", "/w/sub", false),
            ("sub\n!sub/deep", "/w/sub/deep/file", false),
            ("sub\n!sub/deep\nsub/deep/file", "/w/sub/deep/file", true),
            ("!!a", "/w/a", true),
            ("# no\n\n a ", "/w/a", true),
            ("[a-c]?.txt", "/w/b1.txt", true),
            ("[!a-c]?.txt", "/w/b1.txt", false),
            ("a\\*", "/w/a*", true),
            ("a\\*", "/w/ab", false),
            ("{a,b}", "/w/a", false),
            ("a**b", "/w/axxb", true),
            ("./x/../y", "/w/y", true),
            ("/other/*", "/other/file", true),
            ("**/lock", "/w/lock/inner", true),
        ];
        for (patterns, path, expected) in cases {
            assert_eq!(file(patterns, path), expected, "{patterns:?} on {path}");
        }
    }

    #[test]
    fn the_search_starts_at_the_plain_part() {
        let patterns = parse(&["a/b/*.c\na/**\n!z\n/x/y".to_owned()], "/w[1]");
        assert_eq!(search_paths(&patterns), ["/w[1]/a", "/x/y"]);
        assert!(may_match_below(&patterns, "/w[1]/a/b"));
        assert!(!may_match_below(&patterns, "/w[1]/q"));
    }
}
