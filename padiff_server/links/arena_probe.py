"""Whether memory can be shared with a worker: tried when it is connected, whatever hosts are called."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from padiff_rpc.arena import NOT_SHARED, Arena, ArenaView, SharedArenas
from padiff_rpc.arena_file import ArenaFile, NotSharedError, open_shared, settled_folder
from padiff_rpc.convert import from_proto
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.records import record
from padiff_rpc.transport import Caller
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import OfferArenaResponse, WorkerInfo
from padiff_rpc.v1.words import Transport

# For answers of a thread that has nothing else to do.
_ANSWER_SECONDS = 10.0


E = TypeVar("E")


@record
class MemoryRule:
    """How tensors are to travel.

    Attributes:
        transport: what was asked for.
        folder: where workers on this host put what they share; empty: the machine's for that.
    """

    transport: Transport = Transport.AUTO
    folder: str = ""

    def with_worker(self, caller: Caller, lease: str, worker: WorkerInfo) -> SharedArenas:
        """Returns what is shared with a leased worker; `NOT_SHARED` where all goes over the connection.

        Raises InvalidRequestError where shared memory was asked for, and cannot be had.
        """
        if self.transport is Transport.GRPC:
            return NOT_SHARED
        try:
            return self._probed(caller, lease, worker)
        except PaDiffError:
            if self.transport is Transport.AUTO:
                return NOT_SHARED  # a worker that is lost says so when it is asked for more
            raise
        except NotSharedError as why:
            if self.transport is Transport.AUTO:
                return NOT_SHARED
            raise InvalidRequestError(
                f"shm cannot be had: {why}; leave it at auto, or see docs/performance.md",
                field="options.transport",
            ) from None

    def _probed(self, caller: Caller, lease: str, worker: WorkerInfo) -> SharedArenas:
        if worker.recording is not None:
            raise NotSharedError("a recording shares no memory")
        if not worker.has_arenas:
            raise NotSharedError(f"the worker's padiff-rpc {worker.package_version} does not share memory")
        # The worker lays captures into its own as soon as that is settled, so all else is by then.
        outgoing = self._mapped(caller, lease, Arena, to_worker=True)
        return SharedArenas(
            outgoing=outgoing, incoming=self._mapped(caller, lease, ArenaView, to_worker=False)
        )

    def _mapped(self, caller: Caller, lease: str, end: Callable[[ArenaFile], E], *, to_worker: bool) -> E:
        """Returns our `end` of the arena that the worker offers for a direction. Raises NotSharedError."""
        request = worker_pb2.OfferArenaRequest(lease=lease, to_worker=to_worker)
        offered = from_proto(caller.OfferArena(request, timeout=_ANSWER_SECONDS), OfferArenaResponse)
        if offered.refusal:
            raise NotSharedError(offered.refusal)
        found = None
        try:
            folder = settled_folder(self.folder, field="shared_memory")
            with closing(open_shared(folder, offered.name, offered.size, offered.nonce)) as file:
                found = end(file)
        except OSError as error:
            raise NotSharedError(f"the coordinator cannot map a file in {folder}: {error.strerror}") from None
        finally:
            answer = worker_pb2.SettleArenaRequest(lease=lease, to_worker=to_worker, mapped=found is not None)
            caller.SettleArena(answer, timeout=_ANSWER_SECONDS)
        return found


DEFAULT_RULE = MemoryRule()
