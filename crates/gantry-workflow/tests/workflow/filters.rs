//! Which events start a workflow.

use gantry_workflow::expr::Value;
use gantry_workflow::plan::{Changes, Event, plan};
use rstest::rstest;

use crate::common::{push, settings, workflow};

fn started(on: &str, event: &Event) -> Option<String> {
    let text =
        format!("on:\n{on}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{{run: x}}]\n");
    plan(&workflow(&text), event, &settings()).not_triggered
}

#[rstest]
#[case("  push:", "refs/heads/x", true)]
#[case("  push: {branches: [main]}", "refs/heads/main", true)]
#[case("  push: {branches: [main]}", "refs/heads/dev", false)]
#[case("  push: {branches: [main]}", "refs/tags/v1", false)]
#[case("  push: {tags: ['v*']}", "refs/tags/v1", true)]
#[case("  push: {tags: ['v*']}", "refs/heads/main", false)]
#[case("  push: {branches: [main], tags: ['v*']}", "refs/tags/v1", true)]
#[case("  push: {branches: [main], tags: ['v*']}", "refs/tags/x", false)]
#[case("  push: {branches-ignore: ['feature/**']}", "refs/heads/feature/a/b", false)]
#[case("  push: {branches-ignore: ['feature/**']}", "refs/heads/main", true)]
#[case(
    "  push: {branches: ['releases/**', '!releases/**-alpha']}",
    "refs/heads/releases/1-alpha",
    false
)]
#[case("  push: {branches: ['releases/**', '!releases/**-alpha']}", "refs/heads/releases/1", true)]
#[case("  push: {paths: ['docs/**']}", "refs/tags/v1", true)]
#[case("  pull_request:", "refs/heads/main", false)]
fn a_push_starts_by_branch_and_tag(#[case] on: &str, #[case] git_ref: &str, #[case] starts: bool) {
    let event = Event { git_ref: git_ref.into(), ..push() };
    let reason = started(on, &event);
    assert_eq!(reason.is_none(), starts, "{reason:?}");
}

fn changed(files: &[&str]) -> Event {
    let files = files.iter().map(|f| (*f).into()).collect();
    Event { changes: Changes::Known { files, of: "`a..b`".into() }, ..push() }
}

#[rstest]
#[case("  push: {paths: ['docs/**']}", &[], false)]
#[case("  push: {paths-ignore: ['docs/**']}", &[], false)]
#[case("  push: {}", &[], true)]
#[case("  push: {paths: ['docs/**']}", &["src/a.rs"], false)]
#[case("  push: {paths: ['docs/**']}", &["src/a.rs", "docs/x.md"], true)]
#[case("  push: {paths: ['src/**', '!src/gen/**']}", &["src/gen/a.rs"], false)]
#[case("  push: {paths: ['src/**', '!src/gen/**']}", &["src/gen/a.rs", "src/b.rs"], true)]
#[case("  push: {paths-ignore: ['**.md']}", &["README.md", "docs/x.md"], false)]
#[case("  push: {paths-ignore: ['**.md']}", &["README.md", "a.rs"], true)]
fn a_push_starts_by_path(#[case] on: &str, #[case] files: &[&str], #[case] starts: bool) {
    let event = changed(files);
    assert_eq!(started(on, &event).is_none(), starts);
    let unknown = Event { changes: Changes::default(), ..push() };
    assert_eq!(started(on, &unknown), None, "unknown changes let everything pass");
}

#[rstest]
#[case("  pull_request:", "opened", "main", true)]
#[case("  pull_request:", "labeled", "main", false)]
#[case("  pull_request: {types: [labeled]}", "labeled", "main", true)]
#[case("  pull_request: {types: [labeled]}", "opened", "main", false)]
#[case("  pull_request: {branches: [main]}", "synchronize", "dev", false)]
fn a_pull_request_starts_by_type_and_base(
    #[case] on: &str,
    #[case] action: &str,
    #[case] base: &str,
    #[case] starts: bool,
) {
    let event = Event {
        name: "pull_request".into(),
        git_ref: "refs/pull/1/merge".into(),
        base_ref: Some(base.into()),
        payload: Value::object([("action", Value::from(action))]),
        ..push()
    };
    let reason = started(on, &event);
    assert_eq!(reason.is_none(), starts, "{reason:?}");
}

#[test]
fn the_reason_names_what_is_in_the_way() {
    let reason = started(
        "  push: {branches: [main]}",
        &Event { git_ref: "refs/heads/dev".into(), ..push() },
    );
    insta::assert_snapshot!(reason.unwrap_or_default(), @"the branch `dev` matches none of its patterns");
    let reason = started("  schedule: [{cron: '0 5 * * *'}]\n  release:", &push());
    insta::assert_snapshot!(reason.unwrap_or_default(), @"the event `push` does not start it; its events are `schedule`, `release`");
}

#[test]
fn a_path_filter_says_what_it_looked_at() {
    let files = ["README.md", "docs/a.md", "docs/b.md", "docs/c.md", "docs/d.md", "docs/e.md"];
    let reason = started("  push: {paths: ['src/**', '!src/gen/**']}", &changed(&files));
    insta::assert_snapshot!(reason.unwrap_or_default(), @"no changed file matches its `paths` (`src/**`, `!src/gen/**`): `README.md`, `docs/a.md`, `docs/b.md`, `docs/c.md`, `docs/d.md` and 1 more of `a..b`");
    let reason = started("  push: {paths-ignore: ['**.md']}", &changed(&files[..1]));
    insta::assert_snapshot!(reason.unwrap_or_default(), @"every changed file is in its `paths-ignore` (`**.md`): `README.md` of `a..b`");
    let mut many: Vec<String> =
        (0..gantry_core::limits::MAX_CHANGED_FILES).map(|n| format!("a{n}")).collect();
    many.push("src/late.rs".into());
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let reason = started("  push: {paths: ['src/**']}", &changed(&many)).unwrap_or_default();
    assert!(reason.contains("the first 3000 of 3001 were looked at"), "{reason}");
}

#[test]
fn a_path_filter_that_cannot_be_judged_is_said() {
    let text =
        "on: {push: {paths: [src]}}\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n";
    let notices = |event: &Event| {
        let found = plan(&workflow(text), event, &settings()).diagnostics;
        found.iter().map(|d| d.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(notices(&push()), ["workflow/paths-not-judged"]);
    assert!(notices(&changed(&["src"])).is_empty());
    assert!(notices(&Event { git_ref: "refs/tags/v1".into(), ..push() }).is_empty());
}
