//! A small collection like one of peripheral blood cells, so that the demo needs no download.
//!
//! Two donors, each with its own genes beside a shared core, its own cell types beside shared
//! ones, and sparse counts: markers mark their cell types, cells differ in depth, and some are
//! damaged, with many mitochondrial counts. Same numbers in every run.

use anndex::Result;
use anndex::anndata::{AnnData, Categorical, Column, CsrMatrix, DataFrame, InMemoryMatrix, Values};
use anndex::store::{NumericArray, Strings};

use super::random::Random;

/// Genes that both donors have.
const SHARED_GENES: usize = 1_700;
/// Genes that only one donor has.
const OWN_GENES: usize = 300;

/// A cell type: its share among the cells, its markers, and where it lies in the embedding.
struct CellType {
    name: &'static str,
    share: f64,
    markers: &'static [&'static str],
    center: [f64; 2],
}

const fn cell_type(
    name: &'static str,
    share: f64,
    markers: &'static [&'static str],
    center: [f64; 2],
) -> CellType {
    CellType {
        name,
        share,
        markers,
        center,
    }
}

/// Sorted by name, as categories are.
const CELL_TYPES: [CellType; 8] = [
    cell_type("B", 0.13, &["CD74", "CD79A", "CD79B", "MS4A1"], [9.0, -3.0]),
    cell_type(
        "CD14 monocyte",
        0.2,
        &["CD14", "LYZ", "S100A8", "S100A9"],
        [-6.0, 4.0],
    ),
    cell_type("CD4 T", 0.32, &["CD3D", "CD3E", "IL7R", "LTB"], [2.0, 7.0]),
    cell_type(
        "CD8 T",
        0.14,
        &["CCL5", "CD3D", "CD3E", "CD8A", "CD8B"],
        [4.5, 3.5],
    ),
    cell_type("Dendritic", 0.04, &["CD74", "CST3", "FCER1A"], [-3.0, -2.0]),
    cell_type(
        "FCGR3A monocyte",
        0.07,
        &["FCGR3A", "LYZ", "MS4A7"],
        [-7.5, 0.5],
    ),
    cell_type("Megakaryocyte", 0.02, &["PF4", "PPBP"], [-1.0, -8.0]),
    cell_type(
        "NK",
        0.08,
        &["CCL5", "FCGR3A", "GNLY", "KLRD1", "NKG7"],
        [7.0, 2.0],
    ),
];

const MITOCHONDRIAL: [&str; 6] = ["MT-ATP6", "MT-CO1", "MT-CO2", "MT-CYB", "MT-ND1", "MT-ND4"];

/// A donor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Donor {
    pub(super) name: &'static str,
    pub(super) seed: u64,
    pub(super) cells: usize,
    /// A cell type that this donor has no cells of.
    pub(super) lacks: &'static str,
    /// Leave out cells with more than this percentage of mitochondrial counts.
    pub(super) max_percent_mito: f32,
}

/// The cells of a donor: raw counts by rows, annotations, an embedding.
pub(super) fn donor(donor: &Donor) -> Result<AnnData> {
    // The same genes for all donors up to the own ones: their seed is not the donor's.
    let genes = genes(donor.name);
    let mut random = Random(0x5EED);
    let abundance: Vec<f64> = genes
        .iter()
        .map(|gene| random_abundance(&mut random, gene))
        .collect();
    let rates: Vec<Vec<f64>> = CELL_TYPES
        .iter()
        .map(|cell_type| expression(cell_type, &genes, &abundance))
        .collect();
    let is_mitochondrial: Vec<bool> = genes.iter().map(|gene| gene.starts_with("MT-")).collect();

    let mut random = Random(donor.seed);
    let mut cells = Cells::default();
    for _ in 0..donor.cells {
        let kind = random_cell_type(&mut random, donor.lacks);
        let depth = (7.6 + 0.35 * random.normal()).exp();
        // One cell in twelve is damaged: its cytoplasm leaked, its mitochondria are left.
        let stress = match random.uniform() {
            damaged if damaged < 1.0 / 12.0 => 6.0,
            _ => (0.3 * random.normal()).exp(),
        };
        let (mut total, mut mitochondrial) = (0.0f32, 0.0f32);
        let mut counts = Vec::new();
        for (gene, &rate) in (0i32..).zip(&rates[kind]) {
            let is_mitochondrial = is_mitochondrial[gene as usize];
            let factor = if is_mitochondrial { stress } else { 1.0 };
            let count = random.poisson(depth * rate * factor);
            if count > 0.0 {
                counts.push((gene, count));
                total += count;
                mitochondrial += if is_mitochondrial { count } else { 0.0 };
            }
        }
        let percent_mito = 100.0 * mitochondrial / total.max(1.0);
        let center = CELL_TYPES[kind].center;
        let place = center.map(|x| (x + 0.8 * random.normal()) as f32);
        let barcode = random.barcode();
        if percent_mito <= donor.max_percent_mito {
            cells.push(&counts, kind, percent_mito, total, place, &barcode);
        }
    }
    cells.into_anndata(donor.name, &genes)
}

