//! The middle of an attempt: sandbox up, steps, post steps, end.

use std::collections::HashMap;

use bytes::Bytes;
use gantry_core::{Outcome, Usage, Verdict};
use gantry_observe::log::LineKind;
use gantry_sandbox::{Isolation, JobUser, Sandbox, SandboxError};
use gantry_workflow::expr::{Status, Value};
use indexmap::IndexMap;

use super::finish::{self, Rest};
use super::keep::KeptSession;
use super::prepare::{Prepared, prepare};
use super::{Host, Result};
use crate::actions::docker::sum;
use crate::attempt::{Attempt, Facts, Frame};
use crate::contexts::Vars;
use crate::failure::{Failure, bytes_text};
use crate::step::unnamed;

/// Name of the first step.
const SET_UP: &str = "Set up job";
/// Name of the last step.
const COMPLETE: &str = "Complete job";
/// `PATH` in a container whose image names none.
const CONTAINER_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs everything of an attempt. `broken` says why it cannot be set up.
pub(super) async fn execute(facts: Facts<'_>, host: &Host, broken: Option<&Failure>) -> Result {
    let spec = &facts.lease.spec;
    let set_up = facts.board.add(SET_UP, None, None);
    let main: Vec<u32> = spec
        .definition
        .steps
        .iter()
        .map(|step| {
            let name = step.name.as_ref().map_or_else(|| unnamed(step), |n| n.text.clone());
            let line = (step.span.line > 0).then_some(step.span.line);
            facts.board.add(&name, step.id.as_deref(), line)
        })
        .collect();
    facts.board.begin(set_up, SET_UP);
    let started = match broken {
        Some(failure) => Err(failure.clone()),
        None => start(facts, host, set_up).await,
    };
    let (sandbox, prepared) = match started {
        Ok(started) => started,
        Err(Failure(verdict)) => {
            let reason = verdict.reason.clone().unwrap_or_default();
            facts.log.line(Some(set_up), LineKind::Error, &reason);
            facts.board.end(set_up, verdict.clone(), verdict.clone(), Usage::default());
            for index in main {
                let skipped = Verdict::skipped("the job could not be set up");
                facts.board.end(index, skipped.clone(), skipped, Usage::default());
            }
            return super::failed(verdict);
        }
    };
    let ok = Verdict::success();
    facts.board.end(set_up, ok.clone(), ok, Usage::default());
    let (verdict, outputs, mut rest, beside) = {
        let mut attempt = Attempt {
            facts,
            sandbox: &sandbox,
            spec: &prepared.spec,
            beside: Vec::new(),
            base_env: base_env(facts, host, &prepared, sandbox.image_env()),
            env: prepared.env.clone(),
            path: Vec::new(),
            posts: Vec::new(),
            began: Vec::new(),
            unpacked: HashMap::new(),
            matchers: Vec::new(),
            annotations: Vec::new(),
            caches: Vec::new(),
            summary: String::new(),
            step: set_up,
            services: services_value(&prepared.spec.services),
            shown_failure: None,
            job_status: Status::Success,
            kept: KeptSession::default(),
        };
        let (verdict, outputs, rest) = run_all(&mut attempt, &main).await;
        if prepared.spec.keep && prepared.spec.isolation == Isolation::Container {
            attempt.kept.save(facts, &prepared.spec, &attempt.base_env);
        }
        (verdict, outputs, rest, attempt.beside)
    };
    let mut usage = stop(facts, sandbox, &mut rest).await;
    for report in &beside {
        rest.take_network(facts, report);
        usage = sum(&usage, &report.usage);
    }
    Result { verdict, outputs, usage, rest }
}

