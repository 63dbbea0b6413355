"""Ctrl-C while a server stalls, or a large file is saved: within a second, and without a trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

SOON = 1.0


class Stalling:
    """A web server that sends the beginning of each answer, and then nothing more."""

    def __init__(self, content: bytes, whole: int) -> None:
        self.content, self.whole, self.requests = content, whole, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.waiting = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = client.recv(65536)
            if not received:
                return
            head += received
        self.requests += 1
        if self.requests > self.whole:
            self.waiting.set()
            time.sleep(600)
        lines = head.decode().split("\r\n")
        start, end, status = 0, len(self.content), "200 OK"
        for line in lines:
            if line.lower().startswith("range: bytes="):
                first, last = line.split("=")[1].split("-")
                start, end, status = int(first), int(last) + 1, "206 Partial Content"
        part = self.content[start:end]
        answer = f'HTTP/1.1 {status}\r\nContent-Length: {len(part)}\r\nETag: "a"\r\n'
        answer += f"Content-Range: bytes {start}-{end - 1}/{len(self.content)}\r\n"
        answer += "Connection: close\r\nAccept-Ranges: bytes\r\n\r\n"
        body = b"" if lines[0].startswith("HEAD") else part
        client.sendall(answer.encode() + body)
        client.close()

    def stall_when_quiet(self) -> None:
        """From now on nothing is answered, once nothing was asked for half a second."""
        asked, since = 0, time.monotonic()
        while time.monotonic() - since < 0.5:
            if self.requests != asked:
                asked, since = self.requests, time.monotonic()
            time.sleep(0.01)
        self.whole = asked


@pytest.fixture
def cells(tmp_path: Path) -> bytes:
    anndata = pytest.importorskip("anndata")
    import numpy as np

    data = np.arange(3000 * 200, dtype=np.float32).reshape(3000, 200)
    anndata.AnnData(data).write_h5ad(tmp_path / "cells.h5ad")
    return (tmp_path / "cells.h5ad").read_bytes()


SCRIPT = """
import signal, sys, time
import anndex
# A shell without job control has it ignored in what it starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
url = sys.argv[1]
def begin():
    print("ready", flush=True)
    sys.stdin.readline()
try:
{body}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""

OPENED = """
    mapped = anndex.MappedCollection([url])
    begin()
"""

WAITING = {
    "open": ("    begin()\n    anndex.MappedCollection([url])\n", 0),
    "sample": (OPENED + "    mapped[2500]\n", None),
    "samples": (OPENED + "    [mapped[i] for i in range(0, 3000, 100)]\n", None),
    "batch": (OPENED + "    mapped[list(range(0, 3000, 100))]\n", None),
    "loader": (OPENED + "    for _ in mapped.loader(batch_size=64, shuffle='exact'): pass\n", None),
    "artifact": (
        "    begin()\n    anndex.init(storage=sys.argv[2])\n    anndex.Artifact(url).save()\n",
        0,
    ),
}


def interrupted(
    body: str, arguments: list[str], ready: Callable[[], None], waiting: threading.Event
) -> float:
    """The seconds that a script takes to end after Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body=body), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        ready()
        process.stdin.write("\n")
        process.stdin.flush()
        assert waiting.wait(30)
        time.sleep(0.3)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        return time.monotonic() - begin
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("what", WAITING)
def test_a_server_that_stalls_holds_nobody(what: str, cells: bytes, tmp_path: Path) -> None:
    body, whole = WAITING[what]
    server = Stalling(cells, 10**9 if whole is None else whole)
    url = f"http://127.0.0.1:{server.port}/cells.h5ad"
    arguments = [url, str(tmp_path / "storage")]
    # What is opened first needs a server that answers.
    ready = server.stall_when_quiet if whole is None else lambda: None
    seconds = interrupted(body, arguments, ready, server.waiting)
    assert seconds < SOON, seconds


def test_a_save_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        for number in range(64):
            file.write(os.urandom(1 << 20) * 16 + bytes([number]))
    storage = tmp_path / "storage"
    body = (
        "    import anndex as ln, signal, threading, os, pathlib\n"
        "    ln.init(storage=sys.argv[2])\n"
        "    copies = pathlib.Path(sys.argv[2]) / '.anndex' / 'artifacts'\n"
        "    def stop():\n"
        "        while not any(copies.rglob('.partial-*')): time.sleep(0.001)\n"
        "        print('copying', time.monotonic(), flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    begin()\n"
        "    threading.Thread(target=stop, daemon=True).start()\n"
        "    try:\n"
        "        ln.Artifact(sys.argv[1]).save()\n"
        "    finally:\n"
        "        print('ended', time.monotonic(), ln.Artifact.filter().count(), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body), str(large), str(storage)],
        input="\n",
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[-1] == ["interrupted"], done.stdout + done.stderr
    told = {line[0]: line[1:] for line in lines}
    assert float(told["ended"][0]) - float(told["copying"][0]) < SOON
    assert told["ended"][1] == "0"
    left = (storage / ".anndex" / "artifacts").rglob("*")
    assert not [path for path in left if path.is_file()]
