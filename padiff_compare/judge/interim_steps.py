"""Distances that an optimizer has moved each parameter, without keeping the parameters."""

from __future__ import annotations

import math
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_rpc.tensors import BLOCK_ELEMENTS, COMPLEX, FLOATING, HostTensor, widen

_BUCKETS = 1024
# Each block takes its signs from another place in one table; a complex element has two parts.
_SIGNS = np.random.default_rng(20).choice(np.array([-1.0, 1.0]), 3 * BLOCK_ELEMENTS)
_STRIDE = 12_289

# Of the parameter on both sides: one of the reference's may be several of the candidate's.
Name = tuple[str, str]
_Sketch = npt.NDArray[np.float64]


class StepLengths:
    """Path lengths from successive values, each value kept as 8 KiB.

    A sketch sums the elements under pseudo-random signs into 1,024 buckets. It is linear, so the
    difference of two has the norm of the step: exactly up to 1,024 elements, within some 5% above.
    """

    def __init__(self) -> None:
        self._last: dict[Name, _Sketch] = {}
        self._lengths: dict[Name, float] = {}
        self._rms: dict[Name, float] = {}

    def note(self, name: Name, value: HostTensor) -> None:
        """Takes in a parameter's present value."""
        if value.dtype not in FLOATING | COMPLEX or not value.array.size:
            return
        sketch, last = _sketch(value), self._last.get(name)
        self._last[name] = sketch
        if last is None:
            return
        with np.errstate(all="ignore"):
            step = float(np.linalg.norm(sketch - last))
        # What a NaN did to the reference explains nothing.
        step = step if math.isfinite(step) else 0.0
        self._lengths[name] = self._lengths.get(name, 0.0) + step
        self._rms[name] = self._lengths[name] / math.sqrt(value.array.size)

    def of(self, name: Name) -> Optional[float]:
        """Returns the sum of the norms of a parameter's steps; None while there was no step."""
        return self._lengths.get(name)

    @property
    def largest_rms(self) -> float:
        """The longest path of any parameter, as the root mean square over its elements."""
        return max(self._rms.values(), default=0.0)


def _sketch(value: HostTensor) -> _Sketch:
    buckets = np.zeros(_BUCKETS)
    flat = value.array.reshape(-1)
    with np.errstate(all="ignore"):
        for number, start in enumerate(range(0, flat.size, BLOCK_ELEMENTS)):
            block = widen(flat[start : start + BLOCK_ELEMENTS], value.dtype)
            offset = number * _STRIDE % BLOCK_ELEMENTS
            reals = block.view(np.float64)
            signed = reals * _SIGNS[offset : offset + reals.size]
            whole = signed.size // _BUCKETS * _BUCKETS
            buckets += signed[:whole].reshape(-1, _BUCKETS).sum(axis=0)
            buckets[: signed.size - whole] += signed[whole:]
    return buckets
