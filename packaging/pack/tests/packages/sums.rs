//! SHA256SUMS.

use crate::read::{hex, sha256};
use crate::repository::{Folder, checkout, command, pack, told};

#[test]
fn every_file_is_listed_in_order_and_the_list_is_not() {
    let folder = checkout();
    pack(&folder, "all", "x86_64-unknown-linux-musl");
    // A second time, over the list of the first.
    for _ in 0..2 {
        let output = command(&folder, &["sums"]).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }
    let wanted: Vec<_> = [
        "apk/x86_64/ringpost-0.1.0-r1.apk",
        "ringpost-0.1.0-x86_64-unknown-linux-musl.tar.gz",
        "ringpost_0.1.0-1_amd64.deb",
        "ringpost_0.1.0-r1_x86_64.ipk",
    ]
    .iter()
    .map(|name| format!("{}  {name}\n", hex(&sha256(&folder.read(&format!("out/{name}"))))))
    .collect();
    assert_eq!(folder.text("out/SHA256SUMS"), wanted.concat());
}

#[test]
fn nothing_to_list_and_links_are_refused() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("out")).unwrap();
    let output = command(&folder, &["sums"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("no files"), "{}", told(&output));
    std::os::unix::fs::symlink("/etc/passwd", folder.path("out/link")).unwrap();
    let output = command(&folder, &["sums"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("neither a file nor a folder"), "{}", told(&output));
    assert!(!folder.path("out/SHA256SUMS").exists());
}
