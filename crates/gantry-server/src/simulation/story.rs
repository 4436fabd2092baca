//! One story: so many steps in an order that the seed gives, with everything that can go wrong, then peace, then the
//! reckoning.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use gantry_core::Timestamp;

use super::check::{self, Seen};
use super::forge::{self, Delivery};
use super::runner::{Call, Runner, What};
use super::world::{Answer, World};
use super::{Random, with};
use crate::driver::cancel;
use crate::service::{Configuration, Dispatch, Rerun, Which, accept, rerun, runs, schedule};
use crate::state::Shared;

/// Steps with faults.
const STEPS: u32 = 250;
/// Rounds of peace until everything has to be over.
const PEACE: u32 = 600;
const RUNNERS: usize = 3;
/// Lines of a trace that a failure shows.
const SHOWN: usize = 60;
const MINUTE: i64 = 60_000;

/// How a story went.
#[derive(Debug)]
pub(super) struct Told {
    pub trace: Vec<String>,
    pub deaths: u32,
    pub runs: usize,
    pub attempts: usize,
}

struct Story {
    world: World,
    runners: Vec<Runner>,
    seen: Seen,
    /// Requests that come later than anybody waits for.
    late: Vec<Call>,
    /// Deliveries that the forge still has to make.
    due: Vec<Delivery>,
}

/// Tells the story of a seed.
///
/// # Errors
/// Something did not hold; the end of the trace is told.
pub(super) async fn tell(seed: u64) -> anyhow::Result<Told> {
    let mut story = Story {
        world: World::new(seed),
        runners: (0..RUNNERS).map(Runner::new).collect(),
        seen: Seen::default(),
        late: Vec::new(),
        due: Vec::new(),
    };
    let done = story.all().await;
    let trace = &story.world.trace;
    let last = trace[trace.len().saturating_sub(SHOWN)..].join("\n");
    let (runs, attempts) = done.with_context(|| format!("seed {seed} after\n{last}\n"))?;
    let (trace, deaths) = (std::mem::take(&mut story.world.trace), story.world.deaths);
    Ok(Told { trace, deaths, runs, attempts })
}

impl Story {
    async fn all(&mut self) -> anyhow::Result<(usize, usize)> {
        for _ in 0..STEPS {
            let pause = self.random().below(300) as i64;
            self.world.pass(pause);
            self.step().await?;
            if let Some(hub) = &self.world.hub {
                check::moment(&hub.driver.shared, &mut self.seen).await?;
            }
        }
        self.peace().await?;
        let hub = self.world.hub.as_ref().context("no hub")?;
        let shared = hub.driver.shared.clone();
        check::moment(&shared, &mut self.seen).await?;
        check::end(&shared, &self.seen).await?;
        let mut conn = shared.db.read().await?;
        let runs = conn.run_list(100_000).await?;
        let mut attempts = 0;
        for run in &runs {
            attempts += conn.attempt_list(run.id).await?.len();
        }
        Ok((runs.len(), attempts))
    }

    fn random(&mut self) -> &mut Random {
        &mut self.world.random
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        if self.world.hub.is_none() && self.random().percent(40) {
            return self.open().await;
        }
        match self.random().below(100) {
            0..32 => self.runner().await?,
            32..50 => self.drive(false).await?,
            50..57 => self.tick().await?,
            57..67 => drop(self.world.decide().await?),
            67..76 => self.forge().await,
            76..80 => self.user().await?,
            80..83 => self.look().await,
            83..85 => self.schedules().await,
            85..89 => self.late().await?,
            89..91 => self.world.die(),
            91..95 => self.runners_fault(),
            95 => self.servers(),
            96 if self.world.broken => self.world.mend_store().await?,
            97 => self.clock(),
            98 => self.store().await?,
            _ => {
                let pause = self.random().below(20_000) as i64;
                self.world.pass(pause);
            }
        }
        if self.world.hub.is_none() {
            self.cut();
        }
        Ok(())
    }

    async fn open(&mut self) -> anyhow::Result<()> {
        self.cut();
        self.world.open().await
    }

    /// The connections of a hub that is gone break.
    fn cut(&mut self) {
        for runner in &mut self.runners {
            runner.polls = false;
        }
    }

