//! The same inputs give the same bytes, wherever and whenever.

use crate::repository::{checkout, pack};
use std::fs;
use std::time::{Duration, SystemTime};

#[test]
fn two_checkouts_give_the_same_bytes() {
    let (one, other) = (checkout(), checkout());
    // Times and modes of the checkout are not those of the packages.
    let file = fs::File::options().append(true).open(other.path("openwrt/ringpost/files/ringpost.init")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    let mut mode = file.metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o700);
    file.set_permissions(mode).unwrap();
    for folder in [&one, &other] {
        pack(folder, "all", "x86_64-unknown-linux-musl");
    }
    let packages = |folder: &crate::repository::Folder| {
        let names = folder.files().into_iter().filter(|name| name.starts_with("out/"));
        names.map(|name| (folder.read(&name), name)).collect::<Vec<_>>()
    };
    let (first, second) = (packages(&one), packages(&other));
    assert_eq!(first.len(), 4);
    for ((bytes, name), (others, _)) in first.iter().zip(&second) {
        assert!(bytes == others, "{name} differs");
        let path = one.path("");
        let path = path.to_str().unwrap().as_bytes();
        assert!(!bytes.windows(path.len()).any(|window| window == path), "{name} tells where it was made");
    }
    // And not because nothing gets in: another byte of the binary is another package.
    let mut binary = other.read("ringpost");
    binary[1000] ^= 1;
    other.write("ringpost", binary);
    pack(&other, "all", "x86_64-unknown-linux-musl");
    assert!(first.iter().zip(packages(&other)).all(|((bytes, _), (others, _))| *bytes != others));
}
