//! Laws that hold for every plan and every way in which its legs end.

use gantry_core::{Fault, JobState, Verdict};
use gantry_workflow::plan::Support;
use gantry_workflow::progress::{Decision, next};
use proptest::prelude::*;

use crate::common::{Run, planned};

#[derive(Debug, Clone)]
struct Shape {
    needs: Vec<usize>,
    condition: usize,
    strategy: usize,
    runs_on: usize,
}

const CONDITIONS: &[&str] = &[
    "",
    "always()",
    "failure()",
    "cancelled()",
    "'!cancelled()'",
    "false",
    "fromJSON('{')",
    "success() || failure()",
];
const STRATEGIES: &[&str] = &[
    "",
    "{matrix: {v: [1, 2, 3]}}",
    "{fail-fast: false, max-parallel: 1, matrix: {v: [1, 2, 3]}}",
    "{max-parallel: 2, matrix: {v: [1, 2, 3, 4], include: [{v: 9}]}}",
    "{matrix: {v: '${{ fromJSON(needs.*.outputs.l[0] || 0) }}'}}",
];
const LABELS: &[&str] =
    &["ubuntu-latest", "windows-latest", "\"${{ matrix.v == 2 && 'gpu' || 'linux' }}\""];

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let shape = (
        prop::collection::vec(0usize..8, 0..3),
        0..CONDITIONS.len(),
        0..STRATEGIES.len(),
        0..LABELS.len(),
    );
    prop::collection::vec(
        shape.prop_map(|(needs, condition, strategy, runs_on)| Shape {
            needs,
            condition,
            strategy,
            runs_on,
        }),
        1..8,
    )
}

fn text(shapes: &[Shape]) -> String {
    let mut out = "on: push\njobs:\n".to_owned();
    for (i, s) in shapes.iter().enumerate() {
        let mut needs: Vec<String> =
            s.needs.iter().filter(|n| **n < i).map(|n| format!("j{n}")).collect();
        needs.dedup();
        out.extend([format!(
            "  j{i}:\n    runs-on: {}\n    steps: [{{run: x}}]\n",
            LABELS[s.runs_on]
        )]);
        if !needs.is_empty() {
            out.extend([format!("    needs: [{}]\n", needs.join(", "))]);
        }
        if s.condition > 0 {
            out.extend([format!("    if: {}\n", CONDITIONS[s.condition])]);
        }
        if s.strategy > 0 {
            out.extend([format!("    strategy: {}\n", STRATEGIES[s.strategy])]);
        }
    }
    out
}

fn verdict(choice: u8) -> Verdict {
    match choice % 6 {
        0 => Verdict::failure(Fault::User, "x"),
        1 => Verdict::failure(Fault::Infra, "x"),
        2 => Verdict::timed_out("x"),
        3 => Verdict::cancelled(Fault::User, "x"),
        _ => Verdict::success(),
    }
}

/// No leg is queued or expanded late before all its needs have ended.
fn check(run: &Run, decisions: &[Decision]) {
    for d in decisions {
        let Decision::Queue { leg, .. } = d else { continue };
        let job = &run.view.legs[leg].job;
        for need in &run.plan.jobs[job].needs {
            let legs: Vec<_> = run.view.legs.values().filter(|l| l.job == *need).collect();
            assert!(
                !legs.is_empty() && legs.iter().all(|l| l.state == JobState::Finished),
                "{leg} before {need}"
            );
        }
    }
    let mut distinct = decisions.to_vec();
    distinct.dedup();
    assert_eq!(distinct.len(), decisions.len(), "a decision twice in one answer");
}

fn limit(run: &Run) {
    for (id, job) in &run.plan.jobs {
        let text = job.job.strategy.as_ref().and_then(|s| s.max_parallel.as_ref());
        let Some(max) = text.and_then(|t| t.text.parse::<usize>().ok()) else { continue };
        let active = run
            .view
            .legs
            .values()
            .filter(|l| l.job == *id && matches!(l.state, JobState::Queued | JobState::Running))
            .count();
        assert!(active <= max, "{active} legs of {id} at once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_run_ends_once_and_every_leg_with_it(
        shapes in shapes(),
        choices in prop::collection::vec(any::<u8>(), 64),
        cancel_at in prop::option::of(0usize..20),
    ) {
        let mut run = Run::new(planned(&text(&shapes)));
        let mut steps = 0;
        while run.verdict.is_none() {
            prop_assert!(steps < 1_000, "no end after {steps} steps: {:#?}", run.log);
            let choice = choices[steps % choices.len()];
            steps += 1;
            if cancel_at == Some(steps) {
                run.view.cancel_requested = true;
            }
            let decisions = next(&run.plan, &run.view);
            check(&run, &decisions);
            let waiting = decisions.is_empty();
            for decision in decisions {
                run.apply(decision);
            }
            limit(&run);
            if !waiting {
                continue;
            }
            let mut open = run.in_state(JobState::Queued);
            open.extend(run.in_state(JobState::Running));
            prop_assert!(!open.is_empty(), "nothing runs and nothing follows: {:#?}", run.log);
            let leg = open.swap_remove(choice as usize % open.len());
            if run.view.legs[&leg].state == JobState::Queued {
                run.start(&leg);
                if choice > 100 {
                    continue;
                }
            }
            let view = &mut run.view.legs[&leg];
            view.state = JobState::Finished;
            view.verdict = Some(verdict(choice));
            view.outputs.insert("l".into(), "[1, 2]".into());
        }
        prop_assert!(run.view.legs.values().all(|l| l.state == JobState::Finished && l.verdict.is_some()));
        for (id, job) in &run.plan.jobs {
            prop_assert!(job.support == Support::NotSelected || run.view.legs.values().any(|l| l.job == *id));
        }
        prop_assert!(next(&run.plan, &run.view).is_empty(), "decisions behind the end");
    }
}
