//! A stage as far as it is built: the image, and the variables that its instructions see.
//!
//! Pure. Not in here: instructions that change files ([`super::run`], [`super::copy`]).

use gantry_sandbox::PreparedImage;

use super::expand::expand;
use super::model::{Command, Dockerfile, Kind, platform_args};
use crate::paths::join;

/// What runs a command in shell form where no `SHELL` says otherwise.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A stage that is being built.
#[derive(Debug, Clone)]
pub struct Stage<'f> {
    file: &'f Dockerfile,
    /// The image so far; its digest is the key of what was done last to its files.
    pub image: PreparedImage,
    /// Values of `ARG`, in order.
    pub args: Vec<(String, String)>,
    /// Whether this stage has said `CMD`.
    own_cmd: bool,
}

impl<'f> Stage<'f> {
    /// A stage above an image.
    ///
    /// # Errors
    /// The image has instructions for its children.
    pub fn begin(file: &'f Dockerfile, image: PreparedImage) -> Result<Self, String> {
        if let Some(instruction) = image.on_build.first() {
            return Err(format!(
                "the image below asks for `ONBUILD {instruction}`, which is not supported; write the instruction \
                 into the Dockerfile and use an image without it"
            ));
        }
        Ok(Self { file, image, args: Vec::new(), own_cmd: false })
    }

    /// The value of a variable: that of `ENV`, else that of `ARG`.
    fn value(&self, name: &str) -> Option<String> {
        let mut all = self.image.env.iter().chain(self.args.iter().rev());
        all.find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// A text with its variables replaced and its quotes removed.
    ///
    /// # Errors
    /// A reference that is not closed, or not known.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        expand(text, self.file.escape, &|name| self.value(name))
    }

    /// A path as seen from the working directory.
    ///
    /// # Errors
    /// As [`Stage::expand`].
    pub fn path(&self, text: &str) -> Result<String, String> {
        let path = self.expand(text)?;
        let base = if self.image.workdir.is_empty() { "/" } else { &self.image.workdir };
        let directory = path.ends_with('/') || path == "." || path.ends_with("/.");
        let full = join(base, &path);
        Ok(if directory && full != "/" { format!("{full}/") } else { full })
    }

