//! Values that remember where they came from.

use serde::{Deserialize, Serialize};

/// A source of configuration, from the lowest to the highest that this crate knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Built in.
    Default,
    /// `org_defaults`.
    Org,
    /// An entry of `teams`, by name.
    Team(String),
    /// An entry of the older flat list `repositories`, by name.
    Flat(String),
    /// An entry of `repos`, by name.
    Repo(String),
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::Org => f.write_str("org_defaults"),
            Self::Team(name) => write!(f, "teams.{name}"),
            Self::Flat(name) => write!(f, "repositories.{name}"),
            Self::Repo(name) => write!(f, "repos.{name}"),
        }
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The layer that won.
    pub layer: Layer,
    /// The file as the user named it; absent for built-in defaults.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// 1-based line in that file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.layer)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            _ => Ok(()),
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

impl<T> Traced<T> {
    /// A built-in default.
    pub fn default_value(value: T) -> Self {
        Self { value, origin: Origin { layer: Layer::Default, file: None, line: None } }
    }
}
