//! How much the hub asks of one forge: a budget of requests, a circuit breaker, and waits between tries.
//!
//! Values and functions over times; chance comes in as a number.

use gantry_core::Timestamp;

/// Requests in a row that a forge fails before it is left alone.
pub const FAILURES_TO_OPEN: u32 = 5;
/// Longest time that a failing forge is left alone before a probe.
pub const MAX_OPEN_MS: u64 = 10 * 60 * 1000;
/// Longest wait of a status between tries.
pub const MAX_WAIT_MS: u64 = 15 * 60 * 1000;

/// Requests that one forge gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests at once after a quiet time.
    pub burst: u32,
    /// Requests in a minute, in the long run.
    pub per_minute: u32,
    /// First time that a failing forge is left alone; it doubles with each probe that fails.
    pub first_open_ms: u64,
    /// First wait of a status whose try failed; it doubles with each.
    pub first_wait_ms: u64,
}

impl Default for Budget {
    /// GitHub asks for at most 80 requests a minute that make something, and 500 an hour on some plans of its API; other
    /// forges' limits are above.
    fn default() -> Self {
        Self { burst: 20, per_minute: 75, first_open_ms: 10_000, first_wait_ms: 2_000 }
    }
}

/// State of the circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaker {
    /// Requests go through; so many failed in a row.
    Closed(u32),
    /// None goes through until then; so many times in a row.
    Open(Timestamp, u32),
    /// One goes through to see, after so many times.
    HalfOpen(u32),
}

/// What may be asked of one forge now.
#[derive(Debug, Clone)]
pub struct Upstream {
    budget: Budget,
    /// Thousandths of requests left, at `filled`.
    tokens: u64,
    filled: Timestamp,
    breaker: Breaker,
    paused: Option<Timestamp>,
}

/// Whether a request may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Now,
    /// It may, alone: whether the forge is back is seen by it.
    Probe,
    /// Not before then.
    NotBefore(Timestamp),
}

impl Upstream {
    /// A forge that nothing is known about yet.
    pub fn new(budget: Budget, now: Timestamp) -> Self {
        let tokens = u64::from(budget.burst.max(1)) * 1000;
        Self { budget, tokens, filled: now, breaker: Breaker::Closed(0), paused: None }
    }

    /// Whether the circuit is open: the forge failed, and is left alone.
    pub fn is_open(&self) -> bool {
        !matches!(self.breaker, Breaker::Closed(_))
    }

    /// When a request may go out, at the earliest; nothing is taken.
    pub fn ready(&self, now: Timestamp) -> Timestamp {
        match self.clone().take(now) {
            Permit::NotBefore(then) => then,
            Permit::Now | Permit::Probe => now,
        }
    }

    /// Takes one request out of the budget, if it may go out.
    pub fn take(&mut self, now: Timestamp) -> Permit {
        if let Some(until) = self.paused.filter(|until| *until > now) {
            return Permit::NotBefore(until);
        }
        self.paused = None;
        let probe = match self.breaker {
            Breaker::Open(until, _) if until > now => return Permit::NotBefore(until),
            Breaker::Open(_, times) => {
                self.breaker = Breaker::HalfOpen(times);
                true
            }
            // Another one is on its way; its end closes or opens the circuit.
            Breaker::HalfOpen(_) => {
                return Permit::NotBefore(now.plus_ms(self.budget.first_open_ms));
            }
            Breaker::Closed(_) => false,
        };
        self.fill(now);
        if self.tokens < 1000 && !probe {
            let rate = u64::from(self.budget.per_minute.max(1));
            let missing = 1000 - self.tokens;
            return Permit::NotBefore(now.plus_ms((missing * 60).div_ceil(rate).max(1)));
        }
        self.tokens = self.tokens.saturating_sub(1000);
        if probe { Permit::Probe } else { Permit::Now }
    }

    fn fill(&mut self, now: Timestamp) {
        let most = u64::from(self.budget.burst.max(1)) * 1000;
        let gained =
            now.ms_since(self.filled).saturating_mul(u64::from(self.budget.per_minute.max(1))) / 60;
        // A gain that is rounded to nothing is not lost: the time stays.
        if gained > 0 {
            self.tokens = self.tokens.saturating_add(gained).min(most);
            self.filled = now;
        }
    }

    /// The forge answered, whatever it answered: it is there.
    pub fn answered(&mut self) {
        self.breaker = Breaker::Closed(0);
    }

