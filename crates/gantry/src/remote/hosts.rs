//! Hubs that this user is logged in to, with their tokens: `hosts.json` of the configuration folder, for its owner's
//! eyes alone. Also which addresses a token may go to.

use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use gantry_api::lease::Secret;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::TOKEN_VARIABLE;
use crate::exit::Failure;
use crate::files;

/// Largest file, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// Name of the file in the configuration folder.
const FILE: &str = "hosts.json";

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// Address of the hub that is used when none is named.
    #[serde(default)]
    pub current: Option<String>,
    /// Hubs by address.
    #[serde(default)]
    pub hubs: IndexMap<String, Host>,
}

/// A hub that this user is logged in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The token.
    pub token: Secret,
    /// Whose it is, as the hub said.
    #[serde(default)]
    pub name: String,
    /// Whether plain HTTP was allowed although the hub is on another machine.
    #[serde(default)]
    pub insecure: bool,
}

impl Hosts {
    /// Reads the file; one that is not there is empty.
    ///
    /// # Errors
    /// There is no home, others may read the file, or it is broken.
    pub fn load() -> Result<Self, Failure> {
        let path = place()?;
        let mode = match std::fs::metadata(&path) {
            Ok(found) => found.permissions().mode(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Failure::file("read", &path, &error)),
        };
        if mode & 0o077 != 0 {
            let message = format!("`{}` holds tokens, and others may read it", path.display());
            return Err(Failure::usage(message).hint(format!(
                "`chmod 600 {}`; if others use this machine, make new tokens",
                path.display()
            )));
        }
        let text = files::read_limited(&path, MAX_FILE_BYTES)?;
        serde_json::from_str(&text).map_err(|e| {
            // Neither the text nor a value of it is shown.
            let message = format!("`{}:{}` is not as it was written", path.display(), e.line());
            Failure::usage(message).hint("remove the file and log in again")
        })
    }

    /// Writes the file anew, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self) -> Result<(), Failure> {
        let path = place()?;
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Failure::infra("cannot write the logins").because(&e))?;
        let failed = |e: std::io::Error| Failure::file("write", &path, &e);
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(failed)?;
        }
        let new = path.with_extension(format!("json.{}", std::process::id()));
        let written = std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&new, &path));
        if written.is_err() {
            // It may not even be there.
            let _ = std::fs::remove_file(&new);
        }
        written.map_err(failed)
    }
}

/// Where the file lies.
///
/// # Errors
/// There is no home.
pub fn place() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    folder.map(|f| f.join("gantry").join(FILE)).ok_or_else(|| {
        Failure::usage("no place for logins: neither `HOME` nor `XDG_CONFIG_HOME` is set")
    })
}

/// A hub's address in the one form that it is kept by.
///
/// # Errors
/// It is none.
pub fn address(text: &str) -> Result<String, Failure> {
    use gantry_api::v1::client::ApiClient;
    let text = text.trim();
    let client = ApiClient::new(text, None).map_err(|error| {
        let failure = super::failure("use the hub", &error);
        if text.contains("://") { failure } else { failure.hint(format!("write `https://{text}`")) }
    })?;
    let url = client.base().to_owned();
    if url.contains(['@', '?', '#']) {
        // Not shown: what stands there may be secret.
        return Err(Failure::usage("the address of a hub has no user, query or fragment").hint(
            "write scheme, host, port and perhaps a path, and give the token to `gantry login`",
        ));
    }
    Ok(url)
}

/// Refuses to send a token over an open network.
///
/// # Errors
/// The address is plain HTTP to another machine, and nobody allowed it.
pub fn check_secure(url: &str, allowed: bool) -> Result<(), Failure> {
    if allowed || url.starts_with("https://") || is_loopback(url) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`{url}` is plain HTTP to another machine: everybody on the way can read the token"
    ))
    .hint("use `https://`; `--insecure` does it all the same"))
}

fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The token of the environment.
///
/// # Errors
/// It cannot be one.
pub fn given_token() -> Result<Option<String>, Failure> {
    match std::env::var(TOKEN_VARIABLE) {
        Ok(token) if token.trim().is_empty() => Ok(None),
        Ok(token) => well_formed(token.trim()).map(Some),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("the value of `{TOKEN_VARIABLE}` is not UTF-8 text")))
        }
    }
}

/// The token of the environment, of standard input, or of who is asked.
///
/// # Errors
/// There is none, or what came cannot be one.
pub fn ask_token(url: &str) -> Result<String, Failure> {
    if let Some(token) = given_token()? {
        return Ok(token);
    }
    let failed = |e: std::io::Error| Failure::usage("the token cannot be read").because(&e);
    let line = if std::io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        terminal.write_str(&format!("token for {url}: ")).map_err(failed)?;
        terminal.read_secure_line().map_err(failed)?
    } else {
        use std::io::{BufRead as _, Read as _};
        let mut line = String::new();
        let input = std::io::stdin().lock();
        input.take(MAX_TOKEN_BYTES as u64 + 1).read_line(&mut line).map_err(failed)?;
        line
    };
    well_formed(line.trim())
}

/// Refuses what no header can carry; it is repeated in no message.
fn well_formed(token: &str) -> Result<String, Failure> {
    if token.is_empty() {
        let hint = format!("set `{TOKEN_VARIABLE}`, or give it on standard input");
        return Err(Failure::usage("there is no token").hint(hint));
    }
    if token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::usage("what was given is no token")
            .hint("a token is one word of letters, digits and `_`"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_tls_or_stays_on_this_machine() {
        for url in [
            "https://ci.example",
            "http://127.0.0.1:4711",
            "http://127.9.9.9",
            "http://[::1]:4711/hub",
            "http://localhost:4711",
            "http://hub.localhost",
        ] {
            assert!(check_secure(url, false).is_ok(), "{url}");
        }
        for url in [
            "http://ci.example",
            "http://10.0.0.1:4711",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "http://[2001:db8::1]:4711",
        ] {
            assert!(
                check_secure(url, false).is_err_and(|f| f.text().contains("--insecure")),
                "{url}"
            );
            assert!(check_secure(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn addresses_are_kept_in_one_form_and_hold_no_secret() {
        assert_eq!(address("https://CI.example/").expect("one").as_str(), "https://ci.example");
        assert_eq!(address("https://ci.example:443/x/").expect("one"), "https://ci.example/x");
        assert!(address("ci.example").is_err_and(|f| f.text().contains("https://ci.example")));
        for bad in ["https://u:hunter2@ci.example", "https://ci.example/?t=hunter2"] {
            let failure = address(bad).expect_err("refused");
            assert!(!failure.text().contains("hunter2"), "{}", failure.text());
        }
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_repeated() {
        for bad in ["", "hunter2 hunter3", "hunter2\u{7}", "hunter2ä"] {
            let failure = well_formed(bad).expect_err("refused");
            assert!(!failure.text().contains("hunter2"), "{}", failure.text());
        }
        let hosts =
            Host { token: Secret("hunter2".to_owned()), name: String::new(), insecure: false };
        assert!(!format!("{hosts:?}").contains("hunter2"));
    }
}
