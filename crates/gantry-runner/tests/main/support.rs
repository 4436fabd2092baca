//! From a workflow text to a finished job: read, planned, leased and run by the real parts.

use std::future::Future;
use std::path::PathBuf;

use bytes::Bytes;
use gantry_api::lease::{JobSpec, Lease, SandboxPolicy, Secret, SourceRef};
use gantry_api::report::{CompleteRequest, StepReport};
use gantry_core::{AttemptId, EgressPolicy, JobId, LeaseId, Resources, RunId};
use gantry_observe::log::{LineKind, LogLine};
use gantry_runner::Host;
use gantry_runner::stop::Stop;
use gantry_workflow::expr::Value;
use gantry_workflow::model::read_workflow;
use gantry_workflow::plan::{Event, Legs, Settings, plan};
use indexmap::IndexMap;
use libtest_mimic::{Failed, Trial};
use uuid::Uuid;

use super::hub::Hub;

/// A job to run.
pub struct Fixture {
    workflow: String,
    files: Vec<(String, String, u32)>,
    pub secrets: IndexMap<String, Secret>,
    pub needs: Value,
    pub hub: Hub,
    pub hub_env: IndexMap<String, String>,
    pub timeout_ms: u64,
    pub repositories: IndexMap<String, SourceRef>,
    pub isolation: &'static str,
    pub memory_bytes: u64,
    pub images: IndexMap<String, String>,
    /// Directory of the runner, where it outlives the job.
    pub state_dir: Option<PathBuf>,
    pub repository: &'static str,
    pub git_ref: &'static str,
    leg: usize,
}

/// A job that has run.
pub struct Done {
    pub end: CompleteRequest,
    pub lines: Vec<LogLine>,
}

impl Fixture {
    /// A workflow with one job `j` whose steps are these (already indented by nothing).
    pub fn steps(steps: &str) -> Self {
        let steps = steps.replace('\n', "\n      ");
        Self::workflow(&format!(
            "on: push\njobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n      {steps}\n"
        ))
    }

    pub fn workflow(text: &str) -> Self {
        Self {
            workflow: text.to_owned(),
            files: Vec::new(),
            secrets: IndexMap::new(),
            needs: Value::Object(IndexMap::new()),
            hub: Hub::default(),
            hub_env: IndexMap::new(),
            timeout_ms: 120_000,
            repositories: IndexMap::new(),
            isolation: "process",
            memory_bytes: 1 << 30,
            images: IndexMap::new(),
            state_dir: None,
            repository: "acme/lib",
            git_ref: "refs/heads/main",
            leg: 0,
        }
    }

    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.retain(|(known, _, _)| known != path);
        self.files.push((path.to_owned(), text.to_owned(), 0o644));
        self
    }

    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.to_owned(), Secret(value.to_owned()));
        self
    }

    pub fn hub(mut self, hub: &Hub) -> Self {
        self.hub = hub.clone();
        self
    }

    pub fn leg(mut self, index: usize) -> Self {
        self.leg = index;
        self
    }

    /// Keeps the files as a source blob.
    pub fn source(&self) -> SourceRef {
        let files: Vec<_> =
            self.files.iter().map(|(p, t, m)| (p.as_str(), t.as_str(), *m)).collect();
        let bytes = tar_zst(&files);
        let size = bytes.len() as u64;
        SourceRef {
            blob: self.hub.put(bytes),
            size,
            full: None,
            sha: "a".repeat(40),
            git_ref: "refs/heads/main".to_owned(),
            dirty: false,
            submodules: None,
        }
    }

    fn policy(&self) -> SandboxPolicy {
        SandboxPolicy {
            images: self.images.clone(),
            tools: IndexMap::new(),
            isolation: self.isolation.to_owned(),
            runtime: "embedded".to_owned(),
            image: None,
            user: "runner".to_owned(),
            resources: Resources {
                memory_bytes: self.memory_bytes,
                disk_bytes: 1 << 30,
                ..Resources::default()
            },
            egress: EgressPolicy::default(),
            keep: false,
        }
    }

    fn lease(&self) -> Lease {
        let path = ".github/workflows/ci.yml";
        let (workflow, findings) = read_workflow(&self.workflow, path);
        let errors: Vec<String> =
            findings.iter().filter(|d| d.is_error()).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{}\n{}", errors.join("\n"), self.workflow);
        let workflow = workflow.expect("a workflow");
        let event = Event {
            name: "push".to_owned(),
            payload: Value::object([("number", Value::from(7.0))]),
            git_ref: self.git_ref.to_owned(),
            sha: "a".repeat(40),
            actor: "octo".to_owned(),
            ..Event::default()
        };
        let settings = Settings {
            repository: self.repository.to_owned(),
            workflow_path: path.to_owned(),
            labels: vec!["ubuntu-latest".to_owned()],
            run_id: 42,
            run_number: 3,
            run_attempt: 1,
            ..Settings::default()
        };
        let plan = plan(&workflow, &event, &settings);
        let (id, planned) = plan.jobs.last().expect("a job");
        let Legs::Known(legs) = &planned.legs else { panic!("the matrix is not known") };
        let leg = &legs[self.leg];
        let spec = JobSpec {
            key: leg.key.clone(),
            name: leg.name.clone(),
            job_id: id.clone(),
            repository: settings.repository.clone(),
            workflow_path: path.to_owned(),
            definition: planned.job.clone(),
            workflow_env: plan.env.clone(),
            workflow_wholes: plan.wholes.clone(),
            workflow_defaults: plan.defaults.clone(),
            github: plan.github.clone(),
            inputs: plan.inputs.clone(),
            vars: plan.vars.clone(),
            needs: self.needs.clone(),
            matrix: leg.matrix.clone(),
            strategy: leg.strategy.clone(),
            hub_env: self.hub_env.clone(),
            secrets: self.secrets.clone(),
            timeout_ms: self.timeout_ms,
            source: self.source(),
            repositories: self.repositories.clone(),
            actions: IndexMap::new(),
            upstream_artifacts: Vec::new(),
            sandbox: self.policy(),
        };
        Lease {
            lease: LeaseId(Uuid::now_v7()),
            epoch: 1,
            attempt: AttemptId(Uuid::now_v7()),
            number: 1,
            run: RunId(Uuid::now_v7()),
            job: JobId(Uuid::now_v7()),
            spec,
        }
    }

    pub async fn run(self) -> Done {
        self.run_with(&Stop::default()).await
    }

    pub async fn run_with(self, stop: &Stop) -> Done {
        let dir = tempfile::tempdir().expect("a directory");
        let state_dir = self.state_dir.clone().unwrap_or_else(|| dir.path().to_owned());
        let host = Host {
            name: "test-runner".to_owned(),
            state_dir: state_dir.clone(),
            process_path: std::env::var("PATH").unwrap_or_default(),
            ready: std::sync::Arc::default(),
            spool: None,
        };
        {
            let mut state = self.hub.state();
            state.log.clear();
            state.steps.clear();
        }
        gantry_runner::run(self.lease(), &host, &self.hub, stop).await;
        let left: Vec<PathBuf> = std::fs::read_dir(state_dir.join("sandboxes"))
            .map(|d| d.filter_map(|e| Some(e.ok()?.path())).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "the sandbox left {left:?}");
        let state = self.hub.state();
        let lines = state.log.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        let lines = lines.map(|l| serde_json::from_slice(l).expect("a log line")).collect();
        let end = state.complete.clone().expect("the end was reported");
        Done { end, lines }
    }
}

