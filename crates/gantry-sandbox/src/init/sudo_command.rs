//! The command of a `sudo` request, in its own child: user, environment, shell, start.

use std::os::fd::{BorrowedFd, RawFd};

use crate::protocol::Identity;

use super::spawn;
use super::sudo_wire::{Options, Preserve, Request};
use super::user::{self, Account};

/// Where commands are looked for, as on GitHub's machines.
const SECURE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";
/// Variables of the caller that are harmless.
const KEPT: &[&str] = &["TERM", "COLORTERM", "LANG", "LANGUAGE", "TZ", "DISPLAY", "LS_COLORS"];

/// Becomes the command with the caller's streams; gives the exit code when that fails.
pub fn run_command(request: &Request, fds: &[RawFd], caller: u32, runner: &str) -> i32 {
    if nix::unistd::setsid().is_err() || spawn::keep_only(fds).is_err() {
        return 1;
    }
    let (code, text) = become_command(request, caller, runner);
    eprintln!("sudo: {text}");
    code
}

fn become_command(request: &Request, caller: u32, runner: &str) -> (i32, String) {
    let options = &request.options;
    let wanted = options.user.as_deref().unwrap_or("root");
    let account = match user::look_up(wanted) {
        Ok(Some(account)) => account,
        Ok(None) => return (1, format!("unknown user {wanted}")),
        Err(_) if wanted == "root" => root(),
        Err(error) => return (1, format!("cannot look up the user {wanted}: {error}")),
    };
    let env = environment(request, &account, caller, runner);
    let argv = arguments(request, &account);
    // SAFETY: descriptor 3 is the caller's working directory, put there by `keep_only`.
    let directory = unsafe { BorrowedFd::borrow_raw(3) };
    if let Err(error) = user::become_user(&account.identity) {
        return (1, format!("cannot become {wanted}: {}", spawn::describe(error)));
    }
    let entered = if options.login {
        nix::unistd::chdir(account.identity.home.as_str())
    } else {
        nix::unistd::fchdir(directory)
    };
    if let Err(error) = entered.or_else(|_| nix::unistd::chdir("/")) {
        return (1, format!("cannot enter the working directory: {}", spawn::describe(error)));
    }
    // SAFETY: nothing uses the descriptor after this.
    unsafe { libc::close(3) };
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(options.umask));
    spawn::reset_signals();
    let (code, text) = spawn::execute(&argv, &env);
    // The real one answers 1 for a command that cannot be found.
    (if code == 127 { 1 } else { code }, text)
}

fn root() -> Account {
    let identity = Identity {
        name: "root".to_owned(),
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        home: "/root".to_owned(),
    };
    Account { identity, shell: "/bin/sh".to_owned() }
}

fn name_of(variable: &[u8]) -> &[u8] {
    variable.split(|byte| *byte == b'=').next().unwrap_or_default()
}

fn set(env: &mut Vec<Vec<u8>>, name: &str, value: &[u8]) {
    env.retain(|variable| name_of(variable) != name.as_bytes());
    env.push([name.as_bytes(), b"=", value].concat());
}

fn kept(options: &Options, variable: &[u8]) -> bool {
    let name = name_of(variable);
    let harmless = KEPT.iter().any(|kept| kept.as_bytes() == name) || name.starts_with(b"LC_");
    match &options.preserve {
        _ if options.login => name == b"TERM",
        Preserve::All => true,
        Preserve::Listed(names) => harmless || names.iter().any(|kept| kept.as_bytes() == name),
        Preserve::None => harmless,
    }
}

