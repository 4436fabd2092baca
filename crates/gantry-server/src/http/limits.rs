//! How much one caller and one org may ask, and how much at the same time: token buckets and a bound.
//!
//! Numbers are of one process. A caller who asks too often is told when to come again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_api::Problem;
use gantry_api::problem::code;
use gantry_core::Timestamp;
use gantry_tenancy::OrgScope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refusal;
use super::guard::Call;
use crate::credentials::{Known, LastUses};
use crate::ids::now;

/// Buckets that are remembered; when there are more, full ones are forgotten.
const MAX_BUCKETS: usize = 10_000;
/// Guesses at credentials that are answered in a second, all callers together, and at once.
const SIGN_IN: Rate = Rate { per_s: 20, burst: 60 };

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In a second, in the long run; 0 is without limit.
    pub per_s: u32,
    /// At once.
    pub burst: u32,
}

/// What the API allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiLimits {
    /// Requests of one credential.
    pub credential: Rate,
    /// Requests of all credentials of one org.
    pub org: Rate,
    /// Requests at the same time, streams and the runner protocol apart.
    pub in_flight: usize,
    /// Streams at the same time.
    pub streams: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            credential: Rate { per_s: 200, burst: 1_000 },
            org: Rate { per_s: 1_000, burst: 4_000 },
            in_flight: 512,
            streams: 10_000,
        }
    }
}

/// What is left of a bucket, for the answer's headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    /// The bucket's size.
    pub limit: u32,
    /// Requests that are left now.
    pub remaining: u32,
    /// Seconds until it is full again.
    pub reset_s: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of requests.
    level: u64,
    at: Timestamp,
}

impl Bucket {
    fn full(rate: Rate, at: Timestamp) -> Self {
        Self { level: u64::from(rate.burst) * 1_000, at }
    }

    /// Takes one request; an error is the milliseconds until there is one.
    fn take(&mut self, rate: Rate, at: Timestamp) -> Result<Left, u64> {
        let (full, per_s) = (u64::from(rate.burst) * 1_000, u64::from(rate.per_s.max(1)));
        let gained = at.ms_since(self.at).saturating_mul(per_s);
        if gained > 0 {
            self.level = full.min(self.level.saturating_add(gained));
            self.at = at;
        }
        if self.level < 1_000 {
            return Err((1_000 - self.level).div_ceil(per_s));
        }
        self.level -= 1_000;
        Ok(Left {
            limit: rate.burst,
            remaining: u32::try_from(self.level / 1_000).unwrap_or(u32::MAX),
            reset_s: (full - self.level).div_ceil(per_s * 1_000),
        })
    }
}

/// The buckets and bounds of one process.
#[derive(Debug)]
pub(crate) struct Limits {
    rates: ApiLimits,
    buckets: Mutex<HashMap<String, Bucket>>,
    in_flight: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Limits {
    pub fn new(rates: ApiLimits) -> Self {
        Self {
            rates,
            buckets: Mutex::default(),
            in_flight: Arc::new(Semaphore::new(rates.in_flight)),
            streams: Arc::new(Semaphore::new(rates.streams)),
        }
    }

    /// Counts a request of a credential and its orgs.
    pub fn take(&self, known: &Known, call: &Call) -> Result<(), Refusal> {
        let mine = self.one(&format!("credential {}", known.key), self.rates.credential)?;
        call.left(mine);
        for grant in &known.actor.grants {
            if let OrgScope::One(org) = &grant.org {
                self.one(&format!("org {org}"), self.rates.org)?;
            }
        }
        Ok(())
    }

    /// Counts a try to sign in.
    pub fn sign_in(&self) -> Result<(), Refusal> {
        self.one("sign-in", SIGN_IN).map(|_| ())
    }

    fn one(&self, key: &str, rate: Rate) -> Result<Left, Refusal> {
        if rate.per_s == 0 {
            return Ok(Left { limit: u32::MAX, remaining: u32::MAX, reset_s: 0 });
        }
        let at = now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS {
            // A bucket that was not touched for a minute is as good as full.
            buckets.retain(|_, b| at.ms_since(b.at) < 60_000);
        }
        let bucket = buckets.entry(key.to_owned()).or_insert_with(|| Bucket::full(rate, at));
        bucket.take(rate, at).map_err(|ms| too_many(ms.div_ceil(1_000).max(1)))
    }

    /// A place among the requests at the same time.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.in_flight).try_acquire_owned().map_err(|_| busy())
    }

    /// A place among the streams at the same time.
    pub fn stream(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| busy())
    }

    /// Streams that are open.
    pub fn open_streams(&self) -> usize {
        self.rates.streams - self.streams.available_permits()
    }
}

fn too_many(after_s: u64) -> Refusal {
    let problem = Problem::new(code::REQUEST_TOO_MANY, 429, "this credential asks too often");
    Refusal(problem.hint(format!("ask again in {after_s} s")))
}

fn busy() -> Refusal {
    let problem = Problem::new(code::HUB_BUSY, 503, "the hub answers as many requests as it can");
    Refusal(problem.hint("ask again in 1 s"))
}

/// What the routes remember between requests.
#[derive(Debug)]
pub(crate) struct Remembered {
    /// Buckets and bounds.
    pub limits: Limits,
    /// Refusals that the audit still takes.
    pub refusals: super::audit::Refusals,
    /// Last uses of tokens.
    pub uses: LastUses,
    /// What is counted.
    pub metrics: super::metrics::Metrics,
}

impl Remembered {
    pub fn new(rates: ApiLimits) -> Self {
        Self {
            limits: Limits::new(rates),
            refusals: super::audit::Refusals::default(),
            uses: LastUses::default(),
            metrics: super::metrics::Metrics::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_what_flows_in() {
        let rate = Rate { per_s: 10, burst: 3 };
        let mut bucket = Bucket::full(rate, Timestamp(0));
        for left in [2, 1, 0] {
            assert_eq!(bucket.take(rate, Timestamp(0)).expect("there is one").remaining, left);
        }
        assert_eq!(bucket.take(rate, Timestamp(0)).expect_err("none"), 100);
        assert!(bucket.take(rate, Timestamp(99_000)).is_err());
        assert!(bucket.take(rate, Timestamp(100_000)).is_ok());
        assert_eq!(bucket.take(rate, Timestamp(9_000_000)).expect("full again").remaining, 2);
    }
}
