"""The plan of random decisions: shared, switched off, or named and kept apart."""

from __future__ import annotations

import dataclasses
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from padiff_compare.alignment.plan import Plan
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import JoinedCalls, Operations
from padiff_rpc.records import record
from padiff_rpc.v1.records import Layer, Note, RandomOperation, RandomPair, Reason, StepStart
from padiff_rpc.v1.words import Cause, NoteKind, PairedBy, Randomness, Side


@dataclass
class Group:
    """The decisions of one call of a sharing pair, in order."""

    made: dict[Side, list[RandomOperation]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def shareable(self, side: Side) -> int:
        """Returns how many of a side's decisions can be drawn from the common generator."""
        return sum(one.shared for one in self.made[side])

    @property
    def others(self) -> tuple[str, ...]:
        """What cannot, by name."""
        made = (one for side in SIDES for one in self.made[side])
        return tuple(dict.fromkeys(one.name for one in made if not one.shared))

    @property
    def is_even(self) -> bool:
        """Whether both sides draw as many."""
        return self.shareable(Side.REFERENCE) == self.shareable(Side.CANDIDATE)


@record
class Sharing:
    """Which pairs share.

    Attributes:
        pairs: by side, numbered alike.
        groups: (reference path, call number) of the sharing pair -> its decisions.
    """

    pairs: Mapping[Side, tuple[RandomPair, ...]]
    groups: Mapping[CallName, Group]


def share(seen: JoinedCalls, operations: Operations) -> Sharing:
    """Returns the pairs that share their decisions, as fine as both sides make equally many in each call.

    A pair in which they do not leaves its decisions to the nearest pair around it that comes out even: a
    module against a function in its parent, one module called twice against two. Where none does, the
    pairs stay as they are.
    """
    numbers = _candidates(seen.plan)
    listed = frozenset(numbers)
    uneven = _told_unevenly(_groups(seen, operations, listed))
    for around in sorted({above for path in uneven for above in _above(path)}, key=_depth, reverse=True):
        inside = {path for path in uneven if around in _above(path)}
        trial = _told_unevenly(_groups(seen, operations, listed - inside))
        if inside and trial <= uneven - inside - {around}:
            listed, uneven = listed - inside, trial
    paths = {pair.reference: pair.candidate for pair in seen.plan.layers if pair.reference in listed}
    return Sharing(
        pairs={
            side: tuple(
                RandomPair(path=ours if side is Side.REFERENCE else theirs, pair=numbers[ours])
                for ours, theirs in paths.items()
            )
            for side in SIDES
        },
        groups=_groups(seen, operations, listed),
    )


def _candidates(plan: Plan) -> dict[str, int]:
    """Returns reference path -> number of every pair; what lies inside units counts for these."""
    units = [(pair.reference, pair.candidate) for pair in plan.layers if pair.unit]
    return {
        pair.reference: number
        for number, pair in enumerate(plan.layers)
        if pair.how is not PairedBy.INSIDE_PINNED
        and not any(
            ours in _above(pair.reference) or theirs in _above(pair.candidate) for ours, theirs in units
        )
    }


def random_pairs(layers: Iterable[Layer]) -> tuple[RandomPair, ...]:
    """Returns what a reference is told that runs alone, so that whatever runs with it later may share."""
    return tuple(RandomPair(path=layer.path, pair=_number(layer.path)) for layer in layers)


def _number(path: str) -> int:
    """Returns the number of a pair with a recorded reference at `path`: the same in every comparison.

    Two that happen to have one number draw the same numbers, each on both sides.
    """
    return zlib.crc32(path.encode())


def _groups(seen: JoinedCalls, operations: Operations, listed: frozenset[str]) -> dict[CallName, Group]:
    groups: dict[CallName, Group] = {}
    for side in SIDES:
        for one in operations[side]:
            around = seen.calls_around(side, (one.path, one.call))
            key = next((call for call in around if call[0] in listed), ("", 0))
            groups.setdefault(key, Group()).made[side].append(one)
    return groups


def _told_unevenly(groups: Mapping[CallName, Group]) -> frozenset[str]:
    return frozenset(path for (path, _), group in groups.items() if not group.is_even and not group.others)


def _above(path: str) -> list[str]:
    """Returns the paths of the layers around a path, innermost first; the root lies in nothing."""
    found = []
    while path:
        path = path.rpartition(".")[0]
        found.append(path)
    return found


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


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
    unshared: Mapping[CallName, tuple[str, ...]]
    operations: tuple[RandomOperation, ...]
    notes: tuple[Note, ...] = ()

    def numbered_by_path(self) -> RandomPlan:
        """Returns the plan with the numbers under which a reference was recorded."""
        numbers = {one.pair: _number(one.path) for one in self.pairs[Side.REFERENCE]}
        pairs = {
            side: tuple(dataclasses.replace(one, pair=numbers[one.pair]) for one in its)
            for side, its in self.pairs.items()
        }
        return dataclasses.replace(self, pairs=pairs)

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
    notes: tuple[Note, ...] = ()
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
        unshared={call: tuple(_names(made)) for call, made in apart.items()},
        operations=tuple(one.operation for one in settled),
        notes=(*notes, *_hidden_notes(hidden)),
    )


