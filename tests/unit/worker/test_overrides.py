"""Overrides between the stream that brings them and the model that waits for them."""

import threading

import numpy as np
import pytest

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import OverrideTicket
from padiff_worker.outbox import StepCancelled
from padiff_worker.overrides import Overrides

FIRST, SECOND = OverrideTicket(place=0), OverrideTicket(place=0, gradient=True)
TENSOR = HostTensor.from_array(np.zeros(4, np.float32))


@pytest.fixture
def told():
    return []


@pytest.fixture
def overrides(told):
    return Overrides(want=told.append, credit=told.append)


def test_what_is_here_is_taken_without_a_word_and_credited(overrides, told):
    overrides.deliver(FIRST, TENSOR)
    assert overrides.take(FIRST) is TENSOR
    assert told == [16]


def test_a_model_that_waits_says_for_what(overrides):
    told = []
    overrides = Overrides(want=lambda ticket: overrides.deliver(ticket, TENSOR), credit=told.append)
    assert overrides.take(SECOND) is TENSOR
    assert told == [16]


def test_what_will_not_come_is_none(overrides, told):
    overrides.lacks(FIRST)
    assert overrides.take(FIRST) is None
    assert told == []


def test_what_nobody_takes_is_credited_whenever_it_comes(overrides, told):
    overrides.deliver(FIRST, TENSOR)
    overrides.drop(FIRST)
    overrides.drop(SECOND)
    overrides.deliver(SECOND, TENSOR)
    assert told == [16, 16]


def test_cancel_ends_the_wait():
    waiting = threading.Event()
    overrides = Overrides(want=lambda ticket: waiting.set(), credit=lambda size: None)

    def cancel():
        waiting.wait()
        overrides.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(StepCancelled):
        overrides.take(FIRST)
    thread.join()
