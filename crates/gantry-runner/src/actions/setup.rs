//! `setup-*` actions as tool resolution: the wanted version is looked for among what the image
//! offers; when it is not there, the step fails and says what is.

use gantry_sandbox::ExecSpec;

use super::Inputs;
use super::version::Wanted;
use crate::attempt::Attempt;
use crate::contexts::Vars;
use crate::exec::capture;
use crate::failure::Failure;
use crate::paths::join;
use crate::step::Given;

/// Most output of a probe that is read, in bytes.
const MAX_PROBE_BYTES: usize = 64 * 1024;
/// Largest version file, in bytes.
const MAX_VERSION_FILE_BYTES: u64 = 256 * 1024;

/// Prints the program to use and the real one behind it. When `python` and `python3` beside it are
/// other versions, it makes a directory in which they are not.
const SETTLE_PYTHON: &str = r#"
tell='import sys; print(sys.executable); print(sys.version_info[:3])'
told=$("$1" -c "$tell" 2>/dev/null) || exit 1
real=$(printf '%s' "$told" | head -n1); version=$(printf '%s' "$told" | tail -n1)
bin=$(dirname "$real")
for name in python python3; do
  other=$("$bin/$name" -c "$tell" 2>/dev/null | tail -n1)
  if [ "$other" != "$version" ]; then
    mkdir -p "$2"
    ln -sf "$real" "$2/python"; ln -sf "$real" "$2/python3"
    printf '#!/bin/sh\nexec "%s/python" -m pip "$@"\n' "$2" > "$2/pip"
    chmod +x "$2/pip"; cp "$2/pip" "$2/pip3"
    echo "$2/python"; echo "$real"; exit 0
  fi
done
echo "$real"; echo "$real"
"#;

/// A tool that a `setup-*` action asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `actions/setup-python`.
    Python,
    /// `actions/setup-node`.
    Node,
    /// `actions/setup-go`.
    Go,
    /// `actions/setup-java`.
    Java,
    /// `dtolnay/rust-toolchain` and its like.
    Rust,
}

/// One installation found in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    program: String,
    version: String,
}

impl Tool {
    /// The tool of a known action.
    pub fn of_action(repository: &str) -> Option<Self> {
        Some(match repository {
            "actions/setup-python" => Self::Python,
            "actions/setup-node" => Self::Node,
            "actions/setup-go" => Self::Go,
            "actions/setup-java" => Self::Java,
            "dtolnay/rust-toolchain"
            | "actions-rs/toolchain"
            | "actions-rust-lang/setup-rust-toolchain" => Self::Rust,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Go => "Go",
            Self::Java => "Java",
            Self::Rust => "Rust",
        }
    }

    fn input(self) -> &'static str {
        match self {
            Self::Python => "python-version",
            Self::Node => "node-version",
            Self::Go => "go-version",
            Self::Java => "java-version",
            Self::Rust => "toolchain",
        }
    }

    /// Where programs may be: names on the path and patterns below the tool cache and home.
    fn candidates(self) -> &'static str {
        match self {
            Self::Python => {
                "python3 python python3.7 python3.8 python3.9 python3.10 python3.11 python3.12 \
                 python3.13 python3.14 python3.15 $T/Python/*/*/bin/python3 /opt/python/*/bin/python3 \
                 $HOME/.pyenv/versions/*/bin/python3 pypy3 /usr/local/bin/python3.* \
                 /usr/bin/python3.*"
            }
            Self::Node => "node nodejs $T/node/*/*/bin/node $HOME/.nvm/versions/node/*/bin/node",
            Self::Go => "go $T/go/*/*/bin/go /usr/local/go/bin/go /usr/lib/go-*/bin/go",
            Self::Java => "java $T/Java*/*/*/bin/java /usr/lib/jvm/*/bin/java /opt/java/*/bin/java",
            Self::Rust => {
                "rustc $HOME/.rustup/toolchains/*/bin/rustc $HOME/.cargo/bin/rustc \
                 /usr/local/rustup/toolchains/*/bin/rustc /usr/local/cargo/bin/rustc"
            }
        }
    }

    fn version_command(self) -> &'static str {
        match self {
            Self::Go => "version",
            Self::Java => "-version",
            _ => "--version",
        }
    }
}

