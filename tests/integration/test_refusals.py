"""Attempts that must fail, each with its status; afterwards the same processes compare as ever."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import grpc
import numpy as np
import pytest
from certificates import make_ended
from processes import CUT_OFF, failure_of, running, running_worker

from padiff_client.certs import make_certificates
from padiff_client.link import Batches, connect
from padiff_rpc import trees
from padiff_rpc.convert import to_number, to_proto
from padiff_rpc.error_statuses import error_from_rpc
from padiff_rpc.errors import (
    BusyError,
    InvalidRequestError,
    PaDiffError,
    ProtocolError,
    StateError,
    UnauthenticatedError,
    WorkerLostError,
)
from padiff_rpc.limits import limits
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, frames_of
from padiff_rpc.transport import open_channel
from padiff_rpc.trees import TensorRef
from padiff_rpc.v1 import (
    coordinator_pb2,
    coordinator_pb2_grpc,
    tensors_pb2,
    worker_pb2,
    worker_pb2_grpc,
)
from padiff_rpc.v1.records import (
    CompareStart,
    Model,
    OverridePlace,
    PackedBatch,
    Party,
    StepStart,
    Tls,
    WorkerAddress,
)
from padiff_rpc.v1.words import CallMoment, Pass, Randomness
from padiff_rpc.version import PROTOCOL_VERSION

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
PATIENCE = 30.0
TOKEN = "the right token"
HEALTHY = "refusal_models:net"


@record
class Service:
    """A coordinator that knows two workers, all under mutual TLS; a third worker asks for a token."""

    folder: Path
    coordinator: str
    workers: tuple[str, str]
    with_token: str

    def credentials(self, certs: str = "certs", name: str = "client", *, ca: str = "certs") -> Tls:
        place = self.folder / certs
        return Tls.from_files(
            ca=self.folder / ca / "ca.pem", certificate=place / f"{name}.pem", key=place / f"{name}-key.pem"
        )

    @contextlib.contextmanager
    def worker(self, tls: Optional[Tls] = None) -> Iterator[Any]:
        """Provides the stub of the first worker."""
        with open_channel(self.workers[0], tls=tls or self.credentials()) as channel:
            yield worker_pb2_grpc.WorkerStub(channel)

    @contextlib.contextmanager
    def leased(self, model: str = HEALTHY) -> Iterator[tuple[Any, str]]:
        """Provides the first worker with a model, and the lease."""
        with self.worker() as stub:
            stream, lease = take_lease(stub)
            try:
                load(stub, lease, model)
                yield stub, lease
            finally:
                stream.cancel()
                list_until_cancelled(stream)


def take_lease(stub: Any) -> tuple[Any, str]:
    """A worker learns a moment late that its last lease has ended."""
    for _ in range(600):
        stream = stub.Lease(worker_pb2.LeaseRequest(protocol_version=PROTOCOL_VERSION), timeout=PATIENCE)
        try:
            return stream, next(stream).lease
        except grpc.RpcError as failure:
            if failure.code() not in (grpc.StatusCode.RESOURCE_EXHAUSTED, *CUT_OFF):
                raise
            threading.Event().wait(0.05)
    raise AssertionError("the worker stayed busy")


def list_until_cancelled(stream: Any) -> None:
    with contextlib.suppress(grpc.RpcError):
        list(stream)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("refusals")
    for certs in ("certs", "others"):
        make_certificates(str(folder / certs), [], days=2, force=False)
    make_ended(folder / "certs")
    place = folder / "certs"
    flags = (
        *("--tls-cert", str(place / "worker.pem"), "--tls-key", str(place / "worker-key.pem")),
        *("--tls-ca", str(place / "ca.pem")),
    )
    with (
        running_worker(folder, "one", *flags) as one,
        running_worker(folder, "two", *flags) as two,
        running_worker(folder, "three", environment={"PADIFF_TOKEN": TOKEN}) as three,
    ):
        config = folder / "server.yaml"
        tls = {"certificate": "certs/server.pem", "key": "certs/server-key.pem", "ca": "certs/ca.pem"}
        workers = {
            name: {"address": worker.address, "tls": tls} for name, worker in (("one", one), ("two", two))
        }
        config.write_text(json.dumps({"workers": workers, "tls": tls}))  # JSON is YAML
        with running("-m", "padiff_server", "--config", str(config), log=folder / "c.log") as coordinator:
            yield Service(
                folder=folder,
                coordinator=coordinator.address,
                workers=(one.address, two.address),
                with_token=three.address,
            )


def load(stub: Any, lease: str, model: str) -> None:
    asked = Model(framework="fake", model=model, kwargs=trees.pack({}))
    stub.Load(worker_pb2.LoadRequest(lease=lease, model=to_proto(asked)), timeout=PATIENCE)


def get_info(stub: Any) -> Any:
    return stub.GetInfo(worker_pb2.GetInfoRequest(), timeout=PATIENCE)


def start(service: Service, **given: Any) -> CompareStart:
    model = Model(framework="fake", model=given.pop("model", HEALTHY), kwargs=trees.pack({}))
    one, two = given.pop("workers", service.workers)
    return CompareStart(
        protocol_version=given.pop("protocol_version", PROTOCOL_VERSION),
        reference=Party(model=model, worker=WorkerAddress(address=one)),
        candidate=Party(model=model, worker=WorkerAddress(address=two)),
    )


def compare(service: Service, **given: Any) -> None:
    """Asks the coordinator for a comparison, batch and all."""
    batches = Batches(({"x": X}, {"x": X}))
    pair = batches.encoded(0)

    def requests() -> Iterator[Any]:
        yield coordinator_pb2.CompareRequest(start=to_proto(start(service, **given)))
        yield coordinator_pb2.CompareRequest(batch=to_proto(pair.batch))
        for number, tensor in pair.tensors:
            for frame in frames_of(number, tensor):
                yield coordinator_pb2.CompareRequest(frame=frame)
        yield coordinator_pb2.CompareRequest(batch_end=coordinator_pb2.BatchEnd())

    with open_channel(service.coordinator, tls=service.credentials()) as channel:
        list(coordinator_pb2_grpc.CoordinatorStub(channel).Compare(requests(), timeout=PATIENCE))


def trace(stub: Any, lease: str, frames: list[Any], args: Optional[Any] = None) -> None:
    batch = PackedBatch(args=args or trees.pack([TensorRef(number=1)]), kwargs=trees.pack({}))
    opening = worker_pb2.TraceStart(
        lease=lease, batch=to_proto(batch), randomness=to_number(Randomness.REPORT)
    )
    stream = [worker_pb2.TraceRequest(start=opening)]
    stub.Trace(iter([*stream, *(worker_pb2.TraceRequest(frame=frame) for frame in frames)]), timeout=PATIENCE)


def honest_frames() -> list[Any]:
    return list(frames_of(1, HostTensor.from_array(X)))


# The attempts


def reexported_system(service: Service) -> None:
    with service.leased("refusal_models:system"):
        pass


def module_outside_the_roots(service: Service) -> None:
    with service.leased("numpy.testing:assert_equal"):
        pass


def standard_library_factory(service: Service) -> None:
    with service.leased("os:system"):
        pass


def no_certificate(service: Service) -> None:
    with service.worker(Tls.from_files(ca=service.folder / "certs" / "ca.pem")) as stub:
        get_info(stub)


def wrong_ca(service: Service) -> None:
    with service.worker(service.credentials("others")) as stub:
        get_info(stub)


def server_of_a_wrong_ca(service: Service) -> None:
    with service.worker(service.credentials(ca="others")) as stub:
        get_info(stub)


def expired_certificate(service: Service) -> None:
    with service.worker(service.credentials(name="ended")) as stub:
        get_info(stub)


def workers_certificate_as_a_client(service: Service) -> None:
    with service.worker(service.credentials(name="worker")) as stub:
        get_info(stub)


def plaintext_to_a_tls_port(service: Service) -> None:
    with open_channel(service.workers[0]) as channel:
        get_info(worker_pb2_grpc.WorkerStub(channel))


def no_token(service: Service) -> None:
    with open_channel(service.with_token) as channel:
        get_info(worker_pb2_grpc.WorkerStub(channel))


def wrong_token(service: Service) -> None:
    with open_channel(service.with_token, token=TOKEN + "!") as channel:
        get_info(worker_pb2_grpc.WorkerStub(channel))


def oversized_message(service: Service) -> None:
    unbounded = [("grpc.max_send_message_length", -1)]
    tls = service.credentials()
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    with grpc.secure_channel(service.workers[0], credentials, unbounded) as channel:
        request = worker_pb2.DescribeRequest(lease="x" * (limits().message_bytes + 1))
        worker_pb2_grpc.WorkerStub(channel).Describe(request, timeout=PATIENCE)


def lying_shape(service: Service) -> None:
    frames = honest_frames()
    frames[0].header.spec.shape[0] -= 1
    with service.leased() as (stub, lease):
        trace(stub, lease, frames)


def unknown_protocol_version(service: Service) -> None:
    with service.worker() as stub:
        next(stub.Lease(worker_pb2.LeaseRequest(protocol_version=PROTOCOL_VERSION + 1), timeout=PATIENCE))


def unknown_protocol_version_of_a_client(service: Service) -> None:
    compare(service, protocol_version=PROTOCOL_VERSION - 1)


def worker_outside_the_configuration(service: Service) -> None:
    compare(service, workers=(service.workers[0], service.with_token))


# And what a peer that is broken, and not only unwelcome, sends


def no_message(service: Service) -> None:
    with open_channel(service.workers[0], tls=service.credentials()) as channel:
        channel.unary_unary("/padiff_rpc.v1.Worker/Load")(b"\x0a\xff", timeout=PATIENCE)


def claim_without_end(service: Service) -> None:
    frames = honest_frames()
    frames[0].header.spec.shape[0] = 1 << 58
    with service.leased() as (stub, lease):
        trace(stub, lease, frames)


def unknown_dtype(service: Service) -> None:
    frames = honest_frames()
    frames[0].header.spec.dtype = 99
    with service.leased() as (stub, lease):
        trace(stub, lease, frames)


def truncated_stream(service: Service) -> None:
    with service.leased() as (stub, lease):
        trace(stub, lease, honest_frames()[:1])


def nested_too_deep(service: Service) -> None:
    with service.leased() as (stub, lease):
        trace(stub, lease, [], args=trees.Tree(b"\x91" * 5000 + b"\xc0"))


def empty_frame(service: Service) -> None:
    with service.leased() as (stub, lease):
        trace(stub, lease, [tensors_pb2.TensorFrame()])


def lying_override(service: Service) -> None:
    place = OverridePlace(moment=CallMoment.ENTRY, path="fc1", call=0, slot="0", tensor=1)
    with service.leased() as (stub, lease):
        opening = StepStart(
            lease=lease,
            step=0,
            batch=PackedBatch(args=trees.pack([TensorRef(number=1)]), kwargs=trees.pack({})),
            backward=False,
            optimize=False,
            pass_kind=Pass.LOCKSTEP,
            overrides=(place,),
        )
        header, chunk = honest_frames()
        header.header.spec.shape[0] -= 1
        begins = worker_pb2.OverrideBegins(ticket=worker_pb2.OverrideTicket(), header=header.header)
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield worker_pb2.RunStepRequest(start=to_proto(opening))
            yield from (worker_pb2.RunStepRequest(frame=frame) for frame in honest_frames())
            yield worker_pb2.RunStepRequest(override=begins)
            yield worker_pb2.RunStepRequest(override_chunk=chunk.chunk)
            over.wait(PATIENCE)

        try:
            list(stub.RunStep(requests(), timeout=PATIENCE))
        finally:
            over.set()


Attempt = Callable[[Service], None]
THIRTEEN: list[tuple[Attempt, grpc.StatusCode, type[PaDiffError], str]] = [
    (reexported_system, grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError, "comes from module 'posix'"),
    (no_certificate, grpc.StatusCode.UNAVAILABLE, WorkerLostError, "cannot be reached"),
    (wrong_ca, grpc.StatusCode.UNAVAILABLE, WorkerLostError, "cannot be reached"),
    (expired_certificate, grpc.StatusCode.UNAVAILABLE, WorkerLostError, "cannot be reached"),
    (no_token, grpc.StatusCode.UNAUTHENTICATED, UnauthenticatedError, "no token or a wrong one"),
    (wrong_token, grpc.StatusCode.UNAUTHENTICATED, UnauthenticatedError, "no token or a wrong one"),
    (plaintext_to_a_tls_port, grpc.StatusCode.UNAVAILABLE, WorkerLostError, "cannot be reached"),
    (module_outside_the_roots, grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError, "lies outside"),
    (standard_library_factory, grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError, "os lies outside"),
    (oversized_message, grpc.StatusCode.RESOURCE_EXHAUSTED, BusyError, "PADIFF_MAX_MESSAGE_MIB sets it"),
    (lying_shape, grpc.StatusCode.DATA_LOSS, ProtocolError, "80 bytes at offset 0, where 0 of 64"),
    (unknown_protocol_version, grpc.StatusCode.FAILED_PRECONDITION, StateError, "speaks protocol version"),
    (
        worker_outside_the_configuration,
        grpc.StatusCode.INVALID_ARGUMENT,
        InvalidRequestError,
        "not in this coordinator's configuration",
    ),
]
MORE: list[tuple[Attempt, grpc.StatusCode, type[PaDiffError], str]] = [
    (server_of_a_wrong_ca, grpc.StatusCode.UNAVAILABLE, WorkerLostError, "cannot be reached"),
    (workers_certificate_as_a_client, grpc.StatusCode.UNAVAILABLE, WorkerLostError, "cannot be reached"),
    (
        unknown_protocol_version_of_a_client,
        grpc.StatusCode.FAILED_PRECONDITION,
        StateError,
        "the client speaks protocol version",
    ),
    (no_message, grpc.StatusCode.DATA_LOSS, ProtocolError, "no message of the contract"),
    (claim_without_end, grpc.StatusCode.RESOURCE_EXHAUSTED, BusyError, "PADIFF_MAX_TENSOR_MIB sets this"),
    (unknown_dtype, grpc.StatusCode.DATA_LOSS, ProtocolError, "dtype: 99 is no DType"),
    (truncated_stream, grpc.StatusCode.DATA_LOSS, ProtocolError, "ended before the batch's tensors"),
    (nested_too_deep, grpc.StatusCode.RESOURCE_EXHAUSTED, BusyError, "PADIFF_MAX_TREE_DEPTH sets this"),
    (lying_override, grpc.StatusCode.DATA_LOSS, ProtocolError, "80 bytes at offset 0, where 0 of 64"),
    (empty_frame, grpc.StatusCode.DATA_LOSS, ProtocolError, "neither a header nor a chunk"),
]


def test_there_are_thirteen() -> None:
    assert len({attempt for attempt, *_ in THIRTEEN}) == 13


@pytest.mark.parametrize(
    ("attempt", "code", "kind", "text"),
    [*THIRTEEN, *MORE],
    ids=[attempt.__name__ for attempt, *_ in (*THIRTEEN, *MORE)],
)
def test_an_attempt_that_must_fail_has_its_status(
    service: Service, attempt: Attempt, code: grpc.StatusCode, kind: type[PaDiffError], text: str
) -> None:
    failure = failure_of(lambda: attempt(service), code)
    assert failure.code() is code
    error = error_from_rpc(failure, peer="the peer")
    assert type(error) is kind
    assert text in str(error)
    assert "\n" not in str(error)
    with service.worker() as stub:
        assert get_info(stub).worker.framework == "fake"


def test_afterwards_the_same_processes_compare(service: Service) -> None:
    with connect(service.coordinator, tls=service.credentials()) as connection:
        report = connection.compare(start(service), Batches(({"x": X}, {"x": X})))
    assert report


def test_what_is_allowed_is_not_refused_by_the_same_means(service: Service) -> None:
    with service.leased() as (stub, lease):
        trace(stub, lease, honest_frames())
    with open_channel(service.with_token, token=TOKEN) as channel:
        assert get_info(worker_pb2_grpc.WorkerStub(channel)).worker.framework == "fake"
    compare(service)
