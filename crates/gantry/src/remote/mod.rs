//! Commands that use a standing hub over its API, one module each.
//!
//! Not in here: the client itself (`gantry_api::v1::client`), and what the data directory of this machine knows
//! (`cmd::runs`).

pub mod api;
pub mod artifacts;
pub mod dispatch;
pub mod events;
mod find;
mod follow;
mod hosts;
mod lines;
pub mod login;
pub mod logs;
pub mod queue;
pub mod repos;
pub mod runners;
pub mod runs;
mod show;
mod table;
pub mod tokens;
mod watch;
pub mod why;

use gantry_api::v1::client::{ApiClient, ApiError};

use crate::cli::HubArgs;
use crate::exit::{Exit, Failure};

/// Environment variable with the token, above that of the login.
const TOKEN_VARIABLE: &str = "GANTRY_TOKEN";

/// The hub that is named, or that of the login, with the token for it.
///
/// # Errors
/// No hub is named, its address cannot be used, or there is no token for it.
fn connect(args: &HubArgs) -> Result<ApiClient, Failure> {
    let hosts = hosts::Hosts::load()?;
    let named = args.url.as_deref().map(hosts::address).transpose()?;
    let Some(url) = named.or_else(|| hosts.current.clone()) else {
        let hint = "`gantry login URL`, or name a hub with `--url` or `GANTRY_URL`";
        return Err(Failure::usage("not logged in to a hub").hint(hint));
    };
    let known = hosts.hubs.get(&url);
    hosts::check_secure(&url, args.insecure || known.is_some_and(|h| h.insecure))?;
    let given = hosts::given_token()?;
    let Some(token) = given.as_deref().or(known.map(|h| h.token.0.as_str())) else {
        let hint = format!("`gantry login {url}`, or set `{TOKEN_VARIABLE}`");
        return Err(Failure::usage(format!("not logged in to `{url}`")).hint(hint));
    };
    ApiClient::new(&url, Some(token)).map_err(|e| failure("use the hub", &e))
}

/// What a call came to, for people: what the hub says, or that it is not there.
fn failure(doing: &str, error: &ApiError) -> Failure {
    match error {
        ApiError::Refused { source, request_id, retry_after, .. } => {
            let later = source.status >= 500 || source.status == 429;
            let exit = if later { Exit::Infrastructure } else { Exit::Usage };
            let mut failure = Failure::new(exit, format!("cannot {doing}: {}", source.title));
            failure.causes.extend(source.detail.clone());
            failure.code = Some(source.code.clone());
            failure.request_id.clone_from(request_id);
            failure.hint.clone_from(&source.hint);
            match (source.status, retry_after) {
                (401, _) => failure.hint("the token counts no more or never did: `gantry login URL`"),
                (_, Some(wait)) => failure.hint(format!("try again in {} s", wait.as_secs())),
                _ => failure,
            }
        }
        ApiError::Unreachable { base, source, .. } => {
            let failure = Failure::infra(format!("the hub at `{base}` cannot be reached"));
            failure
                .because(source.as_ref())
                .hint("check the address, and that `gantry serve` runs there")
        }
        ApiError::Garbled { .. } => Failure::infra(format!("cannot {doing}")).because(error).hint(
            "check that the address is a hub's, and that hub and command are of about the same version",
        ),
        ApiError::Address { .. } => Failure::usage(error.to_string())
            .hint("write it like `https://ci.example` or `http://127.0.0.1:4711`"),
    }
}

/// For `map_err`: [`failure`] with what was being done.
fn cannot(doing: &str) -> impl Fn(ApiError) -> Failure {
    move |error| failure(doing, &error)
}

/// Runs the future of a command.
fn block<F>(work: F) -> crate::exit::Done
where
    F: Future<Output = crate::exit::Done>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::infra("cannot start the command").because(&e))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use gantry_api::Problem;

    use super::*;

    fn refused(status: u16) -> ApiError {
        ApiError::Refused {
            call: "GET /api/v1/me".to_owned(),
            request_id: Some("0190".to_owned()),
            retry_after: None,
            source: Box::new(Problem::new("auth/token", status, "nobody has this token")),
        }
    }

    #[test]
    fn what_the_hub_refuses_ends_with_2_and_its_own_trouble_with_4() {
        let failure = |status| super::failure("ask", &refused(status));
        assert_eq!([400, 401, 403, 404, 409].map(|s| failure(s).exit), [Exit::Usage; 5]);
        assert_eq!([429, 500, 503].map(|s| failure(s).exit), [Exit::Infrastructure; 3]);
        let json = failure(401).json();
        assert_eq!(json["error"]["code"], "auth/token");
        assert_eq!(json["error"]["request_id"], "0190");
        let text = failure(401).text();
        assert!(text.contains("cannot ask: nobody has this token"), "{text}");
        assert!(
            text.contains("auth/token, request 0190") && text.contains("gantry login"),
            "{text}"
        );
    }
}
