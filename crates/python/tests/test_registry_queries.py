"""Queries: lookups, relations, order, slices, data frames."""

from __future__ import annotations

import sqlite3
import sys
import tracemalloc
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from registry_files import text

import anndex as ln
from anndex import errors

NAMES = ["a.csv", "b.csv", "c.txt", "B%_.csv"]


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path) -> list[ln.Artifact]:
    ln.init(storage=tmp_path / "storage")
    found = [
        ln.Artifact(text(tmp_path / name, name * (position + 1))).save()
        for position, name in enumerate(NAMES)
    ]
    found[1].description = "second"
    found[1].save()
    blood = ln.ULabel("blood").save()
    found[0].ulabels.add(blood)
    ln.Collection(found[:3][::-1], name="C").save()
    return found


PAST = datetime(2024, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"key": "a.csv"}, [0]),
        ({"key__exact": "a.csv"}, [0]),
        ({"key__in": ["a.csv", "c.txt", None]}, [0, 2]),
        ({"key__in": []}, []),
        ({"id__in": np.array([1, 4])}, [0, 3]),
        ({"key__contains": "."}, [0, 1, 2, 3]),
        ({"key__contains": "%_"}, [3]),
        ({"key__startswith": "b"}, [1]),
        ({"key__istartswith": "b"}, [1, 3]),
        ({"key__endswith": ".csv"}, [0, 1, 3]),
        ({"key__iendswith": ".TXT"}, [2]),
        ({"key__icontains": "b%_.C"}, [3]),
        ({"key__iexact": "A.CSV"}, [0]),
        ({"key__iexact": None}, []),
        ({"size__gt": 5}, [1, 2, 3]),
        ({"size__gte": np.int64(10), "size__lt": 28}, [1, 2]),
        ({"size__lte": 5}, [0]),
        ({"size__range": (10, 15)}, [1, 2]),
        ({"description": None}, [0, 2, 3]),
        ({"description__isnull": False}, [1]),
        ({"created_at__gt": PAST}, [0, 1, 2, 3]),
        ({"created_at__lt": PAST}, []),
        ({"ulabels__name": "blood"}, [0]),
        ({"ulabels__name__in": ["blood", "skin"]}, [0]),
        ({"ulabels__isnull": True}, [1, 2, 3]),
        ({"collections__name__startswith": "C"}, [0, 1, 2]),
        ({"created_by__handle__isnull": False, "suffix": ".txt"}, [2]),
        ({"run": None}, [0, 1, 2, 3]),
        ({"transform__name": "none"}, []),
        ({"visibility": 0}, [0, 1, 2, 3]),
        ({"visibility": 2}, []),
    ],
    ids=str,
)
def test_lookups(
    artifacts: list[ln.Artifact], lookups: dict[str, Any], expected: list[int]
) -> None:
    found = ln.Artifact.filter(**lookups).order_by("id")
    assert [one.key for one in found] == [NAMES[index] for index in expected]
    assert found.all().count() == len(found) == len(expected)
    assert bool(found) == found.exists() == bool(expected)
    rest = ln.Artifact.filter().exclude(**lookups)
    if "visibility" not in lookups:
        assert rest.count() == len(NAMES) - len(expected)


def test_records_stand_for_themselves(artifacts: list[ln.Artifact]) -> None:
    collection = ln.Collection.filter(artifacts=artifacts[0]).one()
    assert ln.Collection.filter(artifacts=artifacts[3]).one_or_none() is None
    assert ln.Artifact.filter(collections=collection).count() == 3
    assert ln.Artifact.filter(ulabels__in=ln.ULabel.filter()).one() == artifacts[0]
    assert [one.key for one in collection.artifacts] == ["c.txt", "b.csv", "a.csv"]
    in_order = collection.artifacts.filter(suffix=".csv")
    assert in_order.list("key") == ["b.csv", "a.csv"]
    assert collection.unordered_artifacts.order_by("key").list("key") == NAMES[:3]


