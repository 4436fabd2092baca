//! Services, images and egress of real jobs in real containers.
//!
//! The service is this very binary, put into an image with the libraries that it needs. Needs root; without it
//! the tests say `SKIPPED`. Not in here: the parts one by one, which have tests of their own.
#![allow(clippy::unwrap_used)]

mod bench;
mod jobs;
mod server;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    gantry_sandbox::entry();
    if server::asked() {
        return;
    }
    let tests: [(&str, fn()); 5] = [
        ("a_job_reaches_its_service", jobs::a_job_reaches_its_service),
        ("a_service_that_fails_says_why", jobs::a_service_that_fails_says_why),
        ("a_job_runs_in_an_image", jobs::a_job_runs_in_an_image),
        ("denials_name_the_step", jobs::denials_name_the_step),
        ("plain_processes_have_no_services", jobs::plain_processes_have_no_services),
    ];
    let trial = |(name, test): (&'static str, fn())| {
        Trial::test(name, move || {
            if gantry_testkit::root_for("a container") {
                test();
            }
            Ok::<(), Failed>(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), tests.map(trial).into()).exit();
}
