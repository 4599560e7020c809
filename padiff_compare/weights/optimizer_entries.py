"""Pairs of optimizer states: which of the candidate's holds what which of the reference's hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from padiff_compare.capture.sides import SIDES
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.records import record
from padiff_rpc.v1.records import DescribeOptimizerResponse as Description
from padiff_rpc.v1.records import OptimizerEntry
from padiff_rpc.v1.words import Side

# A number, whatever the parameter's layout.
STEP = "step"


@record
class EntryPair:
    """One state of a pair of parameters. The pair's rule leads from `references` to `candidate`.

    `state`: the reference's word for it.
    """

    parameters: WeightPair
    state: str
    references: tuple[OptimizerEntry, ...]
    candidate: OptimizerEntry


@record
class LoneEntry:
    """A state that one side keeps of a pair of parameters, where it keeps it of others on both sides."""

    parameters: WeightPair
    side: Side
    entries: tuple[OptimizerEntry, ...]


@record
class MatchedEntries:
    """All state of both sides' paired parameters.

    Attributes:
        pairs: ordered by state, within one by the weight plan.
        lone: in the same order; without step counts, which follow from the rest.
        unknown: what one side keeps and the other does not keep of any parameter.
    """

    pairs: tuple[EntryPair, ...]
    lone: tuple[LoneEntry, ...]
    unknown: Mapping[Side, tuple[str, ...]]


def match(
    parameters: Sequence[WeightPair],
    descriptions: Mapping[Side, Description],
    word: Callable[[str], str] = str,
) -> MatchedEntries:
    """Pairs what both optimizers keep; `word`: of the reference's for a state, the candidate's."""
    present = {side: frozenset(descriptions[side].state) for side in SIDES}
    states = {side: tuple(dict.fromkeys(entry.state for entry in descriptions[side].state)) for side in SIDES}
    common = [state for state in states[Side.REFERENCE] if word(state) in states[Side.CANDIDATE]]
    pairs, lone = [], []
    for state in common:
        for pair in parameters:
            references = tuple(OptimizerEntry(parameter=name, state=state) for name in pair.reference_names)
            candidate = OptimizerEntry(parameter=pair.candidate_name, state=word(state))
            has_reference = present[Side.REFERENCE].issuperset(references)
            if has_reference and candidate in present[Side.CANDIDATE]:
                pairs.append(
                    EntryPair(parameters=pair, state=state, references=references, candidate=candidate)
                )
            elif has_reference and state != STEP:
                lone.append(LoneEntry(parameters=pair, side=Side.REFERENCE, entries=references))
            elif candidate in present[Side.CANDIDATE] and state != STEP:
                lone.append(LoneEntry(parameters=pair, side=Side.CANDIDATE, entries=(candidate,)))
    known = {Side.REFERENCE: common, Side.CANDIDATE: [word(state) for state in common]}
    unknown = {side: tuple(state for state in states[side] if state not in known[side]) for side in SIDES}
    return MatchedEntries(pairs=tuple(pairs), lone=tuple(lone), unknown=unknown)
