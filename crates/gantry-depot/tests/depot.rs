//! Blobs and logs on a real directory.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures::TryStreamExt as _;
use gantry_core::AttemptId;
use gantry_depot::{Depot, DepotError, LogSync, Logs};
use proptest::prelude::*;

fn body(parts: &[&[u8]]) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    let parts: Vec<_> = parts.iter().map(|p| Ok(Bytes::copy_from_slice(p))).collect();
    futures::stream::iter(parts)
}

async fn whole(depot: &Depot, digest: &gantry_core::Digest) -> Vec<u8> {
    let reader = depot.get(digest).await.expect("blob");
    let parts: Vec<Bytes> = reader.stream.try_collect().await.expect("bytes");
    let bytes = parts.concat();
    assert_eq!(bytes.len() as u64, reader.size);
    bytes
}

fn files_below(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir).map_or(0, |entries| {
        entries.flatten().map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
    })
}

#[tokio::test]
async fn a_blob_is_found_by_the_digest_of_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path()).unwrap();
    let blob = depot.put(body(&[b"hello ", b"world"]), 100).await.unwrap();
    assert_eq!(
        blob.digest.as_str(),
        "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
    );
    assert_eq!(whole(&depot, &blob.digest).await, b"hello world");
    let again = depot.put(body(&[b"hello world"]), 100).await.unwrap();
    assert_eq!(again, blob);
    assert_eq!(files_below(dir.path()), 1);
}

#[tokio::test]
async fn what_is_too_long_or_breaks_off_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path()).unwrap();
    let refused = depot.put(body(&[b"12345", b"67890"]), 9).await;
    assert!(matches!(refused, Err(DepotError::TooLarge { limit: 9 })));
    let broken =
        futures::stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("gone"))]);
    assert!(matches!(depot.put(broken, 9).await, Err(DepotError::Body(_))));
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn a_missing_blob_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path()).unwrap();
    let digest = gantry_core::Digest::from_sha256(&[7; 32]);
    assert!(matches!(depot.get(&digest).await, Err(DepotError::NotFound(d)) if d == digest));
    assert_eq!(depot.size(&digest).await.unwrap(), None);
}

#[tokio::test]
async fn a_large_file_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(&dir.path().join("blobs")).unwrap();
    let bytes: Vec<u8> =
        (0..12_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = dir.path().join("file");
    std::fs::write(&file, &bytes).unwrap();
    let blob = depot.put_file(&file, u64::MAX).await.unwrap();
    assert!(whole(&depot, &blob.digest).await == bytes);
}

#[tokio::test]
async fn a_log_refuses_gaps_and_ignores_repetition() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path(), LogSync::EveryPart).unwrap();
    let attempt = AttemptId(uuid::Uuid::from_u128(1));
    let add = |offset, text: &'static str| {
        logs.append(attempt, offset, Bytes::from_static(text.as_bytes()), 20)
    };
    assert_eq!(add(0, "one\n").await.unwrap(), 4);
    assert!(matches!(add(5, "x").await, Err(DepotError::Gap { length: 4, offset: 5 })));
    assert_eq!(add(0, "one\ntwo\n").await.unwrap(), 8);
    assert_eq!(add(4, "two\n").await.unwrap(), 8);
    assert!(matches!(add(8, "0123456789abc").await, Err(DepotError::TooLarge { limit: 20 })));
    assert_eq!(logs.read(attempt, 4, 100).await.unwrap(), "two\n");
    assert_eq!(logs.close(attempt).await.unwrap(), 8);
    assert_eq!(add(8, "more\n").await.unwrap(), 13);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever parts of a text are sent, repeated and overlapping, the log is a prefix of the text.
    #[test]
    fn a_log_is_always_a_prefix_of_what_was_sent(sends in proptest::collection::vec((0usize..60, 0usize..30), 1..30)) {
        let text: Vec<u8> = (0..100u8).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let logs = Logs::open(dir.path(), LogSync::AtEnd).unwrap();
            let attempt = AttemptId(uuid::Uuid::from_u128(2));
            for (from, len) in sends {
                let before = logs.length(attempt);
                let part = Bytes::copy_from_slice(&text[from..from + len]);
                let sent = logs.append(attempt, from as u64, part, 1_000).await;
                prop_assert_eq!(sent.is_err(), from as u64 > before);
                let all = logs.read(attempt, 0, 1_000).await.unwrap();
                prop_assert_eq!(&all[..], &text[..all.len()]);
                prop_assert!(all.len() as u64 >= before);
            }
            Ok(())
        })?;
    }
}
