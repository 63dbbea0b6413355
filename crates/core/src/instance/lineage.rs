//! Lineage: the current run, its inputs, and the parents that its transform gets from them.

use std::collections::BTreeSet;

use super::Instance;
use super::handle::{Handle, handles};
use super::retry::retry;
use crate::backend::{ChangeSet, Filter, LinkQuery, Query, Relation};
use crate::error::{Error, Result};
use crate::record::{
    Artifact, Collection, Field, Id, Kind, LinkKind, RecordData, Run, Transform, Value, now,
};
use crate::registry::{Data, Registry};

/// The run that something belongs to: as its output, or as its input (`is_run_input`).
#[derive(Debug, Clone, Default)]
pub enum RunChoice {
    /// The current run, if there is one.
    #[default]
    Current,
    /// No run.
    No,
    /// The current run; having none is an error.
    Yes,
    /// This run.
    Run(Box<Handle<Run>>),
}

impl From<bool> for RunChoice {
    fn from(belongs: bool) -> Self {
        if belongs { Self::Yes } else { Self::No }
    }
}

impl From<Option<bool>> for RunChoice {
    fn from(belongs: Option<bool>) -> Self {
        belongs.map_or(Self::Current, Self::from)
    }
}

impl From<&Handle<Run>> for RunChoice {
    fn from(run: &Handle<Run>) -> Self {
        Self::Run(Box::new(run.clone()))
    }
}

impl RunChoice {
    /// The run that it means in an instance, if it means one.
    ///
    /// # Errors
    /// `InvalidInput` if a run must be going on but none is, or if it is of another instance.
    pub fn resolve(&self, db: &Instance) -> Result<Option<Run>> {
        match self {
            Self::No => Ok(None),
            Self::Current => Ok(db.current()),
            Self::Yes => db.current().map(Some).ok_or_else(|| {
                Error::invalid_input(
                    "a run is asked for, but none is going on; call track first or name a run",
                )
            }),
            Self::Run(run) if run.instance().same_as(db) => Ok(Some(run.record().clone())),
            Self::Run(run) => {
                Err(Error::invalid_input("the run is of another instance").with("uid", run.uid()))
            }
        }
    }
}

impl Instance {
    /// Starts a run of a transform and makes it the current one: from now on what is created has
    /// it as its run, and what is read becomes its input.
    ///
    /// # Errors
    /// `InvalidInput` if the transform is of another instance, `Backend` if the database fails.
    pub async fn track(&self, transform: &Handle<Transform>) -> Result<Handle<Run>> {
        let run = self.run_of(transform).save().await?;
        self.set_current(Some(run.record().clone()));
        Ok(run)
    }

    /// The current run.
    ///
    /// # Errors
    /// `Backend` if the database gave it no id, which does not happen.
    pub fn current_run(&self) -> Result<Option<Handle<Run>>> {
        self.current().map(|run| Handle::new(self, run)).transpose()
    }

    /// Makes an existing run the current one, or none.
    ///
    /// # Errors
    /// `InvalidInput` if the run is of another instance.
    pub fn set_current_run(&self, run: Option<&Handle<Run>>) -> Result<()> {
        let run = match run {
            Some(run) => RunChoice::from(run).resolve(self)?,
            None => None,
        };
        self.set_current(run);
        Ok(())
    }

    /// Ends the current run and notes the time; there is none afterwards. Without a current run
    /// nothing happens.
    ///
    /// # Errors
    /// `NotFound` if the run was deleted meanwhile, `Backend` if the database fails.
    pub async fn finish(&self) -> Result<()> {
        let Some(run) = self.current_run()? else {
            return Ok(());
        };
        self.finish_run(&run).await?;
        self.set_current(None);
        Ok(())
    }

    /// Notes the time as that at which a run ended.
    pub(super) async fn finish_run(&self, run: &Handle<Run>) -> Result<()> {
        run.fresh().await?;
        let mut changes = ChangeSet::new();
        let now = Value::from(now());
        let set = vec![(Field::FinishedAt, now.clone()), (Field::UpdatedAt, now)];
        changes.update(Kind::Run, run.id(), set);
        self.backend().apply(&changes).await?;
        Ok(())
    }

    /// Links datasets as inputs of a run.
    async fn track_inputs<D: Data>(&self, datasets: &[D], is_run_input: &RunChoice) -> Result<()> {
        let Some(run) = is_run_input.resolve(self)? else {
            return Ok(());
        };
        retry!(async {
            let mut changes = ChangeSet::new();
            link_inputs(self, &run, datasets, &mut changes).await?;
            if !changes.is_empty() {
                self.backend().apply(&changes).await?;
            }
            Ok(())
        })
    }
}

