//! `actions/cache` with its `restore` and `save` parts.

use gantry_api::artifact::{CacheInfo, CacheQuery};
use gantry_api::report::CacheUse;
use gantry_core::Digest;
use gantry_sandbox::{FindSpec, PackSpec};
use sha2::{Digest as _, Sha256};

use super::{Inputs, Post, PostWork};
use crate::attempt::Attempt;
use crate::failure::{Failure, bytes_text};
use crate::link::LinkError;
use crate::paths::within;
use crate::step::{Given, StepCx};

/// Longest key, in characters (GitHub's limit).
const MAX_KEY_CHARS: usize = 512;
/// Most keys of one look-up (GitHub's limit).
const MAX_KEYS: usize = 10;
/// Compression of saved caches.
const ZSTD_LEVEL: i32 = 1;
/// Most files that the patterns of one cache may name.
const MAX_MATCHES: usize = 1_000_000;
/// Tries of one upload.
const UPLOAD_TRIES: usize = 3;

/// What is saved after the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavePlan {
    /// Key.
    pub key: String,
    /// Hash over what makes an entry usable.
    pub version: String,
    /// Paths as written.
    pub paths: Vec<String>,
}

impl Attempt<'_> {
    pub(super) async fn cache(
        &mut self,
        cx: StepCx<'_>,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<(), Failure> {
        let plan = self.save_plan(inputs)?;
        let found = self.cache_restore(inputs, given).await?;
        let exact = found.is_some_and(|info| info.key == plan.key);
        if exact || inputs.flag("lookup-only", false)? {
            return Ok(());
        }
        let always = inputs.flag("save-always", false)?;
        self.posts.push(Post {
            name: format!("Post {}", cx.name),
            condition: if always { "always()" } else { "success()" }.to_owned(),
            env: cx.env.clone(),
            place: cx.place.to_owned(),
            work: PostWork::SaveCache(plan),
        });
        Ok(())
    }

    pub(super) async fn cache_restore(
        &mut self,
        inputs: &Inputs,
        given: &mut Given,
    ) -> Result<Option<CacheInfo>, Failure> {
        let plan = self.save_plan(inputs)?;
        let restore_keys = inputs.lines("restore-keys");
        check_keys(&plan.key, &restore_keys)?;
        given.outputs.insert("cache-primary-key".to_owned(), plan.key.clone());
        let query =
            CacheQuery { key: plan.key.clone(), restore_keys, version: plan.version.clone() };
        let found = match self.facts.link.cache_lookup(query).await {
            Ok(found) => found,
            Err(error @ LinkError::Fenced(_)) => return Err(error.into()),
            Err(error) => {
                self.warn(&format!("the cache cannot be looked up: {error}"));
                None
            }
        };
        let found = match found {
            Some(info) => self.take_cache(inputs, info).await?,
            None => None,
        };
        let hit = found.as_ref().is_some_and(|info| info.key == plan.key);
        self.caches.push(CacheUse {
            key: plan.key.clone(),
            matched: found.as_ref().map(|info| info.key.clone()),
            hit,
        });
        let text = found.as_ref().map_or(String::new(), |_| hit.to_string());
        given.outputs.insert("cache-hit".to_owned(), text);
        let matched = found.as_ref().map(|info| info.key.clone()).unwrap_or_default();
        given.outputs.insert("cache-matched-key".to_owned(), matched);
        if found.is_none() {
            self.say(&format!("Cache not found for key `{}`", plan.key));
            if inputs.flag("fail-on-cache-miss", false)? {
                return Err(Failure::user(format!("there is no cache for the key `{}`", plan.key)));
            }
        }
        Ok(found)
    }

    async fn take_cache(
        &self,
        inputs: &Inputs,
        info: CacheInfo,
    ) -> Result<Option<CacheInfo>, Failure> {
        if inputs.flag("lookup-only", false)? {
            self.say(&format!("Cache found for key `{}` and not restored", info.key));
            return Ok(Some(info));
        }
        let restored = match self.facts.link.blob(info.blob.clone()).await {
            Ok(stream) => {
                self.sandbox.unpack(&self.facts.paths.base, stream).await.map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match restored {
            Ok(entries) => {
                let size = bytes_text(info.size);
                self.say(&format!(
                    "Cache restored from key `{}`: {entries} entries, {size}",
                    info.key
                ));
                Ok(Some(info))
            }
            Err(reason) => {
                self.warn(&format!("the cache `{}` cannot be restored: {reason}", info.key));
                Ok(None)
            }
        }
    }

    pub(super) async fn cache_save_now(&mut self, inputs: &Inputs) -> Result<(), Failure> {
        let plan = self.save_plan(inputs)?;
        check_keys(&plan.key, &[])?;
        self.cache_save(&plan).await
    }

    /// Saves a cache. What goes wrong is a warning, as on GitHub.
    pub(super) async fn cache_save(&mut self, plan: &SavePlan) -> Result<(), Failure> {
        if let Err(Failure(verdict)) = self.try_save(plan).await {
            let reason = verdict.reason.unwrap_or_default();
            self.warn(&format!("the cache `{}` is not saved: {reason}", plan.key));
        }
        Ok(())
    }

    async fn try_save(&self, plan: &SavePlan) -> Result<(), Failure> {
        let query = CacheQuery {
            key: plan.key.clone(),
            restore_keys: Vec::new(),
            version: plan.version.clone(),
        };
        if self.facts.link.cache_lookup(query).await?.is_some_and(|info| info.key == plan.key) {
            self.say(&format!("Cache `{}` exists already", plan.key));
            return Ok(());
        }
        let paths = self.cache_paths(&plan.paths).await?;
        if paths.is_empty() {
            return Err(Failure::user(format!("none of `{}` exists", plan.paths.join("`, `"))));
        }
        let spec =
            PackSpec { root: self.facts.paths.base.clone(), paths, zstd_level: Some(ZSTD_LEVEL) };
        for tried in 1.. {
            let body = self.sandbox.pack(spec.clone()).await?;
            let saved =
                self.facts.link.cache_save(plan.key.clone(), plan.version.clone(), body).await;
            match saved {
                Ok(()) => break,
                Err(LinkError::Unreachable(_)) if tried < UPLOAD_TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.say(&format!("Cache saved with key `{}`", plan.key));
        Ok(())
    }

    async fn cache_paths(&self, written: &[String]) -> Result<Vec<String>, Failure> {
        let paths = &self.facts.paths;
        let mut plain = Vec::new();
        let mut patterns = Vec::new();
        for text in written {
            let negated = text.strip_prefix('!');
            let path = paths.resolve(negated.unwrap_or(text));
            if !within(&path, &paths.base) {
                return Err(Failure::user(format!(
                    "`{text}` lies outside of the job's directories"
                )));
            }
            if negated.is_some() {
                patterns.push(format!("!{path}"));
            } else if path.contains(['*', '?', '[']) {
                patterns.push(path);
            } else {
                plain.push(path);
            }
        }
        let has_exclusions = patterns.iter().any(|p| p.starts_with('!'));
        if has_exclusions {
            patterns.splice(0..0, plain.drain(..));
        }
        let mut out = Vec::new();
        for path in plain {
            if !self.find(vec![path.clone()]).await?.is_empty() {
                out.push(path);
            }
        }
        if !patterns.is_empty() {
            out.extend(self.find(patterns).await?);
        }
        Ok(out)
    }

    async fn find(&self, patterns: Vec<String>) -> Result<Vec<String>, Failure> {
        let spec = FindSpec {
            root: self.facts.paths.workspace.clone(),
            patterns,
            hidden: true,
            follow: false,
            limit: MAX_MATCHES,
        };
        let found = self.sandbox.find(spec).await?;
        Ok(found.into_iter().filter(|f| !f.dir).map(|f| f.path).collect())
    }

    fn save_plan(&self, inputs: &Inputs) -> Result<SavePlan, Failure> {
        let key = inputs.required("key")?.to_owned();
        let paths = inputs.lines("path");
        if paths.is_empty() {
            return Err(Failure::user("the input `path` is missing"));
        }
        let version = version(&paths, &self.facts.lease.spec.sandbox.isolation);
        Ok(SavePlan { key, version, paths })
    }
}

fn version(paths: &[String], isolation: &str) -> String {
    let mut parts: Vec<&str> = paths.iter().map(String::as_str).collect();
    parts.extend(["zstd", isolation, "1.0"]);
    let digest = Digest::from_sha256(&Sha256::digest(parts.join("|")).into());
    digest.hex().to_owned()
}

fn check_keys(key: &str, restore_keys: &[String]) -> Result<(), Failure> {
    if restore_keys.len() + 1 > MAX_KEYS {
        return Err(Failure::user(format!("a cache has at most {MAX_KEYS} keys")));
    }
    for key in restore_keys.iter().map(String::as_str).chain([key]) {
        if key.contains(',') {
            return Err(Failure::user(format!("the cache key `{key}` contains a comma")));
        }
        if key.chars().count() > MAX_KEY_CHARS {
            return Err(Failure::user(format!(
                "the cache key `{key}` is longer than {MAX_KEY_CHARS} characters"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_keys_are_refused_and_the_version_follows_the_paths() {
        assert!(check_keys("a,b", &[]).is_err());
        assert!(check_keys(&"k".repeat(513), &[]).is_err());
        assert!(check_keys("k", &vec!["r".to_owned(); 10]).is_err());
        assert!(check_keys("k-1", &["k-".to_owned()]).is_ok());
        let paths = |p: &str| vec![p.to_owned()];
        assert_ne!(version(&paths("a"), "container"), version(&paths("b"), "container"));
        assert_eq!(version(&paths("a"), "process"), version(&paths("a"), "process"));
    }
}
