"""Write one matrix in every layout that HDF5 and Zarr know, without asking anndata.

Usage: write_layouts.py DIRECTORY

anndata reads these files; it just would not have written them so: chunks that
do not divide the shape, every filter and codec, big-endian numbers, shards.
"""

import sys
import warnings
from pathlib import Path

import h5py
import hdf5plugin
import numcodecs
import numpy as np
import zarr
from scipy import sparse

import archive
import dataset

SHAPE = (40, 30)
CHUNKS = (16, 12)

HDF5_LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": CHUNKS},
    "one_row_chunks": {"chunks": (1, SHAPE[1])},
    "resizable": {"chunks": CHUNKS, "maxshape": (None, None)},
    "gzip": {"chunks": CHUNKS, "compression": "gzip", "compression_opts": 9},
    "shuffle_gzip": {"chunks": CHUNKS, "compression": "gzip", "shuffle": True},
    "shuffle": {"chunks": CHUNKS, "shuffle": True},
    "lzf": {"chunks": CHUNKS, "compression": "lzf"},
    "shuffle_lzf": {"chunks": CHUNKS, "compression": "lzf", "shuffle": True},
    "fletcher32": {"chunks": CHUNKS, "fletcher32": True},
    "shuffle_gzip_fletcher32": {
        **{"chunks": CHUNKS, "compression": "gzip", "shuffle": True, "fletcher32": True},
    },
    "zstd": {"chunks": CHUNKS, "compression": hdf5plugin.Zstd()},
    "lz4": {"chunks": CHUNKS, "compression": hdf5plugin.LZ4()},
    "lz4_small_blocks": {"chunks": CHUNKS, "compression": hdf5plugin.LZ4(nbytes=256)},
    **{
        f"blosc_{codec}_{shuffle}": {
            "chunks": CHUNKS,
            "compression": hdf5plugin.Blosc(cname=codec, clevel=5, shuffle=shuffle),
        }
        for codec, shuffle in [
            *(("blosclz", 1), ("lz4", 1), ("lz4", 2), ("lz4hc", 0)),
            *(("zlib", 1), ("zstd", 0), ("zstd", 2)),
        ]
    },
}

ZARR2_CODECS = {
    "uncompressed": None,
    "gzip": numcodecs.GZip(5),
    "zlib": numcodecs.Zlib(5),
    "zstd": numcodecs.Zstd(3),
    **{
        f"blosc_{codec}_{shuffle}": numcodecs.Blosc(cname=codec, clevel=5, shuffle=shuffle)
        for codec, shuffle in [("lz4", 1), ("zstd", 2), ("blosclz", 0), ("zlib", 1)]
    },
}

ZARR3_CODECS = {
    "uncompressed": None,
    "gzip": zarr.codecs.GzipCodec(level=5),
    "zstd": zarr.codecs.ZstdCodec(level=3),
    "zstd_checksum": zarr.codecs.ZstdCodec(level=3, checksum=True),
    "crc32c": zarr.codecs.Crc32cCodec(),
    "blosc_lz4": zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle", typesize=4),
    "blosc_zstd": zarr.codecs.BloscCodec(cname="zstd", shuffle="bitshuffle", typesize=4),
}


def values():
    """Return counts whose chunks compress, with one chunk that is all zeros."""
    x = dataset.counts(np.random.RandomState(3), SHAPE)
    x[16:32, 12:24] = 0
    return x


def encode(node, encoding, version):
    """Set the attributes by which anndata knows what `node` is."""
    node.attrs["encoding-type"] = encoding
    node.attrs["encoding-version"] = version


