"""Floors of a step: how far apart rounding alone may bring the two sides at each place.

A value or a gradient is a sum of terms. Where they cancel, what is left is their rounding, however small it
is against all else: the gradient of a bias before a norm, the mean of values that a norm has centred. So
each place is held against its own terms, as far as they are seen, and never against the largest of the step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional, Union

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import CallPair
from padiff_compare.join.captures import LOSSES, StepCaptures
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.evidence import Measured
from padiff_compare.judge.interim_history import GradientHistory
from padiff_compare.model_index import Models
from padiff_compare.noise.noise import GAIN, Level, Noise, louder, norm_of, rounding_floor
from padiff_compare.noise.terms import (
    UNSEEN_SHARE,
    GradientTerms,
    ValueTerms,
    WholeCall,
    gradient_keys_of,
    keys_of,
    whole_calls,
)
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CallMoment, Side


class ParameterFloors:
    """A parameter's gradient is a sum over what came back to its layer's calls.

    Those of a matrix are multiplied by what the calls took, those of a norm's weight by what it made of
    that, those of a bias by nothing.
    """

    def __init__(
        self,
        captures: StepCaptures,
        calls: Iterable[WholeCall],
        values: Noise[TensorPair[int]],
        gradients: Noise[TensorPair[int]],
    ) -> None:
        self._captures = captures
        self._values = values
        self._gradients = gradients
        self._by_layer: defaultdict[str, list[WholeCall]] = defaultdict(list)
        for call in calls:
            self._by_layer[call.exit.layer.candidate].append(call)

    def of(self, pair: WeightPair) -> float:
        """Returns how far apart (root mean square) rounding alone may bring the two sides."""
        measured = self._captures.parameter_gradients.measured(pair.names)
        if measured is None or not measured.candidate.shape:
            return 0.0
        path = pair.candidate.path
        floors = [self._of_call(call, measured, path) for call in self._calls_around(path)]
        return max(floors, default=0.0)

    def _of_call(self, call: WholeCall, measured: Measured, path: str) -> float:
        shape = measured.candidate.shape
        rows = math.sqrt(max(shape))
        if len(shape) > 1:
            factor, noise = self._taken(call, shape)
        else:
            made = self._values.level(keys_of(call.exit))
            factor, noise = 1.0, made.spread_over(1)
        is_seen = call.is_leaf and call.exit.layer.candidate == path
        share = 1.0 if is_seen else UNSEEN_SHARE
        floor = 0.0
        for key in gradient_keys_of(call.exit) if is_seen else self._smallest_inside(call):
            norm = norm_of(self._captures.gradients.measured(key)) or 0.0
            handed = max(norm * noise, self._gradients.levels.get(key, Level()).norm * factor)
            terms = share * rounding_floor(norm * factor / rows, measured.reference.dtype)
            floor = max(floor, terms, GAIN * handed / rows)
        return floor

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

    def _taken(self, call: WholeCall, shape: tuple[int, ...]) -> tuple[float, float]:
        """Returns how large (root mean square) what a call multiplied a matrix by was, and the noise in it.

        1 where it took indices. Of several inputs, the smallest of those that have an axis of the matrix.
        """
        found: list[tuple[bool, float, float]] = []
        for key in keys_of(call.entry):
            measured = self._captures.values.measured(key)
            if norm_of(measured) and measured is not None:
                has_its_axis = bool(set(shape) & set(measured.reference.shape))
                level = self._values.levels.get(key, Level())
                found.append((not has_its_axis, measured.scale, level.spread_over(1)))
        return min(found)[1:] if found else (1.0, 0.0)

    def _calls_around(self, path: str) -> list[WholeCall]:
        """Returns the calls of the innermost compared layer at or around a path."""
        while path not in self._by_layer and path:
            path = path.rpartition(".")[0]
        return self._by_layer.get(path, [])


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


class Shifted:
    """Knows the tensors that layers with such biases made in one step, wherever they show."""

    def __init__(self, history: GradientHistory, calls: Iterable[CallPair]) -> None:
        """`calls`, in order of execution; `history` learns which layers take such tensors."""
        self._shifts: dict[TensorPair[int], float] = {}
        for call in calls if history.shifts else ():
            path = call.layer.candidate
            shift = history.shift_of(path) if call.moment is CallMoment.EXIT else 0.0
            for slots in call.slots.pairs:
                if shift:
                    self._shifts.setdefault(slots.tensors, shift)
                elif call.moment is CallMoment.ENTRY and slots.tensors in self._shifts:
                    history.fed[path] = max(history.fed.get(path, 0.0), self._shifts[slots.tensors])

    def of(self, slots: SlotPair) -> float:
        """Returns how far such a bias may have moved a value."""
        return self._shifts.get(slots.tensors, 0.0)
