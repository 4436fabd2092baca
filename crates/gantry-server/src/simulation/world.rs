//! A hub that is driven by hand: opened without its loops, turned by single steps, and dead whenever the seed says so.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response, StatusCode};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gantry_api::lease::Secret;
use gantry_core::Timestamp;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt as _;

use super::{NATURE, Nature, Random, forge, with};
use crate::HubOptions;
use crate::driver::{Driver, Poke};
use crate::http;
use crate::hub::Parts;
use crate::service::lead::{self, Lead};
use crate::service::{self, decider};

/// The token that runners register with.
pub(super) const TOKEN: &str = "the registration token";
/// When every story begins.
const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000);
/// Most steps between a step's begin and the hub's death in it.
const DIES_WITHIN: usize = 6;
/// Longest wait for a writer that was killed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
const MAX_BODY: usize = 1 << 24;
/// Tables whose writes may fail for a while.
const TABLES: [&str; 8] =
    ["submissions", "runs", "jobs", "attempts", "leases", "decisions", "events", "group_claims"];

/// A process of the hub.
pub(super) struct Standing {
    pub driver: Driver,
    router: Router,
    parts: UnboundedReceiver<Poke>,
    /// Pokes that the driver has not looked at.
    pokes: Vec<Poke>,
    /// Long polls that wait.
    parked: Vec<Parked>,
    _locks: Vec<crate::instance::InstanceLock>,
}

struct Parked {
    by: usize,
    answer: BoxFuture<'static, Response<Body>>,
}

/// An answer of the hub.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

