"""Many small weights: few messages carry them, and each is written, read and told of as if it were alone."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from proxy import REQUEST, Said, proxy

from padiff_client.link import Batches
from padiff_rpc.convert import to_proto
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.tensor_sender import NamedTensor, TensorSender, received_tensors
from padiff_rpc.tensors import HostTensor
from padiff_rpc.transport import Caller, open_channel
from padiff_rpc.v1 import tensors_pb2, worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import Options, WorkerInfo
from padiff_rpc.v1.words import Phase
from padiff_server.links.worker_lease import take_lease

X = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
LAYERS = 500
PATIENCE = 30.0


def compare(service: Service, candidate: str) -> Any:
    between = Service(coordinator=service.coordinator, reference=service.reference, candidate=candidate)
    reference, other = (model("many_models:chain", layers=LAYERS, seed=seed) for seed in (1, 2))
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(between, reference, other, batches, Options(single_step=False), steps=1)


def assert_weights_are_equal(report: Any) -> None:
    rows = [row for row in report.rows if row.phase is Phase.INITIAL_WEIGHTS]
    assert len(rows) == 2 * LAYERS
    assert all(row.figures.max_abs == 0.0 for row in rows)
    assert report, str(report)


@contextmanager
def told(address: str, change: Callable[[Said], bytes] = lambda said: said.content) -> Iterator[Any]:
    """Provides another address of a worker, and counts its messages there by method and direction."""
    counts: Counter[tuple[str, str]] = Counter()

    def counted(said: Said) -> bytes:
        counts[said.method.rpartition("/")[2], said.direction] += 1
        return change(said)

    with proxy(address, counted) as between:
        yield between, counts


def test_a_thousand_weights_are_a_few_messages_and_are_all_written(service: Service) -> None:
    with told(service.candidate) as (candidate, counts):
        report = compare(service, candidate)
    assert_weights_are_equal(report)
    # The lease, and bundles.
    assert 2 <= counts["WriteWeights", REQUEST] <= 20


def test_an_older_worker_gets_each_frame_in_a_message_of_its_own(service: Service) -> None:
    def as_before(said: Said) -> bytes:
        name = said.method.rpartition("/")[2]
        if name == "WriteWeights" and said.direction == REQUEST:
            # What it does not know it does not read.
            message = worker_pb2.WriteWeightsRequest.FromString(said.content)
            message.ClearField("frames")
            return bytes(message.SerializeToString())
        if name == "GetInfo" and said.direction != REQUEST and said.content:
            info = worker_pb2.GetInfoResponse.FromString(said.content)
            info.worker.capabilities.remove(WorkerInfo.TENSOR_BUNDLES)
            return bytes(info.SerializeToString())
        return said.content

    with told(service.candidate, as_before) as (candidate, counts):
        report = compare(service, candidate)
    assert_weights_are_equal(report)
    assert counts["WriteWeights", REQUEST] > 2 * 2 * LAYERS


class Leased:
    """A worker with a model of four layers, as its coordinator has it."""

    def __init__(self, caller: Caller, lease: str) -> None:
        self.stub = caller
        self.lease = lease
        loaded = to_proto(model("many_models:chain", layers=4))
        caller.Load(worker_pb2.LoadRequest(lease=lease, model=loaded))

    def requests(self, **weights: list[int]) -> Iterator[Any]:
        """Yields the stream that writes weights of ones in these shapes, all in one bundle."""
        yield worker_pb2.WriteWeightsRequest(lease=self.lease)
        bundle = [
            NamedTensor(number=number, tensor=HostTensor.from_array(np.ones(shape, np.float32)), name=name)
            for number, (name, shape) in enumerate(weights.items(), start=1)
        ]
        for frames in TensorSender().messages_of(bundle):
            yield worker_pb2.WriteWeightsRequest(frames=frames)

    def is_ones(self, name: str) -> bool:
        request = worker_pb2.ReadWeightsRequest(lease=self.lease, names=[name])
        with self.stub.ReadWeights(request) as responses:
            (read,) = received_tensors(frame for one in responses for frame in one.frames)
        return bool((read.tensor.array == 1.0).all())


@pytest.fixture
def leased(service: Service) -> Iterator[Leased]:
    with open_channel(service.candidate) as channel:
        caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer="the worker")
        with closing(take_lease(caller, peer="the worker", closed=threading.Event())) as lease:
            yield Leased(caller, lease.name)


def test_a_weight_that_cannot_be_written_is_named_among_those_that_came_with_it(leased: Leased) -> None:
    with pytest.raises(InvalidRequestError, match=r"2\.bias: "):
        leased.stub.WriteWeights(leased.requests(**{"1.bias": [4], "2.bias": [5], "3.bias": [4]}))
    with pytest.raises(PaDiffError, match=r"no parameter or buffer '9\.bias'"):
        leased.stub.WriteWeights(leased.requests(**{"1.bias": [4], "9.bias": [4]}))
    assert leased.stub.WriteWeights(leased.requests(**{"3.bias": [4]})).written == 1
    assert leased.is_ones("3.bias")


def test_a_bundle_that_claims_more_than_the_limit_is_refused(leased: Leased) -> None:
    def requests() -> Iterator[Any]:
        yield worker_pb2.WriteWeightsRequest(lease=leased.lease)
        spec = tensors_pb2.TensorSpec(dtype=tensors_pb2.DTYPE_FLOAT32, shape=[1 << 40])
        header = tensors_pb2.TensorHeader(tensor=1, spec=spec, name="1.bias")
        yield worker_pb2.WriteWeightsRequest(frames=[tensors_pb2.TensorFrame(header=header)])

    with pytest.raises(PaDiffError, match="PADIFF_MAX_TENSOR_MIB sets this limit"):
        leased.stub.WriteWeights(requests())


def test_a_stream_that_is_cancelled_in_the_middle_leaves_a_worker_that_goes_on(
    service: Service, leased: Leased
) -> None:
    cancelled = threading.Event()

    def requests() -> Iterator[Any]:
        yield from leased.requests(**{"0.bias": [4], "1.bias": [4]})
        assert cancelled.wait(PATIENCE)

    with grpc.insecure_channel(service.candidate) as channel:
        call = worker_pb2_grpc.WorkerStub(channel).WriteWeights.future(requests())
        while not leased.is_ones("1.bias"):
            assert not call.done()
        call.cancel()
        cancelled.set()
    assert leased.is_ones("0.bias")
    assert leased.stub.WriteWeights(leased.requests(**{"3.bias": [4]})).written == 1
