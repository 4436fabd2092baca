//! `gantry repos`.

use gantry_api::v1::client::{ApiClient, RepoFilter};
use gantry_api::v1::repo::{ChangeRepoRequest, NewRepoRequest, Repo, WorkflowFile};

use super::table::{Rows, at, outcome, plain, time, word};
use super::{block, cannot, connect, find};
use crate::cli::{ReposArgs, ReposCommand};
use crate::exit::{Done, Failure};
use crate::out;

/// Acts on a `gantry repos` command.
///
/// # Errors
/// There is no hub or no such repository, or the hub refuses.
pub fn run(args: &ReposArgs) -> Done {
    let client = connect(&args.answer.hub)?;
    let json = args.answer.json;
    block(async {
        match &args.command {
            ReposCommand::List { org, team, state, text, limit } => {
                let filter = RepoFilter {
                    org: org.clone(),
                    team: team.clone(),
                    q: text.clone(),
                    state: state.clone(),
                };
                let repos = client.repos(&filter, *limit as usize).await;
                let repos = repos.map_err(cannot("list the repositories"))?;
                out::answer(json, &repos, &table(&repos))
            }
            ReposCommand::Show { repo } => show(&client, repo, json).await,
            ReposCommand::Add { repo, source, forge, branch, team } => {
                find::owner_and_name(repo)?;
                let request = NewRepoRequest {
                    name: repo.clone(),
                    url: source.clone(),
                    forge: forge.clone(),
                    default_branch: branch.clone(),
                    team: team.clone(),
                };
                let added =
                    client.add_repo(&request).await.map_err(cannot("add the repository"))?;
                let text = format!(
                    "{} is added; pushes to {} start its workflows",
                    added.name, added.source.url
                );
                out::answer(json, &added, &text)
            }
            ReposCommand::Disable { repo, reason } => {
                let change =
                    ChangeRepoRequest { enabled: Some(false), disabled_reason: reason.clone() };
                let now = change_to(&client, repo, &change, "disable the repository").await?;
                out::answer(json, &now, &format!("{} starts nothing more", now.name))
            }
            ReposCommand::Enable { repo } => {
                let change = ChangeRepoRequest { enabled: Some(true), disabled_reason: None };
                let now = change_to(&client, repo, &change, "enable the repository").await?;
                out::answer(json, &now, &format!("events of {} start runs again", now.name))
            }
            ReposCommand::Remove { repo } => {
                let (owner, name) = find::owner_and_name(repo)?;
                let doing = "remove the repository";
                if let Err(error) = client.remove_repo(owner, name).await {
                    return Err(find::repo_failure(&client, doing, repo, error).await);
                }
                let value = serde_json::json!({ "removed": repo });
                out::answer(json, &value, &format!("{repo} is forgotten; its runs stay"))
            }
        }
    })
}

async fn change_to(
    client: &ApiClient,
    repo: &str,
    change: &ChangeRepoRequest,
    doing: &str,
) -> Result<Repo, Failure> {
    let (owner, name) = find::owner_and_name(repo)?;
    match client.change_repo(owner, name, change).await {
        Ok(repo) => Ok(repo),
        Err(error) => Err(find::repo_failure(client, doing, repo, error).await),
    }
}

async fn show(client: &ApiClient, repo: &str, json: bool) -> Done {
    let (owner, name) = find::owner_and_name(repo)?;
    let found = match client.repo(owner, name).await {
        Ok(found) => found,
        Err(error) => {
            return Err(find::repo_failure(client, "show the repository", repo, error).await);
        }
    };
    if json {
        return out::answer(true, &found, "");
    }
    let mut text = details(&found);
    match client.workflows(owner, name, None).await {
        Ok(files) => text += &workflows(&files),
        // What is known is shown, also of a repository that cannot be read now.
        Err(error) => {
            text += &format!("  workflows  {}\n", super::failure("read them", &error).message);
        }
    }
    out::answer(false, &(), &text)
}

fn table(repos: &[Repo]) -> String {
    let mut rows =
        Rows::new(&["repo", "state", "branch", "open", "last run", "outcome", "ended", "time"]);
    for repo in repos {
        let last = repo.last_run.as_ref();
        rows.add(vec![
            plain(&repo.name),
            word(state(repo), &[], &["disabled"]),
            plain(repo.default_branch.as_deref().unwrap_or_default()),
            plain(repo.open_runs),
            plain(last.map_or_else(String::new, |r| format!("{} #{}", r.workflow.name, r.number))),
            last.map_or_else(|| plain(""), |r| outcome(r.outcome, r.state.as_str())),
            plain(at(last.and_then(|r| r.ended_at))),
            plain(time(last.and_then(|r| r.duration_ms))),
        ]);
    }
    rows.text("no repositories; `gantry repos add OWNER/NAME GIT-URL` adds one")
}

fn state(repo: &Repo) -> &'static str {
    if repo.enabled { "enabled" } else { "disabled" }
}

fn details(repo: &Repo) -> String {
    let why = repo.disabled_reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
    let mut text = format!("{}  {}{why}\n", repo.name, state(repo));
    let mut say = |what: &str, value: &str| {
        if !value.is_empty() {
            text += &format!("  {what:10} {value}\n");
        }
    };
    let from = match repo.registered_by.as_str() {
        "file" => "hub file",
        _ => "added while the hub ran",
    };
    say("source", &repo.source.url);
    say("known from", from);
    say("team", repo.team.as_deref().unwrap_or_default());
    say("forge", repo.forge.as_deref().unwrap_or_default());
    say("branch", repo.default_branch.as_deref().unwrap_or_default());
    say("needs", &repo.depends_on.join(" "));
    say("open runs", &repo.open_runs.to_string());
    if let Some(last) = &repo.last_run {
        let word = last.outcome.map_or(last.state.as_str(), |o| o.as_str());
        say("last run", &format!("{}  {} #{}  {word}", last.id, last.workflow.name, last.number));
    }
    text
}

fn workflows(files: &[WorkflowFile]) -> String {
    files.iter().fold(String::new(), |mut text, file| {
        text +=
            &format!("  workflow   {}  {} ({})\n", file.path, file.name, file.triggers.join(", "));
        for input in file.dispatch.iter().flat_map(|form| &form.inputs) {
            let about = input.description.as_deref().unwrap_or_default();
            let need = if input.required { ", required" } else { "" };
            text += &format!(
                "               --input {}=… ({}{need}) {about}\n",
                input.name, input.kind
            );
        }
        text
    })
}
