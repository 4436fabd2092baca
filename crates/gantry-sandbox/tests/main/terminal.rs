//! Processes on a terminal: size, keys, signals of the terminal, job control, its end.

use bytes::Bytes;
use gantry_sandbox::{Exec, ExecEvent, Sandbox, TerminalSpec, WindowSize};
use libtest_mimic::Trial;

use crate::support::{Place, command, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("terminal::size_keys_and_signals", size_keys_and_signals),
        trial("terminal::much_is_typed_and_nothing_is_lost", much_is_typed_and_nothing_is_lost),
        trial("terminal::jobs_stop_and_the_end_hangs_up", jobs_stop_and_the_end_hangs_up),
    ]
}

const SIZE: WindowSize = WindowSize { rows: 31, columns: 97 };

async fn start(sandbox: &Sandbox, argv: &[&str]) -> Exec {
    let spec = TerminalSpec { exec: command(argv), size: SIZE };
    sandbox.exec_on_terminal(spec).await.unwrap()
}

/// Reads until the text stands there.
async fn shows(exec: &mut Exec, seen: &mut String, wanted: &str) {
    while !seen.contains(wanted) {
        match exec.events.recv().await {
            Some(ExecEvent::Output { bytes, .. }) => {
                seen.push_str(&String::from_utf8_lossy(&bytes));
            }
            other => panic!("no `{wanted}` but {other:?} after {seen:?}"),
        }
    }
}

async fn end(mut exec: Exec) -> i32 {
    loop {
        match exec.events.recv().await {
            Some(ExecEvent::Output { .. }) => {}
            Some(ExecEvent::Exit(exit)) => return exit.code,
            None => panic!("the events ended without an exit"),
        }
    }
}

async fn size_keys_and_signals(place: Place) {
    let script = "test -t 0 && test -t 1 && test -t 2 || exit 9
        tty >/dev/null || exit 8
        trap 'stty size' WINCH; trap 'echo hit' INT; stty size; echo ready
        while :; do IFS= read -r line && echo \"got <$line>\" && test \"$line\" = end && exit 7; done";
    let mut exec = start(&place.sandbox, &["bash", "-c", script]).await;
    let mut seen = String::new();
    shows(&mut exec, &mut seen, "31 97\r\nready").await;
    let keyboard = exec.keyboard();
    exec.resize(WindowSize { rows: 40, columns: 1000 });
    // A change of the size does not end a `read` of bash: its trap runs after the next line.
    keyboard.type_in(Bytes::from_static(b"resized\n")).await;
    shows(&mut exec, &mut seen, "40 1000").await;
    keyboard.type_in(Bytes::from_static(b"a b\n")).await;
    shows(&mut exec, &mut seen, "got <a b>").await;
    keyboard.type_in(Bytes::from_static(b"\x03")).await;
    shows(&mut exec, &mut seen, "hit").await;
    keyboard.type_in(Bytes::from_static(b"end\n")).await;
    assert_eq!(end(exec).await, 7);
}

async fn much_is_typed_and_nothing_is_lost(place: Place) {
    let script = "stty raw -echo; echo ready; head -c 1000000 | md5sum; exit 3";
    let mut exec = start(&place.sandbox, &["bash", "-c", script]).await;
    let mut seen = String::new();
    shows(&mut exec, &mut seen, "ready").await;
    let keyboard = exec.keyboard();
    let typing = tokio::spawn(async move {
        for _ in 0..1000 {
            keyboard.type_in(Bytes::from(vec![b'x'; 1000])).await;
        }
    });
    // `head -c 1000000 /dev/zero | tr '\0' x | md5sum`
    shows(&mut exec, &mut seen, "ec78dbd963d2fc01e51176ed4dec299e").await;
    typing.await.unwrap();
    assert_eq!(end(exec).await, 3);
}

async fn jobs_stop_and_the_end_hangs_up(place: Place) {
    let mut exec = start(&place.sandbox, &["bash", "--norc", "-i"]).await;
    let keyboard = exec.keyboard();
    let mut seen = String::new();
    keyboard.type_in(Bytes::from_static(b"sleep 1000 & echo ba''ck; jobs\n")).await;
    shows(&mut exec, &mut seen, "back").await;
    // The shell itself does not stop: the key waits for a word of what is in front.
    keyboard.type_in(Bytes::from_static(b"sh -c 'echo fro\"\"nt; exec sleep 999'\n")).await;
    shows(&mut exec, &mut seen, "front\r\n").await;
    keyboard.type_in(Bytes::from_static(b"\x1a")).await;
    shows(&mut exec, &mut seen, "Stopped").await;
    exec.signal(1);
    assert_eq!(end(exec).await, 128 + 1, "hung up");
    let missing = start(&place.sandbox, &["/no/such/program"]).await;
    assert_eq!(end(missing).await, 127);
}
