"""Calls and tensors of one side in one pass: what lies in what, and where each tensor shows."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Optional, Union

from padiff_rpc.records import record
from padiff_rpc.v1.records import CallEvent, Slot
from padiff_rpc.v1.words import CallMoment, Side

# (path, call number)
CallName = tuple[str, int]


class Origin(NamedTuple):
    """Where a tensor was first seen, which names it in every step alike.

    `own_gradient`: it stands for what the call there alone sends back (see `Slot.gradient`).
    """

    path: str
    call: int
    moment: CallMoment
    slot: str
    own_gradient: bool = False


# What the reference shows: a tensor, by where it is first seen; or the gradient of a parameter, or of several
# that make one of the candidate's, by their names (see `Counterparts.reference_name`).
TensorKey = Union[Origin, str]


@record
class SeenCall:
    """One side's event; `index` counts that side's events from 0, in execution order."""

    index: int
    event: CallEvent

    @property
    def name(self) -> CallName:
        return self.event.path, self.event.call

    def origin(self, slot: Slot) -> Origin:
        """Returns the place of one of the event's slots."""
        return Origin(self.event.path, self.event.call, self.event.moment, slot.name)


class Shown(NamedTuple):
    """A slot that shows a tensor, and the event that it is of."""

    at: SeenCall
    slot: Slot

    @property
    def origin(self) -> Origin:
        return self.at.origin(self.slot)


@record
class TracedCall:
    """One call of a layer.

    Attributes:
        parent: the call inside which it was made; None for the outermost.
        place: how many calls the parent had made before.
        exit: None where the call raised.
    """

    entry: SeenCall
    parent: Optional[CallName]
    place: int
    exit: Optional[SeenCall] = None

    @property
    def name(self) -> CallName:
        return self.entry.name


