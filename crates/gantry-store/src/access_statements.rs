//! SQL texts of credentials, sessions, the audit and idempotency keys, good for both engines; a test prepares all
//! of them on both.

macro_rules! token_columns {
    () => {
        "id, secret_digest, name, kind, org, role, repos, pool, created_by, created_us, expires_us, used_us, revoked_us"
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
    TOKEN_INSERT = concat!("INSERT INTO tokens (", token_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, NULL)");
    TOKEN_BY_DIGEST = concat!("SELECT ", token_columns!(), " FROM tokens WHERE secret_digest = $1");
    TOKEN_FETCH = concat!("SELECT ", token_columns!(), " FROM tokens WHERE id = $1");
    TOKEN_PAGE = concat!("SELECT ", token_columns!(), " FROM tokens WHERE (created_us, id) < ($1, $2) AND (CAST($4 AS TEXT) IS NULL OR org = $4) ORDER BY created_us DESC, id DESC LIMIT $3");
    TOKEN_COUNT = "SELECT COUNT(*) AS n FROM tokens";
    TOKEN_USED = "UPDATE tokens SET used_us = $2 WHERE id = $1 AND (used_us IS NULL OR used_us < $2)";
    TOKEN_REVOKE = "UPDATE tokens SET revoked_us = $2 WHERE id = $1 AND revoked_us IS NULL";
    TOKEN_USE_ONCE = "UPDATE tokens SET used_us = $2, revoked_us = $2 WHERE id = $1 AND revoked_us IS NULL";
    SESSION_INSERT = "INSERT INTO sessions (id, secret_digest, name, token, grants, created_us, expires_us) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    SESSION_BY_DIGEST = "SELECT id, secret_digest, name, token, grants, created_us, expires_us, ended_us FROM sessions WHERE secret_digest = $1";
    SESSION_END = "UPDATE sessions SET ended_us = $2 WHERE id = $1 AND ended_us IS NULL";
    SESSION_FORGET = "DELETE FROM sessions WHERE expires_us < $1";
    AUDIT_INSERT = "INSERT INTO audit (at_us, actor, action, org, resource, outcome, request_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    AUDIT_PAGE = "SELECT seq, at_us, actor, action, org, resource, outcome, request_id, detail FROM audit WHERE seq < $1 AND (CAST($3 AS TEXT) IS NULL OR actor = $3) AND (CAST($4 AS TEXT) IS NULL OR action = $4) AND (CAST($5 AS TEXT) IS NULL OR resource = $5) AND (CAST($6 AS TEXT) IS NULL OR replace($6, '|' || org || '|', '') <> $6) ORDER BY seq DESC LIMIT $2";
    IDEMPOTENCY_INSERT = "INSERT INTO idempotency (actor, key, request, created_us) VALUES ($1, $2, $3, $4) ON CONFLICT (actor, key) DO NOTHING";
    IDEMPOTENCY_FETCH = "SELECT request, status, body, created_us FROM idempotency WHERE actor = $1 AND key = $2";
    IDEMPOTENCY_ANSWER = "UPDATE idempotency SET status = $3, body = $4 WHERE actor = $1 AND key = $2";
    IDEMPOTENCY_DELETE = "DELETE FROM idempotency WHERE actor = $1 AND key = $2";
    IDEMPOTENCY_FORGET = "DELETE FROM idempotency WHERE created_us < $1";
}
