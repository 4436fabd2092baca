//! Starting, output, signals, ends.

use std::time::Instant;

use gantry_sandbox::{ExecEvent, RootFs, Sandbox, SandboxSpec};
use libtest_mimic::Trial;

use crate::support::{Place, command, finish, first_line, lives, sh, spec, trial, until};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("exec::output_is_whole_and_in_order", output_is_whole_and_in_order),
        trial("exec::exit_codes_and_signals_are_told", exit_codes_and_signals_are_told),
        trial("exec::a_signal_reaches_the_whole_group", a_signal_reaches_the_whole_group),
        trial("exec::a_signal_right_after_the_start_arrives", an_early_signal_arrives),
        trial("exec::a_failed_start_says_why", a_failed_start_says_why),
        trial("exec::background_lives_on_until_stop", background_lives_on_until_stop),
        trial("exec::background_output_is_waited_for_a_while", background_output_is_waited_for),
        trial("exec::dropping_it_kills_its_session", dropping_it_kills_its_session),
        trial("exec::dropping_the_sandbox_kills_all", dropping_the_sandbox_kills_all),
        trial("exec::a_stalled_reader_holds_up_nobody", a_stalled_reader_holds_up_nobody),
        trial("exec::many_small_ones", many_small_ones),
        trial("exec::usage_is_measured", usage_is_measured),
        trial("exec::a_huge_environment_passes_or_says_why", a_huge_environment),
        trial("exec::pid_1_gone_is_told", pid_1_gone_is_told),
        trial("exec::process_mode_refuses_images", process_mode_refuses_images),
        trial("exec::bad_starts_are_errors", bad_starts_are_errors),
        trial("exec::keep_keeps_the_directory", keep_keeps_the_directory),
    ]
}

async fn output_is_whole_and_in_order(place: Place) {
    let script = "seq 1 1500000; echo problem >&2; exit 3";
    let done = sh(&place.sandbox, script).await;
    assert_eq!(done.exit.code, 3);
    assert_eq!(done.err, b"problem\n");
    assert!(done.out.len() > 10_000_000);
    let lines = done.out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut count = 0u64;
    for line in lines {
        count += 1;
        assert_eq!(line, count.to_string().as_bytes());
    }
    assert_eq!(count, 1_500_000);
}

async fn exit_codes_and_signals_are_told(place: Place) {
    for code in [0, 1, 42, 255] {
        let done = sh(&place.sandbox, &format!("exit {code}")).await;
        assert_eq!((done.exit.code, done.exit.signal), (code, None));
    }
    let done = sh(&place.sandbox, "kill -TERM $$").await;
    assert_eq!((done.exit.code, done.exit.signal), (143, Some(libc::SIGTERM)));
    let done = sh(&place.sandbox, "echo $0; cat; trap - PIPE; yes | head -1; umask").await;
    assert_eq!(done.text(), "sh\ny\n0022\n", "empty input, pipes with their signal, usual umask");
    assert_eq!(done.exit.spawn_error, None);
}

async fn a_signal_reaches_the_whole_group(place: Place) {
    // Not the interrupt signal: a background child of a shell without job control ignores it.
    let script = "sh -c 'trap \"echo inner; exit\" TERM; echo up; while :; do sleep 0.05; done' & trap 'wait; exit 9' TERM; wait";
    let mut exec = place.sandbox.exec(command(&["sh", "-c", script])).await.unwrap();
    assert_eq!(first_line(&mut exec).await, "up");
    exec.signal(libc::SIGTERM);
    let done = finish(exec).await;
    assert_eq!((done.text().as_str(), done.exit.code), ("inner\n", 9));
}

/// Whatever the new process has got to: its session, its user, its program.
async fn an_early_signal_arrives(place: Place) {
    for _ in 0..200 {
        let exec = place.sandbox.exec(command(&["sleep", "1000"])).await.unwrap();
        exec.signal(libc::SIGINT);
        assert_eq!(finish(exec).await.exit.signal, Some(libc::SIGINT));
    }
}

