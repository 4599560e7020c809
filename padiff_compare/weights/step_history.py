"""Steps so far: how far a free run's optimizers may have brought the two sides of a parameter apart."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.judge.evidence import Measured
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor, sketch

# Of the parameter on both sides: one of the reference's may be several of the candidate's.
Name = tuple[str, str]
_Reals = npt.NDArray[np.float64]


class StepHistory:
    """How the two sides' gradients have differed so far, by the candidate's full parameter names.

    What gradients that agree differ by all the same, an optimizer makes no smaller.

    Attributes:
        random: weight -> the random operations, not shared by the sides, that had a part in its making.
    """

    def __init__(self) -> None:
        self.random: dict[str, tuple[str, ...]] = {}
        self._apart: defaultdict[str, float] = defaultdict(float)
        self._turned: defaultdict[str, float] = defaultdict(float)

    def note(self, name: str, gradient: Measured) -> None:
        """Takes in a gradient with which the optimizers step."""
        figures = gradient.figures
        if figures is not None and math.isfinite(figures.relative_l2):
            self._apart[name] = max(self._apart[name], figures.relative_l2)
            self._turned[name] += gradient.turned

    def apart(self, name: str) -> float:
        """Returns the largest relative L2 between the two gradients of a parameter; 0 where none was seen."""
        return self._apart[name]

    def drift(self, name: str, length: float) -> float:
        """Returns how far (norm) steps of this length, all together, may have brought a parameter apart.

        r * length where steps are multiples of gradients that are r apart. Where they have one size whatever
        the gradient's (Adam's), an element steps the other way if its gradient has another sign: a share f of
        them makes 2 * sqrt(f) of the length. Signs may turn by chance in few elements, or none, of a small
        tensor: f is then about r.
        """
        apart = self._apart[name]
        turned = min(1.0, max(apart, self._turned[name]))
        return (apart + 2.0 * math.sqrt(turned)) * length


class StepLengths:
    """Path lengths from successive values, of each of which 8 KiB are kept: its `sketch`."""

    def __init__(self) -> None:
        self._last: dict[Name, _Reals] = {}
        self._lengths: dict[Name, float] = {}
        self._latest_rms: dict[Name, float] = {}

    def note(self, name: Name, value: HostTensor) -> None:
        """Takes in a parameter's present value."""
        if value.dtype not in FLOATING | COMPLEX or not value.array.size:
            return
        present, last = np.asarray(sketch(value).array, np.float64), self._last.get(name)
        self._last[name] = present
        if last is None:
            return
        with np.errstate(all="ignore"):
            step = float(np.linalg.norm(present - last))
        # What a NaN did to the reference explains nothing.
        step = step if math.isfinite(step) else 0.0
        self._lengths[name] = self._lengths.get(name, 0.0) + step
        self._latest_rms[name] = step / math.sqrt(value.array.size)

    def latest_rms(self, name: Name) -> Optional[float]:
        """Returns how far (root mean square) the latest step moved a parameter; None while there was none."""
        return self._latest_rms.get(name)

    def of(self, name: Name) -> float:
        """Returns the sum of the norms of a parameter's steps."""
        return self._lengths.get(name, 0.0)
