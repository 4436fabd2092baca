//! `gantry logs`: what the jobs of a run wrote, and what they write.

use std::collections::{HashMap, HashSet};

use gantry_api::v1::client::{ApiClient, ApiError, Heard};
use gantry_api::v1::job::{Attempt, Job};
use gantry_api::v1::run::Run;
use gantry_api::v1::words::JobState;
use gantry_core::{AttemptId, JobId};
use gantry_observe::log::LogLine;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::follow::{RunFollower, Seen};
use super::lines::{LineStyle, Of, Printer};
use super::{block, cannot, connect, failure, find};
use crate::cli::LogsArgs;
use crate::exit::{Done, Exit, Failure};
use crate::out;

/// Parts of logs that wait to be printed.
const WAITING: usize = 64;

/// Acts on `gantry logs`.
///
/// # Errors
/// There is no hub, run, job or attempt of that name, the hub refuses, or was away for too long.
pub fn run(args: &LogsArgs) -> Done {
    let client = connect(&args.hub)?;
    let (name, job) = find::run_and_job(&args.what);
    block(async {
        let run = find::run(&client, name).await?;
        let wanted = match job {
            Some(job) => Some(find::jobs(&run, job)?.iter().map(|j| j.id).collect()),
            None => None,
        };
        let style = LineStyle {
            json: args.json,
            timestamps: args.timestamps,
            labels: wanted.as_ref().map_or(run.jobs.len(), HashSet::len) > 1,
        };
        let logs = Logs::new(&client, style, wanted, args.attempt);
        if args.follow { logs.follow(run).await } else { logs.print(&run).await }
    })
}

/// The logs of some jobs of a run, as `gantry runs logs` prints them.
///
/// # Errors
/// As [`run`].
pub async fn of_jobs(client: &ApiClient, name: &str, jobs: &[String], json: bool) -> Done {
    let run = find::run(client, name).await?;
    let mut wanted = HashSet::new();
    for job in jobs {
        wanted.extend(find::jobs(&run, job)?.iter().map(|j| j.id));
    }
    let style = LineStyle { json, timestamps: false, labels: true };
    let wanted = (!jobs.is_empty()).then_some(wanted);
    Logs::new(client, style, wanted, None).print(&run).await
}

struct Logs<'a> {
    client: &'a ApiClient,
    printer: Printer,
    wanted: Option<HashSet<JobId>>,
    attempt: Option<u32>,
    jobs: HashMap<JobId, String>,
    steps: HashMap<(AttemptId, u32), String>,
}

/// Lines of one attempt, or news about the connection.
enum Part {
    Lines(Place, Vec<LogLine>),
    Lost(String),
    Back,
    Failed(ApiError),
}

#[derive(Debug, Clone, Copy)]
struct Place {
    job: JobId,
    attempt: AttemptId,
    number: u32,
}

impl<'a> Logs<'a> {
    fn new(
        client: &'a ApiClient,
        style: LineStyle,
        wanted: Option<HashSet<JobId>>,
        attempt: Option<u32>,
    ) -> Self {
        let printer = Printer::new(style);
        Self { client, printer, wanted, attempt, jobs: HashMap::new(), steps: HashMap::new() }
    }

