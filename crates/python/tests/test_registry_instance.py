"""Instances: made, found, closed, used by many threads and after a fork."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from registry_files import adata, h5ad, text

import anndex as ln
from anndex import errors


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANNDEX_DB", raising=False)
    return tmp_path


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds the write lock of a database."""
    code = """
        import sqlite3, sys
        other = sqlite3.connect(sys.argv[1])
        other.execute("BEGIN IMMEDIATE")
        print("locked", flush=True)
        sys.stdin.read()
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), str(database)]
    holder = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin is not None and holder.stdout is not None
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.communicate(timeout=30)


def test_init_connect_and_close(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ln.close()
    with pytest.raises(RuntimeError, match="init"):
        ln.Artifact.filter()
    with pytest.raises(errors.PathNotFoundError, match="absent"):
        ln.connect("absent")
    made = ln.init(storage="cells", user="ada", user_name="Ada Lovelace")
    assert made.path == directory / "cells" and "cells" in repr(made)
    user = ln.User.filter().one()
    assert (user.handle, user.name) == ("ada", "Ada Lovelace")
    artifact = ln.Artifact(text(directory / "cells/a.csv", "a")).save()
    assert artifact.created_by == user and artifact.storage is not None
    assert artifact.storage.root == str(directory / "cells")
    made.close()
    with pytest.raises(ValueError, match="closed"):
        artifact.refresh()
    assert artifact.key == "a.csv", "what was read stays"
    with ln.connect("cells", user="bob") as again:
        assert ln.Artifact.get(artifact.uid) == artifact
        assert again.path == made.path and ln.User.filter().count() == 2
    with pytest.raises(errors.NoInstanceError):
        ln.Artifact.filter()
    monkeypatch.chdir("cells")
    ln.connect()
    assert ln.Artifact.filter().count() == 1
    monkeypatch.setenv("ANNDEX_DB", str(directory))
    with pytest.raises(FileNotFoundError):
        ln.connect()


def test_the_storage_can_be_elsewhere(directory: Path) -> None:
    ln.init(storage="data", db="registry")
    artifact = ln.Artifact(text(directory / "data/a.csv", "a")).save()
    assert artifact.key == "a.csv" and (directory / "registry/.anndex").is_dir()
    other = ln.Storage(directory).save()
    assert ln.Artifact(text(directory / "b.csv", "b")).save().storage == other
    with pytest.raises(ValueError, match="storage"):
        ln.init(storage="elsewhere", db="registry")


@pytest.mark.parametrize("url", ["mysql://ada:secret@host/db", "s3://key:secret@bucket"])
def test_urls_are_refused_without_their_secrets(directory: Path, url: str) -> None:
    for refused in (
        lambda: ln.connect(url),
        lambda: ln.init(url),
        lambda: ln.init("cells", db=url),
        lambda: ln.Storage(url).save(),
        lambda: ln.Artifact(url).save(),
    ):
        ln.init("here")
        with pytest.raises((NotImplementedError, ValueError), match="://") as caught:
            refused()
        assert "secret" not in str(caught.value)


def test_records_of_other_instances_are_refused(directory: Path) -> None:
    ln.init(storage="one")
    artifact = ln.Artifact(text(directory / "a.csv", "a")).save()
    ln.init(storage="two")
    with pytest.raises(ValueError, match="another instance"):
        ln.Collection([artifact], name="C").save()
    assert artifact.refresh().key == "a.csv", "it belongs to its own"
    ln.connect("one")
    assert ln.Collection([artifact], name="C").save().artifacts.one() == artifact


def test_a_damaged_instance(directory: Path) -> None:
    ln.init(storage="cells").close()
    (directory / "cells/.anndex/registry.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(errors.CorruptError, match=r"registry.sqlite"):
        ln.connect("cells")


def test_threads_share_an_instance(directory: Path) -> None:
    ln.init(storage="cells")

    def work(number: int) -> str:
        label = ln.ULabel(f"label {number % 5}").save()
        return ln.ULabel.get(name=label.name).uid

    with ThreadPoolExecutor(8) as pool:
        uids = list(pool.map(work, range(40)))
    assert len(set(uids)) == ln.ULabel.filter().count() == 5


def test_others_run_while_the_registry_waits(directory: Path) -> None:
    """Another process holds the write lock: that thread waits, and this one goes on."""
    ln.init(storage="cells")
    with locked(directory / "cells/.anndex/registry.sqlite"):
        thread = threading.Thread(target=lambda: ln.ULabel("blood").save())
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "it must wait for the lock"
    thread.join(30)
    assert not thread.is_alive() and ln.ULabel.filter().count() == 1


def _use_in_child(queue: multiprocessing.Queue[str], uid: str) -> None:
    try:
        collection = ln.Collection.get(uid)
        paths = [str(path) for path in collection.cache()]
        ln.Artifact.from_anndata(adata(7), key="child.zarr").save()
        label = ln.ULabel("made by the child").save()
        n_obs = len(collection.mapped())
        queue.put(f"{label.created_by.handle if label.created_by else None} {len(paths)} {n_obs}")
    except BaseException as error:
        queue.put(f"{type(error).__name__}: {error}")


def test_a_forked_process_uses_the_registry(directory: Path) -> None:
    ln.init(storage="cells", user="ada")
    artifact = ln.Artifact(h5ad(directory / "a.h5ad")).save()
    collection = ln.Collection([artifact], name="C").save()
    run = ln.track(ln.Transform("before the fork"))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_use_in_child, args=(queue, collection.uid)) for _ in "ab"]
    for child in children:
        child.start()
    ln.ULabel("made by the parent").save()
    assert [queue.get(timeout=60) for _ in children] == ["ada 1 6"] * 2
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert ln.ULabel.filter(name__startswith="made").count() == 2
    assert ln.current_run() == run and collection.input_of.list() == [run]
    assert ln.ULabel.get(name="made by the child").run == run


def test_a_fork_in_the_middle_of_a_call_is_told(directory: Path) -> None:
    """A thread waits in the registry when the process is forked: the child gets an error."""
    ln.init(storage="cells").close()
    code = """
        import os, threading, time
        import anndex as ln

        ln.connect("cells")
        ln.ULabel.filter().count()
        thread = threading.Thread(target=lambda: ln.ULabel("blood").save())
        thread.start()
        time.sleep(0.5)
        pid = os.fork()
        if pid == 0:
            for use in (lambda: ln.ULabel.filter().count(), lambda: ln.connect("cells")):
                try:
                    use()
                except ln.errors.BackendError as error:
                    print("spawn" in str(error), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        print("forked", flush=True)
        thread.join()
        print(ln.ULabel.filter().count())
    """
    with locked(directory / "cells/.anndex/registry.sqlite"):
        arguments = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(3)]
    rest, _ = process.communicate(timeout=60)
    assert told == ["True", "True", "forked"]
    assert (rest.strip(), process.returncode) == ("1", 0)


def test_the_running_script_is_tracked(directory: Path) -> None:
    ln.init(storage="cells")
    script = directory / "analysis.py"
    code = 'import anndex as ln\nln.connect("cells")\nprint(ln.track().transform.version)\n'
    versions = []
    for source in (code, code, code + "# changed\n"):
        script.write_text(source)
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        versions.append(done.stdout.strip())
    assert versions == ["None", "None", "2"]
    assert [one.version for one in ln.Transform.filter().order_by("uid")] == ["1", "2"]
    assert ln.Run.filter(transform__key="analysis.py").count() == 3
    done = python('import anndex as ln\nln.connect("cells")\nln.track()')
    assert "no script is running" in done.stderr


def test_a_process_ends_with_an_instance_open(directory: Path) -> None:
    done = python('import anndex as ln\nln.init("cells")\nln.ULabel("a").save()')
    assert (done.returncode, done.stderr) == (0, "")
    assert not (directory / "cells/.anndex/registry.sqlite-wal").exists()


def test_importing_needs_numpy_alone(directory: Path) -> None:
    done = python(
        """
        import sys
        import anndex as ln
        ln.init("cells")
        ln.ULabel("a").save()
        print([name for name in ("pandas", "anndata", "torch") if name in sys.modules])
        """
    )
    assert done.stdout.strip() == "[]", done.stderr
