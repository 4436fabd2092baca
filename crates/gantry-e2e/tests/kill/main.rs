//! Kills: `gantry run` (the hub), its runner, the sandbox helper, PID 1 of a job and all of them together
//! die at random moments, 100 times. Afterwards nothing is left on the machine, every run has an end, no
//! line that was shown is lost, and no job has finished twice.
//!
//! `GANTRY_KILL_SEED` repeats a series, `GANTRY_KILLS` changes its length, `GANTRY_KILL_STORIES` how many go on side by side.
//!
//! Not in here: a full disk (`disk.rs`).

mod check;
mod story;

use story::{Random, Story};

/// Kills in all.
const KILLS: u64 = 100;
/// Stories side by side.
const STORIES: u64 = 4;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")),
        Err(_) => default,
    }
}

#[test]
fn nothing_is_left_or_lost_whatever_is_killed() {
    if !gantry_testkit::root_for("making sandboxes and seeing everybody's processes") {
        return;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let seed = number("GANTRY_KILL_SEED", now.as_secs());
    let (kills, stories) = (number("GANTRY_KILLS", KILLS), number("GANTRY_KILL_STORIES", STORIES));
    println!("GANTRY_KILL_SEED={seed} GANTRY_KILLS={kills} GANTRY_KILL_STORIES={stories}");
    let threads: Vec<_> = (0..stories)
        .map(|n| {
            let mine = kills / stories + u64::from(n < kills % stories);
            std::thread::spawn(move || {
                let story = Story::new(n, Random::new(seed.wrapping_add(n)));
                // Told at once: a test that is ended from outside still says what went wrong.
                story.run(mine).inspect_err(|e| println!("seed {seed}: {e:#}"))
            })
        })
        .collect();
    let failed: Vec<String> = threads
        .into_iter()
        .filter_map(|t| t.join().expect("a story does not panic").err())
        .map(|e| format!("{e:#}"))
        .collect();
    assert!(failed.is_empty(), "seed {seed}:\n{}", failed.join("\n\n"));
}
