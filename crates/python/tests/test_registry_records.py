"""Records: known content, versions, trash, labels, lineage, and what is refused."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from registry_files import adata, h5ad, text

import anndex as ln
from anndex import errors


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="storage")
    return tmp_path / "storage"


def csv(content: str) -> ln.Artifact:
    return ln.Artifact(text(Path("files") / f"{content}.csv", content)).save()


def test_known_content_is_one_artifact(storage: Path) -> None:
    first = ln.Artifact(text(Path("a.csv"), "same")).save()
    with pytest.warns(UserWarning, match=rf'b\.csv".* artifact {first.uid} \("a\.csv"\)') as warned:
        again = ln.Artifact(text(Path("b.csv"), "same"), description="again").save()
    assert len(warned) == 1 and warned[0].filename == __file__
    assert again == first and hash(again) == hash(first) and again.description == "again"
    assert ln.Artifact.filter().count() == 1
    in_place = ln.Artifact(text(storage / "deep/c.csv", "other")).save()
    assert (in_place.key, in_place.path) == ("deep/c.csv", storage / "deep/c.csv")


def test_content_at_a_second_place_is_said_once(storage: Path) -> None:
    first = ln.Artifact(text(storage / "x/a.csv", "")).save()
    for path in (storage / "x/b.csv", Path("c.csv")):
        with pytest.warns(UserWarning) as warned:
            known = ln.Artifact(text(path, "")).save()
        said = [str(one.message) for one in warned]
        assert len(said) == 1 and path.name in said[0] and first.uid in said[0]
        assert known == first and known.key == "x/a.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ln.Artifact(storage / "x/a.csv").save() == first, "the same place is not news"
    with pytest.raises(FileExistsError, match=first.uid):
        ln.Artifact(storage / "x/b.csv", version="2").save()
    files = [ln.Artifact(text(storage / f"y/{n}.csv", "equal")) for n in range(3)]
    with pytest.warns(UserWarning) as warned:
        ln.save(files)
    assert [str(one.message).split('"')[1][-7:] for one in warned] == ["y/1.csv", "y/2.csv"]
    assert len(set(files)) == 1 and ln.Artifact.filter().count() == 2


def test_a_known_collection_keeps_its_name_and_version() -> None:
    artifact = csv("a")
    first = ln.Collection([artifact], name="C", version="1").save()
    with pytest.warns(UserWarning, match=f'"D".*{first.uid}') as warned:
        again = ln.Collection([artifact], name="D", description="d").save()
    assert len(warned) == 1
    assert again == first and (again.name, again.description) == ("C", "d")
    with pytest.raises(FileExistsError, match=f'{first.uid}.*"2"'):
        ln.Collection([artifact], name="D", version="2").save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ln.Collection([artifact], name="C", version="1").save() == first
        ln.Collection([csv("b")], is_new_version_of=first).save()


def test_an_unrelated_collection_of_the_same_name_is_a_warning() -> None:
    first = ln.Collection([csv("a")], name="C").save()
    with pytest.warns(UserWarning, match=f"{first.uid}.*is_new_version_of") as warned:
        second = ln.Collection([csv("b")], name="C").save()
    assert len(warned) == 1 and second.stem_uid != first.stem_uid


def test_a_key_and_version_is_one_transform() -> None:
    first = ln.Transform("p", key="p", version="1.0", source_code="1").save()
    assert ln.Transform("p", key="p", version="1.0", source_code="1").save() == first
    with pytest.raises(FileExistsError, match=f"{first.uid}.*is_new_version_of"):
        ln.Transform("p", key="p", version="1.0", source_code="2").save()
    assert ln.Transform.get(key="p", version="1.0") == first


def test_a_uid_is_abbreviated_to_four_characters_or_more() -> None:
    first = ln.Collection([csv("a")], name="C").save()
    second = ln.Collection([csv("b")], is_new_version_of=first).save()
    for get in (ln.Collection.get, ln.Collection.filter().get, ln.Collection.filter(name="C").get):
        assert get(first.uid[:4]) == get(first.stem_uid) == second and get(first.uid) == first
        for length in (1, 3):
            with pytest.raises(errors.RecordNotFoundError, match="4 characters"):
                get(first.uid[:length])
    with pytest.raises(errors.RecordNotFoundError):
        ln.Collection.filter(name="D").get(first.uid)
    with pytest.raises(errors.RecordNotFoundError):
        ln.track(ln.Transform("t").save().uid[:3])


def test_objects_in_memory_are_stored_alike() -> None:
    artifact = ln.Artifact.from_anndata(adata(), key="donors/a.h5ad").save()
    assert (artifact.suffix, artifact.otype, artifact.n_observations) == (".h5ad", "AnnData", 6)
    assert ln.Artifact.from_anndata(adata(), key="donors/a.h5ad").save() == artifact
    zarr = ln.Artifact.from_anndata(adata(), key="donors/a.zarr").save()
    assert zarr.path.is_dir() and zarr != artifact
    df = pd.DataFrame({"a": [1, 2]})
    frame = ln.Artifact.from_df(df, key="a.parquet").save()
    assert ln.Artifact.from_df(df.copy(), key="a.parquet").save() == frame
    df["a"] = 3
    assert ln.Artifact(df, description="changed").save() != frame
    mapped = ln.Collection([artifact, zarr], name="C").save().mapped(obs_keys="batch")
    assert len(mapped) == 12 and mapped[11]["batch"] == 0


def test_an_object_is_stored_as_it_was_when_the_artifact_was_made() -> None:
    df = pd.DataFrame({"a": [1]})
    artifact = ln.Artifact(df, description="D")
    df["a"] = 2
    assert list(pd.read_parquet(artifact.save().path)["a"]) == [1]


@pytest.mark.parametrize(
    ("make", "builtin", "what"),
    [
        (lambda: ln.Artifact.from_df(pd.DataFrame({"a": [1]})), ValueError, "key"),
        (lambda: ln.Artifact.from_df(pd.DataFrame(), key="a.csv"), ValueError, "parquet"),
        (lambda: ln.Artifact.from_df([1]), TypeError, "DataFrame"),
        (lambda: ln.Artifact.from_anndata("a"), TypeError, "AnnData"),
        (lambda: ln.Artifact.from_anndata(adata(), key="a.loom"), ValueError, "h5ad"),
        (lambda: ln.Artifact(3), TypeError, "path"),
        (lambda: ln.Artifact("absent.h5ad").save(), FileNotFoundError, "absent.h5ad"),
        (lambda: ln.Artifact("gs://k:secret@b/a.h5ad").save(), ValueError, "gs://"),
        (lambda: ln.Artifact("ftp://b/a.h5ad").save(), NotImplementedError, "ftp://"),
        (lambda: ln.Artifact(text(Path("a"), ""), key="../a").save(), ValueError, "key"),
        (lambda: ln.Artifact(text(Path("a"), ""), run="r"), TypeError, "run"),
        (lambda: ln.Artifact(text(Path("a.h5ad"), "no")).save(), ValueError, "a.h5ad"),
        (lambda: ln.Collection([ln.Artifact("a")], name="C"), ValueError, "save"),
        (lambda: ln.Collection([], name="C").save(), ValueError, "artifact"),
        (lambda: ln.Collection([csv("a")]).save(), ValueError, "name"),
        (lambda: ln.Collection([csv("a"), csv("a")], name="C").save(), ValueError, "twice"),
        (lambda: ln.Collection(3, name="C"), TypeError, "artifacts"),
        (lambda: ln.Collection([3], name="C"), TypeError, "artifact"),
        (
            lambda: ln.Collection([csv("a")], "C", is_new_version_of=csv("a")),
            TypeError,
            "Collection",
        ),
        (lambda: ln.Collection([csv("a")], "C").uid, ValueError, "save"),
        (lambda: ln.Collection([csv("a")], "C").artifacts, ValueError, "save"),
        (lambda: ln.Collection([csv("a")], "C").delete(), ValueError, "save"),
        (lambda: ln.Collection([csv("a")], "C").save().mapped(), ValueError, "AnnData"),
        (lambda: ln.Collection([csv("a")], "C" * 256).save(), ValueError, "255"),
        (lambda: ln.Collection([csv("a")], name=3).save(), TypeError, "name"),
        (lambda: ln.Collection([csv("a")], "C", version=1), TypeError, "version"),
        (lambda: csv("a").cache(is_run_input=True), ValueError, "run"),
        (lambda: ln.User(), NotImplementedError, "connect"),
        (lambda: ln.FeatureSet(["a"]).save(), NotImplementedError, "add_feature_set"),
        (lambda: ln.ULabel("").save(), ValueError, "name"),
        (lambda: ln.Run("ingest"), TypeError, "Transform"),
        (lambda: ln.Storage("absent").save(), FileNotFoundError, "absent"),
        (lambda: ln.track(3), TypeError, "Transform"),
        (lambda: pickle.dumps(csv("a")), TypeError, "uid"),
    ],
)
def test_what_can_not_be_is_refused(make: Any, builtin: type[Exception], what: str) -> None:
    with pytest.raises(builtin, match=what) as caught:
        make()
    assert isinstance(caught.value, errors.AnndexError)
    assert "secret" not in str(caught.value)


def test_versions_are_counted_and_used_once() -> None:
    first = ln.Collection([csv("a")], name="C", version="1").save()
    second = ln.Collection([csv("b")], is_new_version_of=first).save()
    third = ln.Collection([csv("c")], is_new_version_of=first, version="2024-01").save()
    assert [one.version for one in third.versions] == ["1", "2", "2024-01"]
    assert {one.stem_uid for one in (first, second, third)} == {first.uid[:16]}
    with pytest.raises(errors.InvalidInputError, match="2024-01"):
        ln.Collection([csv("d")], is_new_version_of=second)
    with pytest.raises(FileExistsError, match='"2"'):
        ln.Collection([csv("d")], is_new_version_of=second, version="2")
    assert ln.Collection.get(first.uid[:16]) == third, "the newest of the family"
    first.version = "2"
    with pytest.raises(errors.AlreadyExistsError):
        first.save()


def test_a_new_version_that_is_never_saved_changes_nothing() -> None:
    old = ln.Collection([csv("a")], name="C").save()
    ln.Collection([csv("b")], is_new_version_of=old)
    assert old.version == "1" and old.refresh().version is None


def test_fields_are_changed_by_save() -> None:
    collection = ln.Collection([csv("a")], name="C").save()
    other = ln.Collection.get(collection.uid)
    collection.name, collection.description = "New", "D"
    assert collection.save() is collection
    assert ln.Collection.get(collection.uid).name == "New"
    other.name = "Newer"
    with pytest.raises(errors.ConflictError, match=collection.uid):
        other.save()
    assert other.refresh().name == "New"
    other.hash = "x"
    with pytest.raises(ValueError, match="hash"):
        other.save()
    with pytest.raises(AttributeError):
        collection.nme = "typo"  # type: ignore[attr-defined]
    other.refresh().name = 3  # type: ignore[assignment]
    with pytest.raises(ValueError, match="name"):
        other.save()


def test_trash(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = csv("a")
    collection = ln.Collection([artifact], name="C").save()
    with pytest.raises(ValueError, match=collection.uid) as held:
        artifact.delete(permanent=True)
    assert '"C"' in str(held.value)
    collection.delete()
    assert ln.Collection.filter().count() == 0
    assert ln.Collection.filter(visibility="trash").one() == collection
    assert ln.Collection.filter(visibility=None).count() == 1
    assert ln.Collection.get(collection.uid).visibility == 2
    with pytest.raises(ValueError, match="in the trash already"):
        collection.delete()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    collection.delete()
    collection.restore()
    assert ln.Collection.filter().one() == collection
    collection.delete()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    collection.delete()
    with pytest.raises(errors.RecordNotFoundError) as gone:
        collection.refresh()
    assert isinstance(gone.value, LookupError) and gone.value.context["uid"] == collection.uid
    path = artifact.path
    artifact.delete(permanent=True)
    assert not path.exists() and ln.Artifact.filter(visibility=None).count() == 0


def test_labels_and_features(capsys: pytest.CaptureFixture[str]) -> None:
    blood = ln.ULabel("blood").save()
    assert ln.ULabel(name="blood").save() == blood
    cells = ln.ULabel("T cells", parents=[blood]).save()
    assert cells.parents.one() == blood and blood.children.list("name") == ["T cells"]
    artifact = csv("a")
    artifact.ulabels.add(blood, cells)
    artifact.ulabels.remove(cells)
    assert artifact.ulabels.list() == [blood] and blood.artifacts.one() == artifact
    features = ln.FeatureSet({"CD3E": "float", "NKG7": "float"})
    artifact.features.add_feature_set(features, slot="var")
    assert (features.n, features.dtype) == (2, "float")
    assert artifact.features["var"] == artifact.feature_sets.one() == features
    assert features.artifacts.one() == artifact
    collection = ln.Collection([artifact], name="C").save()
    collection.ulabels.add(cells)
    artifact.describe()
    page = capsys.readouterr().out
    assert "blood" in page and "CD3E" in page and artifact.uid in page
    assert str(artifact.path) in page and page == artifact.describe(return_str=True)
    described = collection.describe(return_str=True)
    assert described is not None and f"1: {artifact.key}" in described and "cells" in described
    with pytest.raises(TypeError, match="ULabel"):
        artifact.ulabels.add("blood")  # type: ignore[arg-type]


def test_features_are_computed_from_files() -> None:
    artifact = ln.Artifact(h5ad(Path("a.h5ad"))).save()
    slots = artifact.features.compute()
    assert slots == artifact.features.slots() and sorted(slots) == ["obs", "var"]
    assert slots["obs"].members == [
        {"name": "batch", "dtype": "cat"},
        {"name": "cell_type", "dtype": "cat"},
    ]
    assert (slots["var"].n, slots["var"].dtype) == (4, "float")
    collection = ln.Collection([artifact], name="C").save()
    assert collection.features.compute()["var"] == slots["var"]
    with pytest.raises(errors.UnsupportedError, match="h5ad"):
        csv("b").features.compute()


def test_search_ranks_what_it_finds() -> None:
    for name in ["old lung", "Lung atlas", "lung", "blood"]:
        ln.ULabel(name).save()
    found = [label.name for label in ln.ULabel.search("LUNG")]
    assert found == ["lung", "Lung atlas", "old lung"]
    assert [one.name for one in ln.ULabel.search("lung", limit=1)] == ["lung"]
    assert ln.ULabel.filter(name__startswith="old").search("lung")[0].name == "old lung"


def test_runs_link_what_they_read_and_make(capsys: pytest.CaptureFixture[str]) -> None:
    raw = ln.Artifact(h5ad(Path("raw.h5ad"), 1)).save()
    first = ln.Collection([raw], name="raw", run=False).save()
    run = ln.track(ln.Transform("normalize", source_code="x = 1"))
    assert ln.current_run() == run and run.finished_at is None
    first.mapped().close()
    result = ln.Artifact(h5ad(Path("result.h5ad"), 2)).save()
    second = ln.Collection([result], is_new_version_of=first).save()
    ln.finish()
    assert ln.current_run() is None and run.refresh().finished_at is not None
    assert run.input_collections.list() == first.input_of.one().input_collections.list() == [first]
    assert run.output_artifacts.list() == [result] and run.output_collections.list() == [second]
    assert (second.run, second.transform) == (run, run.transform)
    assert (first.run, first.transform) == (None, None)
    later = ln.track(run.transform.uid)
    assert later.transform == run.transform and run.transform.runs.count() == 2
    again = ln.Artifact(h5ad(Path("result.h5ad"), 2)).save()
    assert again == result and again.run == later
    assert result.refresh().previous_runs.list() == [run]
    first.cache(is_run_input=False)
    assert first.input_of.list() == [run]
    job = ln.Run(run.transform, name="job 7").save()
    first.cache(is_run_input=job)
    assert job in first.input_of and ln.current_run() == later
    second.describe()
    assert "normalize" in capsys.readouterr().out


def test_equal_content_in_a_collection_is_a_warning(storage: Path) -> None:
    one = ln.Artifact(text(storage / "a.csv", "same")).save()
    one.delete()
    two = ln.Artifact(text(storage / "b.csv", "same")).save()
    one.restore()
    with pytest.warns(UserWarning, match=two.uid) as warned:
        ln.Collection([one, two], name="C").save()
    assert warned[0].filename == __file__


def test_a_mapped_collection_can_be_pickled() -> None:
    artifacts = [ln.Artifact(h5ad(Path(f"{n}.h5ad"), n)).save() for n in range(2)]
    mapped = ln.Collection(artifacts, name="C").save().mapped(obs_keys="batch")
    again = pickle.loads(pickle.dumps(mapped))
    assert (again[7]["X"] == mapped[7]["X"]).all() and again[7]["batch"] == mapped[7]["batch"] == 1


def test_reprs_say_what_is_there() -> None:
    collection = ln.Collection([csv("a")], name="C")
    assert "name='C'" in repr(collection)
    assert collection.save().uid in repr(collection) and collection.uid in repr(
        ln.Collection.filter()
    )
    assert collection != ln.Collection([csv("a")], name="C")
    assert collection != csv("a") and (collection == 3) is False


def test_what_is_not_saved_is_read_where_it_is() -> None:
    path = text(Path("unsaved.csv"), "a\n1\n")
    artifact = ln.Artifact(path, key="unsaved.csv")
    assert list(artifact.load()["a"]) == [1]
    assert ln.Artifact(adata(), key="unsaved.h5ad").open().shape == adata().shape
    with pytest.raises(errors.InvalidInputError, match="save it first"):
        artifact.load(is_run_input=True)
    with pytest.raises(errors.InvalidInputError, match="at a URL and not saved"):
        ln.Artifact("https://example.com/a.csv").load()
    assert ln.Artifact.filter().count() == 0


def test_slots_of_features_are_named() -> None:
    artifact = ln.Artifact.from_anndata(adata(), key="a.h5ad").save()
    assert "var" not in artifact.features and list(artifact.features) == []
    artifact.features.compute()
    assert set(artifact.features) == {"obs", "var"}
    with pytest.raises(errors.KeyNotFoundError, match="no slot 'columns'; there are: obs, var"):
        artifact.features["columns"]
    assert "var: " in repr(artifact.features)
