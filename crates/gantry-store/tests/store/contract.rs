//! The contract of the records: what is put comes back, and every change of state is a compare-and-set.

use gantry_core::{
    ArtifactId, AttemptId, AttemptState, ClaimState, Digest, EventId, Fault, GroupAsk, JobId,
    JobState, LeaseId, Part, Queue, Resources, RunId, RunState, RunnerId, StepState, Timestamp,
    Usage, Verdict,
};
use gantry_store::attempts::{AttemptEnd, AttemptRecord, LeaseRecord};
use gantry_store::claims::NewClaim;
use gantry_store::decisions::DecisionRecord;
use gantry_store::files::{ArtifactRecord, CacheRecord};
use gantry_store::hubs::HubRecord;
use gantry_store::jobs::JobRecord;
use gantry_store::reports::DenialRecord;
use gantry_store::runners::RunnerRecord;
use gantry_store::runs::{RunPlanRecord, RunRecord};
use gantry_store::steps::StepRecord;
use gantry_store::submissions::SubmissionRecord;
use gantry_store::{StoreError, Tx};

use crate::fixture::engines;

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

const AT: Timestamp = Timestamp(1_000);

pub fn submission(n: u128) -> SubmissionRecord {
    SubmissionRecord {
        id: EventId(id(n)),
        hub: "hub_a".to_owned(),
        event: "push".to_owned(),
        detail: "{\"repos\":[]}".to_owned(),
        created: AT,
        ended: None,
    }
}

fn run(n: u128) -> RunRecord {
    RunRecord {
        id: RunId(id(n)),
        submission: EventId(id(1)),
        hub: "hub_a".to_owned(),
        repository: "acme/app".to_owned(),
        seq: 0,
        workflow_path: ".github/workflows/ci.yml".to_owned(),
        workflow_name: "ci".to_owned(),
        run_name: "a 'quoted' name – ünïcode".to_owned(),
        number: 3,
        event: "push".to_owned(),
        sha: "0".repeat(40),
        git_ref: "refs/heads/main".to_owned(),
        dirty: true,
        state: RunState::Pending,
        verdict: None,
        cancel_reason: None,
        config_digest: "c".to_owned(),
        plan_digest: "p".to_owned(),
        created: AT,
        started: None,
        ended: None,
        attempt: 1,
        previous: None,
        tier: "trusted".to_owned(),
        approval: None,
        actor: "ada".to_owned(),
        title: "a change".to_owned(),
        pull_request: Some(7),
    }
}

fn job(n: u128, key: &str) -> JobRecord {
    JobRecord {
        id: JobId(id(n)),
        run: RunId(id(1)),
        key: key.to_owned(),
        job: "test".to_owned(),
        name: key.to_owned(),
        seq: n as u32,
        state: JobState::Waiting,
        verdict: None,
        continue_on_error: false,
        leg: "null".to_owned(),
        needs: "null".to_owned(),
        outputs: "{}".to_owned(),
        attempts: 0,
        hold: None,
        created: AT,
        queued: None,
        started: None,
        ended: None,
    }
}

fn attempt(n: u128, number: u32) -> AttemptRecord {
    AttemptRecord {
        id: AttemptId(id(n)),
        job: JobId(id(1)),
        run: RunId(id(1)),
        number,
        state: AttemptState::Leased,
        verdict: None,
        cancel_reason: None,
        runner: RunnerId(id(1)),
        runner_name: "r".to_owned(),
        usage: Usage::default(),
        report: "null".to_owned(),
        log_bytes: 0,
        created: AT,
        started: None,
        ended: None,
    }
}

/// Runs a transaction that must work.
macro_rules! write {
    ($engine:expr, |$tx:ident| $body:expr) => {
        $engine
            .db
            .write(move |$tx: &mut Tx| Box::pin(async move { Ok::<_, StoreError>($body) }))
            .await
            .expect($engine.name)
    };
}

