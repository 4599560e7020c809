"""The memory that holds values of the reference by now, or the model's weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

from padiff_rpc.records import record
from padiff_rpc.tensors import Array
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.footprints import overlap


@record
class _Given:
    """A piece of memory; `alias` keeps it, and its `identity` tells when the model has changed it."""

    alias: Any
    identity: Hashable
    footprint: Array


class GivenMemory:
    """Tells whether a tensor lies where a value was put that another tensor, or backward, still reads.

    An address alone does not tell: once its tensor is dead, the allocator gives it to the next one. So what
    was given is kept alive, until the model itself has changed it in place, or `clear`.
    """

    def __init__(self, adapter: FrameworkAdapter, weights: Iterable[Any]) -> None:
        self._adapter = adapter
        self._weights: defaultdict[Hashable, list[Array]] = defaultdict(list)
        self._given: defaultdict[Hashable, list[_Given]] = defaultdict(list)
        for weight in weights:
            self._weights[adapter.memory(weight)].append(adapter.footprint(weight))

    def overlaps(self, tensor: Any) -> bool:
        """Whether an element of `tensor` is a weight's, or was given a value that still stands."""
        memory = self._adapter.memory(tensor)
        given = self._given.get(memory, [])
        given[:] = [one for one in given if self._adapter.identity(one.alias) == one.identity]
        taken = [*self._weights.get(memory, ()), *(one.footprint for one in given)]
        if not taken:
            return False
        own = self._adapter.footprint(tensor)
        return any(overlap(own, one) for one in taken)

    def add(self, tensor: Any) -> None:
        """Notes that `tensor` was given its value."""
        alias = self._adapter.alias(tensor)
        self._given[self._adapter.memory(tensor)].append(
            _Given(
                alias=alias,
                identity=self._adapter.identity(alias),
                footprint=self._adapter.footprint(tensor),
            )
        )

    def clear(self) -> None:
        """Forgets what was given, and lets its memory go."""
        self._given.clear()
