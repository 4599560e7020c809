"""Taking a lease from a worker whose address passes on to its next process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Optional, Union

import pytest

from padiff_rpc.errors import BusyError, CancelledError, PaDiffError, WorkerLostError
from padiff_rpc.v1 import worker_pb2
from padiff_server.links import worker_lease
from padiff_server.links.worker_lease import take_lease

HANDING_OVER = BusyError("the next process takes over", handing_over="true")


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Worker:
    """Answers each call for a lease with the next of a list: its name, or an error."""

    def __init__(
        self, *answers: Union[str, PaDiffError], each_takes: float = 0.0, clock: Optional[Clock] = None
    ) -> None:
        self._answers = iter(answers)
        self._each_takes = each_takes
        self._clock = clock or Clock()

    def Lease(self, request: Any) -> Stream:
        self._clock.now += self._each_takes
        return Stream(next(self._answers))


class Stream:
    def __init__(self, answer: Union[str, PaDiffError]) -> None:
        self._frames = self._answer(answer)

    @staticmethod
    def _answer(answer: Union[str, PaDiffError]) -> Iterator[Any]:
        if isinstance(answer, PaDiffError):
            raise answer
        yield worker_pb2.LeaseResponse(lease=answer)

    def __iter__(self) -> Iterator[Any]:
        return self._frames

    def __next__(self) -> Any:
        return next(self._frames)

    def close(self) -> None:
        pass


def taken(worker: Worker, closed: bool = False) -> str:
    over = threading.Event()
    if closed:
        over.set()
    with closing(take_lease(worker, peer="the worker", closed=over)) as lease:  # type: ignore[arg-type]
        return lease.name


def test_a_call_that_the_leaving_process_cuts_off_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_lease, "LEASE_SECONDS", 0.0)
    assert taken(Worker(HANDING_OVER, WorkerLostError("cut off"), CancelledError("cut off"), "a1")) == "a1"


def test_a_call_that_is_cut_off_late_is_made_again_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(worker_lease, "time", clock)
    slow = Worker(WorkerLostError("cut off"), "a1", each_takes=10 * worker_lease.LEASE_SECONDS, clock=clock)
    assert taken(slow) == "a1"


def test_a_worker_that_is_gone_or_busy_is_believed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_lease, "LEASE_SECONDS", 0.0)
    for error in (WorkerLostError("gone"), BusyError("in use by another comparison")):
        with pytest.raises(type(error), match=str(error)):
            taken(Worker(error, "a1"))


def test_a_comparison_that_ends_while_it_waits_is_cancelled_and_blames_no_worker() -> None:
    with pytest.raises(CancelledError, match="the comparison ended while it waited for the worker"):
        taken(Worker(HANDING_OVER, "a1"), closed=True)
