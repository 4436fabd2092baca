//! A backup of a hub at work, and a hub from it, on the other engine: what was unfinished goes on.

use gantry_api::lease::Secret;
use gantry_core::{Outcome, Verdict};
use gantry_server::HubOptions;
use gantry_server::backup::{BackupError, backup, restore};
use gantry_testkit::postgres::Postgres;

use crate::support::{ONE_JOB, completion, line, outcome};
use crate::world::{config, kill, known, repository, service, service_with};

#[tokio::test]
async fn a_hub_goes_on_from_a_backup_on_another_engine() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let with = || config(vec![known(&dir, "app", &[])]);
    let data = tmp.path().join("data");
    let first = service(&data, with()).await;
    let runner = first.runner(1).await;
    let event = first.dispatch("acme/app", "push").await;
    let lease = runner.lease().await;
    let text = line("kept");
    runner.log(&lease, 0, &text).await.unwrap();
    runner.complete(&lease, Verdict::success()).await;
    first.ended(event.id).await;
    let waits = first.dispatch("acme/app", "push").await;
    // The hub runs on meanwhile, and what it does later is not in the backup.
    let file = tmp.path().join("hub.tar.zst");
    let written = backup(&data, None, &file).await.unwrap();
    assert!(written.files >= 2, "{written:?}");
    first.dispatch("acme/app", "push").await;
    drop(runner);
    kill(first).await;
    let again = backup(&data, None, &file).await;
    assert!(matches!(again, Err(BackupError::File { .. })), "{again:?}");
    let taken = restore(&file, &data, None).await;
    assert!(matches!(taken, Err(BackupError::Occupied(_))), "{taken:?}");

    let server = match Postgres::start() {
        Ok(server) => server,
        Err(reason) => return gantry_testkit::skip(format!("on PostgreSQL: {reason}")),
    };
    let url = Secret(server.url());
    let other = tmp.path().join("other");
    let restored = restore(&file, &other, Some(&url)).await.unwrap();
    assert_eq!((restored.manifest.rows, restored.files), (written.manifest.rows, written.files));
    let options = HubOptions { database: Some(url), ..HubOptions::default() };
    let second = service_with(&other, options, with()).await;
    assert_eq!(outcome(&second.views(event.id).await[0]), Outcome::Success);
    assert_eq!(second.hub.reader().log(lease.attempt, 0, 1_000).await.unwrap(), text);
    assert_eq!(second.hub.reader().events(10).await.unwrap().len(), 2);
    let runner = second.runner(1).await;
    let _work = runner.work(|lease| completion(lease, Verdict::success()));
    assert_eq!(outcome(&second.ended(waits.id).await[0]), Outcome::Success);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_leaves_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = repository(&tmp.path().join("src"), "app", ONE_JOB);
    let data = tmp.path().join("data");
    let hub = service(&data, config(vec![known(&dir, "app", &[])])).await;
    hub.dispatch("acme/app", "push").await;
    let file = tmp.path().join("hub.tar.zst");
    backup(&data, None, &file).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let other = tmp.path().join("other");
    for cut in [0, 10, whole.len() / 2, whole.len() - 5] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        let refused = restore(&file, &other, None).await;
        assert!(matches!(refused, Err(BackupError::Damaged { .. })), "{cut}: {refused:?}");
        assert!(!other.join("hub.db").exists() && !other.join("blobs").exists(), "{cut}");
    }
    std::fs::write(&file, &whole).unwrap();
    restore(&file, &other, None).await.unwrap();
}
