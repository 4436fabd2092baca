//! What good images become.
//!
//! Not in here: bad ones.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::{Duration, SystemTime};

use tar::EntryType::{Directory, Fifo, Link, Regular, Symlink};

use gantry_sandbox::ImageLimits;

use crate::build::{bench, block_on, gzip, image, tar_of};

fn base() -> Vec<u8> {
    tar_of(&[
        ("./", Directory, ""),
        ("etc/", Directory, ""),
        ("etc/conf", Regular, "base"),
        ("etc/old", Regular, "old"),
        ("usr/", Directory, ""),
        ("usr/bin/", Directory, ""),
        ("usr/bin/tool", Regular, "tool"),
        ("usr/bin/alias", Link, "usr/bin/tool"),
        ("bin", Symlink, "usr/bin"),
        ("pipe", Fifo, ""),
    ])
}

pub fn layers_keep_what_an_overlay_needs() {
    let bench = bench();
    let upper = tar_of(&[
        ("etc/.wh.old", Regular, ""),
        ("usr/.wh..wh..opq", Regular, ""),
        (".wh..wh.plnk", Regular, ""),
        (".wh.var", Regular, ""),
        ("var/", Directory, ""),
        ("dev/null", tar::EntryType::Char, ""),
    ]);
    let prepared = bench.prepare(&image(&[base(), upper])).unwrap();
    let [top, bottom] = prepared.layers.as_slice() else { panic!("{prepared:?}") };
    let tool = bottom.join("usr/bin/tool").symlink_metadata().unwrap();
    assert_eq!((tool.mode() & 0o7777, tool.uid(), tool.gid()), (0o4755, 1234, 4321));
    assert_eq!(tool.mtime(), 1_000_000_000);
    assert_eq!(tool.nlink(), 2, "a hard link stays one");
    let dir = bottom.join("usr/bin").symlink_metadata().unwrap();
    assert_eq!((dir.mode() & 0o7777, dir.mtime()), (0o751, 1_000_000_000));
    assert_eq!(std::fs::read_link(bottom.join("bin")).unwrap().to_str(), Some("usr/bin"));
    assert!(bottom.join("pipe").symlink_metadata().unwrap().file_type().is_fifo());
    let gone = top.join("etc/old").symlink_metadata().unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0, "a whiteout");
    assert!(opaque(&top.join("usr")), "the directory hides what is below");
    assert!(opaque(&top.join("var")), "hidden and made anew in one layer");
    assert!(!opaque(&top.join("etc")));
    assert!(!top.join("dev/null").exists() && !top.join(".wh..wh.plnk").exists());
    assert_eq!(prepared.cmd, ["/run"]);
    assert_eq!(prepared.exposed_ports, [80]);
    let mode = bench.dir.path().join("store").metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else may reach set-uid programs of images");
}

fn opaque(path: &std::path::Path) -> bool {
    let output = std::process::Command::new("python3")
        .args(["-c", "import os,sys; print(os.getxattr(sys.argv[1], 'trusted.overlay.opaque'))"])
        .arg(path)
        .output()
        .unwrap();
    output.stdout == b"b'y'\n"
}

pub fn every_source_gives_the_same_image() {
    let bench = bench();
    let made = image(&[base(), tar_of(&[("etc/conf", Regular, "new")])]);
    let from_layout = bench.prepare(&made).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = bench.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let oci = file("oci.tar", &made.oci_archive("v1"));
    let docker = file("docker.tar", &made.docker_archive("app:v2"));
    let squeezed = file("docker.tar.gz", &gzip(&made.docker_archive("app:v2")));
    for reference in [
        format!("oci-archive:{oci}"),
        format!("oci-archive:{oci}:v1"),
        format!("docker-archive:{docker}"),
        format!("docker-archive:{docker}:app:v2"),
        format!("docker-archive:{squeezed}"),
    ] {
        let got = block_on(bench.store.prepare(&reference)).unwrap();
        assert_eq!(got.layers, from_layout.layers, "{reference}");
        assert_eq!(got.env, from_layout.env);
    }
    let tag = block_on(bench.store.prepare(&format!("oci-archive:{oci}:nope"))).unwrap_err();
    assert!(tag.to_string().ends_with("it has no tag `nope`, only: v1"), "{tag}");
}

fn limits(unused_seconds: u64) -> ImageLimits {
    ImageLimits { unused_for: Duration::from_secs(unused_seconds), max_bytes: u64::MAX }
}

