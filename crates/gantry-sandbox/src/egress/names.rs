//! Which address inside the job's network stands for which name.
//!
//! Not in here: whether a name is allowed.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

/// First address of 127.64.0.0/10, the range that names get their addresses from.
const BASE: u32 = 0x7f40_0000;
const MASK: u32 = 0xffc0_0000;

/// Names and their addresses, in both directions. An address is given once and never moves.
#[derive(Debug)]
pub(crate) struct NameTable {
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_name: HashMap<String, Ipv4Addr>,
    by_index: Vec<String>,
}

impl NameTable {
    /// An empty table for at most `max` names.
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.min(1 << 20), inner: Mutex::default() }
    }

    /// Whether an address is of the range for names.
    pub(crate) fn in_range(address: Ipv4Addr) -> bool {
        address.to_bits() & MASK == BASE
    }

    /// The address of a name, a new one when it has none yet; `None` when the table is full.
    pub(crate) fn address_of(&self, name: &str) -> Option<Ipv4Addr> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = inner.by_name.get(name) {
            return Some(*address);
        }
        if inner.by_index.len() >= self.max {
            return None;
        }
        let address = Ipv4Addr::from_bits(BASE + 1 + inner.by_index.len() as u32);
        inner.by_index.push(name.to_owned());
        inner.by_name.insert(name.to_owned(), address);
        Some(address)
    }

    /// The name that an address was given to.
    pub(crate) fn name_of(&self, address: Ipv4Addr) -> Option<String> {
        let index = address.to_bits().checked_sub(BASE + 1)? as usize;
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.by_index.get(index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_one_name_and_stays() {
        let table = NameTable::new(2);
        let a = table.address_of("a.example").unwrap();
        let b = table.address_of("b.example").unwrap();
        assert_ne!(a, b);
        assert_eq!(table.address_of("a.example"), Some(a));
        assert!(NameTable::in_range(a) && !NameTable::in_range(Ipv4Addr::LOCALHOST));
        assert_eq!(table.name_of(b).as_deref(), Some("b.example"));
        assert_eq!(table.name_of(Ipv4Addr::new(127, 64, 0, 3)), None);
        assert_eq!(table.name_of(Ipv4Addr::new(10, 0, 0, 1)), None);
        assert_eq!(table.address_of("c.example"), None, "the table is full");
    }
}
