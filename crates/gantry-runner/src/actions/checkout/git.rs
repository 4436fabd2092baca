//! What `git` in the job's image does after the source lies there: another ref, a sparse tree, submodules entered.
//!
//! Not in here: the bytes, which come from the hub.

use gantry_sandbox::ExecSpec;

use super::Submodules;
use crate::attempt::Attempt;
use crate::exec::capture;
use crate::failure::Failure;

/// Most output of a `git` command that is looked at, in bytes.
const MAX_GIT_OUTPUT: usize = 16 * 1024;

/// What a `git` command came to.
pub(super) struct Said {
    /// Whether it ended with code 0.
    pub ok: bool,
    /// Both streams.
    pub text: String,
}

impl Attempt<'_> {
    /// Runs `git` in a directory; `why` is what needs it.
    ///
    /// # Errors
    /// The image has no `git`.
    async fn git(&self, dir: &str, args: &[&str], why: &str) -> Result<Said, Failure> {
        let spec = ExecSpec {
            argv: ["git"].iter().chain(args).map(|a| (*a).to_owned()).collect(),
            env: self.base_env.clone().into_iter().collect(),
            cwd: dir.to_owned(),
            user: None,
        };
        let (exit, text) = capture(self.sandbox, spec, MAX_GIT_OUTPUT).await?;
        match exit.spawn_error {
            Some(error) => Err(Failure::user(format!("`git` is needed for {why}: {error}"))),
            None => Ok(Said { ok: exit.code == 0, text: text.trim().to_owned() }),
        }
    }

    /// Checks another ref or commit out; gives its commit.
    pub(super) async fn switch(&self, dir: &str, reference: &str) -> Result<String, Failure> {
        let candidates = [
            reference.to_owned(),
            format!("origin/{reference}"),
            reference.replacen("refs/heads/", "origin/", 1),
        ];
        let why = "another `ref`";
        for name in candidates.iter().filter(|name| !name.starts_with('-')) {
            let args = ["-c", "advice.detachedHead=false", "checkout", "--force", name, "--"];
            let said = self.git(dir, &args, why).await?;
            if said.ok {
                self.say(&said.text);
                return Ok(self.git(dir, &["rev-parse", "HEAD"], why).await?.text);
            }
        }
        Err(Failure::user(format!("the source has no ref or commit `{reference}`")))
    }

    /// Leaves only what the patterns of `sparse-checkout` name.
    pub(super) async fn make_sparse(
        &self,
        dir: &str,
        patterns: &[String],
        cone: bool,
    ) -> Result<(), Failure> {
        let why = "`sparse-checkout`";
        if !self.git(dir, &["rev-parse", "--verify", "--quiet", "HEAD"], why).await?.ok {
            self.warn(
                "the input `sparse-checkout` has no effect: the source is not under Git; the whole of it is here",
            );
            return Ok(());
        }
        // The index knows nothing of these files yet; git removes only what it knows to be unchanged.
        self.git(dir, &["update-index", "-q", "--refresh"], why).await?;
        let mode = if cone { "--cone" } else { "--no-cone" };
        let mut args = vec!["sparse-checkout", "set", mode, "--end-of-options"];
        args.extend(patterns.iter().map(String::as_str));
        let said = self.git(dir, &args, why).await?;
        if !said.ok {
            return Err(Failure::user(format!("`sparse-checkout` cannot be used: {}", said.text)));
        }
        let form = if cone { "directories" } else { "patterns" };
        self.say(&format!("Sparse, {} {form}: {}", patterns.len(), patterns.join(", ")));
        if !said.text.is_empty() {
            self.warn(&said.text);
        }
        Ok(())
    }

    /// Makes `git submodule` know the submodules that were unpacked, as far as the image has `git`.
    pub(super) async fn enter_submodules(
        &self,
        dir: &str,
        wanted: Submodules,
    ) -> Result<(), Failure> {
        let why = "`submodules`";
        let mut commands = vec![vec!["submodule", "init"], vec!["submodule", "absorbgitdirs"]];
        if wanted == Submodules::Recursive {
            commands.push(vec![
                "submodule",
                "foreach",
                "--quiet",
                "--recursive",
                "git submodule init --quiet",
            ]);
        }
        for args in commands {
            match self.git(dir, &args, why).await {
                Ok(said) if !said.ok => {
                    let command = args.join(" ");
                    self.warn(&format!(
                        "the files of the submodules are here; `git {command}` says: {}",
                        said.text
                    ));
                }
                Ok(_) => {}
                Err(_) => {
                    self.say("The image has no `git`: the submodules are folders with a repository of their own");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Warns of files whose content lies in Git LFS.
    pub(super) async fn note_lfs(&self, dir: &str) -> Result<(), Failure> {
        let script = "find . -name .git -prune -o -type f -size -1k -print -o -type f -size 1k -print 2>/dev/null \
                      | tr '\\n' '\\0' | xargs -0 -r grep -lsF 'version https://git-lfs.github.com/spec/v1' -- \
                      | sort";
        let spec = ExecSpec {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: self.base_env.clone().into_iter().collect(),
            cwd: dir.to_owned(),
            user: None,
        };
        let (_, text) = capture(self.sandbox, spec, MAX_GIT_OUTPUT).await?;
        let files: Vec<&str> = text.lines().filter(|l| l.starts_with("./")).collect();
        match files.as_slice() {
            [] => self.say("Git LFS: no file here is a pointer"),
            [first, ..] => self.warn(&format!(
                "the input `lfs` has no effect: the hub fetches nothing from Git LFS, and {} files are pointers in \
                 place of their content (`{}` and others); use a folder as source in which they have it",
                files.len(),
                first.trim_start_matches("./")
            )),
        }
        Ok(())
    }
}
