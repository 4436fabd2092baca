//! The standing hub under load: the release binary as `gantry serve`, asked over HTTP by this program.
//!
//! Everything runs on one machine, so the generator takes its share of the cores from the hub.

mod dispatch;
mod fill;
mod hooks;
mod load;
mod postgres;
pub(crate) mod reads;
mod runner;
mod serve;
mod streams;

use std::path::Path;

use serve::Engine;

/// First argument of the program that asks; the binary of the hub and the parts follow.
pub(crate) const WORD: &str = "__hub";
/// Parts that may be asked for alone.
pub(crate) const PARTS: [&str; 5] = ["dispatch", "latency", "hooks", "streams", "store"];

/// Measures the parts that are named, or all.
///
/// # Errors
/// When something cannot be started, is refused, or is lost.
pub(crate) fn run(gantry: &Path, parts: &[&str]) -> anyhow::Result<()> {
    let wants = |part: &str| parts.is_empty() || parts.contains(&part);
    tokio::runtime::Runtime::new()?.block_on(async {
        for engine in Engine::ALL {
            if wants("dispatch") {
                dispatch::rate(gantry, engine).await?;
            }
            if wants("latency") {
                dispatch::latency(gantry, engine).await?;
            }
            if wants("hooks") {
                hooks::run(gantry, engine).await?;
            }
            if wants("store") {
                fill::run(gantry, engine).await?;
            }
        }
        if wants("streams") {
            streams::run(gantry).await?;
        }
        Ok(())
    })
}