    /// The forge failed: an error of its own, no answer in time, or no connection.
    pub fn failed(&mut self, now: Timestamp) {
        self.breaker = match self.breaker {
            Breaker::Closed(failures) if failures + 1 < FAILURES_TO_OPEN => {
                Breaker::Closed(failures + 1)
            }
            Breaker::Closed(_) => Breaker::Open(now.plus_ms(self.budget.first_open_ms), 1),
            // Requests that were on their way when the circuit opened say nothing new.
            Breaker::Open(until, times) => Breaker::Open(until, times),
            Breaker::HalfOpen(times) => {
                let wait = doubled(self.budget.first_open_ms, times, MAX_OPEN_MS);
                Breaker::Open(now.plus_ms(wait), times.saturating_add(1))
            }
        };
    }

    /// The forge wants no request before then.
    pub fn pause(&mut self, until: Timestamp) {
        self.paused = Some(self.paused.map_or(until, |was| was.max(until)));
    }
}

fn doubled(first: u64, times: u32, most: u64) -> u64 {
    first.saturating_mul(1u64.checked_shl(times.min(40)).unwrap_or(u64::MAX)).min(most)
}

/// Wait before the next try after `tries` failed ones, in milliseconds: it doubles, and chance (0 to 1) takes up to half of
/// it away, so that many statuses do not come back at once.
pub fn wait_ms(first_ms: u64, tries: u32, chance: f64) -> u64 {
    let whole = doubled(first_ms, tries.saturating_sub(1), MAX_WAIT_MS);
    let half = whole / 2;
    half + (half as f64 * chance.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp(0).plus_ms(ms)
    }

    fn upstream() -> Upstream {
        Upstream::new(Budget { burst: 3, per_minute: 60, ..Budget::default() }, at(0))
    }

    #[test]
    fn the_budget_is_a_burst_and_then_a_rate() {
        let mut up = upstream();
        let taken = (0..5).filter(|_| up.take(at(0)) == Permit::Now).count();
        assert_eq!(taken, 3);
        assert_eq!(up.take(at(0)), Permit::NotBefore(at(1000)));
        assert_eq!(up.take(at(1000)), Permit::Now);
        assert_eq!(up.take(at(1500)), Permit::NotBefore(at(2000)));
        let minute = (1500..61_500).filter(|ms| up.take(at(*ms)) == Permit::Now).count();
        assert_eq!(minute, 60);
        let later = (0..9).filter(|_| up.take(at(900_000)) == Permit::Now).count();
        assert_eq!(later, 3, "a quiet time saves up a burst and no more");
    }

    #[test]
    fn a_failing_forge_is_left_alone_and_probed_by_one_request() {
        let mut up = upstream();
        (1..FAILURES_TO_OPEN).for_each(|_| up.failed(at(0)));
        assert!(!up.is_open());
        up.answered();
        (0..FAILURES_TO_OPEN).for_each(|_| up.failed(at(0)));
        assert_eq!(up.take(at(9_999)), Permit::NotBefore(at(10_000)));
        up.failed(at(9_000));
        assert_eq!(up.take(at(10_000)), Permit::Probe);
        assert!(matches!(up.take(at(10_001)), Permit::NotBefore(_)), "one probe at a time");
        up.failed(at(10_500));
        assert_eq!(up.take(at(10_501)), Permit::NotBefore(at(30_500)));
        assert_eq!(up.take(at(30_500)), Permit::Probe);
        up.answered();
        assert!(!up.is_open());
        assert_eq!(up.take(at(30_501)), Permit::Now);
        (0..FAILURES_TO_OPEN).for_each(|_| up.failed(at(40_000)));
        let mut now = 40_000;
        for _ in 0..20 {
            let Permit::NotBefore(then) = up.take(at(now)) else { panic!() };
            assert!(then.ms_since(at(now)) <= MAX_OPEN_MS);
            now = then.ms_since(at(0));
            assert_eq!(up.take(at(now)), Permit::Probe);
            up.failed(at(now));
        }
    }

    #[test]
    fn a_pause_holds_everything() {
        let mut up = upstream();
        up.pause(at(500));
        up.pause(at(300));
        assert_eq!(up.take(at(499)), Permit::NotBefore(at(500)));
        assert_eq!(up.take(at(500)), Permit::Now);
    }

    #[test]
    fn waits_double_within_bounds() {
        assert_eq!((wait_ms(2_000, 1, 0.0), wait_ms(2_000, 1, 1.0)), (1_000, 2_000));
        assert_eq!((wait_ms(2_000, 4, 0.0), wait_ms(2_000, 4, 1.0)), (8_000, 16_000));
        assert_eq!(wait_ms(2_000, u32::MAX, 1.0), MAX_WAIT_MS);
        assert_eq!(wait_ms(2_000, 0, 1.0), 2_000);
    }
}
