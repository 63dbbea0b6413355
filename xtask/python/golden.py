"""Write what Python anndata reads from AnnData files as golden JSON.

Usage: golden.py FILE... --out DIRECTORY

For FILE (.h5ad, a .zarr directory or a .zarr.zip) writes DIRECTORY/FILE.json.
The format is described in tests/fixtures/README.md.
"""

import argparse
import hashlib
import json
import math
import tempfile
import warnings
import zipfile
from pathlib import Path

import anndata
import hdf5plugin  # noqa: F401 - registers the HDF5 filters
import numpy as np
import pandas as pd
from scipy import sparse

FORMAT = 1
# Matrices of at most this many elements are written out, larger ones only as a digest.
WRITTEN_OUT = 64


def read(path):
    """Read the whole file into an AnnData."""
    if path.name.endswith(".h5ad"):
        return anndata.read_h5ad(path)
    if path.is_dir():
        return anndata.read_zarr(path)
    with tempfile.TemporaryDirectory() as directory:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(directory)
        return anndata.read_zarr(directory)


def number(value):
    """Return a JSON value for one element: integers exactly, NaN as null."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def digest(values):
    """Return the md5 of the values as little-endian float64 in C order.

    Every NaN counts as 0x7ff8000000000000 and -0.0 as 0.0.
    """
    canonical = np.ascontiguousarray(values).astype("<f8")
    canonical[np.isnan(canonical)] = np.nan
    canonical[canonical == 0] = 0.0
    return hashlib.md5(canonical.tobytes()).hexdigest()


def matrix(values):
    """Return the golden of an array or sparse matrix."""
    kind = "array"
    if sparse.issparse(values):
        kind = values.format + "_matrix"
        values = values.astype(values.dtype.newbyteorder("=")).toarray()
    values = np.asarray(values)
    wide = values.astype(np.float64)
    golden = {
        "kind": kind,
        "dtype": values.dtype.newbyteorder("=").name,
        "shape": list(values.shape),
        "sum": math.fsum(wide[~np.isnan(wide)]),
        "nonzero": int(np.count_nonzero(wide)),
        "md5": digest(values),
    }
    if values.size <= WRITTEN_OUT:
        golden["values"] = [number(value) for value in values.ravel()]
    return golden


def categories_of(index):
    """Return the kind of the categories and their values."""
    if pd.api.types.is_bool_dtype(index):
        return "bool", [bool(value) for value in index]
    if pd.api.types.is_numeric_dtype(index):
        return np.dtype(index.dtype).newbyteorder("=").name, [number(value) for value in index]
    return "string", [str(value) for value in index]


def column(name, series):
    """Return the golden of one column of a data frame; missing values are null."""
    golden = {"name": str(name)}
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        kind, categories = categories_of(dtype.categories)
        golden.update(
            kind="categorical",
            ordered=bool(dtype.ordered),
            categories_dtype=kind,
            categories=categories,
            codes=[int(code) for code in series.cat.codes],
        )
        return golden
    missing = series.isna().to_numpy()
    values = [None if absent else value for absent, value in zip(missing, series, strict=True)]
    if pd.api.types.is_bool_dtype(dtype):
        golden.update(kind="bool", values=[None if v is None else bool(v) for v in values])
    elif pd.api.types.is_numeric_dtype(dtype):
        plain = dtype.numpy_dtype if pd.api.types.is_extension_array_dtype(dtype) else dtype
        golden.update(
            kind="number",
            dtype=np.dtype(plain).newbyteorder("=").name,
            values=[None if v is None else number(v) for v in values],
        )
    else:
        golden.update(kind="string", values=[None if v is None else str(v) for v in values])
    return golden


def element(value):
    """Return the golden of one element of obsm, which may be a data frame."""
    if isinstance(value, pd.DataFrame):
        columns = [column(name, value[name]) for name in value.columns]
        return {"kind": "dataframe", "shape": list(value.shape), "columns": columns}
    return matrix(value)


def golden_of(path):
    """Return the golden of one file."""
    adata = read(path)
    raw = adata.raw
    return {
        "format": FORMAT,
        "file": path.name,
        "reader": "anndata " + anndata.__version__,
        "shape": list(adata.shape),
        "obs_names": [str(name) for name in adata.obs_names],
        "var_names": [str(name) for name in adata.var_names],
        "X": None if adata.X is None else matrix(adata.X),
        # anndata 0.13 lists X among the layers, under None.
        "layers": {
            name: matrix(values)
            for name, values in sorted(
                (name, values) for name, values in adata.layers.items() if name is not None
            )
        },
        "raw": None
        if raw is None
        else {"var_names": [str(name) for name in raw.var_names], "X": matrix(raw.X)},
        "obsm": {name: element(value) for name, value in sorted(adata.obsm.items())},
        "obs": [column(name, adata.obs[name]) for name in adata.obs.columns],
    }


def dump(golden):
    """Return compact JSON with a line for each matrix and each column."""

    def compact(value):
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def lines(value):
        if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
            items = ",\n ".join(compact(k) + ":" + compact(v) for k, v in value.items())
            return "{\n " + items + "\n}"
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            return "[\n " + ",\n ".join(compact(v) for v in value) + "\n]"
        return compact(value)

    items = ",\n".join(compact(key) + ":" + lines(value) for key, value in golden.items())
    return "{\n" + items + "\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--out", required=True, type=Path, metavar="DIRECTORY")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in arguments.files:
        text = dump(golden_of(path))
        (arguments.out / (path.name + ".json")).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
