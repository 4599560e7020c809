"""Conventions of optimizers: steps of one algorithm by two formulas, of which one exactly tells the other.

In lockstep both optimizers step from one state, with one gradient. So what a side's state and weights would
have come to by the other side's formula follows from its state before and behind the step.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.capture.sides import SIDES
from padiff_compare.weights.optimizer_settings import Descriptions, Settings, conventions_of, settings_of
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.records import record
from padiff_rpc.tensors import FLOATING, HostTensor, cast, widen
from padiff_rpc.v1.records import Reason, WeightNoise
from padiff_rpc.v1.words import Cause, DType, Side

Reals = npt.NDArray[np.float64]
# Of both sides, in the candidate's layout.
Values = Mapping[Side, HostTensor]

# How much further than the sum of what two formulas make of equal states their own paths may part.
_ROOM = 2.0
_SUMMED, _SUMMED_STEPS = "momentum", "momentum_times_learning_rate"


@record
class Stepped:
    """One parameter's step: state before and behind it, and the reference's settings, by their common words.

    State that there was none of before the first step is 0.
    """

    before: Mapping[str, Reals]
    after: Mapping[str, Reals]
    settings: Settings

    def was(self, word: str) -> Reals:
        """Returns a state before the step."""
        return self.before.get(word, np.zeros(()))


@record
class OtherStep:
    """What the other formula makes of a step.

    Attributes:
        state: what it makes of the states that it computes otherwise, by the words of the converted side.
        share: by how much longer it makes the step than it is, as a multiple of its length.
        shift: what has to be added to the weights besides.
        memory: how many steps of a free run, about, one step's difference stays in the state.
    """

    state: Mapping[str, Reals]
    share: Any = 1.0
    shift: Any = 0.0
    memory: float = 1.0


@record
class Formulas:
    """Two formulas of one algorithm.

    Attributes:
        conventions: by their words, that of the first formula and that of the second.
        needs: the states that the conversions ask for.
        reads: those, and others that there may be.
        first_to_second: of a step by the first formula.
        second_to_first: of a step by the second; None: rounding of weights would count for more, so that
            whichever side has the first formula is converted.
        words: states of the first formula that the second keeps under another word, times the rate.
    """

    conventions: Mapping[str, tuple[str, str]]
    needs: frozenset[str]
    reads: frozenset[str]
    first_to_second: Callable[[Stepped], OtherStep]
    second_to_first: Optional[Callable[[Stepped], OtherStep]] = None
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)


def _rmsprop(step: Stepped) -> OtherStep:
    """d = sqrt(v) + e becomes d' = sqrt(v + e), with v = mean square - (mean gradient)^2.

    b' = m b + g / d, and a step of -r b' with the rate r, become m b + r g / d' and a step of that: what the
    second formula sums up holds the rate of this step, since it begins with the first one's sum times it.
    """
    epsilon, momentum = step.settings["epsilon"], step.settings.get("momentum") or 0.0
    variance = np.maximum(step.after["mean_square"] - step.after.get("mean_gradient", 0.0) ** 2, 0.0)
    # At most sqrt(1 + e), but as small as sqrt(e).
    share = (np.sqrt(variance) + epsilon) / np.sqrt(variance + epsilon)
    if not momentum or _SUMMED not in step.after:
        return OtherStep(state={}, share=share)
    kept, now, rate = momentum * step.was(_SUMMED), step.after[_SUMMED], step.settings["learning_rate"]
    summed = kept + (now - kept) * share
    memory = 1.0 / (1.0 - momentum)
    return OtherStep(state={_SUMMED: rate * summed}, shift=rate * (now - summed), memory=memory)


def _adamax(step: Stepped) -> OtherStep:
    """u' = max(b u, |g| + e) becomes max(b u + e, |g|), which is max(b u + e, u' - e)."""
    epsilon, norm = step.settings["epsilon"], step.after["infinity_norm"]
    beta = step.settings["beta2"]
    made = np.maximum(beta * step.was("infinity_norm") + epsilon, norm - epsilon)
    return OtherStep(state={"infinity_norm": made}, share=norm / made, memory=1.0 / (1.0 - beta))


def _adamax_back(step: Stepped) -> OtherStep:
    """u' = max(b u + e, |g|) becomes max(b u, |g| + e), with g from the first moment, a m + (1 - a) g."""
    decay, beta, norm = step.settings["beta1"], step.settings["beta2"], step.after["infinity_norm"]
    gradient = (step.after["first_moment"] - decay * step.was("first_moment")) / (1.0 - decay)
    made = np.maximum(beta * step.was("infinity_norm"), np.abs(gradient) + step.settings["epsilon"])
    return OtherStep(state={"infinity_norm": made}, share=norm / made, memory=1.0 / (1.0 - beta))


