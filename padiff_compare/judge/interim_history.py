"""Noise of the steps so far, on which an optimizer has built, and of the values behind running means."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.judge.evidence import Excuses, Measured
from padiff_compare.judge.interim import Flags, NoisyElements, Reals, offset_of
from padiff_compare.judge.tolerances import Explained, mean_tolerance
from padiff_rpc.tensors import BLOCK_ELEMENTS, COMPLEX, FLOATING, HostTensor, widen
from padiff_rpc.v1.records import Note, Row, Weight
from padiff_rpc.v1.words import CaptureKind, Cause, DType, NoteKind, Omission, Pass, ToleranceSource, Verdict

_BUCKETS = 1024
# Each block takes its signs from another place in one table; a complex element has two parts.
_SIGNS = np.random.default_rng(20).choice(np.array([-1.0, 1.0]), 3 * BLOCK_ELEMENTS)
_STRIDE = 12_289
# Of the parameter on both sides: one of the reference's may be several of the candidate's.
Name = tuple[str, str]
_Sketch = npt.NDArray[np.float64]

# Two noisy elements part by two steps at each step, and no two parameters move alike.
_ROOM = 4.0
_MEAN, _VARIANCE = "running_mean", "running_var"


def rounding_notes(rows: Iterable[Row]) -> tuple[Note, ...]:
    """Returns how many weights were compared but for elements that an optimizer made of noise; () if none."""
    # Of two passes the one in lockstep decides.
    parts = {
        (row.reference, row.candidate)
        for row in rows
        if row.omission is Omission.MADE_OF_ROUNDING
        and row.verdict is not Verdict.NOT_COMPARED
        and not _is_second(row)
    }
    if not parts:
        return ()
    return (Note(kind=NoteKind.ELEMENTS_LEFT_OUT, numbers=(float(len(parts)),)),)


def _is_second(row: Row) -> bool:
    return bool(row.twin) and row.pass_kind is not Pass.LOCKSTEP


class GradientHistory:
    """By the candidate's full parameter names.

    Attributes:
        below_rounding: parameter that ever had a gradient of nothing but rounding -> how large that may be.
        relative_l2: the largest relative L2 between the two gradients, where they are more than rounding.
        random: weight -> the random operations, not shared by the sides, that had a part in its making.
        shifts: bias -> how far the two sides are apart at most, where noise drove them.
        offsets: layer -> bias -> candidate - reference where noise drove single elements of it, else 0.
        fed: buffer's layer -> how far apart what it takes has been at most, because of such biases.
    """

    def __init__(self) -> None:
        self.below_rounding: dict[str, float] = {}
        self.relative_l2: dict[str, float] = {}
        self.random: dict[str, tuple[str, ...]] = {}
        self.shifts: dict[str, float] = {}
        self.offsets: dict[str, dict[str, Reals]] = {}
        self.fed: dict[str, float] = {}
        self._elements: dict[str, NoisyElements] = {}

    def note(self, name: str, row: Row, floor: float) -> None:
        """Takes in the row of a parameter's gradient, and what rounding may come to in it."""
        if row.figures is None:
            return
        is_rounding = any(reason.cause is Cause.ROUNDING for reason in row.reasons)
        if row.verdict is Verdict.NOT_COMPARED or (is_rounding and row.figures.rms_reference < floor):
            self.below_rounding[name] = max(floor, self.below_rounding.get(name, 0.0))
        else:
            self.relative_l2[name] = max(self.relative_l2.get(name, 0.0), row.figures.relative_l2)

    def note_elements(self, name: str, measured: Measured, floor: float) -> None:
        """Takes in which elements of a bias's gradient lie under `floor`.

        The user's bounds hold for noise too.
        """
        if measured.sizes is not None and measured.tolerance.source is not ToleranceSource.USER:
            noisy = self._elements.setdefault(name, NoisyElements(measured.sizes.larger.size))
            noisy.note(measured.sizes, floor)

    def noisy_elements(
        self, name: str, reference: HostTensor, candidate: HostTensor, length: Optional[float]
    ) -> Optional[Flags]:
        """Returns the elements of a weight that are to be left out should it differ; None for none.

        They were noise at every step, while others of the gradient were not, and lie no further apart than
        steps can have brought them: see `NoisyElements.excused`.
        """
        noisy = self._elements.get(name)
        is_of_one_shape = reference.array.shape == candidate.array.shape
        if noisy is None or length is None or name in self.below_rounding or not is_of_one_shape:
            return None
        excused = noisy.excused(reference, candidate, length)
        biases = self.offsets.setdefault(name.rpartition(".")[0], {})
        biases.pop(name, None)
        if not excused.any():
            return None
        biases[name] = np.where(excused, offset_of(reference, candidate), 0.0)
        return excused

    def explained(self, name: str, length: Optional[float]) -> Optional[Explained]:
        """Returns what may have driven the two sides of a parameter apart; None if nothing may.

        `length`: see `Explained`; None while there was no step.
        """
        error = self.relative_l2.get(name)
        return (
            Explained(gradient_relative_l2=error, length=length)
            if error is not None and length is not None
            else None
        )

    def excuses(self, name: str, kind: CaptureKind, largest_rms: float) -> Excuses:
        """Returns what chance and noise may have made of a weight.

        An optimizer that divides by the gradient's size makes no longer steps of noise than of other
        gradients (`largest_rms`, of any parameter, over all steps).
        """
        random = self.random.get(name, ())
        if kind is CaptureKind.BUFFER:
            return Excuses(random=random, shift=self.fed.get(name.rpartition(".")[0], 0.0))
        return Excuses(random=random, steps=_ROOM * largest_rms if name in self.below_rounding else 0.0)

    def note_weight(self, name: str, row: Row) -> None:
        """Takes in the row of a weight: how far noise has moved a bias."""
        figures, spec = row.figures, row.candidate.spec if row.candidate is not None else None
        if row.kind is CaptureKind.BUFFER or name not in self.below_rounding or figures is None:
            return
        if spec is not None and len(spec.shape) == 1 and row.verdict is not Verdict.MISMATCH:
            self.shifts[name] = figures.max_abs

    def shift_of(self, path: str) -> float:
        """Returns how far apart the biases of a layer of the candidate are, where noise drove them."""
        return max((far for name, far in self.shifts.items() if name.rpartition(".")[0] == path), default=0.0)


