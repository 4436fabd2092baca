//! Equality and order between values of any kinds: like ECMAScript's loose comparison, except that
//! text ignores case and that lists and mappings are equal only to themselves.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Value;
use super::ast::CompareOp;

/// A value on its way through an evaluation. Borrowed parts of a context keep their identity,
/// by which lists and mappings are compared.
#[derive(Debug, Clone)]
pub(super) enum Item<'a> {
    Plain(Cow<'a, Value>),
    /// What `.*` gives: a list whose entries the next index looks into.
    Filtered(Vec<Cow<'a, Value>>),
}

impl Item<'_> {
    pub fn into_value(self) -> Value {
        match self {
            Self::Plain(value) => value.into_owned(),
            Self::Filtered(items) => Value::Array(items.into_iter().map(Cow::into_owned).collect()),
        }
    }

    /// The value, unless it is what `.*` gave.
    pub fn plain(&self) -> Option<&Value> {
        match self {
            Self::Plain(value) => Some(value),
            Self::Filtered(_) => None,
        }
    }

    /// The value, if it is neither list nor mapping.
    pub fn primitive(&self) -> Option<&Value> {
        self.plain().filter(|v| v.is_primitive())
    }

    /// The entries, if it is a list of either sort.
    pub fn items(&self) -> Option<Vec<&Value>> {
        match self {
            Self::Plain(value) => match value.as_ref() {
                Value::Array(items) => Some(items.iter().collect()),
                _ => None,
            },
            Self::Filtered(items) => Some(items.iter().map(AsRef::as_ref).collect()),
        }
    }

    pub fn to_text(&self) -> Cow<'_, str> {
        self.plain().map_or(Cow::Borrowed("Array"), Value::to_text)
    }

    pub fn is_truthy(&self) -> bool {
        self.plain().is_none_or(Value::is_truthy)
    }
}

impl From<Value> for Item<'_> {
    fn from(value: Value) -> Self {
        Self::Plain(Cow::Owned(value))
    }
}

/// The truth of `left op right`.
pub(super) fn holds(op: CompareOp, left: &Item, right: &Item) -> bool {
    let (Some(left), Some(right)) = (left.plain(), right.plain()) else {
        // Each `.*` gives a list of its own, equal to nothing else.
        return op == CompareOp::Ne;
    };
    match op {
        CompareOp::Eq => equals(left, right),
        CompareOp::Ne => !equals(left, right),
        CompareOp::Lt => order(left, right) == Some(Ordering::Less),
        CompareOp::Le => equals(left, right) || order(left, right) == Some(Ordering::Less),
        CompareOp::Gt => order(left, right) == Some(Ordering::Greater),
        CompareOp::Ge => equals(left, right) || order(left, right) == Some(Ordering::Greater),
    }
}

/// Whether two values are equal after coercion.
pub(super) fn equals(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
            std::ptr::eq(left, right)
        }
        _ => order(left, right) == Some(Ordering::Equal),
    }
}

/// The order of two values after coercion; none where NaN, a list or a mapping takes part.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, Value::Null) => None,
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(order_text(left, right)),
        _ if left.is_primitive() && right.is_primitive() => {
            left.to_number().partial_cmp(&right.to_number())
        }
        _ => None,
    }
}

fn order_text(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        let upper = |s: &'_ str| s.bytes().map(|b| b.to_ascii_uppercase()).collect::<Vec<_>>();
        return if left.eq_ignore_ascii_case(right) {
            Ordering::Equal
        } else {
            upper(left).cmp(&upper(right))
        };
    }
    // UTF-16 units, as GitHub's strings are ordered.
    upper(left).encode_utf16().cmp(upper(right).encode_utf16())
}

/// Upper case, but with the dotless `ı` left alone, so that it does not equal `i`.
pub(super) fn upper(text: &str) -> String {
    text.split('ı').map(str::to_uppercase).collect::<Vec<_>>().join("ı")
}
