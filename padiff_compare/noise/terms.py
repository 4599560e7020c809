"""Terms of each value and each gradient of a step: what its call took, or stands next to it."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from padiff_compare.alignment.plan import PairedLayer
from padiff_compare.capture.sides import TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.join.captures import StepCaptures, shown_at
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.evidence import Measured
from padiff_compare.judge.measured import ShownAt
from padiff_compare.judge.tolerances import LANES_OF_NORMS, Terms
from padiff_compare.model_index import Models
from padiff_compare.normalization import Normalization, NormSums
from padiff_compare.weights.weight_pair import WeightSize
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.words import CallMoment, Side

# Values smaller than so much of their terms are seen to have cancelled.
_CANCELLED_SHARE = 2.0**-8
# Of a floor, where the code that the terms went through is not seen: about what rounding has been seen to be.
UNSEEN_SHARE = 0.1


def norm_of(measured: Optional[Measured]) -> Optional[float]:
    """Returns the norm of the reference's floating values, without marks; None where none were measured."""
    if measured is None or measured.figures is None or measured.reference.dtype not in FLOATING | COMPLEX:
        return None
    return measured.scale * math.sqrt(measured.figures.elements)


@record
class WholeCall:
    """Both moments of one call, and all that lie from the first to the last of them."""

    events: tuple[CallPair, ...]

    @property
    def entry(self) -> CallPair:
        return self.events[0]

    @property
    def exit(self) -> CallPair:
        return self.events[-1]

    @property
    def is_leaf(self) -> bool:
        """Whether no other call lies between its moments."""
        return len(self.events) == 2


def whole_calls(events: Sequence[CallPair]) -> dict[CallName, WholeCall]:
    """Returns the calls of which both moments are seen, by their names on the reference."""
    entries: dict[CallName, int] = {}
    calls: dict[CallName, WholeCall] = {}
    for number, event in enumerate(events):
        name = event.name
        if event.moment is CallMoment.ENTRY:
            entries[name] = number
        elif name in entries:
            calls[name] = WholeCall(events=tuple(events[entries[name] : number + 1]))
    return calls


def keys_of(event: CallPair) -> list[TensorPair[int]]:
    """Returns the tensors of an event that both sides have."""
    return [slots.tensors for slots in event.slots.pairs]


def gradient_keys_of(event: CallPair) -> list[TensorPair[int]]:
    """Returns the gradients of an event that both sides have."""
    return [slots.gradient_numbers for slots in event.slots.pairs]


def size_of(keys: Iterable[TensorPair[int]], table: PairTable[int]) -> tuple[float, float]:
    """Returns the norm and the root mean square of tensors together; 0 where nothing is known."""
    norms, elements = [0.0], 0
    for key in keys:
        measured = table.measured(key)
        norm = norm_of(measured)
        if measured is not None and measured.figures is not None and norm is not None:
            norms.append(norm)
            elements += measured.figures.elements
    norm = math.hypot(*norms)
    return norm, norm / math.sqrt(max(elements, 1))


def largest_of(keys: Iterable[TensorPair[int]], table: PairTable[int]) -> Optional[Measured]:
    """Returns, of tensors that were measured and are floating, the one of most elements."""
    found = [one for one in map(table.measured, keys) if one is not None and norm_of(one) is not None]
    return max(found, key=lambda one: one.figures.elements if one.figures else 0, default=None)


def normalization_of(layer: PairedLayer, models: Models) -> Optional[Normalization]:
    """Returns how the reference's norm groups values that are in the candidate's layout; None of others."""
    norm = models[Side.REFERENCE].normalization(layer.reference)
    if norm is None:
        return None
    is_last = models[Side.CANDIDATE].setting(layer.candidate, "channels_last")
    return norm if is_last is None else dataclasses.replace(norm, channels_last=bool(is_last))


def norm_inputs(joined: JoinedCalls, models: Models) -> Mapping[ShownAt, tuple[Normalization, ...]]:
    """Returns, for each place that shows what norms are called with, these norms."""
    taken: defaultdict[TensorPair[int], list[Normalization]] = defaultdict(list)
    for call in joined.pairs:
        norm = normalization_of(call.layer, models) if call.moment is CallMoment.ENTRY else None
        if norm is not None and call.slots.pairs:
            taken[call.slots.pairs[0].tensors].append(norm)
    return {
        shown_at(call, slots): tuple(dict.fromkeys(taken[slots.tensors]))
        for call in joined.pairs
        for slots in call.slots.pairs
        if slots.tensors in taken
    }


def norm_sums(entry: CallPair, models: Models, values: PairTable[int]) -> Optional[NormSums]:
    """Returns what a norm that is called there makes of its input; None where that is not known."""
    norm = normalization_of(entry.layer, models)
    if norm is None or not entry.slots.pairs:
        return None
    measured = values.measured(entry.slots.pairs[0].tensors)
    return measured.normalized.get(norm) if measured is not None else None


