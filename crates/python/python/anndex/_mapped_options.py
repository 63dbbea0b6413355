"""The parameters of `MappedCollection` and of `Collection.mapped`, declared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import DTypeLike

from anndex import _arguments as arguments
from anndex._arguments import AnyPath, Keys
from anndex._checks import choice, flag, path_text

__all__ = ["MappedOptions"]


@dataclass(frozen=True, kw_only=True)
class MappedOptions:
    """What was asked for, as it was given; what each means is said at `MappedCollection`."""

    layers_keys: Keys = None
    obs_keys: Keys = None
    obsm_keys: Keys = None
    obs_filter: Mapping[str, Any] | None = None
    join: Literal["inner", "outer"] | None = "inner"
    encode_labels: bool | list[str] = True
    unknown_label: Any | dict[str, Any] | None = None
    cache_categories: bool = True
    parallel: bool = False
    dtype: DTypeLike | None = None
    cache_dir: AnyPath | None = None
    chunk_cache: int | str = "128MiB"
    stream_gap: int | str = "64KiB"
    stream_requests: int = 64
    names: Sequence[str] | None = None

    def native(self) -> arguments.Options:
        """The same for the native module, after checking it.

        Raises
        ------
        anndex.errors.AnndexError
            `TypeError` or `ValueError` if a parameter is none that it can be.
        """
        layers = arguments.key_list(
            "layers_keys", "X" if self.layers_keys is None else self.layers_keys
        )
        keys = arguments.key_list("obs_keys", self.obs_keys)
        obsm = arguments.key_list("obsm_keys", self.obsm_keys)
        if isinstance(self.encode_labels, (list, tuple)):
            encoded = arguments.key_list("encode_labels", self.encode_labels)
        else:
            encoded = keys if flag("encode_labels", self.encode_labels) else []
        choice("join", self.join, "inner", "outer", None)
        return {
            "layers_keys": layers,
            "obs_keys": keys,
            "obsm_keys": obsm,
            "obs_filter": arguments.conditions(self.obs_filter),
            "join": self.join,
            "encode_labels": encoded,
            "unknown_label": arguments.unknown_label(self.unknown_label),
            "cache_categories": flag("cache_categories", self.cache_categories),
            "dtype": arguments.dtype_name(self.dtype),
            "cache_dir": None if self.cache_dir is None else path_text(self.cache_dir),
            "names": arguments.key_list("names", self.names),
            "chunk_cache": arguments.byte_count(self.chunk_cache, "chunk_cache"),
            "stream_gap": arguments.byte_count(self.stream_gap, "stream_gap"),
            "stream_requests": arguments.number("stream_requests", self.stream_requests),
        }
