"""Terms of parameters' gradients: what came back to the calls of their layer, times what these took."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Optional

from padiff_compare.capture.sides import TensorPair
from padiff_compare.join.captures import StepCaptures
from padiff_compare.judge.evidence import Measured
from padiff_compare.judge.tolerances import LANES_OF_NORMS, Terms
from padiff_compare.model_index import Models
from padiff_compare.noise.terms import (
    UNSEEN_SHARE,
    WholeCall,
    gradient_keys_of,
    keys_of,
    norm_of,
    norm_sums,
)
from padiff_compare.weights.weight_pair import WeightPair


class ParameterTerms:
    """A parameter's gradient is a sum over what came back to its layer's calls.

    Those of a matrix are multiplied by what the calls took, those of a norm's weight by what it made of
    that, those of a bias by nothing.
    """

    def __init__(self, captures: StepCaptures, models: Models, calls: Iterable[WholeCall]) -> None:
        self._captures = captures
        self._models = models
        self._by_layer: defaultdict[str, list[WholeCall]] = defaultdict(list)
        for call in calls:
            self._by_layer[call.exit.layer.candidate].append(call)

    def of(self, pair: WeightPair) -> Iterator[Terms]:
        """Yields the terms of the sums that a parameter's gradient is."""
        measured = self._captures.parameter_gradients.measured(pair.names)
        if measured is None or not measured.candidate.shape:
            return
        for call in self._calls_around(pair.candidate.path):
            yield from self._of_call(call, measured, pair)

    def _of_call(self, call: WholeCall, measured: Measured, pair: WeightPair) -> Iterator[Terms]:
        shape, path = measured.candidate.shape, pair.candidate.path
        rows = math.sqrt(max(shape))
        factor = self._taken(call, shape) if len(shape) > 1 else 1.0
        is_seen = call.is_leaf and call.exit.layer.candidate == path
        share = 1.0 if is_seen else UNSEEN_SHARE
        for key in gradient_keys_of(call.exit) if is_seen else self._smallest_inside(call):
            back = self._captures.gradients.measured(key)
            norm = norm_of(back) or 0.0
            terms = Terms(
                scale=share * norm * factor / rows, result=measured.scale, count=_summed(back, shape)
            )
            yield self._of_norm(call, pair, terms) if is_seen else terms

    def _of_norm(self, call: WholeCall, pair: WeightPair, terms: Terms) -> Terms:
        """Returns the terms of a norm's gradient.

        That of its weight is summed over what came back times what the norm has made before it multiplies
        that, whose own rounding, of the statistics, is the same in all of a group's terms.
        """
        sums = norm_sums(call.entry, self._models, self._captures.values)
        if sums is None:
            return terms
        if pair.candidate.weight.canonical != "weight":
            return dataclasses.replace(terms, lanes=LANES_OF_NORMS)
        alike = terms.scale * math.sqrt(terms.count) * sums.made_of_squares
        return dataclasses.replace(
            terms, scale=terms.scale * sums.made, result=max(terms.result, alike), lanes=LANES_OF_NORMS
        )

    def _smallest_inside(self, call: WholeCall) -> list[TensorPair[int]]:
        """Returns the tensor of the smallest gradient from a call's entry to its exit.

        Where a parameter is used by code that shows no call of its own, the gradient that came to it may be
        as small as that.
        """
        norms = {
            key: norm_of(self._captures.gradients.measured(key)) or 0.0
            for event in call.events
            for key in gradient_keys_of(event)
        }
        known = {key: norm for key, norm in norms.items() if norm}
        return [min(known, key=known.__getitem__)] if known else []

    def _taken(self, call: WholeCall, shape: tuple[int, ...]) -> float:
        """Returns how large (root mean square) what a call multiplied a matrix by was.

        1 where it took indices. Of several inputs, the smallest of those that have an axis of the matrix.
        """
        found: list[tuple[bool, float]] = []
        for key in keys_of(call.entry):
            measured = self._captures.values.measured(key)
            if norm_of(measured) and measured is not None:
                has_its_axis = bool(set(shape) & set(measured.reference.shape))
                found.append((not has_its_axis, measured.scale))
        return min(found)[1] if found else 1.0

    def _calls_around(self, path: str) -> list[WholeCall]:
        """Returns the calls of the innermost compared layer at or around a path."""
        while path not in self._by_layer and path:
            path = path.rpartition(".")[0]
        return self._by_layer.get(path, [])


def _summed(back: Optional[Measured], shape: tuple[int, ...]) -> float:
    """Returns over how many elements of a gradient that came back each element of a parameter's is a sum."""
    if back is None:
        return 1.0
    width = max((axis for axis in shape if axis in back.reference.shape), default=max(shape))
    return max(1.0, math.prod(back.reference.shape) / max(width, 1))
