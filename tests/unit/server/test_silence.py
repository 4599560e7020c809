"""Patience with a worker, and the watch over its silence."""

from __future__ import annotations

import queue
import threading
from typing import Optional

import pytest

from padiff_rpc.v1.records import Activity, CallEvent, LayerCall, SourceLine
from padiff_rpc.v1.words import CallMoment
from padiff_server.links.silence import Patience, SilenceWatch, given_up

PATIENCE = 30.0


def test_the_default_grows_with_the_longest_silence_and_the_users_own_does_not():
    assert [Patience().seconds(longest) for longest in (0.0, 60.0, 600.0)] == [900.0, 900.0, 6000.0]
    assert Patience(asked=5.0).seconds(600.0) == 5.0


class Watched:
    """A watch of a tenth of a second over a worker that says for how long it has not moved."""

    def __init__(self, still: Optional[float], asked: float = 0.1) -> None:
        self.still = still
        self.looks: queue.SimpleQueue[tuple[float, float]] = queue.SimpleQueue()
        self.watch = SilenceWatch(Patience(asked=asked), self.look)
        self.watch.start()

    def look(self, silent: float, allowed: float) -> Optional[float]:
        self.looks.put((silent, allowed))
        return self.still

    def is_looked_at(self, within: float) -> bool:
        try:
            self.looks.get(timeout=within)
        except queue.Empty:
            return False
        return True


def test_a_silence_is_noticed_once_where_the_worker_is_given_up():
    watched = Watched(still=None)
    with watched.watch:
        silent, allowed = watched.looks.get(timeout=PATIENCE)
        assert silent >= allowed == 0.1
        assert not watched.is_looked_at(0.5)


def test_a_worker_that_moves_is_looked_at_again():
    watched = Watched(still=0.0)
    with watched.watch:
        assert watched.is_looked_at(PATIENCE)
        assert watched.is_looked_at(PATIENCE)
    watched.watch.close()


def test_nobody_looks_while_nothing_is_asked_of_the_worker():
    watched = Watched(still=None)
    assert not watched.is_looked_at(0.5)
    watched.watch.close()


def test_nobody_looks_while_the_worker_waits_for_us():
    watched = Watched(still=None)
    with watched.watch, watched.watch.owing():
        assert not watched.is_looked_at(0.5)
    watched.watch.close()


def test_a_request_that_is_made_slowly_is_no_silence():
    watched, made = Watched(still=None), threading.Event()

    def requests():
        assert not watched.is_looked_at(0.5)
        made.set()
        yield 1

    with watched.watch:
        assert list(watched.watch.taken(requests())) == [1]
    assert made.is_set()
    watched.watch.close()


def test_who_allows_any_silence_starts_no_watch():
    watched = Watched(still=None, asked=0.0)
    with watched.watch:
        assert not watched.is_looked_at(0.5)


LINES = (SourceLine(file="/a/nets.py", line=7, function="forward"),)


@pytest.mark.parametrize(
    ("activity", "said"),
    [
        (
            Activity(still_seconds=12.4, call=LayerCall(path="fc", call=2), stack=LINES),
            "its model's thread has not moved for 12 s (in fc, call 2), at /a/nets.py:7 in forward",
        ),
        (
            Activity(still_seconds=12.4, call=LayerCall(path="", call=0)),
            "its model's thread has not moved for 12 s (in the root)",
        ),
        (Activity(still_seconds=12.4, idle=True), "it has nothing left to do: what it answered is lost"),
        (None, "no thread of it answers: it is frozen, or a computation holds Python's lock (in conv)"),
    ],
)
def test_a_worker_that_is_given_up_is_told_with_all_that_is_known(activity, said):
    entered = CallEvent(moment=CallMoment.ENTRY, path="conv")
    error = given_up("the worker", 12.6, activity, entered)
    assert str(error) == f"the worker has said nothing for 13 s, and {said}; --timeout allows it more"
    if activity is None:
        assert error.activity == Activity(still_seconds=12.6, call=LayerCall(path="conv", call=0))
    else:
        assert error.activity == activity
