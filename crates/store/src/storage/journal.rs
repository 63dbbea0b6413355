//! What is known of an upload that is not done, so that it goes on where it was when its process
//! was killed: a file of lines, each of which is appended and says one thing that is done.
//!
//! Whoever works on an upload holds its journal locked. A journal that nobody holds is of an
//! upload that was interrupted.

mod lines;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use self::lines::{Known, Line, apply, lock, read};
pub use self::lines::{Plan, Version};
use super::{PartialUpload, UploadNotes, cache_directory};
use crate::error::{Error, Result};
use crate::{hash, key};

const EXTENSION: &str = "journal";

/// The journal of one upload, whose lock is held.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    plan: Plan,
    objects: Mutex<BTreeMap<String, Known>>,
    file: Mutex<File>,
}

impl Journal {
    /// The journal of uploading content. If there is one of an upload of the same content to the
    /// same storage, which nobody works on, that is taken, with the place that it has. `None` if
    /// somebody works on it.
    pub fn open(directory: &Path, plan: Plan) -> Result<Option<Self>> {
        cache_directory::create(directory)?;
        let suffix = key::suffix(&plan.storage_key);
        let name = format!("{}\n{}\n{}\n{suffix}", plan.storage, plan.hash, plan.size);
        let name = hash::hash_bytes(name.as_bytes());
        let path = directory.join(format!("{name}.{EXTENSION}"));
        let Some(mut file) = lock(&path, true)? else {
            return Ok(None);
        };
        let is_same = |known: &Plan| {
            let (a, b) = (known, &plan);
            (&a.storage, &a.hash, a.size, a.is_directory)
                == (&b.storage, &b.hash, b.size, b.is_directory)
                // Not that of the registry which this one is a copy of.
                && directory_of(&a.storage_key) == directory_of(&b.storage_key)
        };
        match read(&mut file, &path)? {
            Some((known, objects)) if is_same(&known) => Ok(Some(Self {
                plan: known,
                objects: Mutex::new(objects),
                file: Mutex::new(file),
                path,
            })),
            _ => {
                let cleared = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
                cleared.map_err(|e| Error::io(path.display(), e))?;
                let new = Self {
                    plan: plan.clone(),
                    objects: Mutex::default(),
                    file: Mutex::new(file),
                    path,
                };
                new.append(&Line::Plan(plan))?;
                Ok(Some(new))
            }
        }
    }

    /// The journals of all uploads that were interrupted.
    pub fn interrupted(directory: &Path) -> Result<Vec<Self>> {
        let at = |e| Error::io(directory.display(), e);
        let entries = match directory.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(at)?.path();
            if path
                .extension()
                .is_none_or(|extension| extension != EXTENSION)
            {
                continue;
            }
            let Some(mut file) = lock(&path, false)? else {
                continue;
            };
            // One without a plan was begun right when its process was killed.
            let Some((plan, objects)) = read(&mut file, &path)? else {
                continue;
            };
            found.push(Self {
                plan,
                objects: Mutex::new(objects),
                file: Mutex::new(file),
                path,
            });
        }
        found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// What is uploaded.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether something was done before.
    pub fn is_new(&self) -> bool {
        self.objects().is_empty()
    }

    /// The tag of an object that was written from this version of its file.
    pub fn written(&self, key: &str, version: Version) -> Option<Option<String>> {
        let known = self.objects().get(key).cloned();
        known.filter(|known| known.version == version)?.written
    }

    /// Notes that a whole object is there.
    pub fn note_written(&self, key: &str, version: Version, etag: Option<&str>) -> Result<()> {
        self.note(Line::Written {
            key: key.to_owned(),
            version,
            etag: etag.map(str::to_owned),
        })
    }

    /// The objects that were begun or written.
    pub fn keys(&self) -> Vec<String> {
        self.objects().keys().cloned().collect()
    }

    /// The uploads in parts that were begun and not completed, by key.
    pub fn uploads(&self) -> Vec<(String, PartialUpload)> {
        let objects = self.objects();
        let begun = objects.iter().filter(|(_, known)| known.written.is_none());
        begun
            .filter_map(|(key, known)| Some((key.clone(), known.upload.clone()?)))
            .collect()
    }

