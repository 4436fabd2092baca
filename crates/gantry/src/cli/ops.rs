//! `gantry backup`, `restore` and `doctor`: their options.

use std::path::PathBuf;

use clap::Args;

/// Writes a hub's records, logs and blobs to one file, while it runs.
///
/// The records are those of one moment; logs and blobs only grow, so the file fits together. It is a `tar.zst` that only
/// its owner may read, with the same records whether they lay in SQLite or PostgreSQL (`GANTRY_DATABASE_URL`). Secrets are
/// not in it: a hub stores none. Tokens are, as digests.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry backup --data-dir /var/lib/gantry gantry-$(date +%F).tar.zst
  gantry backup --json /backup/gantry.tar.zst

Exit codes: 0 written, 2 usage or no data, 4 infrastructure fault.")]
pub struct BackupArgs {
    /// File to write; it must not be there.
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// Where the hub keeps records, logs and blobs.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Makes a hub's data from a backup: a new data directory and an empty store, all of it or nothing.
///
/// With `GANTRY_DATABASE_URL` the records go there, whatever engine they came from: so a hub moves from SQLite to
/// PostgreSQL, or back. What was unfinished goes on when `gantry serve` starts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry restore gantry.tar.zst --data-dir /var/lib/gantry
  GANTRY_DATABASE_URL=postgres://… gantry restore gantry.tar.zst --data-dir /srv/gantry

Exit codes: 0 restored, 2 usage, damaged or newer backup, or data is there already, 4 infrastructure fault.")]
pub struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    /// Where the hub will keep records, logs and blobs.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Says what this machine can and cannot do, and how to mend it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gantry doctor
  gantry doctor --json
  gantry doctor --server --hub fleet/   what a standing hub needs here

Exit codes: 0 jobs can be isolated, or a hub can serve; 3 jobs cannot be isolated; 4 a hub cannot serve.")]
pub struct DoctorArgs {
    /// Look at what `gantry serve` needs instead: data directory, store, Git, limits, the hub file.
    #[arg(long)]
    pub server: bool,
    /// Hub file, or a folder with one.
    #[arg(long, value_name = "PATH", requires = "server")]
    pub hub: Option<PathBuf>,
    /// Where records, logs and blobs are kept.
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