def test_conditions_are_joined(artifacts: list[ln.Artifact]) -> None:
    a, b = ln.Q(key="a.csv"), ln.Q(key="b.csv")
    count = lambda *q, **lookups: ln.Artifact.filter(*q, **lookups).count()  # noqa: E731
    assert (count(a | b), count(a & b), count(~a), count(~(a | b))) == (2, 0, 3, 2)
    assert count(a | b, suffix=".csv") == 2 and count(a, b) == 0
    many = a
    for _ in range(500):
        many |= b
    assert count(many) == 2
    with pytest.raises(ValueError, match="deep"):
        for _ in range(500):
            many = ~(many & a)
    with pytest.raises(TypeError, match="Q"):
        ln.Artifact.filter("key")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lookups", "error", "what"),
    [
        ({"nme": "a"}, ValueError, "key"),
        ({"key__like": "a"}, ValueError, "startswith"),
        ({"key__iregex": "a"}, NotImplementedError, "contains"),
        ({"key__in": "a"}, ValueError, "list"),
        ({"key": ["a"]}, ValueError, "in"),
        ({"size": "a"}, ValueError, "integer"),
        ({"created_at__gt": "2024"}, ValueError, "time"),
        ({"key": 1.5}, TypeError, "1.5"),
        ({"visibility": "shown"}, ValueError, "trash"),
        ({"size": 2**70}, ValueError, "64"),
        ({"key__contains": "\0"}, ValueError, "NUL"),
    ],
    ids=str,
)
def test_lookups_that_can_not_be(
    lookups: dict[str, Any], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        ln.Artifact.filter(**lookups).all().list()


def test_order_slices_and_indices(artifacts: list[ln.Artifact]) -> None:
    by_size = ln.Artifact.filter().order_by("-size")
    assert by_size.list("key") == NAMES[::-1]
    assert ln.Artifact.filter().order_by("suffix", "-key").list("key") == [
        "b.csv",
        "a.csv",
        "B%_.csv",
        "c.txt",
    ]
    assert by_size[1:3].list("key") == ["c.txt", "b.csv"] and by_size[1:3][1].key == "b.csv"
    assert by_size[1:][1:].list("key") == ["b.csv", "a.csv"] and len(by_size[3:9]) == 1
    assert by_size[2:1].count() == 0 and by_size[1:3].count() == 2
    assert by_size[0].key == NAMES[3] and by_size[-1].key == NAMES[0]
    first, last = by_size.first(), by_size.last()
    assert first is not None and last is not None
    assert (first.key, last.key) == (NAMES[3], NAMES[0])
    assert artifacts[0] in by_size and by_size[:1].first() == first
    with pytest.raises(IndexError):
        by_size[4]
    for wrong in (slice(None, None, 2), slice(-1, None)):
        with pytest.raises(ValueError, match="slice"):
            by_size[wrong]
    with pytest.raises(ValueError, match="slic"):
        by_size[:2].filter(key="a")
    with pytest.raises(TypeError):
        by_size["a"]  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="nme"):
        ln.Artifact.filter().order_by("nme").list()


def test_get(artifacts: list[ln.Artifact]) -> None:
    one = artifacts[0]
    for found in (
        ln.Artifact.get(one.uid),
        ln.Artifact.get(one.uid[:12]),
        ln.Artifact.get(1),
        ln.Artifact.get(np.int64(1)),
        ln.Artifact.get(key="a.csv"),
        ln.Artifact.filter(suffix=".csv").get(key="a.csv"),
        ln.Artifact.filter().get(one.uid),
        ln.Artifact.filter().get(1),
    ):
        assert found == one
    for missing in (
        lambda: ln.Artifact.get("zzzz"),
        lambda: ln.Artifact.get(99),
        lambda: ln.Artifact.get(key="none"),
        lambda: ln.Artifact.filter(key="none").one(),
    ):
        with pytest.raises(errors.RecordNotFoundError):
            missing()
    with pytest.raises(ValueError, match="several") as several:
        ln.Artifact.get(suffix=".csv")
    assert one.uid in str(several.value)
    with pytest.raises(ValueError, match="both"):
        ln.Artifact.get(1, key="a")
    with pytest.raises(TypeError):
        ln.Artifact.get(1.5)  # type: ignore[arg-type]
    assert ln.Artifact.filter(key="none").first() is None
    assert ln.Artifact.filter(key="none").last() is None


def test_iterating_holds_a_page(artifacts: list[ln.Artifact]) -> None:
    for number in range(4_500):
        ln.ULabel(f"{number:04}").save()
    labels = ln.ULabel.filter(name__startswith="").order_by("-name")
    names = [label.name for label in labels]
    assert names == ["blood"] + [f"{number:04}" for number in reversed(range(4_500))]
    assert labels._found is None
    iterator = iter(labels)
    next(iterator)
    tracemalloc.start()
    count = sum(1 for _ in iterator)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4_500 and peak < 2_000_000
    # What was read is not in the way of what is done with it.
    for label in ln.ULabel.filter(name__startswith="44"):
        label.delete()
    assert ln.ULabel.filter(name__startswith="44").count() == 0
    assert len(labels) == 4_401 and list(labels)[0].name == "blood"
    collection = ln.Collection.filter(artifacts=artifacts[0]).one()
    assert [one.key for one in collection.artifacts[1:]] == ["b.csv", "a.csv"]
    with pytest.raises(ValueError, match="nme"):
        next(iter(ln.ULabel.filter().order_by("nme")))


def test_data_frames(artifacts: list[ln.Artifact], monkeypatch: pytest.MonkeyPatch) -> None:
    df = ln.Artifact.filter(suffix=".csv").df()
    assert df.index.name == "id" and list(df.index) == [1, 2, 4]
    assert list(df["key"]) == ["a.csv", "b.csv", "B%_.csv"]
    assert {"uid", "hash", "size", "created_at", "created_by_id", "run_id"} <= set(df.columns)
    assert df["size"].dtype == "int64" and str(df["created_at"].dtype).startswith("datetime64")
    empty = ln.Collection.filter(name="none").df()
    assert len(empty) == 0 and "name" in empty.columns
    assert len(ln.User.df()) == 1
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        ln.Artifact.df()


