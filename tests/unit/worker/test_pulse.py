"""The movements of the model's thread, as other threads see them."""

from __future__ import annotations

import threading

import pytest
from model_threads import PATIENCE, working

from padiff_rpc.v1.records import CallEvent, LayerCall
from padiff_rpc.v1.words import CallMoment
from padiff_worker.model_thread import ModelThread
from padiff_worker.pulse import Pulse


@pytest.fixture
def thread():
    with working(ModelThread()) as made:
        yield made


def test_a_thread_that_works_shows_the_functions_of_the_work_alone(thread):
    begun, ended = threading.Event(), threading.Event()

    def secret_work(secret):
        begun.set()
        assert ended.wait(PATIENCE)
        return secret

    future = thread.submit(lambda: secret_work("do not tell"))
    assert begun.wait(PATIENCE)
    activity = thread.pulse.activity()
    assert not activity.idle
    assert [line.function for line in activity.stack[:2]] == ["<lambda>", "secret_work"]
    assert {line.file for line in activity.stack[:2]} == {__file__}
    assert "do not tell" not in repr(activity)
    ended.set()
    assert future.result(PATIENCE) == "do not tell"


def test_an_idle_thread_is_still_for_no_time_and_says_that_it_is_idle(thread):
    thread.call(lambda: None)
    thread.call(lambda: None)  # the first one has ended by now
    pulse = Pulse()
    assert pulse.activity().idle
    assert pulse.still_seconds() == 0.0


def test_the_call_is_the_one_that_began_last_and_work_begins_without_one():
    pulse = Pulse()
    with pulse.working():
        pulse.saw(CallEvent(moment=CallMoment.ENTRY, path="", call=0))
        pulse.saw(CallEvent(moment=CallMoment.ENTRY, path="fc", call=1))
        pulse.saw(CallEvent(moment=CallMoment.EXIT, path="fc", call=1))
        assert pulse.activity().call == LayerCall(path="fc", call=1)
        pulse.at("norm", 2)
        assert pulse.activity().call == LayerCall(path="norm", call=2)
    with pulse.working():
        assert pulse.activity().call is None


def test_a_move_begins_the_time_again():
    pulse, waited = Pulse(), threading.Event()
    with pulse.working():
        waited.wait(0.05)
        before = pulse.still_seconds()
        pulse.moved()
        assert pulse.still_seconds() < before


def test_a_recursion_without_end_shows_its_innermost_part(thread):
    begun, ended = threading.Event(), threading.Event()

    def deep(left):
        if left:
            return deep(left - 1)
        begun.set()
        return ended.wait(PATIENCE)

    future = thread.submit(lambda: deep(300))
    assert begun.wait(PATIENCE)
    stack = thread.pulse.activity().stack
    ended.set()
    assert len(stack) == 100
    assert stack[0].function == "deep"
    assert future.result(PATIENCE)