pub fn layers_are_shared_and_collected() {
    let bench = bench();
    let one = bench.prepare(&image(&[base(), tar_of(&[("a", Regular, "1")])])).unwrap();
    let two = bench.prepare(&image(&[base(), tar_of(&[("a", Regular, "2")])])).unwrap();
    assert_eq!(one.layers[1], two.layers[1], "the base is unpacked once");
    assert_ne!(one.layers[0], two.layers[0]);
    let young = block_on(bench.store.collect(limits(3600))).unwrap();
    assert_eq!((young.images, young.layers), (0, 0));
    let hold = bench.store.hold(&two).unwrap();
    let removed = block_on(bench.store.collect(limits(0))).unwrap();
    assert_eq!((removed.images, removed.layers), (1, 1));
    assert!(!one.layers[0].exists() && two.layers.iter().all(|l| l.is_dir()));
    assert!(bench.store.hold(&one).is_err(), "gone");
    drop(hold);
    let removed = block_on(bench.store.collect(limits(0))).unwrap();
    assert_eq!((removed.images, removed.layers), (1, 2));
    assert_eq!(bench.dir.path().join("store/layers").read_dir().unwrap().count(), 0);
    assert_eq!(bench.dir.path().join("store/tmp").read_dir().unwrap().count(), 0);
}

pub fn parents_look_as_below() {
    let bench = bench();
    let upper = tar_of(&[
        ("usr/bin/more", Regular, "more"),
        ("bin/through", Regular, "t"),
        ("new/x", Regular, ""),
    ]);
    let prepared = bench.prepare(&image(&[base(), upper])).unwrap();
    let top = &prepared.layers[0];
    let dir = top.join("usr/bin").symlink_metadata().unwrap();
    assert_eq!((dir.mode() & 0o7777, dir.uid(), dir.gid()), (0o751, 1234, 4321));
    assert!(top.join("usr/bin/through").is_file(), "the link of the layer below is followed");
    assert!(top.join("bin").symlink_metadata().is_err(), "and not replaced");
    let fresh = top.join("new").symlink_metadata().unwrap();
    assert_eq!((fresh.mode() & 0o7777, fresh.uid()), (0o755, 0));
}

pub fn concurrent_pulls_unpack_once() {
    let bench = bench();
    let made = image(&[base()]);
    let dir = bench.dir.path().join("layout");
    made.write_layout(&dir, "v1");
    let reference = format!("oci-layout:{}", dir.display());
    let all = block_on(async {
        let pulls = (0..8).map(|_| bench.store.prepare(&reference));
        futures::future::join_all(pulls).await
    });
    let first = all[0].as_ref().unwrap();
    assert!(all.iter().all(|p| p.as_ref().unwrap() == first));
    let inode = first.layers[0].metadata().unwrap().ino();
    assert_eq!(bench.prepare(&made).unwrap().layers[0].metadata().unwrap().ino(), inode);
}

pub fn beyond_a_size_the_least_recently_used_goes() {
    let bench = bench();
    let big = "x".repeat(64 << 10);
    let old = bench.prepare(&image(&[base(), tar_of(&[("old", Regular, &big)])])).unwrap();
    let new = bench.prepare(&image(&[base(), tar_of(&[("new", Regular, &big)])])).unwrap();
    let record =
        |digest: &str| bench.dir.path().join("store/images").join(format!("{}.json", &digest[7..]));
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(record(&old.digest)).unwrap().set_modified(hour_ago).unwrap();
    let all = block_on(bench.store.collect(limits(u64::MAX))).unwrap();
    assert_eq!((all.images, all.layers), (0, 0));
    assert!(all.bytes >= 2 << 16, "{all:?}");
    let less = ImageLimits { max_bytes: all.bytes - 1, ..limits(u64::MAX) };
    let done = block_on(bench.store.collect(less)).unwrap();
    assert_eq!((done.images, done.layers), (1, 1));
    assert!(!record(&old.digest).exists() && record(&new.digest).exists());
    assert!(done.bytes < all.bytes && new.layers.iter().all(|l| l.is_dir()));
    // Using an image counts as a use of it.
    let again = bench.prepare(&image(&[base(), tar_of(&[("old", Regular, &big)])])).unwrap();
    std::fs::File::open(record(&new.digest)).unwrap().set_modified(hour_ago).unwrap();
    drop(bench.store.hold(&new).unwrap());
    std::fs::File::open(record(&again.digest)).unwrap().set_modified(hour_ago).unwrap();
    let done = block_on(bench.store.collect(less)).unwrap();
    assert_eq!(done.images, 1);
    assert!(record(&new.digest).exists());
}