async fn start(
    facts: Facts<'_>,
    host: &Host,
    index: u32,
) -> std::result::Result<(Sandbox, Prepared), Failure> {
    let say = |text: &str| facts.log.line(Some(index), LineKind::Runner, text);
    let spec = &facts.lease.spec;
    let prepared = prepare(&facts, host)?;
    let r = &prepared.spec.resources;
    say(&format!("Job `{}` of {}, attempt {}", spec.key, spec.repository, facts.lease.number));
    say(&format!("Runner `{}`, isolation {}", facts.runner, spec.sandbox.isolation));
    say(&format!(
        "Limits: {} processors, {} of memory, {} processes, {} of disk",
        f64::from(r.cpu_millis) / 1000.0,
        bytes_text(r.memory_bytes),
        r.pids,
        bytes_text(r.disk_bytes)
    ));
    if spec.sandbox.isolation == "process" {
        let text = "this job is NOT isolated (isolation `process` is for development only)";
        facts.log.line(Some(index), LineKind::Warning, text);
    } else if prepared.spec.egress.rules.is_empty() {
        say("Network: nothing is allowed");
    } else {
        let rules: Vec<String> =
            prepared.spec.egress.rules.iter().map(ToString::to_string).collect();
        say(&format!("Network: {}", rules.join(", ")));
    }
    for service in &prepared.spec.services {
        say(&format!("Service `{}`: {}", service.name, service.image));
    }
    let sandbox = tokio::select! {
        started = Sandbox::start_from(&host.ready, prepared.spec.clone()) => started?,
        () = facts.stop.wait() => {
            let why = facts.stop.why();
            return Err(why.map_or_else(|| Failure::infra("the job was stopped"), |w| Failure(w.verdict())));
        }
    };
    sandbox.mark_step(SET_UP);
    let event = spec.github.get("event").cloned().unwrap_or(Value::Object(IndexMap::new()));
    let event = serde_json::to_vec(&event).unwrap_or_default();
    sandbox.write_file(&facts.paths.event_file(), Bytes::from(event), 0o644).await?;
    Ok((sandbox, prepared))
}

/// What every process has: the image's variables, above them those of the job's user, above them
/// `container.env`. The directories of the image's `PATH` come after the hub's tools.
fn base_env(
    facts: Facts<'_>,
    host: &Host,
    prepared: &Prepared,
    image: &[(String, String)],
) -> Vars {
    let process = facts.lease.spec.sandbox.isolation == "process";
    let of_image = image.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_str());
    let path =
        if process { host.process_path.as_str() } else { of_image.unwrap_or(CONTAINER_PATH) };
    let tools: String =
        prepared.spec.tools.iter().map(|tool| format!("{}/bin:", tool.target)).collect();
    let path = format!("{tools}{path}:{}/.local/bin", facts.paths.home);
    let user = if facts.user == JobUser::Root { "root" } else { "runner" };
    let pairs =
        [("PATH", path.as_str()), ("HOME", &facts.paths.home), ("USER", user), ("LOGNAME", user)];
    let mut env: Vars = [("LANG".to_owned(), "C.UTF-8".to_owned())].into_iter().collect();
    env.extend(image.iter().cloned());
    env.extend(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())));
    env.extend(prepared.container_env.clone());
    env
}

fn services_value(services: &[gantry_sandbox::ServiceSpec]) -> Value {
    Value::object(services.iter().map(|service| {
        let ports = service
            .ports
            .iter()
            .map(|(outer, inner)| (inner.to_string(), Value::from(outer.to_string())));
        let fields = [
            ("id", Value::from(service.name.as_str())),
            ("network", "job".into()),
            ("ports", Value::object(ports)),
        ];
        (service.name.clone(), Value::object(fields))
    }))
}

