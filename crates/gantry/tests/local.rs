//! The real binary at somebody's desk: drawings, secrets, legs, watching, entering a kept job.

use std::path::Path;

use assert_cmd::Command;

const CI: &str = "name: CI
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy: {matrix: {py: ['3.11', '3.12']}}
    steps: [{run: make test}]
  win: {runs-on: windows-latest, steps: [{run: dir}]}
  ship: {needs: [test, win], runs-on: ubuntu-latest, steps: [{run: make ship}]}
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }
    dir
}

/// Exit code, standard output, standard error.
fn gantry(dir: &Path, args: &[&str], stdin: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .write_stdin(stdin)
        .output()
        .expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn graph_draws_a_file_in_every_form() {
    let dir = folder(&[(".github/workflows/ci.yml", CI)]);
    let file = ".github/workflows/ci.yml";
    let (code, out, err) = gantry(dir.path(), &["workflow", "graph", file], "");
    assert_eq!((code, err.as_str()), (0, ""));
    let rails = ["●   test  2 legs", "│ ✗ win", "●─┘ ship"];
    assert!(out.starts_with("CI — push, 3 jobs, 4 legs\n"), "{out}");
    assert!(out.contains(rails[0]) && out.contains(rails[1]) && out.contains(rails[2]), "{out}");
    assert!(out.contains("cannot run: job `win` asks for the runner `windows-latest`"), "{out}");
    let (code, out, _) = gantry(dir.path(), &["workflow", "graph", file, "--json"], "");
    let graph: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &graph["event"]), (0, &serde_json::json!("push")));
    assert_eq!(graph["jobs"][1]["state"], "unsupported");
    let (_, svg, _) = gantry(dir.path(), &["workflow", "graph", file, "--format", "svg"], "");
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    let (_, dot, _) = gantry(dir.path(), &["workflow", "graph", file, "--format", "dot"], "");
    match Command::new("dot").args(["-Tplain"]).write_stdin(dot.clone()).output() {
        Err(_) => gantry_testkit::skip("Graphviz is not installed"),
        Ok(read) => {
            assert!(read.status.success(), "{dot}\n{}", String::from_utf8_lossy(&read.stderr));
            let plain = String::from_utf8_lossy(&read.stdout).into_owned();
            assert_eq!(plain.lines().filter(|l| l.starts_with("node ")).count(), 3, "{plain}");
            assert_eq!(plain.lines().filter(|l| l.starts_with("edge ")).count(), 2, "{plain}");
        }
    }
}

