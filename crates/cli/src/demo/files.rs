//! The files of the demo: simulated ones, or those of the user.

use std::path::{Path, PathBuf};

use anndex::anndata::{AnnData, WriteOptions, write};
use anndex::{Error, Result};

use super::Tale;
use super::simulate::{Donor, donor};
use super::survey::FileSurvey;
use crate::command::load::usual_compression;
use crate::quantity::nouns;

pub(super) const DONORS: [Donor; 2] = [
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

impl Tale<'_> {
    pub(super) fn simulate(&self) -> Result<Vec<FileSurvey>> {
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

    pub(super) fn look_at(&self, files: &[PathBuf]) -> Result<Vec<FileSurvey>> {
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
}

/// Writes an AnnData, compressed as is usual for the format.
pub(super) fn store(path: &Path, data: &AnnData) -> Result<()> {
    let options = WriteOptions {
        compression: usual_compression(path),
        ..WriteOptions::default()
    };
    let mut writer = anndex::formats().create(path)?;
    write(writer.as_mut(), data, &options)?;
    writer.finish()
}
