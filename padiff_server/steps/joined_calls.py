"""Calls of both sides in one pass, joined: each side's trace, and how the plan pairs the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Optional

from padiff_rpc.records import record
from padiff_rpc.v1.records import RandomOperation
from padiff_rpc.v1.words import Side
from padiff_server.alignment.plan import Plan
from padiff_server.capture.trace import CallName, SeenCall, Trace, Traces
from padiff_server.sides import SIDES
from padiff_server.steps.calls import CallPair, CallPairs, HeldCalls

Operations = Mapping[Side, tuple[RandomOperation, ...]]


@record
class JoinedCalls:
    """One pass of both sides, when it is over.

    Attributes:
        pairs: in the order in which they were completed.
        held: pairs one of whose tensors another place was to show, and did not.
        partnerless: entries of calls whose layers have no partner in the plan, in order of execution.
        unpaired: one event of each call without a counterpart, in order of execution.
    """

    plan: Plan
    traces: Traces
    pairs: tuple[CallPair, ...]
    held: tuple[HeldCalls, ...]
    partnerless: Mapping[Side, tuple[SeenCall, ...]]
    unpaired: Mapping[Side, tuple[SeenCall, ...]]

    @classmethod
    def of_calls(cls, plan: Plan, traces: Traces, calls: CallPairs) -> JoinedCalls:
        """Returns the pass of these traces, all of whose events `calls` has paired."""
        return cls(
            plan=plan,
            traces=traces,
            pairs=tuple(calls.pairs),
            held=tuple(calls.held),
            partnerless={side: calls.without_partner(side) for side in SIDES},
            unpaired={side: tuple(calls.unpaired(side)) for side in SIDES},
        )

    @cached_property
    def recorded(self) -> Mapping[Side, Trace]:
        """The traces as steps show them, which leave out what is not compared on purpose."""
        return {side: self.traces[side].without(self.plan.skip_paths(side)) for side in SIDES}

    @cached_property
    def ordered(self) -> Mapping[Side, tuple[CallPair, ...]]:
        """The pairs in each side's order of execution."""
        return {
            Side.REFERENCE: tuple(sorted(self.pairs, key=lambda pair: pair.reference.index)),
            Side.CANDIDATE: tuple(sorted(self.pairs, key=lambda pair: pair.candidate.index)),
        }

    @cached_property
    def names(self) -> frozenset[CallName]:
        """The names of all pairs."""
        return frozenset(pair.name for pair in self.pairs)

    def parent(self, pair: CallPair) -> Optional[CallName]:
        """Returns the innermost paired call inside which the reference made this one; None for none."""
        parents = self.traces[Side.REFERENCE].parents(pair.reference.name)
        return next((name for name in parents if name in self.names), None)

    def call_around(self, side: Side, pair: CallPair) -> Optional[CallName]:
        """Returns the innermost paired call that `calls_around` a side's call, itself left out."""
        outer = self.calls_around(side, pair.seen(side).name)
        return next((name for name in outer if name in self.names and name != pair.name), None)

    def begun(self, operations: Operations) -> Operations:
        """Returns those of the operations that were made in calls which both sides began."""
        return {
            side: tuple(
                one
                for one in operations[side]
                if next(iter(self.calls_around(side, (one.path, one.call))), None) in self.names
            )
            for side in SIDES
        }

    def calls_around(self, side: Side, name: CallName) -> Iterable[CallName]:
        """Yields a call and those that it lies in, innermost first, by (reference path, call number).

        Calls of layers without a partner are left out. A call that the pass does not show counts as lying
        in the first calls of the layers around its layer.
        """
        names = [name, *self.traces[side].parents(name)]
        if len(names) == 1:
            above = name[0]
            while above:
                above = above.rpartition(".")[0]
                names.append((above, 0))
        for path, call in names:
            found = self.plan.call_pair(side, path, call)
            if found is not None:
                layer, number = found
                yield layer.reference, number


def join_calls(plan: Plan, traces: Traces) -> JoinedCalls:
    """Returns the calls of two traces as the plan pairs them."""
    calls = CallPairs(plan)
    for side in SIDES:
        for event in traces[side].events:
            calls.add(side, event)
    return JoinedCalls.of_calls(plan, traces, calls)