#[tokio::test]
async fn runs_move_only_from_the_state_they_are_in() {
    for engine in engines().await {
        write!(engine, |tx| tx.run_insert(&run(1)).await?);
        let mut conn = engine.db.read().await.unwrap();
        assert_eq!(conn.run_fetch(RunId(id(1))).await.unwrap(), run(1));
        assert!(conn.run_fetch(RunId(id(9))).await.unwrap_err().is_not_found());
        assert_eq!(conn.run_number_next("acme/app", ".github/workflows/ci.yml").await.unwrap(), 4);
        assert_eq!(conn.run_number_next("acme/app", "other").await.unwrap(), 1);
        drop(conn);
        let second = RunRecord { number: 3, ..run(2) };
        let twice: Result<(), StoreError> =
            engine.db.write(move |tx| Box::pin(async move { tx.run_insert(&second).await })).await;
        assert!(matches!(twice, Err(StoreError::Taken { what: "run", .. })), "{twice:?}");

        let me = RunId(id(1));
        write!(engine, |tx| tx.run_start(me, RunState::Pending, Timestamp(5)).await?);
        let again: Result<(), StoreError> = engine
            .db
            .write(move |tx| Box::pin(async move { tx.run_start(me, RunState::Pending, AT).await }))
            .await;
        assert!(again.unwrap_err().is_conflict());
        let verdict = Verdict::failure(Fault::Policy, "it's forbidden");
        let said = verdict.clone();
        write!(engine, |tx| {
            tx.run_cancel(me, RunState::Running, "enough").await?;
            tx.run_finish(me, RunState::Cancelling, &said, Timestamp(9)).await?;
        });
        let mut conn = engine.db.read().await.unwrap();
        let end = conn.run_fetch(me).await.unwrap();
        assert_eq!((end.state, end.verdict), (RunState::Finished, Some(verdict)));
        assert_eq!((end.started, end.ended), (Some(Timestamp(5)), Some(Timestamp(9))));
        assert_eq!(end.cancel_reason.as_deref(), Some("enough"));
        assert_eq!(conn.run_list_open("hub_a").await.unwrap(), []);
        drop(conn);
        let impossible: Result<(), StoreError> = engine
            .db
            .write(move |tx| {
                Box::pin(async move { tx.run_start(me, RunState::Finished, AT).await })
            })
            .await;
        assert!(matches!(impossible, Err(StoreError::Transition(_))));
    }
}

#[tokio::test]
async fn plans_and_submissions_come_back_as_they_were() {
    for engine in engines().await {
        let plan = RunPlanRecord {
            plan: "{\"a\":1}".to_owned(),
            settings: "{}".to_owned(),
            source: "null".to_owned(),
            actions: "{}".to_owned(),
            sources: "{\"a/b\":{}}".to_owned(),
        };
        let stored = plan.clone();
        write!(engine, |tx| {
            tx.submission_insert(&submission(1)).await?;
            tx.run_insert(&run(1)).await?;
            tx.run_plan_insert(RunId(id(1)), &stored).await?;
        });
        let mut conn = engine.db.read().await.unwrap();
        assert_eq!(conn.run_plan_fetch(RunId(id(1))).await.unwrap(), Some(plan));
        assert_eq!(conn.run_plan_fetch(RunId(id(2))).await.unwrap(), None);
        assert_eq!(conn.run_list_by_submission(EventId(id(1))).await.unwrap().len(), 1);
        assert_eq!(conn.submission_list_open("hub_a").await.unwrap(), [submission(1)]);
        drop(conn);
        assert!(write!(engine, |tx| tx.submission_end(EventId(id(1)), AT).await?));
        assert!(!write!(engine, |tx| tx.submission_end(EventId(id(1)), AT).await?));
    }
}

#[tokio::test]
async fn jobs_go_through_their_life_and_back_to_the_queue() {
    for engine in engines().await {
        let me = JobId(id(1));
        write!(engine, |tx| {
            tx.run_insert(&run(1)).await?;
            tx.job_insert(&job(2, "b")).await?;
            tx.job_insert(&job(1, "a")).await?;
            tx.job_queue(me, JobState::Waiting, "{\"x\":{}}", Timestamp(2)).await?;
            tx.job_hold(me, Some("no runner")).await?;
        });
        let mut conn = engine.db.read().await.unwrap();
        let keys: Vec<_> =
            conn.job_list(RunId(id(1))).await.unwrap().into_iter().map(|j| j.key).collect();
        assert_eq!(keys, ["a", "b"]);
        let queued = conn.job_list_by_state("hub_a", JobState::Queued).await.unwrap();
        assert_eq!(queued[0].hold.as_deref(), Some("no runner"));
        assert_eq!(queued.len(), 1);
        assert!(conn.job_list_by_state("hub_b", JobState::Queued).await.unwrap().is_empty());
        drop(conn);
        write!(engine, |tx| {
            tx.job_run(me, JobState::Queued, Timestamp(3)).await?;
            tx.job_requeue(me, JobState::Running, Timestamp(4)).await?;
            tx.job_run(me, JobState::Queued, Timestamp(5)).await?;
            let verdict = Verdict::success();
            tx.job_finish(me, JobState::Running, &verdict, "{\"v\":\"1\"}", Timestamp(6)).await?;
        });
        let end = engine.db.read().await.unwrap().job_fetch(me).await.unwrap();
        assert_eq!(
            (end.attempts, end.queued, end.started),
            (2, Some(Timestamp(4)), Some(Timestamp(3)))
        );
        assert_eq!((end.outputs.as_str(), end.hold), ("{\"v\":\"1\"}", None));
        let twice: Result<(), StoreError> = engine
            .db
            .write(move |tx| {
                Box::pin(async move {
                    tx.job_finish(me, JobState::Running, &Verdict::success(), "{}", AT).await
                })
            })
            .await;
        assert!(twice.unwrap_err().is_conflict());
    }
}

