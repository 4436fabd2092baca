//! What every test here needs: a served hub, repositories on disk, and a runner that speaks the protocol.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gantry_api::lease::Lease;
use gantry_api::report::{CompleteRequest, MachineInfo, ReportRequest, StepReport};
use gantry_api::runner::{LeaseRequest, RegisterRequest};
use gantry_api::{Client, ClientError};
use gantry_core::{
    EventId, LeaseId, Outcome, Resources, RunnerId, StepState, Timestamp, Usage, Verdict,
};
use gantry_observe::log::{LineKind, LogLine};
use gantry_server::query::RunView;
use gantry_server::{Fleet, FleetEvent, FleetRepo, Hub, HubOptions, RepoSettings, Source};
use indexmap::IndexMap;

/// A hub that is served on loopback.
pub struct TestHub {
    pub hub: Arc<Hub>,
    pub client: Client,
    #[allow(dead_code, reason = "for other clients than the typed one")]
    pub url: String,
    pub dir: PathBuf,
    /// Lives as long as the hub on it.
    pub tmp: Option<tempfile::TempDir>,
}

impl TestHub {
    pub async fn start() -> Self {
        Self::with(HubOptions::default()).await
    }

    pub async fn with(options: HubOptions) -> Self {
        let tmp = tempfile::tempdir().expect("directory");
        let mut hub = Self::on(tmp.path(), options).await;
        hub.tmp = Some(tmp);
        hub
    }

