//! Versions as `setup-*` actions write them: `3.x`, `3.11`, `>=3.9 <3.12`, `^18`, `lts/*`, `stable`,
//! and version files.

use semver::{Version, VersionReq};

/// What is wanted: any of several ranges.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    any: Vec<VersionReq>,
    /// Pre-releases count too.
    pre: bool,
    /// Long-term support: even major versions (Node.js).
    even: bool,
    /// A release channel (`nightly`, `beta`) that the version must come from, and its date.
    channel: Option<(String, Option<String>)>,
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_matches('"');
        let lower = text.to_ascii_lowercase();
        let everything =
            |even| Self { any: vec![VersionReq::STAR], pre: false, even, channel: None };
        if let Some(channel) = channel(&lower) {
            return Ok(Self { pre: true, channel: Some(channel), ..everything(false) });
        }
        if OTHERS.iter().any(|other| lower.starts_with(other)) || is_free_threaded(&lower) {
            return Ok(Self { any: Vec::new(), ..everything(false) });
        }
        let lower = lower.strip_prefix("ruby-").unwrap_or(&lower).to_owned();
        match lower.as_str() {
            "" | "*" | "x" | "latest" | "highest" | "lowest" | "current" | "node" | "ruby"
            | "default" | "stable" | "oldstable" => {
                return Ok(everything(false));
            }
            "lts/*" | "lts" => return Ok(everything(true)),
            _ => {}
        }
        if let Some(name) = lower.strip_prefix("lts/") {
            let names = [
                "argon", "boron", "carbon", "dubnium", "erbium", "fermium", "gallium", "hydrogen",
                "iron", "jod", "krypton",
            ];
            let at = names.iter().position(|n| *n == name);
            let at = at.ok_or_else(|| format!("`{text}` is not a known release line"))?;
            return format!("{}", 4 + 2 * at).parse();
        }
        let pre = lower.ends_with("-dev") || lower.contains("nightly") || lower.contains("beta");
        let plain = lower.trim_end_matches("-dev");
        let any: Result<Vec<_>, String> = plain.split("||").map(range).collect();
        Ok(Self {
            any: any.map_err(|e| format!("`{text}` is not a version range: {e}"))?,
            pre,
            even: false,
            channel: None,
        })
    }
}

impl Wanted {
    /// Whether this version is wanted.
    pub(crate) fn fits(&self, version: &str) -> bool {
        let Some(mut version) = full(version) else { return false };
        if let Some((channel, _)) = &self.channel
            && !version.pre.as_str().contains(channel.as_str())
        {
            return false;
        }
        if !version.pre.is_empty() {
            let nightly =
                version.pre.as_str().contains("nightly") || version.pre.as_str().contains("beta");
            if !self.pre && nightly {
                return false;
            }
            if self.pre {
                version.pre = semver::Prerelease::EMPTY;
            }
        }
        (!self.even || version.major % 2 == 0) && self.any.iter().any(|r| r.matches(&version))
    }

    /// Whether the program may be it: a dated channel is told by its directory only.
    pub(crate) fn takes_program(&self, program: &str) -> bool {
        match &self.channel {
            Some((channel, Some(date))) => program.contains(&format!("{channel}-{date}")),
            _ => true,
        }
    }

    /// The best of the candidates: for a bare wish the first that fits, else the newest.
    pub(crate) fn choose<'a, T>(
        &self,
        all: &'a [T],
        version: impl Fn(&T) -> &str,
    ) -> Option<&'a T> {
        let mut fitting = all.iter().filter(|c| self.fits(version(c)));
        if self.any == [VersionReq::STAR] {
            return fitting.next();
        }
        fitting.max_by(|a, b| full(version(a)).cmp(&full(version(b))))
    }
}

/// Other implementations and unreleased versions: no release of the tool's own is one of these.
const OTHERS: &[&str] = &[
    "pypy",
    "graalpy",
    "jruby",
    "truffleruby",
    "mruby",
    "head",
    "master",
    "canary",
    "debug",
    "rc",
];

/// `3.13t`: Python without its lock.
fn is_free_threaded(lower: &str) -> bool {
    lower.strip_suffix('t').is_some_and(|v| v.ends_with(|c: char| c.is_ascii_digit()))
}

