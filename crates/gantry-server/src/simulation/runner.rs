//! Runners of the simulation: each does one thing at a time, repeats what was not answered, and is frozen, killed or
//! cut off whenever the seed says so.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use gantry_api::lease::{Lease, LeaseResponse};
use gantry_api::problem::code;
use gantry_api::report::{CompleteRequest, LogLength, MachineInfo, ReportRequest, ReportResponse};
use gantry_api::route;
use gantry_api::runner::{LeaseRequest, RegisterRequest, RegisterResponse};
use gantry_core::{
    AttemptId, Fault, LeaseId, Outcome, Resources, RunnerId, Timestamp, Usage, Verdict,
};
use serde::Serialize;

use super::Random;
use super::world::{Answer, TOKEN};

/// Lines of every attempt.
pub(super) const LINES: u32 = 3;
const SLOTS: u32 = 2;

/// What the hub has acknowledged to all runners together.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// Log bytes by attempt.
    pub logs: BTreeMap<AttemptId, u64>,
    /// How attempts ended whose end was taken.
    pub ends: BTreeMap<AttemptId, Verdict>,
}

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: String,
    token: String,
    body: Bytes,
    /// The lease that it is about, and the epoch that it believes in.
    pub about: Option<(LeaseId, u64)>,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Register,
    Poll,
    Report,
    Log,
    Complete,
}

impl Call {
    fn new(what: What, path: String, token: &str, body: impl Serialize) -> Self {
        let body = serde_json::to_vec(&body).expect("JSON").into();
        Self { method: Method::POST, path, token: token.to_owned(), body, about: None, what }
    }

    pub fn request(&self) -> Request<Body> {
        Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(self.body.clone()))
            .expect("a request")
    }
}

/// One attempt in the hands of a runner.
#[derive(Debug)]
struct Work {
    lease: Lease,
    lines: u32,
    bytes: u64,
    verdict: Verdict,
}

/// A runner.
#[derive(Debug)]
pub(super) struct Runner {
    pub name: String,
    known: Option<(RunnerId, String)>,
    /// It waits for the answer of a poll.
    pub polls: bool,
    works: Vec<Work>,
    /// Until when it does nothing.
    pub frozen: Timestamp,
    /// What it has asked last, and about which work.
    asked: Option<LeaseId>,
}

/// What line `n` of an attempt says.
pub(super) fn line(attempt: AttemptId, n: u32) -> String {
    format!("{{\"t\":1,\"step\":0,\"kind\":\"out\",\"text\":\"line {n} of {attempt}\"}}\n")
}

fn plenty() -> Resources {
    Resources { cpu_millis: 64_000, memory_bytes: 1 << 40, pids: 100_000, disk_bytes: 1 << 44 }
}

impl Runner {
    pub fn new(n: usize) -> Self {
        Self {
            name: format!("runner-{n}"),
            known: None,
            polls: false,
            works: Vec::new(),
            frozen: Timestamp(0),
            asked: None,
        }
    }

    /// Its process ends and another one begins: it remembers nothing.
    pub fn die(&mut self) {
        let name = std::mem::take(&mut self.name);
        *self = Self { name, ..Self::new(0) };
    }

    pub fn is_idle(&self) -> bool {
        self.works.is_empty()
    }

    /// What it asks next; `None` when it has nothing to do.
    pub fn next(&mut self, random: &mut Random, now: Timestamp) -> Option<Call> {
        self.asked = None;
        let Some((id, token)) = &self.known else {
            return Some(Call::new(
                What::Register,
                route::RUNNERS.to_owned(),
                TOKEN,
                self.register(),
            ));
        };
        let free = SLOTS - self.works.len() as u32;
        if !self.polls && free > 0 && (self.works.is_empty() || random.percent(30)) {
            let path = route::LEASES.replace("{runner}", &id.to_string());
            let held = self.works.iter().map(|w| w.lease.lease).collect();
            let ask = LeaseRequest { slots: free, free: plenty(), held, wait_ms: 60_000 };
            self.polls = true;
            return Some(Call::new(What::Poll, path, token, ask));
        }
        if self.works.is_empty() {
            return None;
        }
        let work = &self.works[random.below(self.works.len())];
        self.asked = Some(work.lease.lease);
        Some(work.next(token, random, now))
    }

    fn register(&self) -> RegisterRequest {
        RegisterRequest {
            name: self.name.clone(),
            protocol: route::PROTOCOL,
            labels: vec!["ubuntu-latest".to_owned()],
            slots: SLOTS,
            capacity: plenty(),
            features: vec![],
            version: None,
            ephemeral: false,
        }
    }

