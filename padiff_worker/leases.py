"""The lease of the worker: one at a time, and none once it was told to stop."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Optional

from padiff_rpc.errors import BusyError, StateError, WorkerLostError
from padiff_rpc.v1.words import WorkerState


class Leases:
    """Grants the worker to one comparison. Thread-safe.

    Attributes:
        is_ready: whether the framework's device is usable.
        patience_seconds: for how long the holder of the lease bears a model that does not move; 0: for ever.
    """

    def __init__(self, tell: Optional[Callable[[str, float], None]] = None) -> None:
        """`tell`, where given, hears the name of the one lease that is granted then, with the seconds of its
        holder's patience, and "" at its end.
        """
        self._tell = tell
        self._is_used_up = False
        self._lock = threading.Lock()
        self._lease = ""
        self._since = 0.0
        self.is_ready = False
        self.patience_seconds = 0.0
        self._is_closed = False
        self._ended_because = ""
        self._when_ended: Callable[[], None] = lambda: None

    @contextmanager
    def granted(self, patience_seconds: float = 0.0) -> Iterator[str]:
        """Holds the lease; yields its name. Raises BusyError while another has it, StateError once closed."""
        with self._lock:
            if self._is_used_up:
                raise BusyError(
                    "the worker's next process takes over just now; try again in a moment",
                    handing_over="true",
                )
            if self._is_closed:
                raise StateError(
                    "the worker was told to stop and takes no new comparison; try again when it runs again"
                )
            if self._lease:
                raise BusyError(
                    "in use by another comparison, for "
                    f"{time.monotonic() - self._since:.0f} s now; try again when that has ended"
                )
            lease = self._lease = secrets.token_hex(8)
            self._since = time.monotonic()
            self.patience_seconds = patience_seconds
        if self._tell is not None:
            self._tell(lease, patience_seconds)
        try:
            yield lease
        finally:
            with self._lock:
                self._lease = ""
                self._is_used_up = self._tell is not None
            if self._tell is not None:
                self._tell("", 0.0)

    def check(self, lease: str) -> None:
        """Raises StateError for another lease than the present one, WorkerLostError for one cut short."""
        self.check_not_ended()
        if not lease or lease != self._lease:
            raise StateError("this lease has ended; begin a new comparison", lease="ended")

    def check_not_ended(self) -> None:
        """Raises WorkerLostError once the worker has ended what ran."""
        if self._ended_because:
            raise WorkerLostError(self._ended_because, stopping="true")

    def close(self) -> None:
        """Grants no more; the present lease goes on."""
        with self._lock:
            self._is_closed = True

    def end(self, reason: str) -> None:
        """Whatever is asked under the present lease from now on is refused with `reason`."""
        self.close()
        self._ended_because = reason
        self._when_ended()

    def on_end(self, call: Callable[[], None]) -> None:
        """Has `call` called when the present lease is cut short, at once if it was; on any thread."""
        self._when_ended = call
        if self._ended_because:
            call()

    def is_free(self) -> bool:
        """Whether nobody holds the lease."""
        return not self._lease

    def state(self) -> WorkerState:
        """Returns what `padiff workers` shows."""
        if self._is_used_up:
            return WorkerState.BUSY
        if self._is_closed:
            return WorkerState.DRAINING
        if self._lease:
            return WorkerState.BUSY
        return WorkerState.FREE if self.is_ready else WorkerState.NOT_READY
