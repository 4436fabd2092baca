//! `setup-*` actions of the table as tool resolution: the wanted version is looked for among what the image
//! offers; when it is not there, the step fails and says what is.

use gantry_sandbox::ExecSpec;
use gantry_workflow::actions::{self, Known, Tool};

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

/// Prints the program to use, the real one behind it, and whether the distribution forbids pip to install
/// beside it. When `python` and `python3` beside it are other versions, it makes a directory in which they
/// are not.
const SETTLE_PYTHON: &str = r#"
tell='import sys; print(sys.executable); print(sys.version_info[:3])'
told=$("$1" -c "$tell" 2>/dev/null) || exit 1
real=$(printf '%s' "$told" | head -n1); version=$(printf '%s' "$told" | tail -n1)
bin=$(dirname "$real")
managed=$("$real" -c 'import os, sysconfig
print(os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")))')
for name in python python3; do
  other=$("$bin/$name" -c "$tell" 2>/dev/null | tail -n1)
  if [ "$other" != "$version" ]; then
    mkdir -p "$2"
    ln -sf "$real" "$2/python"; ln -sf "$real" "$2/python3"
    printf '#!/bin/sh\nexec "%s/python" -m pip "$@"\n' "$2" > "$2/pip"
    chmod +x "$2/pip"; cp "$2/pip" "$2/pip3"
    echo "$2/python"; echo "$real"; echo "$managed"; exit 0
  fi
done
echo "$real"; echo "$real"; echo "$managed"
"#;

/// One installation found in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    program: String,
    version: String,
}

impl Attempt<'_> {
    /// Finds the tool that an action of the table asks for and puts it first. Gives its version.
    pub(super) async fn setup_tool(
        &mut self,
        known: &Known,
        inputs: &Inputs,
        reference: &str,
        given: &mut Given,
    ) -> Result<String, Failure> {
        let key = known.tool.as_deref().unwrap_or_default();
        let Some(tool) = actions::tool(key) else {
            return Err(Failure::infra(format!("the table has no tool `{key}`")));
        };
        let wanted = self.wanted_version(known, key, inputs, reference).await?;
        let found = self.probe(tool).await?;
        let mut fitting: Option<Found> = None;
        for text in &wanted {
            let want: Wanted = text
                .parse()
                .map_err(|e: String| Failure::user(format!("the version of {}: {e}", tool.name)))?;
            let there: Vec<Found> =
                found.iter().filter(|f| want.takes_program(&f.program)).cloned().collect();
            fitting = want.choose(&there, |f| &f.version).cloned();
            if fitting.is_some() {
                break;
            }
        }
        let Some(mut found) = fitting else {
            return Err(missing(&tool.name, &wanted, &found));
        };
        if key == "python" {
            self.settle_python(&mut found).await?;
        }
        self.use_tool(tool, &found, given);
        if key == "rust" {
            self.check_components(inputs, &found).await?;
        }
        Ok(found.version)
    }

    async fn wanted_version(
        &self,
        known: &Known,
        key: &str,
        inputs: &Inputs,
        reference: &str,
    ) -> Result<Vec<String>, Failure> {
        let listed = known.input.as_deref().map(|input| inputs.lines(input)).unwrap_or_default();
        if !listed.is_empty() {
            return Ok(listed);
        }
        let of_reference = !known.reference_unless.is_empty()
            && !reference.is_empty()
            && !known.reference_unless.iter().any(|r| r == reference);
        if of_reference {
            return Ok(vec![reference.to_owned()]);
        }
        if let Some(name) = known.file_input.as_deref().and_then(|input| inputs.get(input)) {
            let Some(text) = self.version_file(name).await? else {
                return Err(Failure::user(format!("there is no version file `{name}`")));
            };
            let version = super::version::of_file(name, &text, key);
            return version.map(|v| vec![v]).ok_or_else(|| {
                Failure::user(format!("no version for `{key}` stands in `{name}`"))
            });
        }
        for name in &known.files {
            let Some(text) = self.version_file(name).await? else { continue };
            if let Some(version) = super::version::of_file(name, &text, key) {
                return Ok(vec![version]);
            }
        }
        Ok(vec!["*".to_owned()])
    }

    async fn version_file(&self, name: &str) -> Result<Option<String>, Failure> {
        let path = self.facts.paths.resolve(name);
        let bytes = self.sandbox.read_file(&path, MAX_VERSION_FILE_BYTES).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn probe(&self, tool: &Tool) -> Result<Vec<Found>, Failure> {
        let cache = &self.facts.paths.tool_cache;
        let script = format!(
            "T='{cache}'; for p in {}; do q=$(command -v \"$p\" 2>/dev/null) || continue; \
             v=$(\"$q\" {} 2>&1 </dev/null) && printf '%s\\t%s\\n' \"$q\" \
             \"$(printf '%s' \"$v\" | tr '\\n' ' ')\"; done",
            tool.programs, tool.version
        );
        let spec = self.quiet_process(&["sh", "-c", &script]);
        let (_, text) = capture(self.sandbox, spec, MAX_PROBE_BYTES).await?;
        Ok(read_probe(&text))
    }

    /// Programs of these that the image does not have.
    pub(super) async fn absent(&self, programs: &[String]) -> Result<Vec<String>, Failure> {
        let script =
            "for p in \"$@\"; do command -v \"$p\" >/dev/null || printf '%s\\n' \"$p\"; done";
        let mut argv = vec!["sh", "-c", script, "sh"];
        argv.extend(programs.iter().map(String::as_str));
        let spec = self.quiet_process(&argv);
        let (_, text) = capture(self.sandbox, spec, MAX_PROBE_BYTES).await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn quiet_process(&self, argv: &[&str]) -> ExecSpec {
        ExecSpec {
            argv: argv.iter().map(|a| (*a).to_owned()).collect(),
            env: self.tool_env().into_iter().collect(),
            cwd: self.facts.paths.workspace.clone(),
            user: None,
        }
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
        if lines.next() == Some("True") {
            self.release_python();
        }
        Ok(())
    }

    /// Lets pip and uv install beside a Python that belongs to the distribution, as workflows expect of a
    /// Python that was set up: the job's root is its own and is thrown away.
    fn release_python(&mut self) {
        for name in ["PIP_BREAK_SYSTEM_PACKAGES", "UV_BREAK_SYSTEM_PACKAGES"] {
            self.env.insert(name.to_owned(), "1".to_owned());
        }
        // Where pip puts programs when the user may not write beside Python.
        let bin = join(&self.facts.paths.home, ".local/bin");
        self.path.retain(|p| *p != bin);
        self.path.insert(0, bin);
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

    fn use_tool(&mut self, tool: &Tool, found: &Found, given: &mut Given) {
        let bin = found.program.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
        let home = bin.strip_suffix("/bin").unwrap_or(&bin).to_owned();
        let fill = |template: &str| {
            let text = template.replace("{version}", &found.version);
            let text = text.replace("{program}", &found.program);
            text.replace("{bin}", &bin).replace("{home}", &home)
        };
        for (name, value) in &tool.outputs {
            given.outputs.insert(name.clone(), fill(value));
        }
        for (name, value) in &tool.env {
            self.env.insert(name.clone(), fill(value));
        }
        self.path.retain(|p| *p != bin);
        self.path.insert(0, bin.clone());
        given.outputs.insert("cache-hit".to_owned(), "false".to_owned());
        self.say(&format!("{} {} at {}", tool.name, found.version, found.program));
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
        let targets = inputs.get("targets").or(inputs.get("target")).unwrap_or_default();
        for target in targets.replace(',', " ").split_whitespace() {
            let script = "test -d \"$(\"$1\" --print sysroot)/lib/rustlib/$2\"";
            let spec = self.quiet_process(&["sh", "-c", script, "sh", &found.program, target]);
            let (exit, _) = capture(self.sandbox, spec, MAX_PROBE_BYTES).await?;
            if exit.code != 0 {
                return Err(Failure::policy(format!(
                    "the image's Rust {} has no target `{target}`",
                    found.version
                )));
            }
        }
        Ok(())
    }
}

fn missing(tool: &str, wanted: &[String], found: &[Found]) -> Failure {
    let there: Vec<String> =
        found.iter().map(|f| format!("{} ({})", f.version, f.program)).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Failure::policy(format!(
        "{} `{}` is not in the image of this job; there is: {there}; choose an image that has it \
         (`container:` or the hub file's `labels`)",
        tool,
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
        let Failure(verdict) = missing("Python", &["3.12".into()], &found);
        insta::assert_snapshot!(verdict.reason.unwrap_or_default(), @"Python `3.12` is not in the image of this job; there is: 3.11.7 (/usr/bin/python3); choose an image that has it (`container:` or the hub file's `labels`)");
    }
}