    fn wants(&self, job: &Job) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&job.id))
    }

    /// The attempts of a job that are asked for: that of the number, or the last one.
    fn attempt_of<'j>(&self, job: &'j Job) -> Option<&'j Attempt> {
        match self.attempt {
            Some(number) => job.attempts.iter().find(|a| a.number == number),
            None => job.attempts.last(),
        }
    }

    fn learn(&mut self, run: &Run) {
        for job in &run.jobs {
            self.jobs.entry(job.id).or_insert_with(|| job.key.clone());
            for attempt in &job.attempts {
                self.learn_steps(attempt);
            }
        }
    }

    fn learn_steps(&mut self, attempt: &Attempt) {
        for step in &attempt.steps {
            self.steps.insert((attempt.id, step.index), step.name.clone());
        }
    }

    /// Prints what there is.
    async fn print(mut self, run: &Run) -> Done {
        self.learn(run);
        let mut found = false;
        for job in &run.jobs {
            let Some(attempt) = self.attempt_of(job).filter(|_| self.wants(job)) else { continue };
            found = true;
            let place = Place { job: job.id, attempt: attempt.id, number: attempt.number };
            let mut offset = 0;
            loop {
                let part = self.client.log_part(attempt.id, offset).await;
                let part = part.map_err(cannot("read the log"))?;
                if part.lines.is_empty() {
                    break;
                }
                offset = part.next;
                self.show(place, &part.lines).await?;
            }
        }
        match self.attempt {
            Some(number) if !found => Err(no_attempt(number)),
            _ => Ok(Exit::Green),
        }
    }

    async fn show(&mut self, place: Place, lines: &[LogLine]) -> Result<(), Failure> {
        let mut text = Vec::new();
        for line in lines {
            if let Some(index) = line.step
                && !self.steps.contains_key(&(place.attempt, index))
                // Without its name a step is shown by its number; that is no reason to end.
                && let Ok(attempt) = self.client.attempt(place.attempt).await
            {
                self.learn_steps(&attempt);
            }
            let step = match line.step {
                Some(index) => {
                    let unnamed = || format!("step {index}");
                    self.steps.entry((place.attempt, index)).or_insert_with(unnamed).clone()
                }
                None => String::new(),
            };
            let key = self.jobs.get(&place.job).map_or("", String::as_str);
            let of = Of { job: place.job, key, number: place.number, step: &step };
            text.extend(self.printer.print(&of, line));
        }
        if text.is_empty() { Ok(()) } else { out::line(&text.join("\n")) }
    }

    /// Prints what there is and what comes, until what is asked for has ended.
    async fn follow(mut self, run: Run) -> Done {
        let (send, mut parts) = mpsc::channel(WAITING);
        let mut followed = Followers { tasks: JoinSet::new(), known: HashSet::new(), send };
        let mut runs = RunFollower::new(self.client, run.summary.id);
        let mut last = run;
        let mut lost = false;
        followed.take(&mut self, &last);
        loop {
            let has_ended = self.has_ended(&last);
            if has_ended && followed.tasks.is_empty() && parts.is_empty() {
                break;
            }
            tokio::select! {
                Some(part) = parts.recv() => match part {
                    Part::Lines(place, lines) => self.show(place, &lines).await?,
                    Part::Lost(problem) => lost = say_lost(lost, &problem),
                    Part::Back => lost = say_back(lost),
                    Part::Failed(error) => return Err(failure("follow the log", &error)),
                },
                Some(_) = followed.tasks.join_next() => {}
                seen = runs.next(), if !has_ended => {
                    match seen.map_err(|e| failure("follow the run", &e))? {
                        Some(Seen::Run(run)) => {
                            last = *run;
                            followed.take(&mut self, &last);
                        }
                        Some(Seen::Lost(problem)) => lost = say_lost(lost, &problem),
                        Some(Seen::Back) => lost = say_back(lost),
                        None => {}
                    }
                }
                _ = tokio::signal::ctrl_c() => {
                    eprintln!("no longer followed; the run goes on");
                    return Ok(Exit::Cancelled);
                }
            }
        }
        match self.attempt {
            Some(number) if followed.known.is_empty() => Err(no_attempt(number)),
            _ => Ok(self.exit(&last)),
        }
    }

    fn has_ended(&self, run: &Run) -> bool {
        let jobs_ended =
            run.jobs.iter().filter(|j| self.wants(j)).all(|j| j.state == JobState::Finished);
        let run_ended = run.summary.ended_at.is_some();
        if self.wanted.is_some() { jobs_ended } else { run_ended && jobs_ended }
    }

    fn exit(&self, run: &Run) -> Exit {
        if self.wanted.is_none() {
            let of = &run.summary;
            return Exit::of(of.outcome.map(Into::into), of.fault.map(Into::into));
        }
        let jobs = run.jobs.iter().filter(|j| self.wants(j));
        let exits = jobs.map(|j| Exit::of(j.outcome.map(Into::into), j.fault.map(Into::into)));
        exits.max().unwrap_or(Exit::Green)
    }
}

fn no_attempt(number: u32) -> Failure {
    Failure::usage(format!("there is no attempt {number}"))
        .hint("`gantry runs show RUN --json` lists them")
}

fn say_lost(lost: bool, problem: &str) -> bool {
    if !lost {
        eprintln!("the connection broke ({problem}); it is made again");
    }
    true
}

fn say_back(lost: bool) -> bool {
    if lost {
        eprintln!("the connection is there again");
    }
    false
}

/// One task for each log that is followed.
struct Followers {
    tasks: JoinSet<()>,
    known: HashSet<AttemptId>,
    send: mpsc::Sender<Part>,
}

impl Followers {
    /// Starts to follow what a look at the run shows for the first time.
    fn take(&mut self, logs: &mut Logs<'_>, run: &Run) {
        logs.learn(run);
        for job in run.jobs.iter().filter(|j| logs.wants(j)) {
            let Some(attempt) = logs.attempt_of(job) else { continue };
            if !self.known.insert(attempt.id) {
                continue;
            }
            let place = Place { job: job.id, attempt: attempt.id, number: attempt.number };
            self.tasks.spawn(follow(logs.client.clone(), place, self.send.clone()));
        }
    }
}

async fn follow(client: ApiClient, place: Place, send: mpsc::Sender<Part>) {
    let mut log = client.follow_log(place.attempt, 0);
    loop {
        let part = match log.next().await {
            Ok(Some(Heard::Message(lines))) => Part::Lines(place, lines),
            Ok(Some(Heard::Lost(problem))) => Part::Lost(problem),
            Ok(Some(Heard::Back)) => Part::Back,
            Ok(None) => return,
            Err(error) => Part::Failed(error),
        };
        let is_last = matches!(part, Part::Failed(_));
        // Nobody listens any more when the following has ended.
        if send.send(part).await.is_err() || is_last {
            return;
        }
    }
}
