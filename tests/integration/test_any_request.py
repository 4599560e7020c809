"""A coordinator of two workers, called with whatever a confused or hostile client might send."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import running, running_worker

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from any_messages import any_message, damaged

from padiff_client.link import Batches, _batch_messages
from padiff_rpc import trees
from padiff_rpc.convert import to_proto
from padiff_rpc.errors import PaDiffError
from padiff_rpc.transport import Caller, open_channel
from padiff_rpc.v1 import coordinator_pb2, coordinator_pb2_grpc
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    CompareStart,
    Model,
    Party,
    PlanStart,
    RecordStart,
    WorkerAddress,
)
from padiff_rpc.version import PROTOCOL_VERSION

X = np.ones((2, 6), np.float32)
# No call is long: models are small, and whoever waits for a message that never comes is told.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Party]]:
    folder = tmp_path_factory.mktemp("workers")
    model = Model(framework="fake", model="gold_models:Coarse", kwargs=trees.pack({}))
    with contextlib.ExitStack() as stack:
        yield {
            side: Party(
                model=model,
                worker=WorkerAddress(address=stack.enter_context(running_worker(folder, side)).address),
            )
            for side in ("reference", "candidate")
        }


@pytest.fixture(scope="module")
def coordinator(parties: dict[str, Party], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that calls these two workers and no other address, whatever is asked."""
    folder = tmp_path_factory.mktemp("coordinator")
    workers = "".join(
        f"  {side}: {{framework: fake, address: {party.worker.address!r}}}\n"
        for side, party in parties.items()
    )
    (folder / "server.yaml").write_text(f"workers:\n{workers}")
    with running(
        "-m", "padiff_server", "--config", str(folder / "server.yaml"), log=folder / "c.log"
    ) as process:
        yield process.address


def asked(coordinator: str, rpc: str, requests: Any) -> None:
    """Calls; any answer is fine that is a report or an error of ours, in time."""
    with open_channel(coordinator) as channel:
        caller = Caller(coordinator_pb2_grpc.CoordinatorStub(channel), peer="the coordinator")
        error = None
        try:
            answer = getattr(caller, rpc)(requests, timeout=PATIENCE)
            for _ in answer if hasattr(answer, "__next__") else ():
                pass
        except PaDiffError as refusal:
            error = refusal
        assert type(error) is not PaDiffError, f"our bug: {error}"
        assert "in time" not in str(error)
        # It lives.
        caller.GetCoordinatorInfo(coordinator_pb2.GetCoordinatorInfoRequest(), timeout=PATIENCE)


def likely(parties: dict[str, Party]) -> dict[str, st.SearchStrategy[Any]]:
    addresses = [party.worker.address for party in parties.values()]
    return {
        "protocol_version": st.sampled_from([PROTOCOL_VERSION] * 9 + [0]),
        "address": st.sampled_from([*addresses, "reference", "candidate", ""]),
        "framework": st.sampled_from(["fake", "fake", "torch", ""]),
        "model": st.sampled_from(["gold_models:Coarse", "gold_models:none", "fake_models:net"]),
        "steps": st.integers(0, 2),
        "batches": st.integers(0, 2),
        "accumulate": st.integers(0, 2),
        "threads": st.integers(0, 1),
    }


SEARCH = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def begun(request: Any, start: Any) -> list[Any]:
    """Returns the messages of a healthy request with its first batch."""
    return [request(start=to_proto(start)), *_batch_messages(request, Batches(({"x": X}, {"x": X})), 0)]


def record_start(*, candidate: Party, **given: Any) -> RecordStart:
    return RecordStart(**given)


@pytest.mark.parametrize(
    ("rpc", "start"),
    [("Compare", partial(CompareStart, steps=1)), ("Plan", PlanStart), ("Record", record_start)],
    ids=["Compare", "Plan", "Record"],
)
@SEARCH
@given(data=st.data())
def test_any_stream_of_requests_is_served_or_refused(
    coordinator: str, parties: dict[str, Party], rpc: str, start: Any, data: st.DataObject
) -> None:
    request = getattr(coordinator_pb2, f"{rpc}Request")
    healthy = begun(request, start(protocol_version=PROTOCOL_VERSION, **parties))
    asked(coordinator, rpc, iter(data.draw(damaged(healthy, any_message(request, **likely(parties))))))


@SEARCH
@given(data=st.data())
def test_any_single_request_is_answered(
    coordinator: str, parties: dict[str, Party], data: st.DataObject
) -> None:
    rpc = data.draw(st.sampled_from(["AssignWeights", "Attach", "CheckInputs", "GetReport", "ListWorkers"]))
    healthy = to_proto(AssignWeightsRequest(protocol_version=PROTOCOL_VERSION, **parties))
    kind = getattr(coordinator_pb2, f"{rpc}Request")
    strange = any_message(kind, **likely(parties))
    drawn = data.draw(damaged([healthy], strange) if rpc == "AssignWeights" else st.tuples(strange))
    for one in drawn:
        asked(coordinator, rpc, one)
