//! Path filters against what an event changed: commits of the payload, or what was asked for.

use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_server::source::changes::{Asked, Changed, in_folder};
use gantry_server::{Fleet, Source};
use gantry_workflow::expr::Value;
use gantry_workflow::plan::Changes;

use crate::support::{TestHub, fleet, folder, repo};

const FILTERED: &str = "on:
  push: {paths: ['src/**']}
  pull_request: {paths: ['src/**']}
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}}
";

/// A repository with a few commits.
struct Repository(PathBuf);

impl Repository {
    fn new(at: &Path) -> Self {
        let this = Self(folder(at, "app", FILTERED));
        this.git(&["init", "--quiet", "-b", "main"]);
        this
    }

    fn git(&self, args: &[&str]) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let out = Command::new("git").arg("-C").arg(&self.0).args(identity).args(args).output();
        let out = out.expect("git");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text").trim().to_owned()
    }

    /// Changes a file and commits everything; answers the commit.
    fn commit(&self, file: &str) -> String {
        self.write(file);
        self.git(&["add", "-A"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", file]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn write(&self, file: &str) {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, text + "x\n").expect("a file");
    }

    fn changes(
        &self,
        event: &str,
        payload: &Value,
        changed: &Changed,
    ) -> Result<Vec<String>, String> {
        let asked = Asked { event, payload: Some(payload), changed };
        match in_folder(&self.0, asked).map_err(|e| e.to_string())? {
            Changes::Known { files, .. } => Ok(files),
            Changes::Unknown(why) => Err(why),
        }
    }
}

fn object(fields: &[(&str, &str)]) -> Value {
    Value::object(fields.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))))
}

fn pushed(before: &str, after: &str, git_ref: &str) -> Value {
    let parts = object(&[("before", before), ("after", after), ("ref", git_ref)]);
    let Value::Object(mut push) = parts else { unreachable!("an object") };
    push.insert("repository".into(), object(&[("default_branch", "main")]));
    Value::Object(push)
}

const ZEROS: &str = "0000000000000000000000000000000000000000";

#[test]
fn a_push_compares_the_two_commits_and_a_new_branch_where_it_leaves_the_default_one() {
    let dir = tempfile::tempdir().unwrap();
    let r = Repository::new(dir.path());
    let first = r.commit("src/one.rs");
    let second = r.commit("docs/two.md");
    let asked = |before: &str, after: &str, git_ref: &str| {
        r.changes("push", &pushed(before, after, git_ref), &Changed::Payload)
    };
    assert_eq!(asked(&first, &second, "refs/heads/main").unwrap(), ["docs/two.md"]);
    assert_eq!(asked(&second, &first, "refs/heads/main").unwrap(), ["docs/two.md"], "also back");
    r.git(&["checkout", "--quiet", "-b", "work"]);
    r.commit("docs/three.md");
    let last = r.commit("docs/four.md");
    let new = asked(ZEROS, &last, "refs/heads/work").unwrap();
    assert_eq!(new, ["docs/four.md", "docs/three.md"]);
    let whole = asked(ZEROS, &second, "refs/heads/main").unwrap();
    assert_eq!(whole, [".github/workflows/ci.yml", "README.md", "docs/two.md", "src/one.rs"]);
    let gone = "1".repeat(40);
    assert!(asked(&gone, &last, "refs/heads/work").unwrap_err().contains(&gone));
    assert!(asked(&last, ZEROS, "refs/heads/work").unwrap_err().contains("deleted"));
    let nothing = r.changes("push", &object(&[]), &Changed::Payload).unwrap_err();
    assert!(nothing.contains("`before`"), "{nothing}");
}

