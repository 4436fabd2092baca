//! Who asks, and whether they may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use gantry_api::v1::meta::{Me, MeKind, OrgRole, Role};
use gantry_store::pages::Seen;

use crate::http::{Refusal, auth};
use crate::state::Shared;

/// The one who asks.
#[derive(Debug, Clone)]
pub(crate) struct Access;

impl FromRequestParts<Arc<Shared>> for Access {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        auth::registrar(shared, &parts.headers)?;
        Ok(Self)
    }
}

impl Access {
    /// Refuses whoever may not do this to a repository (`owner/name`).
    pub fn repository(&self, _name: &str) -> Result<(), Refusal> {
        Ok(())
    }

    /// Refuses whoever may not do this to the hub.
    pub fn hub(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Notes that nothing needs to be decided.
    pub fn nothing(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Who asks, for people.
    pub fn name(&self) -> &str {
        "the hub's owner"
    }

    /// Who asks, for themselves.
    pub fn me(&self) -> Me {
        let everything = OrgRole { org: "*".to_owned(), role: Role::Admin, repos: None };
        Me { name: self.name().to_owned(), kind: MeKind::Bootstrap, roles: vec![everything] }
    }

    /// What of a list the caller sees.
    pub fn seen(&self) -> Result<Seen, Refusal> {
        Ok(Seen::default())
    }
}