#[tokio::test]
async fn leases_are_fenced_by_growing_epochs() {
    for engine in engines().await {
        let (a, b) = write!(engine, |tx| (tx.epoch_next().await?, tx.epoch_next().await?));
        assert!(b > a);
        let lease = LeaseRecord {
            id: LeaseId(id(1)),
            attempt: AttemptId(id(1)),
            hub: "hub_a".to_owned(),
            runner: RunnerId(id(1)),
            epoch: a,
            expires: Timestamp(100),
            released: None,
        };
        let (me, stored) = (lease.id, lease.clone());
        write!(engine, |tx| tx.lease_insert(&stored).await?);
        let mut conn = engine.db.read().await.unwrap();
        assert_eq!(conn.lease_by_attempt(AttemptId(id(1))).await.unwrap(), Some(lease));
        assert_eq!(conn.lease_list_expired("hub_a", Timestamp(99)).await.unwrap(), []);
        assert_eq!(conn.lease_list_expired("hub_a", Timestamp(100)).await.unwrap().len(), 1);
        drop(conn);
        assert!(write!(engine, |tx| tx.lease_renew(me, a, Timestamp(200)).await?));
        assert!(!write!(engine, |tx| tx.lease_renew(me, b, Timestamp(300)).await?));
        assert!(write!(engine, |tx| tx.lease_release(me, a, AT).await?));
        assert!(!write!(engine, |tx| tx.lease_release(me, a, AT).await?));
        assert!(!write!(engine, |tx| tx.lease_renew(me, a, Timestamp(400)).await?));
        assert_eq!(engine.db.read().await.unwrap().lease_list_open("hub_a").await.unwrap(), []);
    }
}

#[tokio::test]
async fn attempts_keep_their_steps_annotations_and_denials() {
    for engine in engines().await {
        let me = AttemptId(id(1));
        let step = |state| StepRecord {
            index: 0,
            name: "build".to_owned(),
            step_id: Some("b".to_owned()),
            state,
            outcome: Some(Verdict::success()),
            conclusion: None,
            usage: Usage { cpu_us: 7, ..Usage::default() },
            line: Some(12),
            started: Some(AT),
            ended: None,
        };
        let denial = DenialRecord {
            host: "evil.example".to_owned(),
            port: 443,
            reason: "no rule".to_owned(),
            times: 3,
            step: None,
        };
        let said = denial.clone();
        let moves = write!(engine, |tx| {
            tx.attempt_insert(&attempt(1, 1)).await?;
            tx.attempt_insert(&attempt(2, 2)).await?;
            tx.attempt_start(me, AttemptState::Leased, Timestamp(3)).await?;
            let mut moves = Vec::new();
            for state in
                [StepState::Running, StepState::Running, StepState::Finished, StepState::Pending]
            {
                moves.push(tx.step_put(me, &step(state)).await?);
            }
            tx.annotation_insert(me, 0, "{\"message\":\"m\"}").await?;
            tx.denial_insert(me, 0, &said).await?;
            tx.attempt_cancel(me, AttemptState::Running, "stop").await?;
            let end = AttemptEnd {
                verdict: Verdict::timed_out("too long"),
                usage: Usage { memory_peak_bytes: 1 << 40, ..Usage::default() },
                report: "{}".to_owned(),
                log_bytes: 99,
                started: Some(Timestamp(3)),
                ended: Timestamp(8),
            };
            tx.attempt_finish(me, AttemptState::Cancelling, &end).await?;
            moves
        });
        assert_eq!(moves, [true, false, true, false]);
        let mut conn = engine.db.read().await.unwrap();
        let end = conn.attempt_fetch(me).await.unwrap();
        assert_eq!(
            (end.state, end.log_bytes, end.usage.memory_peak_bytes),
            (AttemptState::Finished, 99, 1 << 40)
        );
        assert_eq!(conn.attempt_latest(JobId(id(1))).await.unwrap().unwrap().number, 2);
        assert_eq!(conn.attempt_list(RunId(id(1))).await.unwrap().len(), 2);
        assert_eq!(conn.step_list(me).await.unwrap(), [step(StepState::Finished)]);
        assert_eq!(conn.annotation_list(me).await.unwrap(), ["{\"message\":\"m\"}"]);
        assert_eq!(conn.denial_list(me).await.unwrap(), [denial]);
    }
}

