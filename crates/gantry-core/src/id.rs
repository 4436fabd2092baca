//! The registry of typed ids. Every id is a UUIDv7 made by an edge crate and shown with a prefix.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind} id (`{prefix}_` and 32 hex digits)")]
pub struct IdError {
    /// What was given.
    pub text: String,
    /// The wanted kind with its article.
    pub kind: &'static str,
    /// The wanted prefix.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.as_simple())
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                s.strip_prefix(concat!($prefix, "_"))
                    .filter(|h| h.len() == 32)
                    .and_then(|h| Uuid::try_parse(h).ok())
                    .map(Self)
                    .ok_or_else(|| IdError { text: s.to_owned(), kind: $kind, prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Something that may start work.
    EventId, "evt", "an event";
    /// One workflow for one repo, commit and event.
    RunId, "run", "a run";
    /// One leg of a job of a run.
    JobId, "job", "a job";
    /// One try of a job.
    AttemptId, "att", "an attempt";
    /// The fenced right to run one attempt.
    LeaseId, "lea", "a lease";
    /// A process that runs attempts.
    RunnerId, "rnr", "a runner";
    /// A credential of a person or program.
    TokenId, "tok", "a token";
    /// A kept output.
    ArtifactId, "art", "an artifact";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_another_kind_is_refused() {
        let id = RunId(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().parse::<JobId>().is_err());
        assert!("run_7".parse::<RunId>().is_err());
    }
}
