"""The client's batches, one a step, asked for when they are wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Union

from padiff_compare.capture.sides import SIDES
from padiff_rpc import trees
from padiff_rpc.errors import CancelledError, InvalidRequestError, ProtocolError
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, ReceivedTensor, bounded
from padiff_rpc.v1.records import BatchFailure, PackedBatch, SendBatch
from padiff_rpc.v1.words import Side


@record
class BatchEnd:
    """All tensors of the batch were sent."""


BatchMessage = Union[SendBatch, ReceivedTensor, BatchEnd, BatchFailure]


class BatchUnavailable(Exception):
    """The client could not produce a wanted batch; the comparison ends with what was compared."""


@record
class StepBatch:
    """Both sides' arguments of one step; a tensor that both point at is here once.

    `from_loader`: each worker takes them from its own loader, and nothing is here.
    """

    batches: Mapping[Side, PackedBatch]
    tensors: Mapping[int, HostTensor]
    from_loader: bool = False

    def tensors_of(self, side: Side) -> list[tuple[int, HostTensor]]:
        """Returns the (number, tensor) pairs that this side's arguments point at, by number."""
        batch = self.batches[side]
        wanted = trees.tensor_numbers(batch.args, batch.kwargs, batch.target)
        missing = wanted - self.tensors.keys()
        if missing:
            raise ProtocolError(f"the {side}'s batch points at tensors that were not sent: {sorted(missing)}")
        return [(number, self.tensors[number]) for number in sorted(wanted)]


NO_BATCH = PackedBatch(args=trees.ABSENT, kwargs=trees.ABSENT)


def loaded_batch() -> StepBatch:
    """Returns what stands for a batch that stays in the workers."""
    return StepBatch(batches=dict.fromkeys(SIDES, NO_BATCH), tensors={}, from_loader=True)


def own_batch() -> StepBatch:
    """Returns what stands for the batches that scripts have of their own."""
    return dataclasses.replace(loaded_batch(), from_loader=False)


class BatchSource:
    """Asks the client for a batch and waits until it is whole."""

    def __init__(self, messages: Iterator[BatchMessage], ask: Callable[[int], None]) -> None:
        self._messages = messages
        self._ask = ask

    def batch(self, step: int) -> StepBatch:
        """Returns the batch of `step`. Raises BatchUnavailable when the client says that it has none."""
        self._ask(step)
        head = self._next()
        if isinstance(head, BatchFailure):
            raise BatchUnavailable(head.text)
        if not isinstance(head, SendBatch) or head.step != step:
            raise ProtocolError(f"the batch of step {step} was wanted, and the client sent something else")
        tensors = {got.number: got.tensor for got in bounded(self._tensors(step))}
        batches = {Side.REFERENCE: head.reference, Side.CANDIDATE: head.candidate}
        for side, batch in batches.items():
            if trees.ABSENT in (batch.args, batch.kwargs):
                raise InvalidRequestError(
                    "args and kwargs must be given, empty ones packed", field=f"{side}.inputs"
                )
        return StepBatch(batches=batches, tensors=tensors)

    def _tensors(self, step: int) -> Iterator[ReceivedTensor]:
        while not isinstance(message := self._next(), BatchEnd):
            if isinstance(message, BatchFailure):
                raise BatchUnavailable(message.text)
            if isinstance(message, SendBatch):
                raise ProtocolError(f"the batch of step {step} was begun twice")
            yield message

    def _next(self) -> BatchMessage:
        message = next(self._messages, None)
        if message is None:
            raise CancelledError("the client closed its stream before it had sent the batch")
        return message
