//! The workflow language from the outside: reading, planning, moving a run on.

mod calls;
mod common;
mod corpus;
mod diagnostics;
mod every_key;
mod filters;
mod grammar;
mod graph;
mod groups;
mod matrix;
mod mutate;
mod mutated;
mod oracle;
mod plans;
mod robustness;
mod runs;
mod runs_random;
mod whole;