/// The names of the genes: markers, mitochondrial ones, a shared core, the donor's own.
fn genes(donor: &str) -> Vec<String> {
    let markers = CELL_TYPES.iter().flat_map(|cell_type| cell_type.markers);
    let mut genes: Vec<String> = markers
        .chain(&MITOCHONDRIAL)
        .map(|g| (*g).to_owned())
        .collect();
    genes.sort();
    genes.dedup();
    let named = genes.len();
    genes.extend((named..SHARED_GENES).map(|number| format!("GENE{number:04}")));
    genes.extend((1..=OWN_GENES).map(|number| format!("{}-{number:03}", donor.to_uppercase())));
    genes
}

/// The share of each gene in the counts of a cell type.
fn expression(cell_type: &CellType, genes: &[String], abundance: &[f64]) -> Vec<f64> {
    let is_marker = |gene: &String| {
        CELL_TYPES
            .iter()
            .any(|other| other.markers.contains(&gene.as_str()))
    };
    let mut rates: Vec<f64> = genes
        .iter()
        .zip(abundance)
        .map(|(gene, &abundance)| match is_marker(gene) {
            true if cell_type.markers.contains(&gene.as_str()) => 20.0,
            true => 0.05,
            false => abundance,
        })
        .collect();
    let total: f64 = rates.iter().sum();
    rates.iter_mut().for_each(|rate| *rate /= total);
    rates
}

#[derive(Default)]
struct Cells {
    data: Vec<f32>,
    indices: Vec<i32>,
    indptr: Vec<i64>,
    types: Vec<usize>,
    percent_mito: Vec<f32>,
    total: Vec<f32>,
    umap: Vec<f32>,
    barcodes: Strings,
}

impl Cells {
    fn push(
        &mut self,
        counts: &[(i32, f32)],
        kind: usize,
        percent_mito: f32,
        total: f32,
        place: [f32; 2],
        barcode: &str,
    ) {
        self.indptr.push(self.data.len() as i64);
        self.indices.extend(counts.iter().map(|(gene, _)| gene));
        self.data.extend(counts.iter().map(|(_, count)| count));
        self.types.push(kind);
        self.percent_mito.push(percent_mito);
        self.total.push(total);
        self.umap.extend(place);
        self.barcodes.push(barcode);
    }

    fn into_anndata(mut self, donor: &str, genes: &[String]) -> Result<AnnData> {
        let n_cells = self.types.len();
        self.indptr.push(self.data.len() as i64);
        let data = NumericArray::from_values([self.data.len()], &self.data)?;
        let x = CsrMatrix::new(genes.len(), data, self.indices, self.indptr)?;
        // Only types that occur are categories.
        let present: Vec<usize> = (0..CELL_TYPES.len())
            .filter(|kind| self.types.contains(kind))
            .collect();
        let code = |kind: &usize| {
            present
                .iter()
                .position(|k| k == kind)
                .map_or(-1, |c| c as i32)
        };
        let cell_types = categorical(
            self.types.iter().map(code).collect(),
            present.iter().map(|&kind| CELL_TYPES[kind].name),
        )?;
        let number = |values: &[f32]| {
            NumericArray::from_values([values.len()], values).and_then(Column::numeric)
        };
        let umap = NumericArray::from_values([n_cells, 2], &self.umap)?;
        Ok(AnnData {
            x: Some(InMemoryMatrix::Csr(x)),
            obs: DataFrame::new(self.barcodes)
                .with_column("cell_type", cell_types)?
                .with_column("donor", categorical(vec![0; n_cells], [donor])?)?
                .with_column("percent_mito", number(&self.percent_mito)?)?
                .with_column("total_counts", number(&self.total)?)?,
            var: DataFrame::new(genes.iter().collect()),
            obsm: [("X_umap".to_owned(), InMemoryMatrix::Dense(umap).into())].into(),
            ..AnnData::default()
        })
    }
}

fn categorical<'a>(
    codes: Vec<i32>,
    categories: impl IntoIterator<Item = &'a str>,
) -> Result<Column> {
    let categories = Values::Strings(categories.into_iter().collect());
    Categorical::new(codes, categories, false).map(Column::Categorical)
}

/// A cell type, by its share, that is not the one that is lacking.
fn random_cell_type(random: &mut Random, lacks: &str) -> usize {
    loop {
        let mut left = random.uniform();
        for (index, cell_type) in CELL_TYPES.iter().enumerate() {
            left -= cell_type.share;
            if left < 0.0 && cell_type.name != lacks {
                return index;
            }
            if left < 0.0 {
                break;
            }
        }
    }
}

/// How much of a gene there is in a typical cell: few genes make most of the counts.
fn random_abundance(random: &mut Random, gene: &str) -> f64 {
    match gene.starts_with("MT-") {
        true => 8.0,
        false => (1.6 * random.normal() - 2.0).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONOR: Donor = Donor {
        name: "donor_1",
        seed: 1,
        cells: 60,
        lacks: "Megakaryocyte",
        max_percent_mito: 100.0,
    };

    #[test]
    fn the_same_cells_every_time_and_fewer_of_good_quality() {
        let all = donor(&DONOR).unwrap();
        assert_eq!(all, donor(&DONOR).unwrap());
        assert_eq!(
            (all.obs.len(), all.var.len()),
            (60, SHARED_GENES + OWN_GENES)
        );
        let good = Donor {
            max_percent_mito: 15.0,
            ..DONOR
        };
        let good = donor(&good).unwrap().obs.len();
        assert!((40..60).contains(&good), "{good}");
    }
}
