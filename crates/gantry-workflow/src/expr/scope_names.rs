//! The names that a [`Scope`] knows; every context is fetched once per evaluation and keeps its identity.

use super::names::{self, Arity, Names};
use super::{Scope, Value};

pub(super) struct ScopeNames<'s> {
    scope: &'s dyn Scope,
    /// Contexts that were named so far, by lower-case name.
    pub contexts: Vec<(String, Value)>,
}

impl<'s> ScopeNames<'s> {
    pub fn new(scope: &'s dyn Scope) -> Self {
        Self { scope, contexts: Vec::new() }
    }
}

impl Names for ScopeNames<'_> {
    fn has_context(&mut self, name: &str) -> bool {
        if self.contexts.iter().any(|(known, _)| known == name) {
            return true;
        }
        let found = self.scope.context(name);
        found.map(|value| self.contexts.push((name.to_owned(), value))).is_some()
    }

    fn function(&self, name: &str) -> Option<Arity> {
        names::extension(name)
    }
}