/// `nightly`, `beta`, or one of these with a date.
fn channel(lower: &str) -> Option<(String, Option<String>)> {
    let (name, date) = lower.split_once('-').map_or((lower, None), |(n, d)| (n, Some(d)));
    let known = matches!(name, "nightly" | "beta");
    known.then(|| (name.to_owned(), date.map(str::to_owned)))
}

/// One range of npm's language as one of Cargo's.
fn range(text: &str) -> Result<VersionReq, String> {
    let text = text.trim();
    if let Some((low, high)) = text.split_once(" - ") {
        let text = format!(">={}, <={}", low.trim(), high.trim());
        return VersionReq::parse(&text).map_err(|e| e.to_string());
    }
    let spaced = text.replace(',', " ");
    let mut words: Vec<String> = Vec::new();
    for word in spaced.split_whitespace() {
        match words.last_mut() {
            Some(last) if last.chars().all(|c| "<>=^~".contains(c)) => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    let words: Vec<String> = words.iter().map(|w| comparator(w)).collect();
    VersionReq::parse(&words.join(", ")).map_err(|e| e.to_string())
}

fn comparator(word: &str) -> String {
    let digits = word.find(|c: char| !"<>=^~".contains(c)).unwrap_or(word.len());
    let (operator, version) = word.split_at(digits);
    let operator = match operator {
        "==" => "=",
        "~=" => "~",
        other => other,
    };
    let version = version.trim_start_matches(['v', 'V']).trim_start_matches("go");
    let version = version.replace(['x', 'X'], "*");
    let version = version.split('-').next().filter(|_| version.contains('*')).unwrap_or(&version);
    if !operator.is_empty() {
        return format!("{operator}{}", version.trim_end_matches(".*"));
    }
    let parts = version.split('.').count();
    match (version.contains('*'), parts) {
        (true, _) => version.to_owned(),
        (false, 1 | 2) => format!("{version}.*"),
        _ => format!("={}", version.splitn(4, '.').take(3).collect::<Vec<_>>().join(".")),
    }
}

/// A version with three parts, as `semver` wants it.
fn full(text: &str) -> Option<Version> {
    let text = text.trim_start_matches('v');
    let (core, pre) = match text.find(['-', '+']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut parts: Vec<&str> = core.split('.').take(3).collect();
    while parts.len() < 3 {
        parts.push("0");
    }
    Version::parse(&format!("{}{pre}", parts.join("."))).ok()
}

/// The first version that a text mentions, for instance `go1.21.3` → `1.21.3`.
pub(crate) fn first_in(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || "\"(),".contains(c)).find_map(|word| {
        let word = word.trim_start_matches(['v', 'V']).trim_start_matches("go");
        let starts = word.starts_with(|c: char| c.is_ascii_digit());
        (starts && word.contains('.')).then(|| word.replace('_', "+")).filter(|w| full(w).is_some())
    })
}

/// The version that a version file asks for; `tool` is its key in the table.
pub(crate) fn of_file(name: &str, text: &str, tool: &str) -> Option<String> {
    let base = name.rsplit('/').next().unwrap_or(name);
    let value = match base {
        "go.mod" | "go.work" => {
            text.lines().find_map(|l| l.trim().strip_prefix("go ").map(str::trim))
        }
        "package.json" => {
            let json: serde_json::Value = serde_json::from_str(text).ok()?;
            if tool != "node" {
                let named = json.pointer("/packageManager")?.as_str()?;
                let version = named.strip_prefix(tool)?.strip_prefix('@')?;
                return version.split('+').next().map(str::to_owned);
            }
            let found = ["/volta/node", "/devEngines/runtime/version", "/engines/node"];
            let value = found.iter().find_map(|p| json.pointer(p)?.as_str().map(str::to_owned));
            return value;
        }
        "pyproject.toml" => text.lines().find_map(|l| toml_value(l, "requires-python")),
        "rust-toolchain.toml" => text.lines().find_map(|l| toml_value(l, "channel")),
        ".tool-versions" => text.lines().find_map(|l| {
            let (name, version) = l.trim().split_once(' ')?;
            let name = match name {
                "nodejs" => "node",
                "golang" => "go",
                name => name,
            };
            (name == tool).then(|| version.trim())
        }),
        _ => text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')),
    };
    value.map(str::to_owned)
}

fn toml_value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (name, value) = line.split_once('=')?;
    (name.trim() == key).then(|| value.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("3.x", "3.11.7", true)]
    #[case("3.11", "3.11.7", true)]
    #[case("3.11", "3.12.0", false)]
    #[case("3", "3.12.0", true)]
    #[case("3.11.7", "3.11.7", true)]
    #[case("3.11.8", "3.11.7", false)]
    #[case(">=3.9 <3.12", "3.11.7", true)]
    #[case(">= 3.9", "3.11.7", true)]
    #[case(">=3.9 <3.11", "3.11.7", false)]
    #[case(">=3.9,<3.12", "3.11.7", true)]
    #[case("^18 || ^20", "20.20.2", true)]
    #[case("~1.21", "1.21.3", true)]
    #[case("1.20 - 1.22", "1.21.3", true)]
    #[case("lts/*", "20.20.2", true)]
    #[case("lts/*", "21.0.0", false)]
    #[case("lts/iron", "20.20.2", true)]
    #[case("stable", "1.95.0", true)]
    #[case("stable", "1.95.0-nightly", false)]
    #[case("nightly", "1.95.0-nightly", true)]
    #[case("nightly", "1.95.0", false)]
    #[case("nightly", "1.95.0-beta.2", false)]
    #[case("beta", "1.95.0", false)]
    #[case("beta", "1.95.0-beta.2", true)]
    #[case("pypy3.9", "3.9.1", false)]
    #[case("3.13t", "3.13.0", false)]
    #[case("ruby-3.1", "3.1.2", true)]
    #[case("jruby-9.4", "9.4.0", false)]
    #[case("17", "17.0.9", true)]
    #[case("v20", "20.1.0", true)]
    #[case("18.x", "20.1.0", false)]
    fn ranges_mean_what_they_mean_on_github(
        #[case] want: &str,
        #[case] have: &str,
        #[case] fits: bool,
    ) {
        assert_eq!(want.parse::<Wanted>().expect(want).fits(have), fits);
    }

    #[test]
    fn a_dated_channel_is_told_by_its_directory() {
        let want: Wanted = "nightly-2025-01-02".parse().expect("a wish");
        assert!(want.fits("1.95.0-nightly") && !want.fits("1.95.0"));
        assert!(want.takes_program("/r/toolchains/nightly-2025-01-02-x86_64/bin/rustc"));
        assert!(!want.takes_program("/usr/bin/rustc"));
    }

    #[test]
    fn a_bare_wish_takes_the_first_and_a_range_the_newest() {
        let all = ["3.9.1", "3.11.7", "3.10.2"];
        let choose = |w: &str| w.parse::<Wanted>().expect(w).choose(&all, |v| v).copied();
        assert_eq!(choose("*"), Some("3.9.1"));
        assert_eq!(choose("3.x"), Some("3.11.7"));
        assert_eq!(choose("4"), None);
        assert!("not a version".parse::<Wanted>().is_err());
    }

    #[rstest]
    #[case("go.mod", "go", "module x\n\ngo 1.21\n", "1.21")]
    #[case(".python-version", "python", "# c\n3.11.7\n", "3.11.7")]
    #[case(".nvmrc", "node", "lts/iron\n", "lts/iron")]
    #[case("package.json", "node", r#"{"engines":{"node":">=18"}}"#, ">=18")]
    #[case("pyproject.toml", "python", "[project]\nrequires-python = \">=3.9\"\n", ">=3.9")]
    #[case("rust-toolchain.toml", "rust", "[toolchain]\nchannel = \"1.75\"\n", "1.75")]
    #[case("a/.tool-versions", "node", "ruby 3\nnodejs 20.1.0\n", "20.1.0")]
    #[case("a/.tool-versions", "ruby", "ruby 3\nnodejs 20.1.0\n", "3")]
    #[case("package.json", "pnpm", r#"{"packageManager":"pnpm@9.1.0+sha1.x"}"#, "9.1.0")]
    fn version_files_are_read(
        #[case] name: &str,
        #[case] tool: &str,
        #[case] text: &str,
        #[case] version: &str,
    ) {
        assert_eq!(of_file(name, text, tool).as_deref(), Some(version));
    }
}