    /// The upload of an object from another version of its file, which is of no use any more.
    pub fn outdated(&self, key: &str, version: Version) -> Option<PartialUpload> {
        let known = self.objects().get(key).cloned();
        known.filter(|known| known.version != version)?.upload
    }

    /// Where the upload of one object is noted.
    pub fn notes(self: &Arc<Self>, key: &str, version: Version) -> Arc<dyn UploadNotes> {
        Arc::new(Notes {
            journal: self.clone(),
            key: key.to_owned(),
            version,
        })
    }

    /// Removes it: nothing is left to do.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(self.path.display(), error))
            }
            _ => Ok(()),
        }
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Known>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: Line) -> Result<()> {
        self.append(&line)?;
        apply(&mut self.objects(), line);
        Ok(())
    }

    fn append(&self, line: &Line) -> Result<()> {
        let at = |e| Error::io(self.path.display(), e);
        let mut text = serde_json::to_vec(line).map_err(|e| at(e.into()))?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text).map_err(at)
    }
}

fn directory_of(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[derive(Debug)]
struct Notes {
    journal: Arc<Journal>,
    key: String,
    version: Version,
}

impl UploadNotes for Notes {
    fn known(&self) -> Option<PartialUpload> {
        let known = self.journal.objects().get(&self.key).cloned();
        known.filter(|known| known.version == self.version)?.upload
    }

    fn begun(&self, id: &str, part_bytes: u64) -> Result<()> {
        self.journal.note(Line::Begun {
            key: self.key.clone(),
            version: self.version,
            id: id.to_owned(),
            part_bytes,
        })
    }

    fn part(&self, number: u64, tag: &str) -> Result<()> {
        self.journal.note(Line::Part {
            key: self.key.clone(),
            number,
            tag: tag.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    const VERSION: Version = Version {
        size: 20,
        modified: 1,
    };

    fn plan(storage_key: &str) -> Plan {
        Plan {
            storage: "s3://cells".to_owned(),
            storage_key: storage_key.to_owned(),
            is_directory: false,
            hash: "hash".to_owned(),
            size: 20,
        }
    }

    fn open(directory: &Path, storage_key: &str) -> Option<Arc<Journal>> {
        let journal = Journal::open(directory, plan(storage_key)).unwrap();
        journal.map(Arc::new)
    }

    #[test]
    fn what_was_done_is_known_later_but_for_a_line_that_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let journal = open(directory.path(), "a").unwrap();
        assert!(journal.is_new());
        assert!(
            open(directory.path(), "b").is_none(),
            "somebody works on it"
        );
        let notes = journal.notes("a", VERSION);
        notes.begun("id", 8).unwrap();
        notes.part(1, "tag 1").unwrap();
        notes.part(0, "tag 0").unwrap();
        let path = journal.path.clone();
        drop((journal, notes));
        let length = path.metadata().unwrap().len();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length - 3).unwrap();
        for _ in 0..2 {
            let journal = open(directory.path(), "b").unwrap();
            assert_eq!(journal.plan().storage_key, "a");
            let known = journal.notes("a", VERSION).known().unwrap();
            let parts = BTreeMap::from([(1, "tag 1".to_owned())]);
            assert_eq!((known.id.as_str(), known.parts), ("id", parts));
            let changed = Version {
                modified: 2,
                ..VERSION
            };
            assert!(journal.notes("a", changed).known().is_none());
            assert!(journal.outdated("a", changed).is_some());
            assert!(journal.outdated("a", VERSION).is_none());
            assert_eq!(journal.uploads().len(), 1);
        }
        assert_eq!(Journal::interrupted(directory.path()).unwrap().len(), 1);
        let journal = open(directory.path(), "b").unwrap();
        journal.note_written("a", VERSION, Some("tag")).unwrap();
        assert!(Journal::interrupted(directory.path()).unwrap().is_empty());
        drop(journal);
        let journal = open(directory.path(), "b").unwrap();
        assert_eq!(journal.written("a", VERSION), Some(Some("tag".to_owned())));
        assert!(journal.uploads().is_empty());
        journal.remove().unwrap();
        drop(journal);
        let journal = open(directory.path(), "b").unwrap();
        assert!(journal.is_new() && journal.plan().storage_key == "b");
    }
}
