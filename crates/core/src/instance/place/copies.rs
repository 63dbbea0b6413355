//! The copies of a registry in a storage: where they are, and which of them are its own.
//!
//! Each registry has a directory for them, `.anndex/artifacts/REGISTRY/`, so the place of a copy
//! says who made it. What a record from another instance leads to, or one of a registry that was
//! copied, is in the directory of another registry, and is never removed from here.
//!
//! Beside the copy `NAME` there is `.pending-NAME` from before its first byte until its record is
//! there, and again from before its record is removed until it is gone. So a copy without a record
//! that a killed process left is told from one whose record is gone because somebody put an older
//! database back.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{OWN_DIRECTORY, resolve};
use crate::error::{Error, ErrorKind, Result};
use crate::operation;
use crate::record::{Artifact, Storage};
use crate::registry::{Registry, hash};
use crate::storage::own_directory::{Access, OwnDirectory};

/// Where the copies of all registries are.
pub(in crate::instance) const COPIES: &str = ".anndex/artifacts/";

/// What the names of copies begin with as long as they are not complete.
const PARTIAL: &str = ".partial-";

/// How much is copied before it is asked whether to go on.
const PIECE: u64 = 64 << 20;

/// What the names of marks begin with.
const PENDING: &str = ".pending-";

/// How many characters the id of a registry has.
pub(in crate::instance) const REGISTRY_LENGTH: usize = 12;

/// The copies of one registry in one storage.
#[derive(Debug, Clone)]
pub(in crate::instance) struct Copies {
    root: PathBuf,
    registry: String,
}

/// What is in a directory of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::instance) struct Copy {
    /// Its name; that of a partial copy is the one that it would have.
    pub(in crate::instance) name: String,
    /// Where it is, relative to the root of the storage.
    pub(in crate::instance) storage_key: String,
    /// What there is of it.
    pub(in crate::instance) state: State,
}

/// What there is of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::instance) enum State {
    /// All of it.
    Whole,
    /// All of it, and it is being written or removed, or was when a process was killed.
    Pending,
    /// A part, or only the mark.
    Partial,
    /// Nothing: the name is none that an instance gives.
    Foreign,
}

/// The id of the registry that made the copy at this place; `None` if it is no copy.
pub(in crate::instance) fn maker(storage_key: &str) -> Option<&str> {
    let (registry, name) = storage_key.strip_prefix(COPIES)?.split_once('/')?;
    (is_registry(registry) && is_own_name(name)).then_some(registry)
}

/// Whether this is the place of a copy of some instance, maybe one of an earlier version, whose
/// copies did not say who made them.
pub(in crate::instance) fn is_copy(storage_key: &str) -> bool {
    storage_key.starts_with(COPIES)
}

/// A copy that a place leads to, from whatever root and through whatever link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::instance) struct Reached {
    /// The root of the storage that it was made in.
    pub(in crate::instance) root: PathBuf,
    /// The registry that made it.
    pub(in crate::instance) registry: String,
    pub(in crate::instance) name: String,
}

/// The copies that a place in a local storage is, or is in. A storage need not have the root that
/// the copy was made in: one above it, one below it, or one by another name leads there, too.
///
/// # Errors
/// `NotFound` if nothing is there; `PermissionDenied` or `Storage` if it can't be looked up.
pub(in crate::instance) fn reached(storage: &Storage, storage_key: &str) -> Result<Vec<Reached>> {
    let path = match resolve(storage, storage_key) {
        // Nobody reads what is outside the storage, so nobody needs it.
        Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(Vec::new()),
        path => path?,
    };
    let real = path.canonicalize();
    let real = real.map_err(|e| Error::io(path.display(), e))?;
    let parts: Vec<_> = real.iter().collect();
    let copies: Vec<_> = Path::new(COPIES).iter().collect();
    let copy = |(at, parts): (usize, &[&OsStr])| {
        let (directory, rest) = parts.split_at_checked(copies.len())?;
        let [registry, name] = rest else {
            return None;
        };
        let (registry, name) = (registry.to_str()?, name.to_str()?);
        let is_copy = directory == copies && is_registry(registry) && is_own_name(name);
        is_copy.then(|| Reached {
            root: real.iter().take(at).collect(),
            registry: registry.to_owned(),
            name: name.to_owned(),
        })
    };
    let places = parts.windows(copies.len() + 2).enumerate();
    Ok(places.filter_map(copy).collect())
}

