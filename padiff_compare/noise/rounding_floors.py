"""Floors of a step: how far apart rounding alone may bring the two sides at each place.

A value or a gradient is a sum of terms. Where they cancel, what is left is their rounding, however small it
is against all else: the gradient of a bias before a norm, the mean of values that a norm has centred. So
each place is held against its own terms, as far as they are seen, and never against the largest of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Union

from padiff_compare.capture.sides import TensorPair
from padiff_compare.join.calls import CallPair
from padiff_compare.join.captures import LOSSES, StepCaptures
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.evidence import Measured, is_rounding_of_sums
from padiff_compare.judge.tolerances import rounding_of_sums
from padiff_compare.model_index import Models
from padiff_compare.noise.parameter_terms import ParameterTerms
from padiff_compare.noise.terms import (
    GradientTerms,
    ValueTerms,
    gradient_keys_of,
    keys_of,
    norm_of,
    whole_calls,
)
from padiff_compare.weights.weight_pair import WeightPair, WeightSize
from padiff_rpc.v1.words import Side, ToleranceSource


class RoundingFloors:
    """Floors (root mean squares) of one pass's values, loss and gradients; 0 where nothing is known."""

    def __init__(self, captures: StepCaptures, models: Models, weights: Mapping[str, WeightSize]) -> None:
        """What the captures hold is measured, and the pass is over.

        `weights`: sizes of the reference's as the pass begins, by the candidate's full names.
        """
        self._captures = captures
        events = captures.joined.ordered[Side.REFERENCE]
        calls = whole_calls(events)
        parameters = ParameterTerms(captures, models, calls.values())
        of_parameters = {
            pair.names: max(rounding_of_sums(terms, one.reference.dtype) for terms in found)
            for pair in captures.compared_parameters
            for one in [captures.parameter_gradients.measured(pair.names)]
            for found in [list(parameters.of(pair))]
            if one is not None and found
        }
        self._floors: dict[PairTable[Any], dict[TensorPair[Any], float]] = {
            captures.parameter_gradients: of_parameters
        }
        values = ValueTerms(captures, models, calls)
        self._walk(events, keys_of, captures.values, values)
        loss = captures.losses.measured(LOSSES)
        if loss is not None:
            floor = rounding_of_sums(values.of_loss(loss), loss.reference.dtype)
            self._floors[captures.losses] = {LOSSES: floor}
        gradients = GradientTerms(captures, models, calls, weights)
        self._walk(reversed(events), gradient_keys_of, captures.gradients, gradients)

    def of(self, table: PairTable[Any], pair: TensorPair[Any]) -> float:
        """Returns the floor of a pair of values, losses, or gradients."""
        return self._floors.get(table, {}).get(pair, 0.0)

    def of_parameter(self, pair: WeightPair) -> float:
        """Returns the floor of a parameter's gradient."""
        return self.of(self._captures.parameter_gradients, pair.names)

    def explains(self, table: PairTable[Any], pair: TensorPair[Any], measured: Measured) -> bool:
        """Whether a difference is no more than what sums round by."""
        if measured.figures is None or measured.tolerance.source is ToleranceSource.USER:
            return False
        return is_rounding_of_sums(measured.figures, self.of(table, pair))

    def _walk(
        self,
        events: Iterable[CallPair],
        keys: Callable[[CallPair], Sequence[TensorPair[int]]],
        table: PairTable[int],
        terms: Union[ValueTerms, GradientTerms],
    ) -> None:
        floors = self._floors.setdefault(table, {})
        for event in events:
            shown = []
            for key in keys(event):
                measured = table.measured(key)
                if measured is None or norm_of(measured) is None:
                    continue
                shown.append(measured)
                if key not in floors:
                    floors[key] = rounding_of_sums(terms.of(event, key, measured), measured.reference.dtype)
            terms.pass_on(shown)
