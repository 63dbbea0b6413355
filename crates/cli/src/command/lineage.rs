//! `anndex artifact lineage` and `anndex collection lineage`: where a dataset comes from, and what
//! was made of it.

use std::path::PathBuf;

use anndex::{Data, QuerySet, Result};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::page;
use crate::lookup::find;
use crate::session::Session;

/// Show the runs that made it and what they read, back to the beginning, and what became of it
///
/// Text prints as a tree. A picture needs no other program: `--output lineage.svg`.
#[derive(Debug, Args)]
pub(crate) struct Lineage {
    /// Its name or key, its uid or the beginning of it
    dataset: String,
    /// Leave out what was made of it
    #[arg(long)]
    no_children: bool,
    /// Show at most this many datasets and runs, the nearest ones
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    limit: usize,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "output")]
    format: Format,
    /// Write it to a file instead, as its suffix says: .svg, .dot, .gv or .txt
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What lineage is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Dot,
    Svg,
}

pub(super) async fn run<D: Data>(
    session: &Session,
    datasets: QuerySet<D>,
    arguments: &Lineage,
) -> Result<()> {
    let dataset = find(datasets, &arguments.dataset).await?;
    let graph = dataset
        .view_lineage()
        .with_children(!arguments.no_children)
        .limit(arguments.limit);
    let graph = graph.read().await?;
    let output = &session.output;
    if let Some(path) = &arguments.output {
        graph.save(path)?;
        return match output.is_json() {
            true => output.json(&json!({"path": path})),
            false => output.advice(format!("written to {}", path.display())),
        };
    }
    if output.is_json() {
        return output.json(&graph);
    }
    match arguments.format {
        Format::Text => page(output, &graph.to_text()),
        Format::Dot => output.document(graph.to_dot().trim_end()),
        Format::Svg => output.document(graph.to_svg().trim_end()),
    }
}
