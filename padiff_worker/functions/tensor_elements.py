"""Fingerprints of a framework's tensors: where they lie on a device, else by way of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from padiff_rpc.fingerprints import Fingerprint
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor, widen
from padiff_rpc.v1.words import DType
from padiff_worker.functions.fingerprints import fingerprint, fingerprint_of
from padiff_worker.tensor_verbs import TensorVerbs

_NARROW = frozenset({DType.FLOAT16, DType.BFLOAT16})


def tensor_fingerprint(verbs: TensorVerbs, tensor: Any) -> Fingerprint:
    """Returns the fingerprint of a tensor as it is now; to be called where gradients are off."""
    if verbs.device(tensor) != "cpu":
        return fingerprint_in_place(verbs, tensor)
    host = verbs.host_copy(tensor)
    if host.dtype is not DType.BFLOAT16:
        return fingerprint(host.array)
    with np.errstate(invalid="ignore"):
        return fingerprint(widen(host.array, host.dtype))


def fingerprint_in_place(verbs: TensorVerbs, tensor: Any) -> Fingerprint:
    """Returns the fingerprint, computed by the framework where the tensor lies."""
    spec = verbs.spec(tensor)
    values, shape = verbs.alias(tensor), spec.shape
    device = verbs.device(tensor)
    if spec.dtype in COMPLEX:
        values, shape = verbs.as_reals(values, dtype=DType.FLOAT64, device=device), (*shape, 2)
    elif spec.dtype in _NARROW:
        values = verbs.as_reals(values, dtype=DType.FLOAT32, device=device)
    elif spec.dtype not in FLOATING:
        # Not all that a framework does with numbers it does with integers and bools.
        values = verbs.as_reals(values, dtype=DType.FLOAT64, device=device)
    is_floating = spec.dtype in FLOATING | COMPLEX
    elements = TensorElements(verbs)
    return fingerprint_of(values.reshape([-1]), shape, elements, is_floating=is_floating)


class TensorElements:
    """A framework's tensors as `fingerprints.Elements`: what all frameworks have by the same names."""

    # Few, since each block takes some sixty kernels.
    block = 1 << 22

    def __init__(self, verbs: TensorVerbs) -> None:
        self._verbs = verbs

    def wide(self, array: Any, before: int, behind: int) -> Any:
        made = self._verbs.as_reals(array, dtype=DType.FLOAT64, device=self._verbs.device(array))
        if not before + behind:
            return made
        around = (self.like(np.zeros(before), made), made, self.like(np.zeros(behind), made))
        return self._verbs.library.concat([one for one in around if one.shape[0]])

    def dot(self, first: Any, second: Any) -> Any:
        return (first * second).sum()

    def like(self, constant: Array, array: Any) -> Any:
        return self._verbs.like(array, HostTensor.from_array(np.ascontiguousarray(constant)))

    def size(self, array: Any) -> Any:
        return array.abs()

    def count(self, condition: Any) -> int:
        return int(condition.sum())

    def without(self, array: Any, condition: Any) -> Any:
        library = self._verbs.library
        return library.where(condition, library.zeros_like(array), array)

    def ordered(self, array: Any, places: Array) -> Any:
        made = self._verbs.library.sort(array)
        # With the places that the elements came from, in some frameworks.
        values = made[0] if isinstance(made, tuple) else made
        return values[self.like(places, array)]

    def numbers(self, parts: list[Any]) -> list[Any]:
        flat = [part.reshape([-1]) for part in parts]
        together = self._verbs.host_copy(self._verbs.library.concat(flat)).array
        ends = np.cumsum([part.shape[0] for part in flat])
        made = np.split(together, ends[:-1])
        return [one if one.size > 1 else one[0] for one in made]
