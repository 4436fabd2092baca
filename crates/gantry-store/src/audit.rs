//! Records of who did what, and of answers to writes by the key that the caller gave.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_core::Timestamp;

use crate::access_statements as statements;
use crate::engine::{Conn, Tx, vals};
use crate::error::StoreError;

/// One entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Counts the entries; 0 before it is stored.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What, as the action's word.
    pub action: String,
    /// Org that it was about; empty for the hub itself.
    pub org: String,
    /// The thing.
    pub resource: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Id of the request.
    pub request_id: String,
    /// More about it.
    pub detail: Option<String>,
}

/// The entry of a request, which waits for the transaction of what it is about: within [`recorded`] the first transaction
/// that is committed has it, so that nothing is done without its entry, and nothing is undone that has one.
#[derive(Debug, Default)]
pub struct AuditSlot(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    entry: Option<AuditRecord>,
    is_stored: bool,
}

tokio::task_local! {
    static SLOT: Arc<AuditSlot>;
}

impl AuditSlot {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays an entry down; one that was there and is not stored is replaced.
    pub fn put(&self, entry: AuditRecord) {
        self.slot().entry = Some(entry);
    }

    /// Takes an entry away that no transaction has stored: what it is about has ended.
    pub fn clear(&self) {
        self.slot().entry = None;
    }

    /// Whether a transaction has stored the entry.
    pub fn is_stored(&self) -> bool {
        self.slot().is_stored
    }

    /// Notes that the entry is committed.
    pub(crate) fn stored(&self) {
        self.slot().is_stored = true;
    }
}

/// Does something whose first transaction stores the entry that was laid into `slot` by then.
pub async fn recorded<F: Future>(slot: Arc<AuditSlot>, what: F) -> F::Output {
    SLOT.scope(slot, what).await
}

/// The entry that the present transaction has to store.
pub(crate) fn waiting() -> Option<(Arc<AuditSlot>, AuditRecord)> {
    let slot = SLOT.try_with(Arc::clone).ok()?;
    let entry = {
        let slot = slot.slot();
        slot.entry.clone().filter(|_| !slot.is_stored)?
    };
    Some((slot, entry))
}

/// Which entries a list has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By whom.
    pub actor: Option<String>,
    /// What.
    pub action: Option<String>,
    /// About what.
    pub resource: Option<String>,
    /// Only of these orgs.
    pub orgs: Option<Vec<String>>,
}

/// An answer that was given to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Digest of the request.
    pub request: String,
    /// Status and body, once it was answered.
    pub answer: Option<(u16, String)>,
    /// When it was asked first.
    pub at: Timestamp,
}

impl Conn {
    /// A page of the audit before entry `before`, newest first.
    pub async fn audit_page(
        &mut self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let orgs = crate::pages::bars(filter.orgs.as_ref());
        let mut vals = vals![before.unwrap_or(i64::MAX as u64), limit, &filter.actor];
        vals.extend(vals![&filter.action, &filter.resource, &orgs]);
        let rows = self.rows(statements::AUDIT_PAGE, vals).await?;
        let read = |row: &crate::engine::Row| {
            Ok(AuditRecord {
                seq: row.uint("seq")?,
                at: row.time("at_us")?,
                actor: row.text("actor")?,
                action: row.text("action")?,
                org: row.text("org")?,
                resource: row.text("resource")?,
                outcome: row.text("outcome")?,
                request_id: row.text("request_id")?,
                detail: row.opt_text("detail")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

impl Tx {
    /// Adds an entry to the audit.
    pub async fn audit_insert(&mut self, a: &AuditRecord) -> Result<(), StoreError> {
        let mut vals = vals![a.at, &a.actor, &a.action, &a.org, &a.resource];
        vals.extend(vals![&a.outcome, &a.request_id, &a.detail]);
        self.execute(statements::AUDIT_INSERT, vals).await?;
        Ok(())
    }

    /// Begins a write under a key, or answers what is known under it already. Keys older than `than`
    /// are forgotten.
    pub async fn idempotency_begin(
        &mut self,
        actor: &str,
        key: &str,
        request: &str,
        at: Timestamp,
        than: Timestamp,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        self.execute(statements::IDEMPOTENCY_FORGET, vals![than]).await?;
        let vals = vals![actor, key, request, at];
        if self.execute(statements::IDEMPOTENCY_INSERT, vals).await? == 1 {
            return Ok(None);
        }
        let row = self.row(statements::IDEMPOTENCY_FETCH, vals![actor, key]).await?;
        row.map(|row| {
            let status = row.opt_int("status")?.and_then(|s| u16::try_from(s).ok());
            Ok(KeptAnswer {
                request: row.text("request")?,
                answer: status.zip(row.opt_text("body")?),
                at: row.time("created_us")?,
            })
        })
        .transpose()
    }

    /// Keeps the answer to a write under its key.
    pub async fn idempotency_answer(
        &mut self,
        actor: &str,
        key: &str,
        status: u16,
        body: &str,
    ) -> Result<(), StoreError> {
        let vals = vals![actor, key, i64::from(status), body];
        self.execute(statements::IDEMPOTENCY_ANSWER, vals).await?;
        Ok(())
    }

    /// Forgets a key whose write came to nothing.
    pub async fn idempotency_undo(&mut self, actor: &str, key: &str) -> Result<(), StoreError> {
        self.execute(statements::IDEMPOTENCY_DELETE, vals![actor, key]).await?;
        Ok(())
    }
}
