//! Images of every source, made here, unpacked by the real child.
//!
//! A harness of its own, because the child is this very binary. Not in here: mounting.
#![allow(clippy::unwrap_used)]

mod build;
mod hostile;
mod registry;
mod sources;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    gantry_sandbox::entry();
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    let tests = vec![
        trial("layers_keep_what_an_overlay_needs", sources::layers_keep_what_an_overlay_needs),
        trial("every_source_gives_the_same_image", sources::every_source_gives_the_same_image),
        trial("layers_are_shared_and_collected", sources::layers_are_shared_and_collected),
        trial(
            "beyond_a_size_the_least_recently_used_goes",
            sources::beyond_a_size_the_least_recently_used_goes,
        ),
        trial("parents_look_as_below", sources::parents_look_as_below),
        trial("concurrent_pulls_unpack_once", sources::concurrent_pulls_unpack_once),
        trial("links_never_lead_out", hostile::links_never_lead_out),
        trial("bad_entries_are_refused", hostile::bad_entries_are_refused),
        trial("damage_is_named", hostile::damage_is_named),
        trial("a_registry_is_pulled_from", registry::a_registry_is_pulled_from),
        trial("a_registry_that_lies_is_found_out", registry::a_registry_that_lies_is_found_out),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}
