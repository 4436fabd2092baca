//! `gantry backup` and `gantry restore`.

use gantry_api::lease::Secret;
use gantry_server::backup::{self, BackupError, Summary};

use crate::cli::{BackupArgs, RestoreArgs};
use crate::exit::{Done, Exit, Failure};
use crate::files::data_dir;
use crate::run::runtime;
use crate::serve::DATABASE_VARIABLE;
use crate::{files, out};

/// Acts on `gantry backup`.
///
/// # Errors
/// There is no data, the file is there already, or something cannot be read or written.
pub fn backup(args: &BackupArgs) -> Done {
    let dir = data_dir(args.data_dir.as_deref())?;
    let done = runtime()?.block_on(backup::backup(&dir, database().as_ref(), &args.to));
    let summary = done.map_err(|e| failure("write the backup", &e))?;
    let text = format!("`{}` holds {}", args.to.display(), told(&summary));
    out::answer(args.json, &summary, &text)
}

/// Acts on `gantry restore`.
///
/// # Errors
/// The backup is damaged or of a later version, there is data already, or it cannot be written.
pub fn restore(args: &RestoreArgs) -> Done {
    let dir = data_dir(args.data_dir.as_deref())?;
    let done = runtime()?.block_on(backup::restore(&args.from, &dir, database().as_ref()));
    let summary = done.map_err(|e| failure("restore the backup", &e))?;
    let from = &summary.manifest;
    let text = format!(
        "`{}` has {}, as they were at {} ({}, gantry {})\n`gantry serve` goes on with what was unfinished",
        dir.display(),
        told(&summary),
        from.created_at,
        from.engine,
        from.version
    );
    out::answer(args.json, &summary, &text)
}

fn database() -> Option<Secret> {
    std::env::var(DATABASE_VARIABLE).ok().map(Secret)
}

fn told(summary: &Summary) -> String {
    let rows = usize::try_from(summary.manifest.rows).unwrap_or(usize::MAX);
    let count = usize::try_from(summary.files).unwrap_or(usize::MAX);
    format!(
        "{} and {} of {} bytes",
        files::count(rows, "record", "records"),
        files::count(count, "file", "files"),
        summary.bytes
    )
}

fn failure(doing: &str, error: &BackupError) -> Failure {
    let (exit, hint) = match error {
        BackupError::NoData(_) => (Exit::Usage, "name the hub's directory with `--data-dir`"),
        BackupError::Occupied(_) => (Exit::Usage, "name a new directory with `--data-dir`"),
        BackupError::Damaged { .. } => (Exit::Usage, "take another backup; nothing was changed"),
        BackupError::Newer { .. } => (Exit::Usage, "nothing was changed"),
        BackupError::NotEmpty => {
            (Exit::Usage, "make an empty database, and name it in `GANTRY_DATABASE_URL`")
        }
        BackupError::Store(_) => {
            (Exit::Infrastructure, "`gantry doctor --server` looks at the store")
        }
        BackupError::File { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            (Exit::Usage, "name a file that is not there yet")
        }
        BackupError::File { .. } => (Exit::Infrastructure, "check its rights and the disk's space"),
    };
    Failure::new(exit, format!("cannot {doing}")).because(error).hint(hint)
}
