//! Where the program's own log goes: standard error for a runner, a file for the private hub, and
//! wherever `GANTRY_LOG` asks for more.

use std::path::Path;

use tracing_subscriber::EnvFilter;

/// Largest log of a private hub that is kept when the next begins, in bytes.
const MAX_KEPT_BYTES: u64 = 4 << 20;

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_env("GANTRY_LOG").unwrap_or_else(|_| EnvFilter::new(default))
}

/// Logs to standard error.
pub fn to_stderr() {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter("info"))
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // Another subscriber can only be there already when the program was started twice in one process.
    let _ = subscriber.try_init();
}

/// Logs warnings to `hub.log` in the data directory; without such a file nothing is logged.
pub fn to_file(data: &Path) {
    let path = data.join("hub.log");
    let large = std::fs::metadata(&path).is_ok_and(|m| m.len() > MAX_KEPT_BYTES);
    let opened = std::fs::File::options()
        .create(true)
        .write(true)
        .append(!large)
        .truncate(large)
        .open(&path);
    if let Ok(file) = opened {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter("warn"))
            .with_writer(std::sync::Mutex::new(file))
            .with_ansi(false);
        let _ = subscriber.try_init();
    }
}
