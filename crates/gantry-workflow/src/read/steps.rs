//! Steps of jobs and of composite actions.

use std::collections::HashMap;

use super::Reader;
use super::avail::{self, Avail};
use crate::model::{Step, StepAction, Template};
use crate::syntax::{Kind, Node};

/// What the steps of one kind of file may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// Everything but `if`.
    pub step: Avail,
    /// `if`.
    pub condition: Avail,
    /// `shell`.
    pub shell: Avail,
    /// Whether it is a composite action: `shell` is required, timeouts do not exist.
    pub composite: bool,
}

/// Steps of a workflow's job.
pub(crate) const WORKFLOW: Dialect =
    Dialect { step: avail::STEP, condition: avail::STEP_IF, shell: avail::NONE, composite: false };
/// Steps of a composite action.
pub(crate) const COMPOSITE: Dialect = Dialect {
    step: avail::ACTION_STEP,
    condition: avail::ACTION_STEP_IF,
    shell: avail::ACTION_STEP,
    composite: true,
};

const KEYS: &[&str] = &[
    "id",
    "name",
    "if",
    "env",
    "continue-on-error",
    "timeout-minutes",
    "run",
    "shell",
    "working-directory",
    "uses",
    "with",
    "background",
    "wait",
    "wait-all",
    "cancel",
    "parallel",
];
const COMPOSITE_KEYS: &[&str] = &[
    "id",
    "name",
    "if",
    "env",
    "continue-on-error",
    "run",
    "shell",
    "working-directory",
    "uses",
    "with",
];
const ACTS: &[&str] = &["run", "uses", "wait", "wait-all", "cancel", "parallel"];
const SHELLS: &[&str] = &["bash", "sh", "pwsh", "powershell", "python", "cmd"];

