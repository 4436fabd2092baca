//! Action metadata files (`action.yml`): inputs, outputs and what runs.

use indexmap::IndexMap;

use super::{Reader, avail};
use crate::model::{Action, ActionInput, ActionRuns, DockerRuns, Template};
use crate::syntax::{Kind, Node};

const COMPOSITE: &[&str] = &["using", "steps"];
const NODE: &[&str] = &["using", "main", "pre", "pre-if", "post", "post-if"];
const DOCKER: &[&str] = &[
    "using",
    "image",
    "entrypoint",
    "args",
    "env",
    "pre-entrypoint",
    "pre-if",
    "post-entrypoint",
    "post-if",
];
const RUNTIMES: &[&str] = &["node12", "node16", "node20", "node24", "composite", "docker"];

impl Reader<'_> {
    /// The whole file. Unknown keys at the top and in inputs are allowed, as GitHub's runner does.
    pub(crate) fn action(&mut self, node: &Node) -> Option<Action> {
        if node.kind == Kind::Null {
            return None;
        }
        let Kind::Map(_) = node.kind else {
            self.wrong_type(node, "an action file", "a mapping");
            return None;
        };
        let mut action = Action::default();
        for (name, _, value) in self.entries(node, "an action") {
            match name.as_str() {
                "name" => action.name = self.plain(value, "name").filter(|n| !n.is_empty()),
                "inputs" if value.kind != Kind::Null => action.inputs = self.action_inputs(value),
                "outputs" if value.kind != Kind::Null => {
                    action.outputs = self.action_outputs(value);
                }
                "runs" => {
                    if let Some(runs) = self.runs(value) {
                        action.runs = runs;
                    }
                }
                _ => {}
            }
        }
        if node.get("runs").is_none() {
            self.missing(node.span, "an action", "runs", "add `runs` with `using` and what to run");
        }
        Some(action)
    }

    fn action_inputs(&mut self, node: &Node) -> IndexMap<String, ActionInput> {
        let mut out = IndexMap::new();
        for (name, _, value) in self.entries(node, "`inputs`") {
            let mut input = ActionInput::default();
            if value.kind != Kind::Null {
                let what = format!("input `{name}`");
                for (field, _, value) in self.entries(value, &what) {
                    match field.as_str() {
                        "required" => {
                            let text = value.scalar_text().unwrap_or_default();
                            input.required = text.eq_ignore_ascii_case("true");
                        }
                        "default" => {
                            input.default = self.text(value, "default", avail::ACTION_INPUT);
                        }
                        "deprecationMessage" => {
                            input.deprecation_message = self.plain(value, &field);
                        }
                        _ => {}
                    }
                }
            }
            out.insert(name, input);
        }
        out
    }

    fn action_outputs(&mut self, node: &Node) -> IndexMap<String, Option<Template>> {
        let mut out = IndexMap::new();
        for (name, _, value) in self.entries(node, "`outputs`") {
            let mut template = None;
            if value.kind != Kind::Null {
                let what = format!("output `{name}`");
                for (field, _, value) in self.fields(value, &what, &["description", "value"]) {
                    if field == "value" {
                        template = self.text(value, "value", avail::ACTION_OUTPUT);
                    }
                }
            }
            out.insert(name, template);
        }
        out
    }

    fn runs(&mut self, node: &Node) -> Option<ActionRuns> {
        let Kind::Map(_) = node.kind else {
            self.wrong_type(node, "`runs`", "a mapping");
            return None;
        };
        self.known = super::references::Known::of_action(node);
        let Some(using_node) = node.get("using") else {
            self.missing(
                node.span,
                "`runs`",
                "using",
                "write `using: composite`, `node24` or `docker`",
            );
            return None;
        };
        let using = self.full_plain(using_node, "using")?;
        let lower = using.to_lowercase();
        if lower == "composite" {
            self.fields(node, "`runs` of a composite action", COMPOSITE);
            let Some(steps) = node.get("steps") else {
                self.missing(node.span, "`runs` of a composite action", "steps", "add `steps`");
                return Some(ActionRuns::default());
            };
            return Some(ActionRuns::Composite {
                steps: self.steps(steps, super::steps::COMPOSITE),
            });
        }
        if lower == "docker" {
            let (mut runs, wholes) = self.with_wholes(|reader| reader.docker(node));
            runs.wholes = wholes;
            return Some(ActionRuns::Docker(runs));
        }
        if lower.strip_prefix("node").is_some_and(|v| v.parse::<u32>().is_ok()) {
            return Some(self.javascript(node, using));
        }
        self.unknown_word(
            "workflow/bad-using",
            using_node.span,
            "a runtime of actions",
            &using,
            RUNTIMES,
        );
        None
    }

    fn docker(&mut self, node: &Node) -> DockerRuns {
        let mut runs = DockerRuns::default();
        let (mut pre, mut post, mut pre_if, mut post_if) = (None, None, None, None);
        for (name, _, value) in self.fields(node, "`runs` of a container action", DOCKER) {
            match name.as_str() {
                "image" => runs.image = self.full_plain(value, "image").unwrap_or_default(),
                "entrypoint" => runs.entrypoint = self.full_plain(value, "entrypoint"),
                "args" if value.kind != Kind::Null => {
                    runs.args = Some(self.list(value, "args", avail::ACTION_DOCKER));
                }
                "env" if value.kind != Kind::Null => {
                    runs.env = self.env(value, "env", avail::ACTION_DOCKER, avail::ACTION_DOCKER);
                }
                "pre-entrypoint" => pre = self.full_plain(value, &name),
                "post-entrypoint" => post = self.full_plain(value, &name),
                "pre-if" => pre_if = self.condition(value, "pre-if", avail::ACTION_RUNS_IF),
                "post-if" => post_if = self.condition(value, "post-if", avail::ACTION_RUNS_IF),
                _ => {}
            }
        }
        if node.get("image").is_none() {
            self.missing(node.span, "`runs` of a container action", "image", "name the image");
        }
        runs.pre = pre.map(|p| (p, pre_if));
        runs.post = post.map(|p| (p, post_if));
        runs
    }

    fn javascript(&mut self, node: &Node, using: String) -> ActionRuns {
        let (mut main, mut pre, mut post) = (String::new(), None, None);
        let (mut pre_if, mut post_if) = (None, None);
        for (name, _, value) in self.fields(node, "`runs` of a JavaScript action", NODE) {
            match name.as_str() {
                "main" => main = self.full_plain(value, "main").unwrap_or_default(),
                "pre" => pre = self.full_plain(value, "pre"),
                "post" => post = self.full_plain(value, "post"),
                "pre-if" => pre_if = self.condition(value, "pre-if", avail::ACTION_RUNS_IF),
                "post-if" => post_if = self.condition(value, "post-if", avail::ACTION_RUNS_IF),
                _ => {}
            }
        }
        if node.get("main").is_none() {
            self.missing(
                node.span,
                "`runs` of a JavaScript action",
                "main",
                "name the script under `main`",
            );
        }
        ActionRuns::JavaScript {
            using,
            main,
            pre: pre.map(|p| (p, pre_if)),
            post: post.map(|p| (p, post_if)),
        }
    }
}
