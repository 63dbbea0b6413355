"""Collections of AnnData files: versioned, traceable, and one dataset for training.

`MappedCollection` opens any number of ``.h5ad`` files and ``.zarr`` directories and serves their
observations by index, singly or in batches::

    import anndex
    from torch.utils.data import DataLoader

    mapped = anndex.MappedCollection(["a.h5ad", "b.zarr"], obs_keys="cell_type")
    loader = DataLoader(mapped, batch_size=128, shuffle=True)

The registry keeps files as artifacts, and lists of them as versioned collections, in an instance::

    import anndex as ln

    ln.init(storage="./cells")
    artifacts = [ln.Artifact(path).save() for path in ("a.h5ad", "b.zarr")]
    collection = ln.Collection(artifacts, name="My collection").save()
    mapped = collection.mapped(obs_keys="cell_type")

Importing anndex needs NumPy alone. With pandas installed, variables are given as `pandas.Index`;
with torch, batches of a plain ``DataLoader`` are read in one call and not copied.
"""

from __future__ import annotations

from anndex import errors
from anndex._accessor import AnnDataAccessor
from anndex._anndex import __version__
from anndex._loader import Loader
from anndex._loader_options import WeightedSampler
from anndex._mapped import MappedCollection
from anndex._registry.artifact import Artifact
from anndex._registry.check import CheckReport, Finding, check
from anndex._registry.collection import Collection
from anndex._registry.condition import Q
from anndex._registry.feature_set import FeatureSet
from anndex._registry.instance import Instance, close, connect, init
from anndex._registry.lamindb import ImportReport, LeftOut, import_lamindb
from anndex._registry.lineage import LineageGraph, LineageNode
from anndex._registry.query_set import QuerySet
from anndex._registry.run import Run, Transform, current_run, finish, track
from anndex._registry.save import save
from anndex._registry.ulabel import ULabel
from anndex._registry.user import Storage, User
from anndex._sample import Sample, SampleBatch

__all__ = [
    "AnnDataAccessor",
    "Artifact",
    "CheckReport",
    "Collection",
    "FeatureSet",
    "Finding",
    "ImportReport",
    "Instance",
    "LeftOut",
    "LineageGraph",
    "LineageNode",
    "Loader",
    "MappedCollection",
    "Q",
    "QuerySet",
    "Run",
    "Sample",
    "SampleBatch",
    "Storage",
    "Transform",
    "ULabel",
    "User",
    "WeightedSampler",
    "__version__",
    "check",
    "close",
    "connect",
    "current_run",
    "errors",
    "finish",
    "import_lamindb",
    "init",
    "save",
    "track",
]
