"""Files that were changed at random end in a result or in one error of anndex.

Tried in Python and by the command, from a directory and over HTTP, in a process with limits.
``ANNDEX_MUTATIONS`` is the number of files, ``ANNDEX_MUTATIONS_SEED`` another seed, and
``ANNDEX_MUTATIONS_FIRST`` the number of the first one, so that any can be made again.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pandas as pd
import pytest

FIXTURES = Path(__file__).parents[3] / "tests/fixtures/files"
COUNT = int(os.environ.get("ANNDEX_MUTATIONS", "40"))
SEED = int(os.environ.get("ANNDEX_MUTATIONS_SEED", "24301"))
FIRST = int(os.environ.get("ANNDEX_MUTATIONS_FIRST", "0"))
# All that is done with a file, of which each part may take 10 s.
SECONDS = 60.0
NUMBERS = [0, 1, 0x7F, 0xFF, 0xFFFF, 1 << 20, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]
WORDS = [b"0", b"-1", b"999999999999", b"1e308", b"null", b"[[]]", b'"|S9999999"', b"{}"]


def change(data: bytearray, rng: random.Random) -> None:
    """Changes some bytes of a file, half of them where structure is dense."""
    for _ in range(rng.randint(1, 3)):
        if not data:
            data.append(rng.randrange(256))
            return
        near = rng.randrange(min(len(data), 16 << 10))
        at = rng.choice([near, len(data) - 1 - near % (4 << 10), rng.randrange(len(data))])
        match rng.randrange(6):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                width = rng.choice([1, 2, 4, 8])
                number = rng.choice(NUMBERS).to_bytes(8, "little")[:width]
                data[at - at % width : at - at % width + width] = number
            case 2:
                word = rng.choice(WORDS)
                data[at : at + len(word)] = word
            case 3:
                begin = rng.randrange(len(data))
                part = data[begin : begin + rng.randint(1, 512)]
                data[at : at + len(part)] = part
            case 4:
                del data[at : at + rng.choice([1, 64, len(data)])]
            case _:
                end = min(len(data), at + rng.randint(1, 256))
                data[at:end] = bytes(end - at)


def seeds(directory: Path) -> list[Path]:
    """Small AnnData files, zips of Zarr, the same as directories, and tables."""
    found = sorted(FIXTURES.glob("*.h5ad")) + sorted(FIXTURES.glob("*.zip"))
    for archive in sorted(FIXTURES.glob("*.zip")):
        target = directory / archive.name.removesuffix(".zip")
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)
        found.append(target)
    table = pd.DataFrame({"x": range(300), "t": [f"gene {i}" for i in range(300)]})
    table["c"] = pd.Categorical(["a", "b", "c"] * 100)
    for _ in range(4):
        for compression in ("lz4", "zstd", "uncompressed"):
            path = directory / f"{compression}.feather"
            table.to_feather(path, compression=compression)
            found.append(path)
        for compression in ("snappy", "gzip", "zstd"):
            path = directory / f"{compression}.parquet"
            table.to_parquet(path, compression=compression)
            found.append(path)
        table.to_csv(directory / "table.csv")
        found.append(directory / "table.csv")
    return found


def mutated(source: Path, directory: Path, number: int) -> Path:
    """Writes a changed copy."""
    rng = random.Random(SEED * 1_000_003 + number)
    path = directory / f"{number}-{source.name}"
    changed = path
    if source.is_dir():
        shutil.copytree(source, path)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        documents = [file for file in files if file.name.startswith((".z", "zarr."))]
        changed = rng.choice(files if rng.random() < 0.3 else documents)
    else:
        shutil.copyfile(source, path)
    data = bytearray(changed.read_bytes())
    change(data, rng)
    changed.write_bytes(data)
    return path


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serves the files of a directory by ranges."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(False)

        def do_GET(self) -> None:
            self.answer(True)

        def answer(self, has_body: bool) -> None:
            data = (directory / self.path.lstrip("/")).read_bytes()
            wanted = self.headers.get("Range")
            begin, end = 0, len(data)
            if wanted is not None:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                begin, end = int(first), min(len(data), int(last or len(data) - 1) + 1)
            if begin >= len(data) and wanted is not None:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200 if wanted is None else 206)
            if wanted is not None:
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{len(data)}"')
            self.send_header("Content-Length", str(end - begin))
            self.end_headers()
            if has_body:
                self.wfile.write(data[begin:end])

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Worker:
    """The process that tries files, as often as it is needed anew."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started = 0
        self.process: subprocess.Popen[str] | None = None
        self.answers: Queue[str] = Queue()

    def start(self) -> subprocess.Popen[str]:
        self.started += 1
        home = self.directory / str(self.started)
        home.mkdir()
        worker = Path(__file__).with_name("mutated_worker.py")
        process = subprocess.Popen(
            [sys.executable, str(worker), str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(home / "stderr").open("wb"),
            text=True,
            # Reserved addresses are few: one arena for each thread would take most of them.
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},
        )
        answers: Queue[str] = Queue()
        self.answers = answers

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                answers.put(line.rstrip("\n"))
            answers.put(f"the process ended: {process.wait()}")

        Thread(target=read, daemon=True).start()
        return process

    def attempt(self, path: Path, url: str) -> str:
        if self.process is None:
            self.process = self.start()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{path} {url}\n")
            self.process.stdin.flush()
            answer = self.answers.get(timeout=SECONDS)
        except Empty:
            answer = f"no end within {SECONDS} s"
        except BrokenPipeError:
            answer = self.answers.get(timeout=SECONDS)
        if answer != "ended":
            self.end()
        return answer

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")
def test_changed_files_end_in_a_result_or_an_error(tmp_path: Path) -> None:
    if "ANNDEX_TEST_COMMAND" not in os.environ:
        assert "CI" not in os.environ, "ANNDEX_TEST_COMMAND must name the `anndex` command"
        pytest.skip("ANNDEX_TEST_COMMAND names no `anndex` command")
    for name in ("seeds", "tried", "work"):
        (tmp_path / name).mkdir()
    sources = seeds(tmp_path / "seeds")
    worker = Worker(tmp_path / "work")
    failures: list[str] = []
    with served(tmp_path / "tried") as server:
        for number in range(FIRST, FIRST + COUNT):
            source = random.Random(SEED * 31 + number).choice(sources)
            path = mutated(source, tmp_path / "tried", number)
            url = f"{server}/{path.name}" if path.suffix == ".h5ad" else "-"
            answer = worker.attempt(path, url)
            if answer != "ended":
                failures.append(f"{number} {source.name}: {answer}")
                print(failures[-1], flush=True)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    worker.end()
    for log in sorted((tmp_path / "work").glob("*/stderr")):
        text = log.read_text(errors="replace")
        assert "panicked" not in text, text[-2000:]
    assert not failures, "\n".join(failures)