impl Done {
    /// Output lines of the steps.
    pub fn out(&self) -> Vec<&str> {
        let out = self.lines.iter().filter(|l| l.kind == LineKind::Out);
        out.map(|l| l.text.as_str()).collect()
    }

    /// All lines with their kind, as one text.
    pub fn text(&self) -> String {
        self.lines.iter().map(|l| format!("{:?}: {}\n", l.kind, l.text)).collect()
    }

    /// `name=conclusion` of every step but the first and last.
    pub fn steps(&self) -> Vec<String> {
        let steps = &self.end.steps[1..self.end.steps.len() - 1];
        steps.iter().map(|s| format!("{}={}", s.name, conclusion(s))).collect()
    }

    pub fn has(&self, line: &str) -> bool {
        self.out().contains(&line)
    }

    /// The end as `outcome/fault: reason`.
    pub fn verdict(&self) -> String {
        let v = &self.end.verdict;
        let fault = v.fault.map(|f| format!("/{f}")).unwrap_or_default();
        let reason = v.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
        format!("{}{fault}{reason}", v.outcome)
    }

    #[track_caller]
    pub fn assert_success(&self) {
        assert_eq!(self.verdict(), "success", "{}", self.text());
    }

    #[track_caller]
    pub fn assert_has(&self, lines: &[&str]) {
        for line in lines {
            assert!(self.has(line), "no line `{line}` in\n{}", self.text());
        }
    }
}

fn conclusion(step: &StepReport) -> &'static str {
    step.conclusion.as_ref().map_or("none", |v| v.outcome.as_str())
}

pub fn tar_zst(files: &[(&str, &str, u32)]) -> Bytes {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(*mode);
        tar.append_data(&mut header, path, text.as_bytes()).expect("a tar entry");
    }
    let plain = tar.into_inner().expect("a tar");
    Bytes::from(zstd::encode_all(plain.as_slice(), 1).expect("zstd"))
}

/// A test that is an async function.
pub fn trial<F: Future<Output = ()>>(
    name: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    Trial::test(name.to_owned(), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(gantry_runner::STACK_BYTES)
            .enable_all()
            .build()
            .map_err(Failed::from)?;
        // The test's own thread has the stack that the product's threads have.
        let thread = std::thread::Builder::new().stack_size(gantry_runner::STACK_BYTES);
        let run = thread.spawn(move || runtime.block_on(test())).map_err(Failed::from)?;
        run.join().map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
            Failed::from(text.unwrap_or_else(|| "the test panicked".to_owned()))
        })
    })
}
