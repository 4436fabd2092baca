//! The top of a workflow file.

use gantry_core::Queue;

use super::expressions::{has_expression, list};
use super::{Reader, avail};
use crate::model::{Concurrency, RunDefaults, Template, Workflow};
use crate::syntax::{Kind, Node};

const ROOT: &[&str] = &[
    "name",
    "description",
    "run-name",
    "on",
    "env",
    "defaults",
    "concurrency",
    "permissions",
    "jobs",
];
const QUEUES: &[&str] = &["single", "max"];

impl Reader<'_> {
    /// The whole file.
    pub(crate) fn workflow(&mut self, node: &Node) -> Option<Workflow> {
        if node.kind == Kind::Null {
            return None;
        }
        let Kind::Map(_) = node.kind else {
            self.wrong_type(node, "a workflow file", "a mapping");
            return None;
        };
        let (mut w, wholes) = self.with_wholes(|reader| reader.workflow_fields(node));
        w.wholes = wholes;
        Some(w)
    }

    fn workflow_fields(&mut self, node: &Node) -> Workflow {
        let mut w = Workflow::default();
        let (mut on, mut jobs) = (false, false);
        for (name, _, value) in self.fields(node, "a workflow", ROOT) {
            match name.as_str() {
                "name" => w.name = self.plain(value, "name").filter(|n| !n.is_empty()),
                "run-name" => w.run_name = self.text(value, "run-name", avail::RUN),
                "on" => {
                    on = true;
                    w.triggers = self.triggers(value);
                }
                "env" => w.env = self.env(value, "env", avail::RUN_ENV, avail::RUN_ENV),
                "defaults" => w.defaults = self.defaults(value, avail::NONE),
                "concurrency" => w.concurrency = self.concurrency(value, avail::RUN),
                "permissions" => w.permissions = self.permissions(value),
                "jobs" => {
                    jobs = true;
                    w.jobs = self.jobs(value);
                }
                _ => {
                    self.plain(value, "description");
                }
            }
        }
        w.unsupported = std::mem::take(&mut self.unsupported);
        if !on {
            self.missing(
                node.span,
                "a workflow",
                "on",
                "name the events that start it, for instance `on: push`",
            );
        }
        if !jobs {
            self.missing(node.span, "a workflow", "jobs", "add `jobs` with at least one job");
        }
        w
    }

    /// `defaults:`.
    pub(crate) fn defaults(&mut self, node: &Node, allowed: avail::Avail) -> RunDefaults {
        let mut d = RunDefaults::default();
        for (_, _, run) in self.fields(node, "`defaults`", &["run"]) {
            if self.whole_expression(run, "defaults.run", allowed) {
                continue;
            }
            for (name, _, value) in
                self.fields(run, "`defaults.run`", &["shell", "working-directory"])
            {
                if name == "shell" {
                    d.shell = self.shell(value, allowed);
                } else {
                    d.working_directory = self.full_text(value, &name, allowed);
                }
            }
        }
        d
    }

    /// `concurrency:` as a group or a mapping.
    pub(crate) fn concurrency(
        &mut self,
        node: &Node,
        allowed: avail::Avail,
    ) -> Option<Concurrency> {
        let of_workflow = !allowed.contexts.contains(&"needs");
        if of_workflow && node.scalar_text().is_some_and(|t| t.is_empty()) {
            return None;
        }
        let Kind::Map(_) = node.kind else {
            let group = self.full_text(node, "concurrency", allowed)?;
            return Some(Concurrency { group, cancel_in_progress: None, queue: Queue::Single });
        };
        let mut group = None;
        let mut cancel: Option<Template> = None;
        let mut queue = Queue::Single;
        let mut seen = false;
        for (name, _, value) in
            self.fields(node, "`concurrency`", &["group", "cancel-in-progress", "queue"])
        {
            match name.as_str() {
                "group" => {
                    seen = true;
                    group = self.full_text(value, "group", allowed);
                }
                "cancel-in-progress" => cancel = self.boolean(value, &name, allowed),
                _ => queue = self.queue(value, allowed),
            }
        }
        if queue == Queue::Max && cancel.as_ref().is_some_and(|t| t.text == "true") {
            self.error(
                "workflow/bad-concurrency",
                node.span,
                "`queue: max` and `cancel-in-progress: true` exclude each other",
                "remove one of them",
            );
        }
        if !seen {
            self.missing(node.span, "`concurrency`", "group", "name the group under `group`");
        }
        group.map(|group| Concurrency { group, cancel_in_progress: cancel, queue })
    }

    fn queue(&mut self, node: &Node, allowed: avail::Avail) -> Queue {
        if let Kind::Text(text) = &node.kind
            && has_expression(text)
        {
            self.check_template(node, text, "queue", allowed);
            self.beyond(
                "workflow/unsupported-key",
                node.span,
                "an expression in `queue` is not run here",
                "write `single` or `max`",
            );
            return Queue::Single;
        }
        let Some(word) = self.plain(node, "queue") else { return Queue::Single };
        word.parse().unwrap_or_else(|_| {
            self.error(
                "workflow/wrong-type",
                node.span,
                format!("`{word}` is not a form of `queue`"),
                format!("known: {}", list(QUEUES)),
            );
            Queue::Single
        })
    }
}