    /// Takes an answer; `None` when none came.
    ///
    /// # Errors
    /// The hub has broken its word.
    pub fn hear(
        &mut self,
        what: What,
        answer: Option<&Answer>,
        random: &mut Random,
        seen: &mut Acknowledged,
    ) -> Result<(), String> {
        if what == What::Poll {
            self.polls = false;
        }
        let Some(answer) = answer else { return Ok(()) };
        if answer.status == StatusCode::UNAUTHORIZED {
            self.known = None;
            self.works.clear();
            return Ok(());
        }
        if answer.status.is_server_error() {
            return Ok(());
        }
        if !answer.status.is_success() {
            return self.refused(what, answer);
        }
        let read = |e: serde_json::Error| format!("{what:?} is answered by `{answer:?}`: {e}");
        match what {
            What::Register => {
                let known: RegisterResponse = serde_json::from_slice(&answer.body).map_err(read)?;
                self.known = Some((known.runner, known.token));
            }
            What::Poll => {
                let given: LeaseResponse = serde_json::from_slice(&answer.body).map_err(read)?;
                self.take(given.leases, random);
            }
            What::Report => {
                let told: ReportResponse = serde_json::from_slice(&answer.body).map_err(read)?;
                if let (Some(reason), Some(work)) = (told.cancel, self.work()) {
                    work.verdict = Verdict::cancelled(Fault::User, reason);
                }
            }
            What::Log => {
                let told: LogLength = serde_json::from_slice(&answer.body).map_err(read)?;
                let Some(work) = self.work() else { return Ok(()) };
                (work.lines, work.bytes) = (work.lines + 1, told.length);
                seen.logs.insert(work.lease.attempt, told.length);
            }
            What::Complete => {
                let Some(work) = self.work() else { return Ok(()) };
                seen.ends.insert(work.lease.attempt, work.verdict.clone());
                self.drop_work();
            }
        }
        Ok(())
    }

    fn refused(&mut self, what: What, answer: &Answer) -> Result<(), String> {
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (what, problem["code"].as_str().unwrap_or_default()) {
            (What::Report | What::Log | What::Complete, code::LEASE_STALE_EPOCH) => {
                self.drop_work();
            }
            _ => return Err(format!("{what:?} is refused: {problem}")),
        }
        Ok(())
    }

    fn take(&mut self, leases: Vec<Lease>, random: &mut Random) {
        for lease in leases {
            if self.works.iter().any(|w| w.lease.lease == lease.lease) {
                continue;
            }
            let verdict = match random.below(100) {
                0..80 => Verdict::success(),
                80..90 => Verdict::failure(Fault::User, "a step failed"),
                _ => Verdict::failure(Fault::Infra, "the disk broke"),
            };
            self.works.push(Work { lease, lines: 0, bytes: 0, verdict });
        }
    }

    fn work(&mut self) -> Option<&mut Work> {
        let asked = self.asked?;
        self.works.iter_mut().find(|w| w.lease.lease == asked)
    }

    fn drop_work(&mut self) {
        self.works.retain(|w| Some(w.lease.lease) != self.asked);
    }
}

impl Work {
    fn next(&self, token: &str, random: &mut Random, now: Timestamp) -> Call {
        let id = self.lease.lease.to_string();
        let about = Some((self.lease.lease, self.lease.epoch));
        let ends = self.lines == LINES || self.verdict.outcome == Outcome::Cancelled;
        if random.percent(25) {
            let ask =
                ReportRequest { epoch: self.lease.epoch, started_at: Some(now), steps: vec![] };
            let path = route::REPORT.replace("{lease}", &id);
            return Call { about, ..Call::new(What::Report, path, token, ask) };
        }
        if ends {
            let path = route::COMPLETE.replace("{lease}", &id);
            return Call { about, ..Call::new(What::Complete, path, token, self.end(now)) };
        }
        let (path, epoch) = (route::LOGS.replace("{lease}", &id), self.lease.epoch);
        let path = format!("{path}?epoch={epoch}&offset={}", self.bytes);
        Call {
            method: Method::PUT,
            body: line(self.lease.attempt, self.lines).into(),
            about,
            ..Call::new(What::Log, path, token, ())
        }
    }

    fn end(&self, now: Timestamp) -> CompleteRequest {
        CompleteRequest {
            epoch: self.lease.epoch,
            verdict: self.verdict.clone(),
            outputs: indexmap::IndexMap::new(),
            steps: vec![],
            usage: Usage::default(),
            started_at: now,
            ended_at: now,
            annotations: vec![],
            summary: String::new(),
            denials: vec![],
            destinations: vec![],
            caches: vec![],
            tests: None,
            machine: MachineInfo::default(),
            log_bytes: self.bytes,
        }
    }
}
