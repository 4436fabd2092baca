//! The `sudo` inside a sandbox: reads the usual options, asks PID 1, waits for the exit code.

use std::ffi::OsString;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::{Mode, umask};

use super::sudo_wire::{Options, Preserve, Request, SOCKET_PATH, SOCKET_VARIABLE};

/// Signals that are handed on to the command.
const FORWARDED: &[Signal] = &[
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];
const USAGE: &str = "usage: sudo [-EHnis] [-u user] [--preserve-env[=list]] [VAR=value] [--] [command [arg…]], sudo -v | -k | -l | -V";

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// Nothing to run: a text, possibly empty.
    Text(&'static str),
    /// A command.
    Run(Options, Vec<Vec<u8>>),
}

/// Runs the client; gives the exit code of the command, or 1.
pub fn main(arguments: Vec<OsString>) -> i32 {
    let arguments = arguments.into_iter().map(OsStringExt::into_vec).collect();
    let result = match parse(arguments) {
        Ok(Wanted::Text(text)) => {
            print!("{text}");
            return 0;
        }
        Ok(Wanted::Run(options, argv)) => ask(options, argv),
        Err(text) => Err(text),
    };
    result.unwrap_or_else(|text| {
        eprintln!("sudo: {text}");
        1
    })
}

fn parse(arguments: Vec<Vec<u8>>) -> Result<Wanted, String> {
    let mut options = Options::default();
    let mut rest = arguments.into_iter().peekable();
    let (mut text, mut forget) = (None, false);
    while let Some(argument) = rest.next_if(|argument| argument.len() > 1 && argument[0] == b'-') {
        let argument = String::from_utf8(argument).map_err(|_| USAGE.to_owned())?;
        if argument == "--" {
            break;
        }
        if let Some(long) = argument.strip_prefix("--") {
            match read_long(long, &mut options, &mut rest)? {
                Flag::Text(shown) => text = Some(shown),
                Flag::Forget => forget = true,
                Flag::Set => {}
            }
            continue;
        }
        let mut letters = argument[1..].chars();
        while let Some(letter) = letters.next() {
            if letter == 'u' {
                let attached: String = letters.by_ref().collect();
                options.user = Some(value("-u", attached, &mut rest)?);
                continue;
            }
            match read_short(letter, &mut options)? {
                Flag::Text(shown) => text = Some(shown),
                Flag::Forget => forget = true,
                Flag::Set => {}
            }
        }
    }
    if let Some(text) = text {
        return Ok(Wanted::Text(text));
    }
    let is_assignment = |argument: &Vec<u8>| {
        argument
            .iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|at| at > 0 && !argument[..at].contains(&b'/'))
    };
    while let Some(assignment) = rest.next_if(is_assignment) {
        options.assignments.push(String::from_utf8_lossy(&assignment).into_owned());
    }
    let argv: Vec<Vec<u8>> = rest.collect();
    match (argv.is_empty(), forget) {
        (true, true) => Ok(Wanted::Text("")),
        (true, false) if !options.login && !options.shell => Err(USAGE.to_owned()),
        _ => Ok(Wanted::Run(options, argv)),
    }
}

