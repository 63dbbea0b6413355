//! The class behind `anndex.init` and `anndex.connect`: an instance and its registries.

use std::path::PathBuf;
use std::sync::Arc;

use anndex::{Handle, IdLike, InstanceOptions, connect_with, discover, init_with};
use anndex_core::record::{self, Transform, ULabel};
use anndex_core::{Error, Result};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use crate::check::{Report, report};
use crate::connection::{Connection, check_fork};
use crate::error::exception;
use crate::field::kind;
use crate::lamindb;
use crate::new_record::{
    ArtifactArgument, CollectionArgument, NewRunArgument, TransformArgument, ULabelArgument, given,
    handles, run_choice,
};
use crate::pages::Pages;
use crate::query::QueryArgument;
use crate::record::{Record, each_kind};
use crate::runtime::block_on;

/// An instance.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Instance(Arc<Connection>);

impl Instance {
    fn record(&self, record: impl Into<record::Record>) -> Record {
        Record::new(&self.0, record.into())
    }

    fn opened(db: anndex::Instance, location: PathBuf) -> Self {
        Self(Connection::new(db, location))
    }
}

#[pymethods]
impl Instance {
    /// Makes an instance, or opens the one that is there.
    #[staticmethod]
    fn init(
        py: Python<'_>,
        location: PathBuf,
        storage: Option<PathBuf>,
        user: Option<String>,
        user_name: Option<String>,
    ) -> PyResult<Self> {
        check_fork().map_err(|error| exception(py, &error))?;
        let mut options = options(user, user_name);
        options.storage_root = storage;
        let db = block_on(py, async { init_with(&location, options).await })?;
        Ok(Self::opened(db, location))
    }

    /// Opens an instance: without a location the one that is found from here.
    #[staticmethod]
    fn connect(
        py: Python<'_>,
        location: Option<PathBuf>,
        user: Option<String>,
        user_name: Option<String>,
    ) -> PyResult<Self> {
        check_fork().map_err(|error| exception(py, &error))?;
        let location = match location {
            Some(location) => location,
            None => discover().map_err(|error| exception(py, &error))?,
        };
        let options = options(user, user_name);
        let db = block_on(py, async { connect_with(&location, options).await })?;
        Ok(Self::opened(db, location))
    }

    #[getter]
    fn location(&self) -> String {
        self.0.shown_location()
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.0.close(py)
    }

    /// The default storage.
    fn storage(&self, py: Python<'_>) -> PyResult<Record> {
        let call = |db: anndex::Instance| async move { Ok(db.storage().clone()) };
        Ok(self.record(self.0.call(py, call)?))
    }

    /// The user who works with the instance.
    fn user(&self, py: Python<'_>) -> PyResult<Record> {
        let call = |db: anndex::Instance| async move { Ok(db.user().clone()) };
        Ok(self.record(self.0.call(py, call)?))
    }

    fn select(
        &self,
        py: Python<'_>,
        kind_name: &str,
        query: QueryArgument,
    ) -> PyResult<Vec<Record>> {
        let kind = kind(kind_name).map_err(|error| exception(py, &error))?;
        let found = self.0.call(py, |db| async move {
            each_kind!(kind, R => {
                let found = query.into_set::<R>(&db)?.all().await?;
                Ok(found.into_iter().map(record::Record::from).collect::<Vec<_>>())
            })
        })?;
        Ok(found.into_iter().map(|one| self.record(one)).collect())
    }

    /// The records of a query, a page at a time.
    fn pages(&self, py: Python<'_>, kind_name: &str, query: QueryArgument) -> PyResult<Pages> {
        let kind = kind(kind_name).map_err(|error| exception(py, &error))?;
        let pages = self.0.call(py, |db| async move {
            each_kind!(kind, R => query.into_set::<R>(&db)?.pages())
        })?;
        Ok(Pages::new(&self.0, pages))
    }

    /// The records of a query in which a text occurs, the best first.
    fn search(
        &self,
        py: Python<'_>,
        kind_name: &str,
        query: QueryArgument,
        text: String,
    ) -> PyResult<Vec<Record>> {
        let kind = kind(kind_name).map_err(|error| exception(py, &error))?;
        let found = self.0.call(py, |db| async move {
            each_kind!(kind, R => {
                let found = query.into_set::<R>(&db)?.search(&text).await?;
                Ok(found.into_iter().map(record::Record::from).collect::<Vec<_>>())
            })
        })?;
        Ok(found.into_iter().map(|one| self.record(one)).collect())
    }

    fn count(&self, py: Python<'_>, kind_name: &str, query: QueryArgument) -> PyResult<u64> {
        let kind = kind(kind_name).map_err(|error| exception(py, &error))?;
        self.0.call(py, |db| async move {
            each_kind!(kind, R => query.into_set::<R>(&db)?.count().await)
        })
    }

    /// The record with this id, uid, or beginning of a uid, of all or of those of a query.
    #[pyo3(signature = (kind_name, idlike, query=None))]
    fn get(
        &self,
        py: Python<'_>,
        kind_name: &str,
        idlike: IdArgument,
        query: Option<QueryArgument>,
    ) -> PyResult<Record> {
        let kind = kind(kind_name).map_err(|error| exception(py, &error))?;
        let found = self.0.call(py, |db| async move {
            each_kind!(kind, R => {
                let set = match query {
                    Some(query) => query.into_set::<R>(&db)?,
                    None => db.records(),
                };
                let found: Handle<R> = set.get(idlike).await?;
                Ok(record::Record::from(found))
            })
        })?;
        Ok(self.record(found))
    }

