//! Asking a Git server where its refs are.

use std::path::Path;
use std::time::Duration;

use crate::fleet::Source;
use crate::source::SourceError;
use crate::source::git::Git;

/// Longest time that asking may take.
const TIME_LIMIT: Duration = Duration::from_mins(2);
/// Most refs of one repository.
const MAX_REFS: usize = 100_000;

/// Where the branches and tags of a repository are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RemoteRefs {
    /// Commit of the default branch; `None` in an empty repository.
    pub head: Option<String>,
    /// Name of the default branch.
    pub default_branch: Option<String>,
    /// Full name and commit of every branch and tag; of an annotated tag the commit that it names.
    pub refs: Vec<(String, String)>,
}

/// Asks for branches and tags.
///
/// # Errors
/// The source is no Git URL, or its server does not answer.
pub(crate) async fn remote_refs(tmp: &Path, source: &Source) -> Result<RemoteRefs, SourceError> {
    #[cfg(test)]
    if let Some(refs) = crate::simulation::refs(source) {
        return refs;
    }
    let work = tempfile::Builder::new()
        .prefix("refs-")
        .tempdir_in(tmp)
        .map_err(|e| SourceError::read(tmp, e))?;
    let (dir, source) = (work.path().to_owned(), source.clone());
    let asked = tokio::task::spawn_blocking(move || ask(&dir, &source)).await;
    asked.map_err(|e| SourceError::read(tmp, std::io::Error::other(e)))?
}

fn ask(work: &Path, source: &Source) -> Result<RemoteRefs, SourceError> {
    let Source::Git { url, .. } = source else { return Ok(RemoteRefs::default()) };
    super::git::check_transport(url)?;
    let git = Git::of(work, source)?.within(TIME_LIMIT);
    let args = ["ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*"];
    let out = git.run(work, &args, &format!("ask `{url}` for its refs"), true)?;
    read(&String::from_utf8_lossy(&out))
}

fn read(text: &str) -> Result<RemoteRefs, SourceError> {
    let mut found = RemoteRefs::default();
    for line in text.lines() {
        if let Some(target) = line.strip_prefix("ref: ") {
            let name = target.split_whitespace().next().unwrap_or_default();
            found.default_branch = name.strip_prefix("refs/heads/").map(str::to_owned);
            continue;
        }
        let Some((sha, name)) = line.split_once('\t') else { continue };
        match name.strip_suffix("^{}") {
            _ if name == "HEAD" => found.head = Some(sha.to_owned()),
            Some(tag) => {
                if let Some(known) = found.refs.iter_mut().find(|(name, _)| name == tag) {
                    sha.clone_into(&mut known.1);
                }
            }
            None => found.refs.push((name.to_owned(), sha.to_owned())),
        }
        if found.refs.len() > MAX_REFS {
            return Err(SourceError::TooLarge { what: "refs", limit: MAX_REFS as u64 });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotated_tag_is_the_commit_that_it_names() {
        let text = "ref: refs/heads/main\tHEAD\naaa\tHEAD\naaa\trefs/heads/main\nbbb\trefs/tags/v1\nccc\trefs/tags/v1^{}\n";
        let found = read(text).unwrap();
        assert_eq!(
            (found.head.as_deref(), found.default_branch.as_deref()),
            (Some("aaa"), Some("main"))
        );
        let tag = ("refs/tags/v1".to_owned(), "ccc".to_owned());
        assert_eq!(found.refs, [("refs/heads/main".to_owned(), "aaa".to_owned()), tag]);
    }
}
