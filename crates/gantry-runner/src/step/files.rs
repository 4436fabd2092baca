//! The command files of one step: made before it runs, read after it.

use bytes::Bytes;
use gantry_core::limits::{MAX_COMMAND_FILE_BYTES, MAX_STEP_SUMMARY_BYTES};
use gantry_sandbox::{Sandbox, SandboxError};

use crate::command_file;
use crate::contexts::Vars;
use crate::failure::Failure;
use crate::paths::Paths;

/// Names of the variables and of the files behind them.
const FILES: [(&str, &str); 5] = [
    ("GITHUB_ENV", "set_env"),
    ("GITHUB_OUTPUT", "set_output"),
    ("GITHUB_PATH", "add_path"),
    ("GITHUB_STATE", "save_state"),
    ("GITHUB_STEP_SUMMARY", "step_summary"),
];

/// The files of one step.
#[derive(Debug, Clone)]
pub struct CommandFiles {
    dir: String,
    id: String,
    script: Option<String>,
}

/// What a step wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// `GITHUB_ENV`.
    pub env: Vars,
    /// `GITHUB_OUTPUT`.
    pub outputs: Vars,
    /// `GITHUB_PATH`.
    pub path: Vec<String>,
    /// `GITHUB_STATE`.
    pub state: Vars,
    /// `GITHUB_STEP_SUMMARY`.
    pub summary: String,
    /// What is wrong with them and fails the step.
    pub broken: Vec<Failure>,
    /// What is wrong with them and is only said.
    pub refused: Vec<String>,
}

impl CommandFiles {
    /// Makes the empty files, and the step's script `(path, content)` beside them.
    ///
    /// # Errors
    /// When the sandbox cannot.
    pub async fn create(
        sandbox: &Sandbox,
        paths: &Paths,
        script: Option<(String, Bytes)>,
    ) -> Result<Self, SandboxError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = script.as_ref().map(|(path, _)| path.clone());
        let files = Self { dir: paths.command_files(), id, script: path };
        let empty = FILES.map(|(_, name)| (files.path(name), Bytes::new(), 0o644));
        let script = script.map(|(path, bytes)| (path, bytes, 0o755));
        sandbox.write_files(empty.into_iter().chain(script).collect()).await?;
        Ok(files)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}_{}", self.dir, self.id)
    }

    /// The variables that point to the files.
    pub fn vars(&self) -> impl Iterator<Item = (String, String)> {
        FILES.map(|(var, name)| (var.to_owned(), self.path(name))).into_iter()
    }

    /// Reads and removes the files; the script is only removed. Each file counts for itself, as on GitHub.
    ///
    /// # Errors
    /// When the sandbox cannot.
    pub async fn collect(&self, sandbox: &Sandbox) -> Result<Collected, Failure> {
        let most = |name| match name {
            "step_summary" => MAX_STEP_SUMMARY_BYTES,
            _ => MAX_COMMAND_FILE_BYTES,
        };
        let wanted = FILES.iter().map(|(_, name)| (self.path(name), most(*name)));
        let script = self.script.iter().map(|path| (path.clone(), 0));
        let taken = sandbox.take_files(wanted.chain(script).collect()).await?;
        let mut out = Collected::default();
        for ((var, _), bytes) in FILES.into_iter().zip(taken) {
            match bytes {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
                    out.take(var, text);
                }
                Err(error) if var == "GITHUB_STEP_SUMMARY" => {
                    out.refused.push(format!("the step's summary (`${var}`) is left out: {error}"));
                }
                Err(error) => out.broken.push(error.into()),
            }
        }
        out.env.retain(|name, _| {
            let may = command_file::may_be_set(name);
            if !may {
                out.refused.push(format!("`{name}` cannot be set through `$GITHUB_ENV`"));
            }
            may
        });
        Ok(out)
    }
}

impl Collected {
    fn take(&mut self, var: &'static str, text: String) {
        let values = match var {
            "GITHUB_ENV" => &mut self.env,
            "GITHUB_OUTPUT" => &mut self.outputs,
            "GITHUB_STATE" => &mut self.state,
            "GITHUB_PATH" => {
                self.path = command_file::parse_path(&text);
                return;
            }
            _ => {
                self.summary = text;
                return;
            }
        };
        let said = command_file::parse(var, &text);
        *values = said.values;
        self.broken.extend(said.broken.map(|e| Failure::user(e.to_string())));
    }
}
