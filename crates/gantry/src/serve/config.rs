//! From the hub file to what a service is told: repositories with their settings, forges with their secrets.

use std::path::{Path, PathBuf};

use gantry_api::lease::Secret;
use gantry_config::{EffectiveRepo, Forge, SecretRef};
use gantry_server::Source;
use gantry_server::service::{Connection, ServiceConfig, ServiceRepo};

use crate::exit::Failure;
use crate::run::fleet::{self, Choices};
use crate::run::secrets::Secrets;
use crate::{files, hubfile};

/// Largest file that a secret is read from, in bytes.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Reads the hub file.
///
/// # Errors
/// It cannot be read, has errors, or a secret of a forge has no value.
pub(super) fn load(hub: Option<&Path>, poll_ms: u64) -> Result<ServiceConfig, Failure> {
    let Some(found) = hubfile::find(hub)? else {
        let defaults = EffectiveRepo::bare("", gantry_config::Source::Path(String::new()));
        let defaults =
            fleet::settings(&defaults, Path::new("/"), &Choices::default(), Secrets::new());
        return Ok(ServiceConfig { defaults, poll_ms, ..ServiceConfig::default() });
    };
    if found.loaded.is_refused() {
        let problems = found.loaded.diagnostics();
        return Err(Failure::usage("the hub file has errors, nothing is served").findings(problems));
    }
    // A service outlives the folder that it was started in.
    let folder =
        found.folder.canonicalize().map_err(|e| Failure::file("read", &found.folder, &e))?;
    let connections = found.loaded.hub.forges.iter();
    let connections: Vec<Connection> = connections
        .map(|(name, forge)| connection(name, forge, &folder))
        .collect::<Result<_, _>>()?;
    let enabled = found.loaded.repos().into_iter().filter(|r| r.enabled.value);
    let repos = enabled.map(|repo| service_repo(&repo, &folder, &connections)).collect();
    let defaults = found.loaded.defaults();
    let defaults = fleet::fleet_repo(&defaults, &folder, &Choices::default(), &Secrets::new());
    Ok(ServiceConfig { repos, connections, defaults: defaults.settings, poll_ms })
}

fn service_repo(repo: &EffectiveRepo, folder: &Path, connections: &[Connection]) -> ServiceRepo {
    let fleet = fleet::fleet_repo(repo, folder, &Choices::default(), &Secrets::new());
    let connection = match &fleet.source {
        Source::Git { url, .. } => owner_of(url, connections),
        Source::Folder(_) | Source::Archive(_) => None,
    };
    ServiceRepo { repo: fleet, team: repo.team.as_ref().map(|t| t.value.clone()), connection }
}

/// The connection whose forge a Git URL lies at: the same host, and the longest address.
fn owner_of(url: &str, connections: &[Connection]) -> Option<String> {
    let place = place(url)?;
    let fits = connections.iter().filter(|c| {
        self::place(&c.url).is_some_and(|base| {
            place == base || place.strip_prefix(&base).is_some_and(|rest| rest.starts_with('/'))
        })
    });
    fits.max_by_key(|c| c.url.len()).map(|c| c.name.clone())
}

/// `host/path` of a URL, whatever its transport, user and port of ssh.
fn place(url: &str) -> Option<String> {
    let rest = match url.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        None => url.replacen(':', "/", 1),
    };
    let rest = rest.rsplit_once('@').map_or(rest.as_str(), |(_, host)| host);
    let place = rest.trim_end_matches('/').to_lowercase();
    (!place.is_empty()).then_some(place)
}

fn connection(name: &str, forge: &Forge, folder: &Path) -> Result<Connection, Failure> {
    let value = |what: &str, reference: &SecretRef| {
        secret(reference, folder).map_err(|mut failure| {
            failure.message = format!("the {what} of the forge `{name}`: {}", failure.message);
            failure
        })
    };
    let mut webhook_secrets = Vec::new();
    for reference in &forge.webhook_secrets {
        webhook_secrets.push(value("webhook secret", &reference.value)?);
    }
    let token = forge.token.as_ref().map(|t| value("token", &t.value)).transpose()?;
    let app = match &forge.app {
        Some((id, key)) => Some((id.value.clone(), value("private key", &key.value)?)),
        None => None,
    };
    Ok(Connection {
        name: name.to_owned(),
        kind: forge.kind.value.parse().map_err(Failure::usage)?,
        url: forge.url.value.clone(),
        api_url: forge.api_url.as_ref().map(|u| u.value.clone()),
        webhook_secrets,
        token,
        app,
    })
}

fn secret(reference: &SecretRef, folder: &Path) -> Result<Secret, Failure> {
    match reference {
        SecretRef::Env(name) => std::env::var(name).map(Secret).map_err(|_| {
            Failure::usage(format!("the environment variable `{name}` is not set"))
                .hint("set it for the hub, or name a file instead")
        }),
        SecretRef::File(path) => {
            let path: PathBuf = folder.join(path);
            let text = files::read_limited(&path, MAX_SECRET_BYTES)?;
            Ok(Secret(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_belongs_to_the_forge_at_its_address() {
        let at = |name: &str, url: &str| Connection {
            name: name.to_owned(),
            kind: gantry_server::forge::ForgeKind::Gitea,
            url: url.to_owned(),
            api_url: None,
            webhook_secrets: vec![],
            token: None,
            app: None,
        };
        let all = [at("hub", "https://github.com"), at("sub", "https://git.example/forge")];
        for (url, name) in [
            ("https://github.com/a/b.git", Some("hub")),
            ("git@github.com:a/b.git", Some("hub")),
            ("ssh://git@GitHub.com/a/b", Some("hub")),
            ("https://x@git.example/forge/a/b", Some("sub")),
            ("https://git.example/forgery/a/b", None),
            ("https://github.com.evil.example/a/b", None),
            ("file:///srv/a.git", None),
        ] {
            assert_eq!(owner_of(url, &all).as_deref(), name, "{url}");
        }
    }
}
