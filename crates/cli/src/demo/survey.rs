//! What the files of the demo allow: which of them can be mapped, and by which labels.

use std::path::{Path, PathBuf};

use anndex::Result;
use anndex::anndata::{BackedAnnData, MatrixKey};

/// One file, as far as mapping goes.
#[derive(Debug)]
pub(super) struct FileSurvey {
    pub(super) path: PathBuf,
    /// `Err` says why it can't be mapped.
    pub(super) anndata: std::result::Result<AnnDataSurvey, String>,
}

#[derive(Debug)]
pub(super) struct AnnDataSurvey {
    pub(super) n_obs: u64,
    pub(super) n_vars: u64,
    /// The encoding and type of `X`; `None` if there is none.
    pub(super) x: Option<String>,
    /// The categorical columns of obs.
    pub(super) categorical: Vec<String>,
}

impl FileSurvey {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            anndata: survey(path).map_err(|error| error.message().to_owned()),
        }
    }

    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        crate::output::plain(&name.to_string_lossy()).into_owned()
    }

    /// Whether there is a matrix to map.
    pub(super) fn has_x(&self) -> bool {
        matches!(&self.anndata, Ok(AnnDataSurvey { x: Some(_), .. }))
    }
}

fn survey(path: &Path) -> Result<AnnDataSurvey> {
    let data = BackedAnnData::open(anndex::formats().open(path)?)?;
    let x = data.matrix(&MatrixKey::X)?;
    let obs = data.obs();
    let is_categorical = |name: &&String| {
        obs.column(name)
            .is_ok_and(|column| column.encoding() == "categorical")
    };
    Ok(AnnDataSurvey {
        n_obs: data.n_obs(),
        n_vars: data.n_vars(),
        x: x.map(|x| match x.encoding() {
            "array" => format!("dense {}", x.data_type()),
            encoding => format!("{encoding} {}", x.data_type()),
        }),
        categorical: obs
            .columns()
            .iter()
            .filter(is_categorical)
            .cloned()
            .collect(),
    })
}

/// The first categorical column that most files have.
pub(super) fn obs_key(files: &[&FileSurvey]) -> Option<String> {
    let mut counts: Vec<(&String, usize)> = Vec::new();
    for anndata in files.iter().filter_map(|file| file.anndata.as_ref().ok()) {
        for name in &anndata.categorical {
            match counts.iter_mut().find(|(other, _)| *other == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    let first = counts.iter().find(|(_, count)| *count == most);
    first.map(|(name, _)| (*name).clone())
}