def test_search_knows_no_case(artifacts: list[ln.Artifact]) -> None:
    ln.ULabel("McDonald").save()
    ln.ULabel("Größe").save()
    assert [label.name for label in ln.ULabel.search("mcdonald")] == ["McDonald"]
    assert [label.name for label in ln.ULabel.search("RÖß")] == ["Größe"]
    assert [one.key for one in ln.Artifact.search("%_")] == ["B%_.csv"]
    assert ln.Artifact.search("") == [] and ln.Artifact.search("x" * 100_000) == []


def test_lookups_of_one_call_are_about_one_record(artifacts: list[ln.Artifact]) -> None:
    a, b = {"artifacts__key": "a.csv"}, {"artifacts__suffix": ".txt"}
    count = lambda found: found.count()  # noqa: E731
    # One artifact has this key, and another one that suffix.
    assert count(ln.Collection.filter(**a)) == count(ln.Collection.filter(**b)) == 1
    assert count(ln.Collection.filter(**a, **b)) == 0
    assert count(ln.Collection.filter(ln.Q(**a), **b)) == 0
    assert count(ln.Collection.filter(ln.Q(**a) & ln.Q(**b))) == 0
    assert count(ln.Collection.filter(**a).filter(**b)) == 1
    assert count(ln.Collection.filter(**a, artifacts__suffix=".csv")) == 1
    assert count(ln.Collection.filter().exclude(**a, **b)) == 0
    assert count(ln.Collection.filter().exclude(**a).exclude(name="none")) == 0
    assert count(ln.Collection.filter(~ln.Q(**a, **b))) == 1


def test_the_questions_people_ask(artifacts: list[ln.Artifact], tmp_path: Path) -> None:
    assert ln.Collection.filter(artifacts__key__startswith="a.").one().name == "C"
    assert ln.Collection.filter(artifacts__key__startswith="B%").count() == 0
    in_c = ln.Artifact.filter(collections__name="C").order_by("key")
    assert in_c.list("key") == NAMES[:3]
    run = ln.track(ln.Transform(name="make.py").save())
    made = ln.Artifact(text(tmp_path / "made.csv", "made")).save()
    collection = ln.Collection([made, artifacts[0]], name="made").save()
    ln.finish()
    assert ln.Artifact.filter(run=run).list() == [made]
    assert ln.Artifact.filter(transform__name__endswith=".py").list() == [made]
    assert ln.Collection.filter(run__transform__name="make.py").list() == [collection]
    assert ln.Artifact.filter(input_of=run).list() == [artifacts[0]]
    assert ln.Run.filter(output_artifacts__key__endswith="made.csv").list() == [run]
    blood = ln.ULabel.get(name="blood")
    collection.ulabels.add(blood)
    assert ln.Artifact.filter(ulabels=blood).list() == [artifacts[0]]
    assert ln.Collection.filter(ulabels__name__iexact="BLOOD").list() == [collection]
    labelled = ln.Collection.filter(ln.Q(ulabels=blood) | ln.Q(artifacts__ulabels=blood))
    assert labelled.order_by("name").list("name") == ["C", "made"]
    # What is in the trash is found if it is asked for, and held wherever it is.
    made.delete()
    assert ln.Artifact.filter(run=run).count() == 0
    assert ln.Artifact.filter(run=run, visibility="trash").list() == [made]
    assert ln.Artifact.filter(run=run, visibility=None).list() == [made]
    assert ln.Collection.filter(artifacts=made).list() == [collection]


def test_a_time_that_python_does_not_know_is_missing_alone(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    kept = [ln.ULabel(name).save() for name in ("kept", "odd", "early")][0]
    far = 253_402_300_800_000_000  # the year 10000, in microseconds since 1970
    before = datetime(1500, 1, 1, tzinfo=timezone.utc)
    ln.close()
    with sqlite3.connect(storage / ".anndex/registry.sqlite") as database:
        set_time = "UPDATE ulabel SET created_at = ? WHERE name = ?"
        database.execute(set_time, (far, "odd"))
        database.execute(set_time, (int(before.timestamp() * 1_000_000), "early"))
    database.close()
    ln.connect(storage)
    with pytest.warns(UserWarning, match=r"created_at of ulabel .*odd.*10000-01-01") as warned:
        df = ln.ULabel.df()
    assert len(warned) == 1
    times = dict(zip(df["name"], df["created_at"], strict=True))
    assert pd.isna(times["odd"])
    assert times["kept"] == kept.created_at and times["early"] == before
    odd = ln.ULabel.get(name="odd")
    assert "10000-01-01" in repr(odd)
    with pytest.raises(errors.UnsupportedError, match="10000-01-01"):
        odd.created_at  # noqa: B018
    names = [one.name for one in ln.ULabel.filter().order_by("created_at")]
    assert names == ["early", "blood", "kept", "odd"]


def test_times_near_the_end_of_years_are_refused() -> None:
    end = datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2)))
    with pytest.raises(errors.InvalidInputError, match="years from 1 to 9999"):
        ln.Run.filter(started_at__lt=end).count()
