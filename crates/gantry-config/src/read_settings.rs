//! Reading a settings layer: the keys that org, team and repository share.

use gantry_core::{EgressMode, EgressRule};
use indexmap::IndexMap;

use crate::model::{JobBudget, SETTINGS_KEYS, SecretRef, Settings, WorkflowRule};
use crate::read::Reader;
use crate::size::{parse_bytes, parse_cpu};
use crate::traced::Traced;
use crate::yaml::{Key, Node, Yaml};

/// Smallest memory or disk limit that a job can start in, in bytes.
const MIN_BYTES: u64 = 4 << 20;
const RUNTIMES: &[&str] = &["embedded", "runc", "crun", "runsc"];
const LIMIT_KEYS: &[&str] = &["cpu", "memory", "pids", "disk"];
const RULE_KEYS: &[&str] = &["enabled", "max_in_progress", "max_parallel", "timeout", "jobs"];
const JOB_KEYS: &[&str] = &["max_parallel", "timeout"];

impl Reader<'_> {
    /// A whole settings mapping.
    pub(crate) fn settings(&mut self, what: &str, node: &Node) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in self.entries(what, node) {
            if !self.setting(&mut settings, what, key, value) {
                self.unknown_key(key, what, SETTINGS_KEYS.iter().copied());
            }
        }
        settings
    }

    /// One key of a settings mapping; `false` when it is none.
    pub(crate) fn setting(&mut self, to: &mut Settings, what: &str, key: &Key, v: &Node) -> bool {
        let name = format!("`{}` of {what}", key.text);
        match key.text.as_str() {
            "runner" => to.runner = self.text(&name, v),
            "image" => to.image = self.text(&name, v),
            "images" | "labels" => {
                let map = self.text_map(&name, v);
                to.labels.extend(map);
            }
            "tools" => to.tools = self.text_map(&name, v),
            "runtime" | "isolation" => {
                if to.runtime.is_some() {
                    let message = format!("{what} sets both `runtime` and `isolation`");
                    self.bad_value(key.span, message, "keep `runtime`; the two are one setting");
                }
                to.runtime = self.word(&name, v, RUNTIMES);
            }
            "user" => to.user = self.word(&name, v, &["runner", "root"]),
            "timeout" => to.timeout_ms = self.duration(&name, v),
            "limits" => self.limits(to, &name, v),
            "max_parallel" => to.max_parallel = self.count(&name, v),
            "allowed_egress" => to.allowed_egress = self.egress_rules(&name, v),
            "egress" => to.egress = self.egress_mode(&name, v),
            "env" => to.env = self.variables(&name, v),
            "vars" => to.vars = self.variables(&name, v),
            "secrets" => to.secrets = self.secrets(&name, v),
            "event" => to.event = self.text(&name, v),
            "workflows" => self.workflows(to, &name, v),
            "actions" => to.actions = self.actions(&name, v),
            _ => return false,
        }
        true
    }

    fn text_map(&mut self, what: &str, node: &Node) -> IndexMap<String, Traced<String>> {
        let mut map = IndexMap::new();
        for (key, value) in self.entries(what, node) {
            if let Some(text) = self.text(&format!("`{}` in {what}", key.text), value) {
                map.insert(key.text.clone(), text);
            }
        }
        map
    }

    fn variables(&mut self, what: &str, node: &Node) -> IndexMap<String, Traced<String>> {
        let mut map = IndexMap::new();
        for (key, value) in self.entries(what, node) {
            if self.check_variable_name(key)
                && let Some(text) = self.variable(&format!("`{}` in {what}", key.text), value)
            {
                map.insert(key.text.clone(), text);
            }
        }
        map
    }

    fn check_variable_name(&mut self, key: &Key) -> bool {
        let mut chars = key.text.chars();
        let ok = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !ok {
            let message = format!("`{}` is not a name of a variable", key.text);
            self.bad_value(key.span, message, "use letters, digits and `_`, no digit first");
        }
        ok
    }

    fn limits(&mut self, to: &mut Settings, what: &str, node: &Node) {
        for (key, value) in self.entries(what, node) {
            let name = format!("`{}` in {what}", key.text);
            match key.text.as_str() {
                "cpu" => to.cpu_millis = self.parsed(&name, value, parse_cpu),
                "memory" => to.memory_bytes = self.bytes(&name, value),
                "disk" => to.disk_bytes = self.bytes(&name, value),
                "pids" => to.pids = self.count(&name, value),
                _ => self.unknown_key(key, what, LIMIT_KEYS.iter().copied()),
            }
        }
    }

    pub(crate) fn bytes(&mut self, what: &str, node: &Node) -> Option<Traced<u64>> {
        let bytes = self.parsed(what, node, parse_bytes)?;
        if bytes.value >= MIN_BYTES {
            return Some(bytes);
        }
        let message = format!("{what} is {} bytes, less than the smallest limit 4MiB", bytes.value);
        self.bad_value(node.span, message, "write a unit, for instance `512MiB` or `4GiB`");
        None
    }

    fn parsed<T>(
        &mut self,
        what: &str,
        node: &Node,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<Traced<T>> {
        let text = self.text(what, node)?;
        match parse(&text.value) {
            Ok(value) => Some(Traced { value, origin: text.origin }),
            Err(message) => {
                self.bad_value(
                    node.span,
                    format!("{what}: {message}"),
                    "write a number and a unit",
                );
                None
            }
        }
    }

    pub(crate) fn egress_rules(&mut self, what: &str, node: &Node) -> Vec<Traced<EgressRule>> {
        let mut rules = Vec::new();
        for item in self.items(what, node) {
            let Some(text) = self.text(&format!("an entry of {what}"), item) else { continue };
            match text.value.parse::<EgressRule>() {
                Ok(value) => rules.push(Traced { value, origin: text.origin }),
                Err(error) => {
                    let found = self
                        .error("config/bad-egress", item.span, error.to_string())
                        .fix("write `host`, `host:port` or `*.suffix`");
                    self.found.push(found);
                }
            }
        }
        rules
    }

    fn egress_mode(&mut self, what: &str, node: &Node) -> Option<Traced<EgressMode>> {
        let word = self.word(what, node, &["enforce", "learn"])?;
        let value = if word.value == "learn" { EgressMode::Learn } else { EgressMode::Enforce };
        Some(Traced { value, origin: word.origin })
    }

    fn secrets(&mut self, what: &str, node: &Node) -> IndexMap<String, Traced<SecretRef>> {
        let mut map = IndexMap::new();
        for (key, value) in self.entries(what, node) {
            if !self.check_variable_name(key) {
                continue;
            }
            if let Some(secret) = self.secret(key, value) {
                map.insert(key.text.clone(), self.traced(value.span, secret));
            }
        }
        map
    }

    /// The reference; a literal value is refused without being repeated in the message.
    pub(crate) fn secret(&mut self, key: &Key, node: &Node) -> Option<SecretRef> {
        let Yaml::Map(_) = &node.value else {
            let found = self
                .error(
                    "config/literal-secret",
                    node.span,
                    format!("the secret `{}` has a literal value", key.text),
                )
                .because("a hub file is read by many and kept in history")
                .fix(format!("write `{}: {{env: NAME}}` or `{{file: path}}`", key.text));
            self.found.push(found);
            return None;
        };
        let what = format!("the secret `{}`", key.text);
        let before = self.found.len();
        let mut secret = None;
        for (kind, value) in self.entries(&what, node) {
            let text = self.text(&format!("`{}` of {what}", kind.text), value);
            let next = match (kind.text.as_str(), text) {
                ("env", Some(t)) => Some(SecretRef::Env(t.value)),
                ("file", Some(t)) => Some(SecretRef::File(t.value)),
                ("env" | "file", None) => continue,
                _ => {
                    self.unknown_key(kind, &what, ["env", "file"]);
                    continue;
                }
            };
            if secret.is_some() {
                self.bad_value(kind.span, format!("{what} has two sources"), "keep one");
            }
            secret = next;
        }
        if secret.is_none() && self.found.len() == before {
            self.bad_value(key.span, format!("{what} has no source"), "write `{env: NAME}`");
        }
        secret
    }

    /// A list keeps only the files that match; a mapping gives budgets by file.
    pub(crate) fn workflows(&mut self, to: &mut Settings, what: &str, node: &Node) {
        if let Yaml::Map(_) | Yaml::Null = node.value {
            for (key, value) in self.entries(what, node) {
                let rule = self.workflow_rule(&format!("`{}` in {what}", key.text), value);
                to.workflows.insert(key.text.clone(), self.traced(key.span, rule));
            }
            return;
        }
        let mut patterns = Vec::new();
        for item in self.items(what, node) {
            let Some(text) = self.text(&format!("an entry of {what}"), item) else { continue };
            match globset::Glob::new(&text.value) {
                Ok(_) => patterns.push(text.value),
                Err(error) => {
                    let message = format!("`{}` is not a pattern: {}", text.value, error.kind());
                    self.bad_value(item.span, message, "write a file name such as `ci.yml`");
                }
            }
        }
        to.only_workflows = Some(self.traced(node.span, patterns));
    }

    fn workflow_rule(&mut self, what: &str, node: &Node) -> WorkflowRule {
        let mut rule = WorkflowRule::default();
        for (key, v) in self.entries(what, node) {
            let name = format!("`{}` of {what}", key.text);
            match key.text.as_str() {
                "enabled" => rule.enabled = self.boolean(&name, v).map(|t| t.value),
                "max_in_progress" => rule.max_in_progress = self.count(&name, v).map(|t| t.value),
                "max_parallel" => rule.max_parallel = self.count(&name, v).map(|t| t.value),
                "timeout" => rule.timeout_ms = self.duration(&name, v).map(|t| t.value),
                "jobs" => {
                    for (job, budget) in self.entries(&name, v) {
                        let budget =
                            self.job_budget(&format!("job `{}` of {what}", job.text), budget);
                        rule.jobs.insert(job.text.clone(), budget);
                    }
                }
                _ => self.unknown_key(key, what, RULE_KEYS.iter().copied()),
            }
        }
        rule
    }

    fn job_budget(&mut self, what: &str, node: &Node) -> JobBudget {
        let mut budget = JobBudget::default();
        for (key, v) in self.entries(what, node) {
            let name = format!("`{}` of {what}", key.text);
            match key.text.as_str() {
                "max_parallel" => budget.max_parallel = self.count(&name, v).map(|t| t.value),
                "timeout" => budget.timeout_ms = self.duration(&name, v).map(|t| t.value),
                _ => self.unknown_key(key, what, JOB_KEYS.iter().copied()),
            }
        }
        budget
    }
}
