//! The package for apk (OpenWrt from 25.12): apk's third format, without a signature.
//!
//! Values are written in the order in which `apk mkpkg` writes them, so that its block and ours are the same to the
//! byte for the same files, and so is the identity of the package. OpenWrt's functions find out what a package
//! installed from files of their own beside it, under `lib/apk/packages`.

use crate::adb::{Container, Value, Values};
use crate::contents::{OPENWRT_CONFFILES, OPENWRT_POSTINST, OPENWRT_PRERM, OPENWRT_USER, openwrt};
use crate::digest::{hex, sha256};
use crate::error::Error;
use crate::ipk::{MAINTAINER, SOURCE};
use crate::repository::Repository;
use crate::tree::{File, Tree};

/// What it needs, with the blank that parts them.
const DEPENDS: [&str; 2] = ["libc", "ca-bundle"];

/// The package for one architecture.
///
/// # Errors
///
/// Where a file is missing.
pub fn apk(repository: &Repository, binary: &[u8], architecture: &str, epoch: u64) -> Result<Vec<u8>, Error> {
    let mut tree = openwrt(repository, binary)?;
    itself(&mut tree)?;
    let scripts = Scripts::of(repository)?;
    package(repository, &tree, &scripts, architecture, epoch)
}

/// Adds what OpenWrt's functions and sysupgrade read about the package.
fn itself(tree: &mut Tree) -> Result<(), Error> {
    let name = |kind| format!("lib/apk/packages/ringpost.{kind}");
    tree.add(&name("rusers"), 0o644, format!("{OPENWRT_USER}\n").into_bytes())?;
    // As OpenWrt's build has it: the list is made before the three files below.
    let list: String = tree.files().map(|(path, _)| format!("/{path}\n")).collect();
    let mut sums = String::new();
    for path in OPENWRT_CONFFILES {
        let file = path.strip_prefix('/').and_then(|path| tree.file(path));
        let file =
            file.ok_or_else(|| Error::Room { format: "apk", what: format!("{path}, which is not installed") })?;
        sums += &format!("{path} {}\n", hex(&sha256(&file.contents)));
    }
    tree.add(&name("list"), 0o644, list.into_bytes())?;
    tree.add(&name("conffiles"), 0o644, OPENWRT_CONFFILES.map(|path| format!("{path}\n")).concat().into_bytes())?;
    tree.add(&name("conffiles_static"), 0o644, sums.into_bytes())
}

/// What apk runs.
struct Scripts {
    post_install: String,
    pre_deinstall: String,
    post_upgrade: String,
}

impl Scripts {
    fn of(repository: &Repository) -> Result<Self, Error> {
        let functions = "[ -s \"$IPKG_INSTROOT/lib/functions.sh\" ] || exit 0\n\
                         . \"$IPKG_INSTROOT/lib/functions.sh\"\n\
                         export root=\"$IPKG_INSTROOT\"\n\
                         export pkgname=ringpost\n";
        let (installed, removed) = (repository.text(OPENWRT_POSTINST)?, repository.text(OPENWRT_PRERM)?);
        let (installed, removed) = (body(&installed), body(&removed));
        let install = format!(
            "[ \"$IPKG_NO_SCRIPT\" != 1 ] || exit 0\n\
             {functions}\
             add_group_and_user\n\
             default_postinst\n\
             {installed}"
        );
        Ok(Self {
            post_install: format!("#!/bin/sh\n{install}"),
            pre_deinstall: format!("#!/bin/sh\n{functions}default_prerm\n{removed}"),
            post_upgrade: format!("#!/bin/sh\nexport PKG_UPGRADE=1\n{install}"),
        })
    }
}

/// A script without the line that names its shell.
fn body(script: &str) -> &str {
    match script.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!") => rest,
        _ => script,
    }
}

