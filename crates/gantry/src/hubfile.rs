//! Finding and reading the hub file, and the repository around a folder when there is none.

use std::path::{Path, PathBuf};

use gantry_config::{EffectiveRepo, HubText, Loaded, Source};
use gantry_core::limits::MAX_HUB_FILE_BYTES;

use crate::exit::Failure;

/// Names of a hub file, best first.
const HUB_NAMES: &[&str] = &["gantry.yaml", "gantry.yml"];
/// Older flat files, read beside the hub file or alone.
const FLAT_NAMES: &[&str] =
    &["repositories.yaml", "repositories.yml", "runner-isolation.yaml", "runner-isolation.yml"];
/// Most files of a hub folder.
const MAX_HUB_FILES: usize = 1_000;
/// What to write when there is no hub file.
const HOW_TO_WRITE: &str = "write a `gantry.yaml` such as\n\n    repos:\n      my-service:\n        source: ./my-service\n\n  or call `gantry run` inside a repository that has `.github/workflows`";

/// What a hub was read from.
#[derive(Debug)]
pub struct HubFiles {
    /// Folder that relative paths count from.
    pub folder: PathBuf,
    /// What was read.
    pub loaded: Loaded,
}

/// Reads the hub at `path`, a file or a folder.
///
/// # Errors
/// Nothing is there, or it cannot be read; what is wrong inside stands in [`HubFiles::loaded`].
pub fn read(path: &Path) -> Result<HubFiles, Failure> {
    let meta = std::fs::metadata(path).map_err(|e| Failure::file("read the hub", path, &e))?;
    let files = if meta.is_dir() { folder_files(path)? } else { with_sibling(path) };
    if files.is_empty() {
        return Err(Failure::usage(format!("no hub file in `{}`", path.display()))
            .hint(format!("looked for {}; {HOW_TO_WRITE}", HUB_NAMES.join(", "))));
    }
    let folder = if meta.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = folder.canonicalize().map_err(|e| Failure::file("read the folder", folder, &e))?;
    let texts = files.iter().map(|f| read_text(f)).collect::<Result<Vec<_>, _>>()?;
    Ok(HubFiles { folder, loaded: gantry_config::load(&texts) })
}

/// The hub of `path`, or the one in the current folder; `None` when none was named and none is here.
///
/// # Errors
/// As [`read`].
pub fn find(path: Option<&Path>) -> Result<Option<HubFiles>, Failure> {
    if let Some(path) = path {
        return read(path).map(Some);
    }
    let here = Path::new(".");
    if has_hub(here) { read(here).map(Some) } else { Ok(None) }
}

/// Whether a folder has a hub file of a name that is looked for.
pub fn has_hub(folder: &Path) -> bool {
    HUB_NAMES.iter().chain(&FLAT_NAMES[..2]).any(|name| folder.join(name).is_file())
}

/// The hub of `path` or of the current folder, which must be there.
///
/// # Errors
/// As [`read`]; or there is none.
pub fn require(path: Option<&Path>) -> Result<HubFiles, Failure> {
    find(path)?.ok_or_else(no_hub)
}

/// The error for a place with neither hub file nor repository.
pub fn no_hub() -> Failure {
    let here = std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default();
    Failure::usage(format!("no hub file and no repository with workflows at `{here}`")).hint(
        format!(
            "looked for {}, {} here and for `.github/workflows` here and above; {HOW_TO_WRITE}",
            HUB_NAMES.join(", "),
            FLAT_NAMES[0],
        ),
    )
}

/// A hub file; with one of the older flat files the other one beside it too.
fn with_sibling(file: &Path) -> Vec<PathBuf> {
    let is_flat = |p: &Path| p.file_name().is_some_and(|n| FLAT_NAMES.iter().any(|f| *f == n));
    let mut files = vec![file.to_owned()];
    if is_flat(file) {
        let beside = FLAT_NAMES.iter().map(|n| file.with_file_name(n));
        files.extend(beside.filter(|p| p != file && p.is_file()));
    }
    files
}

/// With a `gantry.yaml`: it, the older flat files beside it, and `gantry.d/`; else every YAML file.
fn folder_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let hub: Vec<PathBuf> =
        HUB_NAMES.iter().map(|n| folder.join(n)).filter(|p| p.is_file()).take(1).collect();
    if hub.is_empty() {
        return yaml_files(folder);
    }
    let flat = FLAT_NAMES.iter().map(|n| folder.join(n)).filter(|p| p.is_file());
    let mut files: Vec<PathBuf> = hub.into_iter().chain(flat).collect();
    let more = folder.join("gantry.d");
    if more.is_dir() {
        files.extend(yaml_files(&more)?);
    }
    Ok(files)
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|e| Failure::file("list", folder, &e))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|e| e.path())
        .filter(|p| is_yaml(p) && p.is_file())
        .filter(|p| p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')))
        .collect();
    files.sort();
    if files.len() > MAX_HUB_FILES {
        return Err(Failure::usage(format!(
            "`{}` has more than {MAX_HUB_FILES} YAML files",
            folder.display()
        ))
        .hint("name the hub file itself with `--hub`"));
    }
    Ok(files)
}

/// Whether the name ends as a YAML file's does.
pub fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

fn read_text(path: &Path) -> Result<HubText, Failure> {
    let text = crate::files::read_limited(path, MAX_HUB_FILE_BYTES)?;
    let shown = path.strip_prefix("./").unwrap_or(path);
    Ok(HubText { file: shown.display().to_string(), text })
}

/// The nearest folder at or above `start` that has `.github/workflows`.
pub fn repository_around(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|d| d.join(".github/workflows").is_dir()).map(Path::to_owned)
}

/// The repository around the current folder, with built-in defaults only.
///
/// # Errors
/// The current folder cannot be read, or there is no repository.
pub fn bare_repository() -> Result<(PathBuf, EffectiveRepo), Failure> {
    let here = std::env::current_dir()
        .map_err(|e| Failure::infra("cannot read the current folder").because(&e))?;
    let folder = repository_around(&here).ok_or_else(no_hub)?;
    let name = safe_name(&folder);
    let source = Source::Path(folder.display().to_string());
    Ok((folder, EffectiveRepo::bare(&name, source)))
}

/// The folder's name with what is no letter of a repository name replaced.
pub fn safe_name(folder: &Path) -> String {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .collect();
    let name = name.trim_matches('.');
    if name.is_empty() { "repository".to_owned() } else { name.to_owned() }
}
