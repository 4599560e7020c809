"""Tensors on their way over a connection: how fast it takes them, and compressed where it is slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Optional

from padiff_rpc.tensor_codings import code, codings, plain
from padiff_rpc.tensors import (
    Array,
    HostTensor,
    ReceivedTensor,
    TensorAssembler,
    chunks_of,
    frames_of,
)
from padiff_rpc.v1 import tensors_pb2
from padiff_rpc.v1.records import ArenaPlace, Sending
from padiff_rpc.v1.words import TensorCoding

# What one core compresses in a second is several times as much, and tensors of a network shrink by a fifth to
# a third: a connection that is faster gains nothing.
SLOW_BYTES_PER_SECOND = 100e6
# A faster one again: between the two nothing changes.
_FAST_BYTES_PER_SECOND = 2 * SLOW_BYTES_PER_SECOND
# The first bytes go into buffers of both hosts, whatever lies between.
_LEAST_BYTES = 2 << 20
# Of what was sent before, half is forgotten with so many bytes more.
_HALF_FORGOTTEN_BYTES = 4 << 20
# Smaller ones are not worth a call of the library.
_LEAST_CODED_BYTES = 4096


class TensorSender:
    """Makes frames of tensors, for one direction of a connection. Thread-safe.

    A generator's next chunk is asked for when gRPC has taken the one before, so that the time between is what
    the connection needed for it.

    Attributes:
        readable: the codings that the other end can read.
    """

    def __init__(self, readable: Collection[str] = ()) -> None:
        self.readable = frozenset(readable)
        self._can_code = TensorCoding.ZSTD.value in self.readable.intersection(codings())
        self._lock = threading.Lock()
        self._tensor_bytes = self._sent_bytes = 0
        # Of the last few MiB.
        self._bytes = self._seconds = 0.0
        self._is_slow = False

    def frames_of(
        self, number: int, tensor: HostTensor, name: str = "", place: Optional[ArenaPlace] = None
    ) -> Iterator[tensors_pb2.TensorFrame]:
        """Returns what `tensors.frames_of` yields, of chunks that are compressed where that helps."""
        return frames_of(number, tensor, name, place, self.chunks_of)

    def chunks_of(self, number: int, tensor: HostTensor) -> Iterator[tensors_pb2.TensorChunk]:
        """Yields the chunks of `tensor` in order; none for a tensor of no bytes."""
        for chunk in chunks_of(number, tensor):
            size = len(chunk.content)
            if self._can_code and self._is_slow and size >= _LEAST_CODED_BYTES:
                chunk = code(chunk, tensor.array.itemsize)
            began = time.monotonic()
            yield chunk
            self._took(size, len(chunk.content), time.monotonic() - began)

    def sending(self, *, to_worker: bool) -> Sending:
        """Returns what was sent so far."""
        with self._lock:
            return Sending(
                to_worker=to_worker,
                tensor_bytes=self._tensor_bytes,
                sent_bytes=self._sent_bytes,
                bytes_per_second=self._bytes_per_second,
                can_compress=self._can_code,
            )

    def _took(self, tensor_bytes: int, sent_bytes: int, seconds: float) -> None:
        with self._lock:
            self._tensor_bytes += tensor_bytes
            self._sent_bytes += sent_bytes
            kept = 0.5 ** (sent_bytes / _HALF_FORGOTTEN_BYTES)
            self._bytes = self._bytes * kept + sent_bytes
            self._seconds = self._seconds * kept + seconds
            speed = self._bytes_per_second
            if speed:
                self._is_slow = speed < (_FAST_BYTES_PER_SECOND if self._is_slow else SLOW_BYTES_PER_SECOND)

    @property
    def _bytes_per_second(self) -> float:
        """What the connection takes; 0 while too little was sent to tell."""
        if self._sent_bytes < _LEAST_BYTES or not self._seconds:
            return 0.0
        return self._bytes / self._seconds


class StreamAssembler(TensorAssembler):
    """Puts the tensors of one stream together whose chunks may be coded. Not thread-safe."""

    def chunk(self, chunk: tensors_pb2.TensorChunk) -> Optional[ReceivedTensor]:
        """Takes a chunk; returns the tensor that it completes, if any. Raises ProtocolError."""
        return super().chunk(plain(chunk))


def received_tensors(
    frames: Iterable[tensors_pb2.TensorFrame], lent: Optional[Callable[[ArenaPlace], Array]] = None
) -> Iterator[ReceivedTensor]:
    """Yields each tensor of a stream of frames when it is whole. Raises ProtocolError.

    `lent(place)` returns the bytes in an arena, uint8.
    """
    assembler = StreamAssembler(lent=lent)
    for frame in frames:
        received = assembler.frame(frame)
        if received is not None:
            yield received
    assembler.finish()