#[test]
fn graph_of_a_broken_file_says_where_it_is_broken() {
    let dir =
        folder(&[("a.yml", "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    stepz: []\n")]);
    let (code, out, err) = gantry(dir.path(), &["workflow", "graph", "a.yml"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("a.yml:5:5: error[workflow/unknown-key]"), "{err}");
}

const LEGS: &str = "on: push
jobs:
  test:
    runs-on: ubuntu-latest
    strategy: {matrix: {py: ['3.11', '3.12'], os: [a, b]}}
    env: {TOKEN: '${{ secrets.TOKEN }}', OTHER: '${{ secrets.OTHER }}'}
    steps: [{run: 'echo \"leg ${{ matrix.py }} ${{ matrix.os }}, $TOKEN and $OTHER\"; test ${#TOKEN} -gt 5'}]
  plain: {runs-on: ubuntu-latest, steps: [{run: echo plain}]}
  after: {needs: test, runs-on: ubuntu-latest, strategy: {matrix: {py: ['3.11']}}, steps: [{run: echo after}]}
";

fn run(dir: &Path, args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gantry"));
    command
        .args([&["run", "--isolation", "process"], args].concat())
        .current_dir(dir)
        .env("HOME", dir)
        .env("GANTRY_DATA_DIR", dir.join("data"))
        .stdin(std::process::Stdio::null());
    command
}

fn keys(out: &[u8]) -> Vec<String> {
    let summary: serde_json::Value = serde_json::from_slice(out).expect("a summary");
    let jobs = summary["runs"].as_array().expect("runs").iter().flat_map(|r| {
        r["jobs"]
            .as_array()
            .expect("jobs")
            .iter()
            .map(|j| j["key"].as_str().expect("a key").to_owned())
    });
    jobs.collect()
}

#[test]
fn legs_are_chosen_by_values_of_their_matrix() {
    let dir = folder(&[
        (".github/workflows/ci.yml", LEGS),
        ("s.env", "TOKEN=hunter2hunter2\nOTHER='a b#c'\n"),
    ]);
    let secrets = ["--json", "--secret-file", "s.env"];
    let chosen = [&secrets[..], &["--matrix", "py:3.12", "--matrix", "os:b"]].concat();
    let output = run(dir.path(), &chosen).output().expect("it runs");
    let progress = String::from_utf8_lossy(&output.stderr);
    assert_eq!(keys(&output.stdout), ["test (3.12, b)", "plain"], "{progress}");
    assert!(progress.contains("leg 3.12 b, *** and ***"), "{progress}");
    assert!(!progress.contains("hunter2") && !progress.contains("a b#c"), "{progress}");
    for (value, why) in
        [("py:3.13", "there are `3.11`, `3.12`"), ("pi:3.12", "there are `py`, `os`")]
    {
        let args = [&secrets[..], &["--matrix", value]].concat();
        let output = run(dir.path(), &args).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{value}: {said}");
    }
}

#[test]
fn a_secret_comes_from_the_environment_and_never_from_an_argument() {
    let dir =
        folder(&[(".github/workflows/ci.yml", LEGS), ("s.env", "TOKEN=short\nOTHER=fromfile\n")]);
    let args = ["--matrix", "py:3.11", "--secret-file", "s.env", "--secret", "TOKEN"];
    let output = run(dir.path(), &args).env("TOKEN", "hunter2hunter2").output().expect("it runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("leg 3.11 a, *** and ***") && !said.contains("hunter2"), "{said}");
    let stored = std::process::Command::new("grep")
        .args(["-rl", "hunter2hunter2", "data"])
        .current_dir(dir.path())
        .output()
        .expect("grep");
    assert_eq!(String::from_utf8_lossy(&stored.stdout), "", "no file has the secret");
    for (args, why) in [
        (["--secret", "TOKEN=hunter2hunter2"], "`--secret` takes a name and no value"),
        (["--secret", "TOKEN"], "the secret `TOKEN` is not set, and nobody can be asked"),
        (["--secret", "GITHUB_TOKEN"], "cannot name a secret"),
        (["--secret-file", "none.env"], "cannot read `none.env`"),
    ] {
        let output = run(dir.path(), &args).env_remove("TOKEN").output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// A watch whose output is read line by line.
struct Watch {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Watch {
    fn start(dir: &Path, args: &[&str]) -> Self {
        use std::io::BufRead as _;
        let mut child = run(dir, args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let (sender, lines) = std::sync::mpsc::channel();
        let (out, err) = (child.stdout.take().expect("out"), child.stderr.take().expect("err"));
        let outputs: [Box<dyn std::io::Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in std::io::BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// Reads on until a line has all of `parts`; answers everything read. The harness has the deadline.
    fn until(&self, parts: &[&str]) -> String {
        let mut read = String::new();
        loop {
            let line =
                self.lines.recv().unwrap_or_else(|_| panic!("ended before {parts:?}: {read}"));
            let found = parts.iter().all(|p| line.contains(p));
            read += &line;
            read.push('\n');
            if found {
                return read;
            }
        }
    }

    fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("kill").success());
        while self.lines.recv().is_ok() {}
        self.child.wait().expect("its end").code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn ci(script: &str) -> String {
    format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: {script}\n"
    )
}

#[test]
fn watch_runs_again_on_a_change_and_not_for_what_git_ignores() {
    let dir = folder(&[
        (".github/workflows/ci.yml", &ci("cat said.txt")),
        (".gitignore", "*.log\ndata/\nbuild/\n"),
        ("said.txt", "first words\n"),
    ]);
    let watch = Watch::start(dir.path(), &["--watch"]);
    let begun = watch.until(&["a | first words"]);
    assert!(begun.contains("watch: 1 folder watched"), "{begun}");
    watch.until(&["watch: waiting for a change"]);
    std::fs::create_dir(dir.path().join("build")).expect("a folder");
    for ignored in ["noise.log", "build/out.txt", ".git/index"] {
        let path = dir.path().join(ignored);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, "noise").expect("a file");
    }
    std::fs::create_dir(dir.path().join("deep")).expect("a folder");
    std::fs::write(dir.path().join("deep/new.txt"), "").expect("a file");
    let again = watch.until(&["watch: waiting for a change"]);
    assert!(again.contains("watch: changed: deep/new.txt\n"), "{again}");
    // The new folder is watched too.
    std::fs::write(dir.path().join("deep/new.txt"), "more").expect("a file");
    std::fs::write(dir.path().join("said.txt"), "second words\n").expect("a file");
    watch.until(&["a | second words"]);
    // A file that cannot be used ends one run and not the watch.
    watch.until(&["watch: waiting for a change"]);
    std::fs::write(dir.path().join(".github/workflows/ci.yml"), "on: [\n").expect("a file");
    watch.until(&["watch: waiting for a change"]);
    std::fs::write(dir.path().join(".github/workflows/ci.yml"), ci("echo mended")).expect("a file");
    watch.until(&["a | mended"]);
    watch.until(&["watch: waiting for a change"]);
    assert_eq!(watch.interrupt(), Some(0));
}

#[test]
fn watch_cancels_the_run_that_a_change_has_overtaken() {
    let dir = folder(&[
        (".github/workflows/ci.yml", &ci("echo begun; sleep 600")),
        (".gitignore", "data/\n"),
    ]);
    let watch = Watch::start(dir.path(), &["--watch"]);
    watch.until(&["a | begun"]);
    std::fs::write(dir.path().join(".github/workflows/ci.yml"), ci("echo over; sleep 600"))
        .expect("a file");
    let text = watch.until(&["a | over"]);
    assert!(
        text.contains("the tree changed; cancelling") && text.contains("a | cancelled"),
        "{text}"
    );
    assert_eq!(watch.interrupt(), Some(130));
}

const FAILING: &str = "on: push
jobs:
  test:
    runs-on: ubuntu-latest
    env: {LEVEL: deep, TOKEN: '${{ secrets.TOKEN }}'}
    steps:
      - run: mkdir -p build; echo words > build/out.txt; echo FROM_FILE=1 >> $GITHUB_ENV
      - run: |
          sudo sh -c 'echo rooted > /etc/rooted'; exit 3
        working-directory: build
        env: {STEP: mine}
      - {run: echo after, if: always()}
";

/// Whether this machine isolates; a data directory that sandboxed users can walk to.
fn container_data() -> Option<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let data = tempfile::Builder::new().prefix("gantry-shell-").tempdir().expect("a folder");
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).expect("rights");
    let place = data.path().display().to_string();
    let (code, out, _) = gantry(data.path(), &["doctor", "--data-dir", &place], "");
    if code != 0 {
        gantry_testkit::skip(format!("this machine does not isolate: {out}"));
        return None;
    }
    Some(data)
}

#[test]
fn shell_enters_a_kept_job_with_its_files_environment_and_limits() {
    let Some(data) = container_data() else { return };
    let dir = folder(&[(".github/workflows/ci.yml", FAILING), ("s.env", "TOKEN=hunter2hunter2\n")]);
    let place = data.path().display().to_string();
    let keep = ["run", "--keep", "--data-dir", &place, "--secret-file", "s.env"];
    let (code, out, err) = gantry(dir.path(), &keep, "");
    assert_eq!(code, 1, "{out}{err}");
    let shell = |command: &[&str]| {
        let args = [&["shell", "last/test", "--data-dir", &place, "--"], command].concat();
        gantry(dir.path(), &args, "")
    };
    let script = "pwd; cat out.txt /etc/rooted; echo $LEVEL$STEP$FROM_FILE${TOKEN-none}; id -un; echo kept > more; exit 7";
    let (code, out, err) = shell(&["sh", "-c", script]);
    let (dir_line, rest) = out.split_once('\n').unwrap_or_default();
    assert!(dir_line.ends_with("/build"), "{out}{err}");
    assert_eq!((code, rest), (7, "words\nrooted\ndeepmine1none\nrunner\n"), "{err}");
    assert!(err.contains("not set, as they held secrets: TOKEN"), "{err}");
    // Changes stay; the network is as closed as the job's was; what cannot start says so.
    assert_eq!(shell(&["cat", "more"]).1, "kept\n");
    let (code, _, err) = shell(&["sh", "-c", "getent hosts tracker.example.net || exit 5"]);
    assert!(code == 5 && err.contains("tracker.example.net refused (not allowed"), "{code} {err}");
    let (code, _, err) = shell(&["nosuch"]);
    assert!(code == 127 && err.contains("cannot start `nosuch`"), "{code} {err}");
    // A secret is there when it is given again, and on no disk of the host in plain.
    let session =
        std::process::Command::new("grep").args(["-rl", "hunter2hunter2", &place]).output();
    assert_eq!(String::from_utf8_lossy(&session.expect("grep").stdout), "");
    let again = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["shell", "last/test", "--data-dir", &place, "--secret", "TOKEN", "--"])
        .args(["sh", "-c", "echo ${#TOKEN}"])
        .env("TOKEN", "hunter2hunter2")
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&again.stdout), "14\n", "{again:?}");
}

#[test]
fn shell_says_why_a_job_cannot_be_entered() {
    let dir = folder(&[(".github/workflows/ci.yml", &ci("echo hello"))]);
    assert_eq!(run(dir.path(), &["--keep"]).status().expect("it runs").code(), Some(0));
    let place = dir.path().join("data").display().to_string();
    let shell =
        |what: &str| gantry(dir.path(), &["shell", what, "--data-dir", &place, "--", "id"], "");
    for (what, why) in [
        ("last/a", "it ran with `--isolation process`, without a sandbox"),
        ("last/b", "the run has no job `b`"),
        ("last", "write RUN/JOB"),
        ("nope/a", "there is no run `nope`"),
    ] {
        let (code, _, err) = shell(what);
        assert!(code == 2 && err.contains(why), "{what}: {code} {err}");
    }
    assert_eq!(run(dir.path(), &[]).status().expect("it runs").code(), Some(0));
    let (code, _, err) = shell("last/a");
    assert!(code == 2 && err.contains("run it again with `gantry run --keep`"), "{err}");
}
