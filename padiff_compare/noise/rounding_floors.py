"""Floors of a step: how far apart rounding alone may bring the two sides at each place.

A value or a gradient is a sum of terms. Where they cancel, what is left is their rounding, however small it
is against all else: the gradient of a bias before a norm, the mean of values that a norm has centred. So
each place is held against its own terms, as far as they are seen, and never against the largest of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, Optional, TypeVar, Union

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import CallPair
from padiff_compare.join.captures import LOSSES, StepCaptures
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.evidence import Measured, agrees, is_rounding_of_sums
from padiff_compare.judge.interim import distance, may_be_rounding
from padiff_compare.judge.interim_history import GradientHistory
from padiff_compare.judge.tolerances import rounding_of_sums
from padiff_compare.model_index import Models
from padiff_compare.noise.parameter_terms import ParameterSums, ParameterTerms
from padiff_compare.noise.terms import (
    GradientTerms,
    ValueTerms,
    gradient_keys_of,
    keys_of,
    norm_of,
    rounding_floor,
    whole_calls,
)
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.records import record
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CallMoment, Side, ToleranceSource

K = TypeVar("K", bound=Hashable)

# What layers and code behind a sum may make its noise larger by, all together; sqrt(768) is a usual factor.
GAIN = 30.0


@record
class Level:
    """How much noise a tensor holds.

    Attributes:
        norm: of what the terms of some sum explain. What layers behind it made of that is not added, lest
            noise of noise have no bound.
        elements: of the tensor.
    """

    norm: float = 0.0
    elements: int = 1

    def spread_over(self, elements: int) -> float:
        """Returns how large (root mean square) the noise is in so many elements that are made of it."""
        return self.norm / math.sqrt(max(elements, self.elements))


class Noise(Generic[K]):
    """What is known of the noise at each place that was noted.

    Attributes:
        floors: how far apart (root mean square) the two sides of each place may be by rounding alone.
        levels: of each place that differs by rounding alone.
    """

    def __init__(self, options: Options) -> None:
        self.floors: dict[K, float] = {}
        self.levels: dict[K, Level] = {}
        self._options = options

    def note(self, key: K, measured: Measured, floor: float, level: Level, gain: float = 1.0) -> None:
        """Takes in a place, once; `floor` is what rounding its own terms may come to.

        `level`: of what it may be made of; `gain`: what it makes noise larger by, on top of what all may.
        """
        figures = measured.figures
        if key in self.floors or figures is None or not figures.elements:
            return
        handed = gain * level.spread_over(figures.elements)
        self.floors[key] = max(floor, GAIN * handed)
        if agrees(figures, measured.tolerance, self._options) or not may_be_rounding(
            figures, measured.tolerance, self.floors[key]
        ):
            return
        is_explained = distance(figures, measured.tolerance) < floor
        size = figures.rmse if is_explained else min(figures.rmse, handed)
        self.levels[key] = Level(norm=size * math.sqrt(figures.elements), elements=figures.elements)

    def level(self, keys: Iterable[K]) -> Level:
        """Returns the largest noise in these places."""
        return louder(*(self.levels.get(key, Level()) for key in keys))


def louder(*levels: Level) -> Level:
    """Returns the level of the largest norm."""
    return max(levels, key=lambda level: level.norm, default=Level())


class ParameterFloors:
    """Floors of parameters' gradients, of their terms and of the noise in what they are made of."""

    def __init__(
        self,
        terms: ParameterTerms,
        values: Noise[TensorPair[int]],
        gradients: Noise[TensorPair[int]],
    ) -> None:
        self._terms = terms
        self._values = values
        self._gradients = gradients

    def of(self, pair: WeightPair) -> float:
        """Returns how far apart (root mean square) rounding alone may bring the two sides."""
        return max((self._of_sums(sums) for sums in self._terms.of(pair)), default=0.0)

    def _of_sums(self, sums: ParameterSums) -> float:
        if sums.taken is not None:
            noise = self._values.levels.get(sums.taken, Level()).spread_over(1)
        else:
            made = self._values.level(keys_of(sums.call.exit))
            noise = 0.0 if sums.is_of_matrix else made.spread_over(1)
        handed = max(sums.norm * noise, self._gradients.levels.get(sums.key, Level()).norm * sums.factor)
        return max(rounding_floor(sums.terms.scale, sums.dtype), GAIN * handed / sums.rows)


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
        parameters = ParameterTerms(captures, models, calls.values())
        self._parameters = ParameterFloors(parameters, self._values, self._gradients)

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


class LocalFloors:
    """Floors of one step in lockstep, where each call got the reference's values: of its sums alone."""

    def __init__(self, captures: StepCaptures, models: Models) -> None:
        """As `RoundingFloors`."""
        self._captures = captures
        events = captures.joined.ordered[Side.REFERENCE]
        calls = whole_calls(events)
        parameters = ParameterTerms(captures, models, calls.values())
        of_parameters = {
            pair.names: max(rounding_of_sums(one.terms, one.dtype) for one in found)
            for pair in captures.compared_parameters
            for found in [list(parameters.of(pair))]
            if found
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
        gradients = GradientTerms(captures, models, calls)
        self._walk(reversed(events), gradient_keys_of, captures.gradients, gradients)

    def of(self, table: PairTable[Any], pair: TensorPair[Any]) -> float:
        """As `RoundingFloors.of`."""
        return self._floors.get(table, {}).get(pair, 0.0)

    def of_parameter(self, pair: WeightPair) -> float:
        """As `RoundingFloors.of_parameter`."""
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


Floors = Union[LocalFloors, RoundingFloors]


def floors_of(captures: StepCaptures, models: Models, options: Options, *, in_lockstep: bool) -> Floors:
    """Returns the floors of a pass that is over."""
    return LocalFloors(captures, models) if in_lockstep else RoundingFloors(captures, models, options)


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
