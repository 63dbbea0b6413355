//! `anndex inspect`: what a file holds, how it is stored, and what can be mapped from it.

use std::path::PathBuf;

use anndex::Result;
use anndex::anndata::{ArraySummary, BackedAnnData, ElementSummary, Inspection, inspect};
use clap::Args;

use crate::output::{Output, Style, plain};
use crate::quantity::{self, nouns};
use crate::session::Session;
use crate::table::Table;

/// Show what an AnnData file holds: shapes, encodings, types, chunks and filters, and what can be
/// mapped from it
///
/// Needs no instance, and reads metadata only.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A file or directory such as .h5ad and .zarr
    file: PathBuf,
}

pub(crate) fn run(session: &Session, arguments: &Inspect) -> Result<()> {
    let inspection = open(&arguments.file).map_err(|e| {
        e.operation("inspect")
            .with("path", arguments.file.display())
    })?;
    match session.output.is_json() {
        true => session.output.json(&inspection),
        false => print(&session.output, &inspection),
    }
}

fn open(file: &std::path::Path) -> Result<Inspection> {
    // Before the suffix is judged: a name that was mistyped is not there.
    file.metadata()
        .map_err(|e| anndex::Error::io(file.display(), e))?;
    let data = BackedAnnData::open(anndex::formats().open(file)?)?;
    inspect(&data)
}

fn print(output: &Output, inspection: &Inspection) -> Result<()> {
    let location = plain(&inspection.location);
    output.line(output.paint(Style::Heading, &location))?;
    output.line(format!(
        "{}: {} × {}",
        inspection.format,
        nouns(inspection.n_obs, "observation"),
        nouns(inspection.n_vars, "variable"),
    ))?;
    let mut table = Table::new([
        "element",
        "encoding",
        "type",
        ">shape",
        ">density",
        ">stored",
        "layout",
        "mapped as",
    ]);
    for element in &inspection.elements {
        table.row([
            element.path.clone(),
            element.encoding.clone(),
            element.data_type.clone(),
            quantity::shape(&element.shape),
            element
                .density
                .map_or_else(String::new, |density| format!("{:.1} %", density * 100.0)),
            stored(element),
            layout(element),
            element.mapped_key.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    if !table.is_empty() {
        output.line("")?;
        output.table(&table)?;
    }
    let noted = |element: &&ElementSummary| element.note.is_some();
    for element in inspection.elements.iter().filter(noted) {
        let note = element.note.as_deref().unwrap_or_default();
        let text = format!("{}: {note}", element.path);
        output.line(output.paint(Style::Warning, &plain(&text)))?;
    }
    let has_matrix = inspection
        .elements
        .iter()
        .any(|element| element.path == "X");
    if !has_matrix {
        output.line(output.paint(Style::Warning, "there is no X; map layers or obsm instead"))?;
    }
    if !inspection.others.is_empty() {
        let others = inspection.others.join(", ");
        output.advice(plain(&format!("not for mapping: {others}")))?;
    }
    Ok(())
}

fn stored(element: &ElementSummary) -> String {
    let sizes = element.arrays.iter().map(|array| array.stored_bytes);
    match sizes.sum::<Option<u64>>() {
        Some(bytes) if !element.arrays.is_empty() => quantity::bytes(bytes as f64),
        _ => String::new(),
    }
}

/// How the largest array of an element is stored.
fn layout(element: &ElementSummary) -> String {
    let elements = |array: &&ArraySummary| {
        let extents = array.shape.iter();
        extents.fold(1u64, |product, &extent| product.saturating_mul(extent))
    };
    let Some(array) = element.arrays.iter().max_by_key(elements) else {
        return String::new();
    };
    let mut layout = match &array.chunk_shape {
        Some(chunk) => format!("chunks of {}", quantity::shape(chunk)),
        None => "in one piece".to_owned(),
    };
    if let Some(shard) = &array.shard_shape {
        layout.push_str(&format!(" in shards of {}", quantity::shape(shard)));
    }
    if !array.filters.is_empty() {
        layout.push_str(", ");
        layout.push_str(&array.filters.join(" + "));
    }
    layout
}
