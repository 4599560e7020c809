"""Memory that one process lays tensors into, for another one on the same host to read.

`Arena` is the end that lays them there and `ArenaView` the end that reads; each worker shares one arena with
the coordinator in each direction.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
import weakref
from bisect import insort
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Optional

import numpy as np

from padiff_rpc.arena_file import (
    PLACES,
    STATES_AT,
    TENSORS_AT,
    ArenaFile,
    allocate,
)
from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import record
from padiff_rpc.tensors import Array, HostTensor, numpy_dtype
from padiff_rpc.v1.records import ArenaPlace, TensorSpec

# The file grows by so much at a time, as far as its tensors reach.
_GROWTH_BYTES = 16 << 20
# Tensors begin at multiples of it: a line of a processor's cache.
_ALIGNMENT = 64
# Of Linux 5.14; older ones refuse it, and pages come as they are written.
_POPULATE_WRITE = 23
# The header of a smaller one travels anyway, and its bytes cost that less than a place would.
LEAST_SHARED_BYTES = 4096
# What a stream leaves in the arena before it waits for its reader, how often it looks, and for how long.
_AHEAD_BYTES = 32 << 20
_LOOK_SECONDS = 0.0005
_PATIENCE_SECONDS = 0.5


@record
class ArenaRoom:
    """Room for one tensor: where it is, and its bytes, uint8 and undefined."""

    place: ArenaPlace
    content: Array

    def holding(self, spec: TensorSpec) -> HostTensor:
        """Returns a tensor of these bytes, which are as many as it needs."""
        array = self.content.view(numpy_dtype(spec.dtype)).reshape(spec.shape)
        return HostTensor(array=array, dtype=spec.dtype)


@record
class LaidTensor:
    """A tensor, and where in the arena it lies; nowhere, where it is to travel."""

    tensor: HostTensor
    place: Optional[ArenaPlace] = None


# Returns room for so many bytes, or None where they are to travel.
TakeRoom = Callable[[int], Optional[ArenaRoom]]


class Arena:
    """Gives room to tensors, and takes it back when their reader has said that it is done. Thread-safe.

    The lowest free stretch that is large enough is taken, so that no more memory is used than tensors need
    at one time.
    """

    def __init__(self, file: ArenaFile) -> None:
        """The file is the caller's, who may close it behind this."""
        self._mapped = file.mapped()
        # Of our own, so that its number is no other file's as long as we use it.
        self._descriptor = os.dup(file.descriptor)
        weakref.finalize(self, os.close, self._descriptor)
        content = np.frombuffer(self._mapped, np.uint8)
        self._content = content
        self._states = content[STATES_AT : STATES_AT + PLACES]
        self._lock = threading.Lock()
        self._size = file.size
        self._allocated = TENSORS_AT
        # (start, end), in order, with something between each two.
        self._free = [(TENSORS_AT, file.size)]
        self._unused = list(range(PLACES - 1, -1, -1))
        # Where each place begins and ends, and for what stream it was taken.
        self._taken: dict[int, tuple[int, int, Optional[SharedStream]]] = {}
        self._taken_bytes: Counter[Optional[SharedStream]] = Counter()
        # What the states of all places were when we last wrote them.
        self._lent = np.zeros(PLACES, np.uint8)

    def take(self, size: int, stream: Optional[SharedStream] = None) -> Optional[ArenaRoom]:
        """Returns room for `size` bytes, at least one; None where there is none just now.

        `stream`: for which it is, where it is for one.
        """
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
            self._taken[place] = start, end, stream
            self._taken_bytes[stream] += needed
            self._states[place] = self._lent[place] = 1
        return ArenaRoom(
            place=ArenaPlace(place=place, offset=start, bytes=size),
            content=self._content[start : start + size],
        )

    def lent_bytes(self, stream: Optional[SharedStream] = None) -> int:
        """Returns how much the reader is not done with: of one stream, or of all that was taken."""
        with self._lock:
            self._take_back()
            return sum(self._taken_bytes.values()) if stream is None else self._taken_bytes[stream]

    def _take_back(self) -> None:
        for place in np.flatnonzero(self._states != self._lent).tolist():
            self._lent[place] = 0
            start, end, stream = self._taken.pop(place)
            self._taken_bytes[stream] -= end - start
            if not self._taken_bytes[stream]:
                del self._taken_bytes[stream]
            self._unused.append(place)
            insort(self._free, (start, end))
            self._join(self._free.index((start, end)))

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
            allocate(self._descriptor, self._allocated, reach - self._allocated)
        except OSError:
            self._size = self._allocated
            return False
        start = self._allocated - self._allocated % mmap.PAGESIZE
        with suppress(OSError):
            self._mapped.madvise(_POPULATE_WRITE, start, reach - start)
        self._allocated = reach
        return True