async fn a_failed_start_says_why(place: Place) {
    let sandbox = &place.sandbox;
    let bad = sandbox.path("/home/runner/work/bad");
    sandbox.write_file(&bad, "#!/no/such/shell\n".into(), 0o755).await.unwrap();
    let plain = sandbox.path("/home/runner/work/plain");
    sandbox.write_file(&plain, "x".into(), 0o644).await.unwrap();
    let cases = [
        (
            "no-such-program",
            "cannot start `no-such-program`: no such program in PATH".to_owned(),
            127,
        ),
        ("/no/such", "cannot start `/no/such`: no such file or directory".to_owned(), 127),
        (
            bad.as_str(),
            format!("cannot start `{bad}`: the interpreter that `{bad}` names does not exist"),
            127,
        ),
        (plain.as_str(), format!("cannot start `{plain}`: permission denied"), 126),
        ("", "cannot start a program without a name".to_owned(), 127),
    ];
    for (program, text, code) in cases {
        let exit = finish(sandbox.exec(command(&[program])).await.unwrap()).await.exit;
        assert_eq!((exit.spawn_error.as_deref(), exit.code), (Some(text.as_str()), code));
    }
    let mut nowhere = command(&["true"]);
    "/no/such/dir".clone_into(&mut nowhere.cwd);
    let exit = finish(sandbox.exec(nowhere).await.unwrap()).await.exit;
    let text = "cannot enter the working directory `/no/such/dir`: no such file or directory";
    assert_eq!(exit.spawn_error.as_deref(), Some(text));
}

async fn background_lives_on_until_stop(place: Place) {
    let script = "setsid sleep 1000 >/dev/null 2>&1 & echo $!";
    let own = sh(&place.sandbox, "sleep 1000 >/dev/null 2>&1 & echo $!").await.text();
    let other = sh(&place.sandbox, script).await.text();
    let pids: Vec<i32> = [own, other].iter().map(|text| text.trim().parse().unwrap()).collect();
    assert_eq!(sh(&place.sandbox, "true").await.exit.code, 0);
    assert!(pids.iter().all(|pid| lives(*pid)));
    let dir = place.state.path().join("sandboxes/test");
    assert!(dir.exists());
    place.sandbox.stop().await.unwrap();
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert!(!dir.exists());
}

async fn background_output_is_waited_for(place: Place) {
    let done = sh(&place.sandbox, "(sleep 0.3; echo late) & echo early").await;
    assert_eq!(done.text(), "early\nlate\n");
    let start = Instant::now();
    let done = sh(&place.sandbox, "(echo $$; exec sleep 1000) & echo main").await;
    assert_eq!(done.exit.code, 0);
    assert!(done.text().contains("main"));
    assert!(start.elapsed() < std::time::Duration::from_secs(50), "the grace ends");
}

async fn dropping_it_kills_its_session(place: Place) {
    let script = "sh -c 'trap \"\" HUP TERM; sleep 1000' & echo $$ $!; wait";
    let mut exec = place.sandbox.exec(command(&["sh", "-c", script])).await.unwrap();
    let line = first_line(&mut exec).await;
    let pids: Vec<i32> = line.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| lives(*pid)));
    drop(exec);
    until("both are gone", || !pids.iter().any(|pid| lives(*pid))).await;
    assert_eq!(sh(&place.sandbox, "echo well").await.text(), "well\n");
}

async fn dropping_the_sandbox_kills_all(place: Place) {
    let script = "setsid sleep 1000 & echo $!; wait";
    let mut exec = place.sandbox.exec(command(&["sh", "-c", script])).await.unwrap();
    let pid: i32 = first_line(&mut exec).await.parse().unwrap();
    drop(place.sandbox);
    until("it is gone", || !lives(pid)).await;
    while exec.events.recv().await.is_some() {}
    let dir = place.state.path().join("sandboxes/test");
    until("its directory is removed", || !dir.exists()).await;
}

