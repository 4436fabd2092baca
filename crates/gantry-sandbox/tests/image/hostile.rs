//! Images that want to do harm or are broken.
//!
//! Not in here: good ones.

use tar::EntryType::{Directory, Link, Regular, Symlink};

use crate::build::{bench, block_on, image, tar_of};

pub fn links_never_lead_out() {
    let bench = bench();
    let target = bench.dir.path().join("outside");
    std::fs::create_dir(&target).unwrap();
    let name = target.display().to_string();
    let prepared = bench
        .prepare(&image(&[tar_of(&[
            ("a", Symlink, "/"),
            ("a/etc/evil", Regular, "evil"),
            ("up", Symlink, "../../../../../../.."),
            ("up/tmp/evil", Regular, "evil"),
            ("out", Symlink, &name),
            ("out/evil", Regular, "evil"),
            ("passwd", Link, "a/etc/evil"),
        ])]))
        .unwrap();
    let layer = &prepared.layers[0];
    assert_eq!(std::fs::read(layer.join("etc/evil")).unwrap(), b"evil", "inside of the layer");
    assert_eq!(std::fs::read(layer.join("tmp/evil")).unwrap(), b"evil");
    assert!(layer.join(name.trim_start_matches('/')).join("evil").is_file());
    assert_eq!(std::fs::read(layer.join("passwd")).unwrap(), b"evil");
    assert_eq!(target.read_dir().unwrap().count(), 0);
    assert!(!std::path::Path::new("/etc/evil").exists());
}

pub fn bad_entries_are_refused() {
    let bench = bench();
    let refused = |items: &[crate::build::Item<'_>]| {
        let reason = bench.refused(&[tar_of(items)]);
        reason.split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(refused(&[("../x", Regular, "")]), "the entry `../x` leads upwards with `..`");
    assert_eq!(
        refused(&[("a/../../x", Regular, "")]),
        "the entry `a/../../x` leads upwards with `..`"
    );
    assert_eq!(
        refused(&[("x", Link, "/etc/passwd")]),
        "the entry `x` is a hard link to a file that the layer does not have"
    );
    assert_eq!(
        refused(&[("x", Regular, ""), ("x/y", Regular, "")]),
        "the entry `x/y` lies below something that is no directory"
    );
    assert_eq!(
        refused(&[("a", Symlink, "b"), ("b", Symlink, "a"), ("a/x", Regular, "")]),
        "the entry `a/x` lies behind too many symbolic links"
    );
    assert_eq!(refused(&[(".wh...", Directory, "")]), "the entry `.wh...` hides nothing");
    let store = bench.dir.path().join("store");
    assert_eq!(store.join("layers").read_dir().unwrap().count(), 0, "nothing half is published");
    assert_eq!(store.join("tmp").read_dir().unwrap().count(), 0);
}

pub fn damage_is_named() {
    let bench = bench();
    let made = image(&[tar_of(&[("x", Regular, "x")]), tar_of(&[("y", Regular, "y")])]);
    let reason =
        |reference: &str| block_on(bench.store.prepare(reference)).unwrap_err().to_string();
    let broken = |name: &str, change: &dyn Fn(&mut crate::build::Image)| {
        let mut image = image(&made.layers);
        change(&mut image);
        let dir = bench.dir.path().join(name);
        image.write_layout(&dir, "v1");
        reason(&format!("oci-layout:{}", dir.display()))
    };
    let second = made.blobs.keys().find(|d| made.blobs[*d].starts_with(&[0x28, 0xb5])).unwrap();
    let flipped = broken("flipped", &|i| {
        let blob = i.blobs.get_mut(second).unwrap();
        let last = blob.len() - 1;
        blob[last] ^= 1;
    });
    assert!(flipped.contains("is damaged") || flipped.contains("cannot be unpacked"), "{flipped}");
    let short = broken("short", &|i| {
        i.blobs.get_mut(second).unwrap().pop();
    });
    assert!(short.contains(&format!("the blob `{second}` is damaged: it should have")), "{short}");
    let config = broken("config", &|i| {
        let digest = crate::build::sha(&i.config);
        i.blobs.get_mut(&digest).unwrap()[2] ^= 1;
    });
    assert!(config.contains("a document of it is damaged"), "{config}");
    let absent = broken("absent", &|i| drop(i.blobs.remove(second)));
    assert!(absent.contains("is missing in it"), "{absent}");
    // The archive of Docker has no digests of its files: the configuration tells.
    let mut wrong = image(&made.layers);
    wrong.layers[1] = tar_of(&[("z", Regular, "z")]);
    let file = bench.dir.path().join("wrong.tar");
    std::fs::write(&file, wrong.docker_archive("v1")).unwrap();
    let wrong = reason(&format!("docker-archive:{}", file.display()));
    assert!(wrong.contains("the layer is damaged: it should have the digest"), "{wrong}");
    assert!(
        reason("oci-layout:/nowhere/at/all").ends_with("there is no directory `/nowhere/at/all`")
    );
    std::fs::write(&file, "no tar").unwrap();
    assert!(reason(&format!("oci-archive:{}", file.display())).contains("is no tar file"));
}
