"""Instances at the URL of a PostgreSQL database, which are those of many people."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from registry_files import text

import anndex as ln
from anndex import errors


def administrate(statement: str) -> None:
    server = os.environ.get("ANNDEX_TEST_POSTGRES")
    assert server, (
        "set ANNDEX_TEST_POSTGRES to the URL of a PostgreSQL server; `cargo xtask postgres` runs "
        "one and prints it"
    )
    connection = importlib.import_module("psycopg2").connect(server)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


@pytest.fixture
def url() -> Iterator[str]:
    """An empty database."""
    name = f"test_python_{os.getpid()}"
    administrate(f"CREATE DATABASE {name}")
    server = os.environ["ANNDEX_TEST_POSTGRES"]
    yield f"{server.rpartition('/')[0]}/{name}"
    ln.close()
    administrate(f"DROP DATABASE {name} WITH (FORCE)")


def password(url: str) -> str:
    found = urlsplit(url).password
    assert found
    return found


def test_init_connect_and_close(tmp_path: Path, url: str) -> None:
    with pytest.raises(errors.RecordNotFoundError):
        ln.connect(url)
    made = ln.init(storage=tmp_path / "cells", db=url, user="ada")
    assert made.path is None and made.location.startswith("postgres://127.0.0.1:")
    assert password(url) not in f"{made} {made!r} {made.location} {vars(ln.Artifact)}"
    artifact = ln.Artifact(text(tmp_path / "cells/a.csv", "a"), description="first").save()
    collection = ln.Collection([artifact], name="C", version="1").save()
    second = ln.Artifact(text(tmp_path / "cells/b.csv", "b")).save()
    newer = ln.Collection([artifact, second], is_new_version_of=collection).save()
    assert newer.version == "2" and newer.name == "C"
    made.close()
    with pytest.raises(ValueError, match="closed") as closed:
        artifact.refresh()
    assert password(url) not in str(closed.value)

    with ln.connect(url, user="bob"):
        assert ln.Artifact.get(artifact.uid) == artifact
        found = ln.Collection.filter(artifacts=artifact, name__startswith="C").order_by("version")
        assert [one.version for one in found] == ["1", "2"]
        assert ln.User.filter().count() == 2
        with pytest.raises(ValueError, match="storage"):
            ln.init(storage=tmp_path / "other", db=url)


def test_mistakes_show_no_password(tmp_path: Path, url: str) -> None:
    secret = password(url)
    cases = [
        (url.replace(secret, "wr0ng"), PermissionError),
        (url + "_unknown", LookupError),
        (f"postgres://anndex:{secret}@127.0.0.1:1/cells", errors.AnndexError),
        (f"postgres://anndex:{secret}/x@127.0.0.1/cells", ValueError),
        (f"{url}?pasword={secret}", ValueError),
    ]
    for wrong, expected in cases:
        for call in (lambda: ln.connect(wrong), lambda: ln.init(tmp_path / "c", db=wrong)):  # noqa: B023
            with pytest.raises(errors.AnndexError) as caught:
                call()
            assert isinstance(caught.value, expected), caught.value
            shown = f"{caught.value} {caught.value!r} {caught.value.context}"
            assert secret not in shown and "wr0ng" not in shown
    with pytest.raises(NotImplementedError, match="storages") as refused:
        ln.init(url)
    assert secret not in str(refused.value)


def save_label(name: str) -> None:
    ln.ULabel(name=name).save()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(tmp_path: Path, url: str, method: str) -> None:
    ln.init(storage=tmp_path / "cells", db=url)
    save_label("before")
    context = multiprocessing.get_context(method)
    target = save_label if method == "fork" else connect_and_save_label
    arguments = ("child",) if method == "fork" else ("child", url)
    child = context.Process(target=target, args=arguments)
    child.start()
    save_label("parent")
    child.join(60)
    assert child.exitcode == 0
    names = sorted(label.name for label in ln.ULabel.filter())
    assert names == ["before", "child", "parent"]


def connect_and_save_label(name: str, url: str) -> None:
    ln.connect(url)
    save_label(name)


def test_saving_into_an_instance_at_a_url(tmp_path: Path, url: str) -> None:
    ln.init(storage=tmp_path / "shared", db=url).close()
    with ln.init(storage=tmp_path / "own"):
        artifact = ln.Artifact(text(tmp_path / "own/a.csv", "a"), description="mine").save()
        artifact.save(using=url)
    with ln.connect(url):
        assert ln.Artifact.get(artifact.uid).description == "mine"
