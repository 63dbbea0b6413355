//! An instance with what the operations before made in it, and another one to copy into.

use std::path::PathBuf;

use anndex_core::backend::Filter;
use anndex_core::instance::{Handle, Instance};
use anndex_core::record::{Artifact, Collection, Feature, Field, Run, Transform, ULabel};
use anndex_core::registry::Registry;
use anndex_core::{Error, ErrorKind, Result};
use anndex_tests::registry::{DatabaseKind, Place};

use crate::operation::{Dataset, NewArtifact, NewCollection, Operation};
use crate::snapshot::Names;

/// What an operation gave: the uids that it was about, or the kind and the message of its error.
pub(crate) type Outcome = Result<String, (ErrorKind, String)>;

/// Some have the same content under another name.
const FILES: usize = 8;
const CONTENTS: usize = 6;

pub(crate) struct World {
    db: Instance,
    other: Instance,
    files: PathBuf,
    names: Names,
    /// Records that were made, whether they are still there or not.
    artifacts: Vec<Handle<Artifact>>,
    collections: Vec<Handle<Collection>>,
    ulabels: Vec<Handle<ULabel>>,
    transforms: Vec<Handle<Transform>>,
    runs: Vec<Handle<Run>>,
    /// Ends last.
    _places: [Place; 2],
}

/// The one that a number means.
fn pick<R>(records: &[R], number: usize) -> Result<&R> {
    if records.is_empty() {
        return Err(Error::not_found("there is none yet"));
    }
    Ok(&records[number % records.len()])
}

fn remember<R: Registry>(records: &mut Vec<Handle<R>>, new: Handle<R>) -> Result<String> {
    let uid = new.uid().to_owned();
    records.push(new);
    Ok(uid)
}

fn uids<R: Registry>(found: &[Handle<R>]) -> String {
    let uids: Vec<_> = found.iter().map(|one| one.uid()).collect();
    uids.join(" ")
}

fn condition(text: &str) -> Filter {
    Filter::starts_with(Field::Description, text)
        .or(Filter::lt(Field::Version, text))
        .or(Filter::is_null(Field::Description))
}

impl World {
    pub(crate) async fn new(kind: DatabaseKind) -> Self {
        let places = [Place::new(kind), Place::new(kind)];
        let mut names = Names::default();
        for (place, name) in places.iter().zip(["storage", "other storage"]) {
            names.directory(place.storage().display().to_string(), name);
        }
        let db = places[0].instance().await;
        let other = places[1].instance().await;
        let files = db.storage_root().with_file_name("files");
        std::fs::create_dir(&files).unwrap();
        names.directory(files.display().to_string(), "files");
        for number in 0..FILES {
            let content = format!("content {}", number % CONTENTS);
            std::fs::write(files.join(format!("{number}.csv")), content).unwrap();
        }
        Self {
            db,
            other,
            files,
            names,
            artifacts: Vec::new(),
            collections: Vec::new(),
            ulabels: Vec::new(),
            transforms: Vec::new(),
            runs: Vec::new(),
            _places: places,
        }
    }

    pub(crate) async fn close(self) {
        self.db.close().await.unwrap();
        self.other.close().await.unwrap();
    }

    pub(crate) async fn snapshot(&mut self) -> [Vec<String>; 2] {
        let own = self.names.snapshot(self.db.backend().as_ref()).await;
        let other = self.names.snapshot(self.other.backend().as_ref()).await;
        [own, other]
    }

