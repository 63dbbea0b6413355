//! `anndex collection load`: a collection as one AnnData in memory, shown, or written to one file.

use std::path::{Path, PathBuf};

use anndex::anndata::{AnnData, InMemoryMatrix, WriteOptions, write};
use anndex::store::Compression;
use anndex::{Instance, Join, Result, formats};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::lookup::find;
use crate::output::{Style, plain};
use crate::quantity::nouns;
use crate::session::Session;

/// Load a collection into memory, concatenated, and write it as one file
///
/// The result is that of anndata.concat: variables are joined, categories united, and the column
/// artifact_uid of obs says where each observation is from.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The name of the collection, its uid or the beginning of it
    collection: String,
    /// Which variables, columns and keys the result has: those that any artifact has, or that all
    /// have
    #[arg(long, value_enum, default_value_t = JoinArgument::Outer)]
    join: JoinArgument,
    /// Write it to this file, whose suffix says how: .h5ad or .zarr. Without it, only tell what is
    /// in it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How matrices are compressed in the file. Default: gzip in .h5ad, which everything that reads
    /// HDF5 can read, and zstd in .zarr. In .h5ad zstd is faster, but needs a plugin to be read
    #[arg(long, value_enum, requires = "out")]
    compression: Option<CompressionArgument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionArgument {
    None,
    Gzip,
    Zstd,
}

impl CompressionArgument {
    fn compression(self) -> Compression {
        match self {
            Self::None => Compression::None,
            Self::Gzip => Compression::Gzip(4),
            Self::Zstd => Compression::Zstd(3),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum JoinArgument {
    Outer,
    Inner,
}

pub(super) async fn run(session: &Session, db: &Instance, arguments: Load) -> Result<()> {
    let collection = find(db.collections(), &arguments.collection).await?;
    let join = match arguments.join {
        JoinArgument::Outer => Join::Outer,
        JoinArgument::Inner => Join::Inner,
    };
    // Asked before anything is read, which takes longer.
    let writer = arguments.out.as_ref().map(|out| formats().create(out));
    let writer = writer.transpose()?;
    let data = collection.load().join(join).read().await?;
    if let Some(mut writer) = writer {
        session.interrupt.check()?;
        let given = arguments.compression.map(CompressionArgument::compression);
        let usual = || usual_compression(arguments.out.as_deref().unwrap_or(Path::new("")));
        let options = WriteOptions {
            compression: given.unwrap_or_else(usual),
            ..WriteOptions::default()
        };
        write(writer.as_mut(), &data, &options)?;
        writer.finish()?;
    }
    let out = arguments.out.map(|out| out.display().to_string());
    if session.output.is_json() {
        return session
            .output
            .json(&document(&collection.uid, &data, out.as_deref()));
    }
    let name = plain(&collection.name);
    let output = &session.output;
    output.line(output.paint(Style::Heading, &format!("{name} {}", collection.uid)))?;
    output.line(format!(
        "{} × {}",
        nouns(data.obs.len() as u64, "observation"),
        nouns(data.var.len() as u64, "variable")
    ))?;
    for (key, names) in parts(&data) {
        output.line(format!("  {key}: {}", plain(&names.join(", "))))?;
    }
    match out {
        Some(out) => output.line(format!("written to {}", plain(&out))),
        None => Ok(()),
    }
}

/// How matrices are compressed in a file of this name, unless told otherwise: so that everything
/// that reads the format can read it.
pub(crate) fn usual_compression(path: &Path) -> Compression {
    let is_zarr = path.extension().is_some_and(|suffix| suffix == "zarr");
    let usual = match is_zarr {
        true => CompressionArgument::Zstd,
        false => CompressionArgument::Gzip,
    };
    usual.compression()
}

/// What is in an AnnData, in the order in which anndata shows it.
fn parts(data: &AnnData) -> Vec<(&'static str, Vec<String>)> {
    let matrix = |x: &InMemoryMatrix| format!("{} {}", kind(x), x.data_type());
    let names = |names: Vec<&String>| names.into_iter().cloned().collect();
    let parts: [(&str, Vec<String>); 5] = [
        ("X", data.x.iter().map(matrix).collect()),
        (
            "obs",
            data.obs
                .columns()
                .map(|(name, _)| name.to_owned())
                .collect(),
        ),
        ("layers", names(data.layers.keys().collect())),
        ("obsm", names(data.obsm.keys().collect())),
        ("raw", data.raw.iter().map(|raw| matrix(&raw.x)).collect()),
    ];
    parts
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

fn kind(matrix: &InMemoryMatrix) -> &'static str {
    match matrix {
        InMemoryMatrix::Dense(_) => "array",
        InMemoryMatrix::Csr(_) => "csr_matrix",
        InMemoryMatrix::Csc(_) => "csc_matrix",
    }
}

fn document(uid: &str, data: &AnnData, out: Option<&str>) -> Value {
    let mut document = json!({
        "uid": uid,
        "n_obs": data.obs.len(),
        "n_vars": data.var.len(),
        "file": out,
    });
    for (key, names) in parts(data) {
        document[key] = match key {
            "X" | "raw" => json!(names.first()),
            _ => json!(names),
        };
    }
    document
}
