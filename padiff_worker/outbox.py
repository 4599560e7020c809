"""The outbox of a step: a queue bounded in bytes between the model's thread and the stream's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class StepCancelled(BaseException):
    """Ends a step at its next hook. No Exception, so that user code does not swallow it."""


class Outbox(Generic[T]):
    """Items in order, from any thread to one reader; `put` blocks while more than `budget_bytes` wait.

    One item larger than the budget passes when nothing else waits.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._waiting_bytes = 0
        self._finished = False
        self._cancelled = False
        self._changed = threading.Condition()
        # How many threads wait for a change: mostly none, and to notify takes long.
        self._waiters = 0

    def put(self, item: T, byte_count: int = 0) -> None:
        """Appends an item; blocks while it would exceed the budget. Raises StepCancelled."""
        with self._changed:
            while (
                not self._cancelled
                and byte_count
                and self._waiting_bytes
                and self._waiting_bytes + byte_count > self._budget
            ):
                self._wait()
            if self._cancelled:
                raise StepCancelled
            self._items.append((item, byte_count))
            self._waiting_bytes += byte_count
            self._notify()

    def put_first(self, item: T) -> None:
        """Puts an item without bytes before all others; forgotten after `cancel`."""
        with self._changed:
            if not self._cancelled:
                self._items.appendleft((item, 0))
                self._notify()

    def finish(self) -> None:
        """Nothing more will be put: the reader ends when the queue is empty."""
        with self._changed:
            self._finished = True
            self._notify()

    def cancel(self) -> None:
        """Drops what waits and makes every `put` raise StepCancelled; ends the reader."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._notify()

    def __iter__(self) -> Iterator[tuple[T, bool]]:
        """Yields (item, whether the queue is empty behind it); one reader.

        An item's bytes leave the budget when the next one is asked for, that is, when it was sent.
        """
        sent_bytes = 0
        while True:
            with self._changed:
                if sent_bytes:
                    self._waiting_bytes -= sent_bytes
                    self._notify()
                while not (self._items or self._finished or self._cancelled):
                    self._wait()
                if not self._items:
                    return
                item, sent_bytes = self._items.popleft()
                is_last = not self._items
            yield item, is_last
            del item

    def _wait(self) -> None:
        self._waiters += 1
        self._changed.wait()
        self._waiters -= 1

    def _notify(self) -> None:
        if self._waiters:
            self._changed.notify_all()
