//! The value of a tree.
//!
//! Not in here: names that do not exist were refused by the parser; functions are in `functions`.

use std::borrow::Cow;

use super::ast::{Expr, ExprKind, Index};
use super::compare::{self, Item};
use super::value::index_of;
use super::{ErrorKind, ExprError, MAX_EVALUATION_BYTES, Scope, Value, functions};

/// One evaluation: what it reads and what it may still make.
pub(super) struct Evaluation<'a> {
    /// Contexts by lower-case name.
    pub contexts: &'a [(String, Value)],
    /// Functions with side knowledge; none means that they do not exist.
    pub scope: Option<&'a dyn Scope>,
    /// Bytes of text that functions may still make.
    pub bytes_left: usize,
}

type Evaluated<'a> = Result<Item<'a>, ExprError>;

impl<'a> Evaluation<'a> {
    pub fn new(contexts: &'a [(String, Value)], scope: Option<&'a dyn Scope>) -> Self {
        Self { contexts, scope, bytes_left: MAX_EVALUATION_BYTES }
    }

    /// The value of `expr`.
    pub fn evaluate(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        Ok(match &expr.kind {
            ExprKind::Literal(value) => Item::Plain(Cow::Borrowed(value)),
            ExprKind::Context(name) => self.context(name),
            ExprKind::Group(inner) => return self.evaluate(inner),
            ExprKind::Not(inner) => Value::Bool(!self.evaluate(inner)?.is_truthy()).into(),
            ExprKind::And(args) => return self.first_that(args, |value| !value.is_truthy()),
            ExprKind::Or(args) => return self.first_that(args, Item::is_truthy),
            ExprKind::Compare { first, rest } => {
                let mut left = self.evaluate(first)?;
                for (op, right) in rest {
                    let right = self.evaluate(right)?;
                    left = Value::Bool(compare::holds(*op, &left, &right)).into();
                }
                left
            }
            ExprKind::Index { base, index } => return self.index(base, index),
            ExprKind::Call { name, args } => {
                let args =
                    args.iter().map(|arg| self.evaluate(arg)).collect::<Result<Vec<_>, _>>()?;
                let called = functions::call(self, &name.to_ascii_lowercase(), args);
                return called.map_err(|message| ExprError {
                    kind: ErrorKind::Evaluation,
                    message,
                    offset: expr.start,
                });
            }
        })
    }

    fn context(&self, name: &str) -> Item<'a> {
        let found = self.contexts.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Item::from(Value::Null), |(_, value)| Item::Plain(Cow::Borrowed(value)))
    }

    /// The first operand that decides, else the last.
    fn first_that(
        &mut self,
        args: &'a [Expr],
        decides: impl Fn(&Item<'a>) -> bool,
    ) -> Evaluated<'a> {
        let mut value = Item::from(Value::Null);
        for arg in args {
            value = self.evaluate(arg)?;
            if decides(&value) {
                break;
            }
        }
        Ok(value)
    }

    fn is_exact(&self, base: &Expr) -> bool {
        match &base.kind {
            ExprKind::Context(name) => {
                self.scope.is_some_and(|scope| scope.is_exact(&name.to_ascii_lowercase()))
            }
            ExprKind::Group(inner) => self.is_exact(inner),
            _ => false,
        }
    }

    fn index(&mut self, base: &'a Expr, index: &'a Index) -> Evaluated<'a> {
        // GitHub evaluates the index before that which it indexes.
        let mut key = match index {
            Index::Star => Key::star(),
            Index::Name(name) => Key::from_text(Cow::Borrowed(name)),
            Index::Value(index) => Key::from_item(&self.evaluate(index)?),
        };
        key.exact = self.is_exact(base);
        Ok(match self.evaluate(base)? {
            Item::Filtered(items) => {
                Item::Filtered(items.into_iter().flat_map(|item| key.select(item)).collect())
            }
            Item::Plain(value) if key.star => Item::Filtered(key.select(value)),
            Item::Plain(value) => Item::Plain(key.select(value).pop().unwrap_or_else(|| {
                self.note_absent(base, &key);
                Cow::Owned(Value::Null)
            })),
        })
    }

    fn note_absent(&self, base: &Expr, key: &Key<'_>) {
        if let (ExprKind::Context(context), Some(name), Some(scope)) =
            (&base.kind, &key.name, self.scope)
        {
            scope.absent(&context.to_ascii_lowercase(), name);
        }
    }
}

/// What an index can mean: a name for a mapping, a place for a list, or everything.
struct Key<'k> {
    star: bool,
    exact: bool,
    name: Option<Cow<'k, str>>,
    place: Option<usize>,
}

impl<'k> Key<'k> {
    fn star() -> Self {
        Self { star: true, exact: false, name: None, place: None }
    }

    fn from_text(name: Cow<'k, str>) -> Self {
        let place = place(super::number::from_text(&name));
        Self { star: false, exact: false, name: Some(name), place }
    }

    fn from_item(item: &Item) -> Self {
        let Some(value) = item.primitive() else {
            return Self { star: false, exact: false, name: None, place: None };
        };
        let name = Some(Cow::Owned(value.to_text().into_owned()));
        Self { star: false, exact: false, name, place: place(value.to_number()) }
    }

    /// The parts of `value` that it means: none, one, or with a star all.
    fn select<'a>(&self, value: Cow<'a, Value>) -> Vec<Cow<'a, Value>> {
        match value {
            Cow::Borrowed(Value::Array(items)) if self.star => {
                items.iter().map(Cow::Borrowed).collect()
            }
            Cow::Borrowed(Value::Object(map)) if self.star => {
                map.values().map(Cow::Borrowed).collect()
            }
            Cow::Borrowed(Value::Array(items)) => {
                self.place.and_then(|at| items.get(at)).map(Cow::Borrowed).into_iter().collect()
            }
            Cow::Borrowed(value @ Value::Object(_)) => self
                .name
                .as_ref()
                .and_then(|name| if self.exact { value.get_exact(name) } else { value.get(name) })
                .map(Cow::Borrowed)
                .into_iter()
                .collect(),
            Cow::Owned(Value::Array(items)) if self.star => {
                items.into_iter().map(Cow::Owned).collect()
            }
            Cow::Owned(Value::Object(map)) if self.star => {
                map.into_values().map(Cow::Owned).collect()
            }
            Cow::Owned(Value::Array(mut items)) => {
                let at = self.place.filter(|at| *at < items.len());
                at.map(|at| Cow::Owned(items.swap_remove(at))).into_iter().collect()
            }
            Cow::Owned(Value::Object(mut map)) => {
                let at = self.name.as_ref().and_then(|name| match self.exact {
                    true => map.get_index_of(name.as_ref()),
                    false => index_of(&map, name),
                });
                let taken = at.and_then(|at| map.swap_remove_index(at));
                taken.map(|(_, value)| Cow::Owned(value)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

fn place(n: f64) -> Option<usize> {
    (n.is_finite() && n >= 0.0).then_some(n as usize)
}