pub(super) struct World {
    pub dir: PathBuf,
    pub hub: Option<Standing>,
    pub random: Random,
    /// What happened, for people.
    pub trace: Vec<String>,
    /// How many deaths there were.
    pub deaths: u32,
    /// Whether the hub may die in a step.
    pub deadly: bool,
    /// Whether some writes fail now.
    pub broken: bool,
    _tmp: tempfile::TempDir,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let tmp =
            tempfile::Builder::new().prefix("gantry-sim-").tempdir_in(place).expect("a folder");
        let mut random = Random(seed);
        let nature = Nature {
            now: BEGIN,
            random: Random(random.next()),
            ids: 0,
            dies_in: None,
            died: false,
            servers: forge::Servers::default(),
        };
        NATURE.set(Some(nature));
        let dir = tmp.path().join("data");
        Self {
            dir,
            hub: None,
            random,
            trace: Vec::new(),
            deaths: 0,
            deadly: true,
            broken: false,
            _tmp: tmp,
        }
    }

    pub fn note(&mut self, what: impl Into<String>) {
        let at = with(|n| (n.now.0 - BEGIN.0) / 1_000).unwrap_or_default();
        self.trace.push(format!("{at} {}", what.into()));
    }

    /// Lets time pass; it may also go back, as clocks that are set do.
    pub fn pass(&mut self, ms: i64) {
        with(|nature| nature.now.0 += ms * 1_000);
    }

    /// Starts a process of the hub; it may die on the way.
    pub async fn open(&mut self) -> anyhow::Result<()> {
        let options = HubOptions { token: Some(Secret(TOKEN.to_owned())), ..HubOptions::default() };
        let dir = self.dir.clone();
        let opened = self
            .mortal(AssertUnwindSafe(async move {
                let parts = Parts::open(&dir, options, Some(forge::config())).await?;
                let shared = &parts.shared;
                Lead::try_take(&shared.db, &shared.id, true).await?;
                service::prepare(shared).await?;
                shared.standing.send_replace(lead::Standing::Leads);
                Ok::<_, crate::HubError>(parts)
            }))
            .await;
        let Some(Some(parts)) = opened.map(|parts| self.forgive(parts)).transpose()? else {
            return Ok(());
        };
        let Parts { shared, waiting, lock, serving, .. } = parts;
        self.hub = Some(Standing {
            router: http::router(shared.clone()),
            driver: Driver { shared, waiters: Default::default() },
            parts: waiting,
            pokes: Vec::new(),
            parked: Vec::new(),
            _locks: serving.into_iter().chain([lock]).collect(),
        });
        self.note("the hub stands");
        Ok(())
    }

    /// An error is one only while the store works.
    pub fn forgive<T>(&mut self, done: Result<T, crate::HubError>) -> anyhow::Result<Option<T>> {
        match done {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.broken => {
                self.note(format!("fails: {}", crate::error::chain(&error)));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// From now on every write to one of the tables fails, as on a disk that breaks and comes back.
    pub async fn break_store(&mut self) -> anyhow::Result<()> {
        let table = TABLES[self.random.below(TABLES.len())];
        let refuse = |what: &str| {
            format!(
                "CREATE TRIGGER broken_{what} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END;"
            )
        };
        self.script(refuse("INSERT") + &refuse("UPDATE")).await?;
        self.broken = true;
        self.note(format!("`{table}` cannot be written"));
        Ok(())
    }

    /// Everything can be written again.
    pub async fn mend_store(&mut self) -> anyhow::Result<()> {
        self.script("DROP TRIGGER broken_INSERT; DROP TRIGGER broken_UPDATE".to_owned()).await?;
        self.broken = false;
        self.note("everything can be written");
        Ok(())
    }

    async fn script(&self, sql: String) -> anyhow::Result<()> {
        let path = crate::query::store_path(&self.dir);
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
        let mut conn = SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await?;
        Ok(conn.close().await?)
    }

    /// Ends the process of the hub as a kill does.
    pub fn die(&mut self) {
        if self.hub.take().is_some() {
            self.deaths += 1;
            self.note("the hub dies");
        }
    }

    /// Does something in which the hub may die; `None` when it did.
    async fn mortal<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        if self.deadly && self.random.percent(3) {
            let at = 1 + self.random.below(DIES_WITHIN) as u64;
            with(|nature| nature.dies_in = Some(at));
        }
        let done = AssertUnwindSafe(work).catch_unwind().await;
        let died = with(|nature| {
            nature.dies_in = None;
            std::mem::take(&mut nature.died)
        });
        match done {
            Ok(value) if died != Some(true) => Some(value),
            Err(panic) if died != Some(true) => std::panic::resume_unwind(panic),
            _ => {
                self.note("in the middle of a step");
                self.die();
                None
            }
        }
    }

    /// Sends a request and waits for the answer; `None` when nobody answers.
    pub async fn ask(&mut self, request: Request<Body>) -> Option<Answer> {
        let router = self.hub.as_ref()?.router.clone();
        let answer = self.mortal(async move {
            let answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            read(answer).await
        });
        answer.await
    }

    /// Sends a long poll of the runner `by`, which waits until [`World::answered`] has it.
    pub async fn poll(&mut self, by: usize, request: Request<Body>) -> Option<Answer> {
        let hub = self.hub.as_mut()?;
        let router = hub.router.clone();
        let asked =
            async move { router.oneshot(request).await.unwrap_or_else(|never| match never {}) };
        let mut answer = tokio::task::unconstrained(asked).boxed();
        loop {
            tokio::select! {
                biased;
                answered = &mut answer => return Some(read(answered).await),
                Some(poke) = hub.parts.recv() => {
                    let waits = matches!(poke, Poke::Waiter(_));
                    hub.pokes.push(poke);
                    if waits {
                        hub.parked.push(Parked { by, answer });
                        return None;
                    }
                }
            }
        }
    }

    /// Ends the connections of a runner that waits.
    pub fn hang_up(&mut self, by: usize) {
        if let Some(hub) = &mut self.hub {
            hub.parked.retain(|p| p.by != by);
        }
    }

    /// Long polls that have an answer now.
    async fn answered(&mut self) -> Vec<(usize, Answer)> {
        let Some(hub) = &mut self.hub else { return Vec::new() };
        let (mut answered, mut parked) = (Vec::new(), Vec::new());
        for mut one in std::mem::take(&mut hub.parked) {
            match futures::poll!(&mut one.answer) {
                std::task::Poll::Ready(answer) => answered.push((one.by, read(answer).await)),
                std::task::Poll::Pending => parked.push(one),
            }
        }
        hub.parked = parked;
        answered
    }

    /// The driver looks at what it was told; `all` of it or the first part. Answers the polls that have an answer.
    pub async fn drive(&mut self, all: bool) -> anyhow::Result<Vec<(usize, Answer)>> {
        let Some(mut hub) = self.hub.take() else { return Ok(Vec::new()) };
        while let Ok(poke) = hub.parts.try_recv() {
            hub.pokes.push(poke);
        }
        let some = if all { hub.pokes.len() } else { 1 + self.random.below(hub.pokes.len()) };
        let batch: Vec<Poke> = hub.pokes.drain(..some.min(hub.pokes.len())).collect();
        let done = self.mortal(hub.driver.handle(batch)).await;
        self.back(hub, done).await
    }

    /// The driver's clock ticks.
    pub async fn tick(&mut self) -> anyhow::Result<Vec<(usize, Answer)>> {
        let Some(mut hub) = self.hub.take() else { return Ok(Vec::new()) };
        let done = self.mortal(hub.driver.tick()).await;
        self.back(hub, done).await
    }

    async fn back<T>(
        &mut self,
        hub: Standing,
        done: Option<Result<T, crate::HubError>>,
    ) -> anyhow::Result<Vec<(usize, Answer)>> {
        let Some(done) = done else {
            self.hub = Some(hub);
            self.die();
            return Ok(Vec::new());
        };
        self.hub = Some(hub);
        self.forgive(done)?;
        Ok(self.answered().await)
    }

    /// Decides one event that is open: the oldest of a repository.
    pub async fn decide(&mut self) -> anyhow::Result<bool> {
        let Some(hub) = &self.hub else { return Ok(false) };
        let shared = hub.driver.shared.clone();
        let open = shared.db.read().await?.event_list_open(crate::ids::now(), 512).await?;
        let mut first: Vec<_> = Vec::new();
        for record in open {
            if !first
                .iter()
                .any(|f: &gantry_store::events::EventRecord| f.repository == record.repository)
            {
                first.push(record);
            }
        }
        if first.is_empty() {
            return Ok(false);
        }
        let record = first.swap_remove(self.random.below(first.len()));
        self.note(format!("decides {} {} of {}", record.source, record.id, record.repository));
        self.mortal(decider::attempt(&shared, &record)).await;
        Ok(true)
    }

    /// Does what a user asks of a hub that stands.
    pub async fn user<T>(
        &mut self,
        work: impl AsyncFnOnce(&std::sync::Arc<crate::state::Shared>) -> T,
    ) -> Option<T> {
        let shared = self.hub.as_ref()?.driver.shared.clone();
        self.mortal(async move { work(&shared).await }).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.hub = None;
        NATURE.set(None);
    }
}

async fn read(answer: Response<Body>) -> Answer {
    let status = answer.status();
    let body = to_bytes(answer.into_body(), MAX_BODY).await.unwrap_or_default();
    Answer { status, body }
}
