"""Write one file for each thing that AnnData can hold, with the newest anndata.

Usage: write_encodings.py DIRECTORY

Every matrix goes to NAME.h5ad; those that Zarr may treat otherwise, also to
NAME.zarr.zip (Zarr format 2) and NAME.v3.zarr.zip (Zarr format 3).
"""

import sys
import warnings
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

import archive
import dataset

# What differs only in what the arrays mean, not in how Zarr stores them.
HDF5_ONLY = [
    *("csr_int64_indices", "csr_unsorted_indices", "duplicate_variables"),
    "no_observations_csr",
]
DTYPES = [
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "bool"),
]


def extremes(dtype, shape):
    """Return values over the whole range of a dtype, zeros among them."""
    dtype = np.dtype(dtype)
    values = np.zeros(shape, dtype)
    flat = values.ravel()
    if dtype.kind == "b":
        flat[::3] = True
        return values
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    chosen = [limits.max, limits.min, 1, 2, 100]
    if dtype.kind == "f":
        # Sums must not overflow, whatever order they are taken in.
        chosen = [1.5, -2.25, float(limits.tiny), 1000.0, -0.0, np.nan]
    flat[1::2] = np.resize(np.array(chosen, dtype), flat[1::2].shape)
    return values


def frame(prefix, count):
    return pd.DataFrame(index=dataset.names(prefix, count))


def plain(x, n_obs=None, n_vars=None, **parts):
    """Return an AnnData around `x` with generated names."""
    n_obs, n_vars = x.shape if x is not None else (n_obs, n_vars)
    return anndata.AnnData(X=x, obs=frame("cell", n_obs), var=frame("gene", n_vars), **parts)


def dtypes():
    shape = (6, 5)
    adata = plain(extremes("float32", shape))
    for dtype in DTYPES:
        adata.layers["dense_" + dtype] = extremes(dtype, shape)
        adata.obs[dtype] = extremes(dtype, shape[:1])
        if dtype != "float16":  # which SciPy's sparse matrices lack
            adata.layers["csr_" + dtype] = sparse.csr_matrix(extremes(dtype, shape))
    return adata


def columns():
    adata = plain(np.eye(8, 3, dtype=np.float32))
    obs = adata.obs
    take = [0, 1, 2, 0, 1, 2, 2, 0]
    missing = [0, -1, 2, 0, -1, 2, 2, 0]
    categorical = pd.Categorical.from_codes
    obs["strings"] = categorical(take, ["a", "b", "c"])
    obs["ordered"] = categorical(take, ["small", "medium", "large"], ordered=True)
    obs["missing"] = categorical(missing, ["x", "y", "z"])
    obs["all_missing"] = categorical([-1] * 8, ["x", "y"])
    obs["no_categories"] = categorical([-1] * 8, pd.Index([], dtype="str"))
    obs["integers"] = categorical(take, [10, 20, 30])
    obs["floats"] = categorical(take, [0.5, 1.5, 2.5])
    obs["booleans"] = categorical([c % 2 for c in take], [False, True])
    obs["many"] = categorical([250, 3, 199, 0, 1, 2, 140, -1], dataset.names("label", 251))
    obs["bool"] = [c == 1 for c in take]
    obs["string"] = ["", "é", "日本語", "🧬", "a b", "tab\t", "line\n", "long " * 40]
    obs["float_missing"] = [0.1, np.nan, 1e-300, 1e300, np.inf, -np.inf, 5.0, -0.0]
    masks = {"int8": "Int8", "uint64": "UInt64", "int64": "Int64", "bool": "boolean"}
    for name, dtype in masks.items():
        values = [None if i in (1, 6) else i % 2 if name == "bool" else i for i in range(8)]
        obs["nullable_" + name] = pd.array(values, dtype=dtype)
    obs["nullable_none_missing"] = pd.array(range(8), dtype="Int32")
    obs["nullable_string"] = pd.array(["a", None, "", "ö", None, "b", "a", "c"], dtype="string")
    return adata


def unicode_names():
    adata = plain(np.arange(6, dtype=np.float32).reshape(2, 3))
    adata.obs_names = ["Zelle-ä", "细胞"]
    adata.var_names = ["α", "β-γ", "遺伝子"]
    adata.obs["тип клетки"] = pd.Categorical(["нейрон", "глия"])
    adata.layers["сырые"] = np.arange(6, dtype=np.int32).reshape(2, 3)
    adata.obsm["X_ümap"] = np.ones((2, 2))
    return adata


def matrices():
    """Yield the name and the AnnData of every file."""
    random = np.random.RandomState(1)
    counts = dataset.counts(random, (7, 5))
    yield "x_dense", plain(counts)
    yield "x_csr", plain(sparse.csr_matrix(counts))
    yield "x_csc", plain(sparse.csc_matrix(counts))
    yield "x_missing", plain(None, 7, 5, layers={"counts": counts})
    yield "dtypes", dtypes()
    yield "columns", columns()
    yield "unicode", unicode_names()
    yield "no_observations", plain(np.zeros((0, 4), np.float32))
    yield "no_observations_csr", plain(sparse.csr_matrix((0, 4), dtype=np.float32))
    yield "no_variables", plain(np.zeros((3, 0), np.float32))
    wide = sparse.csr_matrix(counts)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    unsorted = sparse.csr_matrix(
        (np.float32([1, 2, 3, 4]), [2, 0, 1, 0], [0, 2, 2, 4]), shape=(3, 3)
    )
    yield "csr_int64_indices", plain(wide)
    yield "csr_unsorted_indices", plain(unsorted)
    joined = plain(counts)
    joined.var_names = ["gene_00", "gene_01", "gene_01", "gene_02", "gene_03"]
    yield "duplicate_variables", joined


def write_all(adata, name, directory):
    # The newest structures of HDF5 are the smallest; the files of each version have the oldest.
    with h5py.File(directory / (name + ".h5ad"), "w", libver="latest") as file:
        anndata.io.write_elem(file, "/", adata)
    if name in HDF5_ONLY:
        return
    for zarr_format, suffix in [(2, ".zarr.zip"), (3, ".v3.zarr.zip")]:
        anndata.settings.zarr_write_format = zarr_format
        partial = directory / (name + ".partial")
        # Otherwise strings that repeat would become categories.
        adata.write_zarr(partial, convert_strings_to_categoricals=False)
        # Both ways of packing occur; every reader of zips must know both.
        compression = zipfile.ZIP_STORED if name == "x_dense" else zipfile.ZIP_DEFLATED
        archive.zip_directory(partial, directory / (name + suffix), compression)


def write_directories(directory):
    """Write a small matrix as Zarr directories, which the other fixtures are zips of."""
    adata = plain(sparse.csr_matrix(dataset.counts(np.random.RandomState(2), (4, 3))))
    adata.obs["label"] = pd.Categorical(["a", "b", "a", "b"])
    for zarr_format, suffix in [(2, ".zarr"), (3, ".v3.zarr")]:
        anndata.settings.zarr_write_format = zarr_format
        adata.write_zarr(directory / ("directory" + suffix))


def main(directory):
    warnings.simplefilter("ignore")
    anndata.settings.allow_write_nullable_strings = True
    directory = Path(directory)
    for name, adata in matrices():
        write_all(adata, name, directory)
    write_directories(directory)


if __name__ == "__main__":
    main(*sys.argv[1:])
