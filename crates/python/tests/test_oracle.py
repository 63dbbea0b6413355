"""Random collections against lamindb's `MappedCollection`: everything must be the same.

`KEPT` lists what differs on purpose. Where lamindb fails for a reason of its own on input that is
valid, there is nothing to compare with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lamindb.core._mapped_collection import MappedCollection as Oracle
from random_collections import File, RandomCollection, draw, write_files

from anndex import MappedCollection

SEEDS = 600
BLOCK = 40

KEPT = {
    "a key that no file has": (
        "an error instead of an empty result: it is a typing error far more often"
    ),
    "weights for a column that a file lacks": (
        "an error: lamindb's weights are fewer than the observations and belong to others"
    ),
    "missing values among categories": (
        "they are not a class: lamindb sorts NaN of nullable columns among the labels, where it "
        "stands anywhere and shifts the other codes, by chance of its address"
    ),
    "text is an object array, missing values are NaN": (
        "whatever the file: from Zarr lamindb gives StringDType, in which NaN becomes 'nan'"
    ),
    "a column of obs that a file lacks": (
        "NaN in single samples, as in batches: every sample has the same keys. lamindb leaves the "
        "key out, so that no two such samples can be collated"
    ),
    "genes that are listed twice in a sparse row": (
        "the sum, as in anndata and SciPy (test_duplicates.py): lamindb has the last value in "
        "samples, and the same file loads with another one"
    ),
    "labels of nullable columns are objects only where one is missing": (
        "lamindb's are so, too, if the missing one is not among the selected observations"
    ),
}

# What lamindb raises about input that is valid, with the reason.
BEYOND_THE_ORACLE = (
    ("unhashable type", "it compares 0-dimensional Zarr scalars"),
    ("Indexing elements must be in increasing order", "it indexes HDF5 categories by codes"),
    ("cannot convert float NaN to integer", "it puts NaN among integer categories"),
    ("object of type 'Array' has no len()", "it measures Zarr arrays like lists"),
    ("cannot cast dtype StringDType", "it casts Zarr's text to fixed lengths"),
    ("not supported between instances", "it sorts NaN or None among labels"),
)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[File]]:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("block", range(SEEDS // BLOCK))
def test_everything_is_as_in_lamindb(block: int, files: dict[str, list[File]]) -> None:
    compared: Counter[str] = Counter()
    failures = []
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        collection = draw(seed, files)
        try:
            compared[compare(collection)] += 1
        except Exception as error:
            names = [path.name for path in collection.paths]
            failures.append(f"seed {seed}: {error!r:.500}\n  {names} {collection.arguments}")
    assert not failures, "\n".join(failures)
    print(f"\nblock {block}: {dict(compared)}")
    # Most of what is drawn must be accepted by both, or little is compared.
    assert compared["the same"] > BLOCK // 2, compared


def compare(collection: RandomCollection) -> str:
    """Compare everything of one collection; gives how it went."""
    expected, refused = attempt(lambda: Oracle(collection.paths, **collection.arguments))
    found, error = attempt(lambda: MappedCollection(collection.paths, **collection.arguments))
    if collection.lacks_a_key() and not isinstance(refused, (FileNotFoundError, ValueError)):
        assert isinstance(error, KeyError), error
        return "a key that no file has"
    if refused is not None and is_beyond(refused):
        assert error is None, error
        check_consistent(found)
        return "beyond the oracle"
    if refused is not None:
        # Two reasons at once may be told in another order.
        reasons = (type(refused), KeyError) if collection.lacks_a_key() else type(refused)
        assert isinstance(error, reasons), (refused, error)
        return "the same error"
    assert error is None, error
    with expected, found:
        compare_attributes(expected, found)
        compare_samples(expected, found)
        # Some columns of each collection; over all seeds it is every kind of column in every file.
        for column in collection.columns[len(expected) % 3 :: 3]:
            compare_labels(collection, expected, found, column)
    return "the same"


def compare_attributes(expected: Oracle, found: MappedCollection) -> None:
    for name in (
        "n_obs",
        "n_vars",
        "n_obs_list",
        "n_vars_list",
        "shape",
        "original_shapes",
        "join_vars",
        "closed",
        "layers_keys",
        "obs_keys",
        "obsm_keys",
        "encode_labels",
        "filtered",
    ):
        assert getattr(expected, name) == getattr(found, name), name
    assert len(expected) == len(found)
    for name in ("indices", "storage_idx"):
        check_same(getattr(expected, name), getattr(found, name), name)
    check_index(expected.var_joint, found.var_joint)
    for one, other in pairs(expected.var_list, found.var_list):
        check_index(one, other)
    for one, other in pairs(expected.var_indices, found.var_indices):
        check_same(one, other, "var_indices")
    for key, encoder in getattr(expected, "encoders", {}).items():
        if has_missing(encoder):
            present = {label for label in encoder if label == label}
            codes = list(found.encoders[key].values())
            assert found.encoders[key].keys() == present, key
            assert codes == list(range(codes[0], codes[0] + len(codes))) if codes else True
        else:
            assert list(found.encoders[key].items()) == list(encoder.items()), key
    for ascending in (True, False):
        assert expected.check_vars_sorted(ascending) == found.check_vars_sorted(ascending)
    for names in (["gene0"], list(expected.var_list[0])):
        assert expected.check_vars_non_aligned(names) == found.check_vars_non_aligned(names)


def compare_samples(expected: Oracle, found: MappedCollection) -> None:
    for index in (*range(len(expected)), *range(-1, -len(expected), -7)):
        one, refused = attempt(lambda: expected[index])  # noqa: B023
        if refused is not None:
            assert is_beyond(refused), refused
            continue
        other = found[index]
        lacking = [key for key in found.obs_keys or [] if key not in one]
        assert all(other[key] != other[key] for key in lacking), index
        assert list(one) == [key for key in other if key not in lacking]
        for key, value in one.items():
            encoder = getattr(expected, "encoders", {}).get(key, {})
            if has_missing(encoder) and value == value:
                labels = {code: label for label, code in encoder.items()}
                check_same(found.encoders[key][labels[value]], other[key], (index, key))
            else:
                check_same(value, other[key], (index, key))
    for index in (len(expected), -len(expected) - 1, "a", 0.5, None):
        _, refused = attempt(lambda: expected[index])  # noqa: B023
        _, error = attempt(lambda: found[index])  # noqa: B023
        if index is not None:
            assert isinstance(error, type(refused)), (index, refused, error)
        assert isinstance(error, IndexError)


def compare_labels(
    collection: RandomCollection, expected: Oracle, found: MappedCollection, column: str
) -> None:
    one, refused = attempt(lambda: expected.get_merged_labels(column))
    other = found.get_merged_labels(column)
    if refused is None:
        if one.dtype == np.dtypes.StringDType():
            one = np.array([np.nan if v == "nan" else v for v in one], dtype=object)
        elif one.dtype == object and other.dtype != object:
            assert not any(value != value for value in one), column
            one = one.astype(other.dtype)
        elif other.dtype == object:
            # Text of a file next to StringDType of another one.
            one = np.array([np.nan if v == "nan" else v for v in one], dtype=object)
        check_same(one, other, column)
    else:
        assert is_beyond(refused), refused
    one, refused = attempt(lambda: expected.get_merged_categories(column))
    other = found.get_merged_categories(column)
    if refused is None:
        if has_missing(one):
            assert {label for label in one if label == label} == set(other), column
            assert other == sorted(other), column
        else:
            assert one == other, column
    else:
        assert is_beyond(refused), refused
    for arguments in ({}, {"scaler": 2.0}, {"return_categories": True}):
        one, refused = attempt(lambda: expected.get_label_weights(column, **arguments))  # noqa: B023
        other, error = attempt(lambda: found.get_label_weights(column, **arguments))  # noqa: B023
        if not all(column in file.columns for file in collection.files):
            assert isinstance(error, ValueError), error
        elif refused is None:
            assert error is None, error
            assert type(one) is type(other)
            if isinstance(one, dict):
                assert list(one.items()) == list(other.items()), column
            else:
                check_same(one, other, column)
        else:
            assert is_beyond(refused), refused


def check_consistent(found: MappedCollection) -> None:
    """Without an oracle, samples and batches still have to agree with each other."""
    with found:
        for index in range(len(found)):
            assert found[index]["_store_idx"] == found.storage_idx[index]


def check_index(expected: Any, found: Any) -> None:
    if expected is None:
        assert found is None
    else:
        assert expected.equals(found) and expected.dtype == found.dtype


def check_same(expected: Any, found: Any, where: Any) -> None:
    """The same type, dtype, shape and values; NaN is NaN."""
    assert type(expected) is type(found), (where, expected, found)
    if isinstance(expected, np.ndarray):
        assert expected.dtype == found.dtype, (where, expected.dtype, found.dtype)
        assert expected.shape == found.shape, where
        if expected.dtype == object:
            for one, other in zip(expected, found, strict=True):
                assert one == other or (one != one and other != other), (where, expected, found)
        else:
            np.testing.assert_array_equal(expected, found)
        return
    assert expected == found or (expected != expected and found != found), (where, expected, found)


def pairs(expected: Any, found: Any) -> Any:
    assert (expected is None) == (found is None)
    return zip(expected or [], found or [], strict=True)


def has_missing(labels: Any) -> bool:
    return any(label != label for label in labels)


def is_beyond(error: Exception) -> bool:
    return any(part in str(error) for part, _ in BEYOND_THE_ORACLE)


def attempt(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:
        return None, error