# All that is converted, by the algorithm. docs/verdicts.md shows it, and what is not.
FORMULAS: Mapping[str, Formulas] = {
    "rmsprop": Formulas(
        conventions={
            "epsilon": ("added to the root", "added under the root"),
            "momentum": (
                "of gradients, times the learning rate when used",
                "of steps, with the learning rate of their time",
            ),
        },
        needs=frozenset({"mean_square"}),
        reads=frozenset({"mean_square", "mean_gradient", _SUMMED}),
        first_to_second=_rmsprop,
        words={_SUMMED: _SUMMED_STEPS},
    ),
    "adamax": Formulas(
        conventions={"epsilon": ("added to the gradient's magnitude", "added to the norm as it decays")},
        needs=frozenset({"infinity_norm", "first_moment"}),
        reads=frozenset({"infinity_norm", "first_moment"}),
        first_to_second=_adamax,
        second_to_first=_adamax_back,
    ),
}


class StepConventions:
    """Converts states and weights behind a step in lockstep to the other side's formula.

    One step at a time: its beginning, the state that is written into the candidate then, the state behind it.
    """

    def __init__(self) -> None:
        self._formulas: Optional[Formulas] = None
        self._first = Side.REFERENCE
        self._last: Mapping[str, Settings] = {}
        self._settings: Mapping[str, Settings] = {}
        self._before: dict[str, dict[str, Reals]] = {}
        self._weights: dict[str, Reals] = {}
        self._converted: dict[str, OtherStep] = {}
        # By the reference's names: how far the two formulas have led apart, step by step.
        self._apart: dict[str, float] = defaultdict(float)

    def begin(self, descriptions: Descriptions) -> None:
        """Takes the optimizers as they are before a step; what was known of the last step is forgotten."""
        self._before, self._weights, self._converted = {}, {}, {}
        self._last, self._settings = self._settings, settings_of(descriptions[Side.REFERENCE])
        self._formulas, self._first = _differing(descriptions)

    @property
    def reads(self) -> frozenset[str]:
        """The states of the converted side that `stepped` wants; none where nothing is converted."""
        return self._formulas.reads if self._formulas is not None else frozenset()

    @property
    def side(self) -> Side:
        """The side that is converted."""
        has_way_back = self._formulas is not None and self._formulas.second_to_first is not None
        return Side.REFERENCE if has_way_back else self._first

    def word(self, state: str) -> str:
        """Returns the candidate's word for what the reference keeps as `state`."""
        words = self._formulas.words if self._formulas is not None else {}
        if self._first is Side.REFERENCE:
            return words.get(state, state)
        return next((first for first, second in words.items() if second == state), state)

    def given(self, pair: WeightPair, state: str, value: HostTensor) -> HostTensor:
        """Returns what the candidate is to begin its step with for the reference's `value`; remembers it."""
        made = self._at_rate(pair, state, value)
        word, own = (state, value) if self._first is Side.REFERENCE else (self.word(state), made)
        if word in self.reads and value.dtype in FLOATING:
            self._before.setdefault(pair.candidate_name, {})[word] = _reals(own)
        if self.word(state) != state:
            self._drive_apart(pair, _reals(own) * self._share_of_earlier_rates(pair))
        return made

    def explain(self, parted: Sequence[WeightNoise]) -> bool:
        """Whether the two formulas alone may have driven weights this far apart in a free run.

        There each side goes on from where its own formula has led it, so that their paths part by more than
        the sum of what they make of equal states.
        """
        if self._formulas is None or not parted:
            return False
        return all(one.rms <= _ROOM * self._apart[one.name] for one in parted if one.name in self._settings)

    def given_weight(self, pair: WeightPair, value: HostTensor) -> None:
        """Takes the weight that both sides begin their step with."""
        self._weights[pair.candidate_name] = _reals(value)

    def stepped(self, pair: WeightPair, after: Mapping[str, HostTensor]) -> None:
        """Takes the state of the converted side behind the step, by its words, in the candidate's layout."""
        settings = self._settings.get(pair.reference_names[0])
        name, formulas = pair.candidate_name, self._formulas
        is_real = all(one.dtype in FLOATING for one in after.values())
        if formulas is None or settings is None or not is_real or not formulas.needs <= after.keys():
            return
        step = Stepped(
            before=self._before.pop(name, {}),
            after={word: _reals(one) for word, one in after.items()},
            settings=settings,
        )
        convert = formulas.first_to_second
        if self._first is not self.side and formulas.second_to_first is not None:
            convert = formulas.second_to_first
        # What a NaN makes of a step differs from all else, as it should.
        with np.errstate(all="ignore"):
            self._converted[name] = convert(step)

    def state(
        self, pair: WeightPair, state: str, values: Values, *, in_lockstep: bool
    ) -> tuple[Values, tuple[Reason, ...]]:
        """Returns a state of both sides by one formula, and why.

        Freely each side steps from its own state, and nothing tells the one formula's from the other's.
        """
        converted = self._converted.get(pair.candidate_name) if in_lockstep else None
        own = self.word(state) if self.side is Side.CANDIDATE else state
        if converted is None or own not in converted.state:
            return {**values, Side.REFERENCE: self._at_rate(pair, state, values[Side.REFERENCE])}, ()
        made = _rounded(converted.state[own], values[self.side])
        return {**values, self.side: made}, (self._reason(pair),)

    def weight(self, pair: WeightPair, values: Values) -> tuple[Values, tuple[Reason, ...]]:
        """Returns a parameter behind a step in lockstep, of both sides by one formula, and why."""
        name = pair.candidate_name
        converted, before = self._converted.get(name), self._weights.get(name)
        if converted is None or before is None or values[self.side].array.shape != before.shape:
            return values, ()
        with np.errstate(all="ignore"):
            own = _reals(values[self.side])
            made = before + (own - before) * converted.share + converted.shift
        self._drive_apart(pair, (made - own) * converted.memory)
        return {**values, self.side: _rounded(made, values[self.side])}, (self._reason(pair),)

    def _drive_apart(self, pair: WeightPair, by: Reals) -> None:
        rms = float(np.sqrt(np.mean(np.square(by)))) if by.size else 0.0
        for name in pair.reference_names:
            self._apart[name] += rms if math.isfinite(rms) else 0.0

    def _share_of_earlier_rates(self, pair: WeightPair) -> float:
        """Returns what a sum that holds the rate of the step before adds to all later steps by that.

        As a multiple of the sum without the rate.
        """
        name = pair.reference_names[0]
        settings, last = self._settings.get(name, {}), self._last.get(name, {})
        momentum = min(settings.get("momentum") or 0.0, 1.0 - 1e-3)
        change = last.get("learning_rate", 0.0) - settings.get("learning_rate", 0.0)
        return abs(change) * momentum / (1.0 - momentum) if last else 0.0

    def _at_rate(self, pair: WeightPair, state: str, value: HostTensor) -> HostTensor:
        """Returns the reference's state in the candidate's measure: one of the two may hold the rate."""
        rate = self._settings.get(pair.reference_names[0], {}).get("learning_rate")
        if self.word(state) == state or not rate or value.dtype not in FLOATING:
            return value
        return _rounded(_reals(value) * (rate if self._first is Side.REFERENCE else 1.0 / rate), value)

    def _reason(self, pair: WeightPair) -> Reason:
        settings = self._settings[pair.reference_names[0]]
        assert self._formulas is not None
        words = tuple(word for word in self._formulas.conventions if settings.get(word, True))
        return Reason(cause=Cause.STEP_CONVENTION, side=self.side, names=words)


def _differing(descriptions: Descriptions) -> tuple[Optional[Formulas], Side]:
    """Returns the formulas in which the optimizers differ, if any, and the side that has the first."""
    ours, theirs = (conventions_of(descriptions[side]) for side in SIDES)
    formulas = FORMULAS.get(ours.get("algorithm", ""))
    if formulas is not None and ours["algorithm"] == theirs.get("algorithm"):
        for first, second, side in ((ours, theirs, Side.REFERENCE), (theirs, ours, Side.CANDIDATE)):
            if all((first.get(word), second.get(word)) == two for word, two in formulas.conventions.items()):
                return formulas, side
    return None, Side.REFERENCE


def _reals(tensor: HostTensor) -> Reals:
    return np.asarray(widen(tensor.array, tensor.dtype), np.float64)


def _rounded(values: Reals, like: HostTensor) -> HostTensor:
    return cast(HostTensor(array=values, dtype=DType.FLOAT64), like.dtype)
