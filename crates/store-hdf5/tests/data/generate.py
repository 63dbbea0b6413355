"""Writes the files beside it with h5py: what other programs write and our writer does not.

Run with Python 3.12, h5py 3.16 and hdf5plugin 7.1:  python generate.py

Every array holds n * n % 101 for its n-th element, converted to its type, unless its name says
otherwise, so that the tests know what to expect without another file.
"""

import pathlib

import h5py
import hdf5plugin
import numpy as np

HERE = pathlib.Path(__file__).parent
TEXT = h5py.string_dtype()
NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


def values(shape, dtype):
    n = np.arange(np.prod(shape, dtype=int), dtype="u8")
    return (n * n % (2 if dtype == "?" else 101)).astype(dtype).reshape(shape)


def texts(values):
    return np.array(values, dtype=object)


def filters():
    with h5py.File(HERE / "filters.h5", "w", libver="latest") as f:

        def add(name, dtype="i4", count=1500, chunk=400, **options):
            f.create_dataset(name, data=values(count, dtype), chunks=(chunk,), **options)

        for codec in ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]:
            for shuffle in range(3):
                add(f"blosc {codec} {shuffle}", **hdf5plugin.Blosc(codec, 5, shuffle))
        add("blosc incompressible", "u1", 200, 50, **hdf5plugin.Blosc("lz4", 1, 0))
        add("blosc zstd of f8", "f8", **hdf5plugin.Blosc("zstd", 1, 1))
        add("lz4", **hdf5plugin.LZ4())
        add("lz4 of many blocks", **hdf5plugin.LZ4(nbytes=256))
        add("zstd", **hdf5plugin.Zstd(3))
        add("lzf", compression="lzf")
        add("lzf of shuffled", compression="lzf", shuffle=True)
        add("gzip", compression="gzip", compression_opts=9)
        add("gzip of shuffled, checked", compression="gzip", shuffle=True, fletcher32=True)
        add("checked", fletcher32=True)
        add("scaleoffset", scaleoffset=0)
        skipped = f.create_dataset(
            "gzip, skipped in the first chunk", (1500,), "i4", chunks=(400,), compression="gzip"
        )
        skipped[...] = values(1500, "i4")
        skipped.id.write_direct_chunk((0,), values(400, "i4").tobytes(), filter_mask=1)
        add("unknown bitshuffle", count=100, chunk=100, **hdf5plugin.Bitshuffle())
        add("unknown blosc2", count=100, chunk=100, **hdf5plugin.Blosc2())


def layouts(name, **options):
    with h5py.File(HERE / name, "w", **options) as f:
        for dtype in NUMBERS:
            for order in "<>":
                data = values(20, dtype).astype(order + dtype.strip("?") if dtype != "?" else "?")
                f[f"number {order}{dtype.replace('?', 'bool')}"] = data
        data = values((11, 9), "i4")
        f["contiguous"] = data
        for chunk in [(4, 9), (11, 2), (3, 4), (1, 1), (11, 9)]:
            for kind, limit in [("fixed", (11, 9)), ("rows", (None, 9)), ("both", (None, None))]:
                f.create_dataset(f"chunks {chunk} {kind}", data=data, chunks=chunk, maxshape=limit)
        f.create_dataset("chunks of 4 axes", data=values((5, 4, 3, 2), ">i2"), chunks=(2, 3, 2, 2))
        f.create_dataset("many chunks", data=values(3000, "u1"), chunks=(2,), maxshape=(None,))
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((12,))
        small = h5py.h5d.create(f.id, b"compact", h5py.h5t.STD_I32BE, space, compact)
        small.write(h5py.h5s.ALL, h5py.h5s.ALL, values(12, "i4"))
        implicit = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        implicit.set_chunk((5,))
        implicit.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((33,))
        early = h5py.h5d.create(f.id, b"implicit", h5py.h5t.STD_I32LE, space, implicit)
        early.write(h5py.h5s.ALL, h5py.h5s.ALL, values(33, "i4"))
        shrunk = f.create_dataset("shrunk", data=values(40, "i4"), chunks=(8,), maxshape=(None,))
        shrunk.resize((13,))

        special = f.create_group("special")
        sparse = special.create_dataset(
            "sevens", (20, 5), ">i4", chunks=(4, 3), fillvalue=7, compression="gzip"
        )
        sparse[9, 4] = 7
        special.create_dataset("sevens unwritten", (4,), ">i2", fillvalue=7)
        if "latest" in name:  # libhdf5 refuses to write this with older structures
            odd = h5py.h5t.STD_I32LE.copy()
            odd.set_precision(12)
            h5py.h5d.create(special.id, b"twelve bits", odd, h5py.h5s.create_simple((3,)))
        special["opaque"] = np.array([b"ab", b"cd"], dtype="V2")
        special["soft"] = h5py.SoftLink("/contiguous")
        special["hard"] = f["contiguous"]
        special["dangling"] = h5py.SoftLink("/nowhere")
        special["external"] = h5py.ExternalLink("other.h5", "/x")
        special["cycle"] = f["special"]

        strings = f.create_group("strings")
        words = ["Zelle", "", "gène"]
        strings.create_dataset("variable", data=texts(words), dtype=TEXT)
        strings.create_dataset("variable chunked", data=texts(words), dtype=TEXT, chunks=(2,))
        encoded = np.array([w.encode() for w in words], dtype=h5py.string_dtype("utf-8", 8))
        strings["fixed"] = encoded
        padded = h5py.h5t.C_S1.copy()
        padded.set_size(8)
        padded.set_cset(h5py.h5t.CSET_UTF8)
        padded.set_strpad(h5py.h5t.STR_SPACEPAD)
        space = h5py.h5s.create_simple((3,))
        spaces = h5py.h5d.create(strings.id, b"space padded", padded, space)
        raw = np.array([w.encode().ljust(8) for w in words], dtype="S8")
        spaces.write(h5py.h5s.ALL, h5py.h5s.ALL, raw, padded)

        fields = [
            ("text", TEXT),
            ("fixed", "S5"),
            ("f4", "<f4"),
            ("i8", ">i8"),
            ("bool", "?"),
            ("array", ">f8", (2, 3)),
            ("texts", "S3", (2,)),
        ]
        table = np.zeros(9, dtype=fields)
        table["text"] = [f"cell {n}" for n in range(9)]
        table["fixed"] = [f"c{n}".encode() for n in range(9)]
        table["f4"] = values(9, "f4")
        table["i8"] = values(9, "i8")
        table["bool"] = values(9, "?")
        table["array"] = values((9, 2, 3), "f8")
        table["texts"] = b"ab"
        f.create_dataset("table/contiguous", data=table)
        f.create_dataset("table/chunked", data=table, chunks=(4,), compression="gzip")

        attributes = special.attrs
        attributes["int"] = np.int8(-5)
        attributes["large"] = np.uint64(2**64 - 1)
        attributes["half"] = np.float16(1.5)
        attributes["bool"] = True
        attributes["bools"] = np.array([True, False])
        attributes["text"] = "gène"
        attributes["fixed"] = np.bytes_(b"abc")
        attributes.create("texts", texts(["a", ""]), dtype=TEXT)
        attributes.create("no texts", texts([]), dtype=TEXT)
        attributes["none"] = h5py.Empty("f4")
        attributes["nested"] = np.array([[1, 2], [3, 4]], dtype=">i4")
        attributes["reference"] = f["table/chunked"].ref
        attributes.create("references", texts([f["table"].ref]), dtype=h5py.ref_dtype)
        attributes["record"] = np.array((1, 2.5), dtype=[("a", "i4"), ("b", "f8")])
        for n in range(12):
            attributes[f"many {n:02}"] = n


