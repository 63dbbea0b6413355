"""Write the files that the loaders are measured on, and what every one of them must read.

Counts as they come from single-cell RNA sequencing: gene expression follows a power law, cells
differ in depth, most counts are 1 to 3. Each file's counts are drawn with a generator of its own
and written by anndata in every format, then by annbatch in its own.
"""

import argparse
import json
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import zarr
from annbatch import DatasetCollection
from scipy import sparse

from fingerprint import fingerprints, weights

N_FILES = 4
N_GENES = 20_000
# Different genes: these many are in every file, and each file has N_GENES in all.
N_COMMON_GENES = 19_000
NONZEROS_PER_CELL = 2_050
ROWS_AT_ONCE = 1_000
SEED = 20260101
# How deeply cells are sequenced, evenly distributed over these: most within a factor of 2.
DEPTHS = np.exp(0.4 * np.linspace(-2, 2, 33))


def expression(random):
    """Return the mean count of each gene, scaled so that cells have as many genes as wanted."""
    rank = random.permutation(N_GENES) + 1.0
    mean = rank**-1.1 * random.lognormal(0, 0.8, N_GENES)
    low, high = 1e-3, 1e9
    for _ in range(60):
        middle = np.sqrt(low * high)
        genes = detection(mean * middle).sum(axis=1).mean()
        low, high = (middle, high) if genes < NONZEROS_PER_CELL else (low, middle)
    return mean * low


def detection(mean):
    """Return the probability that a cell of each depth has each gene."""
    return -np.expm1(-np.outer(DEPTHS, mean))


def counts(random, mean, n_cells):
    """Return the CSR matrix of one file: float32 counts and int32 indices."""
    probability = detection(mean).astype(np.float32)
    parts = []
    for start in range(0, n_cells, ROWS_AT_ONCE):
        depth = random.integers(0, DEPTHS.size, min(ROWS_AT_ONCE, n_cells - start))
        shape = (depth.size, N_GENES)
        found = np.flatnonzero(random.random(shape, dtype=np.float32) < probability[depth])
        rows, columns = np.divmod(found.astype(np.int32), np.int32(N_GENES))
        # Overdispersed, as transcripts are.
        surplus = DEPTHS[depth[rows]] * mean[columns] * random.standard_gamma(2.0, rows.size) / 2.0
        values = 1 + random.poisson(np.minimum(surplus, 2_000))
        pointers = np.searchsorted(rows, np.arange(depth.size + 1))
        parts.append(
            sparse.csr_matrix(
                (values.astype(np.float32), columns, pointers.astype(np.int32)), shape=shape
            )
        )
    return sparse.vstack(parts, format="csr")


def gene_names(numbers):
    """Return the names of genes, which sort like their numbers."""
    return [f"ENSG{number:011d}" for number in numbers]


def genes_of_files(random):
    """Return the genes of each file: many common ones, the rest its own, in sorted order."""
    n_own = N_GENES - N_COMMON_GENES
    shuffled = random.permutation(N_COMMON_GENES + N_FILES * n_own)
    common, own = shuffled[:N_COMMON_GENES], shuffled[N_COMMON_GENES:].reshape(N_FILES, n_own)
    return [np.sort(np.concatenate((common, mine))) for mine in own]


def annotated(random, matrix, names, file):
    """Return one file's AnnData object with a categorical column."""
    cell_types = [f"cell type {number:02d}" for number in range(40)]
    codes = np.minimum(random.geometric(0.08, matrix.shape[0]) - 1, 39)
    index = [f"cell-{file}-{number}" for number in range(matrix.shape[0])]
    obs = pd.DataFrame({"cell_type": pd.Categorical.from_codes(codes, cell_types)}, index=index)
    return ad.AnnData(X=matrix, obs=obs, var=pd.DataFrame(index=names))


def write_formats(data, directory, file):
    """Write one file in every format of anndata, with the chunks that it chooses itself."""
    data.write_h5ad(directory / f"h5ad/{file}.h5ad")
    data.write_h5ad(directory / f"h5ad-gzip/{file}.h5ad", compression="gzip")
    for name, version, sharded in [
        ("zarr-v2", 2, False),
        ("zarr-v3", 3, False),
        ("zarr-v3-sharded", 3, True),
    ]:
        with ad.settings.override(zarr_write_format=version, auto_shard_zarr_v3=sharded):
            data.write_zarr(directory / f"{name}/{file}.zarr")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cells", type=int, required=True, help="cells per file")
    arguments = parser.parse_args()
    directory = arguments.directory
    for name in ["h5ad", "h5ad-gzip", "h5ad-genes", "zarr-v2", "zarr-v3", "zarr-v3-sharded"]:
        (directory / name).mkdir(parents=True)

    random = np.random.default_rng(SEED)
    mean = expression(random)
    different = genes_of_files(random)
    common = np.array(sorted(set.intersection(*(set(genes) for genes in different))))
    union = np.array(sorted(set.union(*(set(genes) for genes in different))))
    found = {"none": [], "inner": [], "outer": []}
    n_nonzero, total = 0, 0.0
    for file in range(N_FILES):
        random = np.random.default_rng([SEED, file])
        matrix = counts(random, mean, arguments.cells)
        n_nonzero += matrix.nnz
        total += float(matrix.sum(dtype=np.float64))
        found["none"].append(fingerprints(matrix, weights(np.arange(N_GENES))))
        own = weights(different[file])
        found["outer"].append(fingerprints(matrix, own))
        found["inner"].append(
            fingerprints(matrix, np.where(np.isin(different[file], common), own, 0))
        )
        data = annotated(random, matrix, gene_names(range(N_GENES)), file)
        write_formats(data, directory, file)
        data.var_names = gene_names(different[file])
        data.write_h5ad(directory / f"h5ad-genes/{file}.h5ad")
        del data, matrix
        print(f"file {file + 1} of {N_FILES}: {n_nonzero} values so far", file=sys.stderr)

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    collection = DatasetCollection(directory / "annbatch.zarr")
    collection.add_adatas(
        sorted((directory / "h5ad").iterdir()), shuffle=True, rng=np.random.default_rng(SEED)
    )

    joined = {"none": np.arange(N_GENES), "inner": common, "outer": union}
    for join, genes in joined.items():
        np.savez(
            directory / f"expected-{join}.npz",
            weights=weights(genes),
            fingerprints=np.concatenate(found[join]),
        )
    n_cells = N_FILES * arguments.cells
    summary = {
        "files": N_FILES,
        "cells": n_cells,
        "genes": N_GENES,
        "nonzeros": n_nonzero,
        "nonzeros_per_cell": n_nonzero / n_cells,
        "mean_count": total / n_nonzero,
        "bytes": {
            path.name: sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            for path in sorted(directory.iterdir())
            if path.is_dir()
        },
    }
    (directory / "summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()
