//! `gantry serve`: its options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Address that a hub listens at when none is named.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:4711";

/// Serves many repositories until it is stopped: takes events, runs what they start, and shows it.
///
/// The repositories are those of the hub file, and those that are added while it runs. A runner on this machine is
/// started with it. What a hub has begun is taken up again by the next one on the same data directory, however the
/// first one ended. With `GANTRY_DATABASE_URL` set to `postgres://…` records lie there, and several hubs on one database
/// and one data directory serve together: one leads, the others answer beside it, and one of them takes over within
/// seconds when it falls silent. With `GANTRY_RUNNER_TOKEN` set, runners elsewhere register with that token. SIGHUP reads
/// the hub file anew, SIGTERM and Ctrl-C stop in order.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry serve --hub fleet/                        this machine's hub, with a runner
  gantry serve --hub fleet/ --listen 0.0.0.0:4711 --jobs 0   the hub alone; runners join from elsewhere
  gantry serve --hub fleet/ --poll 5m              look at repositories less often

Exit codes: 0 stopped in order, 2 usage or bad input, 4 infrastructure fault.")]
pub struct ServeArgs {
    /// Hub file, or a folder with one; without one only repositories that are added are known.
    #[arg(long, value_name = "PATH")]
    pub hub: Option<PathBuf>,
    /// Address to listen at.
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN, env = "GANTRY_LISTEN")]
    pub listen: SocketAddr,
    /// Certificates for TLS in PEM form, the own one first. SIGHUP reads them anew.
    #[arg(long, value_name = "FILE", env = "GANTRY_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM form.
    #[arg(long, value_name = "FILE", env = "GANTRY_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Address that people reach the hub at, for links; the one that it listens at when absent.
    #[arg(long, value_name = "URL", env = "GANTRY_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Address that other hubs on the same database reach this one at; when absent the one that it listens at, or, if
    /// that is every address, the one from which the database is reached.
    #[arg(long, value_name = "URL", env = "GANTRY_ADVERTISE_URL")]
    pub advertise_url: Option<String>,
    /// Jobs at the same time on this machine; one per core when absent, 0 starts no runner.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub jobs: Option<u32>,
    /// How often repositories are looked at for pushes that nobody told of; `0` is never. Those of a forge with a
    /// webhook are looked at ten times less often.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = poll)]
    pub poll: u64,
    /// Where records, logs and blobs are kept.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

fn poll(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { gantry_core::parse_duration_ms(text) }
}
