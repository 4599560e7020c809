"""The parameters and buffers of a worker's model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from padiff_rpc.arena import SharedStream
from padiff_rpc.errors import ProtocolError
from padiff_rpc.tensor_sender import NamedTensor, bundled
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.words import Phase
from padiff_server.links.connection import Connection

T = TypeVar("T")


class WeightsLink:
    """The weights of a worker's model, by full name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, names: Sequence[str], phase: Phase) -> Iterator[HostTensor]:
        """Yields the named weights in this order, each when it has come whole."""
        if not names:
            return
        with self._connection.blamed():
            request = worker_pb2.ReadWeightsRequest(lease=self._connection.lease, names=names)
            with self._connection.caller.ReadWeights(request) as responses:
                frames = (frame for response in responses for frame in response.frames)
                expected = iter(names)
                for received in self._connection.received(frames, phase):
                    if received.name != next(expected, None):
                        raise ProtocolError(
                            f"{self._connection.peer} sent the weight {received.name!r} out of order"
                        )
                    yield received.tensor
                missing = next(expected, None)
                if missing is not None:
                    raise ProtocolError(f"{self._connection.peer} did not send the weight {missing!r}")

    def checksums(self, names: Sequence[str]) -> Sequence[int]:
        """Returns the `checksum` of each of the named weights, in this order; () where it has none to say."""
        if not names or not self._connection.worker.has_weight_checksums:
            return ()
        answers = self._answers(worker_pb2.ReadWeightsRequest(names=names, checksums_only=True))
        return self._complete([one for answer in answers for one in answer.checksums], names)

    def digests(self, names: Sequence[str]) -> Sequence[bytes]:
        """Returns the `digest` of each of the named weights, in this order; () where it has none to say."""
        if not names or not self._connection.worker.has_weight_digests:
            return ()
        answers = self._answers(worker_pb2.ReadWeightsRequest(names=names, digests_only=True))
        return self._complete([one for answer in answers for one in answer.digests], names)

    def _answers(self, request: worker_pb2.ReadWeightsRequest) -> list[worker_pb2.ReadWeightsResponse]:
        with self._connection.blamed():
            request.lease = self._connection.lease
            with self._connection.caller.ReadWeights(request) as responses:
                return list(responses)

    def _complete(self, found: list[T], names: Sequence[str]) -> list[T]:
        if len(found) != len(names):
            raise ProtocolError(
                f"{self._connection.peer} sent {len(found)} checksums of {len(names)} weights"
            )
        return found

    def write(self, weights: Iterable[tuple[str, HostTensor]], phase: Phase) -> int:
        """Writes (full name, value) pairs; returns how many. `weights` is iterated on another thread."""

        def requests() -> Iterator[Any]:
            yield worker_pb2.WriteWeightsRequest(lease=self._connection.lease)
            arena, numbers = SharedStream(self._connection.shared), itertools.count(1)
            for bundle in bundled(weights, lambda named: named[1].byte_count):
                self._connection.count_traffic({phase: sum(tensor.byte_count for _, tensor in bundle)})
                named = [
                    NamedTensor(number=next(numbers), tensor=tensor, name=name, place=arena.laid(tensor))
                    for name, tensor in bundle
                ]
                for frames in self._connection.sender.messages_of(named):
                    if self._connection.worker.takes_bundles:
                        yield worker_pb2.WriteWeightsRequest(frames=frames)
                    else:
                        yield from (worker_pb2.WriteWeightsRequest(frame=frame) for frame in frames)

        return int(self._connection.upload(self._connection.caller.WriteWeights, requests()).written)

    def save(self, path: str) -> str:
        """Saves the model's state in the worker's file system; returns the path there."""
        with self._connection.blamed():
            request = worker_pb2.SaveWeightsRequest(lease=self._connection.lease, path=path)
            return str(self._connection.caller.SaveWeights(request).path)
