"""The arenas of a worker's lease: offered to the coordinator, and settled when it has said what it found."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Optional

from padiff_rpc.arena import NOT_SHARED, Arena, ArenaView, SharedArenas
from padiff_rpc.arena_file import ArenaFile, NotSharedError, make
from padiff_rpc.v1.records import OfferArenaResponse
from padiff_worker.settings import WorkerSettings


class ArenaOffers:
    """The arenas of one lease, from the offer of their files to the lease's end. Thread-safe.

    Attributes:
        shared: those that the coordinator has mapped.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        # Those that are offered, by whether they are the coordinator's to fill.
        self._files: dict[bool, ArenaFile] = {}
        self._has_ended = False
        self.shared = NOT_SHARED

    def offer(self, *, to_worker: bool) -> OfferArenaResponse:
        """Makes the file of a direction anew; returns where it is, or why there is none."""
        with self._lock:
            self._drop(to_worker=to_worker)
            if self._has_ended:  # while this call was on its way
                return OfferArenaResponse(refusal="the worker's lease has ended")
            try:
                file = self._files[to_worker] = make(self._settings.arena_folder, self._settings.arena_bytes)
            except NotSharedError as error:
                return OfferArenaResponse(refusal=str(error))
        return OfferArenaResponse(name=file.name, size=file.size, nonce=file.nonce)

    def settle(self, *, to_worker: bool, mapped: bool) -> None:
        """Takes the file's name away; tensors may lie in it where the coordinator has `mapped` it."""
        with self._lock:
            file = self._files.pop(to_worker, None)
            if file is None:
                return
            try:
                if mapped:
                    self.shared = _with(self.shared, file, to_worker=to_worker)
            finally:
                file.close()

    def end(self) -> None:
        """The lease is over, and nothing is offered any more; may be called twice."""
        with self._lock:
            self._has_ended = True
            for to_worker in (False, True):
                self._drop(to_worker=to_worker)

    def _drop(self, *, to_worker: bool) -> None:
        self.shared = _with(self.shared, None, to_worker=to_worker)
        file = self._files.pop(to_worker, None)
        if file is not None:
            file.close()


def _with(shared: SharedArenas, file: Optional[ArenaFile], *, to_worker: bool) -> SharedArenas:
    if to_worker:
        return replace(shared, incoming=None if file is None else ArenaView(file))
    return replace(shared, outgoing=None if file is None else Arena(file))
