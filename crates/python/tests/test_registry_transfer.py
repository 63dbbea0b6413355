"""Saving to another instance: everything arrives, once, and files stay where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry_files import h5ad

import anndex as ln
from anndex import errors


@pytest.fixture(autouse=True)
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance beside the current one."""
    monkeypatch.chdir(tmp_path)
    ln.init(storage="other").close()
    ln.init(storage="storage")
    return tmp_path / "other"


def test_a_collection_is_copied_with_all_that_it_stands_on(tmp_path: Path, other: Path) -> None:
    ln.track(ln.Transform("ingest"))
    artifacts = [ln.Artifact(h5ad(tmp_path / f"{i}.h5ad", i)).save() for i in (2, 0, 1)]
    label = ln.ULabel("blood").save()
    collection = ln.Collection(artifacts, name="cells", version="1")
    assert collection.save(using="other") is collection
    collection.ulabels.add(label)
    uids = [one.uid for one in artifacts]
    paths = collection.cache()
    with collection.mapped(obs_keys="batch") as mapped:
        expected = [sample["batch"] for sample in mapped]
    for _ in range(2):
        collection.save(using=other)

    ln.connect(other)
    copied = ln.Collection.filter().one()
    assert copied != collection and copied.uid == collection.uid and copied.version == "1"
    assert [one.uid for one in copied.artifacts] == uids
    assert copied.cache() == paths
    assert [one.name for one in copied.ulabels.all()] == ["blood"]
    assert copied.run is not None and copied.transform is not None
    assert copied.transform.name == "ingest"
    assert ln.Artifact.filter().count() == 3 and ln.Run.filter().count() == 1
    with copied.mapped(obs_keys="batch") as mapped:
        assert [sample["batch"] for sample in mapped] == expected


def test_an_artifact_is_copied(tmp_path: Path, other: Path) -> None:
    artifact = ln.Artifact(h5ad(tmp_path / "a.h5ad")).save(using=other)
    path = artifact.path
    artifact.save(using="storage")
    assert ln.Artifact.filter().one() == artifact
    ln.connect(other)
    assert ln.Artifact.get(artifact.uid).path == path


def test_what_is_refused(tmp_path: Path, other: Path) -> None:
    artifact = ln.Artifact(h5ad(tmp_path / "a.h5ad")).save()
    with pytest.raises(FileNotFoundError, match="no instance"):
        artifact.save(using=tmp_path / "none")
    with pytest.raises(errors.UnsupportedError):
        artifact.save(using="mysql://user:secret@host/db")
    with pytest.raises(TypeError):
        artifact.save(using=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    artifact.delete()
    with pytest.raises(ValueError, match="trash"):
        artifact.save(using=other)
    ln.connect(other)
    assert ln.Artifact.filter().count() == 0
