"""The conversation with a coordinator: a comparison, or an assignment of weights."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Optional, Union

from padiff_client.batches import BatchPairs, EncodedPair, PairEncoder, PulledPair
from padiff_client.gathering import Gathering
from padiff_client.keeping import Keeping
from padiff_client.progress import Onlooker
from padiff_client.recording_file import RecordingFile
from padiff_client.report import Report
from padiff_rpc import tensors
from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.transport import Caller, ResponseStream, open_channel
from padiff_rpc.v1 import coordinator_pb2, coordinator_pb2_grpc, worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    AttachRequest,
    CheckInputsRequest,
    CompareStart,
    KeptPair,
    KnownWorker,
    PlanStart,
    Progress,
    RecordStart,
    ReportSoFar,
    ReportSummary,
    Row,
    Tls,
    WorkerInfo,
)
from padiff_rpc.version import check_protocol_version

logger = logging.getLogger("padiff_client")

_GREETING_SECONDS = 15.0
_LISTING_SECONDS = 30.0
_NO_INPUTS = "no inputs were given, which only scripts (padiff run) and recordings go without; give inputs"


class Batches:
    """The batches of one comparison; the first is pulled and encoded before any process is started."""

    def __init__(self, example_inp: Any, names: Optional[tuple[str, str]] = None) -> None:
        """See `BatchPairs`."""
        self._pairs = BatchPairs(example_inp, names)
        self._encoder = PairEncoder()
        self._first: Optional[PulledPair] = self._pairs.pull(0)
        # Encoded for its errors alone: the caller should hear of a bad leaf at once.
        PairEncoder().encode(0, self._first)

    def encoded(self, step: int) -> EncodedPair:
        """Returns the pair of `step`; steps are asked for in order. Raises InvalidRequestError."""
        pair, self._first = self._first, None
        return self._encoder.encode(step, pair if pair is not None else self._pairs.pull(step))


class CoordinatorLink:
    """A channel to a coordinator that speaks our protocol version."""

    def __init__(self, caller: Caller, onlooker: Optional[Onlooker] = None) -> None:
        """`onlooker` hears where the comparison is."""
        self._caller = caller
        self._onlooker = onlooker

    def compare(
        self, start: CompareStart, batches: Optional[Batches], keeping: Optional[Keeping] = None
    ) -> Report:
        """Runs a comparison to its end; without batches the workers have loaders. What comes is kept.

        Batches are pulled on the calling thread, when the coordinator wants them. One that cannot be
        had ends the comparison; the report then says so and keeps the finished steps. So does a coordinator
        that is lost. Raises Interrupted, with the report so far, after Ctrl-C.
        """
        return self._stepped(self._caller.Compare, coordinator_pb2.CompareRequest, start, batches, keeping)

    def record(self, start: RecordStart, batches: Optional[Batches], file: RecordingFile) -> Report:
        """Records a model; the parts go into `file`, and the report says what was in the way.

        Batches and Ctrl-C as for `compare`.
        """
        request = coordinator_pb2.RecordRequest
        return self._stepped(self._caller.Record, request, start, batches, recorded=file.add)

    def attach(self, asked: AttachRequest, keeping: Optional[Keeping] = None) -> Report:
        """Follows a detached comparison from its beginning to its end; what comes is kept.

        Raises NotFoundError for one that the coordinator does not know, and Interrupted as `compare`.
        """
        return self._gathered(self._caller.Attach(to_proto(asked)), keeping=keeping)

    def plan(self, start: PlanStart, batches: Optional[Batches]) -> Report:
        """Aligns two models on the first batch; the report has their plan and no rows."""
        request = coordinator_pb2.PlanRequest
        with _Outgoing() as outgoing:
            outgoing.put([request(start=to_proto(start))])
            outgoing.put(_batch_messages(request, batches, 0))
            return self._gathered(self._caller.Plan(iter(outgoing)))

    def workers(self) -> tuple[KnownWorker, ...]:
        """Returns the workers that the coordinator knows, and how each is just now."""
        answer = self._caller.ListWorkers(coordinator_pb2.ListWorkersRequest(), timeout=_LISTING_SECONDS)
        return tuple(from_proto(worker, KnownWorker) for worker in answer.workers)

    def check_inputs(self, request: CheckInputsRequest) -> Report:
        """Compares the batches of two loaders; the report has a row for each field of each batch."""
        return self._gathered(self._caller.CheckInputs(to_proto(request)))

    def assign_weights(self, request: AssignWeightsRequest) -> Report:
        """Copies the reference's weights into the candidate; the report has one row for each."""
        return self._gathered(self._caller.AssignWeights(to_proto(request)))

    def _stepped(
        self,
        call: Callable[[Iterator[Any]], ResponseStream],
        request: Any,
        start: Union[CompareStart, RecordStart],
        batches: Optional[Batches],
        keeping: Optional[Keeping] = None,
        recorded: Callable[[Any], None] = lambda part: None,
    ) -> Report:
        """Returns the report that messages of the class `request` bring: the start, then batches."""
        with _Outgoing() as outgoing:
            outgoing.put([request(start=to_proto(start))])

            def wanted(step: int) -> None:
                outgoing.put(_batch_messages(request, batches, step))

            return self._gathered(call(iter(outgoing)), wanted, keeping, recorded)

    def _gathered(
        self,
        responses: ResponseStream,
        wanted: Callable[[int], None] = lambda step: None,
        keeping: Optional[Keeping] = None,
        recorded: Callable[[Any], None] = lambda part: None,
    ) -> Report:
        """Returns the report that a stream of rows ends with; `wanted` hears of each batch that is asked for.

        `recorded` gets the parts of a recording.

        What breaks a stream that has begun ends the report with what has come, as `Gathering` says.
        """
        with responses, Gathering(keeping, self._onlooker).ending() as gathering:
            for response in responses:
                kind = response.WhichOneof("part")
                if kind == "progress":
                    gathering.progress(from_proto(response.progress, Progress))
                elif kind == "batch_wanted":
                    wanted(response.batch_wanted.step)
                elif kind == "rows":
                    gathering.add_rows(tuple(from_proto(row, Row) for row in response.rows.rows))
                elif kind == "frame":
                    gathering.add_frame(response.frame)
                elif kind == "kept":
                    gathering.add_kept(from_proto(response.kept, KeptPair))
                elif kind == "so_far":
                    gathering.add_so_far(from_proto(response.so_far, ReportSoFar))
                elif kind == "recorded":
                    recorded(response.recorded)
                elif kind == "summary":
                    gathering.end(from_proto(response.summary, ReportSummary))
        return gathering.report()


