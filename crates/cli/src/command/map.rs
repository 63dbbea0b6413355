//! `anndex map`: streams an epoch of a collection in batches, and measures it.

use std::collections::BTreeMap;

use anndex::anndata::Label;
use anndex::store::DataType;
use anndex::{
    BatchFormat, Collection, EncodeLabels, Handle, Join, MappedCollection, MappedOptions, Result,
    UnknownLabel,
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::epoch::{self, Epoch, Sums};
use crate::lookup::find;
use crate::output::{Output, Style, plain};
use crate::quantity::{self, nouns};
use crate::session::Session;
use crate::table::Table;

/// Map a collection: read all its observations in batches, in order
///
/// Prints how many cells and bytes were read per second, and the encoders of the labels. Shows
/// that the collection can be mapped, before a training run depends on it.
#[derive(Debug, Args)]
pub(crate) struct Map {
    /// The name of the collection, its uid or the beginning of it
    collection: String,
    /// A column of obs to give with each cell; may be repeated
    #[arg(long, value_name = "KEY")]
    obs: Vec<String>,
    /// A matrix of obsm to give with each cell; may be repeated
    #[arg(long, value_name = "KEY")]
    obsm: Vec<String>,
    /// A layer to give with each cell: X, raw.X or a name in layers; may be repeated.
    /// Default: X
    #[arg(long, value_name = "KEY")]
    layers: Vec<String>,
    /// How genes are joined: those that all files have, those that any file has, or as stored
    #[arg(long, value_enum, default_value_t = JoinArgument::Inner)]
    join: JoinArgument,
    /// Keep cells whose COLUMN has this VALUE (a missing one, if VALUE is empty); may be repeated
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = column_and_value)]
    filter: Vec<(String, String)>,
    /// Convert matrices to this type, such as float32. Default: as stored
    #[arg(long, value_name = "TYPE", value_parser = data_type)]
    dtype: Option<DataType>,
    /// Give labels as they are instead of integers
    #[arg(long)]
    no_encode: bool,
    /// The label that means "unknown", which is encoded as -1
    #[arg(long, value_name = "LABEL", conflicts_with = "no_encode")]
    unknown: Option<String>,
    /// Cells per batch
    #[arg(long, value_name = "CELLS", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Read sparse batches (CSR) instead of dense ones
    #[arg(long)]
    csr: bool,
    /// Sum all values in float64, and count those that are not zero
    #[arg(long)]
    checksum: bool,
}

/// How genes are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum JoinArgument {
    Inner,
    Outer,
    None,
}

impl JoinArgument {
    pub(super) fn join(self) -> Option<Join> {
        match self {
            Self::Inner => Some(Join::Inner),
            Self::Outer => Some(Join::Outer),
            Self::None => None,
        }
    }
}

fn column_and_value(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.to_owned(), value.to_owned())),
        _ => Err("write it as COLUMN=VALUE".to_owned()),
    }
}

/// A numeric type by its name.
pub(super) fn data_type(text: &str) -> std::result::Result<DataType, String> {
    DataType::from_name(text).ok_or_else(|| {
        let names = DataType::NUMERIC.map(|data_type| data_type.to_string());
        format!("choose one of: {}", names.join(", "))
    })
}

/// The labels that a text on the command line can mean, whatever the type of the column.
fn labels(text: &str) -> Vec<Label> {
    let mut labels = vec![Label::from(text)];
    if text.is_empty() {
        labels.push(Label::Missing);
    } else if let Ok(number) = text.parse::<i64>() {
        labels.push(number.into());
    } else if let Ok(number) = text.parse::<f64>() {
        labels.push(number.into());
    } else if let Ok(truth) = text.to_lowercase().parse::<bool>() {
        labels.push(truth.into());
    }
    labels
}

pub(crate) async fn run(session: &Session, arguments: Map) -> Result<()> {
    let db = session.connect().await?;
    let done = map(
        session,
        find(db.collections(), &arguments.collection).await?,
        &arguments,
    )
    .await;
    done.and(db.close().await)
}

async fn map(session: &Session, collection: Handle<Collection>, arguments: &Map) -> Result<()> {
    let mapped = open(&collection, arguments).await?;
    let plan = Epoch {
        batch_size: u64::from(arguments.batch_size),
        format: match arguments.csr {
            true => BatchFormat::Csr,
            false => BatchFormat::Dense,
        },
        checksum: arguments.checksum,
    };
    let sums = epoch::stream(&mapped, &plan, session.shows_progress(), &session.interrupt)?;
    match session.output.is_json() {
        true => session
            .output
            .json(&document(&collection, &mapped, arguments, &sums)),
        false => print(&session.output, &collection, &mapped, arguments, &sums),
    }
}

