//! Cursors of lists: opaque to callers, the time and id of the last item inside.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gantry_api::v1::Page;
use gantry_api::v1::page::{DEFAULT_LIMIT, MAX_LIMIT};
use gantry_core::Timestamp;
use gantry_store::pages::After;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::Refusal;

/// `limit` and `cursor` of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    pub cursor: Option<String>,
}

impl Paging {
    /// How many items, and where they begin.
    ///
    /// # Errors
    /// A number out of range, or a text that is no cursor.
    pub fn read(&self) -> Result<(u32, Option<After>), Refusal> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            return Err(Refusal::invalid(format!("`limit` is {limit}; it is 1 to {MAX_LIMIT}")));
        }
        let after = self.cursor.as_deref().filter(|c| !c.is_empty()).map(decode).transpose()?;
        Ok((limit, after))
    }
}

fn decode(cursor: &str) -> Result<After, Refusal> {
    let bad = || Refusal::invalid("`cursor` is not one that a list has answered");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    let (at, id) = text.split_once(' ').ok_or_else(bad)?;
    if id.contains('\0') {
        return Err(bad());
    }
    Ok(After { at: Timestamp(at.parse().map_err(|_| bad())?), id: id.to_owned() })
}

fn encode(after: &After) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", after.at.0, after.id))
}

/// A page out of at most `limit + 1` records: the one too many says that more follow.
pub(crate) fn page<R, T>(
    mut records: Vec<R>,
    limit: u32,
    place: impl Fn(&R) -> After,
    shape: impl FnMut(R) -> T,
) -> Page<T> {
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let next_cursor = records.last().filter(|_| more).map(|last| encode(&place(last)));
    Page { items: records.into_iter().map(shape).collect(), next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_a_made_up_one_is_refused() {
        let after = After { at: Timestamp(-7), id: "run_1".to_owned() };
        let paging = Paging { limit: None, cursor: Some(encode(&after)) };
        assert_eq!(paging.read().expect("reads"), (DEFAULT_LIMIT, Some(after)));
        for bad in ["!", "YQ", "AAAA"] {
            assert!(Paging { limit: None, cursor: Some(bad.to_owned()) }.read().is_err(), "{bad}");
        }
        assert!(Paging { limit: Some(0), cursor: None }.read().is_err());
        assert!(Paging { limit: Some(201), cursor: None }.read().is_err());
    }
}
