//! The spool with a hub in memory.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gantry_api::artifact::{ArtifactInfo, CacheInfo, CacheQuery};
use gantry_api::report::{MachineInfo, ReportRequest, ReportResponse};
use gantry_core::{Digest, Fault, Timestamp, Usage, Verdict};
use indexmap::IndexMap;

use super::deliver::{Left, scan, settle, within_limits};
use super::*;
use crate::link::{ArtifactQuery, ArtifactUpload, ByteStream, HubLink, LinkError};

/// What a hub has of one lease, and what it says to everything.
#[derive(Default)]
struct Memory {
    log: Mutex<Vec<u8>>,
    ends: Mutex<Vec<CompleteRequest>>,
    refusal: Option<LinkError>,
}

impl Memory {
    fn answer<T>(&self, value: T) -> Result<T, LinkError> {
        self.refusal.clone().map_or(Ok(value), Err)
    }
}

fn never<T>() -> BoxFuture<'static, T> {
    unreachable!("a spool asks for no such thing")
}

impl HubLink for Memory {
    fn report(&self, _: ReportRequest) -> BoxFuture<'_, Result<ReportResponse, LinkError>> {
        never()
    }
    fn append_log(&self, offset: u64, bytes: Bytes) -> BoxFuture<'_, Result<u64, LinkError>> {
        let mut log = self.log.lock().unwrap();
        let skip = log.len() - usize::try_from(offset).unwrap();
        log.extend_from_slice(&bytes[skip.min(bytes.len())..]);
        let answer = self.answer(log.len() as u64);
        async move { answer }.boxed()
    }
    fn complete(&self, end: CompleteRequest) -> BoxFuture<'_, Result<(), LinkError>> {
        let answer = self.answer(());
        if answer.is_ok() {
            assert!(end.log_bytes <= self.log.lock().unwrap().len() as u64);
            self.ends.lock().unwrap().push(end);
        }
        async move { answer }.boxed()
    }
    fn blob(&self, _: Digest) -> BoxFuture<'_, Result<ByteStream, LinkError>> {
        never()
    }
    fn artifacts(&self, _: ArtifactQuery) -> BoxFuture<'_, Result<Vec<ArtifactInfo>, LinkError>> {
        never()
    }
    fn remove_artifact(&self, _: String) -> BoxFuture<'_, Result<(), LinkError>> {
        never()
    }
    fn upload_artifact(
        &self,
        _: ArtifactUpload,
        _: ByteStream,
    ) -> BoxFuture<'_, Result<ArtifactInfo, LinkError>> {
        never()
    }
    fn cache_lookup(&self, _: CacheQuery) -> BoxFuture<'_, Result<Option<CacheInfo>, LinkError>> {
        never()
    }
    fn cache_save(
        &self,
        _: String,
        _: String,
        _: ByteStream,
    ) -> BoxFuture<'_, Result<(), LinkError>> {
        never()
    }
}

fn end(verdict: Verdict, ended: i64, log_bytes: u64) -> CompleteRequest {
    CompleteRequest {
        epoch: 1,
        verdict,
        outputs: IndexMap::new(),
        steps: vec![],
        usage: Usage::default(),
        started_at: Timestamp(1),
        ended_at: Timestamp(ended),
        annotations: vec![],
        summary: String::new(),
        denials: vec![],
        destinations: vec![],
        caches: vec![],
        tests: None,
        machine: MachineInfo::default(),
        log_bytes,
    }
}

fn lost() -> CompleteRequest {
    end(Verdict::failure(Fault::Infra, "the runner's process ended"), 2, 0)
}

struct Place {
    dir: tempfile::TempDir,
    spool: Spool,
    lease: LeaseId,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::new(dir.path(), "http://127.0.0.1:1", "the-runners-token");
    Place { spool, dir, lease: LeaseId(uuid::Uuid::from_u128(7)) }
}

impl Place {
    fn left(&self) -> Vec<Left> {
        scan(&directory(self.dir.path()))
    }
}

const LINES: &[u8] = b"{\"a\":1}\n{\"a\":2}\n";

