"""Tries files that were changed, for ``test_mutated``: a process may end as no test could catch.

It reads lines ``PATH URL``, does with each file what users do, in Python and by the command, and
answers each with one line: ``ended``, or what must not be. ``URL`` may be ``-``.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndex as ln
from anndex import errors

ADDRESSES_BYTES = 6 << 30
MEMORY_KIB = 1536 << 10
COMMAND_SECONDS = 10.0


def tried(use: Callable[[], Any]) -> Any:
    """What it gives, or nothing after an error that says what is wrong with the file."""
    try:
        return use()
    except errors.BugError:
        raise
    except errors.AnndexError:
        return None


def use_mapped(paths: list[str]) -> None:
    mapped = ln.MappedCollection(paths, join=None)
    with mapped:
        count = min(len(mapped), 64)
        tried(lambda: mapped[list(range(count))[::-1]])
        tried(lambda: mapped[0] if count else None)
        loader = tried(lambda: mapped.loader(batch_size=16, shuffle="exact", memory="64MB"))
        if loader is not None:
            tried(lambda: [batch for batch, _ in zip(loader, range(8), strict=False)])


def use_artifact(path: Path) -> None:
    artifact = tried(lambda: ln.Artifact(path, key=path.name).save())
    if artifact is None:
        return
    tried(artifact.load)
    if path.suffix in (".h5ad", ".zarr"):
        accessor = tried(artifact.open)
        if accessor is not None:
            tried(lambda: repr(accessor))
            tried(lambda: accessor[:2].to_memory())
            for name in ("uns", "obsm", "layers"):
                tried(lambda name=name: [str(key) for key in getattr(accessor, name)])
    tried(lambda: artifact.delete(permanent=True))


def use_command(path: Path, log: Path) -> str | None:
    """Runs the command on a file. Gives what must not be."""
    program = os.environ["ANNDEX_TEST_COMMAND"]
    for arguments in (["inspect", str(path)], ["map", str(path), "--join", "none"]):
        with log.open("wb") as written:
            try:
                status = subprocess.run(
                    [program, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=written,
                    stderr=written,
                    timeout=COMMAND_SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return f"anndex {arguments[0]}: no end within {COMMAND_SECONDS} s"
        text = log.read_bytes()
        if status < 0 or status > 64 or b"panicked" in text or b"this is a bug" in text:
            return f"anndex {arguments[0]}: status {status}: {text[-500:]!r}"
    return None


def peak_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def attempt(path: Path, url: str, directory: Path) -> str:
    # Forgets the most memory that there was so far.
    Path("/proc/self/clear_refs").write_text("5")
    try:
        use_artifact(path)
        if path.suffix in (".h5ad", ".zarr") or path.name.endswith(".zarr.zip"):
            tried(lambda: use_mapped([str(path)]))
        if url != "-":
            tried(lambda: use_mapped([url]))
    except BaseException:
        return repr(traceback.format_exc())
    if peak_kib() > MEMORY_KIB:
        return f"{peak_kib()} KiB of memory"
    return use_command(path, directory / "log") or "ended"


def main() -> None:
    directory = Path(sys.argv[1])
    warnings.simplefilter("ignore")
    os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
    ln.init(directory / "instance")
    # The command has a limit of its own, which it gets from here.
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_BYTES, ADDRESSES_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            path, url = line.rstrip("\n").split(" ")
            answers.write(attempt(Path(path), url, directory).replace("\n", " ") + "\n")


if __name__ == "__main__":
    main()
