"""A real lamindb instance is taken over: what lamindb says of it is what anndex says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from test_registry_postgres import administrate

import anndex as ln
from anndex import errors

LAMINDB = Path(__file__).with_name("lamindb_instance.py")


class Lamindb:
    """An instance of lamindb in a process of its own, with a home directory of its own."""

    def __init__(self, directory: Path, database: str | None) -> None:
        self.storage = directory / "lamindb"
        self.location = database or str(self.storage / ".lamindb/lamin.db")
        self.directory = directory
        self.database = database

    def run(self, step: str) -> dict[str, Any]:
        """Does a step of the script, and gives all that lamindb knows afterwards."""
        home, work = self.directory / "home", self.directory / "work"
        for directory in (home, work):
            directory.mkdir(exist_ok=True)
        command = [sys.executable, str(LAMINDB), step, str(self.storage), self.database or ""]
        environment = {**os.environ, "HOME": str(home)}
        done = subprocess.run(
            command, env=environment, cwd=work, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads((work / "dump.json").read_text())
        return found


@pytest.fixture(params=["sqlite", "postgres"])
def lamindb(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lamindb]:
    if request.param == "sqlite":
        yield Lamindb(tmp_path, None)
        return
    name = f"test_lamindb_{os.getpid()}"
    administrate(f"CREATE DATABASE {name}")
    server = os.environ["ANNDEX_TEST_POSTGRES"].rpartition("/")[0]
    # lamindb knows this name of the scheme only.
    yield Lamindb(tmp_path, f"{server.replace('postgres://', 'postgresql://')}/{name}")
    ln.close()
    administrate(f"DROP DATABASE {name} WITH (FORCE)")


def known(registry: Any) -> dict[str, Any]:
    """All records of a registry by uid, whatever their visibility."""
    return {one.uid: one for one in registry.filter(visibility=None).all()}


def check_records(expected: dict[str, Any]) -> None:
    for kind, registry in {
        "user": ln.User,
        "storage": ln.Storage,
        "transform": ln.Transform,
        "run": ln.Run,
        "ulabel": ln.ULabel,
        "artifact": ln.Artifact,
        "collection": ln.Collection,
    }.items():
        records = known(registry) if kind not in ("user", "storage") else all_of(registry)
        for uid, fields in expected[kind].items():
            record = records[uid]
            for field, value in fields.items():
                assert shown(record, field) == value, (kind, uid, field)


def all_of(registry: Any) -> dict[str, Any]:
    return {one.uid: one for one in registry.filter().all()}


def shown(record: Any, field: str) -> Any:
    """A field as the script writes it: relations as uids, times as text."""
    if field == "path":
        return str(record.path)
    value = getattr(record, field)
    if field in ("artifacts", "previous_runs"):
        return [one.uid for one in value.all()]
    if field in ("parents", "ulabels", "input_of"):
        return sorted(one.uid for one in value.all())
    if hasattr(value, "uid"):
        return value.uid
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def files(directory: Path) -> dict[str, str]:
    """All files below a directory with their hashes."""
    return {
        str(path.relative_to(directory)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_real_instance_is_taken_over(tmp_path: Path, lamindb: Lamindb) -> None:
    expected = lamindb.run("make")
    before = files(lamindb.storage)
    ln.init(storage=tmp_path / "cells", user="ada")
    report = ln.import_lamindb(lamindb.location)
    assert report.different == [] and [one.uid for one in report.left_out] == expected["left_out"]
    assert "255" in report.left_out[0].reason
    for kind in ("transform", "run", "ulabel", "artifact", "collection"):
        assert report.created[kind] == len(expected[kind]), kind
    check_records(expected)
    if lamindb.database is None:
        assert files(lamindb.storage) == before, "nothing of theirs is touched"
        again = ln.import_lamindb(lamindb.storage)
    else:
        again = ln.import_lamindb(lamindb.location)
    assert again.created == {} and again.links_added == 0
    assert again.known == {
        kind: report.created.get(kind, 0) + report.known.get(kind, 0)
        for kind in report.created | report.known
    }
    assert ln.check(deep=True).findings == []
    with ln.Collection.get(name="cells", version="2").mapped(obs_keys="batch") as mapped:
        assert len(mapped) == 12

    later = lamindb.run("go on")
    report = ln.import_lamindb(lamindb.location)
    assert report.created == {"artifact": 1, "collection": 1}
    assert report.links_added == 1
    # What was changed there is not changed here.
    renamed = later.pop("renamed")
    assert ln.Artifact.get(renamed["uid"]).description == renamed["before"]
    later["artifact"][renamed["uid"]].pop("description")
    check_records(later)
    # Work goes on from what was imported.
    newest = ln.Collection.get(name="cells", version="3")
    artifacts = [*newest.artifacts.all()][:2]
    newer = ln.Collection(artifacts, is_new_version_of=newest).save()
    assert newer.version == "4" and newer.stem_uid == newest.stem_uid


def test_what_is_no_lamindb_instance(tmp_path: Path) -> None:
    ln.init(storage=tmp_path / "cells")
    text = tmp_path / "text.db"
    text.write_text("this is not a database, but long enough to be taken for one " * 20)
    own = tmp_path / "cells/.anndex/registry.sqlite"
    cases = [
        (tmp_path / "missing.db", errors.PathNotFoundError, "lamin init"),
        (tmp_path, errors.PathNotFoundError, "lamin init"),
        (text, errors.CorruptError, "SQLite"),
        (own, errors.InvalidInputError, "another program"),
        ("mysql://user:secret@host/db", errors.UnsupportedError, "mysql"),
        ("", errors.InvalidInputError, "empty"),
    ]
    for location, kind, part in cases:
        with pytest.raises(kind, match=part) as raised:
            ln.import_lamindb(location)
        assert "secret" not in str(raised.value)
    server = os.environ["ANNDEX_TEST_POSTGRES"]
    user, _, rest = server.removeprefix("postgres://").partition("@")
    wrong = f"postgres://{user.partition(':')[0]}:{quote('no secret')}@{rest}"
    with pytest.raises(errors.AnndexError) as raised:
        ln.import_lamindb(wrong)
    assert "no secret" not in str(raised.value) and quote("no secret") not in str(raised.value)
    assert ln.Artifact.filter().count() == 0
