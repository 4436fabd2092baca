//! `gantry tokens`. A secret is printed once, when it is made, and is in no message.

use gantry_api::v1::meta::Role;
use gantry_api::v1::token::{NewTokenRequest, Token, TokenKind};

use super::table::{Rows, at, plain, word};
use super::{block, cannot, connect};
use crate::cli::{RoleArg, TokenKindArg, TokensArgs, TokensCommand};
use crate::exit::{Done, Exit, Failure};
use crate::out;

/// Most tokens that are listed.
const MOST: usize = 10_000;

/// Acts on a `gantry tokens` command.
///
/// # Errors
/// There is no hub, or it refuses.
pub fn run(args: &TokensArgs) -> Done {
    let client = connect(&args.answer.hub)?;
    let json = args.answer.json;
    block(async {
        match &args.command {
            TokensCommand::List => {
                let all = client.tokens(MOST).await.map_err(cannot("list the tokens"))?;
                out::answer(json, &all, &table(&all))
            }
            TokensCommand::Create { quiet, .. } => {
                if *quiet && json {
                    return Err(Failure::usage("`--quiet` and `--json` exclude each other"));
                }
                let request = request(&args.command);
                let made = client.add_token(&request).await.map_err(cannot("make the token"))?;
                if *quiet {
                    out::line(&made.secret)?;
                    return Ok(Exit::Green);
                }
                let text = format!(
                    "{}  {}\n\n  {}\n\nThis is the only time that the secret is shown.",
                    made.token.id, made.token.name, made.secret
                );
                out::answer(json, &made, &text)
            }
            TokensCommand::Revoke { token } => {
                client.revoke_token(*token).await.map_err(cannot("revoke the token"))?;
                let value = serde_json::json!({ "revoked": token });
                out::answer(json, &value, &format!("{token} counts no more"))
            }
        }
    })
}

fn request(command: &TokensCommand) -> NewTokenRequest {
    let TokensCommand::Create { name, kind, org, role, repos, pool, expires_in, .. } = command
    else {
        unreachable!("only `create` makes a token")
    };
    NewTokenRequest {
        name: name.clone(),
        kind: match kind {
            TokenKindArg::Access => TokenKind::Access,
            TokenKindArg::RunnerPool => TokenKind::RunnerPool,
            TokenKindArg::RunnerOnce => TokenKind::RunnerOnce,
        },
        org: org.clone(),
        role: role.map(|role| match role {
            RoleArg::Admin => Role::Admin,
            RoleArg::Maintainer => Role::Maintainer,
            RoleArg::Developer => Role::Developer,
            RoleArg::Viewer => Role::Viewer,
        }),
        repos: (!repos.is_empty()).then(|| repos.clone()),
        pool: pool.clone(),
        expires_in_days: *expires_in,
    }
}

/// The word of a value that is one word in JSON.
fn word_of(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn table(tokens: &[Token]) -> String {
    let mut rows = Rows::new(&["token", "name", "kind", "org", "role", "made by", "state", "used"]);
    for token in tokens {
        let state = match (token.revoked_at, token.expires_at) {
            (Some(_), _) => "revoked".to_owned(),
            (None, Some(end)) => format!("until {}", at(Some(end))),
            (None, None) => "counts".to_owned(),
        };
        rows.add(vec![
            plain(token.id),
            plain(&token.name),
            plain(word_of(&token.kind)),
            plain(&token.org),
            plain(word_of(&token.role)),
            plain(&token.created_by),
            word(&state, &["counts"], &["revoked"]),
            plain(at(token.last_used_at)),
        ]);
    }
    rows.text("no tokens")
}