def settled_alone(randomness: Randomness, operation: RandomOperation) -> SettledDecision:
    """Returns what becomes of a decision that meets no other."""
    if randomness is Randomness.OFF and operation.shared:
        return SettledDecision(operation=_apart(operation, Reason(cause=Cause.SWITCHED_OFF)), judged=True)
    cause = Cause.LEFT_TO_FRAMEWORKS if operation.shared else Cause.NOT_SHAREABLE
    return SettledDecision(operation=_apart(operation, Reason(cause=cause)), judged=False)


def _apart(operation: RandomOperation, reason: Reason) -> RandomOperation:
    return dataclasses.replace(operation, shared=False, reasons=(reason,))


def _settled(key: CallName, group: Group) -> Iterator[tuple[RandomOperation, SettledDecision]]:
    for side in SIDES:
        for one in group.made[side]:
            told, judged = dataclasses.replace(one, side=side), one.shared
            if not one.shared:
                told = _apart(told, Reason(cause=Cause.NOT_SHAREABLE))
            elif not group.is_even and group.others:
                told, judged = _apart(told, Reason(cause=Cause.NOT_SHARED_BESIDE, names=group.others)), False
            elif not group.is_even:
                told = _apart(told, _counts(key, group))
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


def _uneven_notes(groups: Mapping[CallName, Group]) -> tuple[Note, ...]:
    found = [_counts(key, group) for key, group in groups.items() if not group.is_even and not group.others]
    return _note(NoteKind.UNEVEN, found)


def _hidden_notes(decided: Mapping[CallName, Sequence[RandomOperation]]) -> tuple[Note, ...]:
    """What a pass would not show: one side decides what the other does not, where nothing is compared.

    A module here and a function in another layer there are not told apart: in all, both decide as much.
    """
    totals = Counter(one.side for made in decided.values() for one in made)
    found = []
    if totals[Side.REFERENCE] == totals[Side.CANDIDATE]:
        return ()
    for call, made in decided.items():
        numbers = Counter(one.side for one in made)
        ours, theirs = (numbers[side] for side in SIDES)
        if ours != theirs:
            found.append(_uneven(call, ours, theirs, _names(made)))
    return _note(NoteKind.UNEVEN_UNSEEN, found)


def _note(kind: NoteKind, found: Sequence[Reason]) -> tuple[Note, ...]:
    return (Note(kind=kind, reasons=tuple(found)),) if found else ()


def _counts(key: CallName, group: Group) -> Reason:
    return _uneven(key, group.shareable(Side.REFERENCE), group.shareable(Side.CANDIDATE))


def _uneven(call: CallName, ours: int, theirs: int, operations: Sequence[str] = ()) -> Reason:
    path, number = call
    numbers = tuple(map(float, (number, ours, theirs)))
    return Reason(cause=Cause.UNEVEN, names=(path, *operations), numbers=numbers)


def _names(made: Sequence[RandomOperation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for one in made))
