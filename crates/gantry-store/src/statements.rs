//! Every SQL text of the store, each good for both engines; a test prepares all of them on both.
//!
//! Prefix queries compare with `substr`, since `LIKE` ignores case on one engine and not on the other.

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(pub(crate) const $name: &str = $sql;)*
        /// Every statement with its name.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

macro_rules! run_columns {
    () => {
        "id, submission, hub, repository, seq, workflow_path, workflow_name, run_name, number, event, \
         sha, git_ref, dirty, state, outcome, fault, reason, cancel_reason, config_digest, plan_digest, \
         created_us, started_us, ended_us, attempt, previous, tier, approval, actor, title, pull_request"
    };
}

macro_rules! event_columns {
    () => {
        "id, source, connection, delivery, kind, action, repository, git_ref, sha, actor, title, headers, \
         payload, replay_of, received_us, decided_us, outcome, reason, tries, next_try_us"
    };
}

macro_rules! repo_columns {
    () => {
        "name, team, connection, url, default_branch, registered_by, disabled_reason, created_us, removed_us"
    };
}

pub(crate) use {event_columns, run_columns};

macro_rules! job_columns {
    () => {
        "id, run, key, job, name, seq, state, outcome, fault, reason, continue_on_error, leg, needs, \
         outputs, attempts, hold, created_us, queued_us, started_us, ended_us"
    };
}

macro_rules! attempt_columns {
    () => {
        "id, job, run, number, state, outcome, fault, reason, cancel_reason, runner, runner_name, \
         usage, report, log_bytes, created_us, started_us, ended_us"
    };
}

macro_rules! runner_columns {
    () => {
        "id, name, token_digest, labels, slots, capacity, features, registered_us, seen_us, pool, org, version, \
         ephemeral, drained_us, removed_us"
    };
}

macro_rules! status_columns {
    () => {
        "id, connection, repository, sha, context, rank, desired, version, sent_version, external_id, \
         parts, tries, next_try_us, last_error, wanted_us, sent_us"
    };
}

macro_rules! claims {
    () => {
        "SELECT c.id, c.repository, c.name, c.run, c.leg, c.part, c.queue, c.cancel_in_progress, c.state, \
         c.stop, c.asked_us, r.hub, r.workflow_name, r.number, r.ended_us AS run_ended_us, \
         j.ended_us AS leg_ended_us FROM group_claims c JOIN runs r ON r.id = c.run \
         LEFT JOIN jobs j ON j.run = c.run AND j.key = c.leg"
    };
}

