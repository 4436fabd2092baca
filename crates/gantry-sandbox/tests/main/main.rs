//! The integration tests of the sandbox, over real processes. The binary serves the hidden names
//! first, since it is PID 1 of its own sandboxes.

#![allow(clippy::unwrap_used, missing_docs)]

mod exec;
mod files;
mod sudo;
mod support;
mod terminal;

use libtest_mimic::Arguments;

fn main() {
    gantry_sandbox::entry();
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    trials.extend(exec::trials());
    trials.extend(files::trials());
    trials.extend(sudo::trials());
    trials.extend(terminal::trials());
    libtest_mimic::run(&arguments, trials).exit();
}
