//! `gantry run --watch`: again on every change of the working trees.
//!
//! The system says that something happened somewhere; what counts is decided by looking at the tree: every file that
//! Git does not ignore, with size, time and mode. So a touched build output starts nothing, and an editor that saves
//! by renaming starts one run.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantry_server::{Fleet, Source};
use ignore::WalkBuilder;
use notify::Watcher as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::secrets::Secrets;
use super::{Ended, fleet, report, session};
use crate::cli::RunArgs;
use crate::exit::{Done, Exit, Failure};
use crate::files::count;
use crate::out;

/// Quiet time after the last event before the tree is looked at.
const QUIET: Duration = Duration::from_millis(150);
/// Longest wait for quiet.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Changed files that a note names.
const NAMED: usize = 3;

/// Size, time of change (seconds and nanoseconds) and mode of a file.
type Look = (u64, i64, i64, u32);

/// Runs now and after every change, until somebody asks for the end.
///
/// # Errors
/// No repository lies in a folder of this machine, or the folders cannot be watched.
pub(super) async fn run(args: &RunArgs, fleet: Fleet, secrets: &Secrets, data: &Path) -> Done {
    let mut trees = Trees::watch(&fleet, args, data).await?;
    let mut signals = session::Signals::listen()?;
    let mut fleet = Some(fleet);
    loop {
        let made = fleet.take().map_or_else(|| fleet::load(args, secrets), Ok);
        let mut already = None;
        let last = match made {
            Err(failure) => tell(args, &failure),
            Ok(fleet) => {
                let stop = CancellationToken::new();
                let session = session::run(args, fleet, data, &stop);
                tokio::pin!(session);
                let ended = tokio::select! {
                    ended = &mut session => ended,
                    changed = trees.changed() => {
                        already = Some(changed?);
                        stop.cancel();
                        session.await
                    }
                };
                let by_user = ended.as_ref().is_ok_and(|e| e.by_user);
                let last = show(args, ended)?;
                if by_user {
                    return Ok(Exit::Cancelled);
                }
                last
            }
        };
        let changed = match already {
            Some(changed) => changed,
            None => {
                note("waiting for a change; Ctrl-C ends");
                tokio::select! {
                    changed = trees.changed() => changed?,
                    () = signals.next() => return Ok(last),
                }
            }
        };
        note(&format!("changed: {}", names(&changed)));
    }
}

fn note(text: &str) {
    eprintln!("{} {text}", console::style("watch:").cyan().for_stderr());
}

fn names(changed: &[PathBuf]) -> String {
    let mut text: Vec<String> = changed
        .iter()
        .take(NAMED)
        .map(|p| super::lines::printable(&p.display().to_string()))
        .collect();
    if changed.len() > NAMED {
        text.push(format!("and {} more", count(changed.len() - NAMED, "file", "files")));
    }
    text.join(", ")
}

/// Prints what one run came to; with `--json` each on a line of its own.
fn show(args: &RunArgs, ended: Result<Ended, Failure>) -> Result<Exit, Failure> {
    let ended = match ended {
        Ok(ended) => ended,
        Err(failure) => return Ok(tell(args, &failure)),
    };
    if args.json {
        let line = serde_json::to_string(&ended.summary)
            .map_err(|e| Failure::infra("cannot write the answer as JSON").because(&e))?;
        out::line(&line)?;
    } else {
        out::line(report::text(&ended.summary).trim_end())?;
    }
    Ok(ended.failure.map_or(ended.exit, |failure| tell(args, &failure)))
}

/// A failure ends one run and not the watch: a file that is mended is a change.
fn tell(args: &RunArgs, failure: &Failure) -> Exit {
    if args.json {
        eprintln!("{}", failure.json());
    } else {
        eprint!("{}", failure.text());
    }
    failure.exit
}

/// The watched folders.
struct Trees {
    roots: Vec<PathBuf>,
    /// Folders that the run itself writes to.
    own: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Look>,
    watched: HashSet<PathBuf>,
    watcher: notify::RecommendedWatcher,
    events: mpsc::UnboundedReceiver<notify::Result<()>>,
}

