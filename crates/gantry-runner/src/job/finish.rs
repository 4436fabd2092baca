//! The end of a job: outputs, test reports, network report.

use gantry_api::report::{Annotation, CacheUse, DenialReport, TestTotals};
use gantry_core::limits::MAX_JOB_OUTPUTS_BYTES;
use gantry_observe::junit::{self, CaseResult, MAX_REPORT_BYTES};
use gantry_observe::log::LineKind;
use gantry_sandbox::{FindSpec, SandboxReport};
use gantry_workflow::expr::Status;
use indexmap::IndexMap;

use crate::attempt::{Attempt, Facts, Frame};
use crate::contexts::Vars;
use crate::failure::Failure;

/// Where JUnit reports are looked for, below the workspace.
const REPORTS: &[&str] = &[
    "**/junit*.xml",
    "**/TEST-*.xml",
    "**/*junit*/**/*.xml",
    "**/test-results/**/*.xml",
    "**/test-reports/**/*.xml",
    "**/*test-results*.xml",
    "!**/node_modules/**",
    "!**/.git/**",
];
/// Most reports that are read.
const MAX_REPORTS: usize = 200;
/// Most entries that a search for reports may meet.
const MAX_FOUND: usize = 10_000;

/// What goes into the report beside verdict, outputs and usage.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub annotations: Vec<Annotation>,
    pub summary: String,
    pub denials: Vec<DenialReport>,
    pub destinations: Vec<String>,
    pub caches: Vec<CacheUse>,
    pub tests: Option<TestTotals>,
}

impl Rest {
    /// Takes what the sandbox saw of the network, and shows refusals in the log.
    pub(super) fn take_network(&mut self, facts: Facts<'_>, report: &SandboxReport) {
        let refused = |d: &&gantry_sandbox::Denial| d.reason != gantry_sandbox::PASSED_WITHOUT_RULE;
        for denial in report.denials.iter().filter(refused) {
            let port = if denial.port == 0 { String::new() } else { format!(":{}", denial.port) };
            let step =
                denial.step.as_deref().map(|s| format!(" in step `{s}`")).unwrap_or_default();
            facts.log.line(
                None,
                LineKind::Warning,
                &format!(
                    "Network: {}{port} refused ({}), {} times{step}; allow it in `allowed_egress` of the \
                     hub file if it is needed",
                    denial.host, denial.reason, denial.count
                ),
            );
            self.denials.push(DenialReport {
                host: denial.host.clone(),
                port: denial.port,
                reason: denial.reason.clone(),
                count: denial.count,
                step: denial.step.clone(),
            });
        }
        for destination in &report.destinations {
            if !self.destinations.contains(destination) {
                self.destinations.push(destination.clone());
            }
        }
    }
}

/// The job's outputs. As on GitHub, an empty one is none, and one that holds a secret is dropped with a warning.
pub(super) async fn outputs(
    attempt: &mut Attempt<'_>,
    frame: &mut Frame,
) -> IndexMap<String, String> {
    let facts = attempt.facts;
    let mut out = IndexMap::new();
    let mut bytes = 0;
    for (name, template) in &facts.lease.spec.definition.outputs {
        let what = format!("jobs.{}.outputs.{name}", facts.lease.spec.job_id);
        match attempt.text(frame, &Vars::new(), &what, template).await {
            Ok(value) if value.is_empty() => {}
            Ok(value) if facts.log.finds_secret(&value) => {
                attempt.warn(&format!("the output `{name}` is dropped: it may contain a secret"));
            }
            Ok(value) => {
                bytes += name.len() + value.len();
                out.insert(name.clone(), value);
            }
            Err(failure) => fail(frame, facts, attempt.step, failure),
        }
    }
    if bytes > MAX_JOB_OUTPUTS_BYTES {
        out.clear();
        let text = format!(
            "the job's outputs have {bytes} bytes, more than MAX_JOB_OUTPUTS_BYTES \
             ({MAX_JOB_OUTPUTS_BYTES})"
        );
        fail(frame, facts, attempt.step, Failure::user(text));
    }
    out
}

fn fail(frame: &mut Frame, facts: Facts<'_>, step: u32, Failure(verdict): Failure) {
    let reason = verdict.reason.clone().unwrap_or_default();
    facts.log.line(Some(step), LineKind::Error, &reason);
    if frame.status == Status::Success {
        frame.status = Status::Failure;
    }
    frame.failure.get_or_insert(verdict);
}

/// Sums over the JUnit reports in the workspace; `None` when there is none.
pub(super) async fn tests(attempt: &Attempt<'_>) -> Option<TestTotals> {
    if attempt.facts.stop.forced() {
        return None;
    }
    let spec = FindSpec {
        root: attempt.facts.paths.workspace.clone(),
        patterns: REPORTS.iter().map(|p| (*p).to_owned()).collect(),
        hidden: false,
        follow: false,
        limit: MAX_FOUND,
    };
    let found = match attempt.sandbox.find(spec).await {
        Ok(found) => found,
        Err(error) => {
            attempt.warn(&format!("test reports are not looked for: {error}"));
            return None;
        }
    };
    let mut totals = TestTotals::default();
    let mut reports = 0;
    let mut duration_ms = 0.0;
    for file in found.into_iter().filter(|f| !f.dir && f.size > 0).take(MAX_REPORTS) {
        let bytes = attempt.sandbox.read_file(&file.path, MAX_REPORT_BYTES).await;
        let Ok(Some(bytes)) = bytes else { continue };
        let Ok(cases) = junit::parse(&String::from_utf8_lossy(&bytes)) else { continue };
        reports += 1;
        for case in cases {
            totals.total += 1;
            duration_ms += case.duration_ms;
            match case.result {
                CaseResult::Failed | CaseResult::Error => totals.failed += 1,
                CaseResult::Skipped => totals.skipped += 1,
                CaseResult::Passed => {}
            }
        }
    }
    if reports == 0 {
        return None;
    }
    totals.duration_ms = duration_ms.max(0.0) as u64;
    attempt.say(&format!(
        "Tests: {} in {reports} reports, {} failed, {} skipped",
        totals.total, totals.failed, totals.skipped
    ));
    Some(totals)
}
