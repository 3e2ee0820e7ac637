//! The rights of the service's user, for looking at files.
//!
//! Stands alone because `doctor` is run by root, who may read everything, and the service by an account of its own: a
//! directory of recordings that only root may read looks well to the one and is closed to the other. Bounds:
//! [`ACCOUNTS_BYTES`] of each list of accounts. Knows only accounts of these files, as every router has them.

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::fs::File;
use std::io::Read as _;

/// The account that every package makes.
const ACCOUNT: &str = "ringpost";
/// A test names the account's number here, since its machine has no such account.
const UID_VARIABLE: &str = "RINGPOST_TEST_SERVICE_UID";
/// Largest part of a list of accounts that is read.
const ACCOUNTS_BYTES: u64 = 1024 * 1024;

/// A user and the groups he is in, the first one his own.
struct Account {
    user: Uid,
    groups: Vec<Gid>,
}

/// Gives up root's rights for those of the service, for good, in the thread that asks: the kernel keeps them for each.
/// Who is not root, and where there is no such account, goes on with what he has.
pub(super) fn become_service() {
    let Some(Account { user, groups }) = geteuid().is_root().then(account).flatten() else { return };
    let Some(group) = groups.first().copied() else { return };
    let _ = set_thread_groups(&groups)
        .and_then(|()| set_thread_res_gid(group, group, group))
        .and_then(|()| set_thread_res_uid(user, user, user)); // what cannot be given up is kept
}

fn account() -> Option<Account> {
    if let Some(number) = std::env::var(UID_VARIABLE).ok().and_then(|number| number.parse().ok()) {
        return Some(Account { user: Uid::from_raw(number), groups: vec![Gid::from_raw(number)] });
    }
    account_of(&list("/etc/passwd"), &list("/etc/group"))
}

fn list(path: &str) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(ACCOUNTS_BYTES).read_to_string(&mut text); // what is not read is not known
    }
    text
}

/// From lines `name:password:uid:gid:…` and `group:password:gid:name,name…`, passwd(5) and group(5).
fn account_of(passwd: &str, group: &str) -> Option<Account> {
    let own = passwd.lines().find(|line| field(line, 0) == Some(ACCOUNT))?;
    let (user, first) = (number(own, 2)?, number(own, 3)?);
    let is_member = |line: &&str| field(line, 3).is_some_and(|names| names.split(',').any(|name| name == ACCOUNT));
    let others = group.lines().filter(is_member).filter_map(|line| number(line, 2)).filter(|other| *other != first);
    let groups = core::iter::once(first).chain(others).map(Gid::from_raw).collect();
    Some(Account { user: Uid::from_raw(user), groups })
}

fn field(line: &str, at: usize) -> Option<&str> {
    line.split(':').nth(at)
}

fn number(line: &str, at: usize) -> Option<u32> {
    field(line, at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_comes_with_all_its_groups() {
        let passwd =
            "root:x:0:0:root:/root:/bin/ash\nringpost2:x:9:9::/:\nringpost:x:321:322:ringpost:/var:/bin/false\n";
        let group = "root:x:0:\nasterisk:x:77:www,ringpost\nringpost:x:322:ringpost\nother:x:5:ringposter\n";
        let Account { user, groups } = account_of(passwd, group).unwrap();
        let groups: Vec<u32> = groups.iter().map(|group| group.as_raw()).collect();
        assert_eq!((user.as_raw(), groups), (321, vec![322, 77]));
        assert!(account_of("root:x:0:0::/:\n", group).is_none());
        assert!(account_of("ringpost:x:none:0::/:\nringpost\n", group).is_none());
    }
}
