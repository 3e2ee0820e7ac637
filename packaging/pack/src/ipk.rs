//! The package for opkg (OpenWrt up to 24.10): a compressed tar of three members, each compressed again.
//!
//! Order and form of members and fields are those of OpenWrt's own build, which opkg has seen most.

use crate::archive::{Archive, gzip};
use crate::contents::{OPENWRT_CONFFILES, OPENWRT_POSTINST, OPENWRT_PRERM, OPENWRT_USER, openwrt};
use crate::error::Error;
use crate::repository::Repository;
use std::fmt::Write as _;

/// The folder of a feed that has the package, as feeds are usually named.
pub const SOURCE: &str = "feeds/ringpost/ringpost";
/// Who maintains the package. The project has no address of its own, and no person is made up.
pub const MAINTAINER: &str = "The ringpost authors";

/// Leaves the work to OpenWrt's own functions, where they are.
fn stub(guard: &str, function: &str) -> String {
    format!(
        "#!/bin/sh\n\
         {guard}\
         [ -s \"$IPKG_INSTROOT/lib/functions.sh\" ] || exit 0\n\
         . \"$IPKG_INSTROOT/lib/functions.sh\"\n\
         {function} \"$0\" \"$@\"\n"
    )
}

/// What the packages for all architectures of a target share.
pub struct Ipk<'a> {
    repository: &'a Repository,
    epoch: u64,
    /// The files, compressed.
    data: Vec<u8>,
    /// Their size before that, as a tar.
    size: usize,
    postinst: String,
    prerm: String,
}

impl<'a> Ipk<'a> {
    /// Gathers the files.
    ///
    /// # Errors
    ///
    /// Where one is missing.
    pub fn new(repository: &'a Repository, binary: &[u8], epoch: u64) -> Result<Self, Error> {
        let data = Archive::of(&openwrt(repository, binary)?, "./", epoch)?.bytes()?;
        let (postinst, prerm) = (repository.text(OPENWRT_POSTINST)?, repository.text(OPENWRT_PRERM)?);
        Ok(Self { repository, epoch, size: data.len(), data: gzip(&data)?, postinst, prerm })
    }

    /// The package for one architecture.
    ///
    /// # Errors
    ///
    /// None in practice: nothing but memory is written to.
    pub fn package(&self, architecture: &str) -> Result<Vec<u8>, Error> {
        let mut control = Archive::new(self.epoch);
        control.folder("./")?;
        let conffiles = OPENWRT_CONFFILES.map(|path| format!("{path}\n")).concat();
        control.file("./conffiles", 0o644, conffiles.as_bytes())?;
        let fields = fields(self.repository, architecture, self.epoch, self.size);
        control.file("./control", 0o644, fields.as_bytes())?;
        let unless_told = "[ \"$IPKG_NO_SCRIPT\" != 1 ] || exit 0\n";
        control.file("./postinst", 0o755, stub(unless_told, "default_postinst").as_bytes())?;
        control.file("./postinst-pkg", 0o755, self.postinst.as_bytes())?;
        control.file("./prerm", 0o755, stub("", "default_prerm").as_bytes())?;
        control.file("./prerm-pkg", 0o755, self.prerm.as_bytes())?;

        let mut package = Archive::new(self.epoch);
        package.file("./debian-binary", 0o644, b"2.0\n")?;
        package.file("./data.tar.gz", 0o644, &self.data)?;
        package.file("./control.tar.gz", 0o644, &control.gzipped()?)?;
        package.gzipped()
    }
}

fn fields(repository: &Repository, architecture: &str, epoch: u64, installed: usize) -> String {
    let epoch = epoch.to_string();
    let installed = installed.to_string();
    let version = repository.version.ipk();
    let page = repository.page.as_deref().unwrap_or_default();
    let fields = [
        ("Package", "ringpost"),
        ("Version", &version),
        ("Depends", "libc, ca-bundle"),
        ("Source", SOURCE),
        ("SourceName", "ringpost"),
        ("License", &repository.licence),
        ("LicenseFiles", "LICENSE-MIT LICENSE-APACHE"),
        ("Section", "net"),
        ("Require-User", OPENWRT_USER),
        ("SourceDateEpoch", &epoch),
        ("URL", page),
        ("Maintainer", MAINTAINER),
        ("Architecture", architecture),
        ("Installed-Size", &installed),
        ("Description", &repository.description),
    ];
    fields.iter().filter(|(_, value)| !value.is_empty()).fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name}: {value}");
        text
    })
}