impl Attempt<'_> {
    pub(super) async fn setup_tool(
        &mut self,
        tool: Tool,
        inputs: &Inputs,
        reference: &str,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let wanted = self.wanted_version(tool, inputs, reference).await?;
        let found = self.probe(tool).await?;
        let mut fitting: Option<&Found> = None;
        for text in &wanted {
            let want: Wanted = text
                .parse()
                .map_err(|e: String| Failure::user(format!("the input `{}`: {e}", tool.input())))?;
            fitting = want.choose(&found, |f| &f.version);
            if fitting.is_some() {
                break;
            }
        }
        let Some(found) = fitting else {
            return Err(missing(tool, &wanted, &found));
        };
        let mut found = found.clone();
        if tool == Tool::Python {
            self.settle_python(&mut found).await?;
        }
        let found = &found;
        self.use_tool(tool, found, given);
        if tool == Tool::Rust {
            self.check_components(inputs, found).await?;
        }
        if inputs.get("cache").is_some_and(|c| c != "false") {
            self.say(
                "the input `cache` has no effect; use `actions/cache` for the tool's own cache",
            );
        }
        Ok(())
    }

    async fn wanted_version(
        &self,
        tool: Tool,
        inputs: &Inputs,
        reference: &str,
    ) -> Result<Vec<String>, Failure> {
        let listed = inputs.lines(tool.input());
        if !listed.is_empty() {
            return Ok(listed);
        }
        let file = inputs.get(&format!("{}-file", tool.input()));
        let default_files: &[&str] = match (tool, file) {
            (Tool::Python, None) => &[".python-version"],
            (Tool::Rust, None) => &["rust-toolchain.toml", "rust-toolchain"],
            _ => &[],
        };
        if tool == Tool::Rust && !matches!(reference, "master" | "main" | "v1" | "") {
            return Ok(vec![reference.to_owned()]);
        }
        for name in file.iter().chain(default_files) {
            let path = self.facts.paths.resolve(name);
            if let Some(bytes) = self.sandbox.read_file(&path, MAX_VERSION_FILE_BYTES).await? {
                let text = String::from_utf8_lossy(&bytes);
                return super::version::of_file(name, &text).map(|v| vec![v]).ok_or_else(|| {
                    Failure::user(format!("no version of {} stands in `{name}`", tool.name()))
                });
            }
        }
        match file {
            Some(name) => Err(Failure::user(format!("there is no version file `{name}`"))),
            None => Ok(vec!["*".to_owned()]),
        }
    }

    async fn probe(&self, tool: Tool) -> Result<Vec<Found>, Failure> {
        let cache = &self.facts.paths.tool_cache;
        let script = format!(
            "T='{cache}'; for p in {}; do q=$(command -v \"$p\" 2>/dev/null) || continue; \
             v=$(\"$q\" {} 2>&1 </dev/null) && printf '%s\\t%s\\n' \"$q\" \
             \"$(printf '%s' \"$v\" | tr '\\n' ' ')\"; done",
            tool.candidates(),
            tool.version_command()
        );
        let spec = ExecSpec {
            argv: vec!["sh".to_owned(), "-c".to_owned(), script],
            env: self.tool_env().into_iter().collect(),
            cwd: self.facts.paths.workspace.clone(),
            user: None,
        };
        let (_, text) = capture(self.sandbox, spec, MAX_PROBE_BYTES).await?;
        Ok(read_probe(&text))
    }

    /// Makes sure that `python`, `python3` and `pip` are the chosen one, whatever its file is called.
    async fn settle_python(&mut self, found: &mut Found) -> Result<(), Failure> {
        let dir = format!("{}/setup-python/{}/bin", self.facts.paths.temp, found.version);
        let (exit, text) = capture(
            self.sandbox,
            ExecSpec {
                argv: ["sh", "-c", SETTLE_PYTHON, "sh", &found.program, &dir]
                    .map(str::to_owned)
                    .to_vec(),
                env: self.tool_env().into_iter().collect(),
                cwd: self.facts.paths.workspace.clone(),
                user: None,
            },
            MAX_PROBE_BYTES,
        )
        .await?;
        if exit.code != 0 {
            return Err(Failure::infra(format!(
                "`{}` does not run: {}",
                found.program,
                text.trim()
            )));
        }
        let mut lines = text.lines();
        if let (Some(program), Some(real)) = (lines.next(), lines.next()) {
            program.clone_into(&mut found.program);
            let bin = real.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
            self.path.retain(|p| *p != bin);
            self.path.insert(0, bin);
        }
        Ok(())
    }

    fn tool_env(&self) -> Vars {
        let mut env = self.base_env.clone();
        env.extend(self.env.clone());
        if !self.path.is_empty() {
            let rest = env.get("PATH").cloned().unwrap_or_default();
            env.insert("PATH".to_owned(), format!("{}:{rest}", self.path.join(":")));
        }
        env
    }

    fn use_tool(&mut self, tool: Tool, found: &Found, given: &mut Given) {
        let bin = found.program.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
        let home = bin.strip_suffix("/bin").unwrap_or(&bin).to_owned();
        let out = |given: &mut Given, name: &str, value: &str| {
            given.outputs.insert(name.to_owned(), value.to_owned());
        };
        self.path.retain(|p| *p != bin);
        self.path.insert(0, bin);
        match tool {
            Tool::Python => {
                out(given, "python-version", &found.version);
                out(given, "python-path", &found.program);
                for name in ["pythonLocation", "Python_ROOT_DIR", "Python3_ROOT_DIR"] {
                    self.env.insert(name.to_owned(), home.clone());
                }
            }
            Tool::Node => out(given, "node-version", &format!("v{}", found.version)),
            Tool::Go => out(given, "go-version", &found.version),
            Tool::Java => {
                out(given, "version", &found.version);
                out(given, "path", &home);
                out(given, "distribution", "image");
                self.env.insert("JAVA_HOME".to_owned(), home);
            }
            Tool::Rust => {
                out(given, "name", &found.version);
                out(given, "cachekey", &found.version);
                out(given, "rustc", &found.version);
            }
        }
        out(given, "cache-hit", "false");
        self.say(&format!("{} {} at {}", tool.name(), found.version, found.program));
    }

    async fn check_components(&self, inputs: &Inputs, found: &Found) -> Result<(), Failure> {
        let bin = found.program.rsplit_once('/').map_or("", |(dir, _)| dir);
        let components = inputs.get("components").unwrap_or_default().replace(',', " ");
        for component in components.split_whitespace() {
            let program = match component {
                "clippy" => "cargo-clippy",
                "rustfmt" => "rustfmt",
                _ => continue,
            };
            let path = join(bin, program);
            if self.sandbox.read_file(&path, u64::MAX).await.is_ok_and(|f| f.is_none()) {
                return Err(Failure::policy(format!(
                    "the image's Rust {} has no `{component}`",
                    found.version
                )));
            }
        }
        if let Some(targets) = inputs.get("targets").or(inputs.get("target")) {
            self.warn(&format!("the targets `{targets}` are not installed by the runner"));
        }
        Ok(())
    }
}

