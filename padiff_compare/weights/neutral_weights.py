"""Weights that one of two paired norms has alone: they change nothing while they are 1 and 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

import numpy as np

from padiff_compare.alignment.kinds import is_norm
from padiff_compare.capture.sides import other
from padiff_compare.capture.source import Sources
from padiff_compare.judge.judged_row import blank_row, lone_row
from padiff_compare.weights.weight_pair import AffineWeight, OwnedWeight
from padiff_rpc.tensors import HostTensor, widen
from padiff_rpc.v1.records import Layer, Note, Place, Reason, Row, Weight
from padiff_rpc.v1.words import CaptureKind, Cause, NoteKind, Phase, Side, WeightKind

_NEUTRAL = {"weight": 1.0, "bias": 0.0}


def affine_weight(side: Side, layer: Layer, partner: Layer, weight: Weight) -> Optional[AffineWeight]:
    """Returns what the weight is if `partner` lacks it as such a norm does; None for all others."""
    neutral = _NEUTRAL.get(weight.canonical)
    is_own = weight.kind is WeightKind.PARAMETER and not weight.tied_to
    if neutral is None or not is_own or not is_norm(layer.kind) or layer.kind != partner.kind:
        return None
    owned = OwnedWeight(path=layer.path, weight=weight)
    return AffineWeight(side=side, owned=owned, class_name=layer.class_name, neutral=neutral)


class NeutralWeights:
    """Looks whether these weights are neutral, before the first step and after each of an optimizer.

    While they are, both sides compute the same. One that a step has changed is trained on its side alone.
    """

    def __init__(self, sources: Sources, weights: Sequence[AffineWeight]) -> None:
        self._sources = sources
        self._weights = weights
        self._neutral: tuple[AffineWeight, ...] = ()

    def rows(self, phase: Phase, step: int) -> Iterator[Row]:
        """Yields a row for each weight that has another value than the neutral one.

        And at first for every other as well, which fails nothing.
        """
        is_first = phase is Phase.INITIAL_WEIGHTS
        looked_at = self._weights if is_first else self._neutral
        found = [one for one in looked_at if self._is_neutral(one, phase)]
        if is_first:
            self._neutral = tuple(found)
        for one in looked_at:
            if is_first or one not in found:
                yield _row(one, phase, step, is_neutral=one in found)

    def notes(self) -> Iterator[Note]:
        """Yields what a reader must know of the weights that were neutral at first."""
        for side in Side:
            neutral = [one.owned for one in self._neutral if one.side is side]
            if neutral:
                names = tuple(owned.name for owned in neutral)
                trained = float(sum(owned.weight.trainable for owned in neutral))
                yield Note(kind=NoteKind.NEUTRAL_NORMS, side=side, names=names, numbers=(trained,))

    def _is_neutral(self, one: AffineWeight, phase: Phase) -> bool:
        (value,) = self._sources[one.side].weights.read([one.owned.name], phase)
        return _holds_only(value, one.neutral)


def _holds_only(value: HostTensor, number: float) -> bool:
    return bool(np.all(widen(value.array, value.dtype) == number))


def _row(one: AffineWeight, phase: Phase, step: int, *, is_neutral: bool) -> Row:
    lacking = Reason(cause=Cause.NORM_WITHOUT, side=other(one.side))
    if phase is not Phase.INITIAL_WEIGHTS and not is_neutral:
        found = Reason(cause=Cause.TRAINED_ALONE, side=one.side)
    else:
        cause = Cause.NEUTRAL if is_neutral else Cause.NOT_NEUTRAL
        found = Reason(cause=cause, numbers=(one.neutral,))
    place = Place(
        path=one.owned.path,
        class_name=one.class_name,
        slot=one.owned.weight.name,
        spec=one.owned.weight.spec,
    )
    row = blank_row(phase, CaptureKind.PARAMETER, place, place, step=step)
    return lone_row(row, one.side, lacking, found, is_needed=not is_neutral)
