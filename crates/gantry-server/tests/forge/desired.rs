//! What forges are to show of runs: names, states, limits; and every request is one that the forge describes.

use gantry_api::report::Annotation;
use gantry_core::{Fault, Outcome, Timestamp, Verdict};
use gantry_observe::log::LineKind;
use gantry_server::forge::ForgeKind;
use gantry_server::forge::report::desired::{Desired, context, desired};
use gantry_server::forge::report::requests::{KnownCheck, Method, count, request};
use gantry_server::forge::report::{ReportState, RunReport};
use proptest::prelude::*;
use rstest::rstest;

use crate::fake;

pub fn report(forge: ForgeKind) -> RunReport {
    RunReport {
        connection: "forge".to_owned(),
        forge,
        checks: false,
        repository: "acme/app".to_owned(),
        sha: "a".repeat(40),
        run: "run_1".to_owned(),
        created: Timestamp(1_700_000_000_000_000),
        attempt: 1,
        workflow: "CI".to_owned(),
        event: "push".to_owned(),
        job: Some("build".to_owned()),
        state: ReportState::Queued,
        may_fail: false,
        summary: None,
        annotations: Vec::new(),
        url: "https://hub.example/runs/run_1".to_owned(),
        started: None,
        ended: None,
    }
}

pub fn ended(outcome: Outcome) -> ReportState {
    let fault = (!matches!(outcome, Outcome::Success | Outcome::Skipped)).then_some(Fault::User);
    ReportState::Finished(Verdict { outcome, fault, reason: None })
}

pub fn annotation(n: u32) -> Annotation {
    Annotation {
        kind: LineKind::Error,
        message: format!("number {n}"),
        title: None,
        file: Some("src/lib.rs".to_owned()),
        line: Some(n + 1),
        column: Some(3),
        step: None,
    }
}

fn word(forge: ForgeKind, checks: bool, may_fail: bool, state: ReportState) -> String {
    match desired(&RunReport { checks, may_fail, state, ..report(forge) }).2 {
        Desired::Check(check) => check.conclusion.unwrap_or(check.status),
        Desired::Status(status) => status.state,
    }
}

#[rstest]
#[case(ReportState::Waiting("an approval".to_owned()), "queued", "pending", "pending", "pending")]
#[case(ReportState::Queued, "queued", "pending", "pending", "pending")]
#[case(ReportState::Running, "in_progress", "pending", "running", "pending")]
#[case(ended(Outcome::Success), "success", "success", "success", "success")]
#[case(ended(Outcome::Failure), "failure", "failure", "failed", "failure")]
#[case(ended(Outcome::TimedOut), "timed_out", "failure", "failed", "failure")]
#[case(ended(Outcome::Cancelled), "cancelled", "error", "canceled", "failure")]
#[case(ended(Outcome::Skipped), "skipped", "success", "success", "success")]
fn each_state_has_each_forges_word(
    #[case] state: ReportState,
    #[case] check: &str,
    #[case] github: &str,
    #[case] gitlab: &str,
    #[case] gitea: &str,
) {
    assert_eq!(word(ForgeKind::GitHub, true, false, state.clone()), check);
    assert_eq!(word(ForgeKind::GitHub, false, false, state.clone()), github);
    assert_eq!(word(ForgeKind::GitLab, true, false, state.clone()), gitlab);
    assert_eq!(word(ForgeKind::Gitea, false, false, state.clone()), gitea);
    assert_eq!(word(ForgeKind::Forgejo, true, false, state), gitea);
}

#[test]
fn a_failure_that_may_be_does_not_block() {
    for outcome in [Outcome::Failure, Outcome::TimedOut] {
        assert_eq!(word(ForgeKind::GitHub, true, true, ended(outcome)), "neutral");
        assert_eq!(word(ForgeKind::GitHub, false, true, ended(outcome)), "success");
        assert_eq!(word(ForgeKind::GitLab, false, true, ended(outcome)), "success");
    }
}

#[test]
fn names_stay_the_same_and_apart() {
    let push = report(ForgeKind::GitHub);
    assert_eq!(context(&push), "CI / build (push)");
    let event = |event: &str| context(&RunReport { event: event.to_owned(), ..push.clone() });
    assert_eq!(event("pull_request"), "CI / build (pull_request)");
    assert_eq!(event("merge_group"), event("pull_request"), "one required check for both");
    assert_eq!(context(&RunReport { job: None, ..push.clone() }), "CI (push)");
    let long = |end: &str| {
        context(&RunReport { job: Some(format!("{}{end}", "ä".repeat(300))), ..push.clone() })
    };
    assert!(long("a") != long("b") && long("a") == long("a"));
    assert!(long("a").len() <= 200 && long("a").ends_with(" (push)"), "{}", long("a"));
    // The state of a run does not change its name.
    let later = RunReport {
        state: ended(Outcome::Failure),
        run: "run_2".to_owned(),
        attempt: 3,
        ..push.clone()
    };
    assert_eq!(context(&later), context(&push));
}

