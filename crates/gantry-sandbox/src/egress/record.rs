//! What a gateway remembers: denials, destinations, bytes.
//!
//! Not in here: decisions.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::handle::Denial;

/// The host that stands for all denials beyond the limit.
const OTHERS: &str = "*";

/// The memory of one gateway.
#[derive(Debug)]
pub(crate) struct Records {
    started: Instant,
    max: usize,
    inner: Mutex<Inner>,
    /// Bytes that the job sent out.
    pub(crate) sent: AtomicU64,
    /// Bytes that came in.
    pub(crate) received: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    step: Option<String>,
    denials: Vec<Denial>,
    index: HashMap<(String, u16, &'static str), usize>,
    destinations: BTreeSet<String>,
}

impl Records {
    /// Empty; keeps at most `max` different denials and as many destinations.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            started: Instant::now(),
            max,
            inner: Mutex::default(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the step that runs now.
    pub(crate) fn mark_step(&self, step: &str) {
        self.inner().step = Some(step.to_owned());
    }

    /// Counts one denial.
    pub(crate) fn deny(&self, host: &str, port: u16, reason: &'static str) {
        let first_ms = self.started.elapsed().as_millis() as u64;
        let mut inner = self.inner();
        let mut key = (host.to_owned(), port, reason);
        if !inner.index.contains_key(&key) && inner.denials.len() >= self.max {
            key = (OTHERS.to_owned(), 0, "more than can be listed");
        }
        if let Some(at) = inner.index.get(&key).copied() {
            inner.denials[at].count += 1;
            return;
        }
        let denial = Denial {
            host: key.0.clone(),
            port: key.1,
            reason: key.2.to_owned(),
            count: 1,
            first_ms,
            step: inner.step.clone(),
        };
        let at = inner.denials.len();
        inner.denials.push(denial);
        inner.index.insert(key, at);
    }

    /// Whether such a denial was counted already.
    pub(crate) fn has_denied(&self, host: &str, port: u16, reason: &'static str) -> bool {
        self.inner().index.contains_key(&(host.to_owned(), port, reason))
    }

    /// Remembers a destination that the job used or wanted.
    pub(crate) fn destination(&self, host: &str, port: u16) {
        let mut inner = self.inner();
        if inner.destinations.len() < self.max {
            inner.destinations.insert(format!("{host}:{port}"));
        }
    }

    /// All denials in the order of their first.
    pub(crate) fn denials(&self) -> Vec<Denial> {
        self.inner().denials.clone()
    }

    /// All destinations, sorted.
    pub(crate) fn destinations(&self) -> Vec<String> {
        self.inner().destinations.iter().cloned().collect()
    }

    /// Bytes sent and received so far.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_are_counted_with_the_step_of_the_first_and_bounded() {
        let records = Records::new(2);
        records.deny("a", 443, "not allowed");
        records.mark_step("Build");
        records.deny("a", 443, "not allowed");
        records.deny("a", 80, "not allowed");
        for host in ["b", "c", "d"] {
            records.deny(host, 0, "not allowed");
        }
        let got: Vec<_> =
            records.denials().into_iter().map(|d| (d.host, d.port, d.count, d.step)).collect();
        let build = Some("Build".to_owned());
        assert_eq!(
            got,
            [
                ("a".to_owned(), 443, 2, None),
                ("a".to_owned(), 80, 1, build.clone()),
                ("*".to_owned(), 0, 3, build),
            ]
        );
    }
}
