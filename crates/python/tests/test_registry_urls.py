"""Artifacts at URLs: a bucket that rclone serves, registered, cached and mapped from Python."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from registry_files import adata, h5ad, text

import anndex as ln
from anndex import errors

KEY, SECRET = "anndex", "correct-horse-battery"


@pytest.fixture
def bucket(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, str]]:
    """A directory that is a bucket, and the parameter of its URLs."""
    # rclone stops answering if it must read directories anew for each request while it is written.
    remembers = getattr(request, "param", "0s")
    directory = tmp_path / "buckets" / "cells"
    directory.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rclone = Path(sys.executable).with_name("rclone")
    server = subprocess.Popen(
        [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
        + ["--dir-cache-time", remembers, "--config", os.devnull, "--quiet", directory.parent]
    )
    try:
        for _ in range(1000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        else:
            pytest.fail("rclone did not start")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        ln.init(storage=tmp_path / "storage")
        yield directory, f"?endpoint_url=http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def test_a_collection_in_a_bucket_is_cached_and_mapped(
    bucket: tuple[Path, str], capfd: pytest.CaptureFixture[str]
) -> None:
    directory, parameter = bucket
    h5ad(directory / "a.h5ad", 1)
    h5ad(directory / "b.h5ad", 2)
    artifacts = [ln.Artifact(f"s3://cells/{name}.h5ad{parameter}").save() for name in "ab"]
    assert artifacts[0].key == "a.h5ad" and artifacts[0].etag
    assert artifacts[0].url == f"s3://cells/a.h5ad{parameter}"
    with pytest.raises(NotImplementedError, match="cache"):
        _ = artifacts[0].path

    collection = ln.Collection(artifacts, name="C").save()
    paths = collection.cache()
    assert [path.read_bytes() for path in paths] == [
        (directory / name).read_bytes() for name in ("a.h5ad", "b.h5ad")
    ]
    assert collection.stage(progress=False) == paths
    assert artifacts[1].cache() == paths[1]
    assert capfd.readouterr().err == ""
    with collection.mapped() as mapped:
        assert len(mapped) > 1 and mapped[0]["X"] is not None
    assert ln.check(deep=True).is_consistent


def test_a_collection_in_a_bucket_is_streamed(bucket: tuple[Path, str]) -> None:
    directory, parameter = bucket
    h5ad(directory / "a.h5ad", 1)
    h5ad(directory / "b.h5ad", 2)
    urls = [f"s3://cells/{name}.h5ad{parameter}" for name in "ab"]
    collection = ln.Collection([ln.Artifact(url).save() for url in urls], name="C").save()
    local = ln.MappedCollection([directory / "a.h5ad", directory / "b.h5ad"])
    with collection.mapped(stream=True, stream_gap=0, stream_requests=3) as streamed:
        assert streamed.path_list == urls
        rows = list(range(len(local)))
        assert (streamed[rows]["X"] == local[rows]["X"]).all()
        again = pickle.loads(pickle.dumps(streamed))
        assert (again[len(local) - 1]["X"] == local[len(local) - 1]["X"]).all()
        for shuffle in ("exact", "block"):
            loaders = [m.loader(batch_size=2, shuffle=shuffle, seed=1) for m in (local, streamed)]
            for here, there in zip(*loaders, strict=True):
                assert (here["X"] == there["X"]).all()
    cached = collection.cache()
    with collection.mapped(stream=True) as streamed:
        assert [Path(path) for path in streamed.path_list] == cached
    with pytest.raises(FileNotFoundError):
        ln.MappedCollection([f"s3://cells/absent.h5ad{parameter}"])


def test_what_is_not_what_was_registered_is_not_streamed(bucket: tuple[Path, str]) -> None:
    directory, parameter = bucket
    h5ad(directory / "a.h5ad", 1)
    artifact = ln.Artifact(f"s3://cells/a.h5ad{parameter}").save()
    collection = ln.Collection([artifact], name="C").save()
    with (directory / "a.h5ad").open("ab") as file:
        file.write(b"more")
    with pytest.raises(OSError, match="not the one that was registered") as caught:
        collection.mapped(stream=True)
    assert caught.value.context["collection"] == collection.uid


def test_a_prefix_is_one_artifact(bucket: tuple[Path, str]) -> None:
    directory, parameter = bucket
    (directory / "images" / "deep").mkdir(parents=True)
    text(directory / "images" / "a.tif", "a")
    text(directory / "images" / "deep" / "b.tif", "b")
    images = ln.Artifact(f"s3://cells/images/{parameter}").save()
    assert (images.n_objects, images.size, images.hash_type) == (2, 2, "md5-d")
    assert (images.cache() / "deep" / "b.tif").read_text() == "b"


def test_a_bucket_of_images_is_a_collection(bucket: tuple[Path, str], tmp_path: Path) -> None:
    """The example of the reference that is for very many files, as it stands."""
    directory, _ = bucket
    for name in ("a", "b"):
        text(directory.parent / "my-bucket" / "my-images" / "plate" / f"{name}.png", name)
    ln.connect(tmp_path / "storage")
    df = pd.DataFrame({"path": ["plate/a.png", "plate/b.png"], "well": ["A1", "A2"]})

    collection = ln.Artifact("s3://my-bucket/my-images/", name="My collection", meta=df)
    collection.save()

    (images,) = collection.artifacts
    assert (images.url, images.n_objects) == ("s3://my-bucket/my-images", 2)
    assert ln.Artifact.filter().count() == 2, "no record per file"
    found = ln.Collection.get(name="My collection")
    assert found.artifact is not None and list(found.artifact.load()["well"]) == ["A1", "A2"]
    (root,) = found.cache()
    assert [(root / path).read_text() for path in df["path"]] == ["a", "b"]


@pytest.mark.parametrize("bucket", ["5m"], indirect=True)
def test_what_is_copied_into_a_bucket(bucket: tuple[Path, str], tmp_path: Path) -> None:
    directory, parameter = bucket
    lab = ln.Storage(f"s3://cells/lab{parameter}").save()
    url = f"s3://cells/other{parameter}"
    file = text(tmp_path / "a.csv", "donor\n1\n")
    df = pd.DataFrame({"donor": [1, 2]})
    for number, storage in enumerate((lab, ln.Storage(url), url)):
        file.write_text(f"donor\n{number}\n")
        copied = ln.Artifact(file, storage=storage).save()
        assert copied.storage is not None and copied.url is not None
        there = directory / copied.url.removeprefix("s3://cells/").removesuffix(parameter)
        assert there.read_text() == copied.cache().read_text() == f"donor\n{number}\n"
    made = ln.Artifact.from_df(df, key="donors.parquet", storage=lab).save()
    cells = ln.Artifact.from_anndata(adata(), key="a.h5ad", storage=lab)
    ln.save([cells])
    assert made.storage == cells.storage == lab and cells.n_observations == 6
    pd.testing.assert_frame_equal(made.load(), df)
    with pytest.raises(TypeError):
        ln.Artifact(file, storage=1)


@pytest.mark.parametrize("bucket", ["5m"], indirect=True)
def test_a_bucket_is_the_default_storage(
    bucket: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, parameter = bucket
    root = f"s3://cells/lab{parameter}"
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for db in (None, tmp_path / "registry"):
        instance = ln.init(storage=root, db=db)
        assert instance.path == (db or tmp_path / "work")
        artifact = ln.Artifact(h5ad(tmp_path / "a.h5ad", 1)).save()
        assert artifact.url is not None and artifact.url.startswith("s3://cells/lab/")
        assert artifact.n_observations == 6
        assert (directory / "lab" / artifact.storage_key).is_file()
        collection = ln.Collection([artifact], name="C").save()
        ln.connect(db)
        with ln.Collection.get(collection.uid).mapped() as mapped:
            assert len(mapped) == 6
        assert ln.check(deep=True).is_consistent
        with pytest.raises(ValueError, match="storage"):
            ln.init(storage=f"s3://cells/elsewhere{parameter}", db=db)
    with pytest.raises(errors.AnndexError, match="bucket"):
        ln.init(storage=f"s3://no-such-bucket/lab{parameter}", db=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_missing_or_refused(
    bucket: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, parameter = bucket
    with pytest.raises(FileNotFoundError):
        ln.Artifact(f"s3://cells/absent.h5ad{parameter}").save()
    with pytest.raises(errors.AnndexError, match="bucket"):
        ln.Artifact(f"s3://no-such-bucket/absent.h5ad{parameter}").save()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    ln.connect(tmp_path / "storage")
    with pytest.raises(PermissionError) as caught:
        ln.Artifact(f"s3://cells/absent.h5ad{parameter}").save()
    assert "wrong-secret" not in str(caught.value)
