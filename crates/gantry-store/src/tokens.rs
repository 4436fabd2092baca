//! Records of tokens and sessions: digests of credentials and what they are for.

use gantry_core::{Digest, Timestamp, TokenId};

use crate::access_statements as statements;
use crate::engine::{Conn, Row, Tx, vals};
use crate::error::StoreError;
use crate::pages::After;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// SHA-256 of its secret.
    pub secret: Digest,
    /// Name for people.
    pub name: String,
    /// `bootstrap`, `access`, `runner-pool` or `runner-once`.
    pub kind: String,
    /// Org that it is for; `*` is every org.
    pub org: String,
    /// Role that it has.
    pub role: String,
    /// Repositories that it is limited to, a JSON array.
    pub repos: Option<String>,
    /// Pool of the runners that register with it.
    pub pool: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
    /// Until when it counts.
    pub expires: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub used: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: String,
    /// SHA-256 of its cookie.
    pub secret: Digest,
    /// Who it is of.
    pub name: String,
    /// The token that began it.
    pub token: Option<TokenId>,
    /// Roles of a person who logged in, a JSON array.
    pub grants: String,
    /// When it began.
    pub created: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
    /// When it was ended.
    pub ended: Option<Timestamp>,
}

fn read(row: &Row) -> Result<TokenRecord, StoreError> {
    Ok(TokenRecord {
        id: row.parsed("id")?,
        secret: row.parsed("secret_digest")?,
        name: row.text("name")?,
        kind: row.text("kind")?,
        org: row.text("org")?,
        role: row.text("role")?,
        repos: row.opt_text("repos")?,
        pool: row.opt_text("pool")?,
        created_by: row.text("created_by")?,
        created: row.time("created_us")?,
        expires: row.opt_time("expires_us")?,
        used: row.opt_time("used_us")?,
        revoked: row.opt_time("revoked_us")?,
    })
}

impl Conn {
    /// The token with this digest.
    pub async fn token_by_digest(
        &mut self,
        digest: &Digest,
    ) -> Result<Option<TokenRecord>, StoreError> {
        self.row(statements::TOKEN_BY_DIGEST, vals![digest]).await?.as_ref().map(read).transpose()
    }

    /// One token.
    pub async fn token_fetch(&mut self, id: TokenId) -> Result<TokenRecord, StoreError> {
        let row = self.row(statements::TOKEN_FETCH, vals![id]).await?;
        read(&row.ok_or(StoreError::NotFound { what: "token", id: id.to_string() })?)
    }

    /// A page of tokens, of one org or all, newest first.
    pub async fn token_page(
        &mut self,
        org: Option<&str>,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        let after = after.unwrap_or_else(crate::pages::newest);
        let vals = vals![after.at, &after.id, limit, org];
        self.rows(statements::TOKEN_PAGE, vals).await?.iter().map(read).collect()
    }

    /// How many tokens there are, those taken back included.
    pub async fn token_count(&mut self) -> Result<u64, StoreError> {
        let row = self.row(statements::TOKEN_COUNT, vec![]).await?;
        row.map_or(Ok(0), |row| row.uint("n"))
    }

    /// The session with this digest.
    pub async fn session_by_digest(
        &mut self,
        digest: &Digest,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let row = self.row(statements::SESSION_BY_DIGEST, vals![digest]).await?;
        row.map(|row| {
            Ok(SessionRecord {
                id: row.text("id")?,
                secret: row.parsed("secret_digest")?,
                name: row.text("name")?,
                token: row.opt_parsed("token")?,
                grants: row.text("grants")?,
                created: row.time("created_us")?,
                expires: row.time("expires_us")?,
                ended: row.opt_time("ended_us")?,
            })
        })
        .transpose()
    }
}

impl Tx {
    /// Adds a token.
    pub async fn token_insert(&mut self, t: &TokenRecord) -> Result<(), StoreError> {
        let mut vals = vals![t.id, &t.secret, &t.name, &t.kind, &t.org, &t.role, &t.repos];
        vals.extend(vals![&t.pool, &t.created_by, t.created, t.expires]);
        self.execute(statements::TOKEN_INSERT, vals).await?;
        Ok(())
    }

    /// Notes that a token was used.
    pub async fn token_used(&mut self, id: TokenId, at: Timestamp) -> Result<(), StoreError> {
        self.execute(statements::TOKEN_USED, vals![id, at]).await?;
        Ok(())
    }

    /// Takes a token back; says whether it counted until now.
    pub async fn token_revoke(&mut self, id: TokenId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(statements::TOKEN_REVOKE, vals![id, at]).await? == 1)
    }

    /// Uses up a token that is good for once; says whether it was still good.
    pub async fn token_use_once(&mut self, id: TokenId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(statements::TOKEN_USE_ONCE, vals![id, at]).await? == 1)
    }

    /// Adds a session and forgets those whose time is over.
    pub async fn session_insert(&mut self, s: &SessionRecord) -> Result<(), StoreError> {
        self.execute(statements::SESSION_FORGET, vals![s.created]).await?;
        let vals = vals![&s.id, &s.secret, &s.name, s.token, &s.grants, s.created, s.expires];
        self.execute(statements::SESSION_INSERT, vals).await?;
        Ok(())
    }

    /// Ends a session.
    pub async fn session_end(&mut self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.execute(statements::SESSION_END, vals![id, at]).await?;
        Ok(())
    }
}
