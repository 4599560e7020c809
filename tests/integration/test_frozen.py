"""A process that is stopped in the middle of a comparison: noticed by its silence on the link."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from comparisons import compare_on, model
from processes import Running, Service, running, running_worker

from padiff_client.exit_codes import TROUBLE
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.convert import from_number
from padiff_rpc.transport import open_channel
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import Phase, Side, WorkerState

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
# The claim of docs/reliability.md.
NOTICED_SECONDS = 30.0
STEPS_BEFORE = 3


class Trio:
    """A coordinator and two workers, and a comparison that freezes one process in its fourth step."""

    def __init__(self, coordinator: Running, service: Service) -> None:
        self.coordinator = coordinator
        self.service = service
        self._stopped_at = 0.0

    def compare(self, *, steps: int = 1, pid: int = 0) -> Report:
        """Compares; the process `pid` is stopped where the inputs of the last step are asked for."""
        healthy = model("fake_models:net", optimizer="fake_models:sgd")
        batches = self._batches(steps, pid)
        return compare_on(self.service, healthy, healthy, Batches((batches, batches)), Options(), steps=steps)

    def _batches(self, steps: int, pid: int) -> Iterator[dict[str, np.ndarray]]:
        for step in range(steps):
            if pid and step == STEPS_BEFORE:
                os.kill(pid, signal.SIGSTOP)
                self._stopped_at = time.monotonic()
            yield {"x": X}

    @property
    def seconds_since(self) -> float:
        return time.monotonic() - self._stopped_at


@contextmanager
def trio(folder: Path) -> Iterator[Trio]:
    with (
        running("-m", "padiff_server", "--allow-any-worker", log=folder / "c.log") as coordinator,
        running_worker(folder, "reference") as reference,
        running_worker(folder, "candidate") as candidate,
    ):
        yield Trio(
            coordinator,
            Service(
                coordinator=coordinator.address, reference=reference.address, candidate=candidate.address
            ),
        )


def info(address: str) -> tuple[int, WorkerState]:
    """Returns the process that serves there, and its state."""
    with open_channel(address) as channel:
        stub = worker_pb2_grpc.WorkerStub(channel)
        said = stub.GetInfo(worker_pb2.GetInfoRequest(), timeout=NOTICED_SECONDS)
    return int(said.worker.pid), from_number(said.state, WorkerState, field="state")


def are_free(service: Service) -> bool:
    addresses = (service.reference, service.candidate)
    return all(info(address)[1] is WorkerState.FREE for address in addresses)


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        threading.Event().wait(0.2)


def test_a_frozen_worker_is_noticed_in_half_a_minute_and_replaced(tmp_path: Path) -> None:
    with trio(tmp_path) as three:
        report = three.compare(steps=STEPS_BEFORE + 1, pid=info(three.service.candidate)[0])
        assert three.seconds_since < NOTICED_SECONDS
        assert report.exit_code == TROUBLE
        (trouble,) = report.troubles
        assert (trouble.side, trouble.step) == (Side.CANDIDATE, STEPS_BEFORE)
        assert {row.step for row in report.rows if row.phase is Phase.FORWARD} == set(range(STEPS_BEFORE))
        assert three.compare()
    assert "(it is stopped), and is killed" in (tmp_path / "candidate.log").read_text()


def test_a_frozen_coordinator_is_noticed_in_half_a_minute_by_its_client_and_its_workers(
    tmp_path: Path,
) -> None:
    with trio(tmp_path) as three:
        report = three.compare(steps=STEPS_BEFORE + 1, pid=three.coordinator.process.pid)
        assert three.seconds_since < NOTICED_SECONDS
        assert report.exit_code == TROUBLE
        assert {row.step for row in report.rows if row.phase is Phase.FORWARD} == set(range(STEPS_BEFORE))
        with running("-m", "padiff_server", "--allow-any-worker", log=tmp_path / "d.log") as another:
            again = Trio(another, replace(three.service, coordinator=another.address))
            # The workers hear of it by their own end of the link.
            wait_for(lambda: are_free(three.service) or three.seconds_since > NOTICED_SECONDS)
            assert again.compare()


def test_a_worker_that_is_frozen_while_nobody_uses_it_is_replaced(tmp_path: Path) -> None:
    with trio(tmp_path) as three:
        os.kill(info(three.service.candidate)[0], signal.SIGSTOP)
        log = tmp_path / "candidate.log"
        wait_for(lambda: "(it is stopped), and is killed" in log.read_text())
        assert three.compare()
