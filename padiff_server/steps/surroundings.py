"""Surroundings of a call: the call that made it, and its neighbours there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import CallMoment

# (path, call number)
CallName = tuple[str, int]


@dataclass
class _Around:
    parent: Optional[CallName]
    before: Optional[CallName] = None
    after: Optional[CallName] = None


class Surroundings:
    """The nesting of one side's calls in one step."""

    def __init__(self, events: Iterable[CallEvent]) -> None:
        self._around: dict[CallName, _Around] = {}
        stack: list[CallName] = []
        last_child: dict[Optional[CallName], CallName] = {}
        for event in events:
            name = (event.path, event.call)
            if event.moment is CallMoment.EXIT:
                if name in stack:
                    # What lies above has missed its exit: the model caught an exception.
                    del stack[stack.index(name) :]
                continue
            parent = stack[-1] if stack else None
            before = last_child.get(parent)
            if before is not None:
                self._around[before].after = name
            self._around[name] = _Around(parent=parent, before=before)
            last_child[parent] = name
            stack.append(name)

    def parent(self, name: CallName) -> Optional[CallName]:
        """Returns the call inside which a call was made; None for the outermost."""
        around = self._around.get(name)
        return around.parent if around is not None else None

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
        around = self._around.get(name)
        return around.before if around is not None else None

    def after(self, name: CallName) -> Optional[CallName]:
        """Returns the call that the same parent made next; None for its last."""
        around = self._around.get(name)
        return around.after if around is not None else None
