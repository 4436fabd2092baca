//! A deterministic simulation of the hub: its own code, over its own store, driven by hand in one thread.
//!
//! Time, ids and tokens come from a seed, requests go to the router without sockets, and every loop of the hub is
//! turned by one step at a time, so the same seed is the same story. In here are the seams that the hub's code asks;
//! [`world`] is the hub that is driven by hand, [`runner`] who works for it, [`forge`] who sends it events, [`story`]
//! what happens in which order, and [`check`] what must hold.
//!
//! Not in here: real processes, sockets and kills (`gantry-e2e`).

mod check;
mod forge;
mod runner;
mod story;
mod world;

use std::cell::RefCell;

use gantry_core::Timestamp;
use uuid::Uuid;

use crate::fleet::Source;
use crate::source::{RemoteRefs, Snapshot, SourceError};
use forge::Servers;

/// The payload of the panic that stands for the death of the process.
struct Death;

/// What the simulated hub finds outside itself.
struct Nature {
    now: Timestamp,
    random: Random,
    /// Ids made so far: later ones sort behind earlier ones as long as the clock does not jump back.
    ids: u64,
    /// The process dies at this point from now on.
    dies_in: Option<u64>,
    died: bool,
    servers: Servers,
}

thread_local! {
    static NATURE: RefCell<Option<Nature>> = const { RefCell::new(None) };
}

fn with<T>(look: impl FnOnce(&mut Nature) -> T) -> Option<T> {
    NATURE.with_borrow_mut(|nature| nature.as_mut().map(look))
}

/// The hub's clock.
pub(crate) fn now() -> Option<Timestamp> {
    with(|nature| nature.now)
}

/// A fresh id, made as those of version 7 are.
pub(crate) fn fresh() -> Option<Uuid> {
    with(|nature| {
        nature.ids += 1;
        let mut rest = [0; 10];
        // The counter is in the bits that sort: four behind the version, eight more, then six behind the variant.
        let id = nature.ids;
        for (byte, bits) in rest.iter_mut().zip([id >> 22, id >> 14, (id >> 8) & 0x3f, id]) {
            *byte = (bits & 0xff) as u8;
        }
        rest[4..].copy_from_slice(&nature.random.next().to_be_bytes()[..6]);
        let ms = u64::try_from(nature.now.0 / 1_000).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(ms, &rest).into_uuid()
    })
}

/// A fresh token.
pub(crate) fn token() -> Option<String> {
    with(|nature| format!("{:016x}{:016x}", nature.random.next(), nature.random.next()))
}

/// Between what is stored and what follows from it: here the process may die.
pub(crate) fn point() {
    let dies = with(|nature| {
        let Some(left) = nature.dies_in.as_mut() else { return false };
        *left = left.saturating_sub(1);
        let dies = *left == 0;
        if dies {
            nature.dies_in = None;
            nature.died = true;
        }
        dies
    });
    if dies == Some(true) {
        std::panic::resume_unwind(Box::new(Death));
    }
}

/// What a Git server answers that is asked for a source.
pub(crate) fn snapshot(source: &Source) -> Option<Result<Snapshot, SourceError>> {
    with(|nature| nature.servers.snapshot(source))
}

/// What a Git server answers that is asked for its refs.
pub(crate) fn refs(source: &Source) -> Option<Result<RemoteRefs, SourceError>> {
    with(|nature| nature.servers.refs(source))
}

/// A seeded sequence of numbers (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Whether something happens that does so in so many of a hundred cases.
    fn percent(&mut self, of_hundred: u64) -> bool {
        self.next() % 100 < of_hundred
    }
}
