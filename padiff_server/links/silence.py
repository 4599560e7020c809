"""Silence of a worker while something is asked of it: how much is borne, and how it is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from padiff_compare.capture.source import SourceHangs
from padiff_rpc.records import record
from padiff_rpc.v1.records import Activity, CallEvent, LayerCall

# A model may load from a slow disk, or be compiled, for many minutes.
_LEAST_SECONDS = 900.0
# Of the longest silence so far.
_FACTOR = 10.0
# How late too long a silence may be noticed, as a share of what is borne.
_LATE = 0.05


@record
class Patience:
    """How long a worker may say nothing.

    `asked`: the user's own seconds, 0 for without end; None for the default.
    """

    asked: Optional[float] = None

    @property
    def least_seconds(self) -> float:
        """What a worker has that has not answered a question yet; 0: for ever."""
        return _LEAST_SECONDS if self.asked is None else self.asked

    def seconds(self, longest: float) -> float:
        """Returns what a worker has that was silent for `longest` seconds before, and got on."""
        return max(_LEAST_SECONDS, _FACTOR * longest) if self.asked is None else self.asked


DEFAULT_PATIENCE = Patience()


class SilenceWatch:
    """Notices when a worker says nothing for too long. A context manager: entered while we wait for it.

    Any number of threads may wait. Whatever comes of the worker ends a silence, and so does what it takes
    of us. No time passes while the worker itself waits for something of ours (`owing`).
    """

    def __init__(self, patience: Patience, look: Callable[[float, float], Optional[float]]) -> None:
        """`look` is told, on a thread of the watch, for how long the worker has been silent and for how long
        it may be. It asks the worker, and returns for how long that has not moved; None where it is given up.
        """
        self._patience = patience
        self._look = look
        self._lock = threading.Lock()
        self._waiting = 0
        self._owed = 0
        self._since = 0.0
        self._longest = 0.0
        self._closed = threading.Event()

    def start(self) -> None:
        """Begins to watch, until `close`."""
        if self._patience.least_seconds:
            threading.Thread(target=self._watch, name="silence", daemon=True).start()

    def close(self) -> None:
        """Ends the watching; may be called twice and from any thread."""
        self._closed.set()

    def __enter__(self) -> None:
        with self._lock:
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting += 1

    def __exit__(self, *_: object) -> None:
        self.heard()
        with self._lock:
            self._waiting -= 1

    def heard(self) -> None:
        """The worker said something, or took something of us."""
        with self._lock:
            now = time.monotonic()
            if self._is_running:
                self._longest = max(self._longest, now - self._since)
            self._since = now

    @contextmanager
    def owing(self) -> Iterator[None]:
        """The worker waits for us."""
        self.owes()
        try:
            yield
        finally:
            self.owes_no_more()

    def owes(self) -> None:
        """From now on the worker waits for one thing more of us."""
        self.heard()
        with self._lock:
            self._owed += 1

    def owes_no_more(self) -> None:
        """The worker has one of the things that it waits for."""
        with self._lock:
            self._owed -= 1
            self._since = time.monotonic()

    def taken(self, requests: Any) -> Iterator[Any]:
        """Yields `requests`, which the worker waits for while they are made."""
        iterator = iter(requests)
        while True:
            with self.owing():
                request = next(iterator, None)
            if request is None:
                return
            yield request

    @property
    def _is_running(self) -> bool:
        return self._waiting > 0 and not self._owed

    def _watch(self) -> None:
        least = self._patience.least_seconds
        soonest = pause = least * _LATE
        while not self._closed.wait(pause):
            silent = self._silent_seconds()
            if silent < least:
                pause = max(soonest, least - silent) if silent else soonest
                continue
            allowed = self._patience.seconds(self._longest)
            still = self._look(silent, allowed)
            if still is None:
                return
            with self._lock:
                self._since = max(self._since, time.monotonic() - still)
            pause = max(soonest, (allowed if still >= least else least) - still)

    def _silent_seconds(self) -> float:
        with self._lock:
            return time.monotonic() - self._since if self._is_running else 0.0


def given_up(
    peer: str, silent: float, activity: Optional[Activity], last_entered: Optional[CallEvent]
) -> SourceHangs:
    """Returns the error of a worker that was silent for too long.

    `activity`: where its model's thread is; None where it did not answer, which leaves the layer that it
    entered last, as far as it told.
    """
    if activity is None:
        activity = Activity(still_seconds=silent)
        if last_entered is not None:
            call = LayerCall(path=last_entered.path, call=last_entered.call)
            activity = Activity(still_seconds=silent, call=call)
        found = (
            f"no thread of it answers: it is frozen, or a computation holds Python's lock{_layer(activity)}"
        )
    elif activity.idle:
        found = "it has nothing left to do: what it answered is lost"
    else:
        found = f"its model's thread has not moved for {activity.still_seconds:.0f} s{_layer(activity)}"
        found += "".join(f", at {one.file}:{one.line} in {one.function}" for one in activity.stack[-1:])
    return SourceHangs(
        f"{peer} has said nothing for {silent:.0f} s, and {found}; --timeout allows it more", activity
    )


def _layer(activity: Activity) -> str:
    call = activity.call
    if call is None:
        return ""
    number = f", call {call.call}" if call.call else ""
    return f" (in {call.path or 'the root'}{number})"