    pub(crate) async fn apply(&mut self, operation: &Operation) -> Outcome {
        let result = self.attempt(operation).await;
        self.names.learn(self.db.backend().as_ref()).await;
        match result {
            Ok(uids) => Ok(self.names.shown(&uids)),
            // Each database has its own words for what it noticed.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err((ErrorKind::Conflict, String::new()))
            }
            Err(error) => Err((error.kind(), self.names.shown(error.message()))),
        }
    }

    async fn attempt(&mut self, operation: &Operation) -> Result<String> {
        match operation {
            Operation::Artifact(new) => self.artifact(new).await,
            Operation::Collection(new) => self.collection(new).await,
            Operation::ULabel(name, parent) => {
                let mut new = self.db.ulabel(*name);
                if let Some(parent) = parent {
                    new = new.parent(pick(&self.ulabels, *parent)?);
                }
                remember(&mut self.ulabels, new.save().await?)
            }
            Operation::DeleteULabel(number, permanent) => {
                let mut label = pick(&self.ulabels, *number)?.clone();
                label.delete(*permanent).await?;
                Ok(label.uid.clone())
            }
            Operation::Transform(name, old) => {
                let mut new = self.db.transform(*name);
                if let Some(old) = old {
                    new = new.is_new_version_of(pick(&self.transforms, *old)?);
                }
                remember(&mut self.transforms, new.save().await?)
            }
            Operation::Track(number) => {
                let run = self.db.track(pick(&self.transforms, *number)?).await?;
                remember(&mut self.runs, run)
            }
            Operation::Finish => self.db.finish().await.map(|()| String::new()),
            Operation::DeleteRun(number) => {
                let mut run = pick(&self.runs, *number)?.clone();
                run.delete(Some(true)).await?;
                Ok(run.uid.clone())
            }
            Operation::Save(dataset, number, ..)
            | Operation::Delete(dataset, number, _)
            | Operation::Restore(dataset, number)
            | Operation::Label(dataset, number, _)
            | Operation::Unlabel(dataset, number, _)
            | Operation::Features(dataset, number, ..)
            | Operation::Input(dataset, number, _)
            | Operation::Transfer(dataset, number) => match dataset {
                Dataset::Artifact => {
                    let record = pick(&self.artifacts, *number)?.clone();
                    self.change_artifact(record, operation).await
                }
                Dataset::Collection => {
                    let record = pick(&self.collections, *number)?.clone();
                    self.change_collection(record, operation).await
                }
            },
            Operation::Find(Dataset::Artifact, text) => {
                let found = self.db.artifacts().filter(condition(text));
                let found = found.order_by_descending(Field::Description);
                Ok(uids(&found.all().await?))
            }
            Operation::Find(Dataset::Collection, text) => {
                let found = self.db.collections().with_trash();
                let found = found.filter(condition(text).or(Filter::ge(Field::Name, *text)));
                let found = found.order_by(Field::Name).order_by(Field::Version);
                Ok(uids(&found.all().await?))
            }
        }
    }

    async fn artifact(&mut self, given: &NewArtifact) -> Result<String> {
        let mut new = self
            .db
            .artifact(self.files.join(format!("{}.csv", given.file)));
        if let Some(description) = given.description {
            new = new.description(description);
        }
        if let Some(version) = given.version {
            new = new.version(version);
        }
        if let Some(old) = given.old {
            new = new.is_new_version_of(pick(&self.artifacts, old)?);
        }
        remember(&mut self.artifacts, new.save().await?)
    }

    async fn collection(&mut self, given: &NewCollection) -> Result<String> {
        let mut members = Vec::new();
        for number in &given.artifacts {
            members.push(pick(&self.artifacts, *number)?.clone());
        }
        let mut new = self.db.collection(members);
        if let Some(name) = given.name {
            new = new.name(name);
        }
        if let Some(version) = given.version {
            new = new.version(version);
        }
        if let Some(old) = given.old {
            new = new.is_new_version_of(pick(&self.collections, old)?);
        }
        if let Some(meta) = given.meta {
            new = new.meta(pick(&self.artifacts, meta)?);
        }
        remember(&mut self.collections, new.save().await?)
    }
}

/// The operations that artifacts and collections have in common.
macro_rules! changes {
    ($($name:ident: $record:ty;)*) => {
        impl World {
            $(async fn $name(
                &mut self,
                mut record: Handle<$record>,
                operation: &Operation,
            ) -> Result<String> {
                match operation {
                    Operation::Save(_, _, text, version) => {
                        record.refresh().await?;
                        record.description = Some((*text).to_owned());
                        if let Some(version) = version {
                            record.version = Some((*version).to_owned());
                        }
                        record.save().await?;
                    }
                    Operation::Delete(_, _, permanent) => record.delete(*permanent).await?,
                    Operation::Restore(..) => record.restore().await?,
                    Operation::Label(_, _, label) => {
                        record.add_ulabels([pick(&self.ulabels, *label)?]).await?;
                    }
                    Operation::Unlabel(_, _, label) => {
                        record.remove_ulabels([pick(&self.ulabels, *label)?]).await?;
                    }
                    Operation::Features(_, _, slot, count) => {
                        let features = (0..*count).map(|number| Feature {
                            name: format!("gene {number}"),
                            dtype: Some("float".to_owned()),
                        });
                        record.set_features(slot, features.collect()).await?;
                    }
                    Operation::Input(_, _, is_run_input) => {
                        record.track_input(*is_run_input).await?;
                    }
                    Operation::Transfer(..) => {
                        record.save_using(&self.other).await?;
                    }
                    _ => {}
                }
                Ok(record.uid.clone())
            })*
        }
    };
}

changes! {
    change_artifact: Artifact;
    change_collection: Collection;
}
