//! The steps of the demo after the first version: a new one, the trash, lineage.

use anndex::{Artifact, Collection, Handle, Instance, Result};

use super::files::{DONORS, store};
use super::simulate::{Donor, donor};
use super::{NAME, Tale};
use crate::command::collection::table as collection_table;
use crate::quantity::nouns;

/// Cells with more than this percentage of mitochondrial counts are taken for damaged.
const MAX_PERCENT_MITO: f32 = 10.0;

impl Tale<'_> {
    /// Makes version 2 in a tracked run: for simulated cells after quality control.
    pub(super) async fn new_version(
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

    pub(super) async fn trash(&self, db: &Instance, mut second: Handle<Collection>) -> Result<()> {
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

    pub(super) async fn lineage(&self, db: &Instance) -> Result<()> {
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
}

fn input_label(collection: &Handle<Collection>) -> String {
    let version = collection.version.as_deref().unwrap_or("-");
    let name = crate::output::plain(&collection.name);
    format!("collection \"{name}\", version {version}")
}
