"""Write small .h5ad files that claim to be large, or lead in circles.

Usage: write.py, with h5py; it writes beside itself.

Whatever is done with one of them ends soon, in little memory: with an error, or
with what is in the file.
"""

from pathlib import Path

import h5py
import numpy as np

N_OBS = 4


def encode(node, encoding, version):
    """Set the attributes by which anndata knows what `node` is."""
    node.attrs["encoding-type"] = encoding
    node.attrs["encoding-version"] = version


def skeleton(file):
    """Write an AnnData without matrices."""
    encode(file, "anndata", "0.1.0")
    for name in ["obs", "var"]:
        group = file.create_group(name)
        encode(group, "dataframe", "0.2.0")
        group.attrs["_index"] = "_index"
        group.attrs["column-order"] = np.array([], dtype="f8")
        names = [f"{name}{number}" for number in range(N_OBS)]
        index = group.create_dataset("_index", data=names, dtype=h5py.string_dtype())
        encode(index, "string-array", "0.2.0")


def zero_width(file):
    """Write a chunked matrix of no columns, which is valid."""
    obsm = file.require_group("obsm")
    data = obsm.create_dataset("X_none", (N_OBS, 0), "f4", chunks=(2, 3), maxshape=(None, None))
    encode(data, "array", "0.2.0")


def wide(file):
    """Write a matrix of 2^40 columns, of which nothing is stored."""
    obsm = file.require_group("obsm")
    data = obsm.create_dataset("X_wide", (N_OBS, 2**40), "f4", chunks=(1, 1024))
    encode(data, "array", "0.2.0")


def aliased_text(file):
    """Write a column of texts all of which refer to the same 33 KiB."""
    uns = file.require_group("uns")
    texts = np.array(["x" * (33 << 10), *[""] * 2099], dtype=object)
    data = uns.create_dataset("texts", data=texts, dtype=h5py.string_dtype())
    encode(data, "string-array", "0.2.0")
    offset = data.id.get_offset()
    file.flush()
    with open(file.filename, "r+b") as bytes_of_file:
        bytes_of_file.seek(offset)
        reference = bytes_of_file.read(16)
        bytes_of_file.seek(offset)
        bytes_of_file.write(reference * 2100)


def unwritten_text(file):
    """Write texts of 2 GiB each, of which nothing is stored."""
    uns = file.require_group("uns")
    texts = uns.create_dataset("texts", (3,), f"S{2**31 - 1}")
    encode(texts, "string-array", "0.2.0")


def shared_groups(file):
    """Write 40 groups, each of which holds the next one twice: 2^40 paths."""
    group = file.require_group("uns")
    for _ in range(40):
        inner = group.create_group("a")
        encode(inner, "dict", "0.1.0")
        group["b"] = inner
        group = inner


WRITERS = [zero_width, wide, aliased_text, unwritten_text, shared_groups]


def main():
    """Write all of them."""
    for write in WRITERS:
        path = Path(__file__).with_name(f"{write.__name__}.h5ad")
        with h5py.File(path, "w", libver="latest") as file:
            skeleton(file)
            write(file)


if __name__ == "__main__":
    main()
