//! Making transforms, runs and labels.

use super::handle::{Handle, same_instance};
use super::retry::retry;
use super::{Instance, check_name, versioned};
use crate::backend::{ChangeSet, Filter, Query};
use crate::error::Result;
use crate::record::{Field, LinkKind, RecordData, Run, Transform, ULabel, Visibility, now};
use crate::registry::{Registry, hash, key, uid};

/// A transform that is about to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing is made before save is called"]
pub struct TransformBuilder {
    db: Instance,
    transform: Transform,
    version: Option<String>,
    is_new_version_of: Option<Handle<Transform>>,
}

/// A run that is about to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing is made before save is called"]
pub struct RunBuilder {
    db: Instance,
    transform: Handle<Transform>,
    run: Run,
}

/// A label that is about to be made.
#[derive(Debug, Clone)]
#[must_use = "nothing is made before save is called"]
pub struct ULabelBuilder {
    db: Instance,
    ulabel: ULabel,
    parents: Vec<Handle<ULabel>>,
}

impl Instance {
    /// Starts to make a transform of type `"script"`.
    pub fn transform(&self, name: impl Into<String>) -> TransformBuilder {
        TransformBuilder {
            db: self.clone(),
            transform: Transform {
                name: Some(name.into()),
                type_: "script".to_owned(),
                ..Transform::default()
            },
            version: None,
            is_new_version_of: None,
        }
    }

    /// Starts to make a run of a transform, which does not become the current one; see
    /// [`Instance::track`] for that.
    pub fn run_of(&self, transform: &Handle<Transform>) -> RunBuilder {
        RunBuilder {
            transform: transform.clone(),
            run: Run::default(),
            db: self.clone(),
        }
    }

    /// Starts to make a label.
    pub fn ulabel(&self, name: impl Into<String>) -> ULabelBuilder {
        ULabelBuilder {
            db: self.clone(),
            ulabel: ULabel {
                name: name.into(),
                ..ULabel::default()
            },
            parents: Vec::new(),
        }
    }
}

impl TransformBuilder {
    /// A path-like name, such as `"pipelines/preprocess.py"`.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.transform.key = Some(key.into());
        self
    }

    /// `"script"`, `"notebook"`, `"pipeline"`, `"function"`, ...
    pub fn type_(mut self, type_: impl Into<String>) -> Self {
        self.transform.type_ = type_.into();
        self
    }

    /// A description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.transform.description = Some(description.into());
        self
    }

    /// The source code, of which the hash is kept too.
    pub fn source_code(mut self, source_code: impl Into<String>) -> Self {
        let source_code = source_code.into();
        self.transform.hash = Some(hash::hash_bytes(source_code.as_bytes()));
        self.transform.source_code = Some(source_code);
        self
    }

    /// A reference such as a URL or a commit.
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.transform.reference = Some(reference.into());
        self
    }

    /// The type of the reference, such as `"url"`.
    pub fn reference_type(mut self, reference_type: impl Into<String>) -> Self {
        self.transform.reference_type = Some(reference_type.into());
        self
    }

    /// The version, at most 30 characters.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Makes it a new version of another transform, which may be any version of its family.
    pub fn is_new_version_of(mut self, old: &Handle<Transform>) -> Self {
        self.is_new_version_of = Some(old.clone());
        self
    }

    /// Makes the transform. One that is there already, not in the trash, with the same name, key,
    /// type, source code and version is given back, unless this is a new version.
    ///
    /// # Errors
    /// `InvalidInput` if the key is unfit, if a version must be given, or if the old version is of
    /// another instance; `AlreadyExists` if the version is taken, or the key by another transform of
    /// this version; `Backend` if the database fails.
    pub async fn save(self) -> Result<Handle<Transform>> {
        self.save_checked()
            .await
            .map_err(|e| e.operation("save transform"))
    }

    async fn save_checked(self) -> Result<Handle<Transform>> {
        let db = &self.db;
        same_instance(db, &self.is_new_version_of)?;
        if let Some(key) = &self.transform.key {
            key::check(key)?;
        }
        retry!(async {
            let mut changes = ChangeSet::new();
            if self.is_new_version_of.is_none() {
                let same = self.same();
                let query = Query::new(Transform::KIND).filter(same.clone());
                if let Some(known) = db.select::<Transform>(&query).await?.pop() {
                    return Handle::new(db, known);
                }
                changes.require_none(Transform::KIND, same);
            }
            let base = self.is_new_version_of.as_ref().map(Handle::id);
            let given = self.version.as_deref();
            let place = versioned::place::<Transform>(db, base, given, &mut changes).await?;
            let mut transform = Transform {
                uid: place.uid.clone(),
                version: place.version.clone(),
                created_by_id: db.user().id,
                created_at: now(),
                updated_at: now(),
                ..self.transform.clone()
            };
            place.inherit(&mut transform)?;
            // Versions of a family have one key, and each its own version already.
            let family = place.base.as_ref().and_then(|base| base.key.as_ref());
            if family.is_none() || family != transform.key.as_ref() {
                versioned::require_own_key(db, &transform, &mut changes).await?;
            }
            let new = changes.insert(transform.clone());
            transform.id = Some(db.backend().apply(&changes).await?.id(new)?);
            Handle::made(db, transform)
        })
    }

    fn same(&self) -> Filter {
        let transform = &self.transform;
        let same = Filter::eq(Field::Name, transform.name.clone())
            .and(Filter::eq(Field::Key, transform.key.clone()))
            .and(Filter::eq(Field::Type, transform.type_.as_str()))
            .and(Filter::eq(Field::Hash, transform.hash.clone()))
            .and(Filter::ne(Field::Visibility, Visibility::Trash));
        Filter::All(vec![
            same,
            match &self.version {
                Some(version) => Filter::eq(Field::Version, version.as_str()),
                None => Filter::everything(),
            },
        ])
    }
}