class ArenaView:
    """Shows what lies in an arena as arrays, which give its room back when they end.

    Thread-safe, and without a lock: arrays may end anywhere, a lock's block too.
    """

    def __init__(self, file: ArenaFile) -> None:
        """The file is the caller's, who may close it behind this."""
        self._content = np.frombuffer(file.mapped(), np.uint8)
        self._states = self._content[STATES_AT : STATES_AT + PLACES]
        self._address = self._content.ctypes.data
        # Of what is lent, by place.
        self._sizes = np.zeros(PLACES, np.int64)

    @property
    def is_scarce(self) -> bool:
        """Whether more than three quarters of it are lent, so that what is kept for long is to be copied."""
        return bool(4 * self._sizes.sum() > 3 * self._content.size)

    def lent(self, place: ArenaPlace) -> Array:
        """Returns the bytes that lie at a place, without a copy.

        The other end has them back when the array, and every array that was made of it, is gone. Raises
        ProtocolError for a place that no tensor can have.
        """
        number, start, size, total = place.place, place.offset, place.bytes, self._content.size
        if number >= PLACES or not TENSORS_AT <= start <= start + size <= total or not size:
            raise ProtocolError(
                f"a tensor claims place {number}, {size:,} bytes at {start:,} of an arena of {total:,}"
            )
        if self._sizes[number]:
            raise ProtocolError(f"a tensor claims place {number} of the arena, where another one still lies")
        self._sizes[number] = size
        return np.asarray(_Loan(self, number, self._address + start, size))

    def give_back(self, place: int) -> None:
        """Lets the other end have a place for another tensor."""
        self._sizes[place] = 0
        self._states[place] = 0


class _Loan:
    """What an array over an arena's bytes, and all arrays made of that, keep alive: its end is theirs."""

    def __init__(self, arena: ArenaView, place: int, address: int, size: int) -> None:
        self._arena = arena
        self._place = place
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (size,),
            "data": (address, False),
        }

    def __del__(self) -> None:
        self._arena.give_back(self._place)


@record
class SharedArenas:
    """The arenas of one lease, as one end has them; None where there is none.

    Attributes:
        outgoing: where this end lays tensors.
        incoming: where it finds the other's.
    """

    outgoing: Optional[Arena] = None
    incoming: Optional[ArenaView] = None

    def room(self, size: int, stream: Optional[SharedStream] = None) -> Optional[ArenaRoom]:
        """Returns room for a tensor of `size` bytes, of a stream; None where it is to travel."""
        return self.outgoing.take(size, stream) if self.outgoing and size >= LEAST_SHARED_BYTES else None

    def laid(self, tensor: HostTensor) -> Optional[ArenaPlace]:
        """Copies a tensor into the arena; returns where it lies, None where it is to travel."""
        return _laid(tensor, self.room(tensor.byte_count))

    @property
    def is_scarce(self) -> bool:
        """Whether what is kept for long of the other end's tensors is to be copied."""
        return self.incoming is not None and self.incoming.is_scarce

    def lent(self, place: ArenaPlace) -> Array:
        """Returns the bytes that the other end has laid there; see `ArenaView.lent`. Raises ProtocolError."""
        if self.incoming is None:
            raise ProtocolError("a tensor claims to lie in memory that is not shared")
        return self.incoming.lent(place)


NOT_SHARED = SharedArenas()


class SharedStream:
    """Room for the tensors of one stream, of which few lie in the arena at a time. One thread uses it.

    Their reader is waited for, so that a stream takes no more memory than it needs; what others have lent
    meanwhile is not waited for. Once that was in vain, the reader keeps what it has read, and nothing is
    waited for any more.
    """

    def __init__(self, arenas: SharedArenas) -> None:
        """Lays tensors into the outgoing arena of these, if there is one."""
        self._arenas = arenas
        self._waits = True
        # Its reader may have the last tensor until the next one comes.
        self._last_bytes = 0

    def room(self, size: int) -> Optional[ArenaRoom]:
        """Returns room for a tensor of `size` bytes; None where it is to travel."""
        arena = self._arenas.outgoing
        if arena is not None and self._waits and size >= LEAST_SHARED_BYTES:
            latest = time.monotonic() + _PATIENCE_SECONDS
            while self._waits and arena.lent_bytes(self) > _AHEAD_BYTES + self._last_bytes:
                self._waits = time.monotonic() < latest
                time.sleep(_LOOK_SECONDS)
            self._last_bytes = size
        return self._arenas.room(size, self)

    def laid(self, tensor: HostTensor) -> Optional[ArenaPlace]:
        """Copies a tensor into the arena; returns where it lies, None where it is to travel."""
        return _laid(tensor, self.room(tensor.byte_count))


def _laid(tensor: HostTensor, room: Optional[ArenaRoom]) -> Optional[ArenaPlace]:
    if room is None:
        return None
    np.copyto(room.holding(tensor.spec).array, tensor.array)
    return room.place
