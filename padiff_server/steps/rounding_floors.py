"""How far apart rounding alone may bring the two sides at each place of a step, by what stands next to it.

A value or a gradient is a sum of terms. Where they cancel, what is left is their rounding, however small it
is against all else: the gradient of a bias before a norm, the mean of values that a norm has centred. So
each place is held against its own terms, and never against the largest of the step: a small gradient of
small terms is an honest one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Optional

from padiff_rpc.options import Options
from padiff_rpc.records import record
from padiff_rpc.results import Tolerance
from padiff_rpc.words import CallMoment, Side
from padiff_server.judging.measured import Measured
from padiff_server.judging.noise import GAIN, Noise, norm_of, rounding_floor
from padiff_server.model_index import Models
from padiff_server.steps.calls import CallPair
from padiff_server.steps.captures import LOSS_KEY, StepCaptures
from padiff_server.steps.pairs import PairTable
from padiff_server.weights.weight_pair import WeightPair

_Key = tuple[int, int]
# A layer of the reference, and which call of it.
_Name = tuple[str, int]
# One over the root of a usual epsilon, 1e-5 or 1e-6, against the gain of any layer.
_GAIN_OF_NORMS = 30.0


@record
class _Call:
    """Both moments of one call; of a leaf, no other call lies between them."""

    entry: CallPair
    exit: CallPair
    is_leaf: bool


class RoundingFloors:
    """Floors (root mean squares) of one step's values, loss and gradients; 0 where nothing is known."""

    def __init__(
        self, captures: StepCaptures, events: Sequence[CallPair], models: Models, options: Options
    ) -> None:
        """`events`, in order of execution; what the captures hold of them is measured."""
        self._captures = captures
        self._events = events
        self._models = models
        self._calls = _calls_of(events)
        self._values: Noise[_Key] = Noise(options)
        self._loss: Noise[str] = Noise(options)
        self._walk_forward()
        self._gradients: Noise[_Key] = Noise(options)
        self._walk_backward()
        self._by_layer: defaultdict[str, list[_Call]] = defaultdict(list)
        for call in self._calls.values():
            self._by_layer[call.exit.layer.candidate].append(call)

    def of(self, table: PairTable[Any], reference: Any, candidate: Any) -> float:
        """Returns the floor of a pair of values, losses, or gradients of activations."""
        if table is self._captures.losses:
            return self._loss.floors.get(LOSS_KEY, 0.0)
        noise = {self._captures.values: self._values, self._captures.gradients: self._gradients}.get(table)
        return noise.floors.get((reference, candidate), 0.0) if noise is not None else 0.0

    def of_parameter(self, pair: WeightPair) -> float:
        """Returns the floor of a parameter's gradient: a sum over what came back to its layer's calls.

        Those of a matrix are multiplied by what the calls took, those of a norm's weight by what it made of
        that, those of a bias by nothing.
        """
        measured = self._captures.parameter_gradients.measured(pair.reference_name, pair.candidate_name)
        if measured is None or not measured.candidate.shape:
            return 0.0
        rows = math.sqrt(max(measured.candidate.shape))
        floor = 0.0
        for call in self._calls_around(pair.candidate.path):
            is_matrix = len(measured.candidate.shape) > 1
            factor, noise = self._taken(call.entry) if is_matrix else (1.0, self._taken(call.exit)[1])
            for key in _keys(call.exit):
                norm = norm_of(self._captures.gradients.measured(*key))
                if norm is None:
                    continue
                apart = max(norm * noise, self._gradients.apart.get(key, 0.0) * factor)
                terms = rounding_floor(norm * factor / rows, measured.reference.dtype)
                floor = max(floor, terms, GAIN * apart / rows)
        return floor

    def _taken(self, event: CallPair) -> tuple[float, float]:
        """Returns the root mean square of what a call took or made (1: indices), and of the noise in it."""
        found = []
        for key in _keys(event):
            measured = self._captures.values.measured(*key)
            norm = norm_of(measured)
            if measured is not None and measured.figures is not None and norm is not None:
                size = math.sqrt(max(measured.figures.elements, 1))
                found.append((norm / size, self._values.apart.get(key, 0.0) / size))
        return max(found, default=(1.0, 0.0))

    def _calls_around(self, path: str) -> list[_Call]:
        """Returns the calls of the innermost compared layer at or around a path."""
        while path not in self._by_layer and path:
            path = path.rpartition(".")[0]
        return self._by_layer.get(path, [])

    def _walk_forward(self) -> None:
        """Notes every value, and the loss.

        Terms are what the event before showed, where it showed more: layers that average, and code between
        layers, make one value of several. What weights have a part in may be as small as they are.
        """
        before: list[Measured] = []
        scopes = _Scopes()
        for event in self._events:
            here = []
            for key in _keys(event):
                measured = self._captures.values.measured(*key)
                if measured is not None and norm_of(measured) is not None:
                    here.append(measured)
                    floor = self._floor_of_value(event, measured, before)
                    self._values.note(key, measured, floor, scopes.level * self._gain(event))
            level = self._values.level(_keys(event))
            if event.moment is CallMoment.ENTRY:
                scopes.open(_name(event), level)
            else:
                scopes.close(_name(event), level)
            before = here or before
        self._note_loss(before, scopes.level)

    def _gain(self, event: CallPair) -> float:
        """Returns what a norm makes noise larger by, on top of what any layer does."""
        is_made = event.moment is CallMoment.EXIT
        is_norm = self._models[Side.CANDIDATE].normalizes(event.layer.candidate)
        return _GAIN_OF_NORMS if is_made and is_norm else 1.0

    def _floor_of_value(self, event: CallPair, measured: Measured, before: Sequence[Measured]) -> float:
        paths = {Side.REFERENCE: event.layer.reference, Side.CANDIDATE: event.layer.candidate}
        if event.moment is CallMoment.EXIT:
            if any(self._models[side].is_parameterised(path) for side, path in paths.items()):
                return 0.0
            if all(self._models[side].averages(path) for side, path in paths.items()):
                # Where all of it is linear, each value may be as far off as its terms were allowed to be.
                return _mean_of(measured, before) * _share(measured.tolerance)
        elif event.layer.candidate == "":
            return 0.0
        return rounding_floor(_mean_of(measured, before), measured.reference.dtype)

    def _note_loss(self, last: Sequence[Measured], level: float) -> None:
        measured = self._captures.losses.measured(LOSS_KEY, LOSS_KEY)
        if measured is not None:
            terms = _mean_of(measured, last)
            self._loss.note(LOSS_KEY, measured, rounding_floor(terms, measured.reference.dtype), level)

    def _walk_backward(self) -> None:
        """Notes every gradient, from the loss backwards.

        Terms are what came back to the outputs of the calls that took the tensor; where none is known, the
        gradient noted last.
        """
        sent_back = self._sent_back()
        after: list[float] = []
        scopes = _Scopes()
        for event in reversed(self._events):
            here = []
            for key in _keys(event):
                measured = self._captures.gradients.measured(*key)
                norm = norm_of(measured)
                if measured is None or measured.figures is None or norm is None:
                    continue
                here.append(norm)
                terms = sent_back.get(key, max(after, default=0.0))
                terms /= math.sqrt(max(measured.figures.elements, 1))
                floor = rounding_floor(terms, measured.reference.dtype)
                self._gradients.note(key, measured, floor, scopes.level)
            level = self._gradients.level(_keys(event))
            if event.moment is CallMoment.EXIT:
                scopes.open(_name(event), level)
            else:
                scopes.close(_name(event), level)
            after = here or after

    def _sent_back(self) -> dict[_Key, float]:
        """Returns, of each tensor that leaves take, the norm of the terms of its gradient.

        What a leaf makes larger, it makes larger on the way back as well.
        """
        found: dict[_Key, float] = {}
        for call in self._calls.values():
            norms = [norm_of(self._captures.gradients.measured(*key)) for key in _keys(call.exit)]
            known = [norm for norm in norms if norm is not None]
            if call.is_leaf and known:
                taken, made = self._norm_of_values(call.entry), self._norm_of_values(call.exit)
                gain = max(1.0, made / taken) if taken else 1.0
                for key in _keys(call.entry):
                    found[key] = max(found.get(key, 0.0), gain * math.hypot(*known))
        return found

    def _norm_of_values(self, event: CallPair) -> float:
        norms = [norm_of(self._captures.values.measured(*key)) for key in _keys(event)]
        return math.hypot(*(norm for norm in norms if norm is not None))