    /// Everything works from now on: the story has to come to its end.
    async fn peace(&mut self) -> anyhow::Result<()> {
        self.world.deadly = false;
        self.world.note("peace");
        with(|nature| nature.servers.away = false);
        if self.world.broken {
            self.world.mend_store().await?;
        }
        for runner in &mut self.runners {
            runner.frozen = Timestamp(0);
        }
        for _ in 0..PEACE {
            if self.world.hub.is_none() {
                self.open().await?;
            }
            if let Some(call) = self.late.pop() {
                self.send_late(call).await?;
            }
            for delivery in std::mem::take(&mut self.due) {
                self.deliver(delivery).await;
            }
            while self.world.decide().await? {}
            for n in 0..RUNNERS {
                for _ in 0..4 {
                    self.act(n, true).await?;
                }
            }
            self.drive(true).await?;
            self.tick().await?;
            self.world.pass(1_500);
            let hub = self.world.hub.as_ref().context("the hub died in peace")?;
            let shared = hub.driver.shared.clone();
            let idle = self.runners.iter().all(Runner::is_idle) && self.late.is_empty();
            if idle && check::is_quiet(&shared).await? {
                return Ok(());
            }
        }
        let shared = self.world.hub.as_ref().context("no hub")?.driver.shared.clone();
        let mut conn = shared.db.read().await?;
        let (open, events) =
            (conn.run_list_open(&shared.domain).await?, conn.event_count_open().await?);
        anyhow::bail!("it never settles: {events} events, {open:#?}")
    }

    async fn drive(&mut self, all: bool) -> anyhow::Result<()> {
        let answers = self.world.drive(all).await?;
        self.polled(answers, all)
    }

    async fn tick(&mut self) -> anyhow::Result<()> {
        let answers = self.world.tick().await?;
        let peace = !self.world.deadly;
        self.polled(answers, peace)
    }

    /// Answers of polls reach their runners, unless the network loses them.
    fn polled(&mut self, answers: Vec<(usize, Answer)>, safe: bool) -> anyhow::Result<()> {
        for (n, answer) in answers {
            let lost = !safe && self.random().percent(12);
            let leases = String::from_utf8_lossy(&answer.body).matches("\"lease\":").count();
            let how = if lost { "lost" } else { "heard" };
            self.world.note(format!("poll of {n} answered, {leases} leases, {how}"));
            self.hear(n, What::Poll, (!lost).then_some(&answer))?;
        }
        Ok(())
    }

    fn hear(&mut self, n: usize, what: What, answer: Option<&Answer>) -> anyhow::Result<()> {
        let seen = &mut self.seen.acknowledged;
        let heard = self.runners[n].hear(what, answer, &mut self.world.random, seen);
        heard.map_err(|e| anyhow::anyhow!("runner {n}: {e}"))
    }

    async fn runner(&mut self) -> anyhow::Result<()> {
        let n = self.random().below(RUNNERS);
        self.act(n, false).await
    }

    async fn act(&mut self, n: usize, safe: bool) -> anyhow::Result<()> {
        let now = crate::ids::now();
        if self.runners[n].frozen > now {
            return Ok(());
        }
        let Some(call) = self.runners[n].next(&mut self.world.random, now) else { return Ok(()) };
        let what = call.what;
        if what == What::Poll {
            self.world.hang_up(n);
            if let Some(answer) = self.world.poll(n, call.request()).await {
                self.hear(n, what, Some(&answer))?;
            } else if self.world.hub.is_none() {
                self.hear(n, what, None)?;
            }
            return Ok(());
        }
        let way = if safe { 99 } else { self.random().below(100) };
        let (times, heard) = match way {
            0..8 => (0, false),
            8..16 => (1, false),
            16..22 => (2, true),
            22..28 => {
                self.late.push(call.clone());
                (0, false)
            }
            _ => (1, true),
        };
        let mut answer = None;
        for _ in 0..times {
            answer = self.send(&call).await?;
        }
        let status = answer.as_ref().map(|a| a.status.as_u16());
        self.world.note(format!("{n} {what:?} × {times}: {status:?}, heard: {heard}"));
        self.hear(n, what, answer.as_ref().filter(|_| heard))
    }

    /// Sends a request; what is about a lease that was taken back must be refused.
    async fn send(&mut self, call: &Call) -> anyhow::Result<Option<Answer>> {
        let refused = self.must_be_refused(call).await?;
        let answer = self.world.ask(call.request()).await;
        if let Some(answer) = &answer {
            ensure!(!refused || !answer.status.is_success(), "taken after its lease: {call:?}");
        }
        Ok(answer)
    }