def write_frame(root, name, index, write_strings):
    """Write a data frame without columns."""
    group = root.create_group(name)
    encode(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    # HDF5 has no empty list without a type.
    group.attrs["column-order"] = np.zeros(0) if isinstance(group, h5py.Group) else []
    encode(write_strings(group, "_index", index), "string-array", "0.2.0")


def skeleton(root, write_strings, shape=SHAPE):
    """Write all of an AnnData but its matrices; return the group of the layers."""
    encode(root, "anndata", "0.1.0")
    write_frame(root, "obs", dataset.names("cell", shape[0]), write_strings)
    write_frame(root, "var", dataset.names("gene", shape[1]), write_strings)
    layers = root.create_group("layers")
    encode(layers, "dict", "0.1.0")
    return layers


def hdf5_strings(group, name, strings):
    return group.create_dataset(name, data=strings, dtype=h5py.string_dtype())


def zarr_strings(group, name, strings):
    return group.create_array(name, data=np.array(strings, dtype=np.dtypes.StringDType()))


def write_hdf5_layouts(path):
    with h5py.File(path, "w", libver="latest") as file:
        layers = skeleton(file, hdf5_strings)
        encode(file.create_dataset("X", data=values()), "array", "0.2.0")
        for name, options in HDF5_LAYOUTS.items():
            encode(layers.create_dataset(name, data=values(), **options), "array", "0.2.0")
        # Chunks that were never written read as the fill value.
        partial = layers.create_dataset(
            "fill_value", SHAPE, np.float32, chunks=CHUNKS, fillvalue=2.5, compression="gzip"
        )
        partial[:16] = values()[:16]
        encode(partial, "array", "0.2.0")
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(SHAPE)
        kind = h5py.h5t.py_create(np.dtype("float32"))
        h5py.h5d.create(layers.id, b"compact", kind, space, compact)
        layers["compact"][...] = values()
        encode(layers["compact"], "array", "0.2.0")


def write_csr(layers, csr, create):
    """Write a CSR matrix as the layer "csr", its parts with `create`."""
    group = layers.create_group("csr")
    encode(group, "csr_matrix", "0.1.0")
    group.attrs["shape"] = list(csr.shape)
    create(group, "data", csr.data)
    create(group, "indices", csr.indices)
    create(group, "indptr", csr.indptr)


def write_big_endian(root, write_strings, create):
    """Write every kind of number with its most significant byte first."""
    few = values()[:12, :12]
    layers = skeleton(root, write_strings, few.shape)
    encode(create(root, "X", few.astype(">f4")), "array", "0.2.0")
    for dtype in [">i2", ">u4", ">i8", ">f2", ">f8"]:
        name = np.dtype(dtype).newbyteorder("=").name
        encode(create(layers, name, few.astype(dtype)), "array", "0.2.0")

    def create_part(group, name, data):
        order = {"data": ">f8", "indices": ">i4", "indptr": ">i8"}
        create(group, name, data.astype(order[name]))

    write_csr(layers, sparse.csr_matrix(few), create_part)
    obs = root["obs"]
    encode(create(obs, "depth", np.arange(len(few), dtype=">i4")), "array", "0.2.0")
    obs.attrs["column-order"] = ["depth"]


def write_zarr_directory(directory, path, zarr_format, write):
    """Write a Zarr hierarchy with `write(root)` and zip it."""
    root = zarr.open_group(directory, mode="w", zarr_format=zarr_format)
    write(root)
    archive.zip_directory(directory, path)


def write_zarr2_codecs(root):
    layers = skeleton(root, zarr_strings)
    x = root.create_array("X", data=values(), chunks=CHUNKS, compressors=numcodecs.Blosc())
    encode(x, "array", "0.2.0")
    for name, codec in ZARR2_CODECS.items():
        array = layers.create_array(name, data=values(), chunks=CHUNKS, compressors=codec)
        encode(array, "array", "0.2.0")
    options = {"chunks": CHUNKS, "compressors": numcodecs.Zstd()}
    encode(layers.create_array("f_order", data=values(), order="F", **options), "array", "0.2.0")


def write_zarr3_codecs(root):
    layers = skeleton(root, zarr_strings)
    encode(root.create_array("X", data=values(), chunks=CHUNKS), "array", "0.2.0")
    for name, codec in ZARR3_CODECS.items():
        array = layers.create_array(name, data=values(), chunks=CHUNKS, compressors=codec)
        encode(array, "array", "0.2.0")
    transpose = zarr.codecs.TransposeCodec(order=(1, 0))
    array = layers.create_array("transpose", data=values(), chunks=CHUNKS, filters=transpose)
    encode(array, "array", "0.2.0")
    partial = layers.create_array(
        "fill_value", shape=SHAPE, dtype="float32", chunks=CHUNKS, fill_value=2.5
    )
    partial[:16] = values()[:16]
    encode(partial, "array", "0.2.0")


def write_zarr3_sharded(root):
    layers = skeleton(root, zarr_strings)
    shards = {"chunks": (4, 6), "shards": (16, 12)}
    encode(root.create_array("X", data=values(), **shards), "array", "0.2.0")
    start = zarr.codecs.ShardingCodec(
        chunk_shape=(4, 6),
        codecs=[zarr.codecs.BytesCodec(), zarr.codecs.ZstdCodec()],
        index_location="start",
    )
    array = layers.create_array(
        "index_at_start", data=values(), chunks=CHUNKS, serializer=start, compressors=None
    )
    encode(array, "array", "0.2.0")

    def create(group, name, data):
        options = {"chunks": (32,), "shards": (128,)} if len(data) > 128 else {}
        group.create_array(name, data=data, **options)

    write_csr(layers, sparse.csr_matrix(values()), create)


def main(directory):
    warnings.simplefilter("ignore")
    directory = Path(directory)
    write_hdf5_layouts(directory / "layouts.h5ad")
    with h5py.File(directory / "big_endian.h5ad", "w", libver="latest") as file:
        write_big_endian(
            file, hdf5_strings, lambda group, name, data: group.create_dataset(name, data=data)
        )

    def big_endian(root):
        # In format 3 the order of bytes is a matter of the codec, not of the type.
        codec = {"serializer": zarr.codecs.BytesCodec(endian="big")}
        options = codec if root.metadata.zarr_format == 3 else {}

        def create(group, name, data):
            chunks = tuple(min(extent, 8) for extent in data.shape)
            return group.create_array(name, data=data, chunks=chunks, **options)

        write_big_endian(root, zarr_strings, create)

    for name, zarr_format, write in [
        ("big_endian.zarr.zip", 2, big_endian),
        ("big_endian.v3.zarr.zip", 3, big_endian),
        ("codecs.zarr.zip", 2, write_zarr2_codecs),
        ("codecs.v3.zarr.zip", 3, write_zarr3_codecs),
        ("sharded.v3.zarr.zip", 3, write_zarr3_sharded),
    ]:
        write_zarr_directory(directory / "partial", directory / name, zarr_format, write)


if __name__ == "__main__":
    main(*sys.argv[1:])
