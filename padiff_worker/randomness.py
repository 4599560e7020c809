"""A model's random decisions: shared, switched off, or left to its framework and named."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Optional

from padiff_rpc.records import record
from padiff_rpc.v1.records import RandomOperation, RandomPair
from padiff_rpc.v1.words import Randomness
from padiff_worker.calls import Call, CallLog
from padiff_worker.draws import Draw

# The pair of what is decided outside every call of a listed layer.
OUTSIDE_PAIR = 2**32 - 1

# Gives the numbers of the next random operation; called once for each mask.
Drawing = Callable[[], Draw]
# Given an operation's name, a function that performs it, and its arguments, performs it.
Around = Callable[[str, Callable[[], Any], tuple[Any, ...], Mapping[str, Any]], Any]


@record
class Operation:
    """A random operation of a framework, and what takes its place.

    All functions get the operation's own arguments, `shared` and `off` the original before them.

    Attributes:
        name: as its framework names it.
        draws: how many masks a call with these arguments makes; False or 0: it decides nothing.
        shared: computes it with the numbers of `draw()`, which is called for each mask; may return
            NotImplemented before it called that. None: only the framework can do it.
        off: what dropout is when it is switched off; None: it is no dropout.
        is_composed: made by its framework from other operations, which are shared or not in their turn.
    """

    name: str
    draws: Callable[..., int] = lambda *args, **kwargs: 1
    shared: Optional[Callable[..., Any]] = None
    off: Optional[Callable[..., Any]] = None
    is_composed: bool = False


@dataclass
class _Position:
    """Where a generator's state was read."""

    state: Any  # kept, so that its id stays its own
    key: Call
    draws: int
    running: tuple[Call, ...]


@record
class DrawKeys:
    """What the keys of shared draws are made of; `pairs`: the layers whose calls are keys."""

    seed: int = 0
    step: int = 0
    pairs: tuple[RandomPair, ...] = ()


NO_KEYS = DrawKeys()


class Decisions:
    """What becomes of the random operations of one step, and which there were.

    Belongs to the thread that made it; what other threads do passes by unnoticed, except in backward:
    a framework may recompute on a thread of its own.

    Attributes:
        is_thorough: whether every operation is to be named, whatever that costs.
        generators: by name, functions that return what changes whenever a generator is drawn from; for
            what a framework cannot say otherwise.
        around: is given (name, run, args, kwargs) of each operation that decides something, and runs it.
    """

    def __init__(
        self,
        log: CallLog,
        mode: Randomness = Randomness.REPORT,
        keys: DrawKeys = NO_KEYS,
        *,
        is_thorough: bool = False,
    ) -> None:
        self.is_thorough = is_thorough
        self.generators: dict[str, Callable[[], Any]] = {}
        self.around: Around = lambda name, run, args, kwargs: run()
        self._log = log
        self._mode = mode
        self._seed = keys.seed
        self._step = keys.step
        self._pairs = {pair.path: pair.pair for pair in keys.pairs}
        self._found: list[RandomOperation] = []
        self._owner = os.getpid(), threading.get_ident()
        self._is_silent = False
        self._name = ""
        # The keys where no listed layer is being called: in general, and in what is being recomputed.
        self._outside = self._resumed = Call(path="", number=0, index=-1)
        self._positions: dict[int, _Position] = {}

    @property
    def operations(self) -> tuple[RandomOperation, ...]:
        """The random operations of the forward pass, in order; one that makes several masks, as often."""
        return tuple(self._found)

    def perform(self, operation: Operation, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Returns what the operation returns, having decided who draws."""
        count = 0 if self.passes_by else int(operation.draws(*args, **kwargs))
        if not count:
            return original(*args, **kwargs)
        perform = functools.partial(self._perform, operation, count, original, *args, **kwargs)
        return self.around(operation.name, perform, args, kwargs)

    def _perform(
        self, operation: Operation, count: int, original: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if operation.is_composed and self._mode is not Randomness.OFF:
            with self._named(operation.name):
                return original(*args, **kwargs)
        result = NotImplemented
        is_shared = operation.shared is not None
        with self._silence():
            if self._mode is Randomness.OFF:
                is_shared = operation.off is not None
                if operation.off is not None:
                    result = operation.off(original, *args, **kwargs)
            elif operation.shared is not None and self._mode is Randomness.SHARED:
                result = operation.shared(self.draw, original, *args, **kwargs)
                is_shared = result is not NotImplemented
            if result is NotImplemented:
                result = original(*args, **kwargs)
        for _ in range(count):
            self.note(operation.name, shared=is_shared)
        return result

    @property
    def passes_by(self) -> bool:
        """Whether what runs now is none of the model's, or a part of what was decided already."""
        if self._is_silent:
            return True
        process, thread = self._owner
        # A forked process (a data loader's worker) has the patches too.
        return os.getpid() != process or (threading.get_ident() != thread and not self._log.replaying)

    def note(self, name: str, *, shared: bool, call: Optional[Call] = None) -> None:
        """Names an operation of `call`, or of the innermost one; what is recomputed has been named."""
        if self._log.replaying:
            return
        call = call or self._log.innermost or self._outside
        self._found.append(
            RandomOperation(path=call.path, call=call.number, name=self._name or name, shared=shared)
        )

    def draw(self) -> Draw:
        """Returns the numbers of the next operation of the call that is its key."""
        call = self._key()
        ordinal, call.draws = call.draws, call.draws + 1
        pair = OUTSIDE_PAIR if call is self._outside else self._pairs[call.path]
        return Draw(seed=self._seed, step=self._step, pair=pair, call=call.number, ordinal=ordinal)

    def remember(self, state: Any) -> None:
        """A generator's state was read: `resume` with that very object will go on from here.

        It is how recomputation finds back to where its segment began, which need not be a call's entry.
        """
        if self._mode is Randomness.SHARED and not self.passes_by:
            key = self._key()
            self._positions[id(state)] = _Position(
                state=state,
                key=key,
                draws=key.draws,
                # What ran in the forward pass will not be running then.
                running=self._log.running if self._log.replaying else (),
            )

    def resume(self, state: Any) -> None:
        """A generator was set back in backward, and so the keys are: the same numbers come again."""
        position = self._positions.get(id(state))
        if position is not None and self._log.replaying:
            self._log.running = position.running
            self._resumed = position.key
            position.key.draws = position.draws

    def _key(self) -> Call:
        """Returns the innermost listed call, or what stands for there being none."""
        rest = self._resumed if self._log.replaying else self._outside
        return self._log.innermost_of(self._pairs) or rest

    @contextmanager
    def _silence(self) -> Iterator[None]:
        self._is_silent = True
        try:
            yield
        finally:
            self._is_silent = False

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        before, self._name = self._name, self._name or name
        try:
            yield
        finally:
            self._name = before