fn is_registry(name: &str) -> bool {
    name.len() == REGISTRY_LENGTH && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a name is like those of copies: a uid and maybe a suffix.
fn is_own_name(name: &str) -> bool {
    name.split_at_checked(Artifact::UID_LENGTH)
        .is_some_and(|(uid, suffix)| {
            uid.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && (suffix.is_empty() || suffix.starts_with('.') && !suffix.contains('/'))
        })
}

/// What is directly in the directory of all copies and belongs to no registry, sorted.
///
/// # Errors
/// `PermissionDenied` or `Storage` if it can't be read; `InvalidInput` if it is a link.
pub(in crate::instance) fn list_strays(storage: &Storage) -> Result<Vec<String>> {
    let root = OwnDirectory::open(Path::new(&storage.root))?;
    let Some(all) = root.map_or(Ok(None), |root| root.below(Path::new(COPIES)))? else {
        return Ok(Vec::new());
    };
    let names = all.names()?.into_iter();
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let strays = names.filter(|name| !is_registry(name));
    Ok(strays.map(|name| format!("{COPIES}{name}")).collect())
}

impl Copies {
    pub(in crate::instance) fn new(storage: &Storage, registry: &str) -> Self {
        Self {
            root: PathBuf::from(&storage.root),
            registry: registry.to_owned(),
        }
    }

    /// The place for a copy with this name.
    pub(in crate::instance) fn key(&self, name: &str) -> String {
        format!("{COPIES}{}/{name}", self.registry)
    }

    /// The name of the copy at a place, if that is in this directory.
    pub(in crate::instance) fn name<'a>(&self, storage_key: &'a str) -> Option<&'a str> {
        if maker(storage_key)? != self.registry {
            return None;
        }
        storage_key.rsplit_once('/').map(|(_, name)| name)
    }

    fn relative(&self) -> PathBuf {
        Path::new(COPIES).join(&self.registry)
    }

    fn open(&self) -> Result<Option<OwnDirectory>> {
        let root = OwnDirectory::open(&self.root)?;
        root.map_or(Ok(None), |root| root.below(&self.relative()))
    }

    /// Copies a file or directory, which appears complete or not at all, and marks it as pending.
    ///
    /// # Errors
    /// `Storage`, `PermissionDenied` or `NotFound` if something can't be read or written, or if its
    /// size is not the expected one, because it changed meanwhile; `InvalidInput` if a link is in
    /// the way.
    pub(in crate::instance) fn copy(&self, from: &Path, name: &str, size: u64) -> Result<()> {
        let directory = root_of(&self.root)?.create_below(&self.relative())?;
        self.mark(&directory, name)?;
        let partial = format!("{PARTIAL}{name}");
        let copied = copy_to(from, &directory, &partial).and_then(|copied| {
            if copied != size {
                return Err(Error::new(
                    ErrorKind::Storage,
                    "the file changed while it was copied; register it when it is complete",
                )
                .with("path", from.display()));
            }
            directory.rename(&partial, name)?;
            directory.sync()
        });
        if copied.is_err() {
            self.discard(name);
        }
        copied
    }

    fn mark(&self, directory: &OwnDirectory, name: &str) -> Result<()> {
        let mark = directory.create_file(format!("{PENDING}{name}"), Access::Lock);
        mark.map(drop)
    }

    /// Says that a copy is about to be removed. Gives back whether its directory is there.
    ///
    /// # Errors
    /// As [`Copies::copy`].
    pub(in crate::instance) fn begin_removal(&self, name: &str) -> Result<bool> {
        match self.open()? {
            Some(directory) => self.mark(&directory, name).map(|()| true),
            None => Ok(false),
        }
    }

    /// Says that a copy is as it stays.
    ///
    /// # Errors
    /// As [`Copies::copy`].
    pub(in crate::instance) fn settle(&self, name: &str) -> Result<()> {
        match self.open()? {
            Some(directory) => directory.remove(&format!("{PENDING}{name}")).map(drop),
            None => Ok(()),
        }
    }

    /// Removes a copy, complete or not, and then its mark. None being there is no error.
    ///
    /// # Errors
    /// As [`Copies::copy`].
    pub(in crate::instance) fn remove(&self, name: &str) -> Result<()> {
        let Some(directory) = self.open()? else {
            return Ok(());
        };
        for prefix in ["", PARTIAL, PENDING] {
            directory.remove(&format!("{prefix}{name}"))?;
        }
        Ok(())
    }

    /// As [`Copies::remove`], for what an operation that failed would leave behind. The operation's
    /// own error matters more than one from here.
    pub(in crate::instance) fn discard(&self, name: &str) {
        if let Err(error) = self.remove(name) {
            tracing::warn!(%error, "a copy without a record could not be removed");
        }
    }

    /// All copies, sorted by name.
    ///
    /// # Errors
    /// As [`Copies::copy`].
    pub(in crate::instance) fn list(&self) -> Result<Vec<Copy>> {
        let Some(directory) = self.open()? else {
            return Ok(Vec::new());
        };
        let (mut whole, mut partial) = (BTreeSet::new(), BTreeSet::new());
        let (mut pending, mut foreign) = (BTreeSet::new(), BTreeSet::new());
        for name in directory.names()? {
            // One that is not text is none that an instance gives.
            let text = name.to_string_lossy().into_owned();
            let (names, own) = match (text.strip_prefix(PARTIAL), text.strip_prefix(PENDING)) {
                (Some(own), _) => (&mut partial, own),
                (_, Some(own)) => (&mut pending, own),
                _ => (&mut whole, text.as_str()),
            };
            match name.to_str().is_some() && is_own_name(own) {
                true => names.insert(own.to_owned()),
                false => foreign.insert(text),
            };
        }
        let names: BTreeSet<_> = whole.iter().chain(&partial).chain(&pending).collect();
        let own = names.into_iter().map(|name| {
            let state = match (whole.contains(name), pending.contains(name)) {
                (true, true) => State::Pending,
                (true, false) => State::Whole,
                (false, _) => State::Partial,
            };
            (name, state)
        });
        let foreign = foreign.iter().map(|name| (name, State::Foreign));
        let copy = |(name, state): (&String, State)| Copy {
            storage_key: self.key(name),
            name: name.clone(),
            state,
        };
        Ok(own.chain(foreign).map(copy).collect())
    }
}

