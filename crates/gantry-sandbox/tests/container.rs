//! Containers for real: what a job can do inside, what it cannot, and what it leaves behind.
//!
//! Every test runs on the built-in runtime and on each of runc and crun that is installed. They need root;
//! without it they say `SKIPPED`.
//!
//! Not in here: images, egress rules, steps.

#[path = "container/ahead.rs"]
mod ahead;
#[path = "container/bench.rs"]
mod bench;
#[path = "container/bypass.rs"]
mod bypass;
#[path = "container/crash.rs"]
mod crash;
#[path = "container/guest.rs"]
mod guest;
#[path = "container/harness.rs"]
mod harness;
#[path = "container/inside.rs"]
mod inside;
#[path = "container/limits.rs"]
mod limits;

use gantry_sandbox::Runtime;
use libtest_mimic::{Arguments, Trial};

/// A test of one runtime.
type Test = (&'static str, fn(Runtime));

fn main() {
    gantry_sandbox::entry();
    if bench::asked() {
        bench::run_it();
        return;
    }
    let arguments = Arguments::from_args();
    let tests: Vec<Test> =
        [inside::TESTS, bypass::TESTS, limits::TESTS, crash::TESTS, ahead::TESTS].concat();
    let mut trials = Vec::new();
    for (word, runtime) in harness::RUNTIMES {
        for (name, test) in &tests {
            let test = *test;
            trials.push(Trial::test(format!("{word}::{name}"), move || {
                if harness::possible(word, runtime) {
                    test(runtime);
                }
                Ok(())
            }));
        }
    }
    trials.push(Trial::test("doctor_finds_this_machine_fit", || {
        if gantry_testkit::root_for("a container") {
            inside::doctor_finds_this_machine_fit();
        }
        Ok(())
    }));
    trials.push(Trial::test("guest::limits_hold_on_control_groups_v2", || {
        guest::limits_hold_on_control_groups_v2();
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit();
}
