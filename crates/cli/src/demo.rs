//! `anndex demo`: the whole story in a temporary instance, each step with a line that explains it.

mod mapping;
mod simulate;
mod story;
mod survey;

use std::path::{Path, PathBuf};

use anndex::anndata::{AnnData, WriteOptions, write};
use anndex::store::Compression;
use anndex::{Artifact, Collection, Error, Handle, Instance, InstanceOptions, Result};
use clap::Args;

use self::simulate::{Donor, donor};
use self::story::Story;
use self::survey::{FileSurvey, obs_key};
use crate::command::artifact::table as artifact_table;
use crate::command::collection::table as collection_table;
use crate::quantity::nouns;
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

const DONORS: [Donor; 2] = [
    Donor {
        name: "donor_1",
        seed: 1,
        cells: 600,
        lacks: "Megakaryocyte",
        max_percent_mito: 100.0,
    },
    Donor {
        name: "donor_2",
        seed: 2,
        cells: 600,
        lacks: "Dendritic",
        max_percent_mito: 100.0,
    },
];

/// Cells with more than this percentage of mitochondrial counts are taken for damaged.
const MAX_PERCENT_MITO: f32 = 10.0;

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

    fn simulate(&self) -> Result<Vec<FileSurvey>> {
        self.story.step(
            "Two simulated donors",
            "Blood cells with raw counts; each donor has genes and cell types that the other lacks.",
        )?;
        let mut files = Vec::new();
        for (simulated, file) in DONORS.iter().zip(["donor_1.h5ad", "donor_2.zarr"]) {
            self.session.interrupt.check()?;
            let path = self.cells.join(file);
            store(&path, &donor(simulated)?)?;
            files.push(FileSurvey::new(&path));
        }
        self.describe(&files)?;
        Ok(files)
    }

    fn look_at(&self, files: &[PathBuf]) -> Result<Vec<FileSurvey>> {
        for file in files {
            file.metadata()
                .map_err(|e| Error::io(file.display(), e).operation("demo"))?;
        }
        self.story.step(
            "Your files",
            "They are only read, where they are; all that the demo makes is temporary.",
        )?;
        let files: Vec<_> = files.iter().map(|file| FileSurvey::new(file)).collect();
        self.describe(&files)?;
        Ok(files)
    }

    fn describe(&self, files: &[FileSurvey]) -> Result<()> {
        let width = files.iter().map(|file| file.name().chars().count()).max();
        let width = width.unwrap_or_default();
        for file in files {
            let name = file.name();
            match &file.anndata {
                Ok(data) => {
                    let size = format!(
                        "{} × {}",
                        nouns(data.n_obs, "cell"),
                        nouns(data.n_vars, "gene")
                    );
                    match &data.x {
                        Some(x) => self.story.line(&format!("{name:<width$}  {size}, {x}"))?,
                        None => self.story.warning(&format!(
                            "{name:<width$}  {size}, without X: it is registered but not mapped"
                        ))?,
                    }
                }
                Err(reason) => self.story.warning(&format!(
                    "{name:<width$}  can't be mapped: {}",
                    crate::output::plain(reason)
                ))?,
            }
        }
        Ok(())
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

    /// Makes version 2 in a tracked run: for simulated cells after quality control.
    async fn new_version(
        &self,
        db: &Instance,
        first: &Handle<Collection>,
        held: &[Handle<Artifact>],
    ) -> Result<Handle<Collection>> {
        let title = match self.simulated {
            true => "quality control",
            false => "choose files",
        };
        let explanation = match (self.simulated, held.len()) {
            (true, _) => "Quality control drops damaged cells of donor 1; a run notes what did it.",
            (false, 1) => "The same file, collected anew; a run notes what did it.",
            (false, _) => "The same without the last file; a run notes what did it.",
        };
        self.story.step("A new version", explanation)?;
        let transform = db.transform(title).save().await?;
        db.track(&transform).await?;
        // What a run reads becomes its input.
        first.track_input(true).await?;
        let mut artifacts = held.to_vec();
        if let (true, Some(artifact)) = (self.simulated, artifacts.first_mut()) {
            let good = donor(&Donor {
                max_percent_mito: MAX_PERCENT_MITO,
                ..DONORS[0]
            })?;
            let path = self.cells.join("donor_1_good.h5ad");
            store(&path, &good)?;
            let new = db
                .artifact(&path)
                .is_new_version_of(artifact)
                .save()
                .await?;
            self.story.line(&format!(
                "{} of {} of donor 1 have at most {MAX_PERCENT_MITO} % mitochondrial counts",
                good.obs.len(),
                nouns(DONORS[0].cells as u64, "cell"),
            ))?;
            *artifact = new;
        } else if artifacts.len() > 1 {
            artifacts.pop();
        }
        self.story.command(&format!(
            "anndex collection create \"{NAME}\" UID... --new-version-of \"{NAME}\""
        ))?;
        let second = db
            .collection(&artifacts)
            .is_new_version_of(first)
            // One file alone has no other content to offer.
            .skip_hash_lookup(artifacts.len() == held.len() && !self.simulated)
            .save()
            .await?;
        db.finish().await?;
        self.story
            .command(&format!("anndex collection versions \"{NAME}\""))?;
        self.story
            .table(&collection_table(&second.versions().await?))?;
        self.story
            .good("both versions share the first 16 characters of their uid")?;
        Ok(second)
    }

    async fn trash(&self, db: &Instance, mut second: Handle<Collection>) -> Result<()> {
        self.story.step(
            "Trash and restore",
            "Deleting moves to the trash first; artifacts in a collection can't get lost.",
        )?;
        self.story
            .command(&format!("anndex collection delete {}", second.uid))?;
        second.delete(None).await?;
        let shown = db.collections().count().await?;
        self.story
            .line(&format!("{} in the list now", nouns(shown, "collection")))?;
        self.story
            .command(&format!("anndex collection restore {}", second.uid))?;
        second.restore().await?;
        let shown = db.collections().count().await?;
        self.story
            .line(&format!("{} in the list again", nouns(shown, "collection")))?;
        if let Some(mut artifact) = second.artifacts().await?.into_iter().next() {
            self.story.command(&format!(
                "anndex artifact delete {} --permanent",
                artifact.uid
            ))?;
            if let Err(refused) = artifact.delete(Some(true)).await {
                let message = crate::output::plain(refused.message()).into_owned();
                self.story.good(&format!("refused: {message}"))?;
            }
        }
        Ok(())
    }

    async fn lineage(&self, db: &Instance) -> Result<()> {
        self.story
            .step("Lineage", "Each run knows what it read and what it made.")?;
        for run in db.runs().all().await? {
            let name = run.transform().await?.name.clone().unwrap_or_default();
            self.story
                .line(&format!("run {} of the transform \"{name}\"", run.uid))?;
            for input in run.input_collections().await? {
                self.story
                    .line(&format!("  read  {}", input_label(&input)))?;
            }
            for output in run.output_artifacts().await? {
                let key = output.key.as_deref().unwrap_or(&output.uid);
                let version = output.version.as_deref().unwrap_or("-");
                let key = crate::output::plain(key);
                self.story
                    .line(&format!("  made  artifact {key}, version {version}"))?;
            }
            for output in run.output_collections().await? {
                self.story
                    .line(&format!("  made  {}", input_label(&output)))?;
            }
        }
        Ok(())
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

fn input_label(collection: &Handle<Collection>) -> String {
    let version = collection.version.as_deref().unwrap_or("-");
    let name = crate::output::plain(&collection.name);
    format!("collection \"{name}\", version {version}")
}

/// Writes an AnnData, compressed as is usual for the format.
fn store(path: &Path, data: &AnnData) -> Result<()> {
    let is_zarr = path.extension().is_some_and(|e| e == "zarr");
    let options = WriteOptions {
        compression: match is_zarr {
            true => Compression::Zstd(3),
            false => Compression::Gzip(4),
        },
        ..WriteOptions::default()
    };
    let mut writer = anndex::formats().create(path)?;
    write(writer.as_mut(), data, &options)?;
    writer.finish()
}