async fn a_stalled_reader_holds_up_nobody(place: Place) {
    let mut stalled =
        place.sandbox.exec(command(&["sh", "-c", "yes | head -c 50000000"])).await.unwrap();
    for _ in 0..3 {
        let done = sh(&place.sandbox, "yes | head -c 5000000").await;
        assert_eq!(done.out.len(), 5_000_000);
    }
    let mut count = 0;
    loop {
        match stalled.events.recv().await.unwrap() {
            ExecEvent::Output { bytes, .. } => count += bytes.len(),
            ExecEvent::Exit(exit) => break assert_eq!(exit.code, 0),
        }
    }
    assert_eq!(count, 50_000_000);
}

async fn many_small_ones(place: Place) {
    const COUNT: u32 = 300;
    let start = Instant::now();
    for _ in 0..COUNT {
        let exit = finish(place.sandbox.exec(command(&["/bin/true"])).await.unwrap()).await.exit;
        assert_eq!((exit.code, exit.spawn_error), (0, None));
    }
    let rate = f64::from(COUNT) / start.elapsed().as_secs_f64();
    println!("{rate:.0} processes/s one after the other");
    let all = (0..50).map(|number| {
        let sandbox = &place.sandbox;
        async move { sh(sandbox, &format!("echo {number}")).await.text() }
    });
    let texts = futures::future::join_all(all).await;
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(text.trim(), number.to_string());
    }
}

async fn usage_is_measured(place: Place) {
    let done = sh(&place.sandbox, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").await;
    assert!(done.exit.usage.cpu_us > 10_000, "{:?}", done.exit.usage);
    assert!(done.exit.usage.memory_peak_bytes > 500_000);
}

async fn a_huge_environment(place: Place) {
    let mut command = command(&["sh", "-c", "echo ${#BIG}"]);
    command.env.push(("BIG".to_owned(), "x".repeat(100_000)));
    let done = finish(place.sandbox.exec(command.clone()).await.unwrap()).await;
    assert_eq!(done.text(), "100000\n");
    command.env.push(("BIGGER".to_owned(), "x".repeat(1_000_000)));
    let exit = finish(place.sandbox.exec(command).await.unwrap()).await.exit;
    assert_eq!(exit.spawn_error.as_deref(), Some("cannot start `sh`: argument list too long"));
}

async fn pid_1_gone_is_told(place: Place) {
    let mut exec =
        place.sandbox.exec(command(&["sh", "-c", "echo $PPID; exec sleep 1000"])).await.unwrap();
    let init: i32 = first_line(&mut exec).await.parse().unwrap();
    let terminate = nix::sys::signal::Signal::SIGTERM;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), terminate).unwrap();
    while exec.events.recv().await.is_some() {}
    let error = place.sandbox.mkdir("/tmp").await.unwrap_err();
    assert_eq!(error.to_string(), "the sandbox ended: PID 1 ended");
    place.sandbox.stop().await.unwrap();
}

async fn process_mode_refuses_images(place: Place) {
    let rootfs = RootFs::Image("alpine".to_owned());
    let wanted = SandboxSpec { rootfs, ..spec(place.state.path(), "image") };
    let error = Sandbox::start(wanted).await.unwrap_err().to_string();
    assert!(error.contains("the image `alpine` cannot be had in process mode"), "{error}");
    assert!(!place.state.path().join("sandboxes/image").exists());
}

async fn bad_starts_are_errors(place: Place) {
    let state = place.state.path();
    let error = Sandbox::start(spec(state, "../x")).await.unwrap_err().to_string();
    assert!(error.contains("`../x` is not well-formed"), "{error}");
    let directories = vec!["/proc/no-such/dir".to_owned()];
    let wanted = SandboxSpec { directories, ..spec(state, "bad") };
    let error = Sandbox::start(wanted).await.unwrap_err().to_string();
    assert!(
        error.contains("PID 1 did not start: cannot make the directory `/proc/no-such/dir`"),
        "{error}"
    );
    until("what was made is removed", || !state.join("sandboxes/bad").exists()).await;
}

async fn keep_keeps_the_directory(place: Place) {
    let kept = Sandbox::start(SandboxSpec { keep: true, ..spec(place.state.path(), "kept") });
    kept.await.unwrap().stop().await.unwrap();
    assert!(place.state.path().join("sandboxes/kept/root/home/runner/work/_temp").is_dir());
}
