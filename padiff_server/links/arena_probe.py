"""Whether a worker's memory can be read here: tried when it is connected, whatever hosts are called."""

from __future__ import annotations

from typing import Optional

from padiff_rpc.arena_file import NotSharedError, open_shared, settled_folder
from padiff_rpc.convert import from_proto
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.records import record
from padiff_rpc.transport import Caller
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import OfferArenaResponse, WorkerInfo
from padiff_rpc.v1.words import Transport
from padiff_server.links.arena_view import ArenaView

# For answers of a thread that has nothing else to do.
_ANSWER_SECONDS = 10.0


@record
class MemoryRule:
    """How captures are to come.

    Attributes:
        transport: what was asked for.
        folder: where workers on this host put what they share; empty: the machine's for that.
    """

    transport: Transport = Transport.AUTO
    folder: str = ""

    def with_worker(self, caller: Caller, lease: str, worker: WorkerInfo) -> Optional[ArenaView]:
        """Returns the arena of a leased worker; None where captures come over the connection.

        Raises InvalidRequestError where shared memory was asked for, and cannot be had.
        """
        if self.transport is Transport.GRPC:
            return None
        try:
            return self._probed(caller, lease, worker)
        except PaDiffError:
            if self.transport is Transport.AUTO:
                return None  # a worker that is lost says so when it is asked for more
            raise
        except NotSharedError as why:
            if self.transport is Transport.AUTO:
                return None
            raise InvalidRequestError(
                f"shm cannot be had: {why}; leave it at auto, or see docs/performance.md",
                field="options.transport",
            ) from None

    def _probed(self, caller: Caller, lease: str, worker: WorkerInfo) -> ArenaView:
        if worker.recording is not None:
            raise NotSharedError("a recording shares no memory")
        if not worker.has_shared_memory:
            raise NotSharedError(f"the worker's padiff-rpc {worker.package_version} does not share memory")
        request = worker_pb2.OfferArenaRequest(lease=lease)
        offered = from_proto(caller.OfferArena(request, timeout=_ANSWER_SECONDS), OfferArenaResponse)
        if offered.refusal:
            raise NotSharedError(offered.refusal)
        found = None
        try:
            folder = settled_folder(self.folder, field="shared_memory")
            found = open_shared(folder, offered.name, offered.size, offered.nonce)
        finally:
            answer = worker_pb2.SettleArenaRequest(lease=lease, mapped=found is not None)
            caller.SettleArena(answer, timeout=_ANSWER_SECONDS)
        return ArenaView(found)


DEFAULT_RULE = MemoryRule()
