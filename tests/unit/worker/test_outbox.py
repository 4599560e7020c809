import threading

import pytest

from padiff_worker.outbox import Outbox, StepCancelled


def test_items_come_in_order_and_the_last_one_says_so():
    outbox = Outbox(100)
    outbox.put("a", 10)
    outbox.put("b", 10)
    outbox.finish()
    assert list(outbox) == [("a", False), ("b", True)]


def test_put_waits_until_an_earlier_item_was_sent():
    outbox = Outbox(100)
    outbox.put("a", 80)
    entered, passed = threading.Event(), threading.Event()

    def second():
        entered.set()
        outbox.put("b", 80)
        passed.set()

    thread = threading.Thread(target=second)
    thread.start()
    entered.wait()
    reader = iter(outbox)
    assert next(reader)[0] == "a"
    assert not passed.is_set()  # taken, but not yet sent
    assert next(reader)[0] == "b"
    thread.join()
    assert passed.is_set()


def test_an_item_larger_than_the_budget_passes_alone():
    outbox = Outbox(10)
    outbox.put("large", 1000)
    outbox.finish()
    assert [item for item, _ in outbox] == ["large"]


def test_what_is_put_first_overtakes_and_is_forgotten_after_cancel():
    outbox = Outbox(100)
    outbox.put("a", 100)
    outbox.put_first("now")
    outbox.finish()
    assert list(outbox) == [("now", False), ("a", True)]
    outbox.cancel()
    outbox.put_first("later")
    assert list(outbox) == []


def test_cancel_frees_a_waiting_put_and_ends_the_reader():
    outbox = Outbox(10)
    outbox.put("a", 10)
    raised = []

    def second():
        try:
            outbox.put("b", 10)
        except StepCancelled:
            raised.append(True)

    thread = threading.Thread(target=second)
    thread.start()
    outbox.cancel()
    thread.join()
    assert raised == [True]
    assert list(outbox) == []
    with pytest.raises(StepCancelled):
        outbox.put("c")
