"""The batches of a worker's own loader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Union

from padiff_compare.capture.source import LoadedBatch, Look
from padiff_rpc import trees
from padiff_rpc.convert import from_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.tensors import bounded
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import ModelFailure, PackedBatch
from padiff_rpc.v1.words import Phase
from padiff_server.links.connection import Connection


class LoaderLink:
    """The loader that a worker's model names."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def look(self, index: int) -> Look:
        """Has the worker's loader read batch `index`, counted from 0, which stays there for the step."""
        with self._connection.blamed():
            request = worker_pb2.ReadBatchRequest(lease=self._connection.lease, index=index, keep_there=True)
            with self._connection.caller.ReadBatch(request) as responses:
                for response in responses:
                    if response.HasField("failure"):
                        return Look(failure=from_proto(response.failure, ModelFailure))
                    return Look(exhausted=response.exhausted)
        raise ProtocolError(f"{self._connection.peer} said nothing of its loader's batch {index}")

    def read(self, index: int) -> Union[Look, LoadedBatch]:
        """Returns batch `index` of the worker's loader, counted from 0, or why there is none."""
        heads: list[PackedBatch] = []
        looks: list[Look] = []

        def frames(responses: Iterable[Any]) -> Iterator[Any]:
            for response in responses:
                kind = response.WhichOneof("response")
                if kind == "frame":
                    yield response.frame
                elif kind == "batch":
                    heads.append(from_proto(response.batch, PackedBatch))
                elif kind == "failure":
                    looks.append(Look(failure=from_proto(response.failure, ModelFailure)))
                else:
                    looks.append(Look(exhausted=response.exhausted))

        with self._connection.blamed():
            request = worker_pb2.ReadBatchRequest(lease=self._connection.lease, index=index)
            with self._connection.caller.ReadBatch(request) as responses:
                received = self._connection.received(frames(responses), Phase.INPUTS)
                tensors = {r.number: r.tensor for r in bounded(received)}
            if looks:
                return looks[0]
            if not heads:
                raise ProtocolError(f"{self._connection.peer} said nothing of its loader's batch {index}")
            head = heads[0]
            if not trees.tensor_numbers(head.args, head.kwargs, head.target) <= tensors.keys():
                raise ProtocolError(f"{self._connection.peer} did not send all tensors of batch {index}")
        return LoadedBatch(batch=head, tensors=tensors)
