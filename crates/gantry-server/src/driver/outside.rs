//! Actions and workflows from outside that the selected jobs of a submission use: gathered before anything is
//! planned for good, and pinned.

use gantry_api::lease::RemoteAction;
use gantry_config::Lock;
use gantry_core::EventId;
use gantry_workflow::model::Job;
use gantry_workflow::plan::{CallTarget, Found, Library, Support};
use indexmap::IndexMap;

use crate::HubError;
use crate::actions::{Fetcher, Files, Gathered, gather, read_lock, write_lock};
use crate::driver::plan::{self, Input};
use crate::driver::shelf::Shelf;
use crate::events::RunEvent;
use crate::fleet::{Fleet, FleetRepo};
use crate::source::Snapshot;
use crate::state::Shared;

/// What was gathered, by repository.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    by_repo: IndexMap<String, Gathered>,
    nothing: Gathered,
}

impl Outside {
    /// What one repository takes from outside.
    pub fn of(&self, repo: &FleetRepo) -> &Gathered {
        self.by_repo.get(&repo.full_name()).unwrap_or(&self.nothing)
    }

    /// What the jobs of each repository are given.
    pub fn actions(&self) -> IndexMap<String, IndexMap<String, RemoteAction>> {
        self.by_repo.iter().map(|(name, g)| (name.clone(), g.actions.clone())).collect()
    }
}

/// Fetches what is needed and pins what is new. `input` gives what planning a repository looks at.
pub(crate) async fn gather_all<'a>(
    shared: &Shared,
    submission: EventId,
    fleet: &'a Fleet,
    read: &[(&'a FleetRepo, &Snapshot)],
    input: impl Fn(&'a FleetRepo) -> Input<'a>,
) -> Result<Outside, HubError> {
    let mut files = Files::default();
    for repo in &fleet.repos {
        let snapshot = read.iter().find(|(r, _)| r.full_name() == repo.full_name());
        files.add(&repo.full_name(), snapshot.map(|(_, s)| *s));
    }
    let lock = fleet.actions.lock.as_deref().map_or_else(|| Ok(Lock::default()), read_lock)?;
    let tmp = shared.dir.join("tmp").join(&shared.id);
    let offline = fleet.actions.offline;
    let fetcher = Fetcher::new(shared.depot.clone(), &shared.dir, &tmp, lock, offline);
    let mut out = Outside::default();
    for (repo, snapshot) in read {
        let rules = &repo.settings.actions;
        if rules.allow.is_empty() {
            continue;
        }
        let planned = plan::plan_repo(&input(repo), snapshot);
        let plans = planned.runs.iter().filter_map(|run| run.plan.as_ref());
        let jobs = plans.flat_map(|p| p.jobs.values());
        let jobs: Vec<&Job> =
            jobs.filter(|j| j.support != Support::NotSelected).map(|j| &j.job).collect();
        let found = gather(&fetcher, rules, &files, &repo.full_name(), jobs.into_iter()).await?;
        out.by_repo.insert(repo.full_name(), found);
    }
    let (_, fresh, notes) = fetcher.finish();
    if let Some(path) = &fleet.actions.lock
        && fresh.pins().next().is_some()
    {
        // Another run may have pinned something meanwhile; its pins stay.
        let mut lock = read_lock(path)?;
        lock.add_missing(&fresh);
        write_lock(path, &lock)?;
    }
    for text in notes {
        shared.tell(RunEvent::Note { submission, text });
    }
    Ok(out)
}

/// The workflows of the hub's repositories, and behind them those that were fetched.
pub(crate) struct Both<'a> {
    pub shelf: &'a Shelf,
    pub outside: &'a Gathered,
}

impl Library for Both<'_> {
    fn find(&self, target: &CallTarget) -> Found {
        let fetched = (!self.shelf.knows(&target.repository)).then(|| self.outside.find(target));
        fetched.flatten().unwrap_or_else(|| self.shelf.find(target))
    }
}