async fn open(collection: &Handle<Collection>, arguments: &Map) -> Result<MappedCollection> {
    let mut options = MappedOptions::default()
        .obs_keys(&arguments.obs)
        .obsm_keys(&arguments.obsm)
        .join(arguments.join.join())
        .dtype(arguments.dtype.clone());
    if !arguments.layers.is_empty() {
        options = options.layers_keys(&arguments.layers);
    }
    if arguments.no_encode {
        options = options.encode_labels(EncodeLabels::None);
    }
    let mut columns: BTreeMap<&str, Vec<Label>> = BTreeMap::new();
    for (column, value) in &arguments.filter {
        columns.entry(column).or_default().extend(labels(value));
    }
    for (column, values) in columns {
        options = options.obs_filter(column, values);
    }
    let Some(unknown) = &arguments.unknown else {
        return collection.mapped().options(options).open().await;
    };
    // The columns say whether the label is text, a number or a truth value.
    for label in labels(unknown) {
        let options = options
            .clone()
            .unknown_label(UnknownLabel::All(label.clone()));
        let mapped = collection.mapped().options(options).open().await?;
        if mapped
            .encoders()
            .any(|(_, encoder)| encoder.encode(&label).is_some())
        {
            return Ok(mapped);
        }
    }
    Err(anndex::Error::not_found(format!(
        "no column given with --obs has the label {unknown:?}; leave --unknown out, or see the \
         labels without it"
    )))
}

fn document(
    collection: &Handle<Collection>,
    mapped: &MappedCollection,
    arguments: &Map,
    sums: &Sums,
) -> Value {
    let encoders: serde_json::Map<String, Value> = mapped
        .encoders()
        .map(|(key, encoder)| {
            let codes = encoder.entries().iter();
            let codes: serde_json::Map<String, Value> = codes
                .map(|(label, code)| (label.to_string(), (*code).into()))
                .collect();
            (key.to_owned(), codes.into())
        })
        .collect();
    let mut document = json!({
        "collection": {
            "uid": collection.uid,
            "name": collection.name,
            "version": collection.version,
        },
        "n_obs": mapped.n_obs(),
        "n_vars": mapped.n_vars(),
        "original_shapes": mapped.original_shapes(),
        "stores": mapped.locations().collect::<Vec<_>>(),
        "format": if arguments.csr { "csr" } else { "dense" },
        "batch_size": arguments.batch_size,
        "batches": sums.batches,
        "seconds": sums.seconds,
        "cells_per_second": sums.per_second(mapped.n_obs()),
        "bytes": sums.bytes,
        "bytes_per_second": sums.per_second(sums.bytes),
        "encoders": encoders,
        "notices": mapped.notices(),
    });
    if let (Some(fields), true) = (document.as_object_mut(), arguments.checksum) {
        let checksum: serde_json::Map<String, Value> = sums
            .checksum
            .iter()
            .map(|(key, (sum, nonzero))| (key.clone(), json!({"sum": sum, "nonzero": nonzero})))
            .collect();
        fields.insert("checksum".to_owned(), checksum.into());
    }
    document
}

fn print(
    output: &Output,
    collection: &Handle<Collection>,
    mapped: &MappedCollection,
    arguments: &Map,
    sums: &Sums,
) -> Result<()> {
    let version = collection.version.as_deref();
    let version = version.map_or_else(String::new, |version| format!(" version {version}"));
    let name = plain(&collection.name);
    output.line(output.paint(Style::Heading, &format!("{name}{version}")))?;
    let genes = match mapped.n_vars() {
        Some(n_vars) => nouns(n_vars, "variable"),
        None => "variables as stored".to_owned(),
    };
    let files = nouns(mapped.n_stores() as u64, "file");
    output.line(format!(
        "{} × {genes} from {files}",
        nouns(mapped.n_obs(), "observation")
    ))?;
    output.line(format!(
        "{} of {} in {:.2} s: {} cells/s, {}/s",
        match sums.batches {
            1 => "1 batch".to_owned(),
            batches => format!("{} batches", quantity::count(batches)),
        },
        quantity::bytes(sums.bytes as f64),
        sums.seconds,
        quantity::rounded(sums.per_second(mapped.n_obs())),
        quantity::bytes(sums.per_second(sums.bytes)),
    ))?;
    for (key, encoder) in mapped.encoders() {
        output.line("")?;
        let mut table = Table::new([">code", key]);
        for (label, code) in encoder.entries() {
            table.row([code.to_string(), label.to_string()]);
        }
        output.table(&table)?;
    }
    if arguments.checksum {
        output.line("")?;
        let mut table = Table::new(["matrix", ">sum", ">not zero"]);
        for (key, (sum, nonzero)) in &sums.checksum {
            table.row([key.clone(), sum.to_string(), quantity::count(*nonzero)]);
        }
        output.table(&table)?;
    }
    for notice in mapped.notices() {
        output.line(output.paint(Style::Warning, &plain(notice)))?;
    }
    Ok(())
}
