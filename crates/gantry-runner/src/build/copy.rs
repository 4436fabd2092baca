//! `COPY` and `ADD`: from the build context, from another stage, from an image.
//!
//! Files of the context are keyed by the digest of what was copied. It is taken twice: before, in the job's own
//! container, to find what the instruction gave before; and from the bytes as they are copied, for the key under which
//! the result is kept. Not in here: the copying, which the container's PID 1 does.

use gantry_sandbox::{Beside, BesideImage, BesideSpec, CopySpec, ImageHold};

use super::key::Work;
use super::model::{Copy, Step};
use super::run::as_root;
use super::stage::Stage;
use super::{Builder, CONTEXT};
use crate::failure::Failure;

impl Builder<'_, '_> {
    /// Copies files into a stage.
    pub(super) async fn copy(
        &mut self,
        stage: &mut Stage<'_>,
        step: &Step,
        copy: &Copy,
    ) -> Result<ImageHold, Failure> {
        let spec = asked(stage, copy).map_err(|text| self.wrong(step.line, text))?;
        match &copy.from {
            None => self.copy_context(stage, step, spec).await,
            Some(base) => {
                let (image, _hold) = self.image(base, step.line).await?;
                let digest = image.digest.clone();
                let key = self.key(stage, &work(&spec, &digest, Some(&spec.sources)));
                if let Some(hold) = self.known(stage, step, &key) {
                    return Ok(hold);
                }
                self.show(&step.text, false);
                let source = BesideSpec {
                    suffix: format!("b{}", uuid::Uuid::new_v4().simple()),
                    image: BesideImage::Built(Box::new(as_root(&image)), self.name.to_owned()),
                    // Nothing is started in it: it only shows its files.
                    entrypoint: Some(vec!["/".to_owned()]),
                    command: None,
                    directories: Vec::new(),
                };
                let started = Beside::start(self.attempt.sandbox, self.attempt.spec, source);
                let source = self.in_time(step.line, started).await?;
                let spec = CopySpec { context: CONTEXT.to_owned(), ..spec };
                let made = self.make(stage, step, &source.sandbox, "/", &spec, Some(key)).await;
                let report = source.sandbox.stop().await;
                let hold = made?;
                self.count(report.map_err(|error| self.during(step.line, error.into()))?);
                Ok(hold)
            }
        }
    }

    async fn copy_context(
        &mut self,
        stage: &mut Stage<'_>,
        step: &Step,
        spec: CopySpec,
    ) -> Result<ImageHold, Failure> {
        let ignore = self.ignore.clone();
        let look = CopySpec {
            context: self.context.to_owned(),
            ignore: ignore.clone(),
            dry: true,
            ..spec.clone()
        };
        let digest = self.attempt.in_time(self.cx, self.attempt.sandbox.copy(&look)).await?;
        // The job's user may not be able to read what root can; the copy itself says what is wrong.
        if let Ok(digest) = digest {
            let key = self.key(stage, &work(&spec, &digest, None));
            if let Some(hold) = self.known(stage, step, &key) {
                return Ok(hold);
            }
        }
        self.show(&step.text, false);
        let spec = CopySpec { context: CONTEXT.to_owned(), ignore, ..spec };
        let (beside, context) = (self.attempt.sandbox, self.context);
        self.make(stage, step, beside, context, &spec, None).await
    }

    /// Copies in a container that sees the directory `from` of another one; without a key the digest gives it.
    async fn make(
        &mut self,
        stage: &mut Stage<'_>,
        step: &Step,
        beside: &gantry_sandbox::Sandbox,
        from: &str,
        spec: &CopySpec,
        key: Option<String>,
    ) -> Result<ImageHold, Failure> {
        let directories = vec![(from.to_owned(), CONTEXT.to_owned())];
        let draft = self.draft(beside, as_root(&stage.image), directories, step.line).await?;
        match self.in_time(step.line, draft.sandbox.copy(spec)).await {
            Ok(digest) => {
                let key = key.unwrap_or_else(|| self.key(stage, &work(spec, &digest, None)));
                self.commit(draft, stage, key, step.line).await
            }
            Err(failure) => Err(self.discard(draft, failure).await),
        }
    }
}

/// What an instruction asks for, its variables replaced; without context.
fn asked(stage: &Stage<'_>, copy: &Copy) -> Result<CopySpec, String> {
    let sources: Result<Vec<_>, _> = copy.sources.iter().map(|s| stage.expand(s)).collect();
    let mode = match &copy.chmod {
        Some(text) => Some(mode(&stage.expand(text)?)?),
        None => None,
    };
    Ok(CopySpec {
        sources: sources?,
        target: stage.path(&copy.target)?,
        owner: copy.chown.as_deref().map(|text| stage.expand(text)).transpose()?,
        keep_owner: copy.from.is_some(),
        mode,
        unpack: copy.add,
        ..CopySpec::default()
    })
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err(format!("`--chmod={text}` is not an octal number such as `755`")),
    }
}

fn work<'s>(spec: &'s CopySpec, digest: &'s str, of_image: Option<&'s [String]>) -> Work<'s> {
    Work::Copy {
        digest,
        of_image,
        target: &spec.target,
        owner: spec.owner.as_deref(),
        mode: spec.mode,
        unpack: spec.unpack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("755"), Ok(0o755));
        assert_eq!(mode("4755"), Ok(0o4755));
        for bad in ["+x", "u=rwx", "8", "77777", ""] {
            assert!(mode(bad).unwrap_err().contains("octal"), "{bad}");
        }
    }
}