class _Scopes:
    """The noise that the code of each open call has in hand: what the call took, and what calls in it made.

    Walked backwards, that is what came back to the call, and what calls in it sent back.
    """

    def __init__(self) -> None:
        self._open: list[tuple[Optional[_Name], float]] = [(None, 0.0)]

    @property
    def level(self) -> float:
        """The norm of the noise in the hand of the innermost call."""
        return self._open[-1][1]

    def open(self, name: _Name, level: float) -> None:
        """Begins a call with noise of its own."""
        self._open.append((name, level))

    def close(self, name: _Name, level: float) -> None:
        """Ends a call, and hands what it made to the one around it."""
        names = [open_name for open_name, _ in self._open]
        if name in names:
            del self._open[names.index(name) :]
        around, known = self._open[-1]
        self._open[-1] = around, max(known, level)


def _mean_of(made: Measured, of: Sequence[Measured]) -> float:
    """Returns how large (root mean square) means of these values are where they do not cancel."""
    elements = made.figures.elements if made.figures is not None else 0
    means = [
        one.scale * math.sqrt(elements / one.figures.elements)
        for one in of
        if one.figures is not None and one.figures.elements > elements
    ]
    return max(means, default=0.0)


def _share(tolerance: Tolerance) -> float:
    return tolerance.relative_l2 or tolerance.rtol


def _calls_of(events: Sequence[CallPair]) -> dict[_Name, _Call]:
    """Returns the calls of which both moments are seen."""
    entries: dict[_Name, int] = {}
    calls: dict[_Name, _Call] = {}
    for number, event in enumerate(events):
        name = _name(event)
        if event.moment is CallMoment.ENTRY:
            entries[name] = number
        elif name in entries:
            entry = entries[name]
            calls[name] = _Call(entry=events[entry], exit=event, is_leaf=entry == number - 1)
    return calls


def _name(event: CallPair) -> _Name:
    return event.layer.reference, event.reference.event.call


def _keys(event: CallPair) -> list[_Key]:
    return [(slots.reference.tensor, slots.candidate.tensor) for slots in event.slots.pairs]
