//! Who the `USER` of an image is, by the account files in its layers.
//!
//! Not in here: changing to that user.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use crate::image::PreparedImage;
use crate::protocol::Identity;

/// Largest account file that is read, in bytes.
const MAX_ACCOUNT_BYTES: u64 = 1024 * 1024;

/// The identity that an image asks for; the error is the reason.
pub(crate) fn of(image: &PreparedImage) -> Result<Identity, String> {
    let passwd = account_file(image, "etc/passwd");
    let group = account_file(image, "etc/group");
    resolve(&image.user, &passwd, &group)
}

/// A file of the image's `etc`, from the topmost layer that has one. Links are not followed: the layers lie on the
/// host, and a link in one would be resolved there.
fn account_file(image: &PreparedImage, path: &str) -> String {
    for layer in &image.layers {
        let directory = layer.join("etc");
        match directory.symlink_metadata() {
            Ok(m) if !m.is_dir() => return String::new(),
            Ok(_) => {}
            Err(_) => continue,
        }
        let file = layer.join(path);
        match file.symlink_metadata() {
            Ok(m) if !m.is_file() => return String::new(),
            Ok(_) => {}
            Err(_) => continue,
        }
        let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(file);
        let mut text = String::new();
        let read = opened.and_then(|f| f.take(MAX_ACCOUNT_BYTES).read_to_string(&mut text));
        return if read.is_ok() { text } else { String::new() };
    }
    String::new()
}

/// Reads `name`, `uid`, `name:group`, `uid:gid` or nothing (root).
pub(crate) fn resolve(user: &str, passwd: &str, group: &str) -> Result<Identity, String> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number: Option<u32> = user.parse().ok();
    let entry = passwd.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|f| {
        f.len() >= 6 && (f[0] == user || (number.is_some() && f[2].parse() == Ok(user_id(number))))
    });
    let uid = match (&entry, number) {
        (_, Some(uid)) => uid,
        (Some(fields), None) => {
            fields[2].parse().map_err(|_| format!("its user `{user}` has no user id"))?
        }
        (None, None) => return Err(format!("its user `{user}` is not in its `/etc/passwd`")),
    };
    let name = entry.as_ref().map_or_else(|| uid.to_string(), |f| f[0].to_owned());
    let home = entry.as_ref().map_or("/", |f| f[5]).to_owned();
    let groups_of = |line: &str| -> Option<(String, u32, Vec<String>)> {
        let f: Vec<_> = line.split(':').collect();
        let members = f.get(3)?.split(',').map(str::to_owned).collect();
        Some((f[0].to_owned(), f.get(2)?.parse().ok()?, members))
    };
    let known: Vec<_> = group.lines().filter_map(groups_of).collect();
    let gid = match wanted_group {
        Some(text) => match text.parse().ok() {
            Some(gid) => gid,
            None => known
                .iter()
                .find(|g| g.0 == text)
                .map(|g| g.1)
                .ok_or_else(|| format!("its group `{text}` is not in its `/etc/group`"))?,
        },
        None => entry.as_ref().and_then(|f| f[3].parse().ok()).unwrap_or(0),
    };
    let groups = match wanted_group {
        Some(_) => Vec::new(),
        None => known.iter().filter(|g| g.2.contains(&name) && g.1 != gid).map(|g| g.1).collect(),
    };
    Ok(Identity { name, uid, gid, groups, home })
}

fn user_id(number: Option<u32>) -> u32 {
    number.unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nredis:x:999:1000::/data:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nredis:x:1000:\nssl:x:101:redis,other\n";

    fn who(user: &str) -> (String, u32, u32, Vec<u32>, String) {
        let i = resolve(user, PASSWD, GROUP).unwrap();
        (i.name, i.uid, i.gid, i.groups, i.home)
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        let redis = ("redis".to_owned(), 999, 1000, vec![101], "/data".to_owned());
        assert_eq!(who("redis"), redis);
        assert_eq!(who("999"), redis);
        assert_eq!(who(""), ("root".to_owned(), 0, 0, vec![], "/root".to_owned()));
        assert_eq!(who("redis:ssl"), ("redis".to_owned(), 999, 101, vec![], "/data".to_owned()));
        assert_eq!(who("1234:55"), ("1234".to_owned(), 1234, 55, vec![], "/".to_owned()));
        assert_eq!(
            resolve("web", PASSWD, GROUP).unwrap_err(),
            "its user `web` is not in its `/etc/passwd`"
        );
        assert!(resolve("redis:web", PASSWD, GROUP).is_err());
    }
}
