//! The sender with commit statuses: nothing is lost and the newest state wins, whatever the forge does meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gantry_api::lease::Secret;
use gantry_core::{Outcome, Timestamp};
use gantry_server::forge::ForgeKind;
use gantry_server::forge::report::upstream::Budget;
use gantry_server::forge::report::{
    Auth, Connection, Connections, Outbox, ReportState, RunReport, Sender, SenderOptions,
};
use gantry_store::Db;
use gantry_store::statuses::StatusRecord;
use tokio_util::sync::CancellationToken;

use crate::desired::{ended, report};
use crate::fake::{Fake, Fault};

/// Waits for a state; the time is only there to end a test that will never be.
pub async fn until(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came: {what}");
}

/// A hub's part of it: a store, an outbox and, while it runs, a sender.
pub struct Side {
    pub outbox: Outbox,
    pub db: Db,
    pub connections: Arc<Book>,
    pub sender: Option<(Arc<Sender>, CancellationToken, tokio::task::JoinHandle<()>)>,
    dir: tempfile::TempDir,
}

/// Connections that a test may change.
#[derive(Default)]
pub struct Book(pub Mutex<HashMap<String, Connection>>);

impl Connections for Book {
    fn connection(&self, name: &str) -> Option<Connection> {
        self.0.lock().unwrap().get(name).cloned()
    }
}

/// Quick waits, so that tests end soon; nothing is asserted about them.
pub fn options() -> SenderOptions {
    let budget = Budget { burst: 1000, per_minute: 60_000, first_open_ms: 20, first_wait_ms: 20 };
    SenderOptions { budget, request_timeout: Duration::from_secs(200), at_once: 4 }
}

