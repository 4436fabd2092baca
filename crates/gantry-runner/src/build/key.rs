//! The key under which the result of an instruction is kept.
//!
//! A key is made of all that the result depends on, and of whose build it is: repository and ref. So a build finds what
//! the same instruction gave before, and never what another repository, or another branch, has put there. Pure.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::model::image_arch;

/// Changes when the same key would give something else.
const VERSION: u32 = 1;

/// Whose build it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// `owner/name` of the repository whose job builds.
    pub repository: String,
    /// The ref that the job runs for.
    pub git_ref: String,
}

/// What is done to the files of an image.
#[derive(Debug, Serialize)]
pub enum Work<'a> {
    /// A command.
    Run {
        /// Program and arguments.
        argv: &'a [String],
        /// Variables of the image.
        env: &'a [(String, String)],
        /// Variables of `ARG`.
        args: Vec<&'a (String, String)>,
        /// Who runs it.
        user: &'a str,
        /// Where.
        workdir: &'a str,
    },
    /// Files of the build context, or of another image.
    Copy {
        /// Digest of the files; with another image that of the image.
        digest: &'a str,
        /// What of the other image.
        of_image: Option<&'a [String]>,
        /// Where to.
        target: &'a str,
        /// New owner.
        owner: Option<&'a str>,
        /// New mode.
        mode: Option<u32>,
        /// Whether archives are unpacked.
        unpack: bool,
    },
    /// A directory.
    Directory {
        /// Where.
        path: &'a str,
        /// Whose.
        owner: &'a str,
    },
}

impl Work<'_> {
    /// The key of this above the image `parent`.
    pub fn key(&self, owner: &Owner, parent: &str) -> String {
        let all = (VERSION, image_arch(), owner, parent, self);
        let text = serde_json::to_vec(&all).expect("texts and numbers are JSON");
        let hex: String = Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect();
        format!("sha256:{hex}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_changes_the_result_or_the_owner_changes_the_key() {
        let owner = |repository: &str, git_ref: &str| Owner {
            repository: repository.to_owned(),
            git_ref: git_ref.to_owned(),
        };
        let main = owner("acme/lib", "refs/heads/main");
        let argv = ["make".to_owned()];
        let other_argv = ["make x".to_owned()];
        let env = [("A".to_owned(), "1".to_owned())];
        let run = |argv, env, args, user, workdir| Work::Run { argv, env, args, user, workdir };
        let copy = |digest, target, mode| Work::Copy {
            digest,
            of_image: None,
            target,
            owner: None,
            mode,
            unpack: false,
        };
        let base = run(&argv, &[], Vec::new(), "", "/");
        let keys = [
            base.key(&main, "p"),
            base.key(&owner("acme/other", "refs/heads/main"), "p"),
            base.key(&owner("acme/lib", "refs/pull/1/merge"), "p"),
            base.key(&main, "q"),
            run(&other_argv, &[], Vec::new(), "", "/").key(&main, "p"),
            run(&argv, &env, Vec::new(), "", "/").key(&main, "p"),
            run(&argv, &[], vec![&env[0]], "", "/").key(&main, "p"),
            run(&argv, &[], Vec::new(), "1", "/").key(&main, "p"),
            run(&argv, &[], Vec::new(), "", "/w").key(&main, "p"),
            copy("d", "/a", None).key(&main, "p"),
            copy("e", "/a", None).key(&main, "p"),
            copy("d", "/b", None).key(&main, "p"),
            copy("d", "/a", Some(0o700)).key(&main, "p"),
            Work::Directory { path: "/a", owner: "" }.key(&main, "p"),
        ];
        let all: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(all.len(), keys.len());
        assert_eq!(keys[0], run(&argv, &[], Vec::new(), "", "/").key(&main, "p"));
        assert!(keys[0].starts_with("sha256:") && keys[0].len() == 71);
    }
}
