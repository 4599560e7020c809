"""The plan of random decisions: shared, switched off, or named and kept apart."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import CallName
from padiff_compare.steps.calls import JoinedCalls, Operations
from padiff_compare.steps.random_sharing import Group, share
from padiff_rpc.records import record
from padiff_rpc.v1.records import RandomOperation, RandomPair, StepStart
from padiff_rpc.v1.words import Randomness, Side

_SHOWN = 3


@record
class RandomPlan:
    """What becomes of random decisions in the steps.

    Attributes:
        randomness, seed: what a step is started with.
        pairs: the layers that share, by side.
        unshared: (reference path, call number) of the innermost compared call -> the operations in its
            own code, on either side, that both sides are not given the same.
        operations: of both sides, as the report lists them.
        notes: what a reader should know.
    """

    randomness: Randomness
    seed: int
    pairs: Mapping[Side, tuple[RandomPair, ...]]
    unshared: Mapping[CallName, str]
    operations: tuple[RandomOperation, ...]
    notes: tuple[str, ...] = ()

    def told(self, start: StepStart, side: Side) -> StepStart:
        """Returns the start of a side's step with what it has to know of this."""
        return dataclasses.replace(
            start, randomness=self.randomness, random_seed=self.seed, random_pairs=self.pairs[side]
        )


@record
class SettledDecision:
    """A decision as the report lists it; `judged`: what is made of it is compared like all else."""

    operation: RandomOperation
    judged: bool


def plan_randomness(
    randomness: Randomness, seed: int, seen: JoinedCalls, operations: Operations
) -> RandomPlan:
    """Returns what becomes of the decisions that both sides made in one forward pass.

    Shared decisions that one side makes more often than the other are no excuse: a dropout that was
    forgotten is a difference between the models.
    """
    pairs: Mapping[Side, tuple[RandomPair, ...]] = dict.fromkeys(SIDES, ())
    notes: tuple[str, ...] = ()
    if randomness is Randomness.SHARED:
        sharing = share(seen, operations)
        pairs = sharing.pairs
        by_decision = {
            id(made): one for key, group in sharing.groups.items() for made, one in _settled(key, group)
        }
        settled = [by_decision[id(made)] for side in SIDES for made in operations[side]]
        notes = _uneven_notes(sharing.groups)
    else:
        settled = [
            settled_alone(randomness, dataclasses.replace(one, side=side))
            for side in SIDES
            for one in operations[side]
        ]
    apart = _by_call(seen, [one.operation for one in settled if not one.judged])
    hidden = apart
    if randomness is Randomness.OFF:
        hidden = _by_call(seen, [one.operation for one in settled])
    return RandomPlan(
        randomness=randomness,
        seed=seed,
        pairs=pairs,
        unshared={call: _names(made) for call, made in apart.items()},
        operations=tuple(one.operation for one in settled),
        notes=(*notes, *_hidden_notes(hidden)),
    )


def settled_alone(randomness: Randomness, operation: RandomOperation) -> SettledDecision:
    """Returns what becomes of a decision that meets no other."""
    if randomness is Randomness.OFF and operation.shared:
        text = "switched off"
        return SettledDecision(
            operation=dataclasses.replace(operation, shared=False, reason=text), judged=True
        )
    reason = "left to the frameworks" if operation.shared else _UNKNOWN
    return SettledDecision(
        operation=dataclasses.replace(operation, shared=False, reason=reason), judged=False
    )


_UNKNOWN = "not shared: it is none of the operations that can be"


def _settled(key: CallName, group: Group) -> Iterator[tuple[RandomOperation, SettledDecision]]:
    for side in SIDES:
        for one in group.made[side]:
            reason, judged = "", one.shared
            if not one.shared:
                reason = _UNKNOWN
            elif not group.is_even and group.others:
                reason, judged = f"not shared beside {', '.join(group.others)}", False
            elif not group.is_even:
                reason = _counts(key, group)
            told = dataclasses.replace(one, side=side, shared=not reason, reason=reason)
            yield one, SettledDecision(operation=told, judged=judged)


def _by_call(
    seen: JoinedCalls, operations: Sequence[RandomOperation]
) -> dict[CallName, list[RandomOperation]]:
    """Returns (reference path, call number) of the innermost compared call -> what was decided in it."""
    found: defaultdict[CallName, list[RandomOperation]] = defaultdict(list)
    for one in operations:
        if one.side is not None:
            around = seen.calls_around(one.side, (one.path, one.call))
            found[next((call for call in around if call in seen.names), ("", 0))].append(one)
    return found


def _uneven_notes(groups: Mapping[CallName, Group]) -> tuple[str, ...]:
    texts = [_counts(key, group) for key, group in groups.items() if not group.is_even and not group.others]
    return _note("random decisions differ in number, which is judged like any difference", texts)


def _hidden_notes(decided: Mapping[CallName, Sequence[RandomOperation]]) -> tuple[str, ...]:
    """What a pass would not show: one side decides what the other does not, where nothing is compared.

    A module here and a function in another layer there are not told apart: in all, both decide as much.
    """
    totals = Counter(one.side for made in decided.values() for one in made)
    texts = []
    if totals[Side.REFERENCE] == totals[Side.CANDIDATE]:
        return ()
    for call, made in decided.items():
        numbers = Counter(one.side for one in made)
        ours, theirs = (numbers[side] for side in SIDES)
        if ours != theirs:
            texts.append(f"{_number_text(call, ours, theirs)} ({_names(made)})")
    return _note("random decisions differ in number where they are not compared", texts)


def _note(head: str, texts: Sequence[str]) -> tuple[str, ...]:
    more = f", and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return (f"{head}: {'; '.join(texts[:_SHOWN])}{more}",) if texts else ()


def _counts(key: CallName, group: Group) -> str:
    return _number_text(key, *(group.shareable(side) for side in SIDES))


def _number_text(call: CallName, ours: int, theirs: int) -> str:
    path, number = call
    return f"the reference makes {ours} in {path or 'the root'}#{number} and the candidate {theirs}"


def _names(made: Sequence[RandomOperation]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in made))
