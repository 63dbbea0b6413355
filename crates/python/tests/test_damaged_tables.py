"""Tables that were damaged, in their bytes or in what pandas noted: all errors are of anndex."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from anndex import errors
from anndex._table import concat_tables, read_table

SEED = 20261130
ROUNDS = 60
SUFFIXES = ("parquet", "csv")


def frames() -> list[pd.DataFrame]:
    """Frames whose indexes and columns are noted in different ways."""
    numbers = pd.DataFrame({"x": np.arange(5), "y": np.linspace(0, 1, 5), "t": list("abcde")})
    typed = numbers.assign(
        c=pd.Categorical(list("ababa")), d=pd.date_range("2026-01-01", periods=5)
    )
    return [numbers, typed, typed.set_index("t"), numbers.set_index(["t", "x"])]


def write(table: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        feather.write_feather(table, str(path))


def read(paths: list[Path]) -> pd.DataFrame | None:
    """What is read, or nothing after an error of anndex."""
    try:
        return concat_tables([str(path) for path in paths], "outer")
    except errors.BugError:
        raise
    except errors.AnndexError as error:
        assert any(str(path) in str(error) for path in paths), error
        return None


def places(value: Any) -> list[tuple[Any, Any]]:
    """All containers in a document with each of their keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], (dict, list)):
            found += places(value[key])
    return found


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_what_pandas_noted_is_damaged(tmp_path: Path, suffix: str) -> None:
    rng = random.Random(SEED)
    refused = 0
    path, twice = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for frame in frames():
        table = pa.Table.from_pandas(frame)
        metadata = table.schema.metadata
        note = metadata[b"pandas"].decode()
        texts = ["{", "", "[]", "null", "1", '"x"', "[" * 100_000, note[:-20], "\x00"]
        for number in range(len(places(json.loads(note)))):
            for wrong in (None, -1, 2**70, 1.5, "nope", [], {}, [None], {"start": "a"}, "\ud800"):
                document = json.loads(note)
                container, key = places(document)[number]
                container[key] = wrong
                texts.append(json.dumps(document))
            document = json.loads(note)
            container, key = places(document)[number]
            del container[key]
            texts.append(json.dumps(document))
        # Of those that change one thing a sample is enough.
        for text in texts[:9] + rng.sample(texts[9:], ROUNDS):
            noted = {**metadata, b"pandas": text.encode()}
            for one in (path, twice):
                write(table.replace_schema_metadata(noted), one)
            for given in ([path], [path, twice]):
                loaded = read(given)
                refused += loaded is None
                assert loaded is None or len(loaded) == 5 * len(given), text
    assert refused > ROUNDS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bytes_are_damaged(tmp_path: Path, suffix: str) -> None:
    rng = random.Random(SEED)
    refused = 0
    path = tmp_path / f"a.{suffix}"
    for frame in frames():
        if suffix == "csv":
            frame.to_csv(path)
        else:
            write(pa.Table.from_pandas(frame), path)
        content = path.read_bytes()
        for _ in range(ROUNDS):
            changed = bytearray(content)
            for _ in range(rng.choice([1, 1, 2, 8])):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            if rng.random() < 0.2:
                del changed[rng.randrange(len(changed)) :]
            path.write_bytes(changed)
            refused += read([path]) is None
    assert refused > 10


def test_an_error_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"x": [1, 2]}).replace_schema_metadata({b"pandas": b"{"})
    pq.write_table(table, path)
    with pytest.raises(errors.CorruptError, match="write it anew") as raised:
        read_table(str(path))
    assert raised.value.path == str(path)


def test_parameters_of_pandas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pd.DataFrame({"x": [1]}).to_csv(path, index=False)
    paths = [str(path), str(path)]
    with pytest.raises(errors.InvalidTypeError, match="nope"):
        concat_tables(paths, "outer", nope=1)
    with pytest.raises(errors.InvalidInputError, match="can't be concatenated"):
        concat_tables(paths, "outer", verify_integrity=True)