    /// The words that run a command.
    pub fn argv(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(words) => words.clone(),
            Command::Shell(text) if self.image.shell.is_empty() => {
                SHELL.iter().map(|w| (*w).to_owned()).chain([text.clone()]).collect()
            }
            Command::Shell(text) => {
                self.image.shell.iter().cloned().chain([text.clone()]).collect()
            }
        }
    }

    /// Acts on an instruction as far as it changes the configuration.
    ///
    /// # Errors
    /// As [`Stage::expand`].
    pub fn configure(&mut self, kind: &Kind) -> Result<(), String> {
        match kind {
            Kind::Arg(args) => {
                for (name, default) in args {
                    self.arg(name, default.as_deref())?;
                }
            }
            Kind::Env(pairs) => {
                // Each sees the values from before the instruction.
                let values = pairs.iter().map(|(name, value)| {
                    Ok::<_, String>((self.expand(name)?, self.expand(value)?))
                });
                for (name, value) in values.collect::<Result<Vec<_>, _>>()? {
                    self.image.env.retain(|(known, _)| *known != name);
                    self.image.env.push((name, value));
                }
            }
            Kind::Workdir(text) => {
                let path = self.path(text)?;
                self.image.workdir =
                    if path == "/" { path } else { path.trim_end_matches('/').to_owned() };
            }
            Kind::User(text) => self.image.user = self.expand(text)?,
            Kind::Entrypoint(command) => {
                self.image.entrypoint = self.argv(command);
                if !self.own_cmd {
                    self.image.cmd.clear();
                }
            }
            Kind::Cmd(command) => {
                self.image.cmd = self.argv(command);
                self.own_cmd = true;
            }
            Kind::Shell(words) => self.image.shell.clone_from(words),
            Kind::Run(_) | Kind::Copy(_) | Kind::Noted => {}
        }
        Ok(())
    }

    fn arg(&mut self, name: &str, default: Option<&str>) -> Result<(), String> {
        let value = match default {
            Some(text) => Some(self.expand(text)?),
            None => {
                let platform = platform_args();
                let mut all = self.file.globals.iter().rev().chain(&platform);
                all.find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
        };
        if let Some(value) = value {
            self.args.retain(|(known, _)| known != name);
            self.args.push((name.to_owned(), value));
        }
        Ok(())
    }

    /// The variables of `ARG` that a command sees: no `ENV` has their name.
    pub fn visible_args(&self) -> impl Iterator<Item = &(String, String)> {
        self.args.iter().filter(|(name, _)| !self.image.env.iter().any(|(known, _)| known == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the last stage of a Dockerfile is after its instructions, files left aside.
    fn configured(text: &str, base: PreparedImage) -> (PreparedImage, Vec<(String, String)>) {
        let file = Dockerfile::read(text).unwrap();
        let mut stage = Stage::begin(&file, base).unwrap();
        for step in &file.stages.last().unwrap().steps {
            stage.configure(&step.kind).unwrap();
        }
        let args = stage.visible_args().cloned().collect();
        (stage.image, args)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn variables_and_directories_add_up() {
        let (image, args) = configured(
            "ARG TOP=up\nFROM a\nARG TOP\nARG LOW=low\nARG NONE\nARG TARGETOS\nENV A=1 B=$A LOW=env\nENV B=${A}$TOP\n\
             WORKDIR /w\nWORKDIR sub/$LOW/\nUSER $A:2\n",
            PreparedImage { env: vec![("A".into(), "0".into())], ..PreparedImage::default() },
        );
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(image.env, [pair("A", "1"), pair("LOW", "env"), pair("B", "1up")]);
        assert_eq!((image.workdir.as_str(), image.user.as_str()), ("/w/sub/env", "1:2"));
        assert_eq!(args, [pair("TOP", "up"), pair("TARGETOS", "linux")]);
    }

    #[test]
    fn entry_point_and_command_follow_from_each_other_as_in_docker() {
        let base =
            PreparedImage { entrypoint: words(&["/e"]), cmd: words(&["c"]), ..Default::default() };
        let of = |text: &str| {
            let (image, _) = configured(&format!("FROM a\n{text}"), base.clone());
            (image.entrypoint, image.cmd)
        };
        assert_eq!(of(""), (words(&["/e"]), words(&["c"])));
        assert_eq!(of("CMD [\"x\"]\n"), (words(&["/e"]), words(&["x"])));
        assert_eq!(of("ENTRYPOINT [\"/n\"]\n"), (words(&["/n"]), Vec::new()));
        assert_eq!(of("CMD x y\nENTRYPOINT [\"/n\"]\n").1, words(&["/bin/sh", "-c", "x y"]));
        let shell = of("SHELL [\"/bin/bash\", \"-ec\"]\nENTRYPOINT exec x\n");
        assert_eq!(shell.0, words(&["/bin/bash", "-ec", "exec x"]));
    }

    #[test]
    fn paths_are_seen_from_the_working_directory() {
        let file = Dockerfile::read("FROM a\n").unwrap();
        let image = PreparedImage { workdir: "/w".into(), ..PreparedImage::default() };
        let stage = Stage::begin(&file, image).unwrap();
        for (text, full) in [
            ("a", "/w/a"),
            ("a/", "/w/a/"),
            (".", "/w/"),
            ("./", "/w/"),
            ("/", "/"),
            ("/a/./b", "/a/b"),
            ("../..", "/"),
        ] {
            assert_eq!(stage.path(text).as_deref(), Ok(full), "{text}");
        }
    }

    #[test]
    fn an_image_that_gives_orders_to_its_children_is_refused() {
        let file = Dockerfile::read("FROM a\n").unwrap();
        let image = PreparedImage { on_build: words(&["RUN x"]), ..PreparedImage::default() };
        let error = Stage::begin(&file, image).unwrap_err();
        assert!(error.contains("`ONBUILD RUN x`"), "{error}");
    }
}