impl Trees {
    async fn watch(fleet: &Fleet, args: &RunArgs, data: &Path) -> Result<Self, Failure> {
        let selected = fleet.repos.iter().filter(|r| fleet.filters.selects(r));
        let roots: Vec<PathBuf> = selected
            .filter_map(|repo| match &repo.source {
                Source::Folder(path) => path.canonicalize().ok(),
                _ => None,
            })
            .collect();
        if roots.is_empty() {
            return Err(Failure::usage(
                "there is nothing to watch: no repository is a folder here",
            )
            .hint("leave `--watch` out, or name a folder as `source:`"));
        }
        let (sender, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let told = match event {
                Ok(event) if event.kind.is_access() => return,
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            // Nobody listens any more at the end.
            let _ = sender.send(told);
        });
        let watcher = watcher.map_err(|e| cannot_watch(&e))?;
        let own = [Some(data), args.output.as_deref()];
        let own = own.into_iter().flatten().filter_map(|p| std::path::absolute(p).ok());
        let own = own.flat_map(|p| [p.canonicalize().ok(), Some(p)]).flatten().collect();
        let mut trees =
            Self { roots, own, seen: BTreeMap::new(), watched: HashSet::new(), watcher, events };
        trees.look().await?;
        note(&format!("{} watched", count(trees.roots.len(), "folder", "folders")));
        Ok(trees)
    }

    /// Waits until some file is not as it was when this was asked last; which ones.
    async fn changed(&mut self) -> Result<Vec<PathBuf>, Failure> {
        loop {
            match self.events.recv().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(cannot_watch(&error)),
                None => return Err(Failure::infra("the folders are not watched any more")),
            }
            let quiet = async {
                while let Ok(Some(_)) = tokio::time::timeout(QUIET, self.events.recv()).await {}
            };
            let _ = tokio::time::timeout(MAX_WAIT, quiet).await;
            let changed = self.look().await?;
            if !changed.is_empty() {
                return Ok(changed);
            }
        }
    }

    /// Looks at the trees, watches new folders, and gives what is not as it was.
    async fn look(&mut self) -> Result<Vec<PathBuf>, Failure> {
        let files = loop {
            let (roots, own) = (self.roots.clone(), self.own.clone());
            let walked = tokio::task::spawn_blocking(move || walk(&roots, &own)).await;
            let (files, folders) = walked
                .map_err(|e| Failure::infra("the look at the folders broke off").because(&e))?;
            let fresh = folders.iter().any(|f| !self.watched.contains(f));
            for folder in &folders {
                // A folder that came back under its name needs a new watch; others keep theirs.
                match self.watcher.watch(folder, notify::RecursiveMode::NonRecursive) {
                    Ok(()) => {}
                    // It may be gone again.
                    Err(_) if !folder.exists() => {}
                    Err(error) => return Err(cannot_watch(&error)),
                }
            }
            self.watched = folders.into_iter().collect();
            // What was put into a new folder before it was watched is seen by another look only.
            if !fresh {
                break files;
            }
        };
        let mut changed: Vec<PathBuf> = files
            .iter()
            .filter(|(path, look)| self.seen.get(*path) != Some(look))
            .map(|(path, _)| path.clone())
            .chain(self.seen.keys().filter(|path| !files.contains_key(*path)).cloned())
            .collect();
        changed.iter_mut().for_each(|path| {
            if let Some(short) = self.roots.iter().find_map(|r| path.strip_prefix(r).ok()) {
                *path = short.to_owned();
            }
        });
        self.seen = files;
        Ok(changed)
    }
}

type Walked = (BTreeMap<PathBuf, Look>, Vec<PathBuf>);

/// Files and folders that Git does not ignore.
fn walk(roots: &[PathBuf], own: &[PathBuf]) -> Walked {
    let (mut files, mut folders) = (BTreeMap::new(), Vec::new());
    for root in roots {
        let own = own.to_vec();
        let walk = WalkBuilder::new(root)
            .hidden(false)
            .ignore(false)
            .require_git(false)
            .filter_entry(move |e| e.file_name() != ".git" && !own.iter().any(|o| o == e.path()))
            .build();
        for entry in walk.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.into_path());
            } else {
                let look = (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.mode());
                files.insert(entry.into_path(), look);
            }
        }
    }
    (files, folders)
}

fn cannot_watch(error: &notify::Error) -> Failure {
    let failure = Failure::infra("the folders cannot be watched").because(error);
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            failure.hint("raise the limit: `sysctl fs.inotify.max_user_watches=1048576`")
        }
        _ => failure.hint("run without `--watch`"),
    }
}
