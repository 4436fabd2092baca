//! Ordered values: what expressions are computed over, and how one kind becomes another.
//!
//! Not in here: comparison of two values (`compare`), reading and writing JSON text (`json`).

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize, Serializer};

use super::number;

/// A value of the expression language. Objects keep their order; key lookup ignores case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// Truth.
    Bool(bool),
    /// A double. In JSON a whole number is written without a fraction, what is not finite as null.
    #[serde(serialize_with = "serialize_number")]
    Number(f64),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// A mapping in its order.
    Object(IndexMap<String, Value>),
}

impl Value {
    /// An object from pairs, in their order.
    pub fn object<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Object(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// The entry `key` of an object: the very same name first, else the first that differs only in case.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(map) => index_of(map, key).map(|at| &map[at]),
            _ => None,
        }
    }

    /// The entry of an object with this very name.
    pub(super) fn get_exact(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(map) => map.get(key),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The word for its kind: `null`, `boolean`, `number`, `string`, `array` or `object`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Whether it is neither a list nor a mapping.
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// The text that it becomes in a template: nothing for null, at most 15 decimals of a number,
    /// the words `Array` and `Object` for what has no text.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(n) => Cow::Owned(number::to_text(*n)),
            Self::String(s) => Cow::Borrowed(s),
            Self::Array(_) => Cow::Borrowed("Array"),
            Self::Object(_) => Cow::Borrowed("Object"),
        }
    }

    /// The number that it becomes in comparisons; NaN where there is none.
    pub fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(b) => f64::from(u8::from(*b)),
            Self::Number(n) => *n,
            Self::String(s) => number::from_text(s),
            Self::Array(_) | Self::Object(_) => f64::NAN,
        }
    }

    /// Whether it counts as true: everything but null, false, 0, NaN and the empty text.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Number(n) => *n != 0.0 && !n.is_nan(),
            Self::String(s) => !s.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// The same as a JSON value; numbers that JSON does not have become null.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(b) => (*b).into(),
            Self::Number(n) => match whole(*n) {
                Some(n) => n.into(),
                None => (*n).into(),
            },
            Self::String(s) => s.as_str().into(),
            Self::Array(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(map) => map.iter().map(|(k, v)| (k.clone(), v.to_json())).collect(),
        }
    }
}

/// Place of `key`: the same name first, else the first that differs only in case.
pub(super) fn index_of(map: &IndexMap<String, Value>, key: &str) -> Option<usize> {
    if let Some(at) = map.get_index_of(key) {
        return Some(at);
    }
    if key.is_ascii() {
        // A name outside ASCII can still fold to an ASCII one (the Kelvin sign to `k`).
        let same = |k: &String| {
            if k.is_ascii() {
                k.eq_ignore_ascii_case(key)
            } else {
                k.to_lowercase() == key.to_ascii_lowercase()
            }
        };
        return map.keys().position(same);
    }
    let folded = key.to_lowercase();
    map.keys().position(|k| k.to_lowercase() == folded)
}

fn whole(n: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    (n.fract() == 0.0 && n.abs() <= EXACT).then_some(n as i64)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape serde asks for
fn serialize_number<S: Serializer>(n: &f64, to: S) -> Result<S::Ok, S::Error> {
    match whole(*n) {
        Some(n) => to.serialize_i64(n),
        None if n.is_finite() => to.serialize_f64(*n),
        None => to.serialize_unit(),
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(b) => Self::Bool(b),
            serde_json::Value::Number(n) => Self::Number(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(s) => Self::String(s),
            serde_json::Value::Array(items) => {
                Self::Array(items.into_iter().map(Into::into).collect())
            }
            serde_json::Value::Object(map) => {
                Self::object(map.into_iter().map(|(k, v)| (k, v.into())))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::String(s.to_owned())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::String(s)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Self {
        Self::Number(n)
    }
}
