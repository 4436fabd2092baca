//! File operations inside.

use std::io::Cursor;
use std::time::Instant;

use gantry_sandbox::{FindSpec, PackSpec, Sandbox, SandboxError};
use libtest_mimic::Trial;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::support::{Place, command, first_line, sh, trial};

const WORK: &str = "/home/runner/work";

pub fn trials() -> Vec<Trial> {
    vec![
        trial("files::read_and_write", read_and_write),
        trial("files::many_in_one_operation", many_in_one_operation),
        trial("files::read_has_a_limit", read_has_a_limit),
        trial("files::remove_takes_read_only_trees", remove_takes_read_only_trees),
        trial("files::find_is_sorted_and_filtered", find_is_sorted_and_filtered),
        trial("files::find_equals_the_toolkit", find_equals_the_toolkit),
        trial("files::hash_files_equals_a_hand_computation", hash_files_equals_a_hand_computation),
        trial("files::pack_and_unpack_round_trip", pack_and_unpack_round_trip),
        trial("files::pack_is_deterministic", pack_is_deterministic),
        trial("files::unpack_refuses_to_climb", unpack_refuses_to_climb),
        trial("files::unpack_of_rubbish_is_an_error", unpack_of_rubbish_is_an_error),
        trial("files::many_at_the_same_time", many_at_the_same_time),
        trial("files::bulk_throughput", bulk_throughput),
        trial("files::a_dropped_operation_ends", a_dropped_operation_ends),
    ]
}

fn inside(name: &str) -> String {
    format!("{WORK}/{name}")
}

async fn pack(sandbox: &Sandbox, root: &str, paths: &[&str], level: Option<i32>) -> Vec<u8> {
    let spec = PackSpec {
        root: root.to_owned(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        zstd_level: level,
    };
    let mut bytes = Vec::new();
    sandbox.pack(spec).await.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn read_and_write(place: Place) {
    let sandbox = &place.sandbox;
    let path = inside("a/b/file");
    assert_eq!(sandbox.read_file(&path, 10).await.unwrap(), None);
    sandbox.write_file(&path, "one".into(), 0o640).await.unwrap();
    sandbox.write_file(&path, "two!".into(), 0o750).await.unwrap();
    assert_eq!(sandbox.read_file(&path, 10).await.unwrap().unwrap(), "two!");
    assert_eq!(sh(sandbox, "stat -c %a a/b/file").await.text(), "750\n");
    let large: Vec<u8> = (0..9_000_000u32).map(|number| number as u8).collect();
    sandbox.write_file(&path, large.clone().into(), 0o644).await.unwrap();
    assert!(sandbox.read_file(&path, 1 << 30).await.unwrap().unwrap() == large);
    sandbox.write_file(&inside("empty"), Vec::new().into(), 0o644).await.unwrap();
    assert_eq!(sandbox.read_file(&inside("empty"), 0).await.unwrap().unwrap(), "");
}

async fn many_in_one_operation(place: Place) {
    let sandbox = &place.sandbox;
    let names = ["m/one", "m/empty", "m/two", "m/large"].map(inside);
    let texts = ["1", "", "22", "too large"];
    let files = names.iter().zip(texts).map(|(n, t)| (n.clone(), t.into(), 0o640)).collect();
    sandbox.write_files(files).await.unwrap();
    assert_eq!(sh(sandbox, "stat -c '%a %s' m/two").await.text(), "640 2\n");
    sh(sandbox, "mkdir m/directory").await;
    let wanted = names.iter().cloned().chain(["m/missing", "m/directory"].map(inside));
    let taken = sandbox.take_files(wanted.map(|name| (name, 2)).collect()).await.unwrap();
    let texts: Vec<Result<Option<String>, String>> = taken
        .into_iter()
        .map(|file| match file {
            Ok(bytes) => Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned())),
            Err(error) => Err(error.to_string()),
        })
        .collect();
    assert_eq!(texts[..3], [Ok(Some("1".into())), Ok(Some(String::new())), Ok(Some("22".into()))]);
    assert!(texts[3].as_ref().is_err_and(|e| e.ends_with("it is larger than 2 bytes")));
    assert_eq!(texts[4], Ok(None));
    assert!(texts[5].as_ref().is_err_and(|e| e.ends_with("it is not a regular file")));
    assert_eq!(sh(sandbox, "ls m").await.text(), "");
}

