//! `gantry workflow lock`: makes, updates and checks a lock file over every job of every workflow and every
//! composite action of the repositories, whatever starts them.

use std::collections::BTreeSet;
use std::path::Path;

use gantry_config::{Fetch, Lock};
use gantry_depot::Depot;
use gantry_workflow::model::{Job, read_workflow};
use gantry_workflow::remote::RemoteState;
use serde::Serialize;

use super::{Fetcher, Files, Gathered, gather, read_lock, write_lock};
use crate::HubError;
use crate::fleet::{ActionRules, Fleet, FleetRepo};
use crate::ids::fresh;
use crate::source::{self, Neighbours, Snapshot};

/// What to do with a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockMode {
    /// Pins what is new and drops what is not used; what is pinned stays.
    Make,
    /// The same, and resolves these references again (`owner/name` or `owner/name@ref`); all when empty.
    Update(Vec<String>),
    /// Writes nothing and says what would change.
    Check,
}

/// What became of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct LockReport {
    /// One line for each reference, sorted.
    pub actions: Vec<LockLine>,
    /// What cannot be pinned, with its cause.
    pub problems: Vec<String>,
    /// Whether the file was, or with [`LockMode::Check`] would be, written anew.
    pub changed: bool,
}

/// One reference of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LockLine {
    /// `owner/name@ref`.
    pub uses: String,
    /// Base URL of the forge.
    pub server: String,
    /// Commit before; absent when it is new.
    pub old: Option<String>,
    /// Commit now; absent when it is no longer used.
    pub new: Option<String>,
}

/// Acts on the lock file at `path` for the repositories of a fleet. `dir` is the data directory.
///
/// # Errors
/// The data directory or the lock file cannot be used, or a source cannot be read.
pub async fn lock(
    dir: &Path,
    path: &Path,
    fleet: &Fleet,
    mode: LockMode,
) -> Result<LockReport, HubError> {
    let before = read_lock(path)?;
    let writer = fresh().as_simple().to_string();
    let depot = Depot::open_as(&dir.join("blobs"), &writer)?;
    let tmp = dir.join("tmp").join(format!("lock-{writer}"));
    std::fs::create_dir_all(&tmp).map_err(|e| HubError::data(&tmp, e))?;
    let work = Work { depot, dir, tmp: &tmp };
    let done = work.all(&before, fleet, &mode).await;
    if let Err(error) = std::fs::remove_dir_all(&tmp) {
        tracing::debug!(%error, "a directory for what lies between stays");
    }
    let (after, mut report) = done?;
    report.actions = lines(&before, &after);
    report.changed = before != after;
    if report.changed && mode != LockMode::Check {
        write_lock(path, &after)?;
    }
    Ok(report)
}

struct Work<'a> {
    depot: Depot,
    dir: &'a Path,
    tmp: &'a Path,
}

impl Work<'_> {
    async fn all(
        &self,
        before: &Lock,
        fleet: &Fleet,
        mode: &LockMode,
    ) -> Result<(Lock, LockReport), HubError> {
        let offline = fleet.actions.offline;
        let fetcher = Fetcher::new(self.depot.clone(), self.dir, self.tmp, before.clone(), offline);
        let fetcher = match mode {
            LockMode::Update(names) => fetcher.anew(names.clone()),
            LockMode::Make | LockMode::Check => fetcher,
        };
        let mut report = LockReport::default();
        let mut asked = BTreeSet::new();
        let mut whole = true;
        let (files, snapshots) = self.sources(fleet, &mut report).await?;
        for (repo, snapshot) in fleet.repos.iter().zip(&snapshots) {
            let Some(snapshot) = snapshot else {
                whole = false;
                continue;
            };
            let found = self.one(&fetcher, repo, snapshot, &files, mode).await?;
            asked.extend(found.asked.iter().cloned());
            for (uses, state) in &found.remotes.known {
                if let RemoteState::Refused(refusal) = state {
                    whole = false;
                    report.problems.push(format!(
                        "`{uses}` of `{}`: {}",
                        repo.full_name(),
                        refusal.explain()
                    ));
                }
            }
        }
        let (mut after, _, _) = fetcher.finish();
        // What cannot be looked at may use more than is known.
        if whole {
            after.retain(|server, uses| asked.contains(&(server.to_owned(), uses.to_owned())));
        }
        Ok((after, report))
    }

    async fn sources(
        &self,
        fleet: &Fleet,
        report: &mut LockReport,
    ) -> Result<(Files, Vec<Option<Snapshot>>), HubError> {
        let mut files = Files::default();
        let mut snapshots = Vec::new();
        // What a job checks out beside its own tree is not looked at here.
        let none = Neighbours::default();
        for repo in &fleet.repos {
            let read = source::snapshot(&self.depot, self.tmp, &repo.source, &none, &fleet.event);
            let snapshot = match read.await {
                Ok(snapshot) => Some(snapshot),
                Err(error) => {
                    report.problems.push(format!("`{}`: {}", repo.full_name(), error.explain()));
                    None
                }
            };
            files.add(&repo.full_name(), snapshot.as_ref());
            snapshots.push(snapshot);
        }
        Ok((files, snapshots))
    }

    async fn one(
        &self,
        fetcher: &Fetcher,
        repo: &FleetRepo,
        snapshot: &Snapshot,
        files: &Files,
        mode: &LockMode,
    ) -> Result<Gathered, HubError> {
        let mut rules: ActionRules = repo.settings.actions.clone();
        if *mode == LockMode::Check {
            rules.fetch = if rules.fetch == Fetch::Never { Fetch::Never } else { Fetch::Locked };
        } else if rules.fetch == Fetch::Locked {
            // Whoever calls the command wants the pins made.
            rules.fetch = Fetch::Allowed;
        }
        let mut jobs: Vec<Job> = Vec::new();
        for file in &snapshot.workflows {
            let workflow = read_workflow(&file.text, &file.path).0;
            jobs.extend(workflow.into_iter().flat_map(|w| w.jobs.into_values()));
        }
        jobs.extend(
            snapshot.actions.iter().filter_map(|a| gantry_workflow::remote::as_job(&a.text)),
        );
        gather(fetcher, &rules, files, &repo.full_name(), jobs.iter()).await
    }
}

fn lines(before: &Lock, after: &Lock) -> Vec<LockLine> {
    let all: BTreeSet<(&str, &str)> =
        before.pins().chain(after.pins()).map(|(server, uses, _)| (uses, server)).collect();
    let commit =
        |lock: &Lock, uses: &str, server: &str| lock.get(server, uses).map(|p| p.commit.clone());
    let line = |(uses, server): (&str, &str)| LockLine {
        uses: uses.to_owned(),
        server: server.to_owned(),
        old: commit(before, uses, server),
        new: commit(after, uses, server),
    };
    all.into_iter().map(line).collect()
}
