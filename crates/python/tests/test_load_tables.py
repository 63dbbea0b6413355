"""Tables are loaded as pandas reads and concatenates them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pytest
from registry_files import h5ad, text

import anndex as ln
from anndex._table import concat_tables, read_table

WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path),
    ".feather": lambda frame, path: frame.reset_index(drop=True).to_feather(path),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
}
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
    ".csv": lambda path: pd.read_csv(path, float_precision="round_trip"),
    ".tsv": lambda path: pd.read_csv(path, sep="\t", float_precision="round_trip"),
}


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="./storage")


def random_frame(rng: np.random.Generator, typed: bool) -> pd.DataFrame:
    """A table of some of the columns that all could have, and in typed formats of some types."""
    n = int(rng.integers(1, 6))

    def pick(values: list[Any], missing: float = 0.0) -> list[Any]:
        chosen = [values[i] for i in rng.integers(0, len(values), n)]
        return [None if rng.random() < missing else value for value in chosen]

    columns: dict[str, Any] = {
        "integer": rng.integers(-3, 3, n),
        "number": rng.integers(0, 5, n) / 4,
        "gaps": [np.nan if value is None else value for value in pick([0.5, 2.0], 0.3)],
        "text": pick(["B", "T", "ä b"]),
        "text_gaps": pick(["B", "T"], 0.3),
        "flag": rng.random(n) < 0.5,
        "flag_gaps": pick([True, False], 0.3),
    }
    if typed:
        columns |= {
            "small": rng.integers(0, 3, n).astype("int8"),
            "single": rng.random(n).astype("float32"),
            "category": pd.Categorical(pick(["x", "y", "z"], 0.2)),
            "time": pd.to_datetime(pick(["2026-01-01", "2026-02-03"])),
            "nullable": pd.array(pick([1, 2], 0.3), dtype="Int64"),
        }
        if rng.random() < 0.3:
            columns["integer"] = columns["integer"].astype("float32")
    names = [name for name in columns if rng.random() < 0.8] or ["integer"]
    frame = pd.DataFrame({name: columns[name] for name in names})
    if typed and rng.random() < 0.3:
        frame.index = pd.Index([f"cell{i}" for i in range(n)], name="cell")
    return frame


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("seed", range(25))
def test_tables_are_concatenated_as_pandas_does(suffix: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    typed = suffix in (".parquet", ".feather")
    same = rng.random() < 0.4
    paths = []
    for number in range(int(rng.integers(1, 4))):
        # Tables of the same seed have the same columns.
        own = np.random.default_rng(seed) if same else rng
        path = tmp_path / f"{number}{suffix}"
        WRITERS[suffix](random_frame(own, typed), path)
        paths.append(path)
    join: Any = rng.choice(["inner", "outer"])
    theirs = pd.concat([READERS[suffix](path) for path in paths], join=join)
    ours = concat_tables([str(path) for path in paths], join)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    pd.testing.assert_frame_equal(
        read_table(str(paths[0])), READERS[suffix](paths[0]), check_exact=True
    )


def test_many_row_groups_and_codecs(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"c{i}": np.arange(1000) * i for i in range(7)})
    frame["text"] = [f"cell {row}" for row in range(1000)]
    for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        path = tmp_path / f"{codec}.parquet"
        frame.to_parquet(path, compression=None if codec == "none" else codec, row_group_size=130)
        pd.testing.assert_frame_equal(read_table(str(path)), frame)
    for codec in ("uncompressed", "lz4", "zstd"):
        path = tmp_path / f"{codec}.feather"
        feather.write_feather(frame, str(path), compression=codec, chunksize=130)
        pd.testing.assert_frame_equal(read_table(str(path)), frame)
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(str(tmp_path / "stream.ipc"), table.schema) as stream:
        stream.write_table(table)
    pd.testing.assert_frame_equal(read_table(str(tmp_path / "stream.ipc")), frame)


def test_artifacts_and_collections_of_tables(tmp_path: Path, instance: None) -> None:
    frames = [pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), pd.DataFrame({"a": [3], "c": [0.5]})]
    artifacts = [ln.Artifact(frame, key=f"{n}.parquet").save() for n, frame in enumerate(frames)]
    collection = ln.Collection(artifacts, name="tables").save()
    run = ln.track(ln.Transform("train"))
    pd.testing.assert_frame_equal(artifacts[0].load(is_run_input=False), frames[0])
    for join in ("inner", "outer"):
        loaded = collection.load(join=join, is_run_input=False)
        pd.testing.assert_frame_equal(loaded, pd.concat(frames, join=join))
    assert collection.input_of.count() == 0
    loaded = collection.load(ignore_index=True)
    pd.testing.assert_frame_equal(loaded, pd.concat(frames, ignore_index=True))
    assert collection.input_of.list() == [run]


def test_what_is_no_table_is_said(tmp_path: Path, instance: None) -> None:
    table = ln.Artifact(text(tmp_path / "a.csv", "a,b\n1,2\n")).save()
    cells = ln.Artifact(h5ad(tmp_path / "b.h5ad")).save()
    with pytest.raises(ln.errors.InvalidInputError, match=r"\.csv, \.h5ad"):
        ln.Collection([table, cells], name="mixed").save().load()
    damaged = {
        "ragged.csv": "a,b\n1,2,3\n",
        "twice.csv": "a,a\n1,2\n",
        "short.parquet": "PAR1",
        "other.feather": "no Arrow at all",
        "old.feather": "FEA1 and more",
    }
    for name, content in damaged.items():
        with pytest.raises(ln.errors.AnndexError, match=name):
            read_table(str(text(tmp_path / name, content)))
    whole = tmp_path / "whole.parquet"
    pd.DataFrame({"a": range(1000), "b": [str(n) for n in range(1000)]}).to_parquet(whole)
    content = whole.read_bytes()
    for number in range(40):
        broken = bytearray(content)
        at = int(np.random.default_rng(number).integers(4, len(content)))
        broken[at] ^= 0xFF
        path = tmp_path / "broken.parquet"
        path.write_bytes(broken[: len(content) if number % 2 else at])
        try:
            read_table(str(path))
        except (ln.errors.AnndexError, ValueError, pa.ArrowException):
            pass