enum Flag {
    Set,
    Forget,
    Text(&'static str),
}

const LIST: &str =
    "User runner may run the following commands here:\n    (ALL : ALL) NOPASSWD: ALL\n";
const VERSION: &str = "sudo of gantry-sandbox\n";

fn read_short(letter: char, options: &mut Options) -> Result<Flag, String> {
    match letter {
        'E' => options.preserve = Preserve::All,
        'H' => options.set_home = true,
        'i' => options.login = true,
        's' => options.shell = true,
        // No password is ever asked for.
        'n' | 'S' => {}
        'k' => return Ok(Flag::Forget),
        'v' | 'K' => return Ok(Flag::Text("")),
        'l' => return Ok(Flag::Text(LIST)),
        'V' => return Ok(Flag::Text(VERSION)),
        other => {
            return Err(format!("the option `-{other}` is not known in this sandbox\n{USAGE}"));
        }
    }
    Ok(Flag::Set)
}

fn read_long(
    long: &str,
    options: &mut Options,
    rest: &mut impl Iterator<Item = Vec<u8>>,
) -> Result<Flag, String> {
    let (name, attached) =
        long.split_once('=').map_or((long, None), |(name, text)| (name, Some(text)));
    let letter = match (name, attached) {
        ("preserve-env", Some(names)) => {
            if let Preserve::None = options.preserve {
                options.preserve = Preserve::Listed(Vec::new());
            }
            if let Preserve::Listed(listed) = &mut options.preserve {
                listed.extend(names.split(',').map(str::to_owned));
            }
            return Ok(Flag::Set);
        }
        ("user", _) => {
            let attached = attached.unwrap_or_default().to_owned();
            options.user = Some(value("--user", attached, rest)?);
            return Ok(Flag::Set);
        }
        ("preserve-env", None) => 'E',
        ("set-home", None) => 'H',
        ("login", None) => 'i',
        ("shell", None) => 's',
        ("non-interactive", None) => 'n',
        ("stdin", None) => 'S',
        ("validate", None) => 'v',
        ("reset-timestamp", None) => 'k',
        ("remove-timestamp", None) => 'K',
        ("list", None) => 'l',
        ("version", None) => 'V',
        _ => return Err(format!("the option `--{long}` is not known in this sandbox\n{USAGE}")),
    };
    read_short(letter, options)
}

fn value(
    option: &str,
    attached: String,
    rest: &mut impl Iterator<Item = Vec<u8>>,
) -> Result<String, String> {
    if !attached.is_empty() {
        return Ok(attached);
    }
    let value = rest.next().and_then(|value| String::from_utf8(value).ok());
    value.ok_or_else(|| format!("the option `{option}` needs a user"))
}

fn ask(mut options: Options, argv: Vec<Vec<u8>>) -> Result<i32, String> {
    let mask: SigSet = FORWARDED.iter().copied().collect();
    mask.thread_block().map_err(|error| error.to_string())?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|error| error.to_string())?;
    options.umask = umask(Mode::empty()).bits();
    let env = std::env::vars_os().filter(|(name, _)| name != SOCKET_VARIABLE);
    let env = env.map(|(name, value)| [name.into_vec(), value.into_vec()].join(&b'=')).collect();
    let request = Request { options, argv, env }.encode().map_err(|error| error.to_string())?;
    let path = std::env::var_os(SOCKET_VARIABLE).unwrap_or_else(|| SOCKET_PATH.into());
    let refused = |error: std::io::Error| format!("the sandbox does not answer: {error}");
    let mut socket = UnixStream::connect(path).map_err(refused)?;
    send(&mut socket, &request).map_err(refused)?;
    wait(&mut socket, &signals).map_err(refused)
}

fn send(socket: &mut UnixStream, request: &[u8]) -> std::io::Result<()> {
    let directory = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .or_else(|_| {
            open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        })?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    let stream = |fd: i32| {
        // SAFETY: only asks whether the number is open.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 { null.as_raw_fd() } else { fd }
    };
    let fds = [stream(0), stream(1), stream(2), directory.as_raw_fd()];
    let length = (request.len() as u32).to_le_bytes();
    let parts = [IoSlice::new(&length)];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(socket.as_raw_fd(), &parts, &rights, MsgFlags::empty(), None)?;
    socket.write_all(request)
}

fn wait(socket: &mut UnixStream, signals: &SignalFd) -> std::io::Result<i32> {
    loop {
        let mut fds = [
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            other => other?,
        };
        let ended = fds[0].revents().is_some_and(|events| !events.is_empty());
        if ended {
            let mut code = [0; 4];
            socket.read_exact(&mut code)?;
            return Ok(i32::from_le_bytes(code));
        }
        while let Some(signal) = signals.read_signal()? {
            socket.write_all(&[signal.ssi_signo as u8])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wanted, String> {
        parse(line.split(' ').map(|word| word.as_bytes().to_vec()).collect())
    }

    fn run(line: &str) -> (Options, String) {
        match parsed(line).unwrap() {
            Wanted::Run(options, argv) => (options, String::from_utf8(argv.join(&b' ')).unwrap()),
            Wanted::Text(text) => panic!("{text}"),
        }
    }

    #[test]
    fn the_usual_lines_are_understood() {
        let (options, command) = run("-nEu postgres A=1 B=2 psql -c x=y");
        assert_eq!((options.user.as_deref(), command.as_str()), (Some("postgres"), "psql -c x=y"));
        assert_eq!(
            (options.preserve, options.assignments),
            (Preserve::All, vec!["A=1".to_owned(), "B=2".to_owned()])
        );
        assert_eq!(run("-upostgres -- -x").0.user.as_deref(), Some("postgres"));
        assert_eq!(run("--user=www id").0.user.as_deref(), Some("www"));
        let (options, _) = run("--preserve-env=A,B id");
        assert_eq!(options.preserve, Preserve::Listed(vec!["A".to_owned(), "B".to_owned()]));
        assert!(run("-i").0.login && run("-H -s ls").0.shell);
        assert_eq!(run("-k id").1, "id");
        assert_eq!(run("env PATH=/x cmd").1, "env PATH=/x cmd");
    }

    #[test]
    fn what_runs_nothing_says_so() {
        assert_eq!(parsed("-v").unwrap(), Wanted::Text(""));
        assert_eq!(parsed("-k").unwrap(), Wanted::Text(""));
        assert_eq!(parsed("-l").unwrap(), Wanted::Text(LIST));
        assert!(parsed("-Z id").unwrap_err().contains("`-Z`"));
        assert!(parsed("--chroot=/ id").unwrap_err().contains("`--chroot=/`"));
        assert!(parsed("A=1").unwrap_err().contains("usage"));
        assert!(parsed("-u").unwrap_err().contains("needs a user"));
    }
}
