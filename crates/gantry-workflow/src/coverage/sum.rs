//! The sum over many files: counts, and causes with how many jobs each of them holds back.

use gantry_core::Diagnostic;
use indexmap::IndexMap;
use serde::Serialize;

use super::{FileCoverage, JobCoverage, System};

/// Places kept for one cause.
const FIRST_PLACES: usize = 3;

/// What the files of a corpus amount to.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Coverage {
    /// Files looked at.
    pub files: usize,
    /// Workflow files without errors.
    pub workflows: usize,
    /// Of these, those that the asked event does not start; their jobs are not counted.
    pub not_started: usize,
    /// Action files without errors.
    pub actions: usize,
    /// Files with errors, with their first error.
    pub invalid: Vec<Invalid>,
    /// Job definitions.
    pub jobs: JobCounts,
    /// Why Linux jobs do not run here, the cause that holds back most jobs first.
    pub causes: Vec<Cause>,
    /// What Linux jobs take from outside, what most jobs take first; jobs with a cause count too.
    pub fetches: Vec<Cause>,
}

/// Job definitions, however many legs each has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
pub struct JobCounts {
    /// All of them.
    pub total: usize,
    /// Those for Linux on x86-64: `runnable`, `needs_fetching` and `unsupported`.
    pub linux: usize,
    /// Linux jobs that run here with nothing from outside.
    pub runnable: usize,
    /// Linux jobs that nothing but code from outside holds back: whether they run is known when it was fetched.
    pub needs_fetching: usize,
    /// Linux jobs that do not run; each has a cause.
    pub unsupported: usize,
    /// Jobs for Windows only.
    pub windows: usize,
    /// Jobs for macOS only.
    pub macos: usize,
    /// Jobs for Linux on another architecture only.
    pub other_architecture: usize,
}

/// A file with errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invalid {
    /// Name of the file.
    pub file: String,
    /// How many errors it has.
    pub errors: usize,
    /// The first of them.
    pub first: Option<Diagnostic>,
}

/// One cause with the jobs that it holds back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Code of the findings.
    pub code: String,
    /// What it is about, for instance the action without its ref; empty when the code says it all.
    pub subject: String,
    /// Message of the first finding.
    pub message: String,
    /// Linux jobs that have it.
    pub jobs: usize,
    /// Linux jobs that have no other.
    pub alone: usize,
    /// The first places.
    pub places: Vec<Place>,
}

/// A place of a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Job.
    pub job: String,
}

/// Sums up files.
pub fn sum(files: impl IntoIterator<Item = FileCoverage>) -> Coverage {
    let mut c = Coverage::default();
    let mut causes: IndexMap<(String, String), Cause> = IndexMap::new();
    let mut fetches: IndexMap<(String, String), Cause> = IndexMap::new();
    for file in files {
        c.files += 1;
        match file {
            FileCoverage::Action => c.actions += 1,
            FileCoverage::Invalid { file, errors } => c.invalid.push(Invalid {
                file,
                errors: errors.len(),
                first: errors.into_iter().next(),
            }),
            FileCoverage::Workflow { file, started, jobs } => {
                c.workflows += 1;
                c.not_started += usize::from(!started);
                for job in jobs {
                    c.jobs.add(&job);
                    if job.system == System::Linux {
                        add_causes(&mut causes, &file, &job.id, &job.causes);
                        add_causes(&mut fetches, &file, &job.id, &job.fetches);
                    }
                }
            }
        }
    }
    c.causes = sorted(causes);
    c.fetches = sorted(fetches);
    c
}

fn sorted(causes: IndexMap<(String, String), Cause>) -> Vec<Cause> {
    let mut causes: Vec<Cause> = causes.into_values().collect();
    causes.sort_by(|a, b| b.jobs.cmp(&a.jobs).then(b.alone.cmp(&a.alone)));
    causes
}

impl JobCounts {
    fn add(&mut self, job: &JobCoverage) {
        self.total += 1;
        match job.system {
            System::Windows => self.windows += 1,
            System::Macos => self.macos += 1,
            System::OtherArchitecture => self.other_architecture += 1,
            System::Linux => {
                self.linux += 1;
                match (job.causes.is_empty(), job.fetches.is_empty()) {
                    (true, true) => self.runnable += 1,
                    (true, false) => self.needs_fetching += 1,
                    (false, _) => self.unsupported += 1,
                }
            }
        }
    }

    /// Runnable Linux jobs of all Linux jobs, in percent; 100 when there are none.
    pub fn percent(&self) -> f64 {
        if self.linux == 0 { 100.0 } else { self.runnable as f64 * 100.0 / self.linux as f64 }
    }
}

fn add_causes(
    causes: &mut IndexMap<(String, String), Cause>,
    file: &str,
    job: &str,
    found: &[Diagnostic],
) {
    let mut keys: Vec<(String, String)> = Vec::new();
    for d in found {
        let key = (d.code.clone(), subject(d));
        if keys.contains(&key) {
            continue;
        }
        let cause = causes.entry(key.clone()).or_insert_with(|| Cause {
            code: d.code.clone(),
            subject: key.1.clone(),
            message: d.message.clone(),
            jobs: 0,
            alone: 0,
            places: Vec::new(),
        });
        cause.jobs += 1;
        if cause.places.len() < FIRST_PLACES {
            let line = d.span.map_or(0, |s| s.line);
            cause.places.push(Place { file: file.to_owned(), line, job: job.to_owned() });
        }
        keys.push(key);
    }
    if let [only] = keys.as_slice()
        && let Some(cause) = causes.get_mut(only)
    {
        cause.alone += 1;
    }
}

/// What findings of one code are told apart by: the last name in backticks of the message, without a ref.
fn subject(d: &Diagnostic) -> String {
    let mut quoted = d.message.split('`');
    let last = std::iter::from_fn(|| {
        quoted.next()?;
        quoted.next()
    })
    .last();
    let name = last.unwrap_or("");
    if ["-action", "-workflow", "-fetching"].iter().any(|end| d.code.ends_with(end)) {
        name.split('@').next().unwrap_or(name).to_lowercase()
    } else {
        name.to_owned()
    }
}
