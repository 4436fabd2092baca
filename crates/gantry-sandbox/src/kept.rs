//! Jobs whose sandbox is kept after their end: what lies on disk, so that the same place can be entered again.
//!
//! A kept job's directory has its disk with the upper layers, the layers that these lie above, and, when the runner
//! wrote it, a session: the sandbox's specification with the environment of a step, without secrets. A sandbox that
//! is started under the id of a kept job gets its disk. Not in here: mounting (`helper`, `disk`).

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::jobdir::{KEPT, jobs_dir, valid_id};
use crate::rootfs::Part;
use crate::spec::SandboxSpec;

/// File with the layers of a kept job.
const LAYERS: &str = "layers.json";
/// File with the session of a kept job.
const SESSION: &str = "session.json";
/// A kept job's disk.
const DISK: &str = "disk.img";

/// What a kept disk belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layers {
    /// First host id of the job's range, which owns the files on the disk.
    pub base: u32,
    /// Where each overlay is mounted inside.
    targets: Vec<PathBuf>,
}

impl Layers {
    pub(crate) fn of(base: u32, parts: &[Part]) -> Self {
        Self { base, targets: parts.iter().map(|p| p.target.clone()).collect() }
    }

    /// Those of a job that is kept in this directory; `None` for a job that begins.
    pub(crate) fn read(dir: &Path) -> io::Result<Option<Self>> {
        if !dir.join(KEPT).exists() || !dir.join(DISK).exists() {
            return Ok(None);
        }
        let text = fs::read(dir.join(LAYERS))?;
        serde_json::from_slice(&text).map(Some).map_err(io::Error::other)
    }

    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        fs::write(dir.join(LAYERS), serde_json::to_vec(self)?)
    }

    /// Whether the disk can be mounted over the layers that are there now.
    pub(crate) fn fits(&self, now: &Self) -> io::Result<()> {
        if self.targets == now.targets {
            return Ok(());
        }
        Err(io::Error::other(
            "the root of this machine has other directories than when the job was kept; run the job again",
        ))
    }
}

/// How a kept job can be entered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Its sandbox; variables of services that held a secret are left out.
    pub spec: SandboxSpec,
    /// The environment of a step, without variables that held a secret.
    pub env: Vec<(String, String)>,
    /// Names of the variables that are left out.
    pub hidden: Vec<String>,
    /// Where the step worked.
    pub cwd: String,
    /// The step's name; `None` when no step had started a process.
    pub step: Option<String>,
}

/// Why a job cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// Its sandbox is gone.
    #[error("the sandbox of the job was not kept")]
    Gone,
    /// It was kept, and nothing says how to enter it.
    #[error("the sandbox of the job was kept without a way into it: {0}")]
    NoWay(String),
    /// The record cannot be read or written.
    #[error("the record of the kept sandbox cannot be used: {0}")]
    File(#[from] io::Error),
}

impl Session {
    /// Writes the session beside the disk of its running sandbox, for this user only.
    ///
    /// # Errors
    /// The directory is not there or cannot be written.
    pub fn save(&self) -> Result<(), KeptError> {
        let path = jobs_dir(&self.spec.state_dir).join(&self.spec.id).join(SESSION);
        let mut open = fs::OpenOptions::new();
        let mut file = open.create(true).truncate(true).write(true).mode(0o600).open(path)?;
        file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        Ok(())
    }

    /// The session of a kept job.
    ///
    /// # Errors
    /// It was not kept, or not in a way that can be entered.
    pub fn load(state_dir: &Path, id: &str) -> Result<Self, KeptError> {
        let dir = jobs_dir(state_dir).join(id);
        if !valid_id(id) || !dir.join(KEPT).exists() {
            return Err(KeptError::Gone);
        }
        if !dir.join(DISK).exists() || !dir.join(LAYERS).exists() {
            let why = "its disk was in memory, as this machine has no loop devices";
            return Err(KeptError::NoWay(why.to_owned()));
        }
        match fs::read(dir.join(SESSION)) {
            Ok(text) => {
                let session: Self = serde_json::from_slice(&text).map_err(io::Error::other)?;
                // The directory may have been moved since.
                let spec = SandboxSpec { state_dir: state_dir.to_owned(), ..session.spec };
                Ok(Self { spec, ..session })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(KeptError::NoWay("it did not come to its steps".to_owned()))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Where a kept job lies.
    pub fn directory(state_dir: &Path, id: &str) -> PathBuf {
        jobs_dir(state_dir).join(id)
    }
}
