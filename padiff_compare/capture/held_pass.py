"""One side's pass, held and shown again as a source: nothing runs."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from padiff_compare.capture.source import Announced, HeldCapture, NumberedTensors, StepItem
from padiff_compare.capture.store import TensorStore
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, OverrideTicket, StepStart, StepSummary
from padiff_rpc.v1.words import Phase


class HeldPass:
    """The calls and captures of a side in the order in which they came.

    One thread fills it, then one reads it: as a source it shows them once, and hands over what it holds. Its
    tensors lie in the store, and so beyond the memory limit in files.
    """

    def __init__(self, store: TensorStore) -> None:
        self._store = store
        self._held: deque[StepItem] = deque()

    def called(self, event: CallEvent) -> None:
        self._held.append(event)

    def announced(self, capture: Announced) -> None:
        self._held.append(capture)

    def arrived(self, capture: HeldCapture) -> None:
        """Holds a capture's array, which another may release; to be told before that other has it."""
        self._store.hold(capture.tensor.array)
        self._held.append(capture)

    def ended(self, summary: StepSummary) -> None:
        """Takes the worker's account, which ends the pass. Showing takes no time of the worker's."""
        self._held.append(dataclasses.replace(summary, seconds=()))

    def digest(self) -> str:
        """Returns what tells its calls and values from others, whatever line of code made them."""
        digest = hashlib.sha256()
        for item in self._held:
            if isinstance(item, CallEvent):
                digest.update(repr(dataclasses.replace(item, source=None)).encode())
            elif isinstance(item, HeldCapture):
                content = zlib.crc32(np.ascontiguousarray(item.tensor.array).view(np.uint8).data)
                named = item.capture, item.tensor.spec, item.sum_squares, content
                digest.update(repr(named).encode())
        return digest.hexdigest()

    def open_step(self, start: StepStart, tensors: NumberedTensors) -> HeldPass:
        """Returns itself: the step has run, whatever its start."""
        return self

    def items(self) -> Iterator[StepItem]:
        """Yields all again; an array is the reader's once its item is yielded.

        Whoever closes it meanwhile, from another thread, takes what is left.
        """
        with contextlib.suppress(IndexError):
            while True:
                yield self._held.popleft()

    def acknowledge(self, phase: Phase) -> None:
        """Does nothing: no phase waits."""

    def absent(self, ticket: OverrideTicket) -> None:
        """Does nothing: no place asks."""

    def override(self, ticket: OverrideTicket, tensor: HostTensor, sent: Callable[[], None]) -> None:
        """Takes nothing in; the bytes are not needed."""
        sent()

    def count_traffic(self, byte_counts: Mapping[Phase, int]) -> None:
        """Does nothing: nothing crosses."""

    def close(self) -> None:
        """Releases what nobody was shown; may be called twice."""
        for item in self.items():
            if isinstance(item, HeldCapture):
                self._store.release(item.tensor.array)
