//! `gantry runs artifacts` of a hub.

use gantry_api::v1::client::ApiClient;
use gantry_core::diag::did_you_mean;

use super::{cannot, find};
use crate::cli::ArtifactsOfRun;
use crate::exit::{Done, Failure};
use crate::files::{count, human_bytes};
use crate::out;
use crate::run::collect;
use crate::run::output::file_name;

/// Lists the artifacts of a run, or extracts them.
///
/// # Errors
/// There is no such run or artifact, the hub refuses, or a folder cannot be written.
pub async fn run(client: &ApiClient, args: &ArtifactsOfRun) -> Done {
    let run = find::run(client, &args.run).await?;
    for wanted in &args.names {
        if !run.artifacts.iter().any(|a| a.name == *wanted) {
            let names: Vec<&str> = run.artifacts.iter().map(|a| a.name.as_str()).collect();
            let failure = Failure::usage(format!("the run has no artifact `{wanted}`"));
            return Err(match did_you_mean(wanted, names.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None if names.is_empty() => failure.hint("it has no artifacts at all"),
                None => failure.hint(format!("it has `{}`", names.join("`, `"))),
            });
        }
    }
    let (mut rows, mut text) = (Vec::new(), String::new());
    for artifact in &run.artifacts {
        if !args.names.is_empty() && !args.names.contains(&artifact.name) {
            continue;
        }
        let mut place = None;
        if let Some(dir) = &args.extract {
            let folder = dir.join(file_name(&artifact.name));
            let bytes = client.download(artifact.id, "tar.zst").await;
            collect::unpack(bytes.map_err(cannot("download an artifact"))?, &folder).await?;
            place = Some(folder.display().to_string());
        }
        text += &format!(
            "{}  {}  {}",
            artifact.name,
            human_bytes(artifact.size_bytes),
            count(artifact.files as usize, "file", "files")
        );
        if let Some(at) = artifact.expires_at {
            text += &format!("  until {}", at.0.rfc3339());
        }
        text += &place.as_ref().map_or_else(|| "\n".to_owned(), |p| format!("  → {p}\n"));
        let mut row = serde_json::to_value(artifact)
            .map_err(|e| Failure::infra("cannot write the answer as JSON").because(&e))?;
        row["extracted_to"] = place.into();
        rows.push(row);
    }
    if rows.is_empty() && !args.data.json {
        "the run has no artifacts".clone_into(&mut text);
    }
    out::answer(args.data.json, &rows, &text)
}
