//! An ordinary user on a fresh data directory: refused with what is missing and how to mend it; without isolation only
//! when asked, and loudly.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The user and the group that own nothing.
const NOBODY: u32 = 65534;
const CI: &str = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: echo it ran as $(id -u)}]\n";

/// A repository, a data directory and the binary where an ordinary user reaches them.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gantry-privileges-").tempdir().expect("folder");
        let workflows = dir.path().join("repo/.github/workflows");
        std::fs::create_dir_all(&workflows).expect("folders");
        std::fs::create_dir(dir.path().join("data")).expect("a folder");
        std::fs::write(workflows.join("ci.yml"), CI).expect("a file");
        std::fs::copy(env!("CARGO_BIN_EXE_gantry"), dir.path().join("gantry")).expect("a copy");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        for name in ["repo", "data"] {
            // Without root this user is an ordinary one already, and owns them.
            let _ = std::os::unix::fs::chown(dir.path().join(name), Some(NOBODY), Some(NOBODY));
        }
        Self(dir)
    }

    /// Runs the binary as nobody; its exit code, output and errors.
    fn gantry(&self, data: &Path, args: &[&str]) -> (i32, String, String) {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(self.0.path().join("gantry"));
        if self.is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let out = command
            .args(args)
            .current_dir(self.0.path().join("repo"))
            .env("GANTRY_DATA_DIR", data)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
    }

    /// Whether this process may become another user: then the folders are that user's.
    fn is_root(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let data = std::fs::metadata(self.0.path().join("data")).expect("a folder");
        data.uid() == NOBODY
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }
}

#[test]
fn an_ordinary_user_is_refused_with_what_is_missing_and_the_remedy() {
    let place = Place::new();
    let (code, out, err) = place.gantry(&place.data(), &["run"]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    for told in [
        "error: this machine cannot isolate jobs",
        "privileges: not root",
        "control groups are",
        "run it as root (`sudo`)",
        "no limits on memory, processes and disk",
        "hint: `gantry doctor` says what is missing",
        "`--isolation process`",
    ] {
        assert!(err.contains(told), "`{told}` is not told: {err}");
    }
    let (code, _, err) = place.gantry(&place.data(), &["run", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&err).expect("JSON on standard error");
    assert_eq!((code, &error["error"]["exit_code"]), (3, &3.into()));
    let (code, out, _) = place.gantry(&place.data(), &["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &found["can_isolate"]), (3, &false.into()));
    let privileges = found["checks"].as_array().and_then(|all| {
        all.iter().find(|check| check["name"] == "privileges").map(|check| check["remedy"].clone())
    });
    assert!(privileges.is_some_and(|remedy| remedy.to_string().contains("sudo")), "{found:#}");
}

#[test]
fn without_isolation_an_ordinary_user_runs_jobs_and_is_warned_twice() {
    let place = Place::new();
    let (code, out, err) = place.gantry(&place.data(), &["run", "--isolation", "process"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("warning: --isolation process: jobs run as this user"), "{err}");
    assert!(out.contains("this job is NOT isolated"), "{out}");
    assert!(!out.contains("it ran as 0"), "{out}");
}

#[test]
fn a_data_directory_of_somebody_else_is_named_with_the_way_out() {
    let place = Place::new();
    if !place.is_root() {
        gantry_testkit::skip("a data directory of somebody else needs root");
        return;
    }
    let closed = tempfile::tempdir().expect("a folder of root");
    let (code, _, err) = place.gantry(&closed.path().join("data"), &["run"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("Permission denied") && err.contains("`--data-dir`"), "{err}");
}
