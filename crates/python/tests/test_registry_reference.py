"""The examples of lamindb's reference of Collection that concern local data, as they stand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from registry_files import h5ad, text
from torch.utils.data import DataLoader

import anndex as ln


@pytest.fixture(autouse=True)
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="./storage")


def test_a_collection_of_artifacts(tmp_path: Path) -> None:
    artifact1 = ln.Artifact(h5ad(tmp_path / "a.h5ad", 1), description="donor 1").save()
    artifact2 = ln.Artifact(h5ad(tmp_path / "b.h5ad", 2), description="donor 2").save()

    collection = ln.Collection([artifact1, artifact2], name="My collection")
    collection.save()

    assert [one.uid for one in collection.artifacts] == [artifact1.uid, artifact2.uid]
    assert collection.version is None and len(collection.uid) == 20


def test_a_new_version() -> None:
    df1 = pd.DataFrame({"donor": ["x", "y"], "age": [40, 50]})
    df2 = pd.DataFrame({"donor": ["x", "y"], "age": [41, 51]})

    # a non-versioned collection
    collection = ln.Collection(df1, description="My dataframe")
    collection.save()
    # create new collection from old collection and version both
    new_collection = ln.Collection(df2, is_new_version_of=collection)
    assert new_collection.stem_uid == collection.stem_uid
    assert collection.version == "1"
    assert new_collection.version == "2"

    assert ln.Collection.get(collection.uid).version is None, "nothing is written before save"
    new_collection.save()
    assert ln.Collection.get(collection.uid).version == "1"
    assert ln.Collection.get(new_collection.uid).version == "2"
    assert (collection.version, new_collection.version) == ("1", "2")
    assert new_collection.name == collection.name == "My dataframe"
    assert list(new_collection.versions) == [collection, new_collection]
    (artifact,) = new_collection.artifacts
    pd.testing.assert_frame_equal(pd.read_parquet(artifact.path), df2)


def test_delete_and_restore(tmp_path: Path) -> None:
    artifact = ln.Artifact(text(tmp_path / "a.csv", "a\n1\n")).save()
    collection = ln.Collection([artifact], name="C").save()

    collection.delete()
    assert collection.visibility == 2
    collection.restore()
    assert collection.visibility == 0


def test_mapped(tmp_path: Path) -> None:
    artifacts = [ln.Artifact(h5ad(tmp_path / f"{n}.h5ad", n)).save() for n in range(2)]
    ln.Collection(artifacts, name="C", description="my collection").save()

    ds = collection = ln.Collection.filter(description="my collection").one()
    with pytest.warns(DeprecationWarning, match="obs_keys"):
        mapped = collection.mapped(label_keys=["cell_type", "batch"])
    dl = DataLoader(mapped, batch_size=128, shuffle=True)

    assert isinstance(mapped, ln.MappedCollection)
    (batch,) = dl
    assert batch["X"].shape == (12, 4) and set(batch) >= {"cell_type", "batch"}
    assert mapped.obs_keys == ds.mapped(obs_keys=["cell_type", "batch"]).obs_keys


def test_a_collection_of_a_path(tmp_path: Path) -> None:
    text(tmp_path / "myfile.csv", "donor,age\nx,40\n")

    collection = ln.Collection("./myfile.csv", name="myfile")
    collection.save()

    (artifact,) = collection.artifacts
    assert (artifact.key, artifact.suffix, artifact.otype) == ("myfile.csv", ".csv", "DataFrame")
    assert artifact.path.read_text() == "donor,age\nx,40\n"


def test_a_directory(tmp_path: Path) -> None:
    for name in ("a", "b"):
        text(tmp_path / "my-images" / f"{name}.png", name)
    artifact = ln.Artifact("my-images/", description="My images").save()
    assert (artifact.n_objects, artifact.size, artifact.hash_type) == (2, 2, "md5-d")


def test_a_collection_of_a_directory_with_meta_data(tmp_path: Path) -> None:
    for name in ("a", "b"):
        text(tmp_path / "my-images" / "plate" / f"{name}.png", name)
    df = pd.DataFrame({"path": ["plate/a.png", "plate/b.png"], "well": ["A1", "A2"]})

    collection = ln.Artifact("my-images/", name="My collection", meta=df)
    collection.save()

    assert isinstance(collection, ln.Collection)
    (images,) = collection.artifacts
    assert (images.key, images.n_objects, images.suffix) == ("my-images", 2, "")
    assert ln.Artifact.filter().count() == 2, "no record per file"
    meta = collection.artifact
    assert meta is not None and meta.described_collection == collection
    pd.testing.assert_frame_equal(meta.load(), df)
    root = collection.cache()[0]
    assert [(root / path).read_text() for path in df["path"]] == ["a", "b"]
    again = ln.Artifact("my-images/", name="My collection", meta=meta).save()
    assert again.uid == collection.uid
    for arguments in ({"key": "k"}, {"storage": "elsewhere"}, {"is_new_version_of": meta}):
        with pytest.raises((ValueError, TypeError), match="collection"):
            ln.Artifact("my-images/", name="N", **arguments)


def test_every_field_and_method_of_the_reference_is_there(tmp_path: Path) -> None:
    meta = ln.Artifact(text(tmp_path / "meta.csv", "a\n")).save()
    run = ln.track(ln.Transform("ingest"))
    collection = ln.Collection(
        [ln.Artifact(text(tmp_path / "a.csv", "b\n")).save()],
        name="C",
        version="1",
        description="D",
        meta=meta,
        reference="R",
        reference_type="url",
        run=run,
    ).save()
    expected = {
        "version": "1",
        "created_by": ln.User.filter().one(),
        "name": "C",
        "description": "D",
        "reference": "R",
        "reference_type": "url",
        "transform": run.transform,
        "run": run,
        "artifact": meta,
        "visibility": 0,
    }
    for field, value in expected.items():
        assert getattr(collection, field) == value, field
    assert collection.created_at <= collection.updated_at
    assert (collection.id, len(collection.uid), len(collection.hash or "")) == (1, 20, 22)
    assert meta.described_collection == collection
    assert collection.artifacts[0].described_collection is None
    user = collection.created_by
    assert user is not None and user.created_collections.list() == [collection]
    assert user.created_artifacts.count() == 2 and user.created_ulabels.count() == 0
    assert user.created_runs.list() == [run] and user.created_transforms.list() == [run.transform]
    assert run.updated_collections.count() == run.updated_artifacts.count() == 0
    for field in ("feature_sets", "ulabels", "input_of", "previous_runs"):
        assert getattr(collection, field).count() == 0, field
    assert collection.unordered_artifacts.count() == 1
    assert collection.cache() == collection.stage() == [collection.artifacts[0].path]
    assert list(collection.load(join="outer").columns) == ["b"]