class ValueTerms:
    """Terms of values: what the event before showed, where it showed more.

    Layers that average, and code between layers, make one value of several. What weights have a part in may
    be as small as they are.
    """

    def __init__(self, captures: StepCaptures, models: Models, calls: Mapping[CallName, WholeCall]) -> None:
        self._table = captures.values
        self._models = models
        self._calls = calls
        self._before: list[Measured] = []

    def of_loss(self, measured: Measured) -> Terms:
        """Returns the terms of a loss: a mean over what was shown last."""
        return Terms(scale=_mean_of(measured, self._before), count=_count(measured, self._before))

    def of(self, event: CallPair, key: TensorPair[int], measured: Measured) -> Terms:
        """Returns the terms of a value that a call made, or that code between calls did."""
        sides = (Side.REFERENCE, event.layer.reference), (Side.CANDIDATE, event.layer.candidate)
        if event.moment is CallMoment.EXIT:
            if self._models[Side.CANDIDATE].normalizes(event.layer.candidate):
                return self._of_norm(event, measured)
            if any(self._models[side].is_parameterised(path) for side, path in sides):
                return Terms()
        elif event.layer.candidate == "":
            return Terms()
        scale = _mean_of(measured, self._before)
        is_average = event.moment is CallMoment.EXIT and all(
            self._models[side].averages(path) for side, path in sides
        )
        has_cancelled = is_average or measured.scale < _CANCELLED_SHARE * scale
        return Terms(
            scale=scale if has_cancelled else 0.0,
            result=measured.scale,
            count=_count(measured, self._before),
        )

    def _of_norm(self, event: CallPair, measured: Measured) -> Terms:
        """A norm divides by a sum of squares, from which one framework takes the square of the mean away."""
        call = self._calls.get(event.name)
        sums = norm_sums(call.entry, self._models, self._table) if call is not None else None
        if sums is None:
            return Terms()
        return Terms(result=sums.cancelling * measured.scale, count=sums.count, lanes=LANES_OF_NORMS)

    def pass_on(self, shown: Sequence[Measured]) -> None:
        """Takes in what an event showed, after it was judged."""
        self._before = list(shown) or self._before


class GradientTerms:
    """Terms of gradients: what came back to the outputs of the leaves that took the tensor.

    Where code took it, the gradient shown last; its factors are not known, so that only rounding as small
    as it usually is passes for such.
    """

    def __init__(
        self,
        captures: StepCaptures,
        models: Models,
        calls: Mapping[CallName, WholeCall],
        weights: Mapping[str, WeightSize],
    ) -> None:
        """`weights`: of the reference's as the pass begins, by the candidate's full names."""
        self._values = captures.values
        self._gradients = captures.gradients
        self._models = models
        self._weights = weights
        self._sent_back: dict[TensorPair[int], float] = {}
        self._takers: dict[TensorPair[int], WholeCall] = {}
        for call in calls.values():
            came_back, _ = size_of(gradient_keys_of(call.exit), self._gradients)
            if call.is_leaf and came_back:
                for key in gradient_keys_of(call.entry):
                    sent = self._factor(call) * came_back
                    if sent > self._sent_back.get(key, 0.0):
                        self._sent_back[key], self._takers[key] = sent, call
        self._last = 0.0

    def _factor(self, call: WholeCall) -> float:
        """Returns how large a leaf makes gradients: as it does values, without what it adds to them.

        A norm takes the mean of its values away first, however large that is.
        """
        path = call.exit.layer.candidate
        matrix = self._weights.get(self._models[Side.CANDIDATE].own_weight(path, "weight") or "")
        sums = norm_sums(call.entry, self._models, self._values)
        if sums is not None:
            return sums.factor * (1.0 if matrix is None else matrix.rms)
        taken, made = (size_of(keys_of(moment), self._values) for moment in (call.entry, call.exit))
        factor = max(made[0] / taken[0], made[1] / taken[1]) if all(taken) else 1.0
        if matrix is not None and len(matrix.shape) > 1:
            return min(factor, matrix.largest_factor)
        is_norm = self._models[Side.CANDIDATE].normalizes(path)
        return max(factor, min(1.0, made[1])) if is_norm else factor

    def of(self, event: CallPair, key: TensorPair[int], measured: Measured) -> Terms:
        """Returns the terms of a gradient that a call sent back."""
        elements = max(measured.figures.elements, 1) if measured.figures is not None else 1
        taker = self._takers.get(key)
        if taker is None:
            return Terms(scale=UNSEEN_SHARE * self._last / math.sqrt(elements))
        scale = self._sent_back[key] / math.sqrt(elements)
        if self._models[Side.REFERENCE].uses_kept_statistics(taker.exit.layer.reference):
            return Terms()  # each element has a factor, and no sum
        sums = norm_sums(taker.entry, self._models, self._values)
        if sums is not None:
            result = scale * sums.factor_of_squares / sums.factor
            return Terms(result=result, count=sums.count, lanes=LANES_OF_NORMS)
        made = largest_of(gradient_keys_of(taker.exit), self._gradients)
        return Terms(scale=scale, count=_count(measured, [made] if made is not None else []))

    def pass_on(self, shown: Sequence[Measured]) -> None:
        """Takes in what an event showed, after it was judged."""
        self._last = max((norm_of(measured) or 0.0 for measured in shown), default=self._last)


def _mean_of(made: Measured, of: Sequence[Measured]) -> float:
    """Returns how large (root mean square) means of these values are where they do not cancel."""
    elements = made.figures.elements if made.figures is not None else 0
    means = [
        one.scale * math.sqrt(elements / one.figures.elements)
        for one in of
        if one.figures is not None and one.figures.elements > elements
    ]
    return max(means, default=0.0)


def _count(made: Measured, of: Sequence[Measured]) -> float:
    """Returns of how many of these values each element is made where it is a sum of as many as can be."""
    elements = made.figures.elements if made.figures is not None else 0
    counts = [one.figures.elements / max(elements, 1) for one in of if one.figures is not None]
    return max([1.0, *counts])
