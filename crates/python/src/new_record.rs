//! What new records are made with, as Python gives it.

use std::path::PathBuf;
use std::sync::Arc;

use anndex::{Handle, RunChoice};
use anndex_core::Result;
use anndex_core::record::Run;
use pyo3::prelude::*;

use crate::connection::Connection;
use crate::record::Record;

/// The run that something belongs to: a run, or whether it is the current one.
#[derive(FromPyObject)]
pub(crate) enum RunArgument {
    Flag(bool),
    Run(Py<Record>),
}

/// Without an argument it is the current run, if there is one.
pub(crate) fn run_choice(
    argument: Option<RunArgument>,
    db: &anndex::Instance,
    location: &Arc<Connection>,
) -> Result<RunChoice> {
    match argument {
        None => Ok(RunChoice::Current),
        Some(RunArgument::Flag(flag)) => Ok(flag.into()),
        Some(RunArgument::Run(run)) => Ok((&run.get().handle::<Run>(db, location)?).into()),
    }
}

/// Hands on to a builder what is given.
macro_rules! given {
    ($builder:ident, $argument:ident: $($name:ident),*) => {
        $(if let Some(value) = $argument.$name {
            $builder = $builder.$name(value);
        })*
    };
}
pub(crate) use given;

/// What an artifact is made with.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ArtifactArgument {
    pub(crate) path: PathBuf,
    pub(crate) key: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) is_new_version_of: Option<Py<Record>>,
    pub(crate) run: Option<RunArgument>,
    pub(crate) storage: Option<StorageArgument>,
}

/// A storage: its record, or where it is.
#[derive(FromPyObject)]
pub(crate) enum StorageArgument {
    Record(Py<Record>),
    Root(PathBuf),
}

impl ArtifactArgument {
    pub(crate) async fn builder(
        self,
        db: &anndex::Instance,
        connection: &Arc<Connection>,
    ) -> Result<anndex::ArtifactBuilder> {
        let mut artifact = db.artifact(self.path);
        given!(artifact, self: key, description, version);
        if let Some(old) = self.is_new_version_of {
            artifact = artifact.is_new_version_of(&old.get().handle(db, connection)?);
        }
        if let Some(storage) = self.storage {
            let storage = match storage {
                StorageArgument::Record(storage) => storage.get().handle(db, connection)?,
                StorageArgument::Root(root) => db.add_storage(root).await?,
            };
            artifact = artifact.storage(&storage);
        }
        Ok(artifact.run(run_choice(self.run, db, connection)?))
    }
}

/// What a collection is made with.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct CollectionArgument {
    pub(crate) artifacts: Vec<Py<Record>>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) reference_type: Option<String>,
    pub(crate) meta: Option<Py<Record>>,
    pub(crate) is_new_version_of: Option<Py<Record>>,
    pub(crate) run: Option<RunArgument>,
}

/// What a transform is made with.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct TransformArgument {
    pub(crate) name: String,
    pub(crate) key: Option<String>,
    pub(crate) r#type: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) source_code: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) reference_type: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) is_new_version_of: Option<Py<Record>>,
}

/// What a run is made with.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct NewRunArgument {
    pub(crate) transform: Py<Record>,
    pub(crate) name: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) reference_type: Option<String>,
}

/// What a label is made with.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ULabelArgument {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) reference_type: Option<String>,
    pub(crate) is_type: bool,
    pub(crate) parents: Vec<Py<Record>>,
}

pub(crate) fn handles<R: anndex::Registry>(
    records: &[Py<Record>],
    db: &anndex::Instance,
    connection: &Arc<Connection>,
) -> Result<Vec<Handle<R>>> {
    let records = records.iter();
    records
        .map(|one| one.get().handle(db, connection))
        .collect()
}