impl Side {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&dir.path().join("hub.db")).await.unwrap();
        Self { outbox: Outbox::new(db.clone()), db, connections: Arc::default(), sender: None, dir }
    }

    pub fn connect(&self, name: &str, forge: ForgeKind, api_url: &str, auth: Auth) {
        let connection =
            Connection { name: name.to_owned(), forge, api_url: api_url.to_owned(), auth };
        self.connections.0.lock().unwrap().insert(name.to_owned(), connection);
    }

    pub fn start(&mut self, options: SenderOptions) {
        let connections = Arc::clone(&self.connections) as Arc<dyn Connections>;
        let sender = Arc::new(Sender::new(self.outbox.clone(), connections, options).unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&sender).run(stop.clone()));
        self.sender = Some((sender, stop, task));
    }

    pub async fn stop(&mut self) {
        let (_, stop, task) = self.sender.take().unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    /// Another process on the same store.
    pub async fn reopen(&mut self) {
        if let Some((_, _, task)) = self.sender.take() {
            // Killed, not stopped.
            task.abort();
            let _ = task.await;
        }
        self.db = Db::open_sqlite(&self.dir.path().join("hub.db")).await.unwrap();
        self.outbox = Outbox::new(self.db.clone());
    }

    pub async fn want(&self, reports: &[RunReport]) -> usize {
        self.outbox.want(reports, now()).await.unwrap()
    }

    pub async fn records(&self) -> Vec<StatusRecord> {
        self.db
            .read()
            .await
            .unwrap()
            .status_list_by_commit("acme/app", &"a".repeat(40))
            .await
            .unwrap()
    }

    /// Waits until nothing waits any more.
    pub async fn quiet(&self) {
        for _ in 0..6_000 {
            if self.db.read().await.unwrap().status_waiting().await.unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never quiet: {:?}", self.records().await);
    }
}

pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

pub fn token(text: &str) -> Auth {
    Auth::Token(Secret(text.to_owned()))
}

/// A forge of a kind, and a hub that is connected to it.
async fn pair(kind: ForgeKind) -> (Arc<Fake>, Side) {
    let fake = Fake::start(kind).await;
    let side = Side::new().await;
    side.connect("forge", kind, &fake.url, token("s3cret"));
    (fake, side)
}

fn states(fake: &Fake, path: &str, name: &str) -> Vec<String> {
    fake.seen().statuses.get(&(path.to_owned(), name.to_owned())).cloned().unwrap_or_default()
}

fn with(kind: ForgeKind, state: ReportState) -> RunReport {
    RunReport { state, ..report(kind) }
}

#[tokio::test]
async fn each_forge_is_told_in_its_own_way() {
    let sha = "a".repeat(40);
    for (kind, path, authorization, words) in [
        (
            ForgeKind::GitHub,
            format!("/repos/acme/app/statuses/{sha}"),
            "Bearer s3cret",
            ["pending", "success"],
        ),
        (
            ForgeKind::GitLab,
            format!("/projects/acme%2Fapp/statuses/{sha}"),
            "Bearer s3cret",
            ["running", "success"],
        ),
        (
            ForgeKind::Gitea,
            format!("/repos/acme/app/statuses/{sha}"),
            "token s3cret",
            ["pending", "success"],
        ),
        (
            ForgeKind::Forgejo,
            format!("/repos/acme/app/statuses/{sha}"),
            "token s3cret",
            ["pending", "success"],
        ),
    ] {
        let (fake, mut side) = pair(kind).await;
        side.start(options());
        side.want(&[with(kind, ReportState::Running)]).await;
        until("the first state", || !states(&fake, &path, "CI / build (push)").is_empty()).await;
        side.want(&[with(kind, ended(Outcome::Success))]).await;
        side.quiet().await;
        side.stop().await;
        assert_eq!(states(&fake, &path, "CI / build (push)"), words, "{kind}");
        assert_eq!(fake.seen().authorizations.iter().collect::<Vec<_>>(), [authorization]);
        fake.assert_no_problems();
    }
}

#[tokio::test]
async fn only_the_newest_state_is_sent_and_late_ones_change_nothing() {
    let (fake, mut side) = pair(ForgeKind::Gitea).await;
    let at = |state| with(ForgeKind::Gitea, state);
    side.want(&[at(ReportState::Queued), at(ReportState::Running)]).await;
    side.want(&[at(ended(Outcome::Failure))]).await;
    assert_eq!(side.want(&[at(ReportState::Running), at(ended(Outcome::Failure))]).await, 0);
    side.start(options());
    side.quiet().await;
    side.stop().await;
    let path = format!("/repos/acme/app/statuses/{}", "a".repeat(40));
    assert_eq!(states(&fake, &path, "CI / build (push)"), ["failure"]);
    assert_eq!(fake.seen().requests.len(), 1);
}

#[tokio::test]
async fn a_forge_that_fails_gets_the_newest_state_once_it_is_back() {
    let (fake, mut side) = pair(ForgeKind::Gitea).await;
    fake.fails([
        Fault::Answer(500, vec![]),
        Fault::Answer(429, vec![("retry-after", "1".to_owned())]),
        Fault::Answer(502, vec![]),
        Fault::Answer(503, vec![("retry-after", "0".to_owned())]),
        Fault::Answer(401, vec![]),
        Fault::TakenAndLost,
    ]);
    side.start(options());
    let reports: Vec<RunReport> = (0..40)
        .map(|n| RunReport {
            job: Some(format!("job {n}")),
            ..with(ForgeKind::Gitea, ReportState::Running)
        })
        .collect();
    side.want(&reports).await;
    until("failures", || fake.seen().faults.is_empty()).await;
    let done: Vec<RunReport> =
        reports.iter().map(|r| RunReport { state: ended(Outcome::Success), ..r.clone() }).collect();
    side.want(&done).await;
    side.quiet().await;
    side.stop().await;
    let statuses = fake.seen().statuses.clone();
    assert_eq!(statuses.len(), 40, "none is lost");
    assert!(statuses.values().all(|states| states.last().unwrap() == "success"), "{statuses:?}");
    assert!(
        side.records().await.iter().all(|r| r.sent_version == r.version && r.last_error.is_none())
    );
    fake.assert_no_problems();
}

#[tokio::test]
async fn a_limit_that_is_used_up_holds_the_rest_back() {
    let (fake, mut side) = pair(ForgeKind::GitHub).await;
    // Full for half an hour: what comes after the first request stays where it is.
    let reset = (jiff::Timestamp::now().as_second() + 1800).to_string();
    fake.fails([Fault::Answer(
        403,
        vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)],
    )]);
    side.want(&[with(ForgeKind::GitHub, ended(Outcome::Success))]).await;
    side.start(options());
    until("the refusal", || fake.seen().faults.is_empty()).await;
    for n in 0..5 {
        side.want(&[RunReport {
            job: Some(format!("job {n}")),
            ..with(ForgeKind::GitHub, ended(Outcome::Success))
        }])
        .await;
    }
    // Another connection is not held back by it.
    let other = Fake::start(ForgeKind::Gitea).await;
    side.connect("other", ForgeKind::Gitea, &other.url, token("t"));
    side.want(&[RunReport {
        connection: "other".to_owned(),
        ..with(ForgeKind::Gitea, ended(Outcome::Success))
    }])
    .await;
    until("the other forge", || !other.seen().statuses.is_empty()).await;
    side.stop().await;
    assert_eq!(fake.seen().requests.len(), 1);
    let records = side.records().await;
    assert_eq!(records.iter().filter(|r| r.next_try.is_some()).count(), 6, "{records:?}");
}

