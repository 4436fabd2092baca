//! Lists: pages with a cursor.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items of a page that a caller gets without asking for a number.
pub const DEFAULT_LIMIT: u32 = 50;
/// Most items of one page.
pub const MAX_LIMIT: u32 = 200;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}
