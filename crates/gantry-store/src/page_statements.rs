//! SQL texts of lists, good for both engines; a test prepares all of them on both.
//!
//! A list has one text for each index that it may walk; what does not choose an index is an optional
//! condition. The owner of a repository is what stands before the slash of its name.

use crate::statements::{event_columns, run_columns};

macro_rules! owner {
    ($column:literal) => {
        concat!("rtrim(rtrim(", $column, ", replace(", $column, ", '/', '')), '/')")
    };
}

/// Whether the column is one of the texts of a list `|a|b|`; no list is all.
macro_rules! listed {
    ($list:literal, $column:expr) => {
        concat!(
            "(CAST(",
            $list,
            " AS TEXT) IS NULL OR replace(",
            $list,
            ", '|' || ",
            $column,
            " || '|', '') <> ",
            $list,
            ")"
        )
    };
}

/// Whether the text is the column; no text is all.
macro_rules! same {
    ($text:literal, $column:literal) => {
        concat!("(CAST(", $text, " AS TEXT) IS NULL OR ", $column, " = ", $text, ")")
    };
}

/// Whether the column has the text in it, in any case; no text is all.
macro_rules! within {
    ($text:literal, $column:expr) => {
        concat!(
            "(CAST(",
            $text,
            " AS TEXT) IS NULL OR replace(lower(",
            $column,
            "), lower(",
            $text,
            "), '') <> lower(",
            $column,
            "))"
        )
    };
}

macro_rules! run_page {
    ($by:expr) => {
        concat!(
            "SELECT ", run_columns!(), " FROM runs WHERE ", $by,
            " AND (created_us, id) < ($1, $2) AND ", same!("$4", "state"),
            " AND ", same!("$5", "outcome"), " AND ", same!("$6", "event"),
            " AND (CAST($7 AS TEXT) IS NULL OR git_ref = $7 OR git_ref = 'refs/heads/' || $7 OR git_ref = 'refs/tags/' || $7)",
            " AND ", same!("$8", "actor"),
            " AND (CAST($9 AS TEXT) IS NULL OR workflow_name = $9 OR workflow_path = $9 OR workflow_path = '.github/workflows/' || $9)",
            " AND ", within!("$10", "run_name || ' ' || title || ' ' || sha || ' ' || repository"),
            " AND ", listed!("$11", owner!("repository")), " AND ", listed!("$12", "repository"),
            " AND ", same!("$13", "submission"),
            " ORDER BY created_us DESC, id DESC LIMIT $3"
        )
    };
}

macro_rules! event_page {
    ($by:expr) => {
        concat!(
            "SELECT ", event_columns!(), " FROM events WHERE ", $by,
            " AND (received_us, id) < ($1, $2) AND ", same!("$4", "source"),
            " AND (CAST($5 AS TEXT) IS NULL OR outcome = $5 OR ($5 = 'open' AND decided_us IS NULL))",
            " AND ", within!("$6", "kind || ' ' || repository || ' ' || COALESCE(title, '') || ' ' || COALESCE(actor, '') || ' ' || COALESCE(sha, '') || ' ' || COALESCE(git_ref, '') || ' ' || delivery"),
            " AND ", listed!("$7", owner!("repository")), " AND ", listed!("$8", "repository"),
            " ORDER BY received_us DESC, id DESC LIMIT $3"
        )
    };
}

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(pub(crate) const $name: &str = $sql;)*
        /// Every statement with its name.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

statements! {
    RUN_PAGE = run_page!("CAST($14 AS TEXT) IS NULL");
    RUN_PAGE_BY_OWNER = run_page!(concat!(owner!("repository"), " = $14"));
    RUN_PAGE_BY_REPOSITORY = run_page!("repository = $14");
    RUN_PAGE_BY_SUBMISSION = run_page!("submission = $14");
    RUN_COUNT_OPEN_ALL = "SELECT repository, COUNT(*) AS n FROM runs WHERE ended_us IS NULL GROUP BY repository";
    RUN_RECENT = concat!("SELECT ", run_columns!(), " FROM runs WHERE repository = $1 ORDER BY created_us DESC, id DESC LIMIT $2");
    EVENT_PAGE = event_page!("CAST($9 AS TEXT) IS NULL");
    EVENT_PAGE_BY_REPOSITORY = event_page!("repository = $9");
    QUEUE_PAGE = concat!(
        "SELECT j.id, j.key, j.name, j.run, j.state, j.hold, j.leg, j.queued_us, j.place, r.repository, r.workflow_name, ",
        "a.runner, a.runner_name FROM (SELECT id, key, name, run, state, hold, leg, attempts, ",
        "COALESCE(queued_us, created_us) AS queued_us, ",
        "ROW_NUMBER() OVER (PARTITION BY state ORDER BY COALESCE(queued_us, created_us), id) AS place ",
        "FROM jobs WHERE ended_us IS NULL AND state IN ('queued', 'running')) j ",
        "JOIN runs r ON r.id = j.run LEFT JOIN attempts a ON a.job = j.id AND a.number = j.attempts AND j.state = 'running' ",
        "WHERE (j.queued_us, j.id) > ($1, $2) AND ", listed!("$4", owner!("r.repository")), " AND ", listed!("$5", "r.repository"),
        " ORDER BY j.queued_us, j.id LIMIT $3"
    );
    QUEUE_COUNT = "SELECT state, COUNT(*) AS n FROM jobs WHERE ended_us IS NULL AND state IN ('queued', 'running') GROUP BY state";
    RUNNER_JOBS = "SELECT a.runner, a.job FROM leases l JOIN attempts a ON a.id = l.attempt WHERE l.released_us IS NULL ORDER BY l.epoch";
    ARTIFACT_BY_ID = "SELECT id, run, repository, name, size, files, blob, blob_bytes, created_us, attempt, expires_us FROM artifacts WHERE id = $1";
}
