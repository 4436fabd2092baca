//! What is copied, and what the digest is of.

use super::*;

struct Bench(tempfile::TempDir);

impl Bench {
    /// `None` for users who may not give files away.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            gantry_testkit::skip("only root gives files to others");
            return None;
        }
        let bench = Self(tempfile::tempdir().unwrap());
        for (path, text) in [
            ("context/a.txt", "a"),
            ("context/sub/b.txt", "b"),
            ("context/sub/c.log", "c"),
            ("context/sub/deep/d.txt", "d"),
        ] {
            let path = bench.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("b.txt", bench.at("context/sub/link")).unwrap();
        Some(bench)
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn spec(&self, sources: &[&str], target: &str) -> CopySpec {
        CopySpec {
            context: self.at("context").to_str().unwrap().to_owned(),
            sources: sources.iter().map(|s| (*s).to_owned()).collect(),
            target: format!("{}/{target}", self.0.path().display()),
            ..CopySpec::default()
        }
    }

    /// The digest, the same with and without copying.
    fn copy(&self, spec: &CopySpec) -> Result<String, String> {
        let dry = copy(&CopySpec { dry: true, ..spec.clone() });
        let done = copy(spec)?;
        let (Ok(Answer::Text(dry)), Answer::Text(done)) = (dry, done) else { panic!("no digest") };
        assert_eq!(dry, done, "{spec:?}");
        Ok(done)
    }
}

#[test]
fn the_contents_of_directories_and_files_by_name_are_copied() {
    let Some(bench) = Bench::new() else { return };
    bench.copy(&bench.spec(&["sub"], "all")).unwrap();
    assert_eq!(fs::read_to_string(bench.at("all/deep/d.txt")).unwrap(), "d");
    assert_eq!(fs::read_link(bench.at("all/link")).unwrap(), Path::new("b.txt"));
    bench.copy(&bench.spec(&["a.txt"], "one/name")).unwrap();
    assert_eq!(fs::read_to_string(bench.at("one/name")).unwrap(), "a");
    bench.copy(&bench.spec(&["a.txt", "sub/*.txt"], "two/")).unwrap();
    assert!(bench.at("two/a.txt").is_file() && bench.at("two/b.txt").is_file());
    let error = bench.copy(&bench.spec(&["a.txt", "sub/b.txt"], "three")).unwrap_err();
    assert!(error.contains("ends with `/`"), "{error}");
    // A file takes the place of a file, never that of a directory.
    bench.copy(&bench.spec(&["sub/b.txt"], "one/name")).unwrap();
    assert_eq!(fs::read_to_string(bench.at("one/name")).unwrap(), "b");
    fs::create_dir_all(bench.at("four/a.txt")).unwrap();
    let error = bench.copy(&bench.spec(&["a.txt"], "four/")).unwrap_err();
    assert!(error.contains("is a directory"), "{error}");
}

#[test]
fn owners_modes_and_what_is_left_out() {
    let Some(bench) = Bench::new() else { return };
    let spec = CopySpec {
        ignore: vec!["**/*.log".to_owned(), "sub/deep".to_owned()],
        owner: Some("12:34".to_owned()),
        mode: Some(0o640),
        ..bench.spec(&["sub"], "all")
    };
    bench.copy(&spec).unwrap();
    let file = bench.at("all/b.txt").metadata().unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o640, 12, 34));
    assert!(!bench.at("all/c.log").exists() && !bench.at("all/deep").exists());
    let own = bench.at("context/sub/b.txt");
    std::os::unix::fs::chown(&own, Some(7), Some(8)).unwrap();
    let keep = CopySpec { keep_owner: true, ..bench.spec(&["sub/b.txt"], "kept") };
    bench.copy(&keep).unwrap();
    assert_eq!(bench.at("kept").metadata().unwrap().uid(), 7);
    bench.copy(&bench.spec(&["sub/b.txt"], "roots")).unwrap();
    assert_eq!(bench.at("roots").metadata().unwrap().uid(), 0);
    // No source only makes the directory.
    let made = CopySpec { owner: Some("5".to_owned()), ..bench.spec(&[], "made/deep/") };
    bench.copy(&made).unwrap();
    assert_eq!(bench.at("made/deep").metadata().unwrap().uid(), 5);
}

#[test]
fn the_digest_is_of_names_modes_and_contents() {
    let Some(bench) = Bench::new() else { return };
    let digest = |target: &str| bench.copy(&bench.spec(&["sub"], target)).unwrap();
    let first = digest("x");
    assert_eq!(first, digest("y/z"), "the target does not count");
    let single = |target: &str| bench.copy(&bench.spec(&["a.txt"], target)).unwrap();
    fs::create_dir(bench.at("there")).unwrap();
    assert_eq!(single("new"), single("there"), "nor whether it is a directory");
    fs::write(bench.at("context/sub/deep/d.txt"), "e").unwrap();
    let second = digest("x");
    assert_ne!(first, second);
    fs::set_permissions(bench.at("context/sub/b.txt"), fs::Permissions::from_mode(0o755)).unwrap();
    let third = digest("x");
    assert_ne!(second, third);
    fs::rename(bench.at("context/sub/b.txt"), bench.at("context/sub/bb.txt")).unwrap();
    assert_ne!(third, digest("x"));
}

#[test]
fn add_unpacks_archives_and_copies_other_files() {
    let Some(bench) = Bench::new() else { return };
    let mut tar =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, "in/side", &b"hi"[..]).unwrap();
    fs::write(bench.at("context/x.tar.gz"), tar.into_inner().unwrap().finish().unwrap()).unwrap();
    let add = |sources: &[&str], target: &str| {
        bench.copy(&CopySpec { unpack: true, ..bench.spec(sources, target) })
    };
    add(&["x.tar.gz", "a.txt"], "out/").unwrap();
    assert_eq!(fs::read_to_string(bench.at("out/in/side")).unwrap(), "hi");
    assert_eq!(fs::read_to_string(bench.at("out/a.txt")).unwrap(), "a");
    fs::write(bench.at("context/x.bz2"), "BZh9").unwrap();
    assert!(add(&["x.bz2"], "out/").unwrap_err().contains("with gzip or with zstd only"));
    bench.copy(&bench.spec(&["x.bz2"], "out/")).unwrap();
}