    fn add_artifact(&self, py: Python<'_>, new: ArtifactArgument) -> PyResult<Record> {
        let connection = &self.0;
        let saved = connection.call(py, |db| async move {
            new.builder(&db, connection).await?.save().await
        })?;
        Ok(self.record(saved))
    }

    /// Makes many artifacts; what fails has an exception in its place.
    fn add_artifacts<'py>(
        &self,
        py: Python<'py>,
        new: Vec<ArtifactArgument>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let connection = &self.0;
        let saved = connection.call(py, |db| async move {
            let mut builders = Vec::with_capacity(new.len());
            for one in new {
                builders.push(one.builder(&db, connection).await?);
            }
            Ok(db.save_artifacts(builders).await)
        })?;
        let saved = saved.into_iter().map(|one| match one {
            Ok(artifact) => self.record(artifact).into_bound_py_any(py),
            Err(error) => exception(py, &error).into_bound_py_any(py),
        });
        saved.collect()
    }

    /// Compares storage with the registry; see `crate::check`.
    fn check(&self, py: Python<'_>, deep: bool, repair: bool) -> PyResult<Report> {
        let call =
            |db: anndex::Instance| async move { db.check().deep(deep).repair(repair).run().await };
        Ok(report(self.0.call(py, call)?))
    }

    /// Takes over the registry of a lamindb instance; see `crate::lamindb`.
    fn import_lamindb(&self, py: Python<'_>, location: PathBuf) -> PyResult<lamindb::Report> {
        let call = |db: anndex::Instance| async move {
            let source = anndex::lamindb::open(&location).await?;
            db.import(source).run().await
        };
        Ok(lamindb::report(self.0.call(py, call)?))
    }

    fn add_collection(&self, py: Python<'_>, new: CollectionArgument) -> PyResult<Record> {
        let connection = &self.0;
        let saved = connection.call(py, |db| async move {
            let artifacts: Vec<Handle<_>> = handles(&new.artifacts, &db, connection)?;
            let mut collection = db.collection(artifacts);
            given!(collection, new: name, description, version, reference, reference_type);
            if let Some(meta) = new.meta {
                collection = collection.meta(&meta.get().handle(&db, connection)?);
            }
            if let Some(old) = new.is_new_version_of {
                collection = collection.is_new_version_of(&old.get().handle(&db, connection)?);
            }
            collection = collection.run(run_choice(new.run, &db, connection)?);
            collection.save().await
        })?;
        Ok(self.record(saved))
    }

    fn add_transform(&self, py: Python<'_>, new: TransformArgument) -> PyResult<Record> {
        let connection = &self.0;
        let saved = connection.call(py, |db| async move {
            let mut transform = db.transform(new.name);
            given!(transform, new: key, description, source_code, reference, reference_type, version);
            if let Some(type_) = new.r#type {
                transform = transform.type_(type_);
            }
            if let Some(old) = new.is_new_version_of {
                transform = transform.is_new_version_of(&old.get().handle(&db, connection)?);
            }
            transform.save().await
        })?;
        Ok(self.record(saved))
    }

    fn add_run(&self, py: Python<'_>, new: NewRunArgument) -> PyResult<Record> {
        let connection = &self.0;
        let saved = connection.call(py, |db| async move {
            let transform: Handle<Transform> = new.transform.get().handle(&db, connection)?;
            let mut run = db.run_of(&transform);
            given!(run, new: name, reference, reference_type);
            run.save().await
        })?;
        Ok(self.record(saved))
    }

    fn add_ulabel(&self, py: Python<'_>, new: ULabelArgument) -> PyResult<Record> {
        let connection = &self.0;
        let saved = connection.call(py, |db| async move {
            let parents: Vec<Handle<ULabel>> = handles(&new.parents, &db, connection)?;
            let mut ulabel = db.ulabel(new.name).is_type(new.is_type);
            given!(ulabel, new: description, reference, reference_type);
            ulabel = parents
                .iter()
                .fold(ulabel, |ulabel, parent| ulabel.parent(parent));
            ulabel.save().await
        })?;
        Ok(self.record(saved))
    }

    fn add_storage(&self, py: Python<'_>, root: PathBuf) -> PyResult<Record> {
        let call = |db: anndex::Instance| async move { db.add_storage(root).await };
        Ok(self.record(self.0.call(py, call)?))
    }

    fn current_run(&self, py: Python<'_>) -> PyResult<Option<Record>> {
        let call = |db: anndex::Instance| async move { db.current_run() };
        Ok(self.0.call(py, call)?.map(|run| self.record(run)))
    }

    fn set_current_run(&self, py: Python<'_>, run: Option<Py<Record>>) -> PyResult<()> {
        let connection = &self.0;
        connection.call(py, |db| async move {
            let run = run
                .map(|run| run.get().handle(&db, connection))
                .transpose()?;
            db.set_current_run(run.as_ref())
        })
    }

    /// Ends the current run.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.0.call(py, |db| async move { db.finish().await })
    }
}

/// What a record is found by.
#[derive(FromPyObject)]
enum IdArgument {
    Id(i64),
    Uid(String),
}

impl From<IdArgument> for IdLike {
    fn from(argument: IdArgument) -> Self {
        match argument {
            IdArgument::Id(id) => id.into(),
            IdArgument::Uid(uid) => uid.into(),
        }
    }
}

fn options(user: Option<String>, user_name: Option<String>) -> InstanceOptions {
    let mut options = InstanceOptions::new();
    options.user_handle = user;
    options.user_name = user_name;
    options
}

/// Refuses records of other instances.
pub(crate) fn check_same(one: &Arc<Connection>, other: &Arc<Connection>, uid: &str) -> Result<()> {
    if one.location() == other.location() {
        return Ok(());
    }
    Err(Error::invalid_input("the record is of another instance").with("uid", uid))
}