impl Reader<'_> {
    /// `steps:`.
    pub(crate) fn steps(&mut self, node: &Node, dialect: Dialect) -> Vec<Step> {
        let Kind::List(items) = &node.kind else {
            self.wrong_type(node, "`steps`", "a list");
            return Vec::new();
        };
        let mut ids: HashMap<String, u32> = HashMap::new();
        items.iter().filter_map(|item| self.step(item, dialect, &mut ids)).collect()
    }

    fn step(
        &mut self,
        node: &Node,
        dialect: Dialect,
        ids: &mut HashMap<String, u32>,
    ) -> Option<Step> {
        let known = if dialect.composite { COMPOSITE_KEYS } else { KEYS };
        let fields = self.fields(node, "a step", known);
        if !matches!(node.kind, Kind::Map(_)) {
            return None;
        }
        let acts: Vec<(&str, &Node)> = fields
            .iter()
            .map(|f| (f.0.as_str(), f.1))
            .filter(|(name, _)| ACTS.contains(name))
            .collect();
        match acts.as_slice() {
            [] => {
                self.error(
                    "workflow/step-without-action",
                    node.span,
                    "the step does nothing",
                    "give it `run` or `uses`",
                );
            }
            [_] => {}
            [(a, _), (b, second), ..] => {
                self.error(
                    "workflow/step-with-two-actions",
                    second.span,
                    format!("the step has `{a}` and `{b}`"),
                    "make two steps of it",
                );
            }
        }
        let act = acts.first().map(|a| a.0.to_owned());
        let mut parts = Parts::default();
        let ((), wholes) = self.with_wholes(|reader| {
            for (name, key, value) in &fields {
                if matches!(name.as_str(), "wait" | "cancel") {
                    reader.targets(value, ids);
                }
                reader.step_field(&mut parts, name, key, value, dialect, act.as_deref());
            }
        });
        parts.wholes = wholes;
        if let Some(id) = node.get("id")
            && let Some(text) = parts.id.clone()
        {
            self.step_id(&text, id, ids);
        }
        if dialect.composite && act.as_deref() == Some("run") && node.get("shell").is_none() {
            self.missing(
                node.span,
                "a `run` step of an action",
                "shell",
                "add for instance `shell: bash`",
            );
        }
        parts.into_step(node)
    }

    fn step_field(
        &mut self,
        p: &mut Parts,
        name: &str,
        key: &Node,
        value: &Node,
        d: Dialect,
        act: Option<&str>,
    ) {
        let belongs = match name {
            "shell" | "working-directory" => act == Some("run"),
            "with" => act == Some("uses"),
            "env" | "if" | "timeout-minutes" | "background" => matches!(act, Some("run" | "uses")),
            _ => true,
        };
        if let (false, Some(act)) = (belongs, act) {
            let owner = if name == "with" { "uses" } else { "run" };
            self.error(
                "workflow/unknown-key",
                key.span,
                format!("a step with `{act}` has no key `{name}`"),
                format!("`{name}` belongs to a step with `{owner}`"),
            );
            return;
        }
        match name {
            "id" => p.id = self.full_plain(value, "id"),
            "name" => p.name = self.text(value, "name", d.step),
            "if" => p.condition = self.condition(value, "if", d.condition),
            "env" => p.env = self.env(value, "env", d.step, d.step),
            "continue-on-error" => p.continue_on_error = self.boolean(value, name, d.step),
            "timeout-minutes" => p.timeout_minutes = self.number(value, name, d.step),
            "run" => p.run = self.text(value, "run", d.step),
            "shell" => p.shell = self.shell(value, d.shell),
            "working-directory" => p.working_directory = self.text(value, name, d.step),
            "uses" => p.uses = self.action_target(value),
            "with" => p.with = self.env(value, "with", d.step, d.step),
            "background" => {
                if self.plain_boolean(value, name) == Some(true) {
                    self.concurrent_steps(key);
                }
            }
            "parallel" => {
                self.steps(value, d);
                self.concurrent_steps(key);
            }
            "wait-all" => {
                if value.kind != Kind::Null {
                    self.plain_boolean(value, name);
                }
                self.concurrent_steps(key);
            }
            "wait" => {
                self.strings(value, name);
                self.concurrent_steps(key);
            }
            _ => {
                self.full_plain(value, name);
                self.concurrent_steps(key);
            }
        }
    }

    /// `wait` and `cancel` name steps above.
    fn targets(&mut self, node: &Node, ids: &HashMap<String, u32>) {
        let one = std::slice::from_ref(node);
        let items = if let Kind::List(items) = &node.kind { items.as_slice() } else { one };
        for item in items {
            let Some(target) = item.scalar_text().filter(|t| !t.is_empty()) else { continue };
            if !ids.contains_key(&target.to_lowercase()) {
                self.error(
                    "workflow/bad-id",
                    item.span,
                    format!("no step above has the id `{target}`"),
                    "name the `id` of a step above",
                );
            }
        }
    }

    fn concurrent_steps(&mut self, key: &Node) {
        self.beyond(
            "workflow/unsupported-key",
            key.span,
            "steps beside each other (`background`, `wait`, `wait-all`, `cancel`, `parallel`) are not run here",
            "run them one after the other, or as jobs of their own",
        );
    }

    fn step_id(&mut self, id: &str, node: &Node, ids: &mut HashMap<String, u32>) {
        self.check_id(id, node, "step");
        if let Some(first) = ids.insert(id.to_lowercase(), node.span.line) {
            self.error(
                "workflow/duplicate-id",
                node.span,
                format!("the step id `{id}` is taken"),
                format!("choose another one; line {first} has it already"),
            );
        }
    }

    /// `shell:`.
    pub(crate) fn shell(&mut self, node: &Node, allowed: Avail) -> Option<Template> {
        let shell = self.full_text(node, "shell", allowed)?;
        let t = shell.text.trim();
        if !SHELLS.contains(&t) && !t.contains("{0}") && !t.contains("${{") {
            let fix = match gantry_core::diag::did_you_mean(t, SHELLS.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "write `bash`, `sh`, `python`, `pwsh`, or a command with `{0}` for the script"
                        .to_owned()
                }
            };
            self.warn("workflow/bad-shell", node.span, format!("`{t}` is not a shell"), fix);
        }
        Some(shell)
    }

    fn action_target(&mut self, node: &Node) -> Option<Template> {
        let uses = self.full_text(node, "uses", avail::NONE)?;
        let t = uses.text.as_str();
        if t.contains("${{") {
            return Some(uses);
        }
        let local = t.starts_with("./") || t.starts_with(".\\") || t.starts_with("$/") || t == ".";
        let docker = t.strip_prefix("docker://").is_some_and(|i| !i.is_empty());
        let parts: Vec<&str> = t.split('@').collect();
        let remote = matches!(parts.as_slice(), [path, at] if !at.is_empty()
            && path.split(['/', '\\']).filter(|p| !p.is_empty()).count() >= 2);
        if !(local || docker || remote) {
            let fix = if t.contains('/') && !t.contains('@') {
                format!("name a version: `{t}@<ref>`, or `./{t}` for a folder of this repository")
            } else {
                "write `<owner>/<repository>[/<path>]@<ref>`, `./<path>` or `docker://<image>`"
                    .to_owned()
            };
            self.error(
                "workflow/bad-uses",
                node.span,
                format!("`{t}` does not name an action"),
                fix,
            );
        }
        Some(uses)
    }
}

#[derive(Default)]
struct Parts {
    id: Option<String>,
    name: Option<Template>,
    condition: Option<Template>,
    env: crate::model::Env,
    continue_on_error: Option<Template>,
    timeout_minutes: Option<Template>,
    run: Option<Template>,
    shell: Option<Template>,
    working_directory: Option<Template>,
    uses: Option<Template>,
    with: crate::model::Env,
    wholes: crate::model::Wholes,
}

impl Parts {
    fn into_step(self, node: &Node) -> Option<Step> {
        let action = match (self.run, self.uses) {
            (Some(script), _) => StepAction::Run {
                script,
                shell: self.shell,
                working_directory: self.working_directory,
            },
            (None, Some(uses)) => StepAction::Uses { uses, with: self.with },
            (None, None) => return None,
        };
        Some(Step {
            span: node.span,
            id: self.id,
            name: self.name,
            condition: self.condition,
            env: self.env,
            continue_on_error: self.continue_on_error,
            timeout_minutes: self.timeout_minutes,
            wholes: self.wholes,
            action,
        })
    }
}
