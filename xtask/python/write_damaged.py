"""Write .h5ad files that no reader can take as they stand, and what to say of each.

Usage: write_damaged.py DIRECTORY

expected.json names, for every file, the kind of the error, the node inside the
file that is at fault, and what is wrong with it.
"""

import json
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from write_layouts import encode, hdf5_strings, skeleton

SHAPE = (4, 5)
DATA = np.float32([1, 2, 3, 4, 5, 6])
INDICES = np.int32([0, 2, 4, 1, 3, 4])
INDPTR = np.int32([0, 2, 3, 3, 6])
# A number that the registry of HDF5 filters keeps free for tests.
UNKNOWN_FILTER = 300


def csr(data=DATA, indices=INDICES, indptr=INDPTR, shape=SHAPE):
    """Return a function that writes a CSR matrix of these parts as X."""

    def write(file):
        group = file.create_group("X")
        encode(group, "csr_matrix", "0.1.0")
        group.attrs["shape"] = shape
        for name, values in [("data", data), ("indices", indices), ("indptr", indptr)]:
            if values is not None:
                group.create_dataset(name, data=np.asarray(values))

    return write


def dense(encoding="array", shape=SHAPE, **options):
    """Return a function that writes a dense X."""

    def write(file):
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        encode(file.create_dataset("X", data=values, **options), encoding, "0.2.0")

    return write


def unknown_filter(file):
    """Write X as one chunk that claims to have gone through a filter that nobody has."""
    options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    options.set_chunk(SHAPE)
    options.set_filter(UNKNOWN_FILTER, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    space = h5py.h5s.create_simple(SHAPE)
    h5py.h5d.create(file.id, b"X", h5py.h5t.IEEE_F32LE, space, options)
    file["X"].id.write_direct_chunk((0, 0), bytes(range(80)), filter_mask=0)
    encode(file["X"], "array", "0.2.0")


def cut_chunk(file):
    """Write X as one gzip chunk of which the second half is missing."""
    dense(chunks=SHAPE, compression="gzip")(file)
    _, chunk = file["X"].id.read_direct_chunk((0, 0))
    file["X"].id.write_direct_chunk((0, 0), chunk[: len(chunk) // 2])


def wrong_checksum(file):
    """Write X as one chunk whose bytes do not match their Fletcher checksum."""
    dense(chunks=SHAPE, fletcher32=True)(file)
    _, chunk = file["X"].id.read_direct_chunk((0, 0))
    file["X"].id.write_direct_chunk((0, 0), chunk[:-8] + b"\0\0\0\1" + chunk[-4:])


def categorical(codes, **attributes):
    """Return a function that writes a column "label" with these codes of two categories."""

    def write(file):
        dense()(file)
        group = file["obs"].create_group("label")
        encode(group, "categorical", "0.2.0")
        group.attrs["ordered"] = False
        group.create_dataset("codes", data=np.int8(codes))
        encode(group["codes"], "array", "0.2.0")
        encode(hdf5_strings(group, "categories", ["a", "b"]), "string-array", "0.2.0")
        group.attrs.update(attributes)
        file["obs"].attrs["column-order"] = np.array(["label"], dtype=h5py.string_dtype())

    return write


def missing_column(file):
    """Write obs with a column that is listed, but not there."""
    dense()(file)
    file["obs"].attrs["column-order"] = np.array(["absent"], dtype=h5py.string_dtype())


# File, kind of error, node, what is wrong, how to write it.
DAMAGES = [
    ("csr_index_too_large", "corrupt", "X/indices", "column 5 of 5",
     csr(indices=[0, 2, 4, 1, 3, 5])),
    ("csr_index_negative", "corrupt", "X/indices", "column -1",
     csr(indices=[0, 2, -1, 1, 3, 4])),
    ("csr_indptr_not_monotone", "corrupt", "X/indptr", "3 is followed by 2",
     csr(indptr=[0, 3, 2, 3, 6])),
    ("csr_indptr_beyond_data", "corrupt", "X/indptr", "ends at 9, with 6 elements",
     csr(indptr=[0, 2, 3, 3, 9])),
    ("csr_indptr_not_from_zero", "corrupt", "X/indptr", "begins at 1",
     csr(indptr=[1, 2, 3, 3, 6])),
    ("csr_indptr_too_short", "corrupt", "X/indptr", "4 entries for 4 rows",
     csr(indptr=[0, 2, 3, 6])),
    ("csr_lengths_differ", "corrupt", "X", "6 indices for 5 values",
     csr(data=DATA[:5])),
    ("csr_without_indices", "corrupt", "X", "indices are missing",
     csr(indices=None)),
    ("csr_shape_is_not_of_obs", "corrupt", "X", "7 rows for 4 observations",
     csr(indptr=[0, 2, 3, 3, 6, 6, 6, 6], shape=(7, 5))),
    ("dense_shape_is_not_of_var", "corrupt", "X", "6 columns for 5 variables",
     dense(shape=(4, 6))),
    ("gzip_chunk_cut", "corrupt", "X", "half of a chunk is missing", cut_chunk),
    ("checksum_wrong", "corrupt", "X", "Fletcher checksum of a chunk", wrong_checksum),
    ("code_too_large", "corrupt", "obs/label", "code 2 of 2 categories",
     categorical([0, 1, 2, 0])),
    ("code_too_small", "corrupt", "obs/label", "code -2", categorical([0, 1, -2, 0])),
    ("column_missing", "corrupt", "obs", "column-order names no column", missing_column),
    ("encoding_unknown", "unsupported", "X", "encoding-type is `woven`", dense("woven")),
    ("filter_unknown", "unsupported", "X", f"HDF5 filter {UNKNOWN_FILTER}", unknown_filter),
    ("filter_bitshuffle", "unsupported", "X", "HDF5 filter 32008",
     dense(chunks=SHAPE, compression=hdf5plugin.Bitshuffle())),
    ("filter_blosc2", "unsupported", "X", "HDF5 filter 32026",
     dense(chunks=SHAPE, compression=hdf5plugin.Blosc2())),
]  # fmt: skip


def main(directory):
    directory = Path(directory)
    expected = []
    for name, kind, node, why, write in DAMAGES:
        with h5py.File(directory / (name + ".h5ad"), "w", libver="latest") as file:
            skeleton(file, hdf5_strings, SHAPE)
            write(file)
        expected.append({"file": name + ".h5ad", "kind": kind, "node": node, "why": why})
    lines = ",\n".join(json.dumps(each) for each in expected)
    (directory / "expected.json").write_text("[\n" + lines + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
