"""Store of traces, kept so that the same code need not be traced again on the same batch."""

from __future__ import annotations

from typing import Optional

from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.v1.records import TraceResponse
from padiff_server.kept_files import KeptFiles


class TraceStore:
    """Keeps traces in files; thread-safe as those are."""

    def __init__(self, files: KeptFiles) -> None:
        self._files = files

    def get(self, key: str) -> Optional[TraceResponse]:
        """Returns what was kept under `key`, a text of any length; None for nothing."""
        return self._files.get(_named(key), _unpacked)

    def put(self, key: str, trace: TraceResponse) -> None:
        """Keeps it under `key`."""
        self._files.put(_named(key), to_proto(trace).SerializeToString())

    def drop(self, key: str) -> None:
        """Forgets what was kept under `key`."""
        self._files.drop(_named(key))


def _unpacked(content: bytes) -> TraceResponse:
    message = to_proto(TraceResponse())
    message.ParseFromString(content)
    return from_proto(message, TraceResponse)


def _named(key: str) -> str:
    return f"trace\n{key}"
