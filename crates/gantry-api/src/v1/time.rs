//! Times as the API shows them: RFC 3339 in UTC.

use gantry_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::ToSchema;

/// A moment, as RFC 3339 text in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T12:00:00.000Z")]
pub struct At(pub Timestamp);

impl From<Timestamp> for At {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0.rfc3339())
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let at: jiff::Timestamp = text
            .parse()
            .map_err(|_| D::Error::custom(format!("`{text}` is not a time as in RFC 3339")))?;
        Ok(Self(Timestamp(at.as_microsecond())))
    }
}

/// Milliseconds between two moments, once both are known.
pub fn duration_ms(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<u64> {
    Some(to?.ms_since(from?))
}