statements! {
    SCHEMA_VERSION_FETCH = "SELECT COALESCE(MAX(version), 0) AS version FROM schema_versions";
    SCHEMA_VERSION_INSERT = "INSERT INTO schema_versions (version) VALUES ($1)";
    EPOCH_NEXT = "UPDATE counters SET value = value + 1 WHERE name = 'lease_epoch' RETURNING value";

    LEADER_TAKE = "UPDATE leaders SET epoch = epoch + 1, holder = $2, expires_us = $4 WHERE name = $1 AND expires_us <= $3 RETURNING epoch";
    LEADER_RENEW = "UPDATE leaders SET expires_us = $4 WHERE name = $1 AND holder = $2 AND epoch = $3";
    LEADER_RESIGN = "UPDATE leaders SET expires_us = 0 WHERE name = $1 AND holder = $2 AND epoch = $3";
    LEADER_FETCH = "SELECT holder, epoch, expires_us FROM leaders WHERE name = $1";
    LEADER_GUARD_LITE = "SELECT epoch FROM leaders WHERE name = 'service'";

    DUMP_FILLED = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM runs LIMIT 1) r) + (SELECT COUNT(*) FROM (SELECT 1 FROM events LIMIT 1) e) + (SELECT COUNT(*) FROM (SELECT 1 FROM repos LIMIT 1) r) + (SELECT COUNT(*) FROM (SELECT 1 FROM tokens LIMIT 1) t) AS n";

    HUB_INSERT = "INSERT INTO hubs (id, pid, started_us, url, token, seen_us) VALUES ($1, $2, $3, $4, $5, $6)";
    HUB_SEEN = "UPDATE hubs SET seen_us = $2 WHERE id = $1";
    HUB_LIST_OPEN = "SELECT id, pid, started_us, url, token, seen_us FROM hubs WHERE ended_us IS NULL ORDER BY started_us";
    HUB_END = "UPDATE hubs SET ended_us = $2, end_reason = $3 WHERE id = $1 AND ended_us IS NULL";

    SUBMISSION_INSERT = "INSERT INTO submissions (id, hub, event, detail, created_us) VALUES ($1, $2, $3, $4, $5)";
    SUBMISSION_END = "UPDATE submissions SET ended_us = $2 WHERE id = $1 AND ended_us IS NULL";
    SUBMISSION_FETCH = "SELECT id, hub, event, detail, created_us, ended_us FROM submissions WHERE id = $1";
    SUBMISSION_LIST = "SELECT id, hub, event, detail, created_us, ended_us FROM submissions ORDER BY created_us DESC, id DESC LIMIT $1";
    SUBMISSION_LIST_OPEN = "SELECT id, hub, event, detail, created_us, ended_us FROM submissions WHERE hub = $1 AND ended_us IS NULL ORDER BY id";

    RUN_INSERT = concat!("INSERT INTO runs (", run_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)");
    RUN_FETCH = concat!("SELECT ", run_columns!(), " FROM runs WHERE id = $1");
    RUN_LIST = concat!("SELECT ", run_columns!(), " FROM runs ORDER BY created_us DESC, id DESC LIMIT $1");
    RUN_LIST_BY_REPOSITORY = concat!("SELECT ", run_columns!(), " FROM runs WHERE repository = $1 ORDER BY created_us DESC, id DESC LIMIT $2");
    RUN_LIST_GREEN = concat!("SELECT ", run_columns!(), " FROM runs WHERE repository = $1 AND git_ref = $2 AND outcome = 'success' ORDER BY created_us DESC, id DESC LIMIT $3");
    RUN_LIST_BY_SUBMISSION = concat!("SELECT ", run_columns!(), " FROM runs WHERE submission = $1 ORDER BY seq");
    RUN_LIST_OPEN = concat!("SELECT ", run_columns!(), " FROM runs WHERE hub = $1 AND ended_us IS NULL ORDER BY id");
    RUN_STEP = "UPDATE runs SET state = $3, started_us = COALESCE(started_us, $4) WHERE id = $1 AND state = $2";
    RUN_CANCEL = "UPDATE runs SET state = $3, cancel_reason = $4 WHERE id = $1 AND state = $2";
    RUN_FINISH = "UPDATE runs SET state = $3, outcome = $4, fault = $5, reason = $6, ended_us = $7 WHERE id = $1 AND state = $2";
    RUN_NUMBER_NEXT = "SELECT COALESCE(MAX(number), 0) + 1 AS number FROM runs WHERE repository = $1 AND workflow_path = $2";
    RUN_APPROVE = "UPDATE runs SET approval = $2 WHERE id = $1 AND approval = 'required' AND ended_us IS NULL";
    RUN_ATTEMPT_NEXT = "SELECT COALESCE(MAX(attempt), 0) + 1 AS attempt FROM runs WHERE repository = $1 AND workflow_path = $2 AND number = $3";
    RUN_LIST_ATTEMPTS = concat!("SELECT ", run_columns!(), " FROM runs WHERE repository = $1 AND workflow_path = $2 AND number = $3 ORDER BY attempt");
    RUN_COUNT_OPEN = "SELECT COUNT(*) AS n FROM runs WHERE hub = $1 AND ended_us IS NULL";
    RUN_BY_ACTOR = "SELECT id FROM runs WHERE repository = $1 AND actor = $2 AND outcome = 'success' AND (approval IS NULL OR approval <> 'required') LIMIT 1";
    RUN_PLAN_INSERT = "INSERT INTO run_plans (run, plan, settings, source, actions, sources) VALUES ($1, $2, $3, $4, $5, $6)";
    RUN_PLAN_FETCH = "SELECT plan, settings, source, actions, sources FROM run_plans WHERE run = $1";

    EVENT_INSERT = concat!("INSERT INTO events (", event_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT (connection, delivery, kind) DO NOTHING");
    EVENT_FETCH = concat!("SELECT ", event_columns!(), " FROM events WHERE id = $1");
    EVENT_BY_DELIVERY = "SELECT id FROM events WHERE connection = $1 AND delivery = $2 AND kind = $3";
    EVENT_LIST_OPEN = concat!("SELECT ", event_columns!(), " FROM events WHERE decided_us IS NULL AND next_try_us <= $1 ORDER BY id LIMIT $2");
    EVENT_LIST = concat!("SELECT ", event_columns!(), " FROM events ORDER BY received_us DESC, id DESC LIMIT $1");
    EVENT_COUNT_OPEN = "SELECT COUNT(*) AS n FROM events WHERE decided_us IS NULL";
    EVENT_LIST_BY_COMMIT = concat!("SELECT ", event_columns!(), " FROM events WHERE repository = $1 AND git_ref = $2 AND sha = $3 ORDER BY id DESC LIMIT 20");
    EVENT_DECIDE = "UPDATE events SET decided_us = $2, outcome = $3, reason = $4 WHERE id = $1 AND decided_us IS NULL";
    EVENT_RETRY = "UPDATE events SET tries = tries + 1, next_try_us = $2, reason = $3 WHERE id = $1 AND decided_us IS NULL";
    EVENT_NEXT_TRY = "SELECT MIN(next_try_us) AS at_us FROM events WHERE decided_us IS NULL AND next_try_us > $1";

    REPO_PUT = concat!("INSERT INTO repos (", repo_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL) ON CONFLICT (name) DO UPDATE SET team = $2, connection = $3, url = $4, default_branch = COALESCE($5, repos.default_branch), registered_by = $6, removed_us = NULL");
    REPO_FETCH = concat!("SELECT ", repo_columns!(), " FROM repos WHERE name = $1 AND removed_us IS NULL");
    REPO_LIST = concat!("SELECT ", repo_columns!(), " FROM repos WHERE removed_us IS NULL ORDER BY name");
    REPO_SET_DISABLED = "UPDATE repos SET disabled_reason = $2 WHERE name = $1 AND removed_us IS NULL";
    REPO_SET_BRANCH = "UPDATE repos SET default_branch = $2 WHERE name = $1";
    REPO_REMOVE = "UPDATE repos SET removed_us = $2 WHERE name = $1 AND removed_us IS NULL";
    REF_LIST = "SELECT git_ref, sha, seen_us FROM refs WHERE repository = $1 ORDER BY git_ref";
    REF_PUT = "INSERT INTO refs (repository, git_ref, sha, seen_us) VALUES ($1, $2, $3, $4) ON CONFLICT (repository, git_ref) DO UPDATE SET sha = $3, seen_us = $4";
    REF_DELETE = "DELETE FROM refs WHERE repository = $1 AND git_ref = $2";
    SCHEDULE_LIST = "SELECT repository, workflow_path, cron, timezone, sha, due_us FROM schedules WHERE repository = $1 ORDER BY workflow_path, cron";
    SCHEDULE_LIST_DUE = "SELECT repository, workflow_path, cron, timezone, sha, due_us FROM schedules WHERE due_us <= $1 ORDER BY due_us LIMIT 100";
    SCHEDULE_PUT = "INSERT INTO schedules (repository, workflow_path, cron, timezone, sha, due_us) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (repository, workflow_path, cron, timezone) DO UPDATE SET sha = $5";
    SCHEDULE_ADVANCE = "UPDATE schedules SET due_us = $6 WHERE repository = $1 AND workflow_path = $2 AND cron = $3 AND timezone = $4 AND due_us = $5";
    SCHEDULE_DELETE = "DELETE FROM schedules WHERE repository = $1 AND workflow_path = $2 AND cron = $3 AND timezone = $4";

    JOB_INSERT = concat!("INSERT INTO jobs (", job_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)");
    JOB_FETCH = concat!("SELECT ", job_columns!(), " FROM jobs WHERE id = $1");
    JOB_LIST = concat!("SELECT ", job_columns!(), " FROM jobs WHERE run = $1 ORDER BY seq, key");
    JOB_LIST_BY_STATE = concat!("SELECT ", job_columns!(), " FROM jobs WHERE state = $2 AND run IN (SELECT id FROM runs WHERE hub = $1 AND ended_us IS NULL) ORDER BY queued_us, id");
    JOB_QUEUE = "UPDATE jobs SET state = $3, needs = $4, queued_us = $5 WHERE id = $1 AND state = $2";
    JOB_REQUEUE = "UPDATE jobs SET state = $3, queued_us = $4, hold = NULL WHERE id = $1 AND state = $2";
    JOB_RUN = "UPDATE jobs SET state = $3, attempts = attempts + 1, hold = NULL, started_us = COALESCE(started_us, $4) WHERE id = $1 AND state = $2";
    JOB_HOLD = "UPDATE jobs SET hold = $2 WHERE id = $1 AND state <> 'finished'";
    JOB_FINISH = "UPDATE jobs SET state = $3, outcome = $4, fault = $5, reason = $6, outputs = $7, hold = NULL, ended_us = $8 WHERE id = $1 AND state = $2";

    CLAIM_INSERT = "INSERT INTO group_claims (repository, name, run, leg, part, queue, cancel_in_progress, state, asked_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";
    CLAIM_LIST_OPEN = concat!(claims!(), " WHERE c.repository = $1 AND c.released_us IS NULL ORDER BY c.id");
    CLAIM_LIST_BY_RUN = concat!(claims!(), " WHERE c.run = $1 ORDER BY c.id");
    CLAIM_REPOSITORIES_PENDING = "SELECT DISTINCT repository FROM group_claims WHERE state = 'pending' ORDER BY repository";
    CLAIM_HOLD = "UPDATE group_claims SET state = $3, held_us = $4 WHERE id = $1 AND state = $2";
    CLAIM_RELEASE = "UPDATE group_claims SET state = $3, released_us = $4 WHERE id = $1 AND state = $2";
    CLAIM_STOP = "UPDATE group_claims SET stop = $2 WHERE id = $1 AND stop IS NULL";

    ATTEMPT_INSERT = concat!("INSERT INTO attempts (", attempt_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)");
    ATTEMPT_FETCH = concat!("SELECT ", attempt_columns!(), " FROM attempts WHERE id = $1");
    ATTEMPT_LIST = concat!("SELECT ", attempt_columns!(), " FROM attempts WHERE run = $1 ORDER BY job, number");
    ATTEMPT_LATEST = concat!("SELECT ", attempt_columns!(), " FROM attempts WHERE job = $1 ORDER BY number DESC LIMIT 1");
    ATTEMPT_START = "UPDATE attempts SET state = $3, started_us = $4 WHERE id = $1 AND state = $2";
    ATTEMPT_CANCEL = "UPDATE attempts SET state = $3, cancel_reason = $4 WHERE id = $1 AND state = $2";
    ATTEMPT_FINISH = "UPDATE attempts SET state = $3, outcome = $4, fault = $5, reason = $6, usage = $7, report = $8, log_bytes = $9, started_us = $10, ended_us = $11 WHERE id = $1 AND state = $2";

    LEASE_INSERT = "INSERT INTO leases (id, attempt, hub, runner, epoch, expires_us) VALUES ($1, $2, $3, $4, $5, $6)";
    LEASE_FETCH = "SELECT id, attempt, hub, runner, epoch, expires_us, released_us FROM leases WHERE id = $1";
    LEASE_BY_ATTEMPT = "SELECT id, attempt, hub, runner, epoch, expires_us, released_us FROM leases WHERE attempt = $1";
    LEASE_RENEW = "UPDATE leases SET expires_us = $3 WHERE id = $1 AND epoch = $2 AND released_us IS NULL";
    LEASE_EXTEND = "UPDATE leases SET expires_us = $2 WHERE hub = $1 AND released_us IS NULL AND expires_us < $2";
    LEASE_RELEASE = "UPDATE leases SET released_us = $3 WHERE id = $1 AND epoch = $2 AND released_us IS NULL";
    LEASE_LIST_EXPIRED = "SELECT id, attempt, hub, runner, epoch, expires_us, released_us FROM leases WHERE hub = $1 AND expires_us <= $2 AND released_us IS NULL ORDER BY expires_us";
    LEASE_LIST_OPEN = "SELECT id, attempt, hub, runner, epoch, expires_us, released_us FROM leases WHERE hub = $1 AND released_us IS NULL ORDER BY epoch";
    LEASE_LIST_UNBEGUN = "SELECT l.id, l.attempt, l.hub, l.runner, l.epoch, l.expires_us, l.released_us FROM leases l JOIN attempts a ON a.id = l.attempt WHERE l.hub = $1 AND l.runner = $2 AND l.released_us IS NULL AND a.started_us IS NULL ORDER BY l.epoch";

    STEP_INSERT = "INSERT INTO steps (attempt, idx, name, step_id, state, outcome, conclusion, usage, line, started_us, ended_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    STEP_UPDATE = "UPDATE steps SET name = $4, step_id = $5, state = $6, outcome = $7, conclusion = $8, usage = $9, line = $10, started_us = $11, ended_us = $12 WHERE attempt = $1 AND idx = $2 AND state = $3";
    STEP_STATE = "SELECT state FROM steps WHERE attempt = $1 AND idx = $2";
    STEP_LIST = "SELECT attempt, idx, name, step_id, state, outcome, conclusion, usage, line, started_us, ended_us FROM steps WHERE attempt = $1 ORDER BY idx";

    STATUS_WANT = "INSERT INTO statuses (connection, repository, sha, context, rank, desired, version, sent_version, parts, tries, next_try_us, wanted_us) VALUES ($1, $2, $3, $4, $5, $6, 1, 0, 0, 0, $7, $8) ON CONFLICT (connection, repository, sha, context) DO UPDATE SET rank = excluded.rank, desired = excluded.desired, version = statuses.version + 1, parts = 0, wanted_us = excluded.wanted_us, tries = CASE WHEN statuses.next_try_us IS NULL THEN 0 ELSE statuses.tries END, next_try_us = CASE WHEN statuses.next_try_us IS NULL THEN excluded.next_try_us WHEN statuses.tries = 0 AND statuses.next_try_us > excluded.next_try_us THEN excluded.next_try_us ELSE statuses.next_try_us END WHERE excluded.rank >= statuses.rank AND excluded.desired <> statuses.desired";
    STATUS_LIST_DUE = concat!("SELECT ", status_columns!(), " FROM statuses WHERE connection = $1 AND next_try_us <= $2 ORDER BY next_try_us, id LIMIT $3");
    STATUS_LIST_BY_COMMIT = concat!("SELECT ", status_columns!(), " FROM statuses WHERE repository = $1 AND sha = $2 ORDER BY connection, context");
    STATUS_WAITING = "SELECT connection, COUNT(*) AS waiting, MIN(next_try_us) AS next_us, MIN(wanted_us) AS oldest_us FROM statuses WHERE next_try_us IS NOT NULL GROUP BY connection ORDER BY connection";
    STATUS_PART = "UPDATE statuses SET external_id = $3, parts = CASE WHEN version = $2 THEN $4 ELSE 0 END WHERE id = $1";
    STATUS_SENT = "UPDATE statuses SET sent_version = $2, external_id = $3, parts = 0, tries = 0, last_error = NULL, sent_us = $4, next_try_us = CASE WHEN version = $2 THEN NULL ELSE CAST($4 AS BIGINT) END WHERE id = $1 AND sent_version < $2";
    STATUS_LATER = "UPDATE statuses SET tries = tries + $2, next_try_us = $3, last_error = $4 WHERE id = $1 AND next_try_us IS NOT NULL";
    STATUS_GIVE_UP = "UPDATE statuses SET tries = 0, next_try_us = CASE WHEN version = $2 THEN NULL ELSE CAST($3 AS BIGINT) END, last_error = $4 WHERE id = $1";
    STATUS_FORGET = "UPDATE statuses SET external_id = NULL, parts = 0 WHERE id = $1";
    STATUS_PRUNE = "DELETE FROM statuses WHERE next_try_us IS NULL AND wanted_us < $1";

    ANNOTATION_INSERT = "INSERT INTO annotations (attempt, idx, body) VALUES ($1, $2, $3)";
    ANNOTATION_LIST = "SELECT body FROM annotations WHERE attempt = $1 ORDER BY idx";
    DENIAL_INSERT = "INSERT INTO denials (attempt, idx, host, port, reason, times, step) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    DENIAL_LIST = "SELECT host, port, reason, times, step FROM denials WHERE attempt = $1 ORDER BY idx";

    RUNNER_INSERT = concat!("INSERT INTO runners (", runner_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, NULL, NULL)");
    RUNNER_FETCH = concat!("SELECT ", runner_columns!(), " FROM runners WHERE id = $1");
    RUNNER_LIST_SEEN = concat!("SELECT ", runner_columns!(), " FROM runners WHERE seen_us >= $1 AND removed_us IS NULL ORDER BY id");
    RUNNER_DRAIN = "UPDATE runners SET drained_us = $2 WHERE id = $1 AND removed_us IS NULL";
    RUNNER_REMOVE = "UPDATE runners SET removed_us = $2 WHERE id = $1 AND removed_us IS NULL";
    RUNNER_SEEN = "UPDATE runners SET seen_us = $2 WHERE id = $1";

    ARTIFACT_INSERT = "INSERT INTO artifacts (id, run, repository, name, size, files, blob, blob_bytes, created_us, attempt, expires_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (run, name) DO NOTHING";
    ARTIFACT_REPLACE = "UPDATE artifacts SET id = $3, size = $4, files = $5, blob = $6, blob_bytes = $7, created_us = $8, attempt = $9, expires_us = $10 WHERE run = $1 AND name = $2";
    ARTIFACT_LIST = "SELECT id, run, repository, name, size, files, blob, blob_bytes, created_us, attempt, expires_us FROM artifacts WHERE run = $1 ORDER BY name";
    ARTIFACT_FETCH = "SELECT id, run, repository, name, size, files, blob, blob_bytes, created_us, attempt, expires_us FROM artifacts WHERE run = $1 AND name = $2";
    ARTIFACT_DELETE = "DELETE FROM artifacts WHERE run = $1 AND name = $2";
    ARTIFACT_LIST_EXPIRED = "SELECT id, run, repository, name, size, files, blob, blob_bytes, created_us, attempt, expires_us FROM artifacts WHERE expires_us <= $1 ORDER BY id LIMIT $2";
    ARTIFACT_BLOB_OWNERS = "SELECT DISTINCT repository FROM artifacts WHERE blob = $1";
    BLOB_IN_USE = "SELECT blob FROM artifacts WHERE blob = $1 UNION SELECT blob FROM caches WHERE blob = $1";

    CACHE_INSERT = "INSERT INTO caches (repository, key, version, blob, size, created_us, used_us) VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (repository, key, version) DO NOTHING";
    CACHE_FETCH = "SELECT key, version, blob, size, created_us FROM caches WHERE repository = $1 AND key = $2 AND version = $3";
    CACHE_BY_PREFIX = "SELECT key, version, blob, size, created_us FROM caches WHERE repository = $1 AND version = $2 AND substr(key, 1, length($3)) = $3 ORDER BY created_us DESC, key DESC LIMIT 1";
    CACHE_HAS_BLOB = "SELECT key FROM caches WHERE repository = $1 AND blob = $2 LIMIT 1";
    CACHE_USED = "UPDATE caches SET used_us = $4 WHERE repository = $1 AND key = $2 AND version = $3";
    CACHE_LIST = "SELECT key, version, blob, size, created_us FROM caches WHERE repository = $1 ORDER BY created_us DESC, key";

    DECISION_INSERT = "INSERT INTO decisions (submission, run, job, at_us, kind, reason) VALUES ($1, $2, $3, $4, $5, $6)";
    DECISION_LIST_BY_RUN = "SELECT submission, run, job, at_us, kind, reason FROM decisions WHERE run = $1 ORDER BY seq";
    DECISION_LIST_BY_SUBMISSION = "SELECT submission, run, job, at_us, kind, reason FROM decisions WHERE submission = $1 ORDER BY seq";
}
