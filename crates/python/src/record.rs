//! The class behind the records in Python: one record as it was read, and what it can do.

use std::path::PathBuf;
use std::sync::Arc;

use anndex::{
    CacheProgress, Data, Handle, InstanceOptions, IsVersioned, Registry, TransferBars, connect_with,
};
use anndex_core::record::{self, Artifact, Collection, Feature, Kind, RecordData};
use anndex_core::{Error, Result};
use pyo3::prelude::*;

use crate::argument::OptionsArgument;
use crate::connection::Connection;
use crate::error::exception;
use crate::field::{ValueArgument, field, is_known, to_python};
use crate::instance::check_same;
use crate::lineage::Lineage;
use crate::mapped::Mapped;
use crate::new_record::{RunArgument, run_choice};

/// A saved record. It never changes; what changes a record gives a new one.
#[pyclass(frozen, module = "anndex._anndex")]
pub(crate) struct Record {
    connection: Arc<Connection>,
    record: record::Record,
}

/// Does the same for a kind that is known at run time only.
macro_rules! each_kind {
    ($kind:expr, $R:ident => $work:expr) => {
        $crate::record::each_kind!(@ $kind, $R => $work;
            User Storage Transform Run Artifact Collection ULabel FeatureSet)
    };
    (@ $kind:expr, $R:ident => $work:expr; $($name:ident)*) => {
        match $kind {
            $(anndex_core::record::Kind::$name => {
                type $R = anndex_core::record::$name;
                $work
            })*
        }
    };
}

/// The same for the kinds that can do something; for others it is an error.
macro_rules! some_kinds {
    ($what:literal, $kind:expr, $R:ident in [$($name:ident)*] => $work:expr) => {
        match $kind {
            $(record::Kind::$name => {
                type $R = record::$name;
                $work
            })*
            other => Err(Error::invalid_input(format!(
                concat!("{} has no ", $what),
                other.with_article()
            ))),
        }
    };
}

pub(crate) use each_kind;

impl Record {
    pub(crate) fn new(connection: &Arc<Connection>, record: record::Record) -> Self {
        Self {
            connection: connection.clone(),
            record,
        }
    }

    /// What it was read with.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn record(&self) -> &record::Record {
        &self.record
    }

    /// The record in an instance that is open.
    ///
    /// # Errors
    /// `InvalidInput` if it is of another kind or instance.
    pub(crate) fn handle<R: Registry>(
        &self,
        db: &anndex::Instance,
        connection: &Arc<Connection>,
    ) -> Result<Handle<R>> {
        check_same(&self.connection, connection, self.record.uid())?;
        self.own(db)
    }

    fn own<R: Registry>(&self, db: &anndex::Instance) -> Result<Handle<R>> {
        db.attach(R::from_record(self.record.clone())?)
    }

    fn with(&self, record: record::Record) -> Self {
        Self::new(&self.connection, record)
    }
}

#[pymethods]
impl Record {
    /// The kind and uid, and the name where there is one.
    fn label(&self) -> String {
        each_kind!(self.record.kind(), R => {
            R::from_record(self.record.clone()).map_or_else(|e| e.to_string(), |r| r.label())
        })
    }

    #[getter]
    fn location(&self) -> String {
        self.connection.shown_location()
    }

    fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let value = field(self.record.kind(), name).map(|field| self.record.get(field));
        let value = value.map_err(|error| exception(py, &error))?;
        to_python(py, value.unwrap_or(record::Value::Null))
    }

    /// The times that Python does not know, by their fields, as text.
    fn unknown_times(&self) -> Vec<(&'static str, String)> {
        let fields = self.record.kind().fields().iter();
        let times = fields.filter_map(|info| match self.record.get(info.field) {
            Some(record::Value::Time(time)) if !is_known(&time) => {
                Some((info.field.name(), time.to_string()))
            }
            _ => None,
        });
        times.collect()
    }

    fn stem_uid(&self, py: Python<'_>) -> PyResult<String> {
        some_kinds!("stem_uid", self.record.kind(), R in [Transform Artifact Collection] => {
            R::from_record(self.record.clone()).map(|r| r.stem_uid().to_owned())
        })
        .map_err(|error| exception(py, &error))
    }

    /// Reads the record again.
    fn refresh(&self, py: Python<'_>) -> PyResult<Self> {
        let fresh = self.connection.call(py, |db| async move {
            each_kind!(self.record.kind(), R => {
                let mut handle: Handle<R> = self.own(&db)?;
                handle.refresh().await?;
                Ok(record::Record::from(handle))
            })
        })?;
        Ok(self.with(fresh))
    }

    /// Writes changed fields.
    fn update(
        &self,
        py: Python<'_>,
        changes: Vec<(String, Option<ValueArgument>)>,
    ) -> PyResult<Self> {
        let mut record = self.record.clone();
        for (name, value) in changes {
            let set = field(record.kind(), &name).and_then(|one| record.set(one, value.into()));
            set.map_err(|error| exception(py, &error.with("uid", self.record.uid())))?;
        }
        let saved = self.connection.call(py, |db| async move {
            each_kind!(record.kind(), R => {
                let mut handle: Handle<R> = self.own(&db)?;
                *handle = R::from_record(record)?;
                handle.save().await?;
                Ok(record::Record::from(handle))
            })
        })?;
        Ok(self.with(saved))
    }

    /// Moves the record to the trash, which gives it as it is there, or removes it.
    fn delete(&self, py: Python<'_>, permanent: Option<bool>) -> PyResult<Option<Self>> {
        let deleted = self.connection.call(py, |db| async move {
            each_kind!(self.record.kind(), R => {
                let mut handle: Handle<R> = self.own(&db)?;
                handle.delete(permanent).await?;
                Ok(record::Record::from(handle))
            })
        })?;
        Ok((permanent != Some(true)).then(|| self.with(deleted)))
    }

    fn restore(&self, py: Python<'_>) -> PyResult<Self> {
        let restored = self.connection.call(py, |db| async move {
            each_kind!(self.record.kind(), R => {
                let mut handle: Handle<R> = self.own(&db)?;
                handle.restore().await?;
                Ok(record::Record::from(handle))
            })
        })?;
        Ok(self.with(restored))
    }

    /// The version that a new version would have, and that this one's family would then get.
    fn next_version(
        &self,
        py: Python<'_>,
        given: Option<String>,
    ) -> PyResult<(String, Option<String>)> {
        let next = self.connection.call(py, |db| async move {
            some_kinds!("version", self.record.kind(), R in [Transform Artifact Collection] => {
                let handle: Handle<R> = self.own(&db)?;
                handle.next_version(given.as_deref()).await
            })
        })?;
        Ok((next.version, next.newest))
    }

    /// The local path of an artifact.
    fn path(&self, py: Python<'_>) -> PyResult<PathBuf> {
        self.connection.call(py, |db| async move {
            let artifact: Handle<Artifact> = self.own(&db)?;
            artifact.path().await
        })
    }

    /// The URL of an artifact; None if it is in a local storage.
    fn url(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.connection.call(py, |db| async move {
            let artifact: Handle<Artifact> = self.own(&db)?;
            Ok(artifact.url().await?.map(|url| url.to_string()))
        })
    }

    /// Maps the artifacts of a collection, all of which must be AnnData.
    fn mapped(&self, py: Python<'_>, options: OptionsArgument, stream: bool) -> PyResult<Mapped> {
        let options = options.into_options();
        let options = options
            .map_err(|error| exception(py, &error))?
            .stream(stream);
        let located = self.connection.call(py, |db| async move {
            let collection: Handle<Collection> = self.own(&db)?;
            let mapped = collection.mapped().options(options);
            // Python tells the run, once it is open.
            mapped.is_run_input(false).locate().await
        })?;
        Mapped::located(py, &located)
    }

    /// The local paths of an artifact or of a collection's artifacts, after what is at URLs was
    /// brought here.
    fn cache(
        &self,
        py: Python<'_>,
        is_run_input: Option<RunArgument>,
        progress: bool,
    ) -> PyResult<Vec<PathBuf>> {
        self.connection.call(py, |db| async move {
            let is_run_input = run_choice(is_run_input, &db, &self.connection)?;
            let bars = TransferBars::new(progress);
            let show = move |progress: &CacheProgress<'_>| bars.show(progress);
            if self.record.kind() == Kind::Artifact {
                let artifact: Handle<Artifact> = self.own(&db)?;
                let cache = artifact.cache().is_run_input(is_run_input);
                Ok(vec![cache.progress(show).path().await?])
            } else {
                let collection: Handle<Collection> = self.own(&db)?;
                let cache = collection.cache().is_run_input(is_run_input);
                cache.progress(show).paths().await
            }
        })
    }

    fn track_input(&self, py: Python<'_>, is_run_input: Option<RunArgument>) -> PyResult<()> {
        self.connection.call(py, |db| async move {
            let is_run_input = run_choice(is_run_input, &db, &self.connection)?;
            some_kinds!("input", self.record.kind(), R in [Artifact Collection] => {
                let handle: Handle<R> = self.own(&db)?;
                handle.track_input(is_run_input).await
            })
        })
    }

    /// Copies a dataset, with all that it stands on, into the instance at another location.
    fn save_using(&self, py: Python<'_>, location: PathBuf) -> PyResult<()> {
        self.connection.call(py, |db| async move {
            let options = InstanceOptions::new().user_handle(db.user().handle.clone());
            let using = connect_with(&location, options).await?;
            let copied = some_kinds!("copy", self.record.kind(), R in [Artifact Collection] => {
                self.own::<R>(&db)?.save_using(&using).await.map(drop)
            });
            let closed = using.close().await;
            copied.and(closed)
        })
    }

    /// A page of text about a dataset.
    fn describe(&self, py: Python<'_>) -> PyResult<String> {
        self.connection.call(py, |db| async move {
            some_kinds!("description", self.record.kind(), R in [Artifact Collection] => {
                let handle: Handle<R> = self.own(&db)?;
                handle.describe().await
            })
        })
    }

    /// Where a dataset comes from, and what was made of it.
    fn view_lineage(&self, py: Python<'_>, children: bool, limit: usize) -> PyResult<Lineage> {
        let graph = self.connection.call(py, |db| async move {
            some_kinds!("lineage", self.record.kind(), R in [Artifact Collection] => {
                let handle: Handle<R> = self.own(&db)?;
                handle.view_lineage().with_children(children).limit(limit).read().await
            })
        });
        graph.map(Lineage)
    }

    /// Adds labels to a dataset, or takes them away.
    fn change_ulabels(&self, py: Python<'_>, ulabels: Vec<Py<Self>>, add: bool) -> PyResult<()> {
        self.connection.call(py, |db| async move {
            some_kinds!("label", self.record.kind(), R in [Artifact Collection] => {
                let handle: Handle<R> = self.own(&db)?;
                let ulabels = ulabels.iter().map(|one| one.get().handle(&db, &self.connection));
                let ulabels = ulabels.collect::<Result<Vec<_>>>()?;
                if add {
                    handle.add_ulabels(&ulabels).await
                } else {
                    handle.remove_ulabels(&ulabels).await
                }
            })
        })
    }

    /// Says which features, each with its dtype, a slot of a dataset has.
    fn set_features(
        &self,
        py: Python<'_>,
        slot: String,
        features: Vec<(String, Option<String>)>,
    ) -> PyResult<()> {
        let features = features.into_iter();
        let features = features
            .map(|(name, dtype)| Feature { name, dtype })
            .collect();
        self.connection.call(py, |db| async move {
            some_kinds!("feature", self.record.kind(), R in [Artifact Collection] => {
                let handle: Handle<R> = self.own(&db)?;
                handle.set_features(&slot, features).await
            })
        })
    }

    /// Reads the features of a dataset from its files, and keeps them.
    fn compute_features(&self, py: Python<'_>) -> PyResult<()> {
        self.connection.call(py, |db| async move {
            some_kinds!("feature", self.record.kind(), R in [Artifact Collection] => {
                let handle: Handle<R> = self.own(&db)?;
                handle.compute_features().await.map(|_| ())
            })
        })
    }

    /// The feature sets of a dataset, each with its slot.
    fn feature_slots(&self, py: Python<'_>) -> PyResult<Vec<(String, Self)>> {
        let slots = self.connection.call(py, |db| async move {
            some_kinds!("feature", self.record.kind(), R in [Artifact Collection] => {
                slots(self.own::<R>(&db)?).await
            })
        })?;
        let slots = slots.into_iter();
        Ok(slots.map(|(slot, set)| (slot, self.with(set))).collect())
    }
}

async fn slots<D: Data>(data: Handle<D>) -> Result<Vec<(String, record::Record)>> {
    let slots = data.feature_sets().await?.into_iter();
    Ok(slots.map(|(slot, set)| (slot, set.into())).collect())
}