/// The root of a storage, which is never made from here: where it is missing, a disk is not there.
pub(super) fn root_of(root: &Path) -> Result<OwnDirectory> {
    OwnDirectory::open(root)?.ok_or_else(|| {
        Error::not_found("the storage is not on this machine; mount it, or name another")
            .with("storage", root.display())
    })
}

/// The instance's own directory in a storage.
pub(super) fn own(root: &Path, name: &str) -> Result<OwnDirectory> {
    root_of(root)?.create_below(&Path::new(OWN_DIRECTORY).join(name))
}

fn copy_to(from: &Path, to: &OwnDirectory, name: &str) -> Result<u64> {
    if from.is_file() {
        return copy_file(from, to, Path::new(name));
    }
    let mut size = 0u64;
    let mut directories = BTreeSet::from([PathBuf::new()]);
    let copy = to.create_new(name)?;
    for file in hash::files_of(from)? {
        let relative = file.strip_prefix(from).unwrap_or(&file);
        let (Some(parent), Some(name)) = (relative.parent(), relative.file_name()) else {
            continue;
        };
        let target = copy.create_below(parent)?;
        size += copy_file(&file, &target, Path::new(name))?;
        directories.extend(parent.ancestors().map(Path::to_owned));
    }
    for directory in directories {
        copy.create_below(&directory)?.sync()?;
    }
    Ok(size)
}

fn copy_file(from: &Path, to: &OwnDirectory, name: &Path) -> Result<u64> {
    let mut source = File::open(from).map_err(|e| Error::io(from.display(), e))?;
    let at = |e| Error::io(to.path().join(name).display(), e);
    // A new file and not a copied one: the source may be read-only.
    let mut target = to.create_file(name, Access::New)?;
    let mut copied = 0;
    loop {
        operation::check()?;
        let piece = std::io::copy(&mut source.by_ref().take(PIECE), &mut target).map_err(at)?;
        copied += piece;
        if piece < PIECE {
            break;
        }
        // In the end this would take as long as for all pieces together, and could not be stopped.
        target.sync_data().map_err(at)?;
    }
    target.sync_all().map_err(at)?;
    Ok(copied)
}
