//! Sources: folders, Git URLs and archives become snapshots that git commands understand.

use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_core::{Digest, Outcome, Verdict};
use gantry_server::Source;

use crate::support::{ONE_JOB, TestHub, fleet, folder, outcome, reason, repo};

fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A folder with two commits, the second one tagged, and a file that is ignored.
fn under_git(at: &Path, workflow: &str) -> PathBuf {
    let dir = folder(at, "app", workflow);
    git(&dir, &["init", "--quiet", "-b", "trunk"]);
    std::fs::write(dir.join(".gitignore"), "*.tmp\n").unwrap();
    git(&dir, &["add", "."]);
    git(&dir, &["commit", "--quiet", "-m", "first"]);
    std::fs::write(dir.join("code.txt"), "two\n").unwrap();
    git(&dir, &["add", "."]);
    git(&dir, &["commit", "--quiet", "-m", "second"]);
    git(&dir, &["tag", "v1.0"]);
    std::fs::write(dir.join("junk.tmp"), "x").unwrap();
    dir
}

/// Unpacks a snapshot blob of the hub.
fn unpack(hub: &TestHub, digest: &Digest) -> PathBuf {
    let blob = hub.dir.join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
    let to = tempfile::tempdir().unwrap().keep();
    let file = zstd::Decoder::new(std::fs::File::open(blob).unwrap()).unwrap();
    tar::Archive::new(file).unpack(&to).unwrap();
    to
}

async fn one_lease(hub: &TestHub, source: Source) -> gantry_api::lease::Lease {
    let runner = hub.runner(1).await;
    let id = hub.submit(fleet(vec![repo("app", source, &[])])).await;
    let work = async {
        let lease = runner.lease().await;
        runner.complete(&lease, Verdict::success()).await;
        lease
    };
    let lease = tokio::time::timeout(std::time::Duration::from_secs(30), work).await;
    let Ok(lease) = lease else {
        panic!("no lease: {}", hub.views(id).await.iter().map(reason).collect::<String>())
    };
    lease
}

#[tokio::test]
async fn a_folder_under_git_is_taken_as_it_is() {
    let hub = TestHub::start().await;
    let dir = under_git(&hub.dir.join("src"), ONE_JOB);
    let head = git(&dir, &["rev-parse", "HEAD"]);
    let clean = one_lease(&hub, Source::Folder(dir.clone())).await;
    assert_eq!(clean.spec.source.sha, head);
    assert_eq!(clean.spec.source.git_ref, "refs/heads/trunk");
    assert!(!clean.spec.source.dirty);
    assert_eq!(clean.spec.source.full, None);
    let copy = unpack(&hub, &clean.spec.source.blob);
    assert_eq!(git(&copy, &["status", "--porcelain"]), "");
    assert_eq!(git(&copy, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&copy, &["describe", "--tags"]), "v1.0");
    assert_eq!(git(&copy, &["rev-parse", "--abbrev-ref", "HEAD"]), "trunk");
    assert_eq!(git(&copy, &["rev-list", "--count", "HEAD"]), "1");
    assert!(!copy.join("junk.tmp").exists());

    std::fs::write(dir.join("code.txt"), "changed\n").unwrap();
    std::fs::write(dir.join("new.txt"), "new\n").unwrap();
    std::fs::remove_file(dir.join("README.md")).unwrap();
    let changed = one_lease(&hub, Source::Folder(dir)).await;
    assert!(changed.spec.source.dirty);
    let copy = unpack(&hub, &changed.spec.source.blob);
    assert_eq!(git(&copy, &["status", "--porcelain"]), "D README.md\n M code.txt\n?? new.txt");
    assert_eq!(std::fs::read_to_string(copy.join("code.txt")).unwrap(), "changed\n");
}

#[tokio::test]
async fn history_is_kept_when_a_workflow_asks_for_it() {
    let hub = TestHub::start().await;
    let workflow =
        format!("{ONE_JOB}      - uses: actions/checkout@v4\n        with: {{fetch-depth: 0}}\n");
    let dir = under_git(&hub.dir.join("src"), &workflow);
    let lease = one_lease(&hub, Source::Folder(dir)).await;
    let full = lease.spec.source.full.expect("history");
    let copy = unpack(&hub, &full);
    assert_eq!(git(&copy, &["rev-list", "--count", "HEAD"]), "2");
    assert_eq!(git(&copy, &["status", "--porcelain"]), "");
    assert_eq!(git(&copy, &["describe", "--tags"]), "v1.0");
}

