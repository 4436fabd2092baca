//! Becoming a user: ids and groups; looking one up in `/etc/passwd` and `/etc/group`.
//!
//! The name service of the C library is not asked: PID 1 runs with its own loader and libraries,
//! where plug-ins of the image do not belong.

use std::fs::File;
use std::io::{self, Read};

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::protocol::Identity;

/// Most bytes read of a user or group file.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Makes this process the user, for good.
pub fn become_user(identity: &Identity) -> nix::Result<()> {
    let mut groups: Vec<Gid> = identity.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    groups.push(Gid::from_raw(identity.gid));
    setgroups(&groups)?;
    setgid(Gid::from_raw(identity.gid))?;
    setuid(Uid::from_raw(identity.uid))
}

/// A user as `/etc/passwd` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Ids and home.
    pub identity: Identity,
    /// Login shell.
    pub shell: String,
}

/// Looks up a user by name or by `#uid`.
pub fn look_up(wanted: &str) -> io::Result<Option<Account>> {
    let passwd = read("/etc/passwd")?;
    let group = read("/etc/group").unwrap_or_default();
    Ok(find(wanted, &passwd, &group))
}

fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn find(wanted: &str, passwd: &str, group: &str) -> Option<Account> {
    let by_id = wanted.strip_prefix('#').map(str::parse::<u32>);
    let account = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { return None };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        let same = match &by_id {
            Some(id) => id.as_ref() == Ok(&uid),
            None => *name == wanted,
        };
        same.then(|| Account {
            identity: Identity {
                name: (*name).to_owned(),
                uid,
                gid,
                groups: groups_of(name, group),
                home: (*home).to_owned(),
            },
            shell: if shell.is_empty() { "/bin/sh" } else { shell }.to_owned(),
        })
    });
    account.or_else(|| bare(wanted, by_id.as_ref()))
}

/// A user id without an entry is a user too.
fn bare(wanted: &str, by_id: Option<&Result<u32, std::num::ParseIntError>>) -> Option<Account> {
    let known = |name: &str, uid: u32, home: &str| Account {
        identity: Identity {
            name: name.to_owned(),
            uid,
            gid: uid,
            groups: Vec::new(),
            home: home.to_owned(),
        },
        shell: "/bin/sh".to_owned(),
    };
    match by_id {
        Some(Ok(uid)) => Some(known(wanted, *uid, "/")),
        None if wanted == "root" => Some(known("root", 0, "/root")),
        _ => None,
    }
}

fn groups_of(user: &str, group: &str) -> Vec<u32> {
    group
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let gid = fields.nth(2)?.parse().ok()?;
            fields.next()?.split(',').any(|member| member == user).then_some(gid)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nbroken\npostgres:x:70:71::/var/lib/pg:\n";
    const GROUP: &str = "root:x:0:\nssl:x:104:postgres,other\nadm:x:4:syslog\n";

    #[test]
    fn a_user_is_found_by_name_and_by_id() {
        let account = find("postgres", PASSWD, GROUP).unwrap();
        assert_eq!(account.identity.groups, [104]);
        assert_eq!((account.identity.uid, account.identity.gid), (70, 71));
        assert_eq!(account.shell, "/bin/sh");
        assert_eq!(find("#70", PASSWD, GROUP), Some(account));
        assert_eq!(find("nobody", PASSWD, GROUP), None);
        assert_eq!(find("#12", "", "").unwrap().identity.uid, 12);
        assert_eq!(find("root", "", "").unwrap().identity.home, "/root");
    }
}
