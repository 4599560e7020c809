"""Captures through shared memory and over the connection: the same report, and nothing is left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import Running, Service, running, running_worker
from test_coordinator import compare, model

from padiff_client.report import TROUBLE, Report
from padiff_rpc.arena_file import FOLDER_VARIABLE
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.v1.records import Model
from padiff_rpc.v1.words import Phase, Side, Transport

# Most of what the model makes of it is large enough to be shared.
X = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
# Larger than an arena of 1 MiB, which it is copied into nowhere.
LARGE = np.random.default_rng(0).normal(size=(100_000, 4)).astype(np.float32)


@dataclass(frozen=True)
class Sharing:
    """A coordinator and two workers, and the folder where they share memory."""

    service: Service
    folder: Path
    processes: tuple[Running, ...]


@contextmanager
def sharing(
    folder: Path, *worker_flags: str, coordinator_folder: str = "", environment: bool = False
) -> Iterator[Sharing]:
    """Provides services whose memory lies in a folder of their own, which all are told by flag."""
    shared = folder / "shared"
    shared.mkdir()
    told = {FOLDER_VARIABLE: str(shared)} if environment else {}
    flags = () if environment else ("--shared-memory", str(shared))
    with ExitStack() as exits:
        coordinator = exits.enter_context(
            running(
                *("-m", "padiff_server", "--allow-any-worker", "--worker-wait-seconds", "0"),
                *(("--shared-memory", coordinator_folder) if coordinator_folder else flags),
                log=folder / "coordinator.log",
                environment=told,
            )
        )
        reference, candidate = (
            exits.enter_context(running_worker(folder, side, *flags, *worker_flags, environment=told))
            for side in ("reference", "candidate")
        )
        service = Service(
            coordinator=coordinator.address, reference=reference.address, candidate=candidate.address
        )
        yield Sharing(service=service, folder=shared, processes=(coordinator, reference, candidate))


def transports(report: Report) -> dict[Side | None, Transport]:
    return {one.side: one.transport for one in report.summary.environments}


BOTH = dict.fromkeys(Side, Transport.SHM)
NEITHER = dict.fromkeys(Side, Transport.GRPC)


def both_ways(service: Service, reference: Model, candidate: Model, x: Any, **given: Any) -> Report:
    """Returns the report through shared memory, once it is the same as the one over the connection."""
    shared = compare(service, reference, candidate, x, transport="shm", **given)
    plain = compare(service, reference, candidate, x, transport="grpc", **given)
    assert transports(shared) == BOTH
    assert transports(plain) == NEITHER
    # By their text: a NaN equals no other.
    assert repr(shared.rows) == repr(plain.rows)
    assert bool(shared) == bool(plain)
    assert traffic(shared) == traffic(plain)
    return shared


def traffic(report: Report) -> dict[tuple[Side | None, Phase | None], int]:
    """Returns the bytes by side and phase; those of weights apart, of which some are there already."""
    crossed = {(one.side, one.phase): one.bytes for one in report.summary.traffic}
    return {place: size for place, size in crossed.items() if place[1] is not Phase.INITIAL_WEIGHTS}


@pytest.mark.parametrize("local_error", [True, False])
@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
def test_reports_are_the_same_to_the_last_bit(service: Service, local_error: bool, epsilon: float) -> None:
    report = both_ways(service, model(), model(epsilon=epsilon), X, local_error=local_error)
    assert report.summary.coverage.tensors_compared == 35


def test_reports_of_several_steps_are_the_same(service: Service) -> None:
    trained = {"optimizer": "fake_models:sgd"}
    assert both_ways(service, model(**trained), model(**trained), X, steps=3)


def weights_sent(service: Service, candidate: Model, transport: str) -> int:
    """Returns the bytes of weights that crossed to and from the candidate, which then has the reference's."""
    report = compare(service, model(), candidate, X, transport=transport)
    assert report
    found = {(one.side, one.phase): one.bytes for one in report.summary.traffic}
    return found.get((Side.CANDIDATE, Phase.INITIAL_WEIGHTS), 0)


def test_weights_that_are_right_already_do_not_cross_a_connection(service: Service) -> None:
    every = weights_sent(service, model(), "shm")
    assert every > 0
    assert weights_sent(service, model(), "grpc") == 0
    assert weights_sent(service, replace(model(), seed=5), "grpc") > 0


def test_workers_and_coordinator_share_memory_where_nobody_says_anything(service: Service) -> None:
    assert transports(compare(service, model(), model(), X)) == BOTH


def test_tensors_larger_than_the_arena_and_full_arenas_go_over_the_connection(tmp_path: Path) -> None:
    with sharing(tmp_path, "--shared-mib", "1") as shared:
        assert both_ways(shared.service, model(), model(), LARGE)
        assert both_ways(shared.service, model(), model(), np.tile(X, (20, 1)))


def test_nothing_lies_in_the_folder_while_a_comparison_runs_or_behind_it(tmp_path: Path) -> None:
    with sharing(tmp_path, environment=True) as shared:
        report = compare(shared.service, model(), model(), X, transport="shm")
        assert transports(report) == BOTH
        assert os.listdir(shared.folder) == []


def test_two_folders_are_no_shared_memory_and_no_error_unless_it_was_asked_for(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with sharing(tmp_path, coordinator_folder=str(other)) as shared:
        report = compare(shared.service, model(), model(), X)
        assert report
        assert transports(report) == NEITHER
        with pytest.raises(InvalidRequestError, match="they are on two hosts, or use two folders") as caught:
            compare(shared.service, model(), model(), X, transport="shm")
        assert "options.transport: shm cannot be had: the coordinator does not find" in str(caught.value)
        # What is wrong with one side ends the other's lease, whose worker hears of it a moment later.
        deadline = time.monotonic() + 10
        while os.listdir(shared.folder):
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)


def test_a_side_that_shares_nothing_says_so(tmp_path: Path) -> None:
    with sharing(tmp_path, coordinator_folder="none") as shared:
        with pytest.raises(InvalidRequestError, match="the coordinator was told to share no memory"):
            compare(shared.service, model(), model(), X, transport="shm")
        assert transports(compare(shared.service, model(), model(), X)) == NEITHER
        assert os.listdir(shared.folder) == []


def test_a_worker_that_crashes_in_a_step_leaves_nothing_and_its_successor_shares_again(
    tmp_path: Path,
) -> None:
    with sharing(tmp_path) as shared:
        crashing = model("hanging_models:Hanging", way="crash", at=1, when="backward")
        report = compare(shared.service, model(), crashing, X, transport="shm")
        assert report.exit_code == TROUBLE
        assert os.listdir(shared.folder) == []
        assert transports(compare(shared.service, model(), model(), X, transport="shm")) == BOTH


def test_a_coordinator_that_is_killed_in_a_step_leaves_nothing(tmp_path: Path) -> None:
    with sharing(tmp_path) as shared, ThreadPoolExecutor(1) as pool:
        coordinator = shared.processes[0].process
        sleeping = model("hanging_models:Hanging", way="sleep", at=1, when="backward")
        report = pool.submit(compare, shared.service, model(), sleeping, X, transport="shm")
        maps = Path(f"/proc/{coordinator.pid}/maps")
        # Of each worker one for either direction.
        while maps.read_text().count("padiff-arena-") < 4:
            assert not report.done()
            threading.Event().wait(0.05)
        # The workers take the names away when they hear that the files are mapped.
        while os.listdir(shared.folder):
            assert not report.done()
            threading.Event().wait(0.05)
        coordinator.kill()
        with pytest.raises(PaDiffError):
            report.result()
        assert os.listdir(shared.folder) == []