    async fn must_be_refused(&self, call: &Call) -> anyhow::Result<bool> {
        let (Some((lease, epoch)), Some(hub)) = (call.about, &self.world.hub) else {
            return Ok(false);
        };
        let mut conn = hub.driver.shared.db.read().await?;
        let lease = conn.lease_fetch(lease).await?;
        let attempt = conn.attempt_fetch(lease.attempt).await?;
        let again = call.what == What::Complete && attempt.report != "null";
        Ok(lease.epoch != epoch || (lease.released.is_some() && !again))
    }

    async fn late(&mut self) -> anyhow::Result<()> {
        if self.late.is_empty() {
            return Ok(());
        }
        let n = self.late.len();
        let call = self.random().below(n);
        let call = self.late.swap_remove(call);
        self.send_late(call).await
    }

    async fn send_late(&mut self, call: Call) -> anyhow::Result<()> {
        let answer = self.send(&call).await?;
        let status = answer.map(|a| a.status.as_u16());
        self.world.note(format!("late {:?}: {status:?}", call.what));
        Ok(())
    }

    /// Somebody pushes, or the forge delivers what it has to deliver, or delivers it again.
    async fn forge(&mut self) {
        let what = self.random().below(3);
        if what == 0 || (self.due.is_empty() && self.seen.taken.is_empty()) {
            let place = self.random().below(forge::names().len());
            let pushed = with(|nature| {
                nature.servers.pushed[place] += 1;
                nature.servers.pushed[place]
            });
            self.due.push(Delivery::of(place, pushed.unwrap_or_default()));
            return;
        }
        let all = self.due.iter().chain(&self.seen.taken).cloned().collect::<Vec<_>>();
        let n = self.random().below(all.len());
        self.deliver(all[n].clone()).await;
    }

    async fn deliver(&mut self, delivery: Delivery) {
        let answer = self.world.ask(delivery.request()).await;
        let lost = self.world.deadly && self.random().percent(10);
        let status = answer.as_ref().map(|a| a.status.as_u16());
        self.world.note(format!("delivery {}: {status:?}", delivery.id));
        if status == Some(202) && !lost {
            self.due.retain(|d| *d != delivery);
            self.seen.taken.insert(delivery);
        } else if !self.due.contains(&delivery) && !self.seen.taken.contains(&delivery) {
            self.due.push(delivery);
        }
    }

    async fn user(&mut self) -> anyhow::Result<()> {
        let Some(hub) = &self.world.hub else { return Ok(()) };
        let shared = hub.driver.shared.clone();
        let mut conn = shared.db.read().await?;
        let known = conn.run_list(1_000).await?;
        if known.is_empty() {
            return Ok(());
        }
        let run = known[self.world.random.below(known.len())].clone();
        let jobs = conn.job_list(run.id).await?;
        drop((conn, shared));
        let what = self.random().below(5);
        self.world.note(format!("a user does {what} to {}", run.id));
        match what {
            0 => {
                let work = async |s: &Arc<Shared>| cancel::cancel(s, run.id, "unwanted").await;
                self.asked(work).await?;
            }
            1 if !jobs.is_empty() => {
                let job = jobs[self.random().below(jobs.len())].id;
                let work = async |s: &Arc<Shared>| runs::cancel_job(s, job, "unwanted").await;
                self.asked(work).await?;
            }
            2 => {
                let event = run.submission;
                // Of a try again there is no event.
                self.asked(async |s: &Arc<Shared>| accept::replay(s, event, "ada").await).await?;
            }
            3 => {
                let asked = Dispatch {
                    repository: "acme/app".to_owned(),
                    event: "workflow_dispatch".to_owned(),
                    actor: "ada".to_owned(),
                    ..Dispatch::default()
                };
                self.asked(async |s: &Arc<Shared>| accept::dispatch(s, asked).await).await?;
            }
            _ => self.rerun(run.id).await?,
        }
        Ok(())
    }

    async fn rerun(&mut self, run: gantry_core::RunId) -> anyhow::Result<()> {
        let which = if self.random().percent(50) { Which::All } else { Which::Failed };
        let asked = Rerun { which, configuration: Configuration::Latest, actor: "ada".to_owned() };
        let new = self.asked(async |s: &Arc<Shared>| rerun::rerun(s, run, asked).await).await?;
        self.seen.reruns.extend(new);
        Ok(())
    }