#[tokio::test]
async fn a_git_url_is_fetched_at_its_branch_tag_or_commit() {
    let hub = TestHub::start().await;
    let dir = under_git(&hub.dir.join("src"), ONE_JOB);
    let first = git(&dir, &["rev-parse", "HEAD~1"]);
    let head = git(&dir, &["rev-parse", "HEAD"]);
    let url = format!("file://{}", dir.display());
    let at = |git_ref: Option<&str>| Source::Git {
        url: url.clone(),
        git_ref: git_ref.map(str::to_owned),
        sha: None,
        auth: None,
    };
    let lease = one_lease(&hub, at(None)).await;
    assert_eq!(
        (lease.spec.source.sha.as_str(), lease.spec.source.git_ref.as_str()),
        (head.as_str(), "refs/heads/trunk")
    );
    let copy = unpack(&hub, &lease.spec.source.blob);
    assert_eq!(git(&copy, &["status", "--porcelain"]), "");
    let lease = one_lease(&hub, at(Some("v1.0"))).await;
    assert_eq!(lease.spec.source.git_ref, "refs/tags/v1.0");
    let lease = one_lease(&hub, at(Some(&first))).await;
    assert_eq!(lease.spec.source.sha, first);

    let id = hub.submit(fleet(vec![repo("app", at(Some("nope")), &[])])).await;
    let views = hub.ended(id).await;
    assert_eq!(outcome(&views[0]), Outcome::Failure);
    assert!(reason(&views[0]).contains("no such branch, tag or commit"), "{}", reason(&views[0]));
}

#[tokio::test]
async fn nothing_of_a_folder_is_executed() {
    let hub = TestHub::start().await;
    let dir = under_git(&hub.dir.join("src"), ONE_JOB);
    let trap = hub.dir.join("trap");
    let touch = format!("touch {}", trap.display());
    for key in ["core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "core.sshCommand"] {
        git(&dir, &["config", key, &touch]);
    }
    std::fs::write(dir.join(".gitattributes"), "*.txt filter=evil\n").unwrap();
    std::fs::write(dir.join("code.txt"), "changed\n").unwrap();
    let _ = std::fs::remove_file(&trap);
    one_lease(&hub, Source::Folder(dir)).await;
    assert!(!trap.exists(), "a command of the repository's own settings ran");
}

#[tokio::test]
async fn archives_are_unpacked_and_their_wrapping_folder_left_out() {
    let hub = TestHub::start().await;
    let dir = folder(&hub.dir.join("src"), "app-1.0", ONE_JOB);
    let tar_of = |name: &str, flag: &str| {
        let to = hub.dir.join(name);
        let done = Command::new("tar")
            .arg(flag)
            .arg(&to)
            .arg("-C")
            .arg(dir.parent().unwrap())
            .arg("app-1.0")
            .status();
        assert!(done.unwrap().success());
        to
    };
    for archive in [tar_of("app.tar", "-cf"), tar_of("app.tar.gz", "-czf")] {
        let lease = one_lease(&hub, Source::Archive(archive)).await;
        let copy = unpack(&hub, &lease.spec.source.blob);
        assert!(copy.join("README.md").exists());
        assert_eq!(lease.spec.source.sha, "0".repeat(40));
    }
}

#[tokio::test]
async fn an_archive_that_points_outside_is_refused() {
    let hub = TestHub::start().await;
    let path = hub.dir.join("evil.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.as_mut_bytes()[..10].copy_from_slice(b"../escaped");
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    tar.finish().unwrap();
    let id = hub.submit(fleet(vec![repo("app", Source::Archive(path), &[])])).await;
    let views = hub.ended(id).await;
    assert!(reason(&views[0]).contains("points outside"), "{}", reason(&views[0]));
    let text = hub.dir.join("text.tar");
    std::fs::write(&text, "not an archive at all").unwrap();
    let id = hub.submit(fleet(vec![repo("app", Source::Archive(text), &[])])).await;
    assert_eq!(outcome(&hub.ended(id).await[0]), Outcome::Failure);
}
