//! The built-in runtime: libcontainer, with our PID 1 running in the process that it makes.
//!
//! Not in here: external runtimes.

use std::io;
use std::path::Path;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::syscall::syscall::SyscallType;
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};

use crate::helper::Streams;
use crate::helper::sys;
use crate::seccomp::Filters;

/// Becomes our PID 1 instead of starting a program.
#[derive(Clone)]
struct InitExecutor {
    filters: Filters,
}

impl Executor for InitExecutor {
    fn exec(&self, _spec: &Spec) -> Result<(), ExecutorError> {
        // Everything that this process inherited from the host side ends here.
        sys::close_from(3);
        crate::backend::container::confine(&self.filters).map_err(ExecutorError::Other)?;
        std::process::exit(crate::init::main(Vec::new()))
    }

    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        Ok(())
    }
}

/// Makes and starts the container of the `bundle`; the pid of its PID 1.
pub fn launch(bundle: &Path, id: &str, streams: Streams) -> io::Result<i32> {
    let filters = Filters::compile().map_err(io::Error::other)?;
    let mut container = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_root_path(bundle.join("state"))
        .map_err(chain)?
        .with_executor(InitExecutor { filters })
        .with_stdin(streams.input)
        .with_stdout(streams.output)
        .as_init(bundle)
        .with_systemd(false)
        .with_detach(true)
        .build()
        .map_err(chain)?;
    let pid = container.pid().map(nix_pid).ok_or_else(|| io::Error::other("no PID 1"))?;
    container.start().map_err(chain)?;
    Ok(pid)
}

fn nix_pid(pid: impl Into<libc::pid_t>) -> i32 {
    pid.into()
}

/// The whole chain of an error in one line.
fn chain(error: impl std::error::Error) -> io::Error {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    io::Error::other(format!("the built-in runtime failed: {text}"))
}
