"""Made-up arrays from a table: shape, dtype, seed, range."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from padiff_client.tensor_leaves import Input
from padiff_rpc.names import shown
from padiff_rpc.records import word
from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.words import DType
from padiff_rpc.yaml_nodes import Entry

_KEYS = ("shape", "dtype", "seed", "range", "requires_grad")


def is_table(entries: Iterable[Entry]) -> bool:
    """Whether these describe arrays, rather than name them."""
    return any(entry.is_mapping for entry in entries)


def read_table_array(entry: Entry, position: int) -> Input:
    """Returns the array that a table's entry describes; `position` is its default seed.

    Floats are standard normal, or uniform in [low, high) with a range; integers are uniform in
    [low, high), by default [0, 10); bools are fair coins. The same entry gives the same array again.
    """
    found = entry.known(*_KEYS)
    if "shape" not in found:
        raise entry.error("the key 'shape' is missing")
    shape = tuple(one.of_type(int, "a whole number of at least 0") for one in found["shape"])
    if any(size < 0 for size in shape):
        raise found["shape"].error(f"{list(shape)} is not allowed; allowed: whole numbers of at least 0")
    dtype = DType.FLOAT32
    if "dtype" in found:
        dtype = found["dtype"].read(lambda one: word(DType, one.value(), field="value"))
    seed = found["seed"].count(least=0) if "seed" in found else position
    limits = _limits(found["range"], dtype) if "range" in found else None
    wants_grad = found["requires_grad"].flag() if "requires_grad" in found else False
    if wants_grad and dtype not in FLOATING | COMPLEX:
        raise found["requires_grad"].error(f"{dtype} has no gradient; leave it out, or give another dtype")
    try:
        values = _values(np.random.default_rng(seed), shape, dtype, limits)
    except (MemoryError, ValueError, OverflowError):
        # NumPy's words for a product that no memory, or no index, can hold.
        raise found["shape"].error(f"{list(shape)} does not fit into this machine's memory") from None
    return Input(values, dtype=str(dtype), requires_grad=wants_grad)


def _limits(entry: Entry, dtype: DType) -> tuple[Any, Any]:
    limits = entry.value()
    numbers = isinstance(limits, list) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one) for one in limits
    )
    if not numbers or len(limits) != 2 or not limits[0] < limits[1]:
        raise entry.error(f"{shown(limits)} is not allowed; allowed: [low, high] with low below high")
    if dtype is DType.BOOL or dtype in COMPLEX:
        raise entry.error(f"{dtype} has no range; leave it out")
    if dtype not in FLOATING:
        info = np.iinfo(str(dtype))
        whole = all(isinstance(one, int) for one in limits)
        if not whole or limits[0] < info.min or limits[1] - 1 > info.max:
            raise entry.error(f"{shown(limits)} is not allowed; allowed: whole numbers that fit {dtype}")
    return limits[0], limits[1]


def _values(generator: np.random.Generator, shape: tuple[int, ...], dtype: DType, limits: Any) -> Any:
    low, high = limits or (0, 10)
    if dtype is DType.BOOL:
        return generator.integers(0, 2, shape).astype(bool)
    if dtype in COMPLEX:
        return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)
    if dtype in FLOATING:
        return generator.uniform(low, high, shape) if limits else generator.standard_normal(shape)
    return generator.integers(low, high, shape, dtype=str(dtype))
