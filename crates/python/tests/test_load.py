"""What is loaded is what anndata reads and concatenates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest
import random_collections as random
import scipy.sparse as sp
import zarr
from registry_files import h5ad, text

import anndex as ln
from anndex._anndata import concat_anndata, read_anndata


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[random.File]]:
    return random.write_files(tmp_path_factory.mktemp("load"))


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="./storage")


def read(path: Path | str) -> ad.AnnData:
    return ad.read_zarr(path) if str(path).endswith(".zarr") else ad.read_h5ad(path)


def same(ours: Any, theirs: Any, where: str = "") -> None:
    """The same types and values all the way down."""
    assert type(ours) is type(theirs), f"{where}: {type(ours)} instead of {type(theirs)}"
    if isinstance(theirs, ad.AnnData):
        assert ours.shape == theirs.shape, where
        for name in ("X", "obs", "var", "raw"):
            same(getattr(ours, name), getattr(theirs, name), f"{where}.{name}")
        for name in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            same(dict(getattr(ours, name)), dict(getattr(theirs, name)), f"{where}.{name}")
    elif type(theirs).__name__ == "Raw":
        same(ours.X, theirs.X, f"{where}.X")
        same(ours.var, theirs.var, f"{where}.var")
        same(dict(ours.varm), dict(theirs.varm), f"{where}.varm")
    elif isinstance(theirs, dict):
        # Zarr lists its directories in any order.
        assert set(ours) == set(theirs), where
        for name in theirs:
            same(ours[name], theirs[name], f"{where}[{name!r}]")
    elif sp.issparse(theirs):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, where
        assert ours.indices.dtype == theirs.indices.dtype, where
        assert ours.indptr.dtype == theirs.indptr.dtype, where
        np.testing.assert_array_equal(ours.toarray(), theirs.toarray(), err_msg=where)
    elif isinstance(theirs, np.ndarray):
        if theirs.dtype.kind == "T":
            # From Zarr anndata reads texts in uns as NumPy's own, and from HDF5 as objects.
            theirs = theirs.astype(object)
        assert ours.dtype == theirs.dtype, f"{where}: {ours.dtype} instead of {theirs.dtype}"
        np.testing.assert_array_equal(ours, theirs, err_msg=where)
    elif isinstance(theirs, ak.Array):
        assert ours.type == theirs.type, where
        assert ours.to_list() == theirs.to_list(), where
    elif isinstance(theirs, pd.DataFrame):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=where)
    elif isinstance(theirs, pd.api.extensions.ExtensionArray):
        pd.testing.assert_extension_array_equal(ours, theirs)
    else:
        assert ours == theirs, where


@pytest.mark.parametrize("kind", ["same", "different", "apart"])
def test_files_are_read_as_anndata_reads_them(
    kind: str, files: dict[str, list[random.File]]
) -> None:
    for file in files[kind]:
        same(read_anndata(str(file.path)), read(file.path), file.path.name)


@pytest.mark.parametrize("seed", range(60))
def test_collections_are_concatenated_as_anndata_does(
    seed: int, files: dict[str, list[random.File]]
) -> None:
    rng = np.random.default_rng(seed)
    kind = "same" if rng.random() < 0.3 else "different"
    chosen = [files[kind][i] for i in rng.choice(14, rng.integers(1, 4), replace=False)]
    if rng.random() < 0.1:
        chosen += files["apart"]
    paths = [str(file.path) for file in chosen]
    join: Any = rng.choice(["inner", "outer"])
    keys = [f"uid{i}" for i in range(len(paths))]
    more: dict[str, Any] = {"index_unique": "-"} if rng.random() < 0.3 else {}
    try:
        theirs = ad.concat(
            [read(path) for path in paths], join=join, label="artifact_uid", keys=keys, **more
        )
    except ValueError as error:
        if "float16" in str(error):
            # SciPy has no such type; ours is float32 then.
            assert concat_anndata(paths, join, "artifact_uid", keys, **more).X.dtype == "float32"
            return
        # Arrays of more axes are padded by none of us.
        with pytest.raises(ln.errors.InvalidInputError):
            concat_anndata(paths, join, "artifact_uid", keys, **more)
        return
    same(concat_anndata(paths, join, "artifact_uid", keys, **more), theirs)


def everything(path: Path) -> ad.AnnData:
    """An AnnData with all that has an encoding."""
    obs = pd.DataFrame(
        {"ordered": pd.Categorical(["x", "z"], categories=["z", "y", "x"], ordered=True)},
        index=["c0", "c1"],
    )
    adata = ad.AnnData(
        X=sp.csc_matrix(np.array([[0, 1, 0], [2, 0, 3]], "float32")),
        obs=obs,
        var=pd.DataFrame({"n": [1, 2, 3]}, index=pd.Index(["a", "b", "c"], name="gene")),
        varm={"loadings": np.ones((3, 2))},
        obsp={"distances": sp.csr_matrix(np.eye(2))},
        varp={"correlation": np.eye(3)},
        obsm={"table": pd.DataFrame({"q": [1, 2], "r": ["u", "v"]}, index=obs.index)},
    )
    adata.raw = adata
    adata.uns = {
        "text": "ä",
        "int": 3,
        "float": 1.5,
        "bool": True,
        "none": None,
        "numbers": np.arange(6).reshape(2, 3),
        "texts": np.array([["a", "b"]], dtype=object),
        "table": pd.DataFrame({"q": ["a", "b"]}),
        "dict": {"empty": {}, "list": ["x"]},
        "categories": pd.Categorical(["a", "b"]),
        "nullable": pd.array([1, None], dtype="Int64"),
        "records": np.rec.fromarrays(
            [np.array(["a", "b"], dtype=object), np.array([1.0, 2.0])], names=["name", "score"]
        ),
        "sparse": sp.csc_matrix(np.eye(2)),
    }
    if path.suffix == ".zarr":
        # Zarr has no records of texts.
        del adata.uns["records"]
        adata.write_zarr(path)
    else:
        adata.write_h5ad(path)
    return adata


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_all_parts_of_an_artifact_are_loaded(suffix: str, tmp_path: Path, instance: None) -> None:
    path = tmp_path / f"all{suffix}"
    everything(path)
    loaded = ln.Artifact(path, description="all").save().load()
    same(loaded, read(path))


ODD = Path(__file__).parents[3] / "tests" / "fixtures" / "odd"


def odd(rows: int) -> dict[str, Any]:
    """Values with an encoding that are not matrices of numbers."""
    numbers = np.arange(2.0 * rows).reshape(rows, 2)
    fields = np.zeros((rows, 2), dtype=[("a", "f4"), ("b", "i4")])
    fields["b"] = numbers
    return {
        "texts": np.array([[f"{n}a", f"{n}ä"] for n in range(rows)], dtype=object),
        "fields": fields,
        "complex64": (numbers * (1 + 2j)).astype("complex64"),
        "complex128": numbers * (1 - 2j),
        "lists": ak.Array([[1], [2, 3], [], [4]][:rows]),
        "records": ak.Array([{"x": n, "y": ["a"] * n} for n in range(rows)]),
    }


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_what_is_no_matrix_of_numbers_is_read_as_anndata_reads_it(
    suffix: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / f"odd{suffix}"
    adata = ad.AnnData(X=np.ones((4, 3), "float32"), obsm=odd(4), varm=odd(3))
    adata.uns = {
        "values": odd(2),
        "number": np.complex128(1 + 2j),
        "categories": pd.Categorical(["a", "b"]),
        "record": np.array((1, 2.0), dtype=[("a", "i4"), ("b", "f8")]),
    }
    (adata.write_zarr if suffix == ".zarr" else adata.write_h5ad)(path)
    same(read_anndata(str(path)), read(path))
    assert not [warning for warning in recwarn if "left out" in str(warning.message)]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_what_can_not_be_read_is_left_out_and_named_once(
    suffix: str, tmp_path: Path, instance: None
) -> None:
    path = tmp_path / f"parts{suffix}"
    adata = ad.AnnData(
        X=np.ones((4, 3), "float32"), layers={"a": np.ones((4, 3)), "b": np.ones((4, 3), "c16")}
    )
    adata.uns = {"a": 1, "b": {"c": 2, "d": np.array(["2026-01-01"], dtype="S")}}
    (adata.write_zarr if suffix == ".zarr" else adata.write_h5ad)(path)
    artifact = ln.Artifact(path, description="parts").save()
    with pytest.warns(UserWarning, match="left out what can't be read") as warnings:
        loaded = artifact.load()
    assert len(warnings) == 1 and "layers/b" in str(warnings[0].message)
    # Some versions of anndata list X as the layer None.
    assert set(loaded.layers) - {None} == {"a"} and loaded.uns["b"]["c"] == 2
    assert loaded.X is not None
    opened = artifact.open()
    assert list(opened.layers) == ["a", "b"]
    with pytest.raises(ln.errors.UnsupportedError, match="layers/b"):
        opened.layers["b"]
    collection = ln.Collection([artifact], name="C").save()
    with pytest.warns(UserWarning, match=r"left out .*layers/b"):
        assert set(collection.load().layers) - {None} == {"a"}


@pytest.mark.parametrize(
    "name", ["latin1_attribute", "external_link_main", "awkward_obsm", "uns_aw", "uns_cat"]
)
def test_files_with_an_odd_part_are_read_as_anndata_reads_them(name: str) -> None:
    path = ODD / f"{name}.h5ad"
    same(read_anndata(str(path)), read(path))


def test_a_file_with_many_odd_parts_is_opened_without_them() -> None:
    path = ODD / "parts.h5ad"
    with pytest.warns(UserWarning, match="left out what can't be read") as warnings:
        loaded = read_anndata(str(path))
    assert len(warnings) == 1
    with h5py.File(path) as file:
        np.testing.assert_array_equal(loaded.X, file["X"][:])
        for name in ("complex", "records"):
            np.testing.assert_array_equal(loaded.obsm[name], file["obsm"][name][:])
        texts = file["obsm/texts"].asstr()[:]
        np.testing.assert_array_equal(loaded.obsm["texts"], texts)
    assert loaded.uns == {"fine": 3, "deep": {"fine": "text"}, "linked": "text"}
    accessor = ln.AnnDataAccessor(str(path))
    with pytest.warns(UserWarning, match="obs/virtual"):
        assert list(accessor.obs.columns) == ["fine"]
    with pytest.warns(UserWarning, match="uns/circle"):
        assert set(accessor.uns) == {"fine", "deep", "linked"}


def test_matrices_take_over_the_memory_they_were_read_into(tmp_path: Path) -> None:
    adata = ad.AnnData(X=np.ones((4, 3), "float32"), layers={"s": sp.csr_matrix(np.eye(4, 3))})
    adata.write_h5ad(tmp_path / "a.h5ad")
    loaded: Any = read_anndata(str(tmp_path / "a.h5ad"))
    # Views of memory that is owned by the native module.
    assert not loaded.X.flags.owndata and not loaded.layers["s"].data.flags.owndata
    assert loaded.X.flags.writeable and loaded.X.flags.c_contiguous


def test_a_collection_is_loaded_and_tracked(tmp_path: Path, instance: None) -> None:
    artifacts = [ln.Artifact(h5ad(tmp_path / f"{n}.h5ad", n)).save() for n in range(3)]
    collection = ln.Collection(artifacts, name="C").save()
    run = ln.track(ln.Transform("train"))
    for join in ("inner", "outer"):
        expected = ad.concat(
            [read(artifact.path) for artifact in artifacts],
            join=join,
            label="artifact_uid",
            keys=[artifact.uid for artifact in artifacts],
        )
        same(collection.load(join=join, is_run_input=False), expected)
    assert collection.input_of.count() == 0
    collection.load()
    assert collection.input_of.list() == [run]
    artifacts[0].load(is_run_input=run)
    assert artifacts[0].input_of.list() == [run]


def test_further_parameters_are_those_of_anndata(tmp_path: Path, instance: None) -> None:
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for path in paths:
        everything(path)
    # The same content is the same artifact.
    h5ad(tmp_path / "c.h5ad")
    artifacts = [ln.Artifact(tmp_path / f"{n}.h5ad").save() for n in ("a", "c")]
    collection = ln.Collection(artifacts, name="C").save()
    keys = [artifact.uid for artifact in artifacts]
    parts = [read(artifact.path) for artifact in artifacts]
    more: Any = {"merge": "first", "uns_merge": "same", "pairwise": True}
    theirs = ad.concat(parts, join="outer", label="artifact_uid", keys=keys, **more)
    same(collection.load(**more), theirs)


def test_what_is_not_loaded_is_said(tmp_path: Path, instance: None) -> None:
    cells = ln.Artifact(h5ad(tmp_path / "a.h5ad")).save()
    picture = ln.Artifact(text(tmp_path / "b.tif", "x")).save()
    mixed = ln.Collection([cells, picture], name="mixed").save()
    with pytest.raises(ln.errors.InvalidInputError, match=r"\.h5ad, \.tif"):
        mixed.load()
    with pytest.raises(ln.errors.InvalidInputError, match=r"\.tif"):
        picture.load()
    collection = ln.Collection([cells], name="C").save()
    with pytest.raises(ln.errors.InvalidInputError, match="join"):
        collection.load(join="left")  # type: ignore[arg-type]
    with pytest.raises(ln.errors.InvalidInputError, match="artifact_uid"):
        collection.load(keys=["x"])
    assert cells.input_of.count() == 0
    twice = ad.AnnData(X=np.ones((1, 2), "float32"), var=pd.DataFrame(index=["g", "g"]))
    twice.write_h5ad(tmp_path / "twice.h5ad")
    artifact = ln.Artifact(tmp_path / "twice.h5ad").save()
    with pytest.raises(ln.errors.InvalidInputError, match="more than once"):
        ln.Collection([artifact, cells], name="twice").save().load()


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_attributes_may_be_arrays_of_one(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    labels = pd.Categorical(["b", "a", None], categories=["b", "a"], ordered=True)
    written = ad.AnnData(
        X=sp.csr_matrix(np.eye(3)), obs=pd.DataFrame({"stage": labels}, index=list("xyz"))
    )
    attributes = ("ordered", "encoding-type", "encoding-version", "_index")
    if suffix == ".zarr":
        written.write_zarr(path)
        root: Any = zarr.open(path, mode="r+")
    else:
        written.write_h5ad(path)
        root = h5py.File(path, "r+")
    for name in ("obs/stage", "X", "obs"):
        for attribute in set(attributes) & set(root[name].attrs):
            value = root[name].attrs[attribute]
            root[name].attrs[attribute] = [value]
    if suffix == ".h5ad":
        root.close()
    else:
        zarr.consolidate_metadata(path)
    found = read_anndata(str(path))
    pd.testing.assert_frame_equal(found.obs, written.obs)
    assert found.obs["stage"].dtype.ordered
    np.testing.assert_array_equal(found.X.toarray(), np.eye(3))
