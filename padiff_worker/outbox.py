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

    def put(self, item: T, byte_count: int = 0) -> None:
        """Appends an item; blocks while it would exceed the budget. Raises StepCancelled."""
        with self._changed:
            while (
                not self._cancelled
                and byte_count
                and self._waiting_bytes
                and self._waiting_bytes + byte_count > self._budget
            ):
                self._changed.wait()
            if self._cancelled:
                raise StepCancelled
            self._items.append((item, byte_count))
            self._waiting_bytes += byte_count
            self._changed.notify_all()

    def put_first(self, item: T) -> None:
        """Puts an item without bytes before all others; forgotten after `cancel`."""
        with self._changed:
            if not self._cancelled:
                self._items.appendleft((item, 0))
                self._changed.notify_all()

    def finish(self) -> None:
        """Nothing more will be put: the reader ends when the queue is empty."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Drops what waits and makes every `put` raise StepCancelled; ends the reader."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[tuple[T, bool]]:
        """Yields (item, whether the queue is empty behind it); one reader.

        An item's bytes leave the budget when the next one is asked for, that is, when it was sent.
        """
        while True:
            with self._changed:
                while not (self._items or self._finished or self._cancelled):
                    self._changed.wait()
                if not self._items:
                    return
                item, byte_count = self._items.popleft()
                is_last = not self._items
            yield item, is_last
            del item
            with self._changed:
                self._waiting_bytes -= byte_count
                self._changed.notify_all()
