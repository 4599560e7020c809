"""Floors of the gradients of parameters, by what their layers' calls took and got back."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from padiff_compare.capture.sides import TensorPair
from padiff_compare.join.captures import StepCaptures
from padiff_compare.judge.evidence import Measured
from padiff_compare.noise.noise import GAIN, Level, Noise, norm_of, rounding_floor
from padiff_compare.noise.terms import UNSEEN_SHARE, WholeCall, gradient_keys_of, keys_of
from padiff_compare.weights.weight_pair import WeightPair


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