    pub async fn on(dir: &Path, options: HubOptions) -> Self {
        let hub = Arc::new(Hub::open(dir, options).await.expect("hub"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let client = Client::new(&url, hub.registration_token()).expect("client");
        let serving = Arc::downgrade(&hub);
        tokio::spawn(async move {
            if let Some(hub) = serving.upgrade() {
                hub.serve(listener).await.expect("serves");
            }
        });
        Self { hub, client, url, dir: dir.to_owned(), tmp: None }
    }

    pub async fn runner(&self, slots: u32) -> TestRunner {
        self.try_runner(slots).await.expect("registered")
    }

    pub async fn try_runner(&self, slots: u32) -> Option<TestRunner> {
        let request = RegisterRequest {
            name: "test-runner".to_owned(),
            protocol: gantry_api::route::PROTOCOL,
            labels: vec!["self-hosted".to_owned()],
            slots,
            capacity: capacity(),
            features: vec![],
            version: None,
            ephemeral: false,
        };
        let answer = self.client.register(&request).await.ok()?;
        let client = self.client.with_token(&answer.token);
        let token = answer.token;
        Some(TestRunner { id: answer.runner, client, token, slots, held: Arc::default() })
    }

    pub async fn submit(&self, fleet: Fleet) -> EventId {
        self.hub.submit(fleet).await.expect("submitted")
    }

    /// Every run of a submission by repository, after it has ended.
    pub async fn ended(&self, id: EventId) -> Vec<RunView> {
        tokio::time::timeout(std::time::Duration::from_mins(1), self.hub.wait(id))
            .await
            .expect("the submission ends")
            .expect("store");
        self.views(id).await
    }

    pub async fn views(&self, id: EventId) -> Vec<RunView> {
        let reader = self.hub.reader();
        let mut views = Vec::new();
        for run in reader.runs_of(id).await.expect("runs") {
            views.push(reader.run(run.id).await.expect("run"));
        }
        views
    }
}

pub fn capacity() -> Resources {
    Resources { cpu_millis: 64_000, memory_bytes: 1 << 40, pids: 100_000, disk_bytes: 1 << 44 }
}

/// A runner made of the typed client only.
#[derive(Clone)]
pub struct TestRunner {
    pub id: RunnerId,
    pub client: Client,
    #[allow(dead_code, reason = "for those who speak with another process of the service")]
    pub token: String,
    pub slots: u32,
    pub held: Arc<Mutex<Vec<LeaseId>>>,
}

impl TestRunner {
    pub fn request(&self, wait_ms: u64) -> LeaseRequest {
        let held = self.held.lock().expect("lock").clone();
        LeaseRequest { slots: self.slots, free: capacity(), held, wait_ms }
    }

    pub async fn poll(&self, wait_ms: u64) -> Vec<Lease> {
        let leases =
            self.client.poll(self.id, &self.request(wait_ms)).await.expect("polled").leases;
        self.held.lock().expect("lock").extend(leases.iter().map(|l| l.lease));
        leases
    }

    /// The one lease that must come.
    pub async fn lease(&self) -> Lease {
        for _ in 0..20 {
            if let Some(lease) = self.poll(5_000).await.pop() {
                return lease;
            }
        }
        panic!("no lease came");
    }

    pub async fn log(&self, lease: &Lease, offset: u64, text: &str) -> Result<u64, ClientError> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.client.append_log(lease.lease, lease.epoch, offset, bytes).await
    }

    pub async fn report(&self, lease: &Lease, steps: Vec<StepReport>) -> Option<String> {
        let request = ReportRequest { epoch: lease.epoch, started_at: Some(Timestamp(1)), steps };
        self.client.report(lease.lease, &request).await.expect("reported").cancel
    }

    pub async fn complete(&self, lease: &Lease, verdict: Verdict) {
        let request = completion(lease, verdict);
        self.client.complete(lease.lease, &request).await.expect("completed");
    }

    /// Takes leases and ends each as `run` says until dropped.
    pub fn work(
        &self,
        run: impl Fn(&Lease) -> CompleteRequest + Send + Sync + 'static,
    ) -> tokio::task::JoinSet<()> {
        let this = self.clone();
        let mut set = tokio::task::JoinSet::new();
        set.spawn(async move {
            loop {
                for lease in this.poll(2_000).await {
                    let text = line(&format!("hello from {}", lease.spec.key));
                    this.log(&lease, 0, &text).await.expect("logged");
                    let mut request = run(&lease);
                    request.log_bytes = text.len() as u64;
                    this.client.complete(lease.lease, &request).await.expect("completed");
                }
            }
        });
        set
    }
}

pub fn line(text: &str) -> String {
    let line =
        LogLine { t: Timestamp(5), step: Some(0), kind: LineKind::Out, text: text.to_owned() };
    format!("{}\n", serde_json::to_string(&line).expect("line"))
}

pub fn step(index: u32, state: StepState) -> StepReport {
    let verdict = (state == StepState::Finished).then(Verdict::success);
    StepReport {
        index,
        name: format!("step {index}"),
        id: None,
        state,
        outcome: verdict.clone(),
        conclusion: verdict,
        started_at: Some(Timestamp(2)),
        ended_at: None,
        usage: Usage::default(),
        line: Some(7),
    }
}

pub fn completion(lease: &Lease, verdict: Verdict) -> CompleteRequest {
    CompleteRequest {
        epoch: lease.epoch,
        verdict,
        outputs: IndexMap::new(),
        steps: vec![step(0, StepState::Finished)],
        usage: Usage { cpu_us: 42, ..Usage::default() },
        started_at: Timestamp(1),
        ended_at: Timestamp(9),
        annotations: vec![],
        summary: String::new(),
        denials: vec![],
        destinations: vec![],
        caches: vec![],
        tests: None,
        machine: MachineInfo::default(),
        log_bytes: 0,
    }
}

/// A folder with one workflow file.
pub fn folder(at: &Path, name: &str, workflow: &str) -> PathBuf {
    let dir = at.join(name);
    let workflows = dir.join(".github/workflows");
    std::fs::create_dir_all(&workflows).expect("folder");
    std::fs::write(workflows.join("ci.yml"), workflow).expect("workflow");
    std::fs::write(dir.join("README.md"), format!("# {name}\n")).expect("file");
    dir
}

pub fn repo(name: &str, source: Source, depends_on: &[&str]) -> FleetRepo {
    let mut settings = RepoSettings::default();
    settings.labels.insert("ubuntu-latest".to_owned(), None);
    FleetRepo {
        owner: "acme".to_owned(),
        name: name.to_owned(),
        source,
        settings,
        depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
        problem: None,
    }
}

pub fn fleet(repos: Vec<FleetRepo>) -> Fleet {
    let event = FleetEvent { name: "push".to_owned(), ..FleetEvent::default() };
    Fleet { repos, event, ..Fleet::default() }
}

pub const ONE_JOB: &str =
    "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hi\n";

/// A fleet of one repository with one job.
pub fn single(hub: &TestHub) -> Fleet {
    let dir = folder(&hub.dir.join("src"), "app", ONE_JOB);
    fleet(vec![repo("app", Source::Folder(dir), &[])])
}

pub fn outcome(view: &RunView) -> Outcome {
    view.run.verdict.as_ref().expect("ended").outcome
}

pub fn reason(view: &RunView) -> String {
    view.run.verdict.as_ref().and_then(|v| v.reason.clone()).unwrap_or_default()
}

/// Jobs of a run as `key outcome` lines, for snapshots.
pub fn jobs(view: &RunView) -> String {
    let lines: Vec<String> = view
        .jobs
        .iter()
        .map(|j| {
            let verdict = j.job.verdict.as_ref();
            let outcome = verdict.map_or(j.job.state.to_string(), |v| v.outcome.to_string());
            format!("{} {outcome} after {} attempts", j.job.key, j.attempts.len())
        })
        .collect();
    lines.join("\n")
}
