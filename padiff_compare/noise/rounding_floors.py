"""Floors of a step: how far apart rounding alone may bring the two sides at each place.

A value or a gradient is a sum of terms. Where they cancel, what is left is their rounding, however small it
is against all else: the gradient of a bias before a norm, the mean of values that a norm has centred. So
each place is held against its own terms, as far as they are seen, and never against the largest of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional, Union

from padiff_compare.capture.sides import TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import CallPair
from padiff_compare.join.captures import LOSSES, StepCaptures
from padiff_compare.join.pairs import PairTable
from padiff_compare.model_index import Models
from padiff_compare.noise.noise import Level, Noise, louder, norm_of
from padiff_compare.noise.parameter_floors import ParameterFloors
from padiff_compare.noise.terms import GradientTerms, ValueTerms, gradient_keys_of, keys_of, whole_calls
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CallMoment, Side


class RoundingFloors:
    """Floors (root mean squares) of one step's values, loss and gradients; 0 where nothing is known."""

    def __init__(self, captures: StepCaptures, models: Models, options: Options) -> None:
        """What the captures hold is measured, and the pass is over."""
        self._captures = captures
        self._joined = captures.joined
        events = self._joined.ordered[Side.REFERENCE]
        self._values: Noise[TensorPair[int]] = Noise(options)
        self._loss: Noise[TensorPair[str]] = Noise(options)
        self._gradients: Noise[TensorPair[int]] = Noise(options)
        calls = whole_calls(events)
        terms = ValueTerms(captures, models, calls)
        level = self._walk(events, CallMoment.ENTRY, keys_of, captures.values, self._values, terms)
        loss = captures.losses.measured(LOSSES)
        if loss is not None:
            self._loss.note(LOSSES, loss, terms.of_sum(loss), level)
        back = GradientTerms(captures, models, calls)
        gradients = captures.gradients, self._gradients, back
        self._walk(reversed(events), CallMoment.EXIT, gradient_keys_of, *gradients)
        self._parameters = ParameterFloors(captures, calls.values(), self._values, self._gradients)

    def of(self, table: PairTable[Any], pair: TensorPair[Any]) -> float:
        """Returns the floor of a pair of values, losses, or gradients of activations."""
        if table is self._captures.losses:
            return self._loss.floors.get(LOSSES, 0.0)
        noise = {self._captures.values: self._values, self._captures.gradients: self._gradients}.get(table)
        return noise.floors.get(pair, 0.0) if noise is not None else 0.0

    def of_parameter(self, pair: WeightPair) -> float:
        """Returns the floor of a parameter's gradient."""
        return self._parameters.of(pair)

    def _walk(
        self,
        events: Iterable[CallPair],
        opening: CallMoment,
        keys: Callable[[CallPair], Sequence[TensorPair[int]]],
        table: PairTable[int],
        noise: Noise[TensorPair[int]],
        terms: Union[ValueTerms, GradientTerms],
    ) -> Level:
        """Notes every tensor of the calls in a direction; returns the noise outside all calls after them.

        The code of a call has in hand what the call took, and what calls in it made; backwards, what came
        back to the call, and what calls in it sent back. `opening` is the moment at which a call begins.
        """
        in_hand: dict[Optional[CallName], Level] = {}
        for event in events:
            name = event.name
            parent = self._joined.parent(event)
            is_opening = event.moment is opening
            level = in_hand.get(parent if is_opening else name, Level())
            shown = []
            for key in keys(event):
                measured = table.measured(key)
                if measured is not None and norm_of(measured) is not None:
                    shown.append(measured)
                    floor = terms.floor(event, key, measured)
                    noise.note(key, measured, floor, level, terms.gain(event))
            terms.pass_on(shown)
            made = noise.level(keys(event))
            if is_opening:
                in_hand[name] = made
            else:
                in_hand[parent] = louder(in_hand.get(parent, Level()), made)
        return in_hand.get(None, Level())