@record
class Trace:
    """One side's events of one pass, replays left out, in order of execution.

    It is the one answer to which call made which, what came before and after it, and which calls show a
    tensor.
    """

    events: tuple[CallEvent, ...] = ()

    @classmethod
    def of_events(cls, events: Iterable[CallEvent]) -> Trace:
        """Returns the trace of a pass of whose events some may be replays."""
        return cls(events=tuple(event for event in events if not event.replay))

    def without(self, paths: Iterable[str]) -> Trace:
        """Returns the trace as a pass shows it that leaves out the calls of these layers."""
        skipped = frozenset(paths)
        return Trace(events=tuple(event for event in self.events if event.path not in skipped))

    @cached_property
    def seen(self) -> Sequence[SeenCall]:
        """The events and their numbers."""
        return [SeenCall(index=index, event=event) for index, event in enumerate(self.events)]

    @cached_property
    def calls(self) -> Mapping[CallName, TracedCall]:
        """The calls by their names, in the order in which they began."""
        begun: dict[CallName, TracedCall] = {}
        exits: dict[CallName, SeenCall] = {}
        made: Counter[Optional[CallName]] = Counter()
        stack: list[CallName] = []
        for seen in self.seen:
            name = seen.name
            if seen.event.moment is CallMoment.EXIT:
                if name in begun:
                    exits.setdefault(name, seen)
                if name in stack:
                    # What lies above has missed its exit: the model caught an exception.
                    del stack[stack.index(name) :]
                continue
            parent = stack[-1] if stack else None
            stack.append(name)
            if name not in begun:
                begun[name] = TracedCall(entry=seen, parent=parent, place=made[parent])
                made[parent] += 1
        return {name: dataclasses.replace(call, exit=exits.get(name)) for name, call in begun.items()}

    @cached_property
    def _by_parent(self) -> Mapping[Optional[CallName], Sequence[CallName]]:
        found: defaultdict[Optional[CallName], list[CallName]] = defaultdict(list)
        for call in self.calls.values():
            found[call.parent].append(call.name)
        return found

    @cached_property
    def _by_layer(self) -> Mapping[str, Sequence[TracedCall]]:
        found: defaultdict[str, list[TracedCall]] = defaultdict(list)
        for call in self.calls.values():
            found[call.entry.event.path].append(call)
        return found

    @cached_property
    def _shown(self) -> Mapping[int, Sequence[Shown]]:
        found: defaultdict[int, list[Shown]] = defaultdict(list)
        for seen in self.seen:
            for slot in seen.event.slots:
                found[slot.tensor].append(Shown(seen, slot))
        return found

    def parent(self, name: CallName) -> Optional[CallName]:
        """Returns the call inside which a call was made; None for the outermost, and for an unknown one."""
        call = self.calls.get(name)
        return call.parent if call is not None else None

    def parents(self, name: CallName) -> list[CallName]:
        """Returns the calls inside which a call was made, innermost first."""
        found = []
        parent = self.parent(name)
        while parent is not None:
            found.append(parent)
            parent = self.parent(parent)
        return found

    def common_parent(self, names: Sequence[CallName]) -> Optional[CallName]:
        """Returns the innermost call inside which all of them were made."""
        others = [set(self.parents(name)) for name in names[1:]]
        return next((one for one in self.parents(names[0]) if all(one in other for other in others)), None)

    def before(self, name: CallName) -> Optional[CallName]:
        """Returns the call that the same parent made before; None for its first."""
        return self._neighbour(name, -1)

    def after(self, name: CallName) -> Optional[CallName]:
        """Returns the call that the same parent made next; None for its last."""
        return self._neighbour(name, 1)

    def _neighbour(self, name: CallName, way: int) -> Optional[CallName]:
        call = self.calls.get(name)
        if call is None:
            return None
        siblings, place = self._by_parent[call.parent], call.place + way
        return siblings[place] if 0 <= place < len(siblings) else None

    def has(self, event: CallEvent) -> bool:
        """Whether the pass has this call, and got as far in it."""
        call = self.calls.get((event.path, event.call))
        return call is not None and (event.moment is CallMoment.ENTRY or call.exit is not None)

    def exit_of(self, name: CallName) -> Optional[SeenCall]:
        """Returns where a call ended; None where it raised, or is unknown."""
        call = self.calls.get(name)
        return call.exit if call is not None else None

    def of_layer(self, path: str) -> Sequence[TracedCall]:
        """Returns a layer's calls, in the order in which they began."""
        return self._by_layer.get(path, ())

    def exits(self, path: str) -> Sequence[SeenCall]:
        """Returns the exits of a layer's calls, in order of execution."""
        exits = (call.exit for call in self.of_layer(path))
        return sorted((end for end in exits if end is not None), key=lambda end: end.index)

    @property
    def is_whole(self) -> bool:
        """Whether the model's own call ended, so that what broke off came behind its forward pass."""
        return bool(self.exits(""))

    @property
    def returned(self) -> Sequence[Slot]:
        """What the whole model returned."""
        return next((end.event.slots for end in self.exits("")), ())

    def shown(self, tensor: int) -> Sequence[Shown]:
        """Returns all slots that show a tensor, in order of execution."""
        return self._shown.get(tensor, ())

    def first(self, tensor: int) -> Shown:
        """Returns where a tensor of the pass is first seen."""
        return self._shown[tensor][0]

    def origins(self) -> Iterator[tuple[int, Origin]]:
        """Yields the numbers of tensors, then of calls' own gradients, and where each is first seen."""
        yield from ((tensor, shown[0].origin) for tensor, shown in self._shown.items())
        for event in self.events:
            yield from own_gradients(event)


def own_gradients(event: CallEvent) -> Iterator[tuple[int, Origin]]:
    """Yields the numbers of the gradients of a call's own, and what each stands for."""
    found: dict[int, str] = {}
    for slot in event.slots:
        if slot.gradient:
            found.setdefault(slot.gradient, slot.name)
    for number, name in found.items():
        yield number, Origin(event.path, event.call, event.moment, name, own_gradient=True)


# By side.
Traces = Mapping[Side, Trace]
