"""Write tables of cells to measure loading: embeddings, counts of proteins, texts, booleans."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

N_FILES = 4
N_EMBEDDING = 50
N_PROTEINS = 150
SEED = 20260101


def table(random, number, n_cells):
    """Return the table of one file."""
    columns = {
        f"PC{axis}": random.standard_normal(n_cells).astype("float32")
        for axis in range(N_EMBEDDING)
    }
    columns |= {f"ADT_{protein}": random.poisson(20, n_cells) for protein in range(N_PROTEINS)}
    columns["barcode"] = [f"AAACCTGAG{cell:08d}-{number}" for cell in range(n_cells)]
    columns["cell_type"] = random.choice(["B cell", "T cell", "monocyte", "NK cell"], n_cells)
    columns["total_counts"] = random.integers(500, 50_000, n_cells)
    columns["percent_mito"] = random.random(n_cells)
    columns["is_doublet"] = random.random(n_cells) < 0.05
    return pd.DataFrame(columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cells", type=int, required=True)
    arguments = parser.parse_args()
    for suffix in ("parquet", "csv"):
        (arguments.directory / suffix).mkdir()
    for number in range(N_FILES):
        made = table(np.random.default_rng([SEED, number]), number, arguments.cells)
        made.to_parquet(arguments.directory / "parquet" / f"{number}.parquet")
        made.to_csv(arguments.directory / "csv" / f"{number}.csv", index=False)
    summary = {"files": N_FILES, "cells": N_FILES * arguments.cells}
    (arguments.directory / "summary.json").write_text(json.dumps(summary))