fn environment(request: &Request, account: &Account, caller: u32, runner: &str) -> Vec<Vec<u8>> {
    let options = &request.options;
    let identity = &account.identity;
    let mut env: Vec<Vec<u8>> =
        request.env.iter().filter(|variable| kept(options, variable)).cloned().collect();
    let has_home = env.iter().any(|variable| name_of(variable) == b"HOME");
    if !has_home || options.set_home {
        set(&mut env, "HOME", identity.home.as_bytes());
    }
    let lists_path = matches!(&options.preserve, Preserve::Listed(names) if names.iter().any(|name| name == "PATH"));
    if !lists_path {
        set(&mut env, "PATH", SECURE_PATH.as_bytes());
    }
    let caller_name = if caller == 0 { "root" } else { runner };
    let values = [
        ("USER", identity.name.clone()),
        ("LOGNAME", identity.name.clone()),
        ("SHELL", account.shell.clone()),
        ("SUDO_USER", caller_name.to_owned()),
        ("SUDO_UID", caller.to_string()),
        ("SUDO_GID", caller.to_string()),
        ("SUDO_COMMAND", String::from_utf8_lossy(&request.argv.join(&b' ')).into_owned()),
    ];
    for (name, value) in values {
        set(&mut env, name, value.as_bytes());
    }
    for assignment in &options.assignments {
        if let Some((name, value)) = assignment.split_once('=') {
            set(&mut env, name, value.as_bytes());
        }
    }
    env
}

fn arguments(request: &Request, account: &Account) -> Vec<Vec<u8>> {
    let options = &request.options;
    if !options.login && !options.shell {
        return request.argv.clone();
    }
    let caller_shell =
        request.env.iter().rev().find_map(|variable| variable.strip_prefix(b"SHELL="));
    let shell = match caller_shell {
        Some(shell) if !options.login && !shell.is_empty() => shell.to_vec(),
        _ => account.shell.clone().into_bytes(),
    };
    let mut argv = vec![shell];
    if options.login {
        argv.push(b"-l".to_vec());
    }
    if !request.argv.is_empty() {
        argv.push(b"-c".to_vec());
        argv.push(request.argv.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(&b' '));
    }
    argv
}

/// An argument as the shell reads it back: everything but plain characters behind a backslash.
fn quoted(argument: &[u8]) -> Vec<u8> {
    if argument.is_empty() {
        return b"''".to_vec();
    }
    let mut text = Vec::new();
    for byte in argument {
        let plain = byte.is_ascii_alphanumeric() || b"_-$./:=,@%+".contains(byte) || *byte >= 0x80;
        match byte {
            b'\n' => text.extend_from_slice(b"'\n'"),
            _ if plain => text.push(*byte),
            _ => text.extend_from_slice(&[b'\\', *byte]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account { shell: "/bin/bash".to_owned(), ..root() }
    }

    fn environment_of(options: Options) -> Vec<String> {
        let env = ["HOME=/home/runner", "PATH=/mine", "SECRET=x", "LC_ALL=C", "SHELL=/bin/zsh"];
        let env = env.iter().map(|variable| variable.as_bytes().to_vec()).collect();
        let request = Request { options, argv: vec![b"id".to_vec()], env };
        let env = environment(&request, &account(), 1001, "runner");
        env.into_iter().map(|variable| String::from_utf8(variable).unwrap()).collect()
    }

    #[test]
    fn the_environment_is_reset_unless_asked() {
        let env = environment_of(Options::default());
        assert!(env.contains(&"HOME=/root".to_owned()) && env.contains(&"LC_ALL=C".to_owned()));
        assert!(!env.iter().any(|variable| variable.starts_with("SECRET=")));
        assert!(env.contains(&format!("PATH={SECURE_PATH}")));
        assert!(env.contains(&"SUDO_USER=runner".to_owned()));
    }

    #[test]
    fn preserving_keeps_the_home_but_not_the_path() {
        let all = Options { preserve: Preserve::All, ..Options::default() };
        let env = environment_of(all.clone());
        assert!(
            env.contains(&"HOME=/home/runner".to_owned()) && env.contains(&"SECRET=x".to_owned())
        );
        assert!(env.contains(&format!("PATH={SECURE_PATH}")));
        let env =
            environment_of(Options { set_home: true, assignments: vec!["A=1".to_owned()], ..all });
        assert!(env.contains(&"HOME=/root".to_owned()) && env.contains(&"A=1".to_owned()));
    }

    #[test]
    fn a_login_shell_gets_the_command_quoted() {
        let argv = ["echo", "a b", "it's", ""].iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let options = Options { login: true, ..Options::default() };
        let request = Request { options, argv, env: Vec::new() };
        let argv = arguments(&request, &account());
        let argv: Vec<_> = argv.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
        assert_eq!(argv, ["/bin/bash", "-l", "-c", "echo a\\ b it\\'s ''"]);
    }
}
