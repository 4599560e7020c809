"""Memory that captures are copied into, for a coordinator on the same host to read."""

from __future__ import annotations

import mmap
import threading
from bisect import insort
from contextlib import suppress
from typing import Optional

import numpy as np

from padiff_rpc.arena_file import (
    CAPTURES_AT,
    PLACES,
    STATES_AT,
    ArenaFile,
    NotSharedError,
    allocate,
    make,
)
from padiff_rpc.records import record
from padiff_rpc.tensors import Array, HostTensor, numpy_dtype
from padiff_rpc.v1.records import ArenaPlace, OfferArenaResponse, TensorSpec
from padiff_worker.settings import WorkerSettings

# The file grows by so much at a time, as far as its captures reach.
_GROWTH_BYTES = 16 << 20
# Captures begin at multiples of it: a line of a processor's cache.
_ALIGNMENT = 64
# Of Linux 5.14; older ones refuse it, and pages come as they are written.
_POPULATE_WRITE = 23


@record
class ArenaRoom:
    """Room for one capture: where it is, and its bytes, uint8 and undefined."""

    place: ArenaPlace
    content: Array

    def holding(self, spec: TensorSpec) -> HostTensor:
        """Returns a tensor of these bytes, which are as many as it needs."""
        array = self.content.view(numpy_dtype(spec.dtype)).reshape(spec.shape)
        return HostTensor(array=array, dtype=spec.dtype)


class Arena:
    """Gives room to captures, and takes it back when the coordinator has said that it is done. Thread-safe.

    The lowest free stretch that is large enough is taken, so that no more memory is used than captures need
    at one time.
    """

    def __init__(self, file: ArenaFile) -> None:
        """The file is the caller's, and stays open as long as this is used."""
        self._file = file
        self._mapped = mmap.mmap(file.descriptor, file.size)
        content = np.frombuffer(self._mapped, np.uint8)
        self._content = content
        self._states = content[STATES_AT : STATES_AT + PLACES]
        self._lock = threading.Lock()
        self._size = file.size
        self._allocated = CAPTURES_AT
        # (start, end), in order, with something between each two.
        self._free = [(CAPTURES_AT, file.size)]
        self._unused = list(range(PLACES - 1, -1, -1))
        self._taken: dict[int, tuple[int, int]] = {}
        # What the states of all places were when we last wrote them.
        self._lent = np.zeros(PLACES, np.uint8)

    def take(self, size: int) -> Optional[ArenaRoom]:
        """Returns room for `size` bytes, at least one; None where there is none just now."""
        needed = -(-size // _ALIGNMENT) * _ALIGNMENT
        with self._lock:
            self._take_back()
            found = next((one for one in self._free if one[1] - one[0] >= needed), None)
            if found is None or not self._unused or not self._grown_to(found[0] + needed):
                return None
            start, end = found[0], found[0] + needed
            index = self._free.index(found)
            self._free[index : index + 1] = [(end, found[1])] if end < found[1] else []
            place = self._unused.pop()
            self._taken[place] = start, end
            self._states[place] = self._lent[place] = 1
        return ArenaRoom(
            place=ArenaPlace(place=place, offset=start, bytes=size),
            content=self._content[start : start + size],
        )

    def _take_back(self) -> None:
        for place in np.flatnonzero(self._states != self._lent).tolist():
            self._lent[place] = 0
            stretch = self._taken.pop(place)
            self._unused.append(place)
            insort(self._free, stretch)
            self._join(self._free.index(stretch))

    def _join(self, index: int) -> None:
        """Makes one of the free stretch at `index` and of those that touch it."""
        start, end = self._free[index]
        first = last = index
        if index and self._free[index - 1][1] == start:
            first, start = index - 1, self._free[index - 1][0]
        if index + 1 < len(self._free) and self._free[index + 1][0] == end:
            last, end = index + 1, self._free[index + 1][1]
        self._free[first : last + 1] = [(start, end)]

    def _grown_to(self, end: int) -> bool:
        """Returns whether the file has blocks up to there; where its folder is full, it grows no more."""
        if end <= self._allocated:
            return True
        if end > self._size:
            return False
        reach = min(max(end, self._allocated + _GROWTH_BYTES), self._size)
        try:
            allocate(self._file.descriptor, self._allocated, reach - self._allocated)
        except OSError:
            self._size = self._allocated
            return False
        start = self._allocated - self._allocated % mmap.PAGESIZE
        with suppress(OSError):
            self._mapped.madvise(_POPULATE_WRITE, start, reach - start)
        self._allocated = reach
        return True


class ArenaOffer:
    """The arena of one lease, from the offer of its file to the lease's end. Thread-safe.

    Attributes:
        arena: None until the coordinator has mapped the file.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._file: Optional[ArenaFile] = None
        self._has_ended = False
        self.arena: Optional[Arena] = None

    def offer(self) -> OfferArenaResponse:
        """Makes the file anew; returns where it is, or why there is none."""
        with self._lock:
            self._drop()
            if self._has_ended:  # while this call was on its way
                return OfferArenaResponse(refusal="the worker's lease has ended")
            try:
                file = self._file = make(self._settings.arena_folder, self._settings.arena_bytes)
            except NotSharedError as error:
                return OfferArenaResponse(refusal=str(error))
        return OfferArenaResponse(name=file.name, size=file.size, nonce=file.nonce)

    def settle(self, *, mapped: bool) -> None:
        """Takes the file's name away; captures go into it where the coordinator has `mapped` it."""
        with self._lock:
            if self._file is None:
                return
            if mapped and self.arena is None:
                self._file.unnamed()
                self.arena = Arena(self._file)
            else:
                self._drop()

    def end(self) -> None:
        """The lease is over, and nothing is offered any more; may be called twice."""
        with self._lock:
            self._has_ended = True
            self._drop()

    def _drop(self) -> None:
        self.arena = None
        file, self._file = self._file, None
        if file is not None:
            file.close()