@contextmanager
def connect(
    address: str,
    *,
    token: str = "",
    tls: Optional[Tls] = None,
    insecure: bool = False,
    onlooker: Optional[Onlooker] = None,
) -> Iterator[CoordinatorLink]:
    """Provides a connection to the coordinator at `address`.

    Raises WorkerLostError when nobody answers there, and StateError for another protocol version.
    """
    peer = f"the coordinator at {address}"
    channel = open_channel(address, token=token, tls=tls, insecure=insecure)
    try:
        caller = Caller(coordinator_pb2_grpc.CoordinatorStub(channel), peer=peer)
        answer = caller.GetCoordinatorInfo(
            coordinator_pb2.GetCoordinatorInfoRequest(), timeout=_GREETING_SECONDS
        )
        check_protocol_version(answer.protocol_version, peer=peer, package=answer.package_version)
        yield CoordinatorLink(caller, onlooker)
    finally:
        channel.close()


def ask_worker(
    address: str, *, token: str = "", tls: Optional[Tls] = None, insecure: bool = False
) -> WorkerInfo:
    """Returns what the worker at `address` says of itself.

    Raises WorkerLostError when nobody answers there, and StateError for another protocol version.
    """
    peer = f"the worker at {address}"
    with open_channel(address, token=token, tls=tls, insecure=insecure) as channel:
        caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer=peer)
        said = caller.GetInfo(worker_pb2.GetInfoRequest(), timeout=_GREETING_SECONDS).worker
    check_protocol_version(said.protocol_version, peer=peer, package=said.package_version)
    return from_proto(said, WorkerInfo)


class _Outgoing:
    """The request stream: what was put, in order, made on the thread that sends it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Optional[Iterable[Any]]] = queue.SimpleQueue()

    def __enter__(self) -> _Outgoing:
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)

    def put(self, messages: Iterable[Any]) -> None:
        self._queue.put(messages)

    def __iter__(self) -> Iterator[Any]:
        while True:
            messages = self._queue.get()
            if messages is None:
                return
            yield from messages


def _batch_messages(request: Any, batches: Optional[Batches], step: int) -> Iterable[Any]:
    """Returns a step's batch as messages of the class `request`; where there are none, one that says so."""
    if batches is None:
        return [request(batch_failure=coordinator_pb2.BatchFailure(text=_NO_INPUTS))]
    try:
        pair = batches.encoded(step)
    except InvalidRequestError as error:
        if error.__cause__ is not None:
            logger.error("the inputs of step %d raised", step, exc_info=error.__cause__)
        return [request(batch_failure=coordinator_pb2.BatchFailure(text=str(error)))]
    return _pair_messages(request, pair)


def _pair_messages(request: Any, pair: EncodedPair) -> Iterator[Any]:
    yield request(batch=to_proto(pair.batch))
    for number, tensor in pair.tensors:
        for frame in tensors.frames_of(number, tensor):
            yield request(frame=frame)
    yield request(batch_end=coordinator_pb2.BatchEnd())
