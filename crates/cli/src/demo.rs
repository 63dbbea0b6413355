//! `anndex demo`: the whole story in a temporary instance, each step with a line that explains it.

mod files;
mod mapping;
mod random;
mod simulate;
mod story;
mod survey;
mod versions;

use std::path::{Path, PathBuf};

use anndex::{Artifact, Collection, Error, Handle, Instance, InstanceOptions, Result};
use clap::Args;

use self::story::Story;
use self::survey::{FileSurvey, obs_key};
use crate::command::artifact::table as artifact_table;
use crate::command::collection::table as collection_table;
use crate::session::Session;

/// Tell the whole story in a temporary instance: register, collect, map, version, trash, lineage
///
/// Without files it first writes a small simulated collection of blood cells. Files that are
/// given are only read, where they are. Nothing is left behind.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// AnnData files to use instead of simulated ones
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

const NAME: &str = "My collection";

pub(crate) async fn run(session: &Session, arguments: Demo) -> Result<()> {
    let directory = tempfile::Builder::new()
        .prefix("anndex-demo-")
        .tempdir()
        .map_err(|e| Error::io("temporary directory", e))?;
    let cells = directory.path().join("cells");
    std::fs::create_dir(&cells).map_err(|e| Error::io(cells.display(), e))?;
    let story = Story::new(&session.output);
    let tale = Tale {
        session,
        story: &story,
        cells: &cells,
        simulated: arguments.files.is_empty(),
    };
    tale.tell(&arguments.files).await?;
    story.end()?;
    directory
        .close()
        .map_err(|e| Error::io("temporary directory", e))
}

/// What all steps of the demo work with.
struct Tale<'a> {
    session: &'a Session,
    story: &'a Story<'a>,
    /// The directory of the temporary instance.
    cells: &'a Path,
    simulated: bool,
}

impl Tale<'_> {
    async fn tell(&self, files: &[PathBuf]) -> Result<()> {
        let files = match self.simulated {
            true => self.simulate()?,
            false => self.look_at(files)?,
        };
        let db = self.init(&files).await?;
        let told = self.tell_in(&db, &files).await;
        told.and(db.close().await)?;
        self.farewell()
    }

    async fn tell_in(&self, db: &Instance, files: &[FileSurvey]) -> Result<()> {
        let next = || self.session.interrupt.check();
        next()?;
        let artifacts = self.register(db, files).await?;
        next()?;
        self.register_again(db, files).await?;
        let (mapped, left_out): (Vec<_>, Vec<_>) = files
            .iter()
            .zip(&artifacts)
            .partition(|(file, _)| file.has_x());
        let used = match mapped.is_empty() {
            true => &left_out,
            false => &mapped,
        };
        let mut held: Vec<Handle<Artifact>> = Vec::new();
        for (_, artifact) in used {
            // Two files of the same content are one artifact.
            if held.iter().all(|other| other.uid != artifact.uid) {
                held.push((*artifact).clone());
            }
        }
        next()?;
        let first = self.collect(db, &held).await?;
        next()?;
        if mapped.is_empty() {
            self.no_matrix()?;
        } else {
            let surveys: Vec<&FileSurvey> = mapped.iter().map(|(file, _)| *file).collect();
            self.map(&first, obs_key(&surveys).as_deref()).await?;
        }
        next()?;
        let second = self.new_version(db, &first, &held).await?;
        next()?;
        self.trash(db, second).await?;
        next()?;
        self.lineage(db).await
    }

    async fn init(&self, files: &[FileSurvey]) -> Result<Instance> {
        self.story.step(
            "An instance",
            "A directory with a registry (SQLite) in .anndex/; it is removed when the demo ends.",
        )?;
        self.story.command("anndex init cells")?;
        let db = anndex::init_with(self.cells, InstanceOptions::new()).await?;
        for file in files.iter().filter(|_| !self.simulated) {
            let path = file.path.canonicalize();
            let path = path.map_err(|e| Error::io(file.path.display(), e))?;
            // Makes the files register in place instead of being copied. Writes nothing there.
            if let Some(parent) = path.parent() {
                db.add_storage(parent).await?;
            }
        }
        self.story
            .good(&format!("ready; you are {}", db.user().handle))?;
        Ok(db)
    }

    async fn register(&self, db: &Instance, files: &[FileSurvey]) -> Result<Vec<Handle<Artifact>>> {
        self.story.step(
            "Register the files as artifacts",
            "An artifact is one immutable file or directory, known by the hash of its content.",
        )?;
        let names: Vec<_> = files.iter().map(FileSurvey::name).collect();
        self.story
            .command(&format!("anndex artifact add {}", names.join(" ")))?;
        let mut artifacts: Vec<Handle<Artifact>> = Vec::new();
        for file in files {
            self.session.interrupt.check()?;
            artifacts.push(db.artifact(&file.path).save().await?);
        }
        self.story.table(&artifact_table(&artifacts))?;
        Ok(artifacts)
    }

    async fn register_again(&self, db: &Instance, files: &[FileSurvey]) -> Result<()> {
        let Some(file) = files.first() else {
            return Ok(());
        };
        self.story.step(
            "Known content is recognised",
            "Registering the same content again gives the artifact that is there, under any name.",
        )?;
        let path = match self.simulated {
            true => {
                let copy = self.cells.join("copy_of_donor_1.h5ad");
                std::fs::copy(&file.path, &copy).map_err(|e| Error::io(copy.display(), e))?;
                copy
            }
            false => file.path.clone(),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = crate::output::plain(&name);
        self.story.command(&format!("anndex artifact add {name}"))?;
        let known = db.artifact(&path).save().await?;
        let key = known.key.clone().unwrap_or_default();
        self.story.good(&format!(
            "{name} is {} ({})",
            known.uid,
            crate::output::plain(&key)
        ))
    }

    async fn collect(
        &self,
        db: &Instance,
        artifacts: &[Handle<Artifact>],
    ) -> Result<Handle<Collection>> {
        self.story.step(
            "A collection, version 1",
            "An ordered, versioned list of artifacts; nothing is copied.",
        )?;
        self.story.command(&format!(
            "anndex collection create \"{NAME}\" UID... --version 1"
        ))?;
        let collection = db
            .collection(artifacts)
            .name(NAME)
            .version("1")
            .save()
            .await?;
        self.story
            .table(&collection_table(std::slice::from_ref(&collection)))?;
        Ok(collection)
    }

    fn no_matrix(&self) -> Result<()> {
        self.story.step(
            "Mapping",
            "A mapped collection reads many files as one dataset, indexed by cell.",
        )?;
        self.story.warning(
            "none of these files has an X, so this step is left out; `anndex inspect FILE` shows \
             what else can be mapped",
        )
    }

    fn farewell(&self) -> Result<()> {
        self.story.step(
            "Where to go next",
            "The temporary instance is gone. With your own files:",
        )?;
        self.story.command("anndex init")?;
        self.story.command("anndex inspect FILE")?;
        self.story.command("anndex artifact add FILE...")?;
        self.story.command("anndex collection create NAME UID...")?;
        self.story.command("anndex map NAME --obs KEY --join outer")
    }
}