async fn run_all(
    attempt: &mut Attempt<'_>,
    main: &[u32],
) -> (Verdict, IndexMap<String, String>, Rest) {
    let facts = attempt.facts;
    let spec = &facts.lease.spec;
    let mut frame =
        Frame { file: spec.workflow_path.clone(), inputs: spec.inputs.clone(), ..Frame::default() };
    run_first(attempt, &mut frame, main).await;
    for (step, index) in spec.definition.steps.iter().zip(main) {
        if facts.stop.forced() {
            let skipped = Verdict::skipped("the job was ended by force");
            facts.board.end(*index, skipped.clone(), skipped, Usage::default());
            continue;
        }
        attempt.step = *index;
        let name = attempt.step_name(&frame, step).await;
        let name = facts.log.redact(&name);
        facts.board.begin(*index, &name);
        attempt.sandbox.mark_step(&name);
        let end = attempt.run_step(&mut frame, step, &name).await;
        attempt.kept.ended(&name, &end.outcome);
        facts.board.end(*index, end.outcome, end.conclusion, end.usage);
    }
    let posts = std::mem::take(&mut attempt.posts);
    for post in posts.into_iter().rev() {
        if facts.stop.forced() {
            break;
        }
        let name = facts.log.redact(&post.name);
        let index = facts.board.add(&name, None, None);
        attempt.step = index;
        facts.board.begin(index, &name);
        attempt.sandbox.mark_step(&name);
        let end = attempt.run_post(&mut frame, post).await;
        let (outcome, conclusion, usage) = end.map_or_else(
            || {
                let skipped = Verdict::skipped("its condition does not hold");
                (skipped.clone(), skipped, Usage::default())
            },
            |end| (end.outcome, end.conclusion, end.usage),
        );
        facts.board.end(index, outcome, conclusion, usage);
    }
    let index = facts.board.add(COMPLETE, None, None);
    attempt.step = index;
    facts.board.begin(index, COMPLETE);
    attempt.sandbox.mark_step(COMPLETE);
    let outputs = finish::outputs(attempt, &mut frame).await;
    let tests = finish::tests(attempt).await;
    let verdict = verdict(facts, &frame);
    let done = Verdict::success();
    facts.board.end(index, done.clone(), done, Usage::default());
    let rest = Rest {
        annotations: std::mem::take(&mut attempt.annotations),
        caches: std::mem::take(&mut attempt.caches),
        summary: std::mem::take(&mut attempt.summary),
        tests,
        ..Rest::default()
    };
    (verdict, outputs, rest)
}

/// Runs what actions of other repositories have to run before the first step.
async fn run_first(attempt: &mut Attempt<'_>, frame: &mut Frame, main: &[u32]) {
    let facts = attempt.facts;
    for (step, of) in facts.lease.spec.definition.steps.iter().zip(main) {
        if facts.stop.forced() || !attempt.has_pre(step).await {
            continue;
        }
        let name = format!("Pre {}", attempt.step_name(frame, step).await);
        let name = facts.log.redact(&name);
        let index = facts.board.add(&name, None, None);
        attempt.step = index;
        facts.board.begin(index, &name);
        attempt.sandbox.mark_step(&name);
        let end = attempt.run_first(frame, step, *of, &name).await;
        facts.board.end(index, end.outcome, end.conclusion, end.usage);
    }
}

/// How the job ended: a request to end it goes before the first failure of a step.
fn verdict(facts: Facts<'_>, frame: &Frame) -> Verdict {
    if let Some(why) = facts.stop.why() {
        return why.verdict();
    }
    match &frame.failure {
        None => Verdict::success(),
        Some(first) => Verdict {
            outcome: if first.outcome == Outcome::TimedOut {
                Outcome::Failure
            } else {
                first.outcome
            },
            fault: first.fault,
            reason: first.reason.as_deref().map(|r| facts.log.redact(r)),
        },
    }
}

async fn stop(facts: Facts<'_>, sandbox: Sandbox, rest: &mut Rest) -> Usage {
    match sandbox.stop().await {
        Ok(report) => {
            for (name, text) in &report.service_logs {
                facts.log.line(None, LineKind::Group, &format!("Output of service `{name}`"));
                facts.log.line(None, LineKind::Service, text.trim_end());
                facts.log.line(None, LineKind::EndGroup, "");
            }
            rest.take_network(facts, &report);
            report.usage
        }
        Err(error @ (SandboxError::Gone(_) | SandboxError::Machine(_))) => {
            facts.log.line(None, LineKind::Warning, &error.to_string());
            Usage::default()
        }
        Err(error) => {
            facts.log.line(None, LineKind::Error, &error.to_string());
            Usage::default()
        }
    }
}
