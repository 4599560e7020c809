"""The optimizer of a worker's model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.optimizer_states import EntryValue, messages_of, values_of
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import DescribeOptimizerResponse, OptimizerEntry
from padiff_rpc.v1.words import Phase
from padiff_server.described import check_optimizer
from padiff_server.links.connection import Connection


class OptimizerLink:
    """A worker's optimizer: its settings, and its state by parameter and name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self) -> DescribeOptimizerResponse:
        """Returns the optimizer as it is now; without a class where there is nothing to look into."""
        with self._connection.blamed():
            request = worker_pb2.DescribeOptimizerRequest(lease=self._connection.lease)
            described = from_proto(
                self._connection.caller.DescribeOptimizer(request), DescribeOptimizerResponse
            )
            check_optimizer(described, peer=self._connection.peer)
            return described

    def read(self, entries: Sequence[OptimizerEntry], phase: Phase) -> Iterator[HostTensor]:
        """Yields the values of `entries` in this order, each when it has come whole."""
        if not entries:
            return
        with self._connection.blamed():
            request = worker_pb2.ReadOptimizerStateRequest(
                lease=self._connection.lease, entries=map(to_proto, entries)
            )
            with self._connection.caller.ReadOptimizerState(request) as responses:
                expected = iter(entries)
                for entry, value in values_of(responses, "response", self._connection.shared):
                    if entry != next(expected, None):
                        raise ProtocolError(
                            f"{self._connection.peer} sent {entry.state} of {entry.parameter} out of order"
                        )
                    self._connection.count_traffic({phase: value.byte_count})
                    yield value
                if next(expected, None) is not None:
                    raise ProtocolError(f"{self._connection.peer} did not send all of its optimizer's state")

    def write(self, values: Iterable[EntryValue], phase: Phase) -> int:
        """Writes the values that the optimizer has a place for; returns how many.

        `values` is iterated on another thread.
        """

        def counted() -> Iterator[EntryValue]:
            for entry, value in values:
                self._connection.count_traffic({phase: value.byte_count})
                yield entry, value

        def requests() -> Iterator[Any]:
            yield worker_pb2.WriteOptimizerStateRequest(lease=self._connection.lease)
            message, link = worker_pb2.WriteOptimizerStateRequest, self._connection
            yield from messages_of(counted(), message, link.shared, link.sender.frames_of)

        return int(self._connection.upload(self._connection.caller.WriteOptimizerState, requests()).written)
