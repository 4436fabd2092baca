//! Reading the source of a repository: a Git URL, a folder as it is, or an archive → a snapshot blob
//! (tar, zstd) with a `.git` of depth 1, the commit, and the workflow files in it.
//!
//! Nothing of a repository is executed: no hooks, no filters, no prompts, and only a few transports.

pub(crate) mod action;
mod archive;
pub mod changes;
mod folder;
mod git;
mod pack;
mod remote;
mod submodules;
mod within;

use std::path::{Path, PathBuf};

use gantry_api::lease::{SourceRef, SubmoduleRef};
use gantry_depot::Depot;
use gantry_workflow::plan::Changes;

use crate::error::chain;
use crate::fleet::{FleetEvent, Source};
pub(crate) use remote::{RemoteRefs, remote_refs};
pub(crate) use submodules::Neighbours;

/// Largest snapshot, in bytes of the compressed blob.
pub const MAX_SNAPSHOT_BYTES: u64 = 8 << 30;
/// Most files of one snapshot.
pub const MAX_SNAPSHOT_FILES: usize = 2_000_000;
/// Most action files of one repository that are looked at.
const MAX_ACTION_FILES: usize = 2_000;
/// Where workflow files are.
pub const WORKFLOW_DIR: &str = ".github/workflows";

/// A repository's files, kept in the depot, with what planning looks at.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The blobs, the commit and the ref.
    pub source: SourceRef,
    /// Workflow files by path.
    pub workflows: Vec<WorkflowFile>,
    /// Action files by path, as far as they are texts of a fair size.
    pub actions: Vec<WorkflowFile>,
    /// First paragraph of the commit's message.
    pub message: String,
    /// Files that the event changed.
    pub changes: Changes,
}

/// A workflow file as it stands in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowFile {
    /// Path in the repository.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing is there, or it may not be read.
    #[error("`{path}` cannot be read; check the path and its permissions")]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder was expected.
    #[error("`{0}` is not a folder; name the repository's folder, or an archive with its ending")]
    NotAFolder(PathBuf),
    /// The git command is missing.
    #[error("the `git` command cannot be started; install git 2.30 or newer")]
    NoGit(#[source] std::io::Error),
    /// Git refused.
    #[error("git cannot {what}: {said}")]
    Git {
        /// What was tried.
        what: String,
        /// Last lines of its answer.
        said: String,
        /// Whether a remote was asked.
        remote: bool,
    },
    /// A URL with a transport that is not allowed.
    #[error(
        "`{0}` is not a Git URL that may be used; write `https://…`, `ssh://…`, `git@host:path` or `file:///…`"
    )]
    Transport(String),
    /// An archive that is none, or of an unknown kind.
    #[error("`{path}` cannot be unpacked: {problem}")]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// More or larger than allowed.
    #[error("the source has more than {limit} {what}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A workflow file that is too large or not text.
    #[error("`{path}` is not a text of at most {limit} bytes")]
    Workflow {
        /// Path in the repository.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// The depot.
    #[error("the snapshot cannot be kept")]
    Depot(#[from] gantry_depot::DepotError),
}

/// How Git says that it could not write something of its own.
const UNWRITTEN: [&str; 6] = [
    "No space left on device",
    "unable to write",
    "couldn't write",
    "could not write",
    "cannot write",
    "failed to write",
];

impl SourceError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    /// Whether a service outside is at fault.
    pub fn is_upstream(&self) -> bool {
        matches!(self, Self::Git { remote: true, .. })
    }

    /// Whether the same may go well later: a service outside is at fault, or this machine has no room at the moment.
    pub fn may_pass(&self) -> bool {
        // Git seldom says why it could not write.
        let is_full = |said: &str| UNWRITTEN.iter().any(|words| said.contains(words));
        match self {
            Self::Git { said, .. } => self.is_upstream() || is_full(said),
            Self::Read { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Depot(error) => error.is_disk_full(),
            _ => false,
        }
    }

    /// The whole chain in one line, for a verdict.
    pub fn explain(&self) -> String {
        format!("the source cannot be read: {}", chain(self))
    }
}

/// What was found out about a tree before it is packed.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Where the files are.
    pub root: PathBuf,
    /// Files relative to the root, sorted; never `.git`.
    pub files: Vec<PathBuf>,
    /// A `.git` of depth 1 to put beside them.
    pub git_dir: Option<PathBuf>,
    /// A `.git` with the whole history.
    pub full_git_dir: Option<PathBuf>,
    pub sha: Option<String>,
    pub git_ref: String,
    pub dirty: bool,
    pub message: String,
}

/// Reads a source and keeps it in the depot. `tmp` is a directory for what lies between; submodules may be
/// one of the `neighbours`.
///
/// # Errors
/// Everything that [`SourceError`] names.
pub(crate) async fn snapshot(
    depot: &Depot,
    tmp: &Path,
    source: &Source,
    neighbours: &Neighbours,
    event: &FleetEvent,
) -> Result<Snapshot, SourceError> {
    #[cfg(test)]
    if let Some(read) = crate::simulation::snapshot(source) {
        return read;
    }
    let work = tempfile::Builder::new()
        .prefix("source-")
        .tempdir_in(tmp)
        .map_err(|e| SourceError::read(tmp, e))?;
    let (dir, wanted) = (work.path().to_owned(), source.clone());
    let (neighbours, event) = (neighbours.clone(), event.clone());
    let done = tokio::task::spawn_blocking(move || read(&dir, &wanted, &neighbours, &event)).await;
    let read = done.map_err(|e| SourceError::read(tmp, std::io::Error::other(e)))??;
    let blob = depot.put_file(&read.packed, MAX_SNAPSHOT_BYTES).await?;
    let full = match read.whole {
        Some(path) => Some(depot.put_file(&path, MAX_SNAPSHOT_BYTES).await?.digest),
        None => None,
    };
    let submodules = match read.submodules {
        Some(found) => Some(keep_submodules(depot, found).await?),
        None => None,
    };
    let source = SourceRef {
        blob: blob.digest,
        size: blob.size,
        full,
        sha: read.tree.sha.unwrap_or_else(|| "0".repeat(40)),
        git_ref: read.tree.git_ref,
        dirty: read.tree.dirty,
        submodules,
    };
    let Read { workflows, actions, changes, .. } = read;
    Ok(Snapshot { source, workflows, actions, message: read.tree.message, changes })
}