#[test]
fn a_later_run_and_a_later_state_have_higher_ranks() {
    let rank = |created: i64, attempt: u32, state: ReportState| {
        let created = Timestamp(1_700_000_000_000_000 + created * 1000);
        desired(&RunReport { created, attempt, state, ..report(ForgeKind::GitHub) }).1
    };
    let mut ranks = Vec::new();
    for created in [0, 1] {
        for attempt in [1, 2, 3] {
            ranks.push(rank(created, attempt, ReportState::Waiting(String::new())));
            ranks.push(rank(created, attempt, ReportState::Queued));
            ranks.push(rank(created, attempt, ReportState::Running));
            ranks.push(rank(created, attempt, ended(Outcome::Success)));
        }
    }
    assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
}

#[test]
fn what_does_not_fit_is_told() {
    let many = RunReport {
        checks: true,
        state: ended(Outcome::Failure),
        annotations: (0..620).map(annotation).collect(),
        summary: Some("é".repeat(60_000)),
        started: Some(Timestamp(0)),
        ended: Some(Timestamp(125_000_000)),
        ..report(ForgeKind::GitHub)
    };
    let Desired::Check(check) = desired(&many).2 else { panic!() };
    assert_eq!(check.annotations.len(), 500);
    assert!(check.summary.len() <= 65_535);
    assert!(
        check.summary.contains("The summary is longer")
            && check.summary.contains("120 more annotations"),
        "{}",
        &check.summary[65_000..]
    );
    assert_eq!(check.title, "Failed after 2m 5s");
    assert_eq!(count(&Desired::Check(check)), 10);
}

#[test]
fn annotations_outside_of_the_repository_do_not_cost_the_others() {
    let with = |file: Option<&str>, line, kind| Annotation {
        file: file.map(str::to_owned),
        line,
        kind,
        ..annotation(1)
    };
    let annotations = vec![
        with(None, None, LineKind::Notice),
        with(Some("/etc/passwd"), Some(3), LineKind::Warning),
        with(Some("../up"), Some(3), LineKind::Error),
        with(Some("./a b.rs"), Some(0), LineKind::Error),
        with(Some("x"), Some(1), LineKind::Out),
    ];
    let all = RunReport {
        checks: true,
        state: ended(Outcome::Failure),
        annotations,
        ..report(ForgeKind::GitHub)
    };
    let Desired::Check(check) = desired(&all).2 else { panic!() };
    let shown: Vec<(&str, u32, &str)> = check
        .annotations
        .iter()
        .map(|a| (a.path.as_str(), a.start_line, a.annotation_level.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (".github", 1, "notice"),
            (".github", 1, "warning"),
            (".github", 1, "failure"),
            ("a b.rs", 1, "failure")
        ]
    );
}

fn any_report() -> impl Strategy<Value = RunReport> {
    let state = prop_oneof![
        ".{0,40}".prop_map(ReportState::Waiting),
        Just(ReportState::Queued),
        Just(ReportState::Running),
        (0usize..5, prop::option::of(".{0,400}")).prop_map(|(n, reason)| {
            let outcome = [
                Outcome::Success,
                Outcome::Failure,
                Outcome::Cancelled,
                Outcome::Skipped,
                Outcome::TimedOut,
            ][n];
            ReportState::Finished(Verdict { outcome, fault: None, reason })
        }),
    ];
    let file = (
        prop::option::of(".{0,20}"),
        prop::option::of(0u32..3),
        prop::option::of(0u32..3),
        ".{0,30}",
    );
    let annotations = prop::collection::vec(file, 0..120);
    let name = "[^/\0]{1,20}";
    (
        0usize..4,
        any::<bool>(),
        state,
        annotations,
        prop::option::of(".{0,300}"),
        (name, name),
        ".{0,300}",
    )
        .prop_map(|(forge, checks, state, files, summary, (owner, name), job)| RunReport {
            checks,
            state,
            summary,
            repository: format!("{owner}/{name}"),
            job: Some(job),
            annotations: files
                .into_iter()
                .map(|(file, line, column, message)| Annotation {
                    file,
                    line,
                    column,
                    message,
                    ..annotation(1)
                })
                .collect(),
            ended: Some(Timestamp(5)),
            started: Some(Timestamp(1)),
            ..report(ForgeKind::ALL[forge])
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_request_is_one_that_the_forge_describes(report in any_report()) {
        let described = fake::description(report.forge);
        let (key, _, wanted) = desired(&report);
        let known = KnownCheck { id: 7, of: match &wanted { Desired::Check(c) => c.external_id.clone(), Desired::Status(_) => String::new() } };
        let again: Desired = serde_json::from_str(&serde_json::to_string(&wanted).unwrap()).unwrap();
        prop_assert_eq!(&again, &wanted, "the store keeps it as it is");
        for part in 0..count(&wanted) {
            for known in [None, Some(&known)] {
                let made = request(report.forge, &key, &wanted, known, part);
                let method = if made.method == Method::Post { axum::http::Method::POST } else { axum::http::Method::PATCH };
                let problem = fake::problem(&described, &method, &made.path, &made.body);
                prop_assert_eq!(problem, None, "{:?}", made);
            }
        }
    }
}
