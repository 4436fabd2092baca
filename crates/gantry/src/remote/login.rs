//! `gantry login` and `gantry logout`.

use gantry_api::lease::Secret;
use gantry_api::v1::client::ApiClient;
use gantry_api::v1::meta::{Me, Role};

use super::hosts::{self, Host, Hosts};
use super::{block, failure};
use crate::cli::{LoginArgs, LogoutArgs};
use crate::exit::{Done, Exit, Failure};
use crate::out;

/// Acts on `gantry login`.
///
/// # Errors
/// The address cannot be used, there is no token, or the hub does not know it.
pub fn login(args: &LoginArgs) -> Done {
    let url = hosts::address(&args.url)?;
    hosts::check_secure(&url, args.insecure)?;
    // Before anybody is asked for anything.
    let mut logins = Hosts::load()?;
    let token = hosts::ask_token(&url)?;
    block(async {
        let client = ApiClient::new(&url, Some(&token)).map_err(|e| failure("use the hub", &e))?;
        let me = client.me().await.map_err(|error| {
            let failed = failure("log in", &error);
            if error.status() == Some(401) {
                failed
                    .hint("check that the token was copied whole, and that it was made by this hub")
            } else {
                failed
            }
        })?;
        let host =
            Host { token: Secret(token.clone()), name: me.name.clone(), insecure: args.insecure };
        logins.hubs.insert(url.clone(), host);
        logins.current = Some(url.clone());
        logins.save()?;
        let value = serde_json::json!({ "url": url, "me": me });
        out::answer(args.json, &value, &format!("logged in to {url} as {}", whoami(&me)))
    })
}

/// Name and roles, for people.
fn whoami(me: &Me) -> String {
    let role = |role: Role| match role {
        Role::Admin => "admin",
        Role::Maintainer => "maintainer",
        Role::Developer => "developer",
        Role::Viewer => "viewer",
    };
    let roles = me.roles.iter().map(|r| {
        let org = if r.org == "*" { "every org" } else { &r.org };
        let some = r.repos.as_ref().map_or_else(String::new, |repos| {
            format!(" ({})", crate::files::count(repos.len(), "repository", "repositories"))
        });
        format!("{} of {org}{some}", role(r.role))
    });
    let roles: Vec<String> = roles.collect();
    if roles.is_empty() { me.name.clone() } else { format!("{} ({})", me.name, roles.join(", ")) }
}

/// Acts on `gantry logout`.
///
/// # Errors
/// There is no such login, or the file cannot be written.
pub fn logout(args: &LogoutArgs) -> Done {
    let mut logins = Hosts::load()?;
    if args.all {
        let n = logins.hubs.len();
        Hosts::default().save()?;
        out::line(&format!("logged out of {}", crate::files::count(n, "hub", "hubs")))?;
        return Ok(Exit::Green);
    }
    let named = args.url.as_deref().map(hosts::address).transpose()?;
    let url = named.or_else(|| logins.current.clone()).filter(|url| logins.hubs.contains_key(url));
    let Some(url) = url else {
        let known: Vec<&str> = logins.hubs.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "there is no login on this machine".to_owned()
        } else {
            format!("there are logins to `{}`", known.join("`, `"))
        };
        return Err(Failure::usage("there is no such login").hint(hint));
    };
    logins.hubs.shift_remove(&url);
    if logins.current.as_ref() == Some(&url) {
        logins.current = logins.hubs.keys().last().cloned();
    }
    logins.save()?;
    out::line(&format!("logged out of {url}"))?;
    if let Some(next) = &logins.current {
        out::line(&format!("commands go to {next} now"))?;
    }
    Ok(Exit::Green)
}