/// A source with its packed files, before they are in the depot.
struct Read {
    tree: Tree,
    workflows: Vec<WorkflowFile>,
    actions: Vec<WorkflowFile>,
    changes: Changes,
    packed: PathBuf,
    whole: Option<PathBuf>,
    submodules: Option<Vec<submodules::Submodule>>,
}

fn read(
    dir: &Path,
    source: &Source,
    neighbours: &Neighbours,
    event: &FleetEvent,
) -> Result<Read, SourceError> {
    let tree = match source {
        Source::Git { url, git_ref, sha, .. } => {
            let at = git::At { git_ref: git_ref.as_deref(), sha: sha.as_deref() };
            git::fetch(&git::Git::of(dir, source)?, dir, url, at)
        }
        Source::Folder(path) => folder::read(dir, path),
        Source::Archive(path) => archive::read(dir, path),
    }?;
    let workflows = workflow_files(&tree)?;
    let actions = action_files(&tree);
    let asks = |what: &str| workflows.iter().any(|w| w.text.contains(what));
    let wants_history = asks("fetch-depth") || asks("fetch-tags");
    let full = if wants_history { git::deepen(dir, source, &tree)? } else { None };
    let changes = changed_files(dir, source, &tree, &workflows, event)?;
    let tree = Tree { full_git_dir: full, ..tree };
    let packed = pack::pack(&dir.join("tree.tar.zst"), &tree, tree.git_dir.as_deref())?;
    let whole = match &tree.full_git_dir {
        Some(git) => Some(pack::pack(&dir.join("full.tar.zst"), &tree, Some(git))?),
        None => None,
    };
    let wanted = asks("submodules");
    let submodules =
        wanted.then(|| submodules::find(dir, source, &tree, neighbours)).transpose()?;
    Ok(Read { tree, workflows, actions, changes, packed, whole, submodules })
}

async fn keep_submodules(
    depot: &Depot,
    found: Vec<submodules::Submodule>,
) -> Result<Vec<SubmoduleRef>, SourceError> {
    let mut kept = Vec::with_capacity(found.len());
    for submodules::Submodule { path, nested, sha, content } in found {
        let (blob, problem) = match content {
            Ok(packed) => (Some(depot.put_file(&packed, MAX_SNAPSHOT_BYTES).await?.digest), None),
            Err(problem) => (None, Some(problem)),
        };
        kept.push(SubmoduleRef { path, nested, sha, blob, problem });
    }
    Ok(kept)
}

/// The files that the event changed, when a workflow may ask.
fn changed_files(
    work: &Path,
    source: &Source,
    tree: &Tree,
    workflows: &[WorkflowFile],
    event: &FleetEvent,
) -> Result<Changes, SourceError> {
    if !workflows.iter().any(|w| w.text.contains("paths")) {
        return Ok(Changes::default());
    }
    let (payload, changed) = (event.payload.as_ref(), &event.changed);
    let asked = changes::Asked { event: &event.name, payload, changed };
    changes::of(work, source, tree.sha.as_deref(), asked)
}

/// The action files of a tree, for what they take from outside. One that cannot be read is none: whoever runs it
/// says so.
fn action_files(tree: &Tree) -> Vec<WorkflowFile> {
    let limit = gantry_core::limits::MAX_WORKFLOW_FILE_BYTES as u64;
    let named = tree
        .files
        .iter()
        .filter(|f| f.file_name().is_some_and(|n| n == "action.yml" || n == "action.yaml"));
    let read = |file: &PathBuf| {
        let full = tree.root.join(file);
        full.symlink_metadata().ok().filter(|m| m.is_file() && m.len() <= limit)?;
        let text = std::fs::read_to_string(&full).ok()?;
        Some(WorkflowFile { path: file.to_string_lossy().into_owned(), text })
    };
    named.take(MAX_ACTION_FILES).filter_map(read).collect()
}

fn workflow_files(tree: &Tree) -> Result<Vec<WorkflowFile>, SourceError> {
    let limit = gantry_core::limits::MAX_WORKFLOW_FILE_BYTES;
    let mut found = Vec::new();
    for file in &tree.files {
        let ends = file.extension().is_some_and(|e| e == "yml" || e == "yaml");
        if !ends || file.parent() != Some(Path::new(WORKFLOW_DIR)) {
            continue;
        }
        let path = file.to_string_lossy().into_owned();
        let full = tree.root.join(file);
        let size = std::fs::metadata(&full).map_err(|e| SourceError::read(&full, e))?.len();
        let wrong = || SourceError::Workflow { path: path.clone(), limit };
        if size > limit as u64 {
            return Err(wrong());
        }
        let bytes = std::fs::read(&full).map_err(|e| SourceError::read(&full, e))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        found.push(WorkflowFile { path, text });
    }
    Ok(found)
}