def is_variance(weight: Weight) -> bool:
    """Whether a weight is a running variance, of which frameworks keep two kinds."""
    return weight.canonical == _VARIANCE


class Spreads:
    """By layer of the candidate: the standard deviation of the values whose running mean it keeps."""

    def __init__(self, measured: Iterable[tuple[str, Weight, Measured]]) -> None:
        """`measured`: layers and weights of the candidate, all of one reading."""
        self._spreads = {
            path: math.sqrt(one.figures.rms_reference)
            for path, weight, one in measured
            if one.figures is not None and is_variance(weight)
        }

    def of(self, path: str, weight: Weight) -> Optional[float]:
        """Returns the spread of the values whose running mean a buffer is; None of any other."""
        return self._spreads.get(path) if weight.canonical == _MEAN else None

    def added(self, excuses: Excuses, path: str, weight: Weight, dtype: DType) -> Excuses:
        """Returns the excuses of a buffer, with the spread of the values whose running mean it is."""
        spread = self.of(path, weight)
        if spread is None:
            return excuses
        return dataclasses.replace(excuses, spread=spread, mean_bound=mean_tolerance(dtype))


class StepLengths:
    """Path lengths from successive values, each value kept as 8 KiB.

    A sketch sums the elements under pseudo-random signs into 1,024 buckets. It is linear, so the
    difference of two has the norm of the step: exactly up to 1,024 elements, within some 5% above.
    """

    def __init__(self) -> None:
        self._last: dict[Name, _Sketch] = {}
        self._lengths: dict[Name, float] = {}
        self._rms: dict[Name, float] = {}
        self._latest_rms: dict[Name, float] = {}

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
        self._latest_rms[name] = step / math.sqrt(value.array.size)

    def latest_rms(self, name: Name) -> Optional[float]:
        """Returns how far (root mean square) the latest step moved a parameter; None while there was none."""
        return self._latest_rms.get(name)

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
