//! `on:` in its three forms, with filters, schedules and the inputs of dispatch and call.

use indexmap::IndexMap;

use super::Reader;
use super::events::{self, EVENTS, EventKind};
use crate::cron::Cron;
use crate::model::{CronEntry, Env, Trigger};
use crate::syntax::{Kind, Node};

impl Reader<'_> {
    /// `on:`.
    pub(crate) fn triggers(&mut self, node: &Node) -> IndexMap<String, Trigger> {
        let mut out = IndexMap::new();
        match &node.kind {
            Kind::List(items) => {
                for item in items {
                    let Some(name) = self.full_plain(item, "on") else { continue };
                    if self.event(&name, item).is_some() {
                        out.insert(name, Trigger { span: item.span, ..Trigger::default() });
                    }
                }
                if items.is_empty() {
                    self.error(
                        "workflow/missing-key",
                        node.span,
                        "`on` names no event",
                        "name at least one event, for instance `push`",
                    );
                }
            }
            Kind::Map(_) => {
                for (name, key, value) in self.entries(node, "`on`") {
                    let Some(event) = self.event(&name, key) else { continue };
                    let mut trigger = self.trigger(event, value);
                    trigger.span = key.span;
                    out.insert(name, trigger);
                }
            }
            _ => {
                if let Some(name) = self.full_plain(node, "on")
                    && self.event(&name, node).is_some()
                {
                    out.insert(name, Trigger { span: node.span, ..Trigger::default() });
                }
            }
        }
        out
    }

    fn event(&mut self, name: &str, at: &Node) -> Option<&'static EventKind> {
        let found = events::find(name);
        if found.is_none() {
            let known: Vec<&str> = EVENTS.iter().map(|e| e.name).collect();
            self.unknown_word(
                "workflow/unknown-event",
                at.span,
                "an event that starts workflows",
                name,
                &known,
            );
        }
        found
    }

    fn trigger(&mut self, event: &'static EventKind, node: &Node) -> Trigger {
        match event.name {
            "schedule" => return Trigger { cron: self.schedule(node), ..Trigger::default() },
            _ if node.kind == Kind::Null => return Trigger::default(),
            "workflow_dispatch" => {
                let mut trigger = Trigger::default();
                for (_, _, value) in self.fields(node, "`workflow_dispatch`", &["inputs"]) {
                    trigger.inputs = self.inputs(value, false);
                }
                return trigger;
            }
            "workflow_call" => return self.workflow_call(node),
            _ => {}
        }
        self.filters(event, node)
    }

    fn filters(&mut self, event: &'static EventKind, node: &Node) -> Trigger {
        let mut known: Vec<&str> = event.filters.to_vec();
        if !event.types.is_empty() {
            known.push("types");
        }
        let what = format!("`{}`", event.name);
        if known.is_empty() {
            self.error(
                "workflow/wrong-type",
                node.span,
                format!("{what} takes no filters"),
                format!("write `{}:` with nothing behind it", event.name),
            );
            return Trigger::default();
        }
        let mut t = Trigger::default();
        let fields = self.fields(node, &what, &known);
        for (name, _, value) in &fields {
            let list = Some(self.strings(value, name));
            match name.as_str() {
                "types" => {
                    self.types(event, value);
                    t.types = list;
                }
                "branches" => t.branches = list,
                "branches-ignore" => t.branches_ignore = list,
                "tags" => t.tags = list,
                "tags-ignore" => t.tags_ignore = list,
                "paths" => t.paths = list,
                "paths-ignore" => t.paths_ignore = list,
                "workflows" => t.workflows = list,
                _ => {}
            }
        }
        for base in ["branches", "tags", "paths"] {
            let ignore = format!("{base}-ignore");
            let has = |n: &str| fields.iter().find(|f| f.0 == n);
            if let (Some(_), Some((_, key, _))) = (has(base), has(&ignore)) {
                self.error(
                    "workflow/filter-conflict",
                    key.span,
                    format!("`{base}` and `{ignore}` cannot stand together"),
                    format!("keep `{base}` and exclude with patterns that begin with `!`"),
                );
            }
        }
        t
    }

    fn types(&mut self, event: &'static EventKind, node: &Node) {
        if event.types.contains(&"*") {
            return;
        }
        let one = std::slice::from_ref(node);
        let items = if let Kind::List(items) = &node.kind { items.as_slice() } else { one };
        for item in items {
            let Some(word) = item.scalar_text() else { continue };
            if !word.is_empty() && !event.types.contains(&word.as_str()) {
                let what = format!("an activity type of `{}`", event.name);
                self.unknown_word("workflow/unknown-type", item.span, &what, &word, event.types);
            }
        }
    }

    fn schedule(&mut self, node: &Node) -> Vec<CronEntry> {
        let Kind::List(items) = &node.kind else {
            self.wrong_type(node, "`schedule`", "a list of `cron` entries");
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items {
            let fields = self.fields(item, "an entry of `schedule`", &["cron", "timezone"]);
            if !fields.iter().any(|f| f.0 == "cron") && matches!(item.kind, Kind::Map(_)) {
                self.missing(
                    item.span,
                    "an entry of `schedule`",
                    "cron",
                    "write `cron: '0 5 * * *'`",
                );
            }
            let (mut line, mut timezone) = (None, None);
            for (name, _, value) in fields {
                let Some(text) = self.full_plain(value, &name) else { continue };
                if name == "timezone" {
                    timezone = Some(text);
                    continue;
                }
                match Cron::parse(&text) {
                    Ok(_) => line = Some(text),
                    Err(why) => self.error(
                        "workflow/bad-cron",
                        value.span,
                        format!("`{text}` is not a cron line: {why}"),
                        "write five fields: minute hour day-of-month month day-of-week",
                    ),
                }
            }
            out.extend(line.map(|cron| CronEntry { cron, timezone }));
        }
        out
    }

    fn workflow_call(&mut self, node: &Node) -> Trigger {
        let mut t = Trigger::default();
        for (name, _, value) in
            self.fields(node, "`workflow_call`", &["inputs", "secrets", "outputs"])
        {
            match name.as_str() {
                "inputs" => t.inputs = self.inputs(value, true),
                "secrets" => t.secrets = self.call_secrets(value),
                _ => t.outputs = self.call_outputs(value),
            }
        }
        t
    }

    fn call_secrets(&mut self, node: &Node) -> IndexMap<String, bool> {
        let mut out = IndexMap::new();
        for (name, _, value) in self.entries(node, "`secrets`") {
            out.insert(name.clone(), false);
            if value.kind == Kind::Null {
                continue;
            }
            let what = format!("secret `{name}`");
            for (key, _, value) in self.fields(value, &what, &["description", "required"]) {
                if key == "required" {
                    let required = self.plain_boolean(value, "required").unwrap_or(false);
                    out.insert(name.clone(), required);
                } else {
                    self.plain(value, "description");
                }
            }
        }
        out
    }

    fn call_outputs(&mut self, node: &Node) -> Env {
        let mut out = IndexMap::new();
        for (name, _, value) in self.entries(node, "`outputs`") {
            let what = format!("output `{name}`");
            let mut found = false;
            for (field, _, part) in self.fields(value, &what, &["description", "value"]) {
                if field == "value" {
                    found = true;
                    if let Some(t) = self.text(part, "value", super::avail::CALL_OUTPUT) {
                        out.insert(name.clone(), t);
                    }
                } else {
                    self.plain(part, "description");
                }
            }
            if !found {
                self.missing(
                    value.span,
                    &what,
                    "value",
                    "write `value: ${{ jobs.<id>.outputs.<name> }}`",
                );
            }
        }
        out
    }
}
