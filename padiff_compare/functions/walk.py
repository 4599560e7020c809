"""Walk: from two tensors that should be equal back through both sides together, to where they part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.functions.likeness import Likeness, elements
from padiff_compare.functions.links import Graphs, Links
from padiff_compare.functions.meeting_inputs import are_alike, pair_inputs
from padiff_compare.functions.parting import NOBODY, Calls, Parting
from padiff_compare.functions.soundness import Soundness
from padiff_rpc.v1.records import FunctionCall
from padiff_rpc.v1.words import FindingKind, Side

# Beyond it a walk gives up, and a region is left: loops aside, nobody writes so much between two layers.
_LONGEST = 120
_SUM = "add"


class Walk:
    """One walk.

    Each pair of tensors is looked at once. `function` is said only where all inputs are linked.

    Attributes:
        found: where the sides part, in the order in which the walk came there.
    """

    def __init__(self, graphs: Graphs, links: Links, sound: Mapping[Side, Soundness]) -> None:
        self._graphs = graphs
        self._links = links
        self._sound = sound
        self._seen: dict[TensorPair[int], bool] = {}
        self.found: list[Parting] = []

    def back(self, at: TensorPair[int], users: Calls = NOBODY, depth: int = 0) -> bool:
        """Walks back from two tensors; returns whether they are not equal for a reason that was found.

        `depth` 0: they are where the way begins, and known not to be as they should.
        """
        if at in self._seen:
            return self._seen[at]
        if depth and self._links.stand(at) and self._is_in_place(at):
            return False
        if depth > _LONGEST:
            return self._region(at, users)
        self._seen[at] = True  # until it is known: a way that leads here again has nothing to add
        self._seen[at] = self._back(at, users, depth)
        return self._seen[at]

    def _back(self, at: TensorPair[int], users: Calls, depth: int) -> bool:
        if self._links.likeness(at) > Likeness.UNLIKE and self._layout(at, users):
            return True
        for side in (Side.CANDIDATE, Side.REFERENCE):
            before = self._graphs[side].moved(at.of(side))
            if before is not None:
                return self.back(_with(at, side, before), self._through(at, users, side), depth + 1)
        once = self._once(at)
        if once is not None:
            return self.back(once, users, depth + 1)
        made = {side: self._graphs[side].maker(at.of(side)) for side in SIDES}
        if any(self._links.are_linked(side, at.of(side)) for side in SIDES):
            return self._of_another(at, users, made)
        candidate, reference = made[Side.CANDIDATE], made[Side.REFERENCE]
        if candidate is None or reference is None:
            return self._region(at, users)
        return self._of_calls(at, users, candidate, reference, depth)

    def _once(self, at: TensorPair[int]) -> Optional[TensorPair[int]]:
        """Returns the two where one side repeats what the other holds fewer times; None elsewhere."""
        counts = {side: elements(self._graphs[side].tensors[at.of(side)]) for side in SIDES}
        for side in SIDES:
            base = self._graphs[side].spread_from(at.of(side))
            if counts[side] > counts[other(side)] and base != at.of(side):
                return _with(at, side, base)
        return None

    def _of_calls(
        self,
        at: TensorPair[int],
        users: Calls,
        candidate: FunctionCall,
        reference: FunctionCall,
        depth: int,
    ) -> bool:
        """Looks at two calls that made what differs, and is nothing that the other side has elsewhere."""
        inputs = pair_inputs(self._graphs, self._links, candidate, reference)
        made: Calls = {Side.CANDIDATE: candidate, Side.REFERENCE: reference}
        is_alike = are_alike(candidate, reference)
        if inputs.are_linked:
            for pair in inputs.plain:
                if all(self._graphs[side].maker(pair.of(side)) for side in SIDES):
                    return self.back(pair, made, depth + 1)
            if is_alike or self._are_taken_alike(users):
                return self._part(FindingKind.FUNCTION, at, made, users, is_firm=True)
            return self._region(at, users)
        ways = [pair for pair in (*inputs.loose, *inputs.unlike) if is_alike or not self._is_lone(pair)]
        terms = self._open_terms(candidate, reference)
        if terms is not None:
            ways, made = terms
        parted = [self.back(pair, made, depth + 1) for pair in ways]  # all of them: the first one counts
        if any(parted):
            return True
        if is_alike and not (inputs.unlike or inputs.left):
            return self._part(FindingKind.FUNCTION, at, made, users, is_firm=True)
        return self._region(at, users)

    def _open_terms(
        self, candidate: FunctionCall, reference: FunctionCall
    ) -> Optional[tuple[list[TensorPair[int]], Calls]]:
        """Returns the terms of two sums that have no partner, and the sums as one call each.

        None where the terms do not pair one by one, or no other sum lies in these.
        """
        calls = {Side.CANDIDATE: candidate, Side.REFERENCE: reference}
        if any(call.operation != _SUM for call in calls.values()):
            return None
        sums = {
            side: dataclasses.replace(call, inputs=self._terms(side, call)) for side, call in calls.items()
        }
        if all(len(sums[side].inputs) == len(calls[side].inputs) for side in SIDES):
            return None
        inputs = pair_inputs(self._graphs, self._links, sums[Side.CANDIDATE], sums[Side.REFERENCE])
        ways = [*inputs.loose, *inputs.unlike]
        return (ways, sums) if ways and not inputs.left else None

    def _terms(self, side: Side, call: FunctionCall) -> tuple[int, ...]:
        """Returns what a sum adds; of a sum without a partner that it takes, what that adds."""
        graph, found = self._graphs[side], list[int]()
        for number in call.inputs:
            *_, first = graph.way_back(graph.spread_from(number))
            maker = graph.maker(first)
            is_known = any(self._links.are_linked(side, one) for one in (number, first))
            if is_known or maker is None or maker.operation != _SUM:
                found.append(number)
            else:
                found += self._terms(side, maker)
        return tuple(found)

    def _are_taken_alike(self, users: Calls) -> bool:
        """Whether what takes two tensors computes the same: a root divides where its inverse multiplies."""
        candidate, reference = users[Side.CANDIDATE], users[Side.REFERENCE]
        if candidate is None or reference is None:
            return candidate is reference
        return are_alike(candidate, reference) or candidate.is_layout or reference.is_layout

    def _is_lone(self, pair: TensorPair[int]) -> bool:
        """Whether one of two has a partner: of unlike calls they need not correspond."""
        return any(self._links.are_linked(side, pair.of(side)) for side in SIDES)

    def _of_another(self, at: TensorPair[int], users: Calls, made: Calls) -> bool:
        """Looks at two of which one at least is the partner of another tensor."""
        candidate, reference = made[Side.CANDIDATE], made[Side.REFERENCE]
        are_both = all(self._links.are_linked(side, at.of(side)) for side in SIDES)
        if not are_both and self._make_unlike_of_equals(candidate, reference):
            return self._part(FindingKind.FUNCTION, at, made, users, is_firm=True)
        for side, kind in ((Side.REFERENCE, FindingKind.MISSING), (Side.CANDIDATE, FindingKind.EXTRA)):
            # What one side hands on as it is, the other has made more of.
            handed_on = self._links.partners(other(side), at.of(other(side)))
            more = self._maker_of_more(side, at.of(side), handed_on)
            if more is not None:
                calls = {**made, side: more}
                is_firm = self._correspond(at, users) or self._takes_sound(side, more)
                return self._part(kind, at, calls, users, is_firm=is_firm)
        if not self._links.are_linked(Side.CANDIDATE, at.candidate):
            return self._region(at, users)
        is_firm = self._correspond(at, users)
        return self._part(FindingKind.OTHER_TENSOR, at, made, users, is_firm=is_firm)

    def _correspond(self, at: TensorPair[int], users: Calls) -> bool:
        """Whether what takes two tensors takes as many others on both sides, all of them sound."""
        given = [(side, user) for side, user in users.items() if user is not None]
        counts = {sum(map(self._graphs[side].tells, user.inputs)) for side, user in given}
        if len(given) == len(SIDES) and len(counts) > 1:
            return False
        return all(self._takes_sound(side, user, at.of(side)) for side, user in given)

    def _takes_sound(self, side: Side, call: FunctionCall, but: int = 0) -> bool:
        """Whether a call takes nothing unsound, `but` this tensor, as it is or with its elements moved."""
        graph, good = self._graphs[side], self._sound[side].good
        for number in call.inputs:
            way = list(graph.way_back(graph.spread_from(number)))
            if but not in way and not any(step in good or not graph.tells(step) for step in way):
                return False
        return True

    def _make_unlike_of_equals(
        self, candidate: Optional[FunctionCall], reference: Optional[FunctionCall]
    ) -> bool:
        if candidate is None or reference is None or not are_alike(candidate, reference):
            return False
        return pair_inputs(self._graphs, self._links, candidate, reference).are_linked

    def _maker_of_more(self, side: Side, tensor: int, handed_on: object) -> Optional[FunctionCall]:
        """Returns the last call that made a side's tensor of one of these; None where none lies before it."""
        assert isinstance(handed_on, (set, tuple, frozenset))
        if not handed_on or tensor in handed_on:
            return None
        maker = self._graphs[side].maker(tensor)
        calls = self._sound[side].cone(tensor) if not self._links.are_linked(side, tensor) else ()
        for call in [*([maker] if maker is not None else []), *reversed(calls)]:
            taken = (step for number in call.inputs for step in self._graphs[side].way_back(number))
            if any(step in handed_on for step in taken):
                return call
        return None

    def _layout(self, at: TensorPair[int], users: Calls) -> bool:
        """Finds which moves of elements part two tensors of the same numbers; False: none do."""
        ways = {side: list(self._graphs[side].way_back(at.of(side))) for side in SIDES}
        steps = self._last_agreement(ways)
        if steps is None:
            return False
        ours, theirs = self._deepest(ways, steps)
        while ours and theirs and self._agree(ways, TensorPair(candidate=ours - 1, reference=theirs - 1)):
            ours, theirs = ours - 1, theirs - 1
        calls: dict[Side, Optional[FunctionCall]] = {}
        takers: dict[Side, Optional[FunctionCall]] = {}
        for side, step in ((Side.CANDIDATE, ours), (Side.REFERENCE, theirs)):
            way, graph = ways[side], self._graphs[side]
            calls[side] = graph.maker(way[step - 1]) if step else None
            takers[side] = graph.maker(way[step - 2]) if step > 1 else users[side]
        return self._part(FindingKind.LAYOUT, at, calls, takers, is_firm=True)

    def _last_agreement(self, ways: Mapping[Side, list[int]]) -> Optional[TensorPair[int]]:
        """Returns by how many steps each side lies before the two the last time that they agree."""
        counts = (len(ways[side]) for side in (Side.CANDIDATE, Side.REFERENCE))
        ours, theirs = (range(count) for count in counts)
        steps = [TensorPair(candidate=i, reference=j) for i in ours for j in theirs if i + j]
        steps.sort(key=lambda step: step.candidate + step.reference)
        agreed = [step for step in steps if self._agree(ways, step)]
        return next((step for step in agreed if self._surely(ways, step)), agreed[0] if agreed else None)

    def _surely(self, ways: Mapping[Side, list[int]], step: TensorPair[int]) -> bool:
        """Whether two that agree do so in one order of axes alone: not where axes are of one length."""
        pair = _at_step(ways, step)
        shape = self._graphs[Side.CANDIDATE].tensors[pair.candidate].spec.shape
        lengths = [length for length in shape if length != 1]
        return self._links.likeness(pair) is Likeness.EQUAL or len(set(lengths)) == len(lengths)

    def _deepest(self, ways: Mapping[Side, list[int]], steps: TensorPair[int]) -> tuple[int, int]:
        """Returns the steps; a side that made none is followed back as far as it agrees, to name a call."""
        ours, theirs = steps.candidate, steps.reference
        for more in range(1, len(ways[Side.CANDIDATE])) if not ours else ():
            if self._agree(ways, TensorPair(candidate=more, reference=theirs)):
                ours = more
        for more in range(1, len(ways[Side.REFERENCE])) if not theirs else ():
            if self._agree(ways, TensorPair(candidate=ours, reference=more)):
                theirs = more
        return ours, theirs

    def _agree(self, ways: Mapping[Side, list[int]], step: TensorPair[int]) -> bool:
        pair = _at_step(ways, step)
        return self._links.stand(pair) and self._is_in_place(pair)

    def _is_in_place(self, pair: TensorPair[int]) -> bool:
        """Whether two that stand for each other have their axes in the order that their shapes tell."""
        shapes = [self._graphs[side].tensors[pair.of(side)].spec.shape for side in SIDES]
        return self._links.likeness(pair) is Likeness.EQUAL or shapes[0] != shapes[1]

    def _through(self, at: TensorPair[int], users: Calls, side: Side) -> Calls:
        """Returns what takes the two when the way goes on before a move: the move, if nothing else did."""
        return users if users[side] is not None else {**users, side: self._graphs[side].maker(at.of(side))}

    def _region(self, at: TensorPair[int], users: Calls) -> bool:
        made = {side: self._graphs[side].maker(at.of(side)) for side in SIDES}
        return self._part(FindingKind.REGION, at, made, users, is_firm=self._correspond(at, users))

    def _part(
        self, kind: FindingKind, at: TensorPair[int], calls: Calls, users: Calls, *, is_firm: bool
    ) -> bool:
        self.found.append(Parting(kind=kind, at=at, calls=calls, users=users, is_firm=is_firm))
        return True


def _at_step(ways: Mapping[Side, list[int]], step: TensorPair[int]) -> TensorPair[int]:
    return TensorPair(
        candidate=ways[Side.CANDIDATE][step.candidate], reference=ways[Side.REFERENCE][step.reference]
    )


def _with(pair: TensorPair[int], side: Side, tensor: int) -> TensorPair[int]:
    if side is Side.CANDIDATE:
        return TensorPair(reference=pair.reference, candidate=tensor)
    return TensorPair(reference=tensor, candidate=pair.candidate)
