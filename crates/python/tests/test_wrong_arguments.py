"""Wrong arguments, to everything that is public: whatever is raised is an error of anndex.

An `AttributeError` or `KeyError` of an inner line says nothing to who called the outer one.
"""

from __future__ import annotations

import inspect
import itertools
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import anndex as ln
from anndex._registry.field import Field
from anndex._registry.registry import Registry

KINDS = [
    ln.Artifact,
    ln.Collection,
    ln.FeatureSet,
    ln.Run,
    ln.Storage,
    ln.Transform,
    ln.ULabel,
    ln.User,
]
# They end the instance, or ask for nothing.
LEFT_OUT = {"close", "mro", "torch_worker_init_fn"}


class World:
    """An instance with a record of each kind, and arguments that are right."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ln.init(directory / "cells")
        obs = pd.DataFrame({"cell_type": ["a", "b", "a"]}, index=["1", "2", "3"])
        adata = ad.AnnData(
            X=sp.csr_matrix(np.eye(3, dtype=np.float32)),
            obs=obs,
            layers={"counts": np.eye(3)},
            obsm={"pca": np.eye(3)},
        )
        adata.write_h5ad(directory / "a.h5ad")
        self.adata = adata
        self.frame = pd.DataFrame({"x": [1, 2]})
        self.artifact = ln.Artifact(directory / "a.h5ad").save()
        self.collection = ln.Collection([self.artifact], name="c").save()
        self.label = ln.ULabel("label").save()
        self.transform = ln.Transform("t").save()
        self.run = ln.Run(self.transform).save()
        self.features = self.artifact.features.compute()["var"]
        self.storage = ln.Storage.filter().one()
        self.user = ln.User.filter().one()
        self.unsaved: list[Registry] = [
            ln.Artifact(self.frame, key="f.parquet"),
            ln.Artifact(directory / "a.h5ad"),
            ln.Collection(self.frame, name="d"),
            ln.FeatureSet(["a"]),
            ln.Run(self.transform),
            ln.Storage(directory),
            ln.Transform("u"),
            ln.ULabel("m"),
        ]
        self.saved: list[Registry] = [
            self.artifact,
            self.collection,
            self.features,
            self.run,
            self.storage,
            self.transform,
            self.label,
            self.user,
        ]
        self.mapped = self.collection.mapped(obs_keys="cell_type")

    def wrong(self) -> list[Any]:
        """Arguments that hardly anything takes."""
        return [
            None,
            True,
            -1,
            2**70,
            10**5_000,
            1.5,
            float("nan"),
            "nope",
            "\ud800",
            "a\0b",
            b"\xff",
            object(),
            self.frame,
            np.array([1, 2]),
            np.array(1.5),
            [],
            [[1], [2, 3]],
            ["nope"],
            {"nope": 1},
            {1: object()},
            (1, 2, 3),
            slice("a", None),
            ln.Run,
            self.unsaved[0],
            self.unsaved[6],
            self.label,
            self.run,
        ]

    def right(self, name: str) -> Any:
        """What a parameter that must be given is."""
        arguments = {
            "adata": self.adata,
            "artifacts": [self.artifact],
            "data": self.directory / "a.h5ad",
            "df": self.frame,
            "directory": self.directory / "prepared.zarr",
            "epoch": 0,
            "feature_set": self.unsaved[3],
            "features": ["a"],
            "indices": [0],
            "key": "var",
            "label_key": "cell_type",
            "location": self.directory / "lamindb",
            "name": "n",
            "obs_keys": "cell_type",
            "path": self.directory / "a.h5ad",
            "path_list": [self.directory / "a.h5ad"],
            "records": [],
            "root": self.directory,
            "slot": "var",
            "state_dict": {"epoch": 0, "batch": 0, "digest": 0},
            "storage": self.directory / "other",
            "text": "a",
            "transform": self.transform,
            "vars": ["a"],
        }
        return arguments[name]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    world = World(tmp_path)
    yield world
    world.mapped.close()
    ln.close()


class Calls:
    """Calls that may fail as they should, and those that did not."""

    def __init__(self) -> None:
        self.count = 0
        self.raised = 0
        self.bad: dict[str, str] = {}

    def make(self, what: str, call: Callable[[], Any]) -> Any:
        self.count += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return call()
            except ln.errors.BugError:
                raise
            except ln.errors.AnndexError as error:
                self.raised += 1
                assert str(error), what
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(last.filename).name}:{last.lineno}"
                self.bad.setdefault(f"{type(error).__name__} {where}", f"{what}: {error}")
        return None

    def each_parameter(self, world: World, what: str, function: Any, after: Any = None) -> None:
        """Calls a function with each wrong value for each of its parameters."""
        made = isinstance(function, type)
        signature = inspect.signature(function.__init__ if made else function)
        parameters = list(signature.parameters.values())[made:]
        for wrong in parameters:
            for value in world.wrong():
                positional: list[Any] = []
                named: dict[str, Any] = {}
                for one in parameters:
                    if one.kind is one.VAR_KEYWORD:
                        if one is wrong:
                            named["nope"] = value
                    elif one.kind is one.VAR_POSITIONAL:
                        if one is wrong:
                            positional.append(value)
                    elif one is wrong or one.default is one.empty:
                        named[one.name] = value if one is wrong else world.right(one.name)
                label = f"{what}({wrong.name}={type(value).__name__})"
                result = self.make(label, lambda: function(*positional, **named))  # noqa: B023
                if result is not None and after is not None:
                    self.make(f"{label} and then", lambda: after(result))  # noqa: B023

    def check(self) -> None:
        if self.bad:
            pytest.fail("\n".join(f"{where}: {what}" for where, what in self.bad.items()))


def methods(owner: Any) -> Iterator[tuple[str, Any]]:
    """The public methods of an object or class."""
    for name in dir(owner):
        if name.startswith("_") or name in LEFT_OUT:
            continue
        if isinstance(inspect.getattr_static(owner, name), (property, Field)):
            continue
        method = getattr(owner, name)
        if inspect.ismethod(method):
            yield name, method


def check(calls: Calls) -> None:
    calls.check()
    assert calls.raised > calls.count / 10, "the arguments are not wrong"


def saved(record: Any) -> Any:
    return record.save() if isinstance(record, Registry) else record


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_records_are_made_and_found(world: World, kind: type[Registry]) -> None:
    calls = Calls()
    calls.each_parameter(world, kind.__name__, kind, saved)
    for name, method in methods(kind):
        calls.each_parameter(world, f"{kind.__name__}.{name}", method, saved)
    check(calls)


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("is_saved", [True, False])
def test_records_have_methods_and_fields(world: World, is_saved: bool, place: int) -> None:
    record: Any = (world.saved if is_saved else world.unsaved)[place]
    what = f"{'' if is_saved else 'unsaved '}{type(record).__name__}"
    calls = Calls()
    for name in dir(type(record)):
        if not name.startswith("_"):
            calls.make(f"{what}.{name}", lambda: getattr(record, name))  # noqa: B023
    for name, method in methods(record):
        if method.__self__ is record and name not in ("delete", "prepare"):
            calls.each_parameter(world, f"{what}.{name}", method)
    if place != 5:
        calls.each_parameter(world, f"{what}.delete", record.delete)
    for name in dir(type(record)):
        if not isinstance(inspect.getattr_static(type(record), name), Field):
            continue
        for value in world.wrong():
            label = f"{what}.{name} = {type(value).__name__}"
            calls.make(label, lambda: setattr(record, name, value))  # noqa: B023
            calls.make(label, lambda: record.save())
            record._changes.clear()
    calls.make(f"hash({what})", lambda: hash(record))
    calls.make(f"repr({what})", lambda: repr(record))
    calls.check()


def test_a_collection_is_prepared(world: World) -> None:
    calls = Calls()
    calls.each_parameter(world, "prepare", world.collection.prepare)
    check(calls)


def test_functions(world: World) -> None:
    calls = Calls()
    for function in (ln.check, ln.import_lamindb, ln.save, ln.track, ln.Q):
        calls.each_parameter(world, function.__name__, function)
    for value in world.wrong():
        calls.make("Q &", lambda: ln.Q() & value)  # noqa: B023
        calls.make("filter(Q)", lambda: ln.Run.filter(ln.Q(name=value)).count())  # noqa: B023
    check(calls)


def test_instances_are_opened(world: World) -> None:
    calls = Calls()
    for function in (ln.init, ln.connect):
        calls.each_parameter(world, function.__name__, function, lambda opened: opened.close())
    for value in world.wrong():
        calls.make("Instance", lambda: ln.Instance(value))  # noqa: B023
    check(calls)


def test_sets_of_records(world: World) -> None:
    calls = Calls()
    found = ln.Artifact.filter()
    for name, method in itertools.chain(
        methods(found), methods(world.artifact.ulabels), methods(world.artifact.features)
    ):
        calls.each_parameter(
            world, name, method, lambda result: isinstance(result, ln.QuerySet) and len(result)
        )
    for value in world.wrong():
        calls.make("[]", lambda: found[value])  # noqa: B023
        calls.make("[a:b]", lambda: list(found[value:value]))  # noqa: B023
        calls.make("in", lambda: value in found)  # noqa: B023
        calls.make("features[]", lambda: world.artifact.features[value])  # noqa: B023
        calls.make("lineage", lambda: world.artifact.view_lineage().save(value))  # noqa: B023
        for name in ("id", "key", "created_at", "run", "ulabels", "ulabels__name", "size__in"):
            calls.make(name, lambda: ln.Artifact.filter(**{name: value}).count())  # noqa: B023
    check(calls)


def test_mapped_collections_and_loaders(world: World) -> None:
    calls = Calls()
    first = lambda loader: next(iter(loader), None)  # noqa: E731
    mapped = world.mapped
    calls.each_parameter(world, "MappedCollection", ln.MappedCollection, lambda m: m.close())
    for name, method in methods(mapped):
        calls.each_parameter(world, name, method, first if name == "loader" else None)
    for value in world.wrong():
        calls.make("mapped[]", lambda: mapped[value])  # noqa: B023
        calls.make("mapped[a:b]", lambda: mapped[value:value])  # noqa: B023
        calls.make("__getitems__", lambda: mapped.__getitems__(value))  # noqa: B023
        sampler = ln.WeightedSampler(value, value, value)
        calls.make("weights", lambda: mapped.loader(sampler=sampler))  # noqa: B023
        sampler = ln.WeightedSampler([1, 1, 1], value)
        calls.make("num_samples", lambda: mapped.loader(sampler=sampler))  # noqa: B023
        given = (one for one in [value])
        calls.make("sampler", lambda: mapped.loader(sampler=given))  # noqa: B023
        for key in ("epoch", "batch", "digest"):
            state: Any = {**mapped.loader().state_dict(), key: value}
            calls.make("state", lambda: mapped.loader().load_state_dict(state))  # noqa: B023
    for name, method in methods(mapped.loader()):
        calls.each_parameter(world, name, method)
    check(calls)


def test_opened_files(world: World) -> None:
    calls = Calls()
    opened = world.artifact.open()
    matrix = opened.X
    assert matrix is not None
    calls.each_parameter(world, "AnnDataAccessor", ln.AnnDataAccessor)
    for value in world.wrong():
        calls.make("opened[]", lambda: opened[value].to_memory())  # noqa: B023
        calls.make("opened[,]", lambda: opened[value, value].to_memory())  # noqa: B023
        calls.make("opened[a:b]", lambda: opened[value:value].to_memory())  # noqa: B023
        calls.make("X[]", lambda: matrix[value])  # noqa: B023
        calls.make("X[,]", lambda: matrix[value, value])  # noqa: B023
        calls.make("layers", lambda: opened.layers[value])  # noqa: B023
        calls.make("obsm", lambda: opened.obsm[value])  # noqa: B023
    check(calls)


def test_sparse_batches_of_float16(tmp_path: Path) -> None:
    path = tmp_path / "half.h5ad"
    ad.AnnData(X=sp.csr_matrix(np.eye(3, dtype=np.float32))).write_h5ad(path)
    with ln.MappedCollection([path], dtype="float16") as mapped:
        with pytest.raises(ln.errors.UnsupportedError, match='dtype="float32"'):
            next(iter(mapped.loader(sparse=True, to="numpy")))
        batch = next(iter(mapped.loader(batch_size=3, sparse=True)))
        assert (batch["X"].to_dense().numpy() == np.eye(3)).all()


def test_nothing_is_left_to_the_collector(world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        artifact: Any = ln.Artifact(world.frame, key="dropped.parquet")
        path = Path(artifact._data.path)
        assert path.exists()
        del artifact
        assert not path.parent.exists()
