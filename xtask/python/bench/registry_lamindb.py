"""Measure lamindb's registry: registering files, a collection of them, and queries.

Prints the same JSON as benches/registry.rs of the crate anndex, for what lamindb has.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 15
PAGE = 100


def write_files(root, count):
    """Write small files that all differ, a thousand in a folder."""
    files = []
    for number in range(count):
        folder = root / f"plate{number // 1000:03}"
        folder.mkdir(exist_ok=True)
        file = folder / f"well{number:06}.txt"
        file.write_text(f"well {number}")
        files.append(file)
    return files


def seconds(work):
    """Return what work returns, and the time that it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def median(work):
    """Return the median time of work that is done again and again."""
    return statistics.median(seconds(work)[1] for _ in range(REPEATS))


def measure(root, files):
    """Return the seconds of each task."""
    import lamindb as ln
    from lamindb_setup.core._settings_instance import InstanceSettings

    # Registering asks a server about the instance, which there is none of.
    InstanceSettings.is_on_hub = property(lambda self: False)
    ln.settings.verbosity = "error"
    times = {}

    def register():
        return [ln.Artifact(file, run=False).save() for file in files]

    artifacts, times["register"] = seconds(register)
    _, times["register_known"] = seconds(register)

    def save_collection():
        return ln.Collection(artifacts, key="plates", run=False).save()

    collection, times["save_collection"] = seconds(save_collection)

    def get_collection():
        return list(ln.Collection.get(collection.uid).ordered_artifacts)

    held, times["get_collection"] = seconds(get_collection)
    assert [one.id for one in held] == [one.id for one in artifacts]
    everything = ln.Artifact.filter()
    times["list"] = median(lambda: list(everything.order_by("-id")[:PAGE]))
    times["count"] = median(everything.count)
    prefix = "plate000/well0000"
    times["filter_by_key"] = median(lambda: list(ln.Artifact.filter(key__startswith=prefix)))
    text = {"key__contains": "well000042"}
    times["filter_by_text"] = median(lambda: list(ln.Artifact.filter(**text)))
    held = {"collections__id": collection.id}
    times["filter_in_collection"] = median(lambda: list(ln.Artifact.filter(**held)[:PAGE]))
    holds = {"artifacts__key__startswith": prefix}
    times["filter_collections"] = median(lambda: list(ln.Collection.filter(**holds).distinct()))
    return times, ln.__version__


def main():
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "storage"
        # Settings are kept in the home directory, and what belongs to an instance in this one.
        os.environ["HOME"] = directory
        work = Path(directory) / "work"
        work.mkdir()
        os.chdir(work)
        import lamindb_setup

        lamindb_setup.init(storage=str(root))
        files = write_files(root, count)
        times, version = measure(root, files)
        print(json.dumps({"artifacts": count, "seconds": times, "version": version}))


if __name__ == "__main__":
    main()
