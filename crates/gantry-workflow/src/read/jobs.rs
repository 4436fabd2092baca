//! `jobs:`: jobs with steps and jobs that call a reusable workflow.

use gantry_core::limits::MAX_JOBS_PER_WORKFLOW;
use indexmap::IndexMap;

use super::references::Known;
use super::{Reader, avail};
use crate::model::{CallSecrets, Job, RunsOn, Template};
use crate::syntax::{Kind, Node};

const JOB: &[&str] = &[
    "name",
    "needs",
    "if",
    "runs-on",
    "strategy",
    "env",
    "defaults",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "continue-on-error",
    "outputs",
    "container",
    "services",
    "concurrency",
    "environment",
    "permissions",
    "snapshot",
    "steps",
    "uses",
    "with",
    "secrets",
];
const CALL_ONLY: &[&str] = &["with", "secrets"];
const CALL: &[&str] =
    &["name", "uses", "with", "secrets", "needs", "if", "permissions", "concurrency", "strategy"];

/// Longest id of a job or step.
const MAX_ID_CHARS: usize = 100;

impl Reader<'_> {
    /// `jobs:`.
    pub(crate) fn jobs(&mut self, node: &Node) -> IndexMap<String, Job> {
        let workflow_level = std::mem::take(&mut self.unsupported);
        let mut jobs = IndexMap::new();
        let mut needs = Vec::new();
        let entries = self.entries(node, "`jobs`");
        if matches!(node.kind, Kind::Map(_)) && entries.is_empty() {
            self.missing(node.span, "`jobs`", "<job id>", "add at least one job");
        }
        if entries.len() > MAX_JOBS_PER_WORKFLOW {
            self.error(
                "workflow/too-large",
                node.span,
                format!(
                    "the workflow has {} jobs, and the limit is {MAX_JOBS_PER_WORKFLOW}",
                    entries.len()
                ),
                "split the workflow",
            );
        }
        for (id, key, value) in entries.into_iter().take(MAX_JOBS_PER_WORKFLOW) {
            self.check_id(&id, key, "job");
            self.known = Known::of_job(value);
            let (mut job, wholes) = self.with_wholes(|reader| reader.job(&id, key, value));
            job.wholes = wholes;
            self.known = Known::default();
            job.span = key.span;
            job.unsupported = std::mem::take(&mut self.unsupported);
            if let Some(list) = value.get("needs") {
                needs.push((id.clone(), list.clone()));
            }
            jobs.insert(id, job);
        }
        if !jobs.is_empty() && jobs.values().all(|job| !job.needs.is_empty()) {
            self.error(
                "workflow/cyclic-needs",
                node.span,
                "no job can begin: each one needs another",
                "remove `needs` of the job that begins",
            );
        }
        self.check_needs(&jobs, &needs);
        self.unsupported = workflow_level;
        jobs
    }

    /// Reports an id that GitHub refuses.
    pub(crate) fn check_id(&mut self, id: &str, node: &Node, what: &str) {
        let first_ok = id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let all_ok = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !first_ok || !all_ok || id.len() >= MAX_ID_CHARS {
            self.error(
                "workflow/bad-id",
                node.span,
                format!("`{id}` is not an id of a {what}"),
                format!("begin with a letter or `_`, go on with letters, digits, `-`, `_`, and stay below {MAX_ID_CHARS} characters"),
            );
        } else if id.starts_with("__") {
            self.error(
                "workflow/bad-id",
                node.span,
                format!("`{id}` is reserved"),
                "do not begin an id with `__`",
            );
        }
    }

    fn job(&mut self, id: &str, key: &Node, node: &Node) -> Job {
        let what = format!("job `{id}`");
        let mut job = Job::default();
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_type(node, &what, "a mapping");
            return job;
        }
        let call = node.get("uses").is_some();
        for (name, at, value) in self.fields(node, &what, JOB) {
            if call && !CALL.contains(&name.as_str()) {
                self.error(
                    "workflow/unknown-key",
                    at.span,
                    format!("{what} calls a workflow and cannot have `{name}`"),
                    format!("remove `{name}`, or `uses`"),
                );
                continue;
            }
            if !call && CALL_ONLY.contains(&name.as_str()) {
                self.error(
                    "workflow/unknown-key",
                    at.span,
                    format!("{what} has `{name}` and no `uses`"),
                    "only a job that calls a reusable workflow takes it; call one with `uses`",
                );
                continue;
            }
            self.job_field(&mut job, &name, value);
        }
        if call {
            return job;
        }
        if node.get("runs-on").is_none() {
            self.missing(node.span, &what, "runs-on", "add for instance `runs-on: ubuntu-latest`");
        }
        if node.get("steps").is_none() {
            self.warn("workflow/no-steps", key.span, format!("{what} has no steps"), "add `steps`");
        }
        job
    }

    fn job_field(&mut self, job: &mut Job, name: &str, value: &Node) {
        match name {
            "name" => job.name = self.text(value, name, avail::LEG),
            "needs" => job.needs = self.strings(value, name),
            "if" => job.condition = self.condition(value, name, avail::JOB_IF),
            "runs-on" => job.runs_on = self.runs_on(value),
            "strategy" => job.strategy = self.strategy(value),
            "env" => job.env = self.env(value, name, avail::LEG_SECRETS, avail::LEG_SECRETS),
            "defaults" => job.defaults = self.defaults(value, avail::LEG_ENV),
            "timeout-minutes" => job.timeout_minutes = self.number(value, name, avail::LEG),
            "cancel-timeout-minutes" => {
                self.number(value, name, avail::LEG);
            }
            "continue-on-error" => job.continue_on_error = self.boolean(value, name, avail::LEG),
            "outputs" => job.outputs = self.env(value, name, avail::RUNNER, avail::NONE),
            "container" => job.container = self.container(value, name, false),
            "services" => job.services = self.services(value),
            "concurrency" => job.concurrency = self.concurrency(value, avail::LEG),
            "environment" => job.environment = self.environment(value),
            "permissions" => job.permissions = self.permissions(value),
            "snapshot" => self.snapshot(value),
            "steps" => job.steps = self.steps(value, super::steps::WORKFLOW),
            "uses" => job.uses = self.call_target(value),
            "with" => job.with = self.env(value, name, avail::LEG, avail::NONE),
            _ => job.call_secrets = self.call_secrets_given(value),
        }
    }

    fn runs_on(&mut self, node: &Node) -> RunsOn {
        let mut runs_on = RunsOn::default();
        if !matches!(node.kind, Kind::Map(_)) {
            runs_on.labels = self.templates(node, "runs-on", avail::LEG);
            if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
                self.beyond(
                    "workflow/empty-value",
                    node.span,
                    "`runs-on` names no label",
                    "write for instance `ubuntu-latest`",
                );
            }
            return runs_on;
        }
        for (name, _, value) in self.fields(node, "`runs-on`", &["group", "labels"]) {
            if name == "labels" {
                runs_on.labels = self.templates(value, "labels", avail::LEG);
            } else {
                runs_on.group = self.full_text(value, "group", avail::LEG);
                self.check_group(value, runs_on.group.as_ref());
            }
        }
        runs_on
    }

    fn check_group(&mut self, node: &Node, group: Option<&Template>) {
        let Some(group) = group else { return };
        if super::expressions::has_expression(&group.text) {
            return;
        }
        let ok = match group.text.split_once('/') {
            None => true,
            Some((level, name)) => {
                ["org", "organization", "ent", "enterprise"].contains(&level)
                    && !name.is_empty()
                    && !name.contains('/')
            }
        };
        if !ok {
            self.error(
                "workflow/bad-id",
                node.span,
                format!("`{}` is not a runner group", group.text),
                "write the name alone, or behind `org/` or `ent/`",
            );
        }
    }

    fn environment(&mut self, node: &Node) -> Option<Template> {
        if !matches!(node.kind, Kind::Map(_)) {
            return self.text(node, "environment", avail::LEG);
        }
        let mut found = None;
        for (name, _, value) in self.fields(node, "`environment`", &["name", "url", "deployment"]) {
            match name.as_str() {
                "name" => found = self.text(value, "name", avail::LEG),
                "url" => {
                    self.text(value, "url", avail::URL);
                }
                _ => {
                    self.boolean(value, "deployment", avail::LEG);
                }
            }
        }
        if node.get("name").is_none() {
            self.missing(node.span, "`environment`", "name", "name the environment under `name`");
        }
        found
    }

    fn snapshot(&mut self, node: &Node) {
        if let Kind::Map(_) = node.kind {
            for (name, _, value) in
                self.fields(node, "`snapshot`", &["image-name", "if", "version"])
            {
                if name == "if" {
                    self.condition(value, "if", avail::LEG);
                } else {
                    self.full_plain(value, &name);
                }
            }
            if node.get("image-name").is_none() {
                self.missing(node.span, "`snapshot`", "image-name", "name the image");
            }
        } else {
            self.full_plain(node, "snapshot");
        }
        self.beyond(
            "workflow/unsupported-key",
            node.span,
            "`snapshot` is not run here",
            "remove it; images of this hub come from a registry or an archive",
        );
    }

    fn call_target(&mut self, node: &Node) -> Option<Template> {
        let uses = self.full_text(node, "uses", avail::NONE)?;
        let t = uses.text.as_str();
        let local = (t.starts_with("./") || t.starts_with("$/")) && !t.contains('@');
        let remote = t.split_once('@').is_some_and(|(path, at)| {
            !at.is_empty() && path.split('/').filter(|p| !p.is_empty()).count() >= 3
        });
        let yaml = |p: &str| {
            std::path::Path::new(p).extension().is_some_and(|e| e == "yml" || e == "yaml")
        };
        if !(local || remote) || !yaml(t.split('@').next().unwrap_or("")) {
            self.error(
                "workflow/bad-uses",
                node.span,
                format!("`{t}` does not name a reusable workflow"),
                "write `./.github/workflows/<file>.yml` or `<owner>/<repository>/.github/workflows/<file>.yml@<ref>`",
            );
        }
        Some(uses)
    }

    fn call_secrets_given(&mut self, node: &Node) -> CallSecrets {
        if let Kind::Map(_) = node.kind {
            return CallSecrets::Map(self.env(node, "secrets", avail::LEG_SECRETS, avail::NONE));
        }
        if node.scalar_text().as_deref() != Some("inherit") {
            self.error(
                "workflow/wrong-type",
                node.span,
                "`secrets` is neither `inherit` nor a mapping",
                "write `inherit` or list the secrets",
            );
        }
        CallSecrets::Inherit
    }
}
