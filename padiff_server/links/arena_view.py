"""The coordinator's end of an arena: what a worker has laid there, as arrays that give it back."""

from __future__ import annotations

import mmap

import numpy as np

from padiff_compare.capture.source import LentBytes
from padiff_rpc.arena_file import CAPTURES_AT, PLACES, STATES_AT
from padiff_rpc.errors import ProtocolError


class ArenaView:
    """A mapped arena. Thread-safe, and without a lock: arrays may end anywhere, a lock's block too."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._content = np.frombuffer(mapped, np.uint8)
        self._states = self._content[STATES_AT : STATES_AT + PLACES]
        self._address = self._content.ctypes.data
        # Of what is lent, by place.
        self._sizes = np.zeros(PLACES, np.int64)

    def lent(self, place: int, offset: int, size: int) -> LentBytes:
        """Returns the bytes of a capture, without a copy.

        The worker has them back when the array, and every array that was made of it, is gone. Raises
        ProtocolError for a place that no capture can have.
        """
        total = self._content.size
        if place >= PLACES or not CAPTURES_AT <= offset <= offset + size <= total or not size:
            raise ProtocolError(
                f"a capture claims place {place}, {size:,} bytes at {offset:,} of an arena of {total:,}"
            )
        if self._sizes[place]:
            raise ProtocolError(f"a capture claims place {place} of the arena, where another one still lies")
        self._sizes[place] = size
        array = np.asarray(_Loan(self, place, self._address + offset, size))
        is_scarce = bool(2 * self._sizes.sum() > total)
        return LentBytes(array=array, is_scarce=is_scarce)

    def give_back(self, place: int) -> None:
        """Lets the worker have a place for another capture."""
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
