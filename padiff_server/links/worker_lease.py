"""The stream that keeps a worker ours, and what its end says."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from typing import Optional

from padiff_rpc.errors import BusyError, CancelledError, PaDiffError, ProtocolError, WorkerLostError
from padiff_rpc.transport import Caller, ResponseStream
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.version import PROTOCOL_VERSION

# As long as a step may take from one hook to the next.
LEASE_SECONDS = 2.0
# As long as a new process of a worker may take to serve.
_HANDOVER_SECONDS = 60.0
_RETRY_SECONDS = 0.05
# From a failed call to the end of the lease, which says why.
_REASON_SECONDS = 0.5


class WorkerLease:
    """A lease that was granted. A thread listens for its end, at which a worker that stops says so."""

    def __init__(self, name: str, stream: ResponseStream, *, peer: str) -> None:
        self.name = name
        self._stream = stream
        self._peer = peer
        self._reason: Optional[PaDiffError] = None
        self._listener = threading.Thread(target=self._listen, name="lease", daemon=True)
        self._listener.start()

    def explained(self, error: PaDiffError) -> PaDiffError:
        """Returns the error of a call; where the worker is lost because it was told to stop, that."""
        if not isinstance(error, WorkerLostError) or error.context.get("stopping"):
            return error
        self._listener.join(_REASON_SECONDS)
        reason = self._reason
        if reason is None or not reason.context.get("stopping"):
            return error
        return WorkerLostError(f"{self._peer}: {reason}", **reason.context)

    def close(self) -> None:
        """Gives the worker back; may be called twice."""
        self._stream.close()

    def _listen(self) -> None:
        try:
            for _ in self._stream:
                pass
        except PaDiffError as error:
            self._reason = error


def take_lease(
    caller: Caller,
    *,
    peer: str,
    closed: threading.Event,
    patience_seconds: float = 0.0,
    codings: Collection[str] = (),
) -> WorkerLease:
    """Returns the lease of the worker behind `caller`, which is told our patience, and which codings we read.

    Raises BusyError while another holds it, CancelledError once `closed` is set.

    A worker learns a moment late that its last lease has ended, and its next process then takes the address
    over, so that busy, or gone, is believed after a while. That while begins with the first refusal: a call
    that the leaving process took and cut off may have lasted longer than any patience.
    """
    refused_at, patience = None, LEASE_SECONDS
    while True:
        stream = caller.Lease(
            worker_pb2.LeaseRequest(
                protocol_version=PROTOCOL_VERSION, patience_seconds=patience_seconds, codings=codings
            )
        )
        try:
            return WorkerLease(next(stream).lease, stream, peer=peer)
        except StopIteration:
            raise ProtocolError(f"{peer} ended its lease before it had granted it") from None
        except (BusyError, WorkerLostError, CancelledError) as error:
            if error.context.get("stopping"):
                raise
            if error.context.get("handing_over"):
                # Its successor will serve; until then the process that leaves may cut calls off.
                patience = _HANDOVER_SECONDS
            now = time.monotonic()
            refused_at = now if refused_at is None else refused_at
            if now >= refused_at + patience:
                if isinstance(error, BusyError):
                    raise BusyError(f"{peer}: {error}") from None
                raise
            if closed.wait(_RETRY_SECONDS):
                raise CancelledError(f"the comparison ended while it waited for {peer}") from error