fn missing(tool: Tool, wanted: &[String], found: &[Found]) -> Failure {
    let there: Vec<String> =
        found.iter().map(|f| format!("{} ({})", f.version, f.program)).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Failure::policy(format!(
        "{} `{}` is not in the image of this job; there is: {there}; choose an image that has it \
         (`container:` or the hub file's `labels`)",
        tool.name(),
        wanted.join("`, `")
    ))
}

/// Lines of `program<TAB>what it says about itself`, without those that say the same.
fn read_probe(text: &str) -> Vec<Found> {
    let mut out: Vec<Found> = Vec::new();
    for line in text.lines() {
        let Some((program, said)) = line.split_once('\t') else { continue };
        let Some(version) = super::version::first_in(said) else { continue };
        let program = program.to_owned();
        if !out.iter().any(|f| f.version == version || f.program == program) {
            out.push(Found { program, version });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_say_their_version_in_their_own_way() {
        let text = "/usr/bin/python3\tPython 3.11.7 \n/usr/bin/go\tgo version go1.21.3 linux/amd64 \n\
                    /usr/bin/java\topenjdk version \"17.0.9\" 2023-10-17 \n/u/python\tPython 3.11.7 \n\
                    /u/rustc\trustc 1.95.0-nightly (abc 2026-01-01) \nbad\n/x\tno version";
        let versions: Vec<String> = read_probe(text).into_iter().map(|f| f.version).collect();
        assert_eq!(versions, ["3.11.7", "1.21.3", "17.0.9", "1.95.0-nightly"]);
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let found = [Found { program: "/usr/bin/python3".into(), version: "3.11.7".into() }];
        let Failure(verdict) = missing(Tool::Python, &["3.12".into()], &found);
        insta::assert_snapshot!(verdict.reason.unwrap_or_default(), @"Python `3.12` is not in the image of this job; there is: 3.11.7 (/usr/bin/python3); choose an image that has it (`container:` or the hub file's `labels`)");
    }
}