def links(name, beside, **options):
    """Links of all kinds, most of which lead nowhere, and arrays whose values are elsewhere."""
    with h5py.File(HERE / beside, "w", **options) as f:
        f["numbers"] = values((4, 3), "i4")
        f["group/inner"] = values(5, "f4")
        f["back"] = h5py.ExternalLink(name, "/own")
        f["onwards"] = h5py.ExternalLink(name, "/to group/inner")
        f["group"].attrs["reference"] = f["numbers"].ref
        f["group"].attrs["n"] = 3
    with h5py.File(HERE / name, "w", **options) as f:
        f["own"] = values(7, "u2")
        f["to numbers"] = h5py.ExternalLink(beside, "/numbers")
        f["to group"] = h5py.ExternalLink(beside, "group")
        f["to numbers here"] = h5py.ExternalLink(f"./{beside}", "/numbers")
        f["to itself"] = h5py.ExternalLink(name, "/own")
        f["there and back"] = h5py.ExternalLink(beside, "/back")
        f["soft"] = h5py.SoftLink("/to group/inner")
        f["group/up"] = h5py.SoftLink("/own")
        f["group/same"] = h5py.SoftLink("up")
        bad = f.create_group("bad")
        bad["no such file"] = h5py.ExternalLink("missing.h5", "/numbers")
        bad["no such node"] = h5py.ExternalLink(beside, "/missing")
        bad["above"] = h5py.ExternalLink(f"../data/{beside}", "/numbers")
        bad["absolute"] = h5py.ExternalLink(f"/{beside}", "/numbers")
        bad["dangling"] = h5py.SoftLink("/missing")
        bad["circle"] = h5py.SoftLink("/bad/round")
        bad["round"] = h5py.SoftLink("/bad/circle")
        bad["itself"] = h5py.SoftLink("/bad/itself/itself")
        bad["type"] = np.dtype("i4")
        f["good"] = values(6, "i4")
        if options["libver"] == "latest":
            layout = h5py.VirtualLayout(shape=(7,), dtype="u2")
            layout[:] = h5py.VirtualSource(".", "own", shape=(7,))
            bad_virtual = f.create_virtual_dataset("bad/virtual", layout)
            assert (bad_virtual[:] == f["own"][:]).all()


def one_chunk():
    """A matrix of 320 MiB in one chunk, as R writes them."""
    shape = (320, 1 << 20)
    with h5py.File(HERE / "one_chunk.h5", "w") as f:
        x = f.create_dataset("X", shape, "u1", chunks=shape, compression="gzip", compression_opts=9)
        rows = np.zeros(shape, "u1")
        rows[0, 0], rows[5, 3], rows[-1, -1] = 1, 2, 3
        x[...] = rows


filters()
one_chunk()
links("links_earliest.h5", "beside_earliest.h5", libver="earliest")
links("links_latest.h5", "beside_latest.h5", libver="latest")
layouts("earliest.h5", libver="earliest", userblock_size=512)
layouts("latest.h5", libver="latest")
