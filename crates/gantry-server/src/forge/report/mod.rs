//! What forges are told about runs.

/// Beginning of the ids that the hub gives its check runs, so that it knows them again when the forge sends them back.
pub const EXTERNAL_ID_PREFIX: &str = "gantry:";
