"""Wishes for workers: which they may mean, and who gets them."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from padiff_rpc.errors import BusyError, CancelledError
from padiff_rpc.v1.records import Label, Model, Party, WorkerAddress
from padiff_rpc.v1.words import Side
from padiff_server.worker_directory import ConfiguredWorker, DialRule, WorkerDirectory

GPU = Label(name="device", value="gpu")


def worker(name: str, *labels: Label, framework: str = "") -> ConfiguredWorker:
    return ConfiguredWorker(name=name, address=f"unix:/tmp/{name}", labels=labels, framework=framework)


def by_label(framework: str = "") -> Party:
    return Party(model=Model(framework=framework), worker=WorkerAddress(labels=(GPU,)))


def named(name: str) -> Party:
    return Party(model=Model(), worker=WorkerAddress(name=name))


def directory(*workers: ConfiguredWorker, wait_seconds: float = 0) -> WorkerDirectory:
    return WorkerDirectory(DialRule(workers=workers, wait_seconds=wait_seconds))


def ignore(_: str) -> None:
    pass


def pair(candidate: Party, reference: Party) -> Mapping[Side, Party]:
    return {Side.CANDIDATE: candidate, Side.REFERENCE: reference}


def test_labels_take_the_first_free_worker_of_the_framework() -> None:
    known = directory(
        worker("t", GPU, framework="torch"),
        worker("cpu"),
        worker("p", GPU, framework="paddle"),
        worker("q", GPU),
    )
    wish = known.wish(pair(by_label("paddle"), by_label("torch")))
    again = known.wish(pair(by_label("paddle"), named("cpu")))
    with known.lent(wish, ignore) as first, known.lent(again, ignore) as second:
        assert first[Side.CANDIDATE].name == "p"
        assert first[Side.REFERENCE].name == "t"
        assert second[Side.CANDIDATE].name == "q"
        assert second[Side.REFERENCE].name == "cpu"


def test_both_sides_of_one_label_get_different_workers() -> None:
    known = directory(worker("a", GPU), worker("b", GPU))
    with known.lent(known.wish(pair(by_label(), by_label())), ignore) as lent:
        assert {one.name for one in lent.values()} == {"a", "b"}


def test_both_workers_come_at_once_or_none_so_that_crossed_wishes_end() -> None:
    known = directory(worker("a"), worker("b"), worker("c"), wait_seconds=30)
    done: list[str] = []
    barrier = threading.Barrier(3)

    def use(candidate: str, reference: str) -> None:
        barrier.wait()
        for _ in range(200):
            with known.lent(known.wish(pair(named(candidate), named(reference))), ignore):
                pass
        done.append(candidate)

    threads = [threading.Thread(target=use, args=pair) for pair in (("a", "b"), ("b", "c"), ("c", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == ["a", "b", "c"]


def test_a_wish_that_took_too_long_says_who_is_busy_and_leaves_nothing_taken() -> None:
    known = directory(worker("a"), worker("b"), worker("c"))
    with known.lent(known.wish(pair(named("a"), named("b"))), ignore):
        with pytest.raises(BusyError, match=r"^a is in use by another comparison"):
            with known.lent(known.wish(pair(named("a"), named("c"))), ignore):
                pass
    with known.lent(known.wish(pair(named("a"), named("c"))), ignore) as lent:
        assert lent[Side.CANDIDATE].address == "unix:/tmp/a"


def test_a_cancelled_wish_waits_no_longer() -> None:
    known = directory(worker("a"), worker("b"), wait_seconds=30)
    waits = threading.Event()
    with known.lent(known.wish(pair(named("a"), named("b"))), ignore):
        wish = known.wish(pair(named("b"), named("a")))
        errors: list[BaseException] = []

        def want() -> None:
            try:
                with known.lent(wish, lambda text: waits.set()):
                    pass
            except CancelledError as error:
                errors.append(error)

        thread = threading.Thread(target=want)
        thread.start()
        assert waits.wait(10)
        known.cancel(wish)
        thread.join(10)
        assert errors


def test_an_address_of_the_configuration_brings_its_credentials() -> None:
    known = directory(worker("a"), worker("b"))
    asked = Party(model=Model(), worker=WorkerAddress(address="unix:/tmp/a"))
    with known.lent(known.wish(pair(asked, named("b"))), ignore) as lent:
        assert lent[Side.CANDIDATE].name == "a"
    own = Party(model=Model(), worker=WorkerAddress(address="unix:/tmp/a", token="own"))
    with known.lent(known.wish(pair(own, named("b"))), ignore) as lent:
        assert lent[Side.CANDIDATE].token == "own"
