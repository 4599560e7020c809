"""Optimizer state on the wire: each entry, and then the frames of its tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional, TypeVar

from padiff_rpc.arena import NOT_SHARED, SharedArenas, SharedStream
from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.tensor_sender import StreamAssembler
from padiff_rpc.tensors import HostTensor, frames_of
from padiff_rpc.v1.records import OptimizerEntry

M = TypeVar("M")
EntryValue = tuple[OptimizerEntry, HostTensor]


def messages_of(
    values: Iterable[EntryValue],
    message: Callable[..., M],
    shared: SharedArenas = NOT_SHARED,
    frames: Callable[..., Iterator[Any]] = frames_of,
) -> Iterator[M]:
    """Yields what carries the values: `message(entry=...)`, then `message(frame=...)`.

    `shared`: where they are laid, as far as there is room. `frames`: what makes frames, as `frames_of`.
    """
    arena = SharedStream(shared)
    for number, (entry, value) in enumerate(values, start=1):
        yield message(entry=to_proto(entry))
        for frame in frames(number, value, place=arena.laid(value)):
            yield message(frame=frame)


def values_of(messages: Iterable[Any], oneof: str, shared: SharedArenas = NOT_SHARED) -> Iterator[EntryValue]:
    """Yields each entry with its value when that has come whole. Raises ProtocolError."""
    assembler = StreamAssembler(lent=shared.lent)
    entry: Optional[OptimizerEntry] = None
    for message in messages:
        if message.WhichOneof(oneof) == "entry":
            entry = from_proto(message.entry, OptimizerEntry)
            continue
        received = assembler.frame(message.frame)
        if received is not None:
            if entry is None:
                raise ProtocolError("a tensor of an optimizer's state came without its entry")
            yield entry, received.tensor
            entry = None
    assembler.finish()
