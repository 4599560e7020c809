"""The fate of every parameter and buffer of both sides: each is in exactly one list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from padiff_compare.alignment.kinds import is_aside
from padiff_compare.capture.sides import other
from padiff_compare.weights.element_map import function_step
from padiff_compare.weights.weight_pair import WeightPair, WeightPlan, owner_name
from padiff_rpc.v1.records import Layer, LayoutRule, Reason, Weight, WeightFate
from padiff_rpc.v1.words import Cause, Fate, Side


def fates(plan: WeightPlan, reference: Sequence[Layer], candidate: Sequence[Layer]) -> tuple[WeightFate, ...]:
    """Returns one fate for each weight of each layer, the reference's first, definition order."""
    sides = ((Side.REFERENCE, reference), (Side.CANDIDATE, candidate))
    return tuple(fate for side, layers in sides for fate in _Side(plan, side).fates(layers))


class _Side:
    def __init__(self, plan: WeightPlan, side: Side) -> None:
        self._side = side
        self._pairs: dict[str, WeightPair] = {}
        for pair in plan.pairs:
            for name in self._names(pair):
                known = self._pairs.get(name)
                if known is None or (pair.placed and not known.placed):
                    self._pairs[name] = pair
        self._special: Mapping[str, tuple[str, str]] = {
            name: (special.function, special.candidate_path if self._is_reference else special.reference_path)
            for special in plan.special
            for name in (special.reference_names if self._is_reference else special.candidate_names)
        }
        self._reasons = {(lone.path, lone.name): lone.reasons for lone in plan.unmatched if lone.side is side}
        self._reasons |= {
            (one.owned.path, one.owned.weight.name): (Reason(cause=Cause.NORM_WITHOUT, side=other(side)),)
            for one in plan.affine
            if one.side is side
        }

    def fates(self, layers: Sequence[Layer]) -> Iterator[WeightFate]:
        for layer in layers:
            for weight in layer.weights:
                fate, partner, rule, reasons = self._fate(layer, weight)
                yield WeightFate(
                    side=self._side,
                    path=layer.path,
                    name=weight.name,
                    fate=fate,
                    partner=partner,
                    rule=rule,
                    reasons=reasons,
                )

    @property
    def _is_reference(self) -> bool:
        return self._side is Side.REFERENCE

    def _names(self, pair: WeightPair) -> tuple[str, ...]:
        return pair.reference_names if self._is_reference else (pair.candidate_name,)

    def _fate(
        self, layer: Layer, weight: Weight
    ) -> tuple[Fate, str, Optional[LayoutRule], tuple[Reason, ...]]:
        """Returns fate, partner, rule and reasons."""
        name = owner_name(layer.path, weight)
        if is_aside(weight):
            return Fate.BOOKKEEPING, "", None, ()
        if weight.tied_to:
            return Fate.TIED, weight.tied_to, None, ()
        pair = self._pairs.get(name)
        left = self._reasons.get((layer.path, weight.name))
        if name in self._special and pair is None and left is None:
            function, partner = self._special[name]
            return Fate.PLACED, partner, LayoutRule(steps=(function_step(function),)), ()
        # A packed weight of which a part has no place is no placed one.
        if pair is None or left is not None:
            return Fate.ONLY_HERE, "", None, left or ()
        partner = pair.candidate_name if self._is_reference else pair.reference_name
        fate = Fate.TIED if pair.tied else Fate.ONLY_HERE
        if pair.ambiguous:
            fate = Fate.AMBIGUOUS
        elif pair.placed:
            fate = Fate.PLACED
        return fate, partner, pair.rule.told, pair.reasons
