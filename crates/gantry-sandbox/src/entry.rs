//! The hidden names under which a binary that makes sandboxes runs itself again.
//!
//! Not in here: the work behind the names.

use std::ffi::OsString;

/// PID 1 of a sandbox.
pub const INIT_NAME: &str = "__sandbox-init";
/// The `sudo` client inside a sandbox.
pub const SUDO_NAME: &str = "__sudo";

/// The helper that makes containers.
pub const HELPER_NAME: &str = "__sandbox-helper";
/// PID 1 of a container that an external runtime makes: confines itself first.
pub const BOXED_INIT_NAME: &str = "__sandbox-boxed-init";
/// Says from inside how it is confined.
pub const PROBE_NAME: &str = "__sandbox-probe";

/// What is done under a hidden name with the arguments behind it; gives the exit code.
type Work = fn(Vec<OsString>) -> i32;

/// All hidden names. A name that is added here is served by every binary that calls [`entry`].
const NAMES: &[(&str, Work)] = &[
    (INIT_NAME, crate::init::main),
    (SUDO_NAME, crate::init::sudo_client::main),
    (HELPER_NAME, crate::helper::main),
    (BOXED_INIT_NAME, crate::backend::container::boxed_init),
    (PROBE_NAME, crate::doctor::probe_main),
    (crate::image::unpack::UNPACK_NAME, crate::image::unpack::main),
    (crate::image::commit::COMMIT_NAME, crate::image::commit::main),
];

/// Does the work of a hidden name and exits, when the first argument is one; else returns.
///
/// Every binary that makes sandboxes, test binaries included, calls this first thing in `main`,
/// while the process has one thread.
pub fn entry() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(first) = arguments.next() else { return };
    let Some((_, work)) = NAMES.iter().find(|(name, _)| first == *name) else { return };
    std::process::exit(work(arguments.collect()));
}
