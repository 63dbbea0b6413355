//! The step of the demo that maps: inner and outer join, encoders, a batch, an epoch.

use anndex::anndata::InMemoryMatrix;
use anndex::{
    BatchColumn, BatchFormat, Collection, ErrorKind, Handle, Join, MappedCollection, MappedOptions,
    Result,
};

use super::Tale;
use crate::command::epoch::{self, Epoch};
use crate::output::plain;
use crate::quantity::{self, nouns};
use crate::table::Table;

/// The cells of the batch that is shown.
const SHOWN: u64 = 4;

impl Tale<'_> {
    pub(super) async fn map(
        &self,
        collection: &Handle<Collection>,
        obs_key: Option<&str>,
    ) -> Result<()> {
        self.story.step(
            "Map the collection",
            "Many files as one dataset, indexed by cell; genes are joined, nothing is written.",
        )?;
        let options = MappedOptions::default().obs_keys(obs_key);
        let argument = obs_key.map_or_else(String::new, |key| format!(" --obs {}", plain(key)));
        let mut mapped = None;
        for (name, join) in [("inner", Some(Join::Inner)), ("outer", Some(Join::Outer))] {
            self.session.interrupt.check()?;
            self.story.command(&format!(
                "anndex map \"{}\"{argument} --join {name}",
                collection.name
            ))?;
            mapped = self.join(collection, &options, join).await?.or(mapped);
        }
        if mapped.is_none() {
            self.story.command(&format!(
                "anndex map \"{}\"{argument} --join none",
                collection.name
            ))?;
            mapped = self.join(collection, &options, None).await?;
        }
        let Some(mapped) = mapped else {
            return Ok(());
        };
        self.encoders(&mapped)?;
        self.batch(&mapped, obs_key)?;
        self.epoch(&mapped)
    }

    /// Maps with one join; says why if the files can't be joined like that.
    async fn join(
        &self,
        collection: &Handle<Collection>,
        options: &MappedOptions,
        join: Option<Join>,
    ) -> Result<Option<MappedCollection>> {
        let options = options.clone().join(join);
        match collection.mapped().options(options).open().await {
            Ok(mapped) => {
                let genes = match mapped.n_vars() {
                    Some(n_vars) => nouns(n_vars, "gene"),
                    None => "genes as stored".to_owned(),
                };
                self.story.line(&format!(
                    "{} × {genes}{}",
                    nouns(mapped.n_obs(), "cell"),
                    match join {
                        Some(Join::Inner) => ": those that all files have",
                        Some(Join::Outer) => ": those that any file has; absent ones are 0",
                        None => "",
                    }
                ))?;
                for notice in mapped.notices() {
                    self.story.warning(&plain(notice))?;
                }
                Ok(Some(mapped))
            }
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                self.story
                    .warning(&format!("not possible: {}", plain(error.message())))?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn encoders(&self, mapped: &MappedCollection) -> Result<()> {
        for (key, encoder) in mapped.encoders() {
            let mut table = Table::new([">code", key]);
            for (label, code) in encoder.entries() {
                table.row([code.to_string(), label.to_string()]);
            }
            self.story.table(&table)?;
            self.story.good(&format!(
                "labels of {} are integers, the same ones in all files",
                plain(key)
            ))?;
        }
        Ok(())
    }

    /// Shows a few cells from all files of the collection, read as one batch.
    fn batch(&self, mapped: &MappedCollection, obs_key: Option<&str>) -> Result<()> {
        let reach = match mapped.n_vars() {
            Some(_) => mapped.n_obs(),
            // Without a join only rows of one file fit into a batch.
            None => mapped.original_shapes().first().map_or(0, |shape| shape.0),
        };
        let shown = SHOWN.min(reach);
        if shown == 0 {
            return Ok(());
        }
        let indices: Vec<u64> = (0..shown)
            .map(|n| (2 * n + 1) * reach / (2 * shown))
            .collect();
        let batch = mapped.batch(&indices, BatchFormat::Csr)?;
        let Some(InMemoryMatrix::Csr(x)) = batch.matrix("X") else {
            return Ok(());
        };
        let mut table = Table::new([">cell", ">file", ">genes that are not 0", ">sum", "label"]);
        for (row, index) in indices.iter().enumerate() {
            let ends = (x.indptr().get(row), x.indptr().get(row + 1));
            let (start, end) = match ends {
                (Some(&start), Some(&end)) => (start as usize, end as usize),
                _ => (0, 0),
            };
            let values = (start..end).filter_map(|position| x.data().get_f64(position));
            let label = match obs_key.and_then(|key| Some((batch.obs(key)?, mapped.encoder(key)?)))
            {
                Some((BatchColumn::Codes { codes, .. }, encoder)) => {
                    let label = codes
                        .get(row)
                        .and_then(|&code| Some(format!("{code} ({})", encoder.decode(code)?)));
                    label.unwrap_or_else(|| "missing".to_owned())
                }
                _ => String::new(),
            };
            let (sum, nonzero) = values.fold((0.0, 0), |(sum, nonzero), value| {
                (sum + value, nonzero + u64::from(value != 0.0))
            });
            table.row([
                index.to_string(),
                batch
                    .store_index
                    .get(row)
                    .map_or_else(String::new, i64::to_string),
                quantity::count(nonzero),
                format!("{sum:.1}"),
                label,
            ]);
        }
        self.story
            .line(&format!("a batch of {shown}, from all files:"))?;
        self.story.table(&table)
    }

    fn epoch(&self, mapped: &MappedCollection) -> Result<()> {
        let plan = Epoch {
            batch_size: 128,
            format: BatchFormat::Dense,
            checksum: false,
        };
        let progress = self.session.shows_progress();
        let sums = epoch::stream(mapped, &plan, progress, &self.session.interrupt)?;
        self.story.good(&format!(
            "an epoch in dense batches of 128: {} cells/s, {}/s",
            quantity::rounded(sums.per_second(mapped.n_obs())),
            quantity::bytes(sums.per_second(sums.bytes)),
        ))
    }
}
