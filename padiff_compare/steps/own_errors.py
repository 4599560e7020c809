"""Own errors: how far the reference's pass is from its run in float64, tensor by tensor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import K, TensorPair
from padiff_compare.join.captures import LOSS_KEY, StepCaptures
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.evidence import GoldDistances, OwnError, larger_error, own_error, with_undecided
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.records import record
from padiff_rpc.v1.words import Phase, Side


@record
class OwnErrors:
    """How far the reference's pass is from gold: by the reference's tensor numbers, and names of weights."""

    values: Mapping[int, OwnError]
    gradients: Mapping[int, OwnError]
    parameters: Mapping[str, OwnError]
    losses: Mapping[str, OwnError]

    @classmethod
    def measured(cls, captures: StepCaptures, *, is_of_gold: bool, of: Side = Side.REFERENCE) -> OwnErrors:
        """Returns those of a pass in which two runs were measured, by the names `of` one of them."""
        values, losses, gradients, parameters = (
            _by_name(table, of, is_of_gold=is_of_gold) for table in captures.tables
        )
        return cls(values=values, gradients=gradients, parameters=parameters, losses=losses)

    @property
    def loss(self) -> Optional[OwnError]:
        return self.losses.get(LOSS_KEY)

    def by_table(self, captures: StepCaptures) -> Iterator[tuple[PairTable[Any], Mapping[Any, OwnError]]]:
        """Yields the tables of a pass, and the own errors of the reference's tensors in each."""
        yield from zip(captures.tables, (self.values, self.losses, self.gradients, self.parameters))

    def with_larger(self, others: OwnErrors) -> OwnErrors:
        """Returns, place by place, the larger own error of two runs."""
        return self._joined(others, larger_error)

    def with_undecided(self, others: OwnErrors) -> OwnErrors:
        """Returns these own errors, and beside them what other runs decided otherwise."""
        return self._joined(others, with_undecided)

    def _joined(self, others: OwnErrors, join: Callable[[OwnError, OwnError], OwnError]) -> OwnErrors:
        return OwnErrors(
            values=_joined(self.values, others.values, join),
            gradients=_joined(self.gradients, others.gradients, join),
            parameters=_joined(self.parameters, others.parameters, join),
            losses=_joined(self.losses, others.losses, join),
        )

    def of(self, slots: SlotPair, phase: Phase) -> Optional[OwnError]:
        """Returns that of a value, in backward of a gradient; None where gold had none."""
        if phase is Phase.BACKWARD:
            own, meeting = self.gradients.get(slots.gradient_numbers.reference), slots.gradients
        else:
            own, meeting = self.values.get(slots.tensors.reference), slots.values
        return None if own is None else _laid_out(own, meeting.reference if meeting is not None else IDENTITY)

    def of_parameter(self, pair: WeightPair) -> Optional[OwnError]:
        """Returns that of a parameter's gradient; of several in one, the largest."""
        found = [self.parameters.get(name) for name in pair.reference_names]
        known = [one for one in found if one is not None]
        if len(known) == len(found) == 1:
            return _laid_out(known[0], pair.rule)
        known = [dataclasses.replace(one, undecided=None) for one in known]
        return larger_error(*known) if known and len(known) == len(found) else None


@record
class StepErrors:
    """Own errors of a step that was recorded.

    Attributes:
        in_lockstep: each call on the values of the recorded pass.
        freely: of a free run, from a batch and weights that are off by a rounding.
    """

    in_lockstep: Optional[OwnErrors] = None
    freely: Optional[OwnErrors] = None


@record
class BothFromGold:
    """How far both sides of a pass in lockstep are from gold.

    Attributes:
        reference: by the reference's tensor numbers, and names of weights.
        candidate: by the candidate's.
    """

    reference: OwnErrors
    candidate: OwnErrors

    @property
    def loss(self) -> Optional[GoldDistances]:
        return _distances(self.reference.loss, self.candidate.loss)

    def of(self, slots: SlotPair, phase: Phase) -> Optional[GoldDistances]:
        """Returns those of a value, in backward of a gradient; None where one is not known."""
        tensors, theirs = slots.tensors, self.candidate.values
        if phase is Phase.BACKWARD:
            tensors, theirs = slots.gradient_numbers, self.candidate.gradients
        return _distances(self.reference.of(slots, phase), theirs.get(tensors.candidate))

    def of_parameter(self, pair: WeightPair) -> Optional[GoldDistances]:
        """Returns those of a parameter's gradient."""
        theirs = self.candidate.parameters.get(pair.names.candidate)
        return _distances(self.reference.of_parameter(pair), theirs)


def larger(errors: Optional[OwnErrors], others: Optional[OwnErrors]) -> Optional[OwnErrors]:
    """Returns, place by place, the larger own error of two runs; None stands for one that told nothing."""
    if errors is None or others is None:
        return others if errors is None else errors
    return errors.with_larger(others)


def own_of(own: Mapping[Any, OwnError], table: PairTable[Any], pair: TensorPair[Any]) -> OwnError:
    """Returns the own error of a pair's reference, which has one, in the candidate's layout."""
    return _laid_out(own[pair.reference], table.rules.get(pair, IDENTITY))


def _joined(
    first: Mapping[K, OwnError], second: Mapping[K, OwnError], join: Callable[[OwnError, OwnError], OwnError]
) -> dict[K, OwnError]:
    return {key: join(one, second[key]) if key in second else one for key, one in first.items()}


def _laid_out(own: OwnError, rule: Rule) -> OwnError:
    """Returns it with what is undecided in the candidate's layout."""
    if own.undecided is None or rule == IDENTITY:
        return own
    return dataclasses.replace(own, undecided=own.undecided.laid_out(rule))


def _distances(reference: Optional[OwnError], candidate: Optional[OwnError]) -> Optional[GoldDistances]:
    if reference is None or candidate is None:
        return None
    return GoldDistances(reference=reference.rmse, candidate=candidate.rmse)


def _by_name(table: PairTable[K], side: Side, *, is_of_gold: bool) -> dict[K, OwnError]:
    return {
        pair.of(side): error
        for pair, measured in table.all_measured()
        for error in [own_error(measured, is_of_gold=is_of_gold)]
        if error is not None
    }
