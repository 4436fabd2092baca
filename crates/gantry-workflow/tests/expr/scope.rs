//! A scope over given contexts, for tests.

use gantry_workflow::expr::{Scope, Status, Value};
use serde_json::json;

/// Contexts from JSON, a status, and hashes that name their patterns.
pub struct Given {
    pub contexts: serde_json::Value,
    pub status: Status,
}

impl Given {
    pub fn new(contexts: serde_json::Value) -> Self {
        Self { contexts, status: Status::Success }
    }

    /// A few contexts as a job has them.
    pub fn job(status: Status) -> Self {
        let contexts = json!({
            "github": { "ref": "refs/heads/main", "event_name": "push", "event": { "n": 7 } },
            "env": { "NAME": "it's {0}", "Name": "other" },
            "needs": { "a": { "result": "success" }, "b": { "result": "failure" }, "c": { "result": "skipped" } },
        });
        Self { contexts, status }
    }
}

impl Scope for Given {
    fn context(&self, name: &str) -> Option<Value> {
        self.contexts.get(name).cloned().map(Value::from)
    }

    fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
        match patterns.join("+").as_str() {
            "bad" => Err("the pattern `bad` is bad".to_owned()),
            joined => Ok(format!("hash of {joined}")),
        }
    }

    fn status(&self) -> Status {
        self.status
    }
}
