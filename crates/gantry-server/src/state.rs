//! What a living hub shares between its driver, its routes and its owner.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_api::lease::{RemoteAction, SourceRef};
use gantry_core::{Digest, EventId, JobId, RunId, RunnerId, Timestamp};
use gantry_depot::{Depot, Logs};
use gantry_mesh::Graph;
use gantry_store::Db;
use gantry_store::runners::RunnerRecord;
use gantry_workflow::plan::Plan;
use indexmap::IndexMap;
use tokio::sync::{broadcast, mpsc, watch};

use crate::driver::Poke;
use crate::driver::prepare::SnapshotCache;
use crate::events::RunEvent;
use crate::fleet::RepoSettings;
use crate::http::{Changes, Forwarder, Remembered};
use crate::hub::HubOptions;
use crate::service::Service;
use crate::service::lead::Standing;

/// Shared by everything inside one hub.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Of this process.
    pub id: String,
    /// Whose work it drives: its own, or that of the service, which outlives every process.
    pub domain: String,
    pub started: Timestamp,
    /// What the routes remember between requests.
    pub access: Remembered,
    /// What followers are told, and what they have missed.
    pub changes: Arc<Changes>,
    pub dir: PathBuf,
    pub options: HubOptions,
    pub db: Db,
    pub depot: Depot,
    pub logs: Logs,
    /// What a standing hub has besides.
    pub service: Option<Arc<Service>>,
    /// Digest of the registration token.
    pub token: Digest,
    /// What happens, here and at the other processes of the service.
    pub events: broadcast::Sender<RunEvent>,
    /// What happens here.
    pub told: broadcast::Sender<RunEvent>,
    /// How this process stands to the others.
    pub standing: watch::Sender<Standing>,
    /// Asks the process that leads.
    pub forwarder: Forwarder,
    pub pokes: mpsc::UnboundedSender<Poke>,
    pub live: Mutex<Live>,
    /// Sources that were read lately.
    pub snapshots: SnapshotCache,
}

/// What the driver keeps in memory of unfinished work.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub runs: HashMap<RunId, Arc<LiveRun>>,
    pub submissions: HashMap<EventId, Arc<LiveSubmission>>,
    pub runners: HashMap<RunnerId, RunnerRecord>,
    /// Runners whose process has ended: nothing that they sent before counts any more.
    pub gone: HashSet<RunnerId>,
    /// Why queued jobs wait, as decided last: written to the store when it changes only.
    pub holds: HashMap<JobId, String>,
}

/// An unfinished run with all that its jobs are made of.
#[derive(Debug)]
pub(crate) struct LiveRun {
    pub id: RunId,
    pub submission: EventId,
    pub repository: String,
    pub workflow_path: String,
    pub plan: Plan,
    pub settings: RepoSettings,
    pub source: SourceRef,
    pub keep: bool,
    /// Something of it asks for a concurrency group.
    pub grouped: bool,
}

/// An unfinished submission.
#[derive(Debug)]
pub(crate) struct LiveSubmission {
    pub graph: Graph,
    /// Runs by repository; every selected repository has at least one.
    pub runs: IndexMap<String, Vec<RunId>>,
    /// Sources by repository, of those that could be read.
    pub sources: IndexMap<String, SourceRef>,
    /// Actions from outside by repository and reference.
    pub actions: IndexMap<String, IndexMap<String, RemoteAction>>,
}

impl Live {
    /// A run of every submission whose runs have ended and whose own end could not be stored.
    pub fn ends_unstored(&self) -> Vec<RunId> {
        let ended = |s: &&Arc<LiveSubmission>| {
            !s.runs.values().flatten().any(|run| self.runs.contains_key(run))
        };
        let all = self.submissions.values().filter(ended);
        all.filter_map(|s| s.runs.values().flatten().next().copied()).collect()
    }

    /// Forgets the runners of this name for good; answers who they were.
    pub fn forget_runners(&mut self, name: &str) -> HashSet<RunnerId> {
        let named = |(id, runner): (&RunnerId, &RunnerRecord)| (runner.name == name).then_some(*id);
        let gone: HashSet<RunnerId> = self.runners.iter().filter_map(named).collect();
        self.runners.retain(|id, _| !gone.contains(id));
        self.gone.extend(&gone);
        gone
    }
}

impl Shared {
    /// The memory; a panic elsewhere leaves it whole, since every change is one insert or remove.
    pub fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn run(&self, id: RunId) -> Option<Arc<LiveRun>> {
        self.live().runs.get(&id).cloned()
    }

    pub fn submission(&self, id: EventId) -> Option<Arc<LiveSubmission>> {
        self.live().submissions.get(&id).cloned()
    }

    /// Tells subscribers, and the other processes; nobody may listen.
    pub fn tell(&self, event: RunEvent) {
        let _ = self.told.send(event.clone());
        #[cfg(test)]
        crate::simulation::point();
        let _ = self.events.send(event);
    }

    /// Wakes the driver; it may have ended.
    pub fn poke(&self, poke: Poke) {
        #[cfg(test)]
        crate::simulation::point();
        let _ = self.pokes.send(poke);
    }
}
