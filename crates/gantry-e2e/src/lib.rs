//! What the stories share: the real binary on a data directory of its own, published packages, a forge, and a
//! look at what a crash left behind.
//!
//! Not in here: the stories; they lie in `tests/`.

pub mod by_hand;
pub mod forge;
pub mod gantry;
pub mod image;
pub mod leftovers;
pub mod processes;
pub mod published;
pub mod registry;
pub mod scenario;