#[tokio::test]
async fn artifacts_are_unique_by_name_and_caches_by_key_and_version() {
    for engine in engines().await {
        let artifact = |n, name: &str| ArtifactRecord {
            id: ArtifactId(id(n)),
            run: RunId(id(1)),
            repository: "acme/app".to_owned(),
            name: name.to_owned(),
            size: 10,
            files: 1,
            blob: Digest::from_sha256(&[n as u8; 32]),
            blob_bytes: 5,
            created: AT,
            attempt: (n > 1).then(|| AttemptId(id(n))),
            expires: (n > 2).then_some(Timestamp(7)),
        };
        let cache = |key: &str, at| CacheRecord {
            key: key.to_owned(),
            version: "v".to_owned(),
            blob: Digest::from_sha256(&[1; 32]),
            size: 5,
            created: Timestamp(at),
        };
        let added = write!(engine, |tx| {
            let mut added = vec![tx.artifact_insert(&artifact(1, "dist")).await?];
            added.push(tx.artifact_insert(&artifact(2, "dist")).await?);
            added.push(tx.artifact_replace(&artifact(3, "dist")).await?);
            for (key, at) in
                [("linux-a", 1), ("linux-b", 2), ("Linux-c", 3), ("linux-a", 4), ("l_nux-", 5)]
            {
                added.push(tx.cache_insert("acme/app", &cache(key, at)).await?);
            }
            tx.cache_used("acme/app", "linux-a", "v", Timestamp(9)).await?;
            added
        });
        assert_eq!(added, [true, false, true, true, true, true, false, true]);
        let mut conn = engine.db.read().await.unwrap();
        assert_eq!(conn.artifact_list(RunId(id(1))).await.unwrap(), [artifact(3, "dist")]);
        assert_eq!(conn.artifact_fetch(RunId(id(2)), "dist").await.unwrap(), None);
        let kept = artifact(3, "dist");
        assert_eq!(conn.artifact_list_expired(Timestamp(6), 9).await.unwrap(), []);
        let expired = conn.artifact_list_expired(Timestamp(7), 9).await.unwrap();
        assert_eq!(expired, std::slice::from_ref(&kept));
        assert_eq!(conn.artifact_blob_owners(&kept.blob).await.unwrap(), ["acme/app"]);
        assert!(conn.blob_in_use(&kept.blob).await.unwrap());
        assert!(!conn.blob_in_use(&artifact(2, "dist").blob).await.unwrap());
        let found = conn.cache_by_prefix("acme/app", "v", "linux-").await.unwrap();
        assert_eq!(
            found,
            Some(cache("linux-b", 2)),
            "newest with just this case on {}",
            engine.name
        );
        assert_eq!(
            conn.cache_by_prefix("acme/app", "v", "l_").await.unwrap(),
            Some(cache("l_nux-", 5))
        );
        assert_eq!(conn.cache_by_prefix("acme/other", "v", "linux-").await.unwrap(), None);
        assert_eq!(
            conn.cache_fetch("acme/app", "linux-a", "v").await.unwrap(),
            Some(cache("linux-a", 1))
        );
        assert!(conn.cache_has_blob("acme/app", &Digest::from_sha256(&[1; 32])).await.unwrap());
        assert_eq!(conn.cache_list("acme/app").await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn hubs_runners_and_decisions_come_back_in_order() {
    for engine in engines().await {
        let hub = |n: &str, at| HubRecord {
            id: n.to_owned(),
            pid: 7,
            started: Timestamp(at),
            serving: None,
        };
        let runner = RunnerRecord {
            id: RunnerId(id(1)),
            name: "r".to_owned(),
            token: Digest::from_sha256(&[9; 32]),
            labels: vec!["a".to_owned()],
            slots: 2,
            capacity: Resources::default(),
            features: vec![],
            registered: AT,
            seen: AT,
            pool: "default".to_owned(),
            org: "*".to_owned(),
            version: None,
            ephemeral: false,
            drained: None,
            removed: None,
        };
        let decision = |n: u128| DecisionRecord {
            submission: EventId(id(1)),
            run: (n > 0).then(|| RunId(id(1))),
            job: None,
            at: AT,
            kind: format!("k{n}"),
            reason: "why".to_owned(),
        };
        let stored = runner.clone();
        write!(engine, |tx| {
            tx.hub_insert(&hub("b", 2)).await?;
            tx.hub_insert(&hub("a", 1)).await?;
            tx.hub_insert(&hub("c", 3)).await?;
            tx.hub_end("a", AT, "done").await?;
            tx.runner_insert(&stored).await?;
            tx.runner_seen(stored.id, Timestamp(2_000)).await?;
            for n in 0..3 {
                tx.decision_insert(&decision(n)).await?;
            }
        });
        let mut conn = engine.db.read().await.unwrap();
        assert_eq!(conn.hub_list_open().await.unwrap(), [hub("b", 2), hub("c", 3)]);
        let seen = RunnerRecord { seen: Timestamp(2_000), ..runner };
        assert_eq!(conn.runner_list_seen(Timestamp(1_500)).await.unwrap(), [seen]);
        let all = conn.decision_list_by_submission(EventId(id(1))).await.unwrap();
        assert_eq!(all, [decision(0), decision(1), decision(2)]);
        assert_eq!(conn.decision_list_by_run(RunId(id(1))).await.unwrap(), all[1..]);
    }
}

#[tokio::test]
async fn a_claim_is_over_when_its_maker_has_ended_and_steps_once() {
    for engine in engines().await {
        let (held, left) = engine
            .db
            .write(|tx| Box::pin(async move { claims(tx).await }))
            .await
            .unwrap_or_else(|e| panic!("{}: {e:?}", engine.name));
        assert_eq!(held, [(false, "Prod".to_owned()), (false, "x".to_owned())], "{}", engine.name);
        assert_eq!(left, [true, false], "{}: the leg has ended, its run has not", engine.name);
    }
}

type Seen = (Vec<(bool, String)>, Vec<bool>);

async fn claims(tx: &mut Tx) -> Result<Seen, StoreError> {
    tx.run_insert(&run(1)).await?;
    tx.job_insert(&job(1, "test (1)")).await?;
    tx.claim_lock().await?;
    let claim = |leg: &str, part, name: &str| NewClaim {
        repository: "acme/app".to_owned(),
        run: RunId(id(1)),
        leg: leg.to_owned(),
        part,
        ask: GroupAsk { name: name.to_owned(), cancel_in_progress: false, queue: Queue::Max },
        asked: AT,
    };
    let (leg, own) = (claim("test (1)", Part::Job, "Prod"), claim("", Part::Run, "x"));
    let first = tx.claim_insert(&leg).await?;
    let second = tx.claim_insert(&own).await?;
    assert!(first < second);
    assert_eq!(tx.claim_repositories_pending().await?, ["acme/app"]);
    tx.claim_hold(first, ClaimState::Pending, AT).await?;
    tx.claim_hold(second, ClaimState::Pending, AT).await?;
    let twice = tx.claim_hold(first, ClaimState::Pending, AT).await;
    assert!(matches!(twice, Err(StoreError::Conflict { what: "claim", .. })), "{twice:?}");
    assert!(tx.claim_repositories_pending().await?.is_empty());
    tx.claim_stop(first, "one").await?;
    tx.claim_stop(first, "two").await?;
    let open = tx.claim_list_open("acme/app").await?;
    assert_eq!((open[0].stop.as_deref(), &open[0].claim), (Some("one"), &leg));
    let held = open.into_iter().map(|c| (c.is_over, c.claim.ask.name)).collect();
    let verdict = Verdict::success();
    tx.job_finish(JobId(id(1)), JobState::Waiting, &verdict, "{}", AT).await?;
    let left = tx.claim_list_open("acme/app").await?.iter().map(|c| c.is_over).collect();
    tx.claim_release(first, ClaimState::Held, AT).await?;
    assert_eq!(tx.claim_list_open("acme/app").await?.len(), 1);
    assert_eq!(tx.claim_list_by_run(RunId(id(1))).await?.len(), 2);
    Ok((held, left))
}
