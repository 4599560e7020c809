"""Tensors on their way over a connection: how fast it takes them, and compressed where it is slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Optional, TypeVar

from padiff_rpc.records import record
from padiff_rpc.tensor_codings import code, codings, plain
from padiff_rpc.tensors import (
    Array,
    HostTensor,
    ReceivedTensor,
    TensorAssembler,
    bounded,
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
# What is sent, read or written at a time of small tensors: with their headers it fits the smallest message
# that a limit allows.
_BUNDLE_BYTES = 1 << 19
_MOST_BUNDLED = 256

T = TypeVar("T")


@record
class NamedTensor:
    """A tensor to be sent. `place`: in the arena, where its bytes do not travel."""

    number: int
    tensor: HostTensor
    name: str = ""
    place: Optional[ArenaPlace] = None


def bundled(items: Iterable[T], byte_count: Callable[[T], int]) -> Iterator[list[T]]:
    """Yields `items` in order, small ones together: what one message holds, and one thread does at a time.

    `byte_count(item)`: of its tensor. A large one is alone, and never waits for the next.
    """
    waiting: list[T] = []
    total = 0
    for item in items:
        size = byte_count(item)
        if waiting and total + size > _BUNDLE_BYTES:
            yield waiting
            waiting, total = [], 0
        waiting.append(item)
        total += size
        if total >= _BUNDLE_BYTES or len(waiting) == _MOST_BUNDLED:
            yield waiting
            waiting, total = [], 0
    if waiting:
        yield waiting


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

    def messages_of(self, bundle: Sequence[NamedTensor]) -> Iterator[list[tensors_pb2.TensorFrame]]:
        """Yields the frames of what `bundled` has put together as lists, each of which one message holds."""
        if len(bundle) == 1:
            (one,) = bundle
            for frame in self.frames_of(one.number, one.tensor, one.name, one.place):
                yield [frame]
            return
        frames: list[tensors_pb2.TensorFrame] = []
        for one in bundle:
            frames += frames_of(one.number, one.tensor, one.name, one.place, self._coded_chunks_of)
        began = time.monotonic()
        yield frames
        size = sum(one.tensor.byte_count for one in bundle if one.place is None)
        self._took(size, sum(len(frame.chunk.content) for frame in frames), time.monotonic() - began)

    def chunks_of(self, number: int, tensor: HostTensor) -> Iterator[tensors_pb2.TensorChunk]:
        """Yields the chunks of `tensor` in order; none for a tensor of no bytes."""
        for chunk in self._coded_chunks_of(number, tensor):
            began = time.monotonic()
            yield chunk
            size = len(chunk.content)
            self._took(chunk.plain_bytes or size, size, time.monotonic() - began)

    def _coded_chunks_of(self, number: int, tensor: HostTensor) -> Iterator[tensors_pb2.TensorChunk]:
        for chunk in chunks_of(number, tensor):
            is_worth_it = self._can_code and self._is_slow and len(chunk.content) >= _LEAST_CODED_BYTES
            yield code(chunk, tensor.array.itemsize) if is_worth_it else chunk

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
    for bundle in received_bundles(([frame] for frame in frames), lent):
        yield from bundle


def received_bundles(
    messages: Iterable[Iterable[tensors_pb2.TensorFrame]],
    lent: Optional[Callable[[ArenaPlace], Array]] = None,
) -> Iterator[list[ReceivedTensor]]:
    """Yields the tensors that each message of a stream, given by its frames, completes; where there are any.

    `lent`: as of `received_tensors`. Raises ProtocolError, and BusyError when these are more than the limit.
    """
    assembler = StreamAssembler(lent=lent)
    for frames in messages:
        received = map(assembler.frame, frames)
        bundle = list(bounded(one for one in received if one is not None))
        if bundle:
            yield bundle
    assembler.finish()
