"""Many records at once, and checking storage against the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry_files import adata, text

import anndex as ln
from anndex import errors


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="storage")
    return tmp_path / "storage"


def test_many_artifacts_are_saved_together(storage: Path) -> None:
    inside = [ln.Artifact(text(storage / f"{i}.csv", str(i))) for i in range(1_200)]
    outside = ln.Artifact(text(Path("out.csv"), "out"), description="copied")
    in_memory = ln.Artifact.from_anndata(adata(), key="a.h5ad")
    label = ln.ULabel("blood")
    ln.save([*inside, outside, label, in_memory, outside])
    assert [one.key for one in inside[:2]] == ["0.csv", "1.csv"]
    assert ln.Artifact.filter().count() == 1_202 and label.id is not None
    assert outside.path.read_text() == "out" and in_memory.n_observations == 6
    before = outside.updated_at
    outside.description = "changed"
    ln.save([outside, *inside])
    assert ln.Artifact.get(outside.uid).description == "changed" and outside.updated_at > before
    collection = ln.Collection(inside, name="all").save()
    assert [one.uid for one in collection.artifacts] == [one.uid for one in inside]


def test_what_fails_is_named_and_the_others_are_saved(storage: Path) -> None:
    good = [ln.Artifact(text(storage / name, name)) for name in ("a.csv", "b.csv")]
    bad = ln.Artifact(text(storage / "bad.csv", "bad"), key="elsewhere.csv")
    gone = ln.Artifact(text(Path("gone.csv"), "gone"))
    Path("gone.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        ln.save([good[0], gone])
    with pytest.raises(errors.InvalidInputError, match=r"2 of 3 .*elsewhere.*gone\.csv"):
        ln.save([bad, good[1], gone])
    assert ln.Artifact.filter().list("key") == ["a.csv", "b.csv"]
    with pytest.raises(errors.InvalidInputError, match="save it first"):
        _ = bad.path
    with pytest.raises(TypeError, match="must be records"):
        ln.save(["a.csv"])  # type: ignore[list-item]
    ln.save([])


def test_check_finds_and_repairs(storage: Path) -> None:
    kept = ln.Artifact(text(Path("kept.csv"), "kept")).save()
    lost = ln.Artifact(text(storage / "lost.csv", "lost")).save()
    changed = ln.Artifact(text(storage / "changed.csv", "old")).save()
    assert ln.check(deep=True) == ln.CheckReport(3, 0, 0, 1, [])
    text(storage / "changed.csv", "new")
    assert ln.check().is_consistent
    assert [one.uid for one in ln.check(deep=True).findings] == [changed.uid]
    (storage / "lost.csv").unlink()
    partial = kept.path.parent / ".partial-0123456789abcdefghij.csv"
    text(partial, "half")
    report = ln.check()
    assert [one.problem for one in report.findings] == ["missing", "partial"]
    assert report.findings[0].uid == lost.uid and partial.exists()
    report = ln.check(repair=True)
    assert [one.repaired for one in report.findings] == [None, "removed"]
    assert not report.is_consistent and not partial.exists() and kept.path.exists()
