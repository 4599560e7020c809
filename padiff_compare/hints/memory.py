"""Memory of a comparison's earlier tensors, as far as hints need it: samples, vectors, inputs of norms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Optional

import numpy as np

from padiff_compare.capture.sides import TensorPair
from padiff_compare.hints.clues import Reals, Samples, looked_at
from padiff_compare.join.calls import CallPair
from padiff_compare.join.captures import shown_at
from padiff_compare.judge.measured import ShownAt
from padiff_rpc.tensors import COMPLEX, HostTensor, widen
from padiff_rpc.v1.words import CallMoment, CaptureKind

_SAMPLED = 1024
_WEIGHTS = frozenset({CaptureKind.PARAMETER, CaptureKind.BUFFER})
_KEPT = _WEIGHTS | {CaptureKind.PARAMETER_GRADIENT}
_LONGEST = 1 << 16


def _sample(tensor: HostTensor) -> Reals:
    """Returns some elements of a tensor, the same ones of each of its shape; all of a small one."""
    flat = tensor.array.reshape(-1)
    some = widen(flat[:: max(1, flat.size // _SAMPLED)], tensor.dtype)
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


class NormInputs:
    """Variances of what norms of the reference were called with, until the norms return."""

    def __init__(self, calls: Iterable[CallPair], paths: Set[str]) -> None:
        """`calls`: of a pass, in the reference's order; `paths`: of the norms that are looked at."""
        first: dict[TensorPair[int], ShownAt] = {}
        # The entries of norms, by the places where their inputs show first.
        self._entries: dict[ShownAt, ShownAt] = {}
        for call in calls if paths else ():
            for number, slots in enumerate(call.slots.pairs):
                own = shown_at(call, slots)
                shown = first.setdefault(slots.tensors, own)
                if not number and call.moment is CallMoment.ENTRY and own.reference in paths:
                    self._entries[shown] = own
        self._variances: dict[tuple[str, int], Optional[Reals]] = {}

    def entry(self, shown: ShownAt) -> Optional[ShownAt]:
        """Returns where a norm was called with what shows at a place; None for all that no norm takes."""
        return self._entries.get(shown)

    def enter(self, entry: ShownAt, variance: Optional[Reals]) -> None:
        """Takes the variance of what a norm was called with."""
        self._variances[entry.reference, entry.call] = variance

    def leave(self, shown: ShownAt) -> Optional[Reals]:
        """Returns the variance for a norm that returns, once."""
        is_exit = shown.moment is CallMoment.EXIT
        return self._variances.pop((shown.reference, shown.call), None) if is_exit else None
