//! A hub process with a Git repository on disk, and the command as somebody uses it from a shell.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a state; a hub that needs longer is broken.
pub const PATIENCE: Duration = Duration::from_mins(3);

const CI: &str = "name: CI
on: {push: {}, workflow_dispatch: {inputs: {mode: {type: choice, options: [pass, fail, hang], default: pass}}}}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - name: Greet
        run: |
          echo '::group::Details'
          echo 'hello from the job'
          echo '::endgroup::'
      - name: Hang
        if: inputs.mode == 'hang'
        run: echo 'it hangs'; sleep 3600
      - name: Judge
        run: test '${{ inputs.mode }}' != fail
  after:
    needs: build
    runs-on: ubuntu-latest
    steps: [{name: Say, run: echo 'after it'}]
";

/// Whether jobs can be isolated here; says so when they cannot.
pub fn isolates() -> bool {
    if !gantry_testkit::program("git") {
        return false;
    }
    let doctor = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["doctor", "--json"])
        .output()
        .expect("the binary starts");
    if doctor.status.code() == Some(3) {
        gantry_testkit::skip("jobs cannot be isolated here");
        return false;
    }
    true
}

fn git(dir: &Path, args: &[&str]) {
    let own =
        ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"];
    let done =
        Command::new("git").args(own).args(args).current_dir(dir).output().expect("git runs");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A folder with a repository, a hub file, and the homes of hub and user.
pub struct World {
    dir: tempfile::TempDir,
}

/// A running hub.
pub struct Hub {
    child: Child,
    pub url: String,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Hub {
    /// Kills it at once.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The address alone.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let work = dir.path().join("work");
        std::fs::create_dir_all(work.join(".github/workflows")).expect("folders");
        std::fs::write(work.join(".github/workflows/ci.yml"), CI).expect("a workflow");
        git(&work, &["init", "--quiet"]);
        git(&work, &["add", "."]);
        git(&work, &["commit", "--quiet", "-m", "first"]);
        git(dir.path(), &["clone", "--quiet", "--bare", "work", "app.git"]);
        let hub = dir.path().join("hub");
        std::fs::create_dir(&hub).expect("a folder");
        let url = format!("file://{}", dir.path().join("app.git").display());
        let file = format!("repos:\n  app:\n    owner: acme\n    source: {{ git: \"{url}\" }}\n");
        std::fs::write(hub.join("gantry.yaml"), file).expect("a hub file");
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the hub and waits until it listens; `jobs` is how many its runner takes, 0 for none.
    pub fn serve(&self, listen: &str, jobs: &str) -> Hub {
        let log = std::fs::File::create(self.path("hub.log")).expect("a log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_gantry"))
            .args(["serve", "--poll", "1s", "--listen", listen, "--jobs", jobs])
            .arg("--hub")
            .arg(self.path("hub"))
            .arg("--data-dir")
            .arg(self.path("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the hub starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let url = loop {
            let line = lines.next().unwrap_or_else(|| {
                panic!(
                    "the hub ended: {}",
                    std::fs::read_to_string(self.path("hub.log")).unwrap_or_default()
                )
            });
            let line = line.expect("UTF-8");
            if let Some((_, url)) = line.split_once(" at http://") {
                let url = url.split_whitespace().next().expect("an address");
                break format!("http://{url}");
            }
        };
        // What it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Hub { child, url }
    }

    /// The first token of the hub.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.path("data/bootstrap-token"))
            .expect("the first token")
            .trim()
            .to_owned()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Exit code, standard output, standard error.
    pub fn gantry(&self, args: &[&str]) -> (i32, String, String) {
        said(self.command(args).output().expect("the binary starts"))
    }

    /// As [`World::gantry`], which must end well.
    pub fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.gantry(args);
        assert_eq!(code, 0, "gantry {args:?}: {out}{err}");
        out
    }

    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let out = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("gantry {args:?}: {e}: {out}"))
    }

    /// Logs in with the hub's first token.
    pub fn login(&self, hub: &Hub) -> String {
        let mut command = self.command(&["login", &hub.url]);
        command.env("GANTRY_TOKEN", self.token());
        let (code, out, err) = said(command.output().expect("the binary starts"));
        assert_eq!(code, 0, "{err}");
        out
    }

    /// Asks again until `seen` says that it is so.
    pub fn wait_for(
        &self,
        args: &[&str],
        seen: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let value = self.json(args);
            if seen(&value) {
                return value;
            }
            let log = || std::fs::read_to_string(self.path("hub.log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "gantry {args:?} still says {value:#}\n{}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

pub fn said(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A command that goes on while others run.
pub struct Going {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    pub heard: String,
}

impl Drop for Going {
    fn drop(&mut self) {
        // It has ended already when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Going {
    /// Starts it; its standard error goes to the file.
    pub fn start(mut command: Command, errors: &Path) -> Self {
        let errors = std::fs::File::create(errors).expect("a file");
        let started = command.stdout(Stdio::piped()).stderr(errors).spawn();
        let mut child = started.expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines, heard: String::new() }
    }

    /// Reads until a line has `text` in it.
    pub fn until(&mut self, text: &str) {
        while !self.heard.lines().last().is_some_and(|l| l.contains(text)) {
            let line = self.lines.next().unwrap_or_else(|| panic!("no `{text}` in {}", self.heard));
            self.heard += &format!("{}\n", line.expect("UTF-8"));
        }
    }

    /// Reads the rest and says how it ended.
    pub fn end(&mut self) -> i32 {
        for line in self.lines.by_ref() {
            self.heard += &format!("{}\n", line.expect("UTF-8"));
        }
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }
}

/// `text` with ids, times, commits and runs of blanks made alike.
pub fn masked(text: &str) -> String {
    let word = |word: &str| {
        let is_id = word.len() == 36
            && word.as_bytes()[3] == b'_'
            && word[4..].bytes().all(|b| b.is_ascii_hexdigit());
        let is_time = word.len() >= 20 && word.starts_with("20") && word.ends_with('Z');
        let number = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let is_span = word.ends_with('s')
            && number != word
            && number.starts_with(|c: char| c.is_ascii_digit())
            && number.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'm');
        let is_commit = word.len() == 10 && word.bytes().all(|b| b.is_ascii_hexdigit());
        match word {
            _ if is_id => format!("{}_ID", &word[..3]),
            _ if is_time => "TIME".to_owned(),
            _ if is_span => "SPAN".to_owned(),
            _ if is_commit => "COMMIT".to_owned(),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
