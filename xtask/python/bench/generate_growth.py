"""Write files for large collections that are small on disk.

One has very many cells with hardly any values, of which little but the index is ever in memory.
The others have few cells with all their genes, and stand for collections of very many files.
"""

import argparse
import json
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd

from generate import (
    N_FILES,
    N_GENES,
    SEED,
    annotated,
    counts,
    expression,
    gene_names,
    genes_of_files,
)

N_GENES_OF_INDEX = 1_000
# Every so many cells one has a value.
CELLS_PER_VALUE = 1_000
CHUNK = 1 << 16


def write_index(path, n_cells):
    """Write a file of nearly empty rows, piece by piece."""
    n_values = -(-n_cells // CELLS_PER_VALUE)
    random = np.random.default_rng(SEED)
    compressed = {"chunks": (CHUNK,), "compression": "gzip", "shuffle": True}
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name in ["layers", "obsm", "obsp", "uns", "varm", "varp"]:
            ad.io.write_elem(file, name, {})
        ad.io.write_elem(file, "var", pd.DataFrame(index=gene_names(range(N_GENES_OF_INDEX))))
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        matrix.attrs["shape"] = (n_cells, N_GENES_OF_INDEX)
        matrix["data"] = random.integers(1, 9, n_values).astype(np.float32)
        matrix["indices"] = random.integers(0, N_GENES_OF_INDEX, n_values, dtype=np.int32)
        pointers = matrix.create_dataset("indptr", (n_cells + 1,), np.int64, **compressed)
        obs = file.create_group("obs")
        obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
        obs.attrs.update({"_index": "_index", "column-order": ["cell_type"]})
        # The names of cells are never written, and so all empty.
        names = obs.create_dataset("_index", (n_cells,), h5py.string_dtype(), chunks=(CHUNK,))
        names.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        labels = obs.create_group("cell_type")
        labels.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0"})
        labels.attrs["ordered"] = False
        ad.io.write_elem(labels, "categories", np.array(["B cell", "T cell"], dtype=object))
        codes = labels.create_dataset("codes", (n_cells,), np.int8, **compressed)
        for start in range(0, n_cells + 1, 64 * CHUNK):
            numbers = np.arange(start, min(start + 64 * CHUNK, n_cells + 1))
            pointers[start : start + numbers.size] = -(-numbers // CELLS_PER_VALUE)
            cells = numbers[numbers < n_cells]
            codes[start : start + cells.size] = cells // CHUNK % 2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--index-cells", type=int, required=True)
    parser.add_argument("--small-cells", type=int, required=True)
    arguments = parser.parse_args()
    directory = arguments.directory
    for name in ["index", "small", "small-genes"]:
        (directory / name).mkdir(parents=True, exist_ok=True)
    write_index(directory / "index/0.h5ad", arguments.index_cells)
    random = np.random.default_rng(SEED)
    mean = expression(random)
    different = genes_of_files(random)
    for file in range(N_FILES):
        random = np.random.default_rng([SEED, file])
        matrix = counts(random, mean, arguments.small_cells)
        data = annotated(random, matrix, gene_names(range(N_GENES)), file)
        data.write_h5ad(directory / f"small/{file}.h5ad")
        data.var_names = gene_names(different[file])
        data.write_h5ad(directory / f"small-genes/{file}.h5ad")
    summary = {"genes_of_index": N_GENES_OF_INDEX}
    (directory / "summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()