fn package(
    repository: &Repository,
    tree: &Tree,
    scripts: &Scripts,
    architecture: &str,
    epoch: u64,
) -> Result<Vec<u8>, Error> {
    let mut values = Values::default();
    let mut info = Info::write(&mut values, repository, architecture)?;
    let folders = tree.folders().into_iter().map(|folder| Folder::of(tree, folder)).collect::<Vec<_>>();
    let paths = folders.iter().map(|folder| folder.write(&mut values, epoch)).collect::<Result<Vec<_>, _>>()?;
    let size = tree.files().map(|(_, file)| file.contents.len() as u64).sum::<u64>();
    info.installed_size = values.number(size)?;
    info.identity = values.identity()?;
    let identity = info.identity;
    let info = values.object(&info.fields())?;
    let paths = values.object(&paths)?;
    let scripts = [
        Value::NONE, // trigger
        Value::NONE, // pre-install
        values.blob(scripts.post_install.as_bytes())?,
        values.blob(scripts.pre_deinstall.as_bytes())?,
        Value::NONE, // post-deinstall
        Value::NONE, // pre-upgrade
        values.blob(scripts.post_upgrade.as_bytes())?,
    ];
    let scripts = values.object(&scripts)?;
    let root = values.object(&[info, paths, scripts])?;

    let mut container = Container::new(*b"pckg", &values.finish(root, identity)?)?;
    for (folder, nth) in folders.iter().zip(1..) {
        for ((_, file), number) in folder.files.iter().zip(1..) {
            if !file.contents.is_empty() {
                container.contents(nth, number, &file.contents)?;
            }
        }
    }
    container.deflated()
}

/// The package's own fields.
struct Info {
    name: Value,
    version: Value,
    identity: Value,
    description: Value,
    architecture: Value,
    licence: Value,
    origin: Value,
    maintainer: Value,
    url: Value,
    installed_size: Value,
    depends: Value,
}

impl Info {
    fn write(values: &mut Values, repository: &Repository, architecture: &str) -> Result<Self, Error> {
        Ok(Self {
            name: values.blob(b"ringpost")?,
            version: values.blob(repository.version.apk().as_bytes())?,
            identity: Value::NONE,
            description: values.blob(repository.description.as_bytes())?,
            architecture: values.blob(architecture.as_bytes())?,
            licence: values.blob(repository.licence.as_bytes())?,
            origin: values.blob(SOURCE.as_bytes())?,
            maintainer: values.blob(MAINTAINER.as_bytes())?,
            url: values.blob(repository.page.as_deref().unwrap_or_default().as_bytes())?,
            installed_size: Value::NONE,
            depends: depends(values)?,
        })
    }

    fn fields(&self) -> [Value; 15] {
        [
            self.name,
            self.version,
            self.identity,
            self.description,
            self.architecture,
            self.licence,
            self.origin,
            self.maintainer,
            self.url,
            Value::NONE, // the commit in a repository of packages
            Value::NONE, // the time of the build
            self.installed_size,
            Value::NONE, // the package's own size: an index has it, a package cannot
            Value::NONE, // the priority among providers
            self.depends,
        ]
    }
}

/// The list of what the package needs, each an object with a name only; sorted by name, but written as they were told.
fn depends(values: &mut Values) -> Result<Value, Error> {
    let mut list = Vec::new();
    for name in DEPENDS {
        let text = values.blob(name.as_bytes())?;
        list.push((name, values.object(&[text])?));
    }
    list.sort_by_key(|(name, _)| *name);
    values.object(&list.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

/// A folder and the files right in it, by their names there.
struct Folder<'a> {
    path: &'a str,
    files: Vec<(&'a str, &'a File)>,
}

impl<'a> Folder<'a> {
    fn of(tree: &'a Tree, path: &'a str) -> Self {
        let files = tree.files().filter_map(|(file, contents)| {
            let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
            (folder == path).then_some((name, contents))
        });
        Self { path, files: files.collect() }
    }

    fn write(&self, values: &mut Values, epoch: u64) -> Result<Value, Error> {
        let mut files = Vec::new();
        for (name, file) in &self.files {
            let name = values.blob(name.as_bytes())?;
            let hash = values.blob(&sha256(&file.contents))?;
            let time = values.number(epoch)?;
            let size = values.number(file.contents.len() as u64)?;
            let access = access(values, file.mode)?;
            files.push(values.object(&[name, access, size, time, hash])?);
        }
        let name = values.blob(self.path.as_bytes())?;
        let access = access(values, 0o755)?;
        let files = values.object(&files)?;
        values.object(&[name, access, files])
    }
}

/// Mode, user and group.
fn access(values: &mut Values, mode: u32) -> Result<Value, Error> {
    let mode = values.number(u64::from(mode))?;
    let user = values.blob(b"root")?;
    let group = values.blob(b"root")?;
    values.object(&[mode, user, group])
}
