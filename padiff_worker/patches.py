"""A framework's random operations, taken over for the length of a step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from padiff_worker.randomness import Decisions, Operation

# Where an operation is reached, its name there, and what takes its place.
Patch = tuple[Any, str, Operation]


@contextmanager
def patched(decisions: Decisions, patches: Iterable[Patch]) -> Iterator[None]:
    """Puts `decisions` in front of the attributes (owner, name) for the length of the block.

    An attribute that does not exist is left out: frameworks differ by version.
    """
    undo: list[Callable[[], None]] = []
    try:
        for owner, name, operation in patches:
            if hasattr(owner, name):
                undo.append(replace(owner, name, _decided(decisions, operation, getattr(owner, name))))
        yield
    finally:
        for put_back in reversed(undo):
            put_back()


@contextmanager
def watched_states(
    decisions: Decisions, owner: Any, *, reads: Iterable[str], sets: Iterable[str]
) -> Iterator[None]:
    """Tells `decisions` of every generator state that `owner`'s functions read or set."""
    undo: list[Callable[[], None]] = []
    try:
        for name in reads:
            undo.append(replace(owner, name, _reading(decisions, getattr(owner, name))))
        for name in sets:
            undo.append(replace(owner, name, _setting(decisions, getattr(owner, name))))
        yield
    finally:
        for put_back in reversed(undo):
            put_back()


def replace(owner: Any, name: str, value: Any) -> Callable[[], None]:
    """Sets an attribute and returns what sets it back: one that was inherited is deleted again."""
    is_own = name in vars(owner)
    before = vars(owner).get(name)
    setattr(owner, name, value)
    return lambda: setattr(owner, name, before) if is_own else delattr(owner, name)


def _decided(decisions: Decisions, operation: Operation, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def perform(*args: Any, **kwargs: Any) -> Any:
        return decisions.perform(operation, original, *args, **kwargs)

    return perform


def _reading(decisions: Decisions, original: Callable[..., Any]) -> Callable[..., Any]:
    def read(*args: Any, **kwargs: Any) -> Any:
        state = original(*args, **kwargs)
        decisions.remember(state)
        return state

    return read


def _setting(decisions: Decisions, original: Callable[..., Any]) -> Callable[..., Any]:
    def set_back(state: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(state, *args, **kwargs)
        decisions.resume(state)
        return result

    return set_back
