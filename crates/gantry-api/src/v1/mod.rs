//! Wire types of `/api/v1` for people and their programs: what the OpenAPI document describes.
//!
//! Not in here: the runner protocol, which is [`crate::lease`], [`crate::report`] and [`crate::runner`].

pub mod artifact;
pub mod client;
pub mod event;
pub mod job;
pub mod log;
pub mod meta;
pub mod page;
pub mod queue;
pub mod repo;
pub mod run;
pub mod runner;
pub mod time;
pub mod token;
pub mod words;

pub use page::Page;
pub use time::{At, duration_ms};
