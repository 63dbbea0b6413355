"""Tables are loaded as pandas reads and concatenates them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet
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
    ".csv": lambda path: read_text(path, ","),
    ".tsv": lambda path: read_text(path, "\t"),
}


def read_text(path: Path, separator: str) -> pd.DataFrame:
    # By default, types are mixed in long columns.
    return pd.read_csv(path, sep=separator, low_memory=False)


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


TEXTS = {
    "integer": ["1", "-7", "+3", "007", " 4", "5 ", "0"],
    "large": ["9223372036854775807", "9223372036854775808", "18446744073709551615", "1"],
    "number": ["0.1", "1e-3", ".5", "5.", "-2E+8", "inf", "-inf", "Infinity", "1e400", "3"],
    "gaps": ["1", "", "NaN", "NA", "null"],
    "missing": ["", "None", "n/a", "-nan", "#N/A"],
    "boolean": ["True", "false", "TRUE"],
    "boolean gaps": ["True", "", "False"],
    "boolean and integer": ["True", "1", "0"],
    "text": ["B cell", "ä", "T", "", "NULL", "x", "e5", "0x10", "1_000", "--1"],
    "quoted": ['"a"', '"b, c"', '"d ""e"""', '"two\nlines"', '"two\r\nlines"', '""', "f"],
    "quoted number": ['"1"', "2", '"3"'],
    "quote inside": ['a"b', "c", '"d"e'],
}


@pytest.mark.parametrize("seed", range(60))
def test_texts_are_what_pandas_makes_of_them(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    kinds = list(rng.choice(list(TEXTS), rng.integers(1, 8)))
    end = str(rng.choice(["\n", "\r\n"]))
    paths = []
    for number in range(int(rng.integers(1, 4))):
        if rng.random() < 0.3:
            kinds[int(rng.integers(0, len(kinds)))] = str(rng.choice(list(TEXTS)))
        lines = [",".join(f"column {position}" for position in range(len(kinds)))]
        if rng.random() < 0.3:
            # The index, as pandas writes it.
            lines = ["," + lines[0]]
        for row in range(int(rng.integers(0 if rng.random() < 0.2 else 1, 40))):
            cells = [str(rng.choice(TEXTS[kind])) for kind in kinds]
            if lines[0].startswith(","):
                cells.insert(0, str(row))
            lines.append(",".join(cells))
            if rng.random() < 0.05:
                lines.append(str(rng.choice(["", "   "])))
        path = tmp_path / f"{number}.csv"
        path.write_bytes((end.join(lines) + (end if rng.random() < 0.7 else "")).encode())
        paths.append(path)
    theirs = pd.concat([read_text(path, ",") for path in paths])
    ours = concat_tables([str(path) for path in paths], "outer")
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    # For which NaN and None are the same.
    objects = [frame.select_dtypes("object").to_numpy() for frame in (ours, theirs)]
    are_none = [[value is None for value in values.flat] for values in objects]
    assert are_none[0] == are_none[1]


@pytest.mark.parametrize("late", ["0.5", "", "text", "True", "18446744073709551615", '"a, b"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_types_that_show_late_in_long_files(late: str, end: str, tmp_path: Path) -> None:
    # Longer than what is parsed at once, so that types guessed from the ends of files are wrong.
    paths = []
    for number in range(3):
        rows = [f"{row},{row / 8},name {row},{row % 2 == 0},{row}" for row in range(40_000)]
        if number > 0:
            rows[20_000] = f"{late},{late},{late},{late},7"
        path = tmp_path / f"{number}.csv"
        path.write_bytes(end.join(["a,b,c,d,e", *rows, ""]).encode())
        paths.append(path)
    for some in (paths[1:], paths):
        theirs = pd.concat([read_text(path, ",") for path in some])
        ours = concat_tables([str(path) for path in some], "outer")
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    pd.testing.assert_frame_equal(
        read_table(str(paths[2])), read_text(paths[2], ","), check_exact=True
    )


def test_missing_values_of_parquet_are_those_of_pandas(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    types = [pa.int8(), pa.uint16(), pa.uint32(), pa.int64(), pa.uint64(), pa.float32()]
    types += [pa.float64(), pa.bool_(), pa.string(), pa.date32()]
    for lacking in range(3):
        paths = []
        for number in range(3):
            columns = {}
            for place, data_type in enumerate(types):
                values: list[int | None] = rng.integers(0, 100, 500).tolist()
                if (place + number) % 3 < lacking:
                    values[7] = values[499] = None
                columns[str(data_type)] = pa.array(values, pa.int32()).cast(data_type)
            path = tmp_path / f"{lacking}-{number}.parquet"
            pa.parquet.write_table(pa.table(columns), path, row_group_size=130)
            paths.append(path)
        theirs = pd.concat([pd.read_parquet(path) for path in paths])
        ours = concat_tables([str(path) for path in paths], "outer")
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.filterwarnings("error")
def test_what_was_loaded_is_written_to_like_any_frame(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({f"c{i}": np.arange(30) * i for i in range(150)})
    frame["text"], frame["flag"] = "x", frame["c1"] > 10
    frame["time"] = pd.Timestamp("2026-01-01")
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](frame, path)
    ours = concat_tables([str(path), str(path)], "outer")
    theirs = pd.concat([READERS[suffix](path)] * 2)
    for one in (ours, theirs):
        one.iloc[3, 7] = -1
        one.loc[one.index[2], "text"] = "y"
        one["flag"] = ~one["flag"]
        one.loc[5, "time"] = one["time"].iloc[0]
        one["c2"] += 1
    pd.testing.assert_frame_equal(ours, theirs)
    # A frame of very many pieces would be warned of.
    ours["new"] = 1


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
        with suppress(ln.errors.AnndexError, ValueError, pa.ArrowException):
            read_table(str(path))
