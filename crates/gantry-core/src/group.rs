//! What `concurrency:` asks for, and which part of a run asks: the words that planning, scheduling and the
//! store share.
//!
//! Not in here: who gets a group and who waits; that is `gantry-sched`.

use serde::{Deserialize, Serialize};

/// A wish to be alone in a concurrency group of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAsk {
    /// The group's name as written; names that differ only in case are one group.
    pub name: String,
    /// End what is in progress in the group.
    #[serde(default)]
    pub cancel_in_progress: bool,
    /// What happens to those that wait.
    #[serde(default)]
    pub queue: Queue,
}

impl GroupAsk {
    /// The name by which groups are told apart.
    pub fn key(&self) -> String {
        self.name.to_lowercase()
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// The name in the store and in workflow files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                match s { $($text => Ok(Self::$variant),)* _ => Err(format!("`{s}` is not {}", $what)) }
            }
        }
    };
}

words! {
    /// `queue:` of a group.
    Queue, "a form of `queue`", {
        /// Who comes replaces whoever waits.
        #[default]
        Single = "single",
        /// All wait, up to [`crate::limits::MAX_GROUP_PENDING`], first come first.
        Max = "max",
    }
}

words! {
    /// Which part of a run asks for a group.
    Part, "a part of a run", {
        /// The run: `concurrency` of the workflow.
        #[default]
        Run = "run",
        /// A leg: `concurrency` of its job.
        Job = "job",
        /// A call: `concurrency` of the workflow that it calls.
        Called = "called",
    }
}
