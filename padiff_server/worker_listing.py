"""The state of each configured worker at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from padiff_rpc import transport
from padiff_rpc.convert import from_number, from_proto
from padiff_rpc.errors import PaDiffError
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import KnownWorker, WorkerInfo
from padiff_rpc.v1.words import WorkerState
from padiff_server.worker_directory import ConfiguredWorker

_ANSWER_SECONDS = 3.0
_ASKED_AT_ONCE = 16


def list_workers(workers: Sequence[ConfiguredWorker]) -> tuple[KnownWorker, ...]:
    """Asks all workers at the same time; returns what each says, the unreachable too, in the same order."""
    if not workers:
        return ()
    with ThreadPoolExecutor(min(len(workers), _ASKED_AT_ONCE), thread_name_prefix="listing") as pool:
        return tuple(pool.map(_known, workers))


def _known(worker: ConfiguredWorker) -> KnownWorker:
    state, said, problem = WorkerState.UNREACHABLE, None, ""
    try:
        address = worker.dialled()
        with transport.open_channel(
            address.address, token=address.token, tls=address.tls, insecure=address.insecure
        ) as channel:
            caller = transport.Caller(worker_pb2_grpc.WorkerStub(channel), peer=f"the worker {worker.name}")
            answer = caller.GetInfo(worker_pb2.GetInfoRequest(), timeout=_ANSWER_SECONDS)
        said = from_proto(answer.worker, WorkerInfo)
        state = from_number(answer.state, WorkerState, field="state")
    except PaDiffError as error:
        problem = str(error)
    return KnownWorker(
        name=worker.name,
        address=worker.address,
        framework=worker.framework,
        labels=worker.labels,
        state=state,
        worker=said,
        problem=problem,
    )