#[tokio::test]
async fn a_forge_that_does_not_answer_holds_nobody_else() {
    let (slow, mut side) = pair(ForgeKind::GitLab).await;
    slow.fails([Fault::Hang, Fault::Hang]);
    let quick = Fake::start(ForgeKind::Gitea).await;
    side.connect("quick", ForgeKind::Gitea, &quick.url, token("t"));
    side.start(options());
    let one = |n: u32| RunReport {
        job: Some(format!("job {n}")),
        ..with(ForgeKind::GitLab, ended(Outcome::Success))
    };
    side.want(&[one(1), one(2)]).await;
    until("two requests that hang", || slow.seen().requests.len() == 2).await;
    // Wanting is a write to the store: it does not wait for the forge. The other forge gets its status meanwhile.
    side.want(&[RunReport {
        connection: "quick".to_owned(),
        ..with(ForgeKind::Gitea, ended(Outcome::Failure))
    }])
    .await;
    until("the quick forge", || !quick.seen().statuses.is_empty()).await;
    assert_eq!(slow.seen().statuses.len(), 0);
    slow.release();
    side.quiet().await;
    side.stop().await;
    assert_eq!(slow.seen().statuses.len(), 2);
}

#[tokio::test]
async fn a_request_without_an_answer_is_made_again() {
    let (fake, mut side) = pair(ForgeKind::Forgejo).await;
    fake.fails([Fault::Hang]);
    side.start(SenderOptions { request_timeout: Duration::from_millis(300), ..options() });
    side.want(&[with(ForgeKind::Forgejo, ended(Outcome::Success))]).await;
    side.quiet().await;
    side.stop().await;
    assert!(fake.seen().requests.len() >= 2);
    assert_eq!(fake.seen().statuses.len(), 1);
}

#[tokio::test]
async fn after_an_outage_and_a_kill_everything_is_sent() {
    // An address where nobody listens.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let mut side = Side::new().await;
    side.connect("forge", ForgeKind::Gitea, &closed, token("t"));
    side.start(options());
    let jobs = |state: ReportState| -> Vec<RunReport> {
        let one = |n| RunReport {
            job: Some(format!("job {n}")),
            ..with(ForgeKind::Gitea, state.clone())
        };
        (0..20).map(one).collect()
    };
    side.want(&jobs(ReportState::Running)).await;
    let sender = Arc::clone(&side.sender.as_ref().unwrap().0);
    until("an open circuit", || sender.open_circuits() == ["forge"]).await;
    side.want(&jobs(ended(Outcome::Success))).await;
    side.reopen().await;
    assert_eq!(side.records().await.len(), 20);
    let fake = Fake::start(ForgeKind::Gitea).await;
    side.connect("forge", ForgeKind::Gitea, &fake.url, token("t"));
    side.start(options());
    side.quiet().await;
    side.stop().await;
    assert_eq!(fake.seen().statuses.len(), 20);
    assert!(
        fake.seen().statuses.values().all(|states| states == &["success"]),
        "{:?}",
        fake.seen().statuses
    );
}

#[tokio::test]
async fn what_the_forge_refuses_is_given_up_and_the_rest_is_not() {
    let (fake, mut side) = pair(ForgeKind::Gitea).await;
    let bad = RunReport {
        repository: "acme".to_owned(),
        ..with(ForgeKind::Gitea, ended(Outcome::Success))
    };
    side.want(&[bad, with(ForgeKind::Gitea, ended(Outcome::Success))]).await;
    side.start(options());
    side.quiet().await;
    side.stop().await;
    let refused =
        side.db.read().await.unwrap().status_list_by_commit("acme", &"a".repeat(40)).await.unwrap();
    let error = refused[0].last_error.clone().unwrap();
    assert!(error.starts_with("status 422") && refused[0].sent.is_none(), "{error}");
    assert_eq!(fake.seen().statuses.len(), 1);
}

#[tokio::test]
async fn a_connection_that_is_gone_keeps_its_statuses_until_it_is_back() {
    let (fake, mut side) = pair(ForgeKind::Gitea).await;
    side.connections.0.lock().unwrap().clear();
    side.want(&[with(ForgeKind::Gitea, ended(Outcome::Success))]).await;
    side.start(options());
    let record = loop {
        let record = side.records().await.remove(0);
        if record.last_error.is_some() {
            break record;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    side.stop().await;
    assert!(record.last_error.unwrap().contains("no connection `forge`"));
    assert_eq!((record.tries, fake.seen().requests.len()), (0, 0));
    assert!(record.next_try.is_some());
}

#[test]
fn secrets_are_not_shown() {
    let auth = Auth::App { id: "Iv1.test".to_owned(), key: Secret("-----BEGIN".to_owned()) };
    for auth in [auth, token("s3cret")] {
        let connection = Connection {
            name: "x".to_owned(),
            forge: ForgeKind::GitHub,
            api_url: String::new(),
            auth,
        };
        let shown = format!("{connection:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("BEGIN"), "{shown}");
    }
}
