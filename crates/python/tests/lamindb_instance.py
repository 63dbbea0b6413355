"""Makes a real lamindb instance, and writes what lamindb says of it, in the words of anndex.

``python lamindb_instance.py STEP STORAGE DATABASE``, where STEP is ``make`` or ``go on``; without a
DATABASE it is a SQLite file in the storage. What there is goes to ``dump.json`` in the current
directory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lamindb_setup.core._settings_instance import InstanceSettings

# Otherwise files can't be registered without a network.
InstanceSettings.is_on_hub = property(lambda _: False)

# On which branch a record is shown, hidden or in the trash.
VISIBILITY = {1: 0, 0: 1, -1: 2}


def make(ln: Any, storage: Path) -> list[Any]:
    from registry_files import h5ad, text

    here = Path.cwd()
    first = ln.Transform(key="ingest.py", kind="script", source_code="print(1)").save()
    second = ln.Transform(key="train.py", kind="script", description="trains").save()
    second.predecessors.add(first)
    ingest = ln.Run(first, name="first").save()
    again = ln.Run(first).save()
    train = ln.Run(second, reference="job 7", reference_type="slurm").save()

    tissue = ln.ULabel(name="Tissue", is_type=True).save()
    blood = ln.ULabel(name="blood", type=tissue, description="red").save()
    cell = ln.ULabel(name="T cell").save()
    cell.parents.add(blood)

    def add(path: Path, **fields: Any) -> Any:
        return ln.Artifact(path, run=ingest, **fields).save()

    # In the storage as they are, and copied under keys that say nothing of the place.
    inside = [add(h5ad(storage / f"raw/{i}.h5ad", i)) for i in range(2)]
    copied = add(h5ad(here / "two.h5ad", 2), key="donors/two.h5ad", description="second")
    nameless = add(text(here / "notes.txt", "notes"), description="notes")
    folder = here / "images"
    for i in range(3):
        text(folder / f"{i}.txt", f"image {i}")
    images = add(folder, key="images")
    newer = ln.Artifact(
        text(here / "more.txt", "more"), revises=nameless, run=again, version_tag="second"
    ).save()
    newer.recreating_runs.add(again)
    inside[0].recreating_runs.add(again)
    inside[0].recreating_runs.add(train)
    add(text(here / "trash.txt", "trash"), key="trash.txt").delete(permanent=False)
    hidden = add(text(here / "hidden.txt", "hidden"), key="hidden.txt")
    hidden.branch_id = 0
    hidden.save()
    long = add(text(here / "long.txt", "long"), key="k" * 250 + "/long.txt")
    copied.ulabels.add(blood, cell)
    inside[1].ulabels.add(cell)

    cells = ln.Collection(
        [inside[1], inside[0]], key="cells", description="all", run=ingest, version_tag="1"
    ).save()
    both = ln.Collection(
        [copied, inside[0]], key="cells", revises=cells, run=train, version_tag="2"
    )
    both.meta_artifact = images
    both.save()
    both.ulabels.add(blood)
    inside[0].input_of_runs.add(train)
    cells.input_of_runs.add(train)
    return [long.uid]


def go_on(ln: Any, storage: Path) -> dict[str, Any]:
    from registry_files import h5ad

    three = ln.Artifact(h5ad(storage / "raw/3.h5ad", 3)).save()
    newest = ln.Collection.get(key="cells", is_latest=True)
    two = ln.Artifact.get(key="donors/two.h5ad")
    zero = ln.Artifact.get(key="raw/0.h5ad")
    ln.Collection([three, two, zero], key="cells", revises=newest, version_tag="3").save()
    zero.ulabels.add(ln.ULabel.get(name="blood"))
    before = two.description
    two.description = "renamed"
    two.save()
    return {"uid": two.uid, "before": before}


def dump(ln: Any, left_out: list[Any]) -> dict[str, Any]:
    def uid(record: Any) -> str | None:
        return record and record.uid

    def time(value: Any) -> str | None:
        return value and value.isoformat()

    def uids(query_set: Any, *order: str) -> list[str]:
        return [one.uid for one in query_set.order_by(*order)]

    def common(record: Any) -> dict[str, Any]:
        return {"created_at": time(record.created_at), "updated_at": time(record.updated_at)}

    def described(record: Any) -> dict[str, Any]:
        return {
            **common(record),
            "description": record.description,
            "visibility": VISIBILITY[record.branch_id],
            "created_by": uid(record.created_by),
        }

    def referred(record: Any) -> dict[str, Any]:
        fields = "reference", "reference_type"
        return {**described(record), **{name: getattr(record, name) for name in fields}}

    def made(record: Any, kind: str) -> dict[str, Any]:
        runs = [record.run] if record.run else []
        through = record.recreating_runs.through.objects.filter(**{f"{kind}_id": record.id})
        runs += [ln.Run.get(one.run_id) for one in through.order_by("id")]
        last = runs[-1].uid if runs else None
        previous = [run.uid for run in runs if run.uid != last]
        return {
            "run": last,
            "previous_runs": list(dict.fromkeys(previous)),
            "version": record.version_tag,
            "hash": record.hash,
            "ulabels": sorted(uids(record.ulabels)),
            "input_of": sorted(uids(record.input_of_runs)),
        }

    everything = {"branch__id__in": list(VISIBILITY)}
    return {
        "left_out": left_out,
        "user": {
            one.uid: {"handle": one.handle, "name": one.name, **common(one)}
            for one in ln.User.filter()
        },
        "storage": {
            one.uid: {"root": str(one.root), "type": one.type, "region": one.region}
            for one in ln.Storage.filter()
        },
        "transform": {
            one.uid: {
                **referred(one),
                "key": one.key,
                "type": one.kind,
                "version": one.version_tag,
                "source_code": one.source_code,
                "hash": one.hash,
                "parents": sorted(uids(one.predecessors)),
            }
            for one in ln.Transform.filter(**everything)
        },
        "run": {
            one.uid: {
                "name": one.name,
                "transform": one.transform.uid,
                "started_at": time(one.started_at),
                "finished_at": time(one.finished_at),
                "reference": one.reference,
                "reference_type": one.reference_type,
                "created_by": uid(one.created_by),
            }
            for one in ln.Run.filter(**everything)
        },
        "ulabel": {
            one.uid: {
                **referred(one),
                "name": one.name,
                "is_type": one.is_type,
                "parents": sorted([*uids(one.parents), *filter(None, [uid(one.type)])]),
            }
            for one in ln.ULabel.filter(**everything)
        },
        "artifact": {
            one.uid: {
                **described(one),
                **made(one, "artifact"),
                "key": one.key,
                "path": str(one.path),
                "suffix": one.suffix,
                "size": one.size,
                "otype": one.otype,
                "n_objects": one.n_files,
                "n_observations": one.n_observations,
            }
            for one in ln.Artifact.filter(**everything)
            if one.uid not in left_out
        },
        "collection": {
            one.uid: {
                **referred(one),
                **made(one, "collection"),
                "name": one.key,
                "artifacts": uids(one.artifacts, "links_collection__id"),
                "artifact": uid(one.meta_artifact),
            }
            for one in ln.Collection.filter(**everything)
        },
    }


def main() -> None:
    step, storage, database = sys.argv[1:]
    if step == "make":
        import lamindb_setup

        lamindb_setup.init(storage=storage, db=database or None)
    import lamindb as ln

    ln.settings.track_run_inputs = False
    remembered = Path("left_out.json")
    if step == "make":
        left_out = make(ln, Path(storage))
        remembered.write_text(json.dumps(left_out))
        found = dump(ln, left_out)
    else:
        renamed = go_on(ln, Path(storage))
        found = dump(ln, json.loads(remembered.read_text()))
        found["renamed"] = renamed
    Path("dump.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