#[tokio::test]
async fn an_end_that_nobody_took_is_sent_with_the_log_that_the_hub_lacks() {
    let place = place();
    let (entry, mut log) = place.spool.begin(place.lease, &lost()).unwrap();
    log.write_all(LINES).unwrap();
    assert!(place.left().is_empty(), "an entry of a living attempt is its own");
    entry.end(&end(Verdict::success(), 3, LINES.len() as u64)).unwrap();
    drop((entry, log));
    let hub = Memory { log: Mutex::new(LINES[..8].to_vec()), ..Memory::default() };
    let left = place.left().pop().unwrap();
    assert!(!settle(left, &hub).await);
    assert_eq!(*hub.log.lock().unwrap(), LINES);
    assert_eq!(hub.ends.lock().unwrap()[0].verdict, Verdict::success());
    assert!(place.left().is_empty(), "what was taken is not sent twice");
}

#[tokio::test]
async fn an_attempt_that_ended_with_its_process_is_reported_as_lost_with_its_whole_lines() {
    let place = place();
    let (entry, mut log) = place.spool.begin(place.lease, &lost()).unwrap();
    log.write_all(LINES).unwrap();
    log.write_all(b"{\"a\":").unwrap();
    drop((entry, log));
    // As a process that ended while it wrote the true end.
    let dir = directory(place.dir.path()).join(place.lease.to_string());
    std::fs::write(dir.join(FRESH), b"{\"hub\":").unwrap();
    let hub = Memory::default();
    assert!(!settle(place.left().pop().unwrap(), &hub).await);
    assert_eq!(*hub.log.lock().unwrap(), LINES);
    assert_eq!(hub.ends.lock().unwrap()[0].verdict.fault, Some(Fault::Infra));
}

#[tokio::test]
async fn a_stale_lease_drops_the_entry_and_a_hub_that_is_away_keeps_it() {
    let place = place();
    drop(place.spool.begin(place.lease, &lost()).unwrap());
    let away = Memory {
        refusal: Some(LinkError::Unreachable("nobody listens".to_owned())),
        ..Memory::default()
    };
    assert!(settle(place.left().pop().unwrap(), &away).await);
    assert_eq!(place.left().len(), 1);
    let stale =
        Memory { refusal: Some(LinkError::Fenced("stale".to_owned())), ..Memory::default() };
    assert!(!settle(place.left().pop().unwrap(), &stale).await);
    assert!(place.left().is_empty());
}

#[test]
fn a_torn_report_is_dropped() {
    let place = place();
    drop(place.spool.begin(place.lease, &lost()).unwrap());
    let dir = directory(place.dir.path()).join(place.lease.to_string());
    std::fs::write(dir.join(REPORT), b"{\"hub\":").unwrap();
    assert!(place.left().is_empty());
    assert!(!dir.exists());
}

#[test]
fn an_end_that_cannot_be_written_leaves_the_report_before() {
    let place = place();
    let (entry, log) = place.spool.begin(place.lease, &lost()).unwrap();
    let dir = directory(place.dir.path()).join(place.lease.to_string());
    // A directory in its place refuses the file, as a full disk does, and for root too.
    std::fs::create_dir(dir.join(FRESH)).unwrap();
    entry.end(&end(Verdict::success(), 3, 0)).unwrap_err();
    drop((entry, log));
    let kept = within_limits(place.left(), Timestamp(4));
    assert_eq!(kept.len(), 1);
}

#[test]
fn what_is_too_old_is_dropped() {
    let place = place();
    drop(place.spool.begin(place.lease, &lost()).unwrap());
    assert_eq!(within_limits(place.left(), Timestamp(3)).len(), 1);
    let later = Timestamp(3).plus_ms(MAX_SPOOL_AGE_MS + 1);
    assert!(within_limits(place.left(), later).is_empty());
    assert!(place.left().is_empty());
}

#[test]
fn only_the_owner_reads_and_debug_shows_no_credential() {
    let place = place();
    let (entry, _log) = place.spool.begin(place.lease, &lost()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = directory(place.dir.path()).join(place.lease.to_string());
    assert_eq!((mode(&dir), mode(&dir.join(LOG)), mode(&dir.join(REPORT))), (0o700, 0o600, 0o600));
    assert!(!format!("{entry:?}").contains("the-runners-token"));
}
