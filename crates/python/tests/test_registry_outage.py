"""A connection to a PostgreSQL server that goes away in the middle of work, and comes back."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from registry_files import text

import anndex as ln
from anndex import errors

# How long an operation may take until it gives up; the URL asks for one second.
LONGEST = 10


class Proxy:
    """Stands before the server; as long as it is stopped, nobody is there."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._sockets: list[socket.socket] = []
        self.port = 0
        self.start()

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        for one in (self._listener, *self._sockets):
            # A connection may have ended already.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._sockets += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[tuple[Proxy, str]]:
    """A proxy, and the URL of an empty database behind it."""
    server = os.environ["ANNDEX_TEST_POSTGRES"]
    parts = urlsplit(server)
    assert parts.hostname and parts.port
    administration = importlib.import_module("psycopg2").connect(server)
    administration.autocommit = True
    name = f"test_outage_{os.getpid()}"
    administration.cursor().execute(f"CREATE DATABASE {name}")
    proxy = Proxy(parts.hostname, parts.port)
    place = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}/{name}"
    yield proxy, f"postgres://{place}?connect_timeout=1"
    ln.close()
    proxy.stop()
    administration.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    administration.close()


def test_a_connection_goes_on_when_the_server_is_back(
    tmp_path: Path, proxy: tuple[Proxy, str]
) -> None:
    server, url = proxy
    password = urlsplit(url).password or ""
    ln.init(storage=tmp_path / "cells", db=url)
    artifact = ln.Artifact(text(tmp_path / "a.csv", "a")).save()
    collection = ln.Collection([artifact], name="C").save()
    label = ln.ULabel("l").save()

    def fails(call: Callable[[], Any]) -> None:
        start = time.monotonic()
        with pytest.raises(errors.BackendError, match="server") as caught:
            call()
        assert time.monotonic() - start < LONGEST
        assert password and password not in f"{caught.value} {caught.value.context}"

    for turn in range(2):
        new = ln.Artifact(text(tmp_path / f"{turn}.csv", str(turn)))
        copies = sorted((tmp_path / "cells").rglob("*.csv"))
        server.stop()
        fails(lambda: ln.Artifact.filter().count())
        fails(lambda: list(ln.Collection.filter()))
        fails(lambda: ln.Collection.search("C"))
        fails(lambda: collection.artifacts.list())
        fails(new.save)
        fails(lambda: ln.Collection([artifact], name="D").save())
        fails(lambda: ln.ULabel("m").save())
        fails(lambda: collection.ulabels.add(label))
        fails(collection.delete)
        fails(ln.check)
        server.start()

        assert ln.Artifact.filter().count() == 1 + turn
        assert [one.name for one in ln.Collection.filter()] == ["C"]
        assert [one.name for one in ln.ULabel.filter()] == ["l"]
        assert collection.ulabels.count() == 0
        assert sorted((tmp_path / "cells").rglob("*.csv")) == copies
        assert ln.check(deep=True).findings == []
        # What failed succeeds now.
        assert new.save().path.read_text() == str(turn)
        collection.delete()
        collection.restore()
