//! File operations. They run in a child of PID 1 that has become the sandbox's user: data comes on
//! descriptor 0, data goes to descriptor 1, the answer goes to descriptor 3.

mod context;
mod copy;
mod files;
mod glob;
mod hash;
mod pack;
mod pattern;
mod unpack;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::FromRawFd;
use std::path::Path;

use crate::protocol::{Answer, Identity, InitConfig, Op};

use super::{spawn, user};

/// What an operation gives: its answer, or a text for the user.
type Outcome = Result<Answer, String>;

/// Does one operation in its own child; gives the exit code.
pub fn main(op: &Op, identity: Option<&Identity>) -> i32 {
    // SAFETY: the parent gave this child exactly these descriptors and nothing else owns them.
    let (input, output, mut answer) =
        unsafe { (File::from_raw_fd(0), File::from_raw_fd(1), File::from_raw_fd(3)) };
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let outcome = become_user(identity).and_then(|()| run(op, input, output));
    let Ok(bytes) = serde_json::to_vec(&outcome) else { return 1 };
    i32::from(answer.write_all(&bytes).is_err())
}

fn become_user(identity: Option<&Identity>) -> Result<(), String> {
    let Some(identity) = identity else { return Ok(()) };
    user::become_user(identity)
        .map_err(|error| format!("cannot become the user: {}", spawn::describe(error)))
}

fn run(op: &Op, input: File, output: File) -> Outcome {
    match op {
        Op::Read { path, max } => files::read(path, *max, output),
        Op::Write { path, mode } => files::write(path, *mode, input),
        Op::Put { files } => files::put(files, input),
        Op::Take { files } => files::take(files, output),
        Op::Mkdir { path } => files::mkdir(path),
        Op::Remove { path, keep_root } => files::remove(Path::new(path), *keep_root),
        Op::Find(spec) => glob::find(spec, output),
        Op::Hash { root, patterns } => hash::hash_files(root, patterns),
        Op::Unpack { dir } => unpack::unpack(dir, input),
        Op::Pack(spec) => pack::pack(spec, output),
        Op::Copy(spec) => copy::copy(spec),
    }
}

/// Removes a tree; no error when there is none.
pub fn remove(path: &Path) -> Result<(), String> {
    files::remove(path, false).map(drop)
}

/// An error text with the path that it is about.
fn failed(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} `{}`: {}", path.display(), spawn::describe_io(error))
}

/// Makes the directories that exist at start and gives them to the sandbox's user.
pub fn make_directories(config: &InitConfig) -> io::Result<()> {
    let identity = config.identity(None);
    for dir in &config.directories {
        let dir = Path::new(dir);
        let context = |error: io::Error| {
            io::Error::new(error.kind(), failed("make the directory", dir, &error))
        };
        make_owned(dir, identity).map_err(context)?;
    }
    Ok(())
}

fn make_owned(dir: &Path, identity: Option<&Identity>) -> io::Result<()> {
    let mut missing: Vec<&Path> = dir.ancestors().take_while(|path| !path.exists()).collect();
    missing.reverse();
    for path in &missing {
        std::fs::create_dir(path)?;
    }
    if let Some(identity) = identity {
        let own = |path: &&Path| path.starts_with(&identity.home);
        for path in missing.into_iter().filter(own).chain([dir]) {
            std::os::unix::fs::chown(path, Some(identity.uid), Some(identity.gid))?;
        }
    }
    Ok(())
}
