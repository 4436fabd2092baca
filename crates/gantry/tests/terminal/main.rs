//! The real binary before a real terminal: the hint after a failure, and a shell in the failed job.

use std::path::Path;

use assert_cmd::Command;

const FAILING: &str = "on: push
jobs:
  test:
    runs-on: ubuntu-latest
    env: {LEVEL: deep}
    steps:
      - run: mkdir build
      - {run: exit 3, working-directory: build, env: {STEP: mine}}
";

/// Plays a scenario (see `driver.py`) before a command; what was shown, and the last line about its end.
fn play(dir: &Path, args: &[&str], scenario: &[&str]) -> (String, String) {
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal/driver.py"))
        .arg(env!("CARGO_BIN_EXE_gantry"))
        .args(args)
        .current_dir(dir)
        .env("HOME", dir)
        .env("NO_COLOR", "1")
        .env("TERM", "vt220")
        .write_stdin(scenario.join("\n"))
        .output()
        .expect("python3 starts");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    let (shown, end) = shown.trim_end().rsplit_once('\n').expect("a last line");
    (shown.to_owned(), end.to_owned())
}

fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(dir.path().join(".github/workflows")).expect("folders");
    std::fs::write(dir.path().join(".github/workflows/ci.yml"), FAILING).expect("a file");
    dir
}

/// A data directory that sandboxed users can walk to; `None` when this machine does not isolate.
fn data() -> Option<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let data = tempfile::Builder::new().prefix("gantry-terminal-").tempdir().expect("a folder");
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).expect("rights");
    let doctor = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["doctor", "--data-dir"])
        .arg(data.path())
        .output()
        .expect("it runs");
    if !doctor.status.success() {
        println!(
            "SKIPPED: this machine does not isolate: {}",
            String::from_utf8_lossy(&doctor.stdout)
        );
        return None;
    }
    Some(data)
}

#[test]
fn a_failed_job_is_entered_with_a_shell_of_its_own_terminal() {
    let Some(data) = data() else { return };
    let dir = project();
    let place = data.path().display().to_string();
    let (shown, end) = play(dir.path(), &["run", "--keep", "--data-dir", &place], &[]);
    assert!(end.starts_with("1 "), "{shown}{end}");
    assert!(shown.contains("hint: `gantry shell last/test` enters the failed job"), "{shown}");
    let (shown, end) = play(
        dir.path(),
        &["shell", "last/test", "--data-dir", &place],
        &[
            "expect entering /home/runner/work/",
            "expect $ ",
            // The step's directory, environment and user, and the window and kind of this terminal.
            "send echo $LEVEL-$STEP-$TERM-$(id -un)-${PWD##*/}; stty size\\r",
            "expect deep-mine-vt220-runner-build\r",
            "expect 33 101\r",
            "size 44 120",
            "send stty size\\r",
            "expect 44 120\r",
            // Ctrl-C ends what runs and not the shell.
            "send sh -c 'echo go; exec sleep 1000'\\r",
            "expect go\r",
            "send \\x03",
            "send echo code=$?\\r",
            "expect code=130",
            // Ctrl-Z stops it, and the shell goes on with it.
            "send sh -c 'echo go; exec sleep 1001'\\r",
            "expect go\r",
            "send \\x1a",
            "expect Stopped",
            "send kill %1; wait; echo all$((1+1))\\r",
            "expect all2",
            // Raw mode: a key arrives by itself, without an echo.
            "send stty -echo -icanon; echo key?; head -c1 >key; stty sane; od -An -c key\\r",
            "expect key?\r",
            "send q",
            "expect q\r",
            // The network is as closed as the job's was, and its root is its own.
            "send getent hosts tracker.example.net || echo shut; sudo touch /etc/mine && echo rooted\\r",
            "expect shut\r",
            "expect rooted\r",
            "send exit 7\\r",
        ],
    );
    assert_eq!(end, "7 restored", "{shown}");
    assert!(shown.contains("network: tracker.example.net refused"), "{shown}");
    assert!(!Path::new("/etc/mine").exists());
}

#[test]
fn a_command_has_the_terminal_too_and_a_hang_up_ends_it() {
    let Some(data) = data() else { return };
    let dir = project();
    let place = data.path().display().to_string();
    play(dir.path(), &["run", "--keep", "--data-dir", &place], &[]);
    let shell = ["shell", "last/test", "--data-dir", &place];
    let command = [&shell[..], &["--", "sh", "-c", "tty; test -e key && exit 5; exit 4"]].concat();
    let (shown, end) = play(dir.path(), &command, &["expect /dev/pts/"]);
    assert_eq!(end, "4 restored", "{shown}");
    let scenario =
        ["expect $ ", "send sh -c 'echo go; exec sleep 1000'\\r", "expect go\r", "signal SIGHUP"];
    let (shown, end) = play(dir.path(), &shell, &scenario);
    assert_eq!(end, "129 restored", "{shown}");
    // Without a terminal there is no shell.
    let output = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(shell)
        .current_dir(dir.path())
        .write_stdin("")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("a shell needs a terminal") && said.contains("-- ls"), "{said}");
}