async fn read_has_a_limit(place: Place) {
    let sandbox = &place.sandbox;
    sandbox.write_file(&inside("f"), "12345".into(), 0o644).await.unwrap();
    assert_eq!(sandbox.read_file(&inside("f"), 5).await.unwrap().unwrap(), "12345");
    let error = sandbox.read_file(&inside("f"), 4).await.unwrap_err();
    assert!(
        matches!(&error, SandboxError::File(text) if text.ends_with("it is larger than 4 bytes")),
        "{error}"
    );
    let error = sandbox.read_file(WORK, 4).await.unwrap_err();
    assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
    sh(sandbox, "mkfifo pipe").await;
    assert!(sandbox.read_file(&inside("pipe"), 4).await.is_err());
    let endless = sandbox.read_file("/dev/zero", 1000).await;
    assert!(endless.is_err());
}

async fn remove_takes_read_only_trees(place: Place) {
    let sandbox = &place.sandbox;
    let made = sh(sandbox, "mkdir -p t/a/b outside && touch t/a/b/f t/.h outside/keep && ln -s ../../outside t/a/link && chmod -R a-w t").await;
    assert_eq!(made.exit.code, 0);
    sandbox.remove(&inside("t"), true).await.unwrap();
    assert_eq!(sh(sandbox, "ls -A t; ls outside").await.text(), "keep\n");
    sandbox.remove(&inside("t"), false).await.unwrap();
    sandbox.remove(&inside("t"), false).await.unwrap();
    sandbox.remove(&inside("t"), true).await.unwrap();
    assert_eq!(sh(sandbox, "test -e t").await.exit.code, 1);
}

