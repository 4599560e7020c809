"""A worker that says nothing: the comparison ends by itself, says where, and the worker is back."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service, running, running_worker

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from proxy import REQUEST, RESPONSE, Said, proxy

from padiff_client.exit_codes import TROUBLE
from padiff_client.link import Batches, connect
from padiff_client.report import Report
from padiff_rpc.convert import to_proto
from padiff_rpc.errors import PaDiffError
from padiff_rpc.health import check_health
from padiff_rpc.transport import Caller, open_channel
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import (
    CompareStart,
    LayerPair,
    Model,
    Options,
    Party,
    StatedPairing,
    Trouble,
    WorkerAddress,
)
from padiff_rpc.v1.words import Phase, Side
from padiff_rpc.version import PROTOCOL_VERSION
from padiff_server.links.worker_lease import take_lease

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
TIMEOUT = 3.0
# From the silence to the end of the comparison, on a loaded machine.
SOON = 40.0
HEALTHY = model("fake_models:net")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def pair(logs: Path) -> Iterator[Service]:
    """Workers of their own, which some of these tests have killed and replaced."""
    with (
        running("-m", "padiff_server", "--allow-any-worker", log=logs / "c.log") as coordinator,
        running_worker(logs, "reference") as reference,
        running_worker(logs, "candidate") as candidate,
    ):
        yield Service(
            coordinator=coordinator.address, reference=reference.address, candidate=candidate.address
        )


def compare(service: Service, candidate: Model, steps: int = 1, **options: Any) -> Report:
    options = {"timeout": TIMEOUT, "preflight": False, **options}
    reference = replace(HEALTHY, train=candidate.train, optimizer=candidate.optimizer)
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(service, reference, candidate, batches, Options(**options), steps=steps)


@contextmanager
def ending_soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SOON


def the_trouble(report: Report) -> Trouble:
    assert report.exit_code == TROUBLE, str(report)
    (trouble,) = report.troubles
    assert trouble.activity is not None
    return trouble


def innermost(trouble: Trouble) -> str:
    assert trouble.activity is not None
    return trouble.activity.stack[-1].function


def assert_is_back(service: Service) -> None:
    report = compare(service, HEALTHY, timeout=None)
    assert report, str(report)


PHASES = pytest.mark.parametrize(
    ("phase", "hanging"),
    [
        (Phase.LOAD, {"name": "hanging_models:build"}),
        (Phase.TRACE, {"name": "hanging_models:Hanging", "at": 1}),
        (Phase.FORWARD, {"name": "hanging_models:Hanging", "at": 2}),
        (Phase.BACKWARD, {"name": "hanging_models:Hanging", "when": "backward", "train": True}),
    ],
)


@pytest.mark.parametrize("way", ["sleep", "spin"])
@PHASES
def test_a_model_that_hangs_ends_the_comparison_with_phase_layer_and_stack(
    pair: Service, phase: Phase, hanging: dict[str, Any], way: str
) -> None:
    with ending_soon():
        report = compare(pair, model(**hanging, way=way))
    trouble = the_trouble(report)
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, phase)
    assert innermost(trouble) == way
    call = trouble.activity.call
    assert (call.path if call is not None else None) == (None if phase is Phase.LOAD else "stuck")
    assert "has said nothing for" in trouble.text
    assert f"hanging_models.py:{trouble.activity.stack[-1].line} in {way}" in trouble.text
    assert not any("model_thread" in line.file for line in trouble.activity.stack)
    assert f" in {way}\n" in str(report)
    if phase is Phase.BACKWARD:
        assert [row for row in report.rows if row.phase is Phase.FORWARD]
    assert_is_back(pair)


@pytest.mark.parametrize("way", ["hold", "search"])
def test_a_model_that_holds_pythons_lock_is_told_by_its_silence_and_its_process_replaced(
    pair: Service, logs: Path, way: str
) -> None:
    with ending_soon():
        report = compare(pair, model("hanging_models:Hanging", at=2, way=way))
    trouble = the_trouble(report)
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, Phase.FORWARD)
    assert "no thread of it answers" in trouble.text
    assert trouble.activity.stack == ()
    assert_is_back(pair)
    assert "a computation holds Python's lock), and is killed" in (logs / "candidate.log").read_text()


@pytest.mark.parametrize(("way", "exception"), [("interrupt", "KeyboardInterrupt"), ("leave", "SystemExit")])
@PHASES
def test_an_exception_that_means_the_process_is_a_failure_of_the_model(
    pair: Service, phase: Phase, hanging: dict[str, Any], way: str, exception: str
) -> None:
    report = compare(pair, model(**hanging, way=way))
    assert not report.troubles, str(report)
    # A trace that raised is made good for by the first step, which raises as well.
    (failure,) = report.failures
    expected = Phase.FORWARD if phase is Phase.TRACE else phase
    assert (failure.side, failure.phase, failure.exception) == (Side.CANDIDATE, expected, exception)
    assert_is_back(pair)


@pytest.mark.parametrize(
    ("way", "said"), [("end", "ended with exit code 7"), ("crash", "was killed by SIGSEGV")]
)
@PHASES
def test_a_process_that_ends_is_told_with_its_phase_and_replaced(
    pair: Service, phase: Phase, hanging: dict[str, Any], way: str, said: str
) -> None:
    report = compare(pair, model(**hanging, way=way))
    assert report.exit_code == TROUBLE
    (trouble,) = report.troubles
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, phase)
    assert trouble.text.endswith(f"the process of this comparison {said}")
    assert_is_back(pair)


def test_an_optimizer_that_hangs_keeps_what_was_compared_before_it(pair: Service) -> None:
    hanging = replace(HEALTHY, train=True, optimizer="hanging_models:HangingOptimizer")
    with ending_soon():
        report = compare(pair, hanging)
    assert report.exit_code == TROUBLE
    # Both sides hang, and each is told.
    assert {(one.side, one.phase) for one in report.troubles} == {(s, Phase.OPTIMIZER) for s in Side}
    assert {row.phase for row in report.rows} >= {Phase.FORWARD, Phase.BACKWARD, Phase.GRADIENTS}
    assert all(one.activity is not None and one.activity.stack for one in report.troubles)
    assert_is_back(pair)


def test_a_loader_that_hangs_ends_the_comparison_behind_the_steps_before(pair: Service) -> None:
    loaded = replace(HEALTHY, loader="hanging_models:batches", optimizer="fake_models:sgd")
    with ending_soon():
        report = compare_on(pair, loaded, loaded, None, Options(timeout=TIMEOUT, preflight=False), steps=3)
    assert report.exit_code == TROUBLE
    assert {one.side for one in report.troubles} == set(Side)
    for trouble in report.troubles:
        assert (trouble.phase, trouble.step) == (Phase.INPUTS, 1)
        assert innermost(trouble) == "batches"
    assert [row for row in report.rows if row.step == 0 and row.phase is Phase.FORWARD]
    assert_is_back(pair)


def test_a_rule_that_hangs_ends_the_comparison(pair: Service) -> None:
    rule = LayerPair(reference="fc1", candidate="fc1", special_init="hanging_models:rule")
    with ending_soon():
        report = compare_with(pair, pair.candidate, layer_map=StatedPairing(pairs=(rule,)))
    trouble = the_trouble(report)
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, Phase.INITIAL_WEIGHTS)
    assert innermost(trouble) == "rule"
    assert_is_back(pair)


def test_weights_that_nobody_writes_end_the_comparison(pair: Service, tmp_path: Path) -> None:
    fifo = tmp_path / "weights.pt"
    os.mkfifo(fifo)
    with ending_soon():
        report = compare(pair, replace(HEALTHY, weights=str(fifo)))
    trouble = the_trouble(report)
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, Phase.LOAD)
    assert trouble.activity.stack
    assert_is_back(pair)


def compare_with(service: Service, candidate: str, **more: Any) -> Report:
    """Compares with a candidate at another address."""
    options = Options(timeout=TIMEOUT, preflight=False)
    start = CompareStart(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=HEALTHY, worker=WorkerAddress(address=service.reference)),
        candidate=Party(model=HEALTHY, worker=WorkerAddress(address=candidate)),
        options=options,
        **more,
    )
    with connect(service.coordinator) as connection:
        return connection.compare(start, Batches(({"x": X}, {"x": X})))


def losing(method: str, direction: str, which: int, until: threading.Event) -> Callable[[Said], bytes]:
    """Returns a change that keeps back the `which`-th message of a method, and so all behind it."""
    seen = 0

    def change(said: Said) -> bytes:
        nonlocal seen
        if said.method.rpartition("/")[2] == method and said.direction == direction:
            seen += 1
            if seen == which:
                until.wait()
        return said.content

    return change


@pytest.mark.parametrize(
    ("method", "direction", "which", "phase"),
    [
        ("Load", RESPONSE, 1, Phase.LOAD),
        ("Load", REQUEST, 1, Phase.LOAD),
        ("Trace", RESPONSE, 1, Phase.TRACE),
        ("ReadWeights", RESPONSE, 1, Phase.INITIAL_WEIGHTS),
        ("WriteWeights", REQUEST, 2, Phase.INITIAL_WEIGHTS),
        ("KeepState", RESPONSE, 1, Phase.INITIAL_WEIGHTS),
        ("RunStep", REQUEST, 4, None),
        ("RunStep", RESPONSE, 3, None),
    ],
)
def test_a_message_that_is_lost_while_the_link_lives_ends_the_comparison(
    pair: Service, method: str, direction: str, which: int, phase: Optional[Phase]
) -> None:
    found = threading.Event()
    try:
        with proxy(pair.candidate, losing(method, direction, which, found)) as address, ending_soon():
            try:
                report = compare_with(pair, address)
            finally:
                found.set()
    finally:
        found.set()
    trouble = the_trouble(report)
    assert trouble.side is Side.CANDIDATE
    assert phase in (None, trouble.phase)
    if method == "Load":
        assert "it has nothing left to do" in trouble.text
    assert_is_back(pair)


def test_a_model_that_is_slow_and_gets_on_is_waited_for(pair: Service) -> None:
    slow = model("hanging_models:SlowStart", layers=6)
    report = compare_on(
        pair, slow, slow, Batches(({"x": X}, {"x": X})), Options(timeout=1.5, single_step=True), steps=1
    )
    assert report, str(report)


def test_a_side_that_waits_for_the_other_is_not_silent(pair: Service) -> None:
    slow, quick = (model("hanging_models:SlowStart", layers=layers) for layers in (6, 0))
    report = compare_on(
        pair, slow, quick, Batches(({"x": X}, {"x": X})), Options(timeout=1.5, single_step=True), steps=1
    )
    assert not report.troubles, str(report)


@pytest.mark.parametrize("way", ["sleep", "spin"])
def test_a_worker_whose_model_hangs_is_not_serving_until_it_is_replaced(pair: Service, way: str) -> None:
    with open_channel(pair.candidate) as channel, ThreadPoolExecutor(1) as pool:
        caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer="the worker")
        closed = threading.Event()
        with closing(take_lease(caller, peer="the worker", closed=closed, patience_seconds=1.0)) as lease:
            # Leased and idle, for longer than its holder's patience with a model.
            assert not closed.wait(1.5)
            assert check_health(channel, "", timeout=SOON)
            hanging = to_proto(model("hanging_models:build", way=way))
            loading = pool.submit(caller.Load, worker_pb2.LoadRequest(lease=lease.name, model=hanging))
            wait_for(lambda: not check_health(channel, "", timeout=SOON))
        with pytest.raises(PaDiffError):
            loading.result(SOON)
    with open_channel(pair.candidate) as channel:
        wait_for(lambda: check_health(channel, "", timeout=SOON))
    assert_is_back(pair)


def wait_for(condition: Callable[[], bool]) -> None:
    latest = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < latest
        threading.Event().wait(0.05)
