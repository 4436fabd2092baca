//! The project's own tools: `cargo xtask tidy` holds the rules of STYLE.md, `cargo xtask bench` measures.
//!
//! Links nothing of the product: it looks at sources and runs binaries.

mod bench;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

const HELP: &str = "\
usage: cargo xtask COMMAND

  tidy    checks dependency directions, lengths, module headers, purity and links
  bench [jobs|workflow|hub]
          prints rates, latencies and memory beside a peer measured in the same run
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("tidy") => root().and_then(|root| tidy::run(&root)),
        Some("bench") => root().and_then(|root| bench::run(&root, &args[1..])),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout that this was called for: found at run time, as several may share one folder of build output.
fn root() -> anyhow::Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => PathBuf::from(package),
        None => std::env::current_dir()?,
    };
    let root = start.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file());
    root.map(Path::to_path_buf)
        .with_context(|| format!("`{}` lies in no checkout of Gantry", start.display()))
}
