//! The edge's clock, ids and tokens: the only place of the hub that makes them.

use gantry_core::{Digest, Timestamp};
use rand::TryRngCore as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::HubError;

/// Now.
pub fn now() -> Timestamp {
    #[cfg(test)]
    if let Some(now) = crate::simulation::now() {
        return now;
    }
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

/// A fresh id; ids made later sort behind those made earlier.
pub fn fresh() -> Uuid {
    #[cfg(test)]
    if let Some(id) = crate::simulation::fresh() {
        return id;
    }
    Uuid::now_v7()
}

/// A fresh token with 256 random bits.
///
/// # Errors
/// The operating system has no randomness.
pub fn token() -> Result<String, HubError> {
    #[cfg(test)]
    if let Some(token) = crate::simulation::token() {
        return Ok(token);
    }
    let mut bytes = [0u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|e| HubError::Random(e.to_string()))?;
    Ok(Digest::from_sha256(&bytes).hex().to_owned())
}

/// SHA-256 over a text.
pub fn digest(text: &[u8]) -> Digest {
    Digest::from_sha256(&Sha256::digest(text).into())
}