    /// What a user asks for; `None` when the hub says no, dies, or cannot.
    async fn asked<T>(
        &mut self,
        work: impl AsyncFnOnce(&Arc<Shared>) -> Result<T, crate::HubError>,
    ) -> anyhow::Result<Option<T>> {
        match self.world.user(work).await {
            Some(Err(error)) if is_refusal(&error) => Ok(None),
            Some(done) => self.world.forgive(done),
            None => Ok(None),
        }
    }

    async fn look(&mut self) {
        let names = forge::names();
        let name = names[self.random().below(names.len())].clone();
        let made = self.world.user(async |s| crate::service::hub::look(s, &name).await).await;
        self.world.note(format!("looks at {name}: {:?}", made.map(Result::ok)));
    }

    async fn schedules(&mut self) {
        let at = crate::ids::now();
        let made = self.world.user(async |s| schedule::fire(s, at).await).await;
        self.world.note(format!("schedules: {:?}", made.map(Result::ok)));
    }

    /// A runner dies, freezes, or loses its connection.
    fn runners_fault(&mut self) {
        let n = self.random().below(RUNNERS);
        match self.random().below(4) {
            0 => {
                self.world.note(format!("runner {n} dies"));
                self.world.hang_up(n);
                self.runners[n].die();
            }
            1 => {
                let ms = 20_000 + self.random().below(60_000) as u64;
                self.world.note(format!("runner {n} freezes for {ms} ms"));
                self.runners[n].frozen = crate::ids::now().plus_ms(ms);
            }
            _ => {
                self.world.note(format!("runner {n} hangs up"));
                self.world.hang_up(n);
                self.runners[n].polls = false;
            }
        }
    }

    fn servers(&mut self) {
        let away = with(|nature| {
            nature.servers.away = !nature.servers.away;
            nature.servers.away
        });
        self.world.note(format!("Git servers are away: {away:?}"));
    }

    /// Some writes fail from now on, or none any more.
    async fn store(&mut self) -> anyhow::Result<()> {
        match (self.world.broken, self.world.hub.is_some()) {
            (true, _) => self.world.mend_store().await,
            (false, true) => self.world.break_store().await,
            (false, false) => Ok(()),
        }
    }

    /// Somebody sets the clock.
    fn clock(&mut self) {
        let ms = self.random().below(25 * MINUTE as usize) as i64 - 5 * MINUTE;
        self.world.note(format!("the clock jumps by {ms} ms"));
        self.world.pass(ms);
    }
}

/// Whether an error says no rather than that something broke.
fn is_refusal(error: &crate::HubError) -> bool {
    use gantry_store::StoreError;
    matches!(
        error,
        crate::HubError::Conflict(_) | crate::HubError::Store(StoreError::NotFound { .. })
    )
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;

    fn number(variable: &str, default: u64) -> u64 {
        match std::env::var(variable) {
            Ok(text) => text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")),
            Err(_) => default,
        }
    }

    fn told(seed: u64) -> Told {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tell(seed)).unwrap_or_else(|e| panic!("{e:#}"))
    }

    /// `GANTRY_SEEDS` says how many, `GANTRY_SEED` where to begin.
    #[test]
    fn nothing_is_lost_or_done_twice_whatever_fails() {
        let (first, many) = (number("GANTRY_SEED", 1), number("GANTRY_SEEDS", 30));
        let begun = std::time::Instant::now();
        let (mut deaths, mut runs, mut attempts) = (0, 0, 0);
        for seed in first..first + many {
            let told = told(seed);
            deaths += told.deaths;
            runs += told.runs;
            attempts += told.attempts;
        }
        let took = begun.elapsed();
        println!("{many} seeds, {deaths} deaths, {runs} runs, {attempts} attempts, {took:?}");
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        for seed in [3, 14] {
            let digest = |told: &Told| {
                let mut hasher = DefaultHasher::new();
                told.trace.hash(&mut hasher);
                hasher.finish()
            };
            let (one, other) = (told(seed), told(seed));
            if digest(&one) != digest(&other) {
                let differ = one.trace.iter().zip(&other.trace).find(|(a, b)| a != b);
                panic!("seed {seed}: {differ:?}");
            }
        }
    }
}