async fn find_is_sorted_and_filtered(place: Place) {
    let sandbox = &place.sandbox;
    sh(sandbox, "mkdir -p src/sub src/.git src/a && touch src/b.c src/a/z.c src/sub/x.c src/a-b.c src/.git/config src/.hidden.c src/note && ln -s ../src src/loop").await;
    let spec = |patterns: &[&str], hidden, follow| FindSpec {
        root: sandbox.path(WORK),
        patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        hidden,
        follow,
        limit: 100,
    };
    let names = async |spec| {
        let root = format!("{}/", sandbox.path(WORK));
        let found = sandbox.find(spec).await.unwrap().into_iter();
        found
            .filter(|entry| !entry.dir)
            .map(|entry| entry.path.replace(&root, ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(spec(&["**/*.c"], true, false)).await,
        ["src/.hidden.c", "src/a/z.c", "src/a-b.c", "src/b.c", "src/sub/x.c"]
    );
    assert_eq!(names(spec(&["src/**", "!src/sub", "!**/*.c"], false, true)).await, ["src/note"]);
    assert_eq!(names(spec(&["src/sub", "src/a"], true, true)).await, ["src/sub/x.c", "src/a/z.c"]);
    assert_eq!(names(spec(&["nothing"], true, true)).await, Vec::<String>::new());
    let many = FindSpec { limit: 2, ..spec(&["**"], true, false) };
    let error = sandbox.find(many).await.unwrap_err().to_string();
    assert_eq!(error, "the patterns match more than 2 files");
}

/// The tree over which the answers of the oracle were taken.
const ORACLE_TREE: &str = r"
mkdir -p t && cd t && mkdir -p src/sub/deep src/.git src/a src/a-b 'we[ird]' x/y/z empty &&
touch src/b.c src/a/z.c src/sub/x.c src/sub/deep/lock src/a-b/lock src/a/lock src/.git/config src/.hidden.c lock \
  'we[ird]'/f x/y/z/1.txt x/y/2.txt x/y/10.txt a B _ 'sp ace' '{b}' 'st*r' &&
ln -s ../src src/loop && ln -s nowhere broken && ln -s src/a dirlink";

/// One line of the oracle: what `@actions/glob` from the npm registry 0.7.0 answered on Node 20.
#[derive(serde::Deserialize)]
struct OracleCase {
    patterns: Vec<String>,
    follow: bool,
    found: Vec<String>,
}

async fn find_equals_the_toolkit(place: Place) {
    let sandbox = &place.sandbox;
    assert_eq!(sh(sandbox, ORACLE_TREE).await.exit.code, 0);
    let root = sandbox.path(&inside("t"));
    for line in include_str!("glob_oracle.ndjson").lines() {
        let case: OracleCase = serde_json::from_str(line).unwrap();
        let spec = FindSpec {
            root: root.clone(),
            patterns: case.patterns,
            hidden: true,
            follow: case.follow,
            limit: 1000,
        };
        let found = sandbox.find(spec).await.unwrap();
        let found: Vec<String> =
            found.into_iter().map(|entry| entry.path.replacen(&root, ".", 1)).collect();
        assert_eq!(found, case.found, "{line}");
    }
}

async fn hash_files_equals_a_hand_computation(place: Place) {
    let sandbox = &place.sandbox;
    sh(sandbox, "mkdir -p p/a p/a-b && echo one >p/a/lock && echo two >p/a-b/lock && echo three >p/lock && echo no >p/other").await;
    let mut all = Sha256::new();
    for content in ["one\n", "two\n", "three\n"] {
        all.update(Sha256::digest(content));
    }
    let expected: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let root = inside("p");
    let hash = sandbox.hash_files(&root, &["**/lock".to_owned()]).await.unwrap();
    assert_eq!(hash, expected);
    let none = sandbox.hash_files(&root, &["**/nothing".to_owned()]).await.unwrap();
    assert_eq!(none, "");
    let outside = sandbox.hash_files(&root, &["/etc/passwd".to_owned()]).await.unwrap();
    assert_eq!(outside, "", "files outside the workspace do not count");
}

async fn pack_and_unpack_round_trip(place: Place) {
    let sandbox = &place.sandbox;
    let long = "d".repeat(120);
    let script = format!(
        "mkdir -p t/{long}/empty && echo hi >t/run && chmod 751 t/run && ln -s run t/link && ln -s /no/where t/broken && echo x >t/{long}/file && mkdir t/ro && echo y >t/ro/f && chmod 555 t/ro && touch -d @1000000000 t/run t/ro && mkfifo t/pipe"
    );
    assert_eq!(sh(sandbox, &script).await.exit.code, 0);
    for level in [None, Some(1)] {
        let bytes = pack(sandbox, WORK, &[&inside("t")], level).await;
        let count = sandbox.unpack(&inside("copy"), Cursor::new(bytes)).await.unwrap();
        assert_eq!(count, 9, "all but the pipe");
        let list = "find . ! -type p -printf '%y %m %P %l %s\\n' | sort";
        let times = "stat -c '%Y %n' run ro";
        let script = format!(
            "(cd t; {list}; {times}; cat run ro/f) >1; (cd copy/t; {list}; {times}; cat run ro/f) >2; diff 1 2"
        );
        let done = sh(sandbox, &script).await;
        assert_eq!((done.text().as_str(), done.exit.code), ("", 0));
        sandbox.remove(&inside("copy"), false).await.unwrap();
    }
}

async fn pack_is_deterministic(place: Place) {
    let sandbox = &place.sandbox;
    sh(sandbox, "mkdir -p x y; for n in c a b; do echo $n >x/$n; done; for n in b c a; do echo $n >y/$n; done; touch -d @5 x/* y/* x y").await;
    let one = pack(sandbox, &inside("x"), &[&inside("x")], None).await;
    let two = pack(
        sandbox,
        &inside("y"),
        &[&inside("y/b"), &inside("y/a"), &inside("y/c"), &inside("y/a")],
        None,
    )
    .await;
    assert!(one == two);
    let spec = PackSpec { root: inside("x"), paths: vec![inside("y")], zstd_level: None };
    let error = sandbox.pack(spec).await.unwrap().read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("it is not below"), "{error}");
    let spec = PackSpec { root: inside("x"), paths: vec![inside("x/none")], zstd_level: None };
    let error = sandbox.pack(spec).await.unwrap().read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().ends_with("no such file or directory"), "{error}");
}