#[test]
fn a_pull_request_compares_from_where_it_left_its_base() {
    let dir = tempfile::tempdir().unwrap();
    let r = Repository::new(dir.path());
    r.commit("src/one.rs");
    r.git(&["checkout", "--quiet", "-b", "work"]);
    let head = r.commit("docs/mine.md");
    r.git(&["checkout", "--quiet", "main"]);
    let base = r.commit("src/theirs.rs");
    let sides = [("base", object(&[("sha", &base)])), ("head", object(&[("sha", &head)]))];
    let sides = Value::object(sides.map(|(k, v)| (k.to_owned(), v)));
    let pull = Value::object([("pull_request".to_owned(), sides)]);
    let found = r.changes("pull_request", &pull, &Changed::Payload).unwrap();
    assert_eq!(found, ["docs/mine.md"]);
}

#[test]
fn what_changed_since_a_branch_has_what_is_not_committed_and_runs_nothing_of_the_repository() {
    let dir = tempfile::tempdir().unwrap();
    let r = Repository::new(dir.path());
    r.commit("src/one.rs");
    r.git(&["checkout", "--quiet", "-b", "work"]);
    r.commit("docs/mine.md");
    r.write("src/one.rs");
    r.write("new file");
    // A filter that the repository's settings name is a program of its owner, not of the hub.
    std::fs::write(r.0.join(".gitattributes"), "* filter=trap\n").unwrap();
    r.git(&["config", "filter.trap.clean", &format!("touch {}/trap; cat", dir.path().display())]);
    let since = |rev: &str| r.changes("push", &Value::Null, &Changed::Since(rev.into()));
    let found = since("main").unwrap();
    assert_eq!(found, [".gitattributes", "docs/mine.md", "new file", "src/one.rs"]);
    assert!(!dir.path().join("trap").exists(), "the filter was run");
    let slip = since("mian").unwrap_err();
    assert!(slip.contains("`mian`"), "a slip is an error and not a run of everything: {slip}");
}

async fn reasons(hub: &TestHub, fleet: Fleet) -> (usize, String) {
    let runner = hub.runner(5).await;
    let _work =
        runner.work(|lease| crate::support::completion(lease, gantry_core::Verdict::success()));
    let id = hub.submit(fleet).await;
    let views = hub.ended(id).await;
    let jobs = views.iter().map(|v| v.jobs.len()).sum();
    let decisions = hub.hub.reader().decisions(id).await.unwrap();
    let passed = decisions.iter().filter(|d| d.kind == "workflow_passed_over");
    let plans = views.iter().filter_map(|v| v.plan.as_ref()).flat_map(|p| &p.diagnostics);
    let said: Vec<String> =
        passed.map(|d| d.reason.clone()).chain(plans.map(ToString::to_string)).collect();
    (jobs, said.join("\n"))
}

#[tokio::test]
async fn a_workflow_runs_for_its_paths_alone_and_says_what_it_looked_at() {
    let hub = TestHub::start().await;
    let r = Repository::new(&hub.dir.join("src"));
    let first = r.commit("src/one.rs");
    let second = r.commit("docs/two.md");
    let url = format!("file://{}", r.0.display());
    let sources =
        [Source::Folder(r.0.clone()), Source::Git { url, git_ref: None, sha: None, auth: None }];
    for source in sources {
        let mut one = fleet(vec![repo("app", source, &[])]);
        let (jobs, said) = reasons(&hub, one.clone()).await;
        assert_eq!(jobs, 1, "a push without commits runs");
        assert!(said.contains("workflow/paths-not-judged"), "{said}");
        one.event.payload = Some(pushed(&first, &second, "refs/heads/main"));
        let (jobs, said) = reasons(&hub, one.clone()).await;
        assert_eq!(jobs, 0, "{said}");
        let wanted = format!(
            "no changed file matches its `paths` (`src/**`): `docs/two.md` of `{}..{}`",
            &first[..7],
            &second[..7]
        );
        assert!(said.contains(&wanted), "{said}");
        one.event.changed = Changed::Files(vec!["src/x".into()]);
        assert_eq!(reasons(&hub, one.clone()).await.0, 1);
    }
}
