//! Whole jobs over real processes, in isolation `process`, against a hub that keeps bytes in memory.
//! The binary serves the sandbox's hidden names first, since it is PID 1 of its own sandboxes.

mod actions;
mod container;
mod docker;
mod dockerfile;
mod ends;
mod hub;
mod steps;
mod support;
mod table;

use libtest_mimic::Arguments;

fn main() {
    gantry_sandbox::entry();
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    trials.extend(steps::trials());
    trials.extend(ends::trials());
    trials.extend(actions::trials());
    trials.extend(table::trials());
    trials.extend(container::trials());
    trials.extend(docker::trials());
    trials.extend(dockerfile::trials());
    libtest_mimic::run(&arguments, trials).exit();
}