fn archive(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, link) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(link) = link {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_link_name(link).unwrap();
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        } else {
            header.set_size(2);
            header.set_cksum();
            builder.append(&header, &b"ok"[..]).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

async fn unpack_refuses_to_climb(place: Place) {
    let sandbox = &place.sandbox;
    let bad: [&[(&str, Option<&str>)]; 4] = [
        &[("../out", None)],
        &[("/abs", None)],
        &[("in/../../out", None)],
        &[("link", Some("..")), ("link/out", None)],
    ];
    for entries in bad {
        let error =
            sandbox.unpack(&inside("u/v"), Cursor::new(archive(entries))).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot unpack `"), "{error}");
        assert_eq!(sh(sandbox, "find / -maxdepth 1 -name abs; find . -name out").await.text(), "");
    }
    let good = archive(&[("./a", None), ("deep/b", None), ("l", Some("/etc/passwd"))]);
    assert_eq!(sandbox.unpack(&inside("u/v"), Cursor::new(good)).await.unwrap(), 3);
}

async fn unpack_of_rubbish_is_an_error(place: Place) {
    let sandbox = &place.sandbox;
    for rubbish in [vec![], vec![7; 5_000_000], vec![0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]] {
        let error = sandbox.unpack(&inside("u"), Cursor::new(rubbish)).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot read the archive"), "{error}");
    }
    let mut cut = archive(&[("a", None)]);
    cut.truncate(513);
    assert!(sandbox.unpack(&inside("u"), Cursor::new(cut)).await.is_err());
}

async fn many_at_the_same_time(place: Place) {
    let sandbox = &place.sandbox;
    sh(sandbox, "mkdir big; for n in 1 2 3 4; do head -c 8000000 /dev/urandom >big/$n; done").await;
    let output = sh(sandbox, "yes | head -c 20000000");
    let one = async { pack(sandbox, WORK, &[&inside("big")], None).await };
    let two = async {
        let bytes = pack(sandbox, WORK, &[&inside("big")], Some(1)).await;
        sandbox.unpack(&inside("copy"), Cursor::new(bytes)).await.unwrap()
    };
    let small = futures::future::join_all((0..30).map(|number| async move {
        let path = inside(&format!("small/{number}"));
        sandbox.write_file(&path, number.to_string().into(), 0o644).await.unwrap();
        sandbox.read_file(&path, 10).await.unwrap().unwrap()
    }));
    let (output, one, two, small) = tokio::join!(output, one, two, small);
    assert_eq!(output.out.len(), 20_000_000);
    assert!(one.len() > 32_000_000);
    assert_eq!(two, 5);
    assert!(small.iter().enumerate().all(|(number, bytes)| *bytes == number.to_string()));
    assert_eq!(sh(sandbox, "diff -r big copy/big").await.exit.code, 0);
}

async fn bulk_throughput(place: Place) {
    const SIZE: usize = 256 << 20;
    let sandbox = &place.sandbox;
    sh(sandbox, &format!("mkdir bulk; head -c {SIZE} /dev/zero >bulk/zero")).await;
    let start = Instant::now();
    let bytes = pack(sandbox, WORK, &[&inside("bulk")], None).await;
    let rate = |start: Instant| SIZE as f64 / 1e6 / start.elapsed().as_secs_f64();
    println!("pack {:.0} MB/s", rate(start));
    assert!(bytes.len() > SIZE);
    let start = Instant::now();
    sandbox.unpack(&inside("copy"), Cursor::new(bytes)).await.unwrap();
    println!("unpack {:.0} MB/s", rate(start));
    let start = Instant::now();
    assert_eq!(sh(sandbox, "cat bulk/zero").await.out.len(), SIZE);
    println!("output {:.0} MB/s", rate(start));
}

async fn a_dropped_operation_ends(place: Place) {
    let sandbox = &place.sandbox;
    let (reader, writer) = tokio::io::duplex(1024);
    let dir = inside("u");
    let unpack = sandbox.unpack(&dir, reader);
    let ended = tokio::time::timeout(std::time::Duration::from_millis(50), unpack).await;
    assert!(ended.is_err(), "nothing was written yet");
    drop(writer);
    let mut exec = sandbox.exec(command(&["sh", "-c", "ps -o ppid= -p $$"])).await.unwrap();
    let init: i32 = first_line(&mut exec).await.trim().parse().unwrap();
    drop(exec);
    let children = format!("/proc/{init}/task/{init}/children");
    crate::support::until("the child is gone", || {
        std::fs::read_to_string(&children).unwrap().is_empty()
    })
    .await;
    assert!(sandbox.read_file(&inside("none"), 1).await.unwrap().is_none());
}