impl RunBuilder {
    /// A name or title.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.run.name = Some(name.into());
        self
    }

    /// A reference such as a URL or a job id.
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.run.reference = Some(reference.into());
        self
    }

    /// The type of the reference, such as `"url"`.
    pub fn reference_type(mut self, reference_type: impl Into<String>) -> Self {
        self.run.reference_type = Some(reference_type.into());
        self
    }

    /// Makes the run, which starts now.
    ///
    /// # Errors
    /// `InvalidInput` if the transform is of another instance; `Backend` if the database fails.
    pub async fn save(self) -> Result<Handle<Run>> {
        let db = &self.db;
        same_instance(db, [&self.transform])?;
        let mut run = Run {
            uid: uid::random(Run::UID_LENGTH),
            transform_id: self.transform.id(),
            started_at: now(),
            created_by_id: db.user().id,
            created_at: now(),
            updated_at: now(),
            ..self.run
        };
        let mut changes = ChangeSet::new();
        let new = changes.insert(run.clone());
        run.id = Some(db.backend().apply(&changes).await?.id(new)?);
        Handle::made(db, run)
    }
}

impl ULabelBuilder {
    /// A description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.ulabel.description = Some(description.into());
        self
    }

    /// A reference such as a URL or an external id.
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.ulabel.reference = Some(reference.into());
        self
    }

    /// The type of the reference, such as `"url"`.
    pub fn reference_type(mut self, reference_type: impl Into<String>) -> Self {
        self.ulabel.reference_type = Some(reference_type.into());
        self
    }

    /// Makes it a type of labels rather than a label.
    pub fn is_type(mut self, is_type: bool) -> Self {
        self.ulabel.is_type = is_type;
        self
    }

    /// A label that is more general.
    pub fn parent(mut self, parent: &Handle<ULabel>) -> Self {
        self.parents.push(parent.clone());
        self
    }

    /// Makes the label. One of the same name that is there already, not in the trash, is given
    /// back.
    ///
    /// # Errors
    /// `InvalidInput` if the name is empty or a parent is of another instance; `Backend` if the
    /// database fails.
    pub async fn save(self) -> Result<Handle<ULabel>> {
        self.save_checked()
            .await
            .map_err(|e| e.operation("save label"))
    }

    async fn save_checked(self) -> Result<Handle<ULabel>> {
        let db = &self.db;
        same_instance(db, &self.parents)?;
        check_name(ULabel::KIND, &self.ulabel.name)?;
        let same = Filter::eq(Field::Name, self.ulabel.name.as_str())
            .and(Filter::ne(Field::Visibility, Visibility::Trash));
        retry!(async {
            let query = Query::new(ULabel::KIND).filter(same.clone());
            if let Some(known) = db.select::<ULabel>(&query).await?.pop() {
                return Handle::new(db, known);
            }
            let mut ulabel = ULabel {
                uid: uid::random(ULabel::UID_LENGTH),
                run_id: db.current().and_then(|run| run.id),
                created_by_id: db.user().id,
                created_at: now(),
                updated_at: now(),
                ..self.ulabel.clone()
            };
            let mut changes = ChangeSet::new();
            changes.require_none(ULabel::KIND, same.clone());
            let new = changes.insert(ulabel.clone());
            for parent in &self.parents {
                changes.link(LinkKind::ULabelParent, new, parent.id());
            }
            ulabel.id = Some(db.backend().apply(&changes).await?.id(new)?);
            Handle::made(db, ulabel)
        })
    }
}