/// Adds to a change set that a run reads datasets. What the run made itself, now or before, is
/// left out, and so is what is linked already. The transforms of the others become parents of the
/// run's transform.
pub(super) async fn link_inputs<D: Data>(
    db: &Instance,
    run: &Run,
    datasets: &[D],
    changes: &mut ChangeSet,
) -> Result<()> {
    let Some(run_id) = run.id else {
        return Ok(());
    };
    let made_before = LinkQuery::of_target(D::PREVIOUS_RUNS, run_id);
    let made_before = db.backend().links(&made_before).await?;
    let linked = LinkQuery::of_source(D::INPUT_OF, run_id);
    let linked = db.backend().links(&linked).await?;
    let skip: BTreeSet<Id> = made_before
        .iter()
        .map(|link| link.source)
        .chain(linked.iter().map(|link| link.target))
        .collect();
    let mut runs = BTreeSet::new();
    for dataset in datasets {
        let Some(id) = dataset.id() else { continue };
        if dataset.run_id() == Some(run_id) || skip.contains(&id) {
            continue;
        }
        changes.link(D::INPUT_OF, run_id, id);
        runs.extend(dataset.run_id());
    }
    if runs.is_empty() {
        return Ok(());
    }
    let made_by = Query::new(Kind::Run).filter(Filter::is_in(Field::Id, runs));
    let made_by = db.select::<Run>(&made_by).await?;
    let parents: BTreeSet<Id> = made_by.iter().map(|run| run.transform_id).collect();
    for parent in parents {
        if parent != run.transform_id {
            changes.link(LinkKind::TransformParent, run.transform_id, parent);
        }
    }
    Ok(())
}

impl<D: Data> Handle<D> {
    /// Makes the dataset an input of a run: the current one if there is one, none for `false`,
    /// the current one or an error for `true`, or the run given. What a run made is never its
    /// input.
    ///
    /// # Errors
    /// `InvalidInput` if it must be an input but no run is going on, or if the run is of another
    /// instance; `Backend` if the database fails.
    pub async fn track_input(&self, is_run_input: impl Into<RunChoice>) -> Result<()> {
        let is_run_input = is_run_input.into();
        self.db
            .track_inputs(std::slice::from_ref(self.record()), &is_run_input)
            .await
            .map_err(|e| e.operation("track input"))
    }

    /// The run that created the dataset.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn run(&self) -> Result<Option<Handle<Run>>> {
        self.referenced(self.run_id()).await
    }

    /// The transform whose run created the dataset.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn transform(&self) -> Result<Option<Handle<Transform>>> {
        match self.run().await? {
            Some(run) => run.transform().await.map(Some),
            None => Ok(None),
        }
    }

    /// The runs that created or updated the dataset before its present run, the first one first.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn previous_runs(&self) -> Result<Vec<Handle<Run>>> {
        self.linked_in_order(D::PREVIOUS_RUNS).await
    }

    /// The runs that read the dataset.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn input_of(&self) -> Result<Vec<Handle<Run>>> {
        self.related(Relation::Sources(D::INPUT_OF)).await
    }
}

impl<R: Registry> Handle<R> {
    /// The targets of an ordered link, in its order, whatever their visibility.
    pub(super) async fn linked_in_order<T: Registry>(
        &self,
        link: LinkKind,
    ) -> Result<Vec<Handle<T>>> {
        let source = self.id;
        let linked = Filter::related(Relation::Sources(link), Filter::eq(Field::Id, source));
        let query = Query::new(T::KIND)
            .filter(linked)
            .order(crate::backend::OrderBy::Position { link, source }, false);
        handles(&self.db, self.db.select(&query).await?)
    }
}

impl Handle<Run> {
    /// The transform that was run.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn transform(&self) -> Result<Handle<Transform>> {
        let transform = self.referenced(Some(self.transform_id)).await?;
        transform.ok_or_else(|| Error::not_found("the transform of the run is gone"))
    }

    /// The artifacts that the run reads.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn input_artifacts(&self) -> Result<Vec<Handle<Artifact>>> {
        self.related(Relation::Targets(LinkKind::RunInputArtifact))
            .await
    }

    /// The collections that the run reads.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn input_collections(&self) -> Result<Vec<Handle<Collection>>> {
        self.related(Relation::Targets(LinkKind::RunInputCollection))
            .await
    }

    /// The artifacts that the run created.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn output_artifacts(&self) -> Result<Vec<Handle<Artifact>>> {
        self.related(Relation::ReferencedBy(Kind::Artifact, Field::Run))
            .await
    }

    /// The collections that the run created.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn output_collections(&self) -> Result<Vec<Handle<Collection>>> {
        self.related(Relation::ReferencedBy(Kind::Collection, Field::Run))
            .await
    }
}

impl Handle<Transform> {
    /// The runs of the transform.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn runs(&self) -> Result<Vec<Handle<Run>>> {
        self.related(Relation::ReferencedBy(Kind::Run, Field::Transform))
            .await
    }

    /// The transforms whose outputs it reads.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub async fn parents(&self) -> Result<Vec<Handle<Transform>>> {
        self.related(Relation::Targets(LinkKind::TransformParent))
            .await
    }
}
