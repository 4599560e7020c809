"""Memory of a comparison's earlier tensors, as far as hints need it: samples, vectors, inputs of layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Optional

import numpy as np

from padiff_compare.capture.sides import TensorPair
from padiff_compare.hints.clues import MOST_ELEMENTS, Product, Reals, Samples, looked_at
from padiff_compare.join.calls import CallPair
from padiff_compare.join.captures import shown_at
from padiff_compare.judge.measured import ShownAt
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor, widen
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType

_SAMPLED = 1024
_WEIGHTS = frozenset({CaptureKind.PARAMETER, CaptureKind.BUFFER})
_KEPT = _WEIGHTS | {CaptureKind.PARAMETER_GRADIENT}
_LONGEST = 1 << 16
# Rows that tell which weight a linear layer took, and elements of all matrices that are kept.
_ROWS = 64
_MOST_OF_MATRICES = 1 << 23


def _sample(tensor: HostTensor) -> Reals:
    """Returns some elements of a tensor, the same ones of each of its shape; all of a small one."""
    some = widen(tensor.array.flat[:: max(1, tensor.array.size // _SAMPLED)], tensor.dtype)
    return (some.real if tensor.dtype in COMPLEX else some).astype(float)


class Memory:
    """Keeps little of much: weights and their gradients as they were last seen."""

    def __init__(self) -> None:
        self._samples: dict[tuple[CaptureKind, str, str], Samples] = {}
        self._owners: dict[tuple[CaptureKind, str, str], ShownAt] = {}
        self._vectors: dict[str, dict[str, Reals]] = {}

    def note(
        self, kind: CaptureKind, shown: ShownAt, reference: HostTensor, candidate: HostTensor
    ) -> tuple[Optional[Samples], Optional[Samples]]:
        """Takes a pair; returns samples of a weight, or its gradient, now and as it was seen before."""
        if kind not in _KEPT or reference.array.shape != candidate.array.shape:
            return None, None
        key = kind, shown.candidate, shown.slot
        before = self._samples.get(key)
        now = Samples(reference=_sample(reference), candidate=_sample(candidate))
        self._samples[key], self._owners[key] = now, shown
        if kind in _WEIGHTS and reference.array.ndim == 1 and reference.array.size <= _LONGEST:
            self._vectors.setdefault(shown.reference, {})[shown.slot] = looked_at(reference, reference)[0]
        return now, before

    def vectors(self, path: str) -> Mapping[str, Reals]:
        """Returns the one-dimensional weights of a layer of the reference, by their common names."""
        return self._vectors.get(path, {})

    def elsewhere(self, kind: CaptureKind, path: str, name: str) -> Optional[tuple[ShownAt, Samples]]:
        """Returns where the reference has what the candidate has in this weight, and the weight's samples.

        None where it has it nowhere else. Weights of few numbers, or of equal ones, are not looked for.
        """
        own = self._samples.get((kind, path, name))
        if own is None or own.candidate.size < 4 or not own.candidate.std() > 0.0:
            return None
        for key, other in self._samples.items():
            is_other = key[0] is kind and key[1:] != (path, name)
            if is_other and np.array_equal(other.reference, own.candidate):
                return self._owners[key], own
        return None


class Matrices:
    """The reference's matrices of linear layers, as the candidate stores them; no more than a bound."""

    def __init__(self) -> None:
        self._now: dict[str, Array] = {}
        self._before: dict[str, Array] = {}
        self._left = _MOST_OF_MATRICES

    def note(self, name: str, tensor: HostTensor) -> None:
        """Takes a parameter of a linear layer, as it is now."""
        known = self._now.get(name)
        if tensor.array.ndim != 2 or tensor.dtype not in FLOATING:
            return
        if known is None:
            if tensor.array.size > min(self._left, MOST_ELEMENTS):
                return
            self._left -= tensor.array.size
        elif not np.array_equal(known, tensor.array):
            self._before[name] = known
        else:
            return
        self._now[name] = tensor.array.copy()

    def product(self, name: str, dtype: DType, entered: Reals) -> Optional[Product]:
        """Returns a linear layer's call with these rows; None where its weight is not kept."""
        own = self._now.get(name)
        if own is None:
            return None
        before = self._before.get(name)
        return Product(
            entered=entered,
            name=name,
            weight=_reals(own, dtype),
            before=None if before is None else _reals(before, dtype),
            others={
                other: _reals(array, dtype)
                for other, array in self._now.items()
                if other != name and array.shape == own.shape and array.dtype == own.dtype
            },
        )


def _reals(array: Array, dtype: DType) -> Reals:
    return widen(array, dtype).astype(np.float64, copy=False)


def rows_of(tensor: HostTensor) -> Optional[Reals]:
    """Returns the first rows along the last axis; None where there is none."""
    if tensor.array.ndim < 2 or tensor.dtype not in FLOATING:
        return None
    return _reals(tensor.array.reshape(-1, tensor.array.shape[-1])[:_ROWS], tensor.dtype)


class Entered:
    """Something of what layers of the reference were called with, until they return."""

    def __init__(self, calls: Iterable[CallPair], paths: Set[str]) -> None:
        """`calls`: of a pass, in the reference's order; `paths`: of the layers that are looked at."""
        first: dict[TensorPair[int], ShownAt] = {}
        # The entries of calls, by the places where their first inputs show first.
        self._entries: defaultdict[ShownAt, list[ShownAt]] = defaultdict(list)
        for call in calls if paths else ():
            for number, slots in enumerate(call.slots.pairs):
                own = shown_at(call, slots)
                shown = first.setdefault(slots.tensors, own)
                if not number and call.moment is CallMoment.ENTRY and own.reference in paths:
                    self._entries[shown].append(own)
        self._kept: dict[tuple[str, int], Optional[Reals]] = {}

    def entries(self, shown: ShownAt) -> Sequence[ShownAt]:
        """Returns where layers were called with what shows at a place."""
        return self._entries.get(shown, ())

    def enter(self, entry: ShownAt, kept: Optional[Reals]) -> None:
        """Takes what is kept of a call's input."""
        self._kept[entry.reference, entry.call] = kept

    def leave(self, shown: ShownAt) -> Optional[Reals]:
        """Returns what was kept for a call that returns, once."""
        is_exit = shown.moment is CallMoment.EXIT
        return self._kept.pop((shown.reference, shown.call), None) if is_exit else None
