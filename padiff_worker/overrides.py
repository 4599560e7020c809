"""Overrides between the stream that brings the reference's tensors and the model that takes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Optional

from padiff_rpc.arena import NOT_SHARED, SharedArenas
from padiff_rpc.records import record
from padiff_rpc.tensor_sender import StreamAssembler
from padiff_rpc.tensors import HostTensor, ReceivedTensor
from padiff_rpc.v1.records import OverrideTicket
from padiff_worker.outbox import StepCancelled


@record
class GrantedCredit:
    """Bytes of overrides that were used or dropped."""

    bytes: int


class Overrides:
    """Tensors by ticket: one thread delivers, others take, and wait until theirs has come.

    Whoever waits says so once, since sides that run in different order would wait forever otherwise.
    What is bounded here is bounded by credits: each tensor's bytes are credited when it is gone.
    """

    def __init__(self, want: Callable[[OverrideTicket], None], credit: Callable[[int], None]) -> None:
        """`want` and `credit` tell the coordinator; both may be called on any thread."""
        self._want = want
        self._credit = credit
        self._changed = threading.Condition()
        self._here: dict[OverrideTicket, HostTensor] = {}
        self._absent: set[OverrideTicket] = set()
        self._unneeded: set[OverrideTicket] = set()
        self._cancelled = False

    def deliver(self, ticket: OverrideTicket, tensor: HostTensor) -> None:
        """Brings a tensor."""
        with self._changed:
            unneeded = ticket in self._unneeded
            if not unneeded:
                self._here[ticket] = tensor
                self._changed.notify_all()
        if unneeded:
            self._credit(tensor.byte_count)

    def lacks(self, ticket: OverrideTicket) -> None:
        """Says that a tensor will not come."""
        with self._changed:
            self._absent.add(ticket)
            self._changed.notify_all()

    def take(self, ticket: OverrideTicket) -> Optional[HostTensor]:
        """Returns the tensor, waiting for it; None when there is none. Raises StepCancelled."""
        with self._changed:
            is_here = ticket in self._here or ticket in self._absent or self._cancelled
        if not is_here:
            self._want(ticket)
        with self._changed:
            while not (ticket in self._here or ticket in self._absent or self._cancelled):
                self._changed.wait()
            if self._cancelled:
                raise StepCancelled
            tensor = self._here.pop(ticket, None)
        if tensor is not None:
            self._credit(tensor.byte_count)
        return tensor

    def drop(self, ticket: OverrideTicket) -> None:
        """Says that nobody will take this tensor, whether it has come or is still to come."""
        with self._changed:
            self._unneeded.add(ticket)
            tensor = self._here.pop(ticket, None)
        if tensor is not None:
            self._credit(tensor.byte_count)

    def cancel(self) -> None:
        """Ends every wait."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()


class OverrideReader:
    """Puts the overrides of a stream together and delivers each when it is whole."""

    def __init__(self, overrides: Overrides, shared: SharedArenas = NOT_SHARED) -> None:
        """`shared`: where some of them lie."""
        self._overrides = overrides
        self._assembler = StreamAssembler(lent=shared.lent)
        self._ticket = OverrideTicket(place=0)

    def begins(self, ticket: OverrideTicket, header: Any) -> None:
        """Takes the TensorHeader of an override. Raises ProtocolError."""
        self._ticket = ticket
        self._hand_on(self._assembler.header(header))

    def chunk(self, chunk: Any) -> None:
        """Takes a TensorChunk of the override that began last. Raises ProtocolError."""
        self._hand_on(self._assembler.chunk(chunk))

    def _hand_on(self, received: Optional[ReceivedTensor]) -> None:
        if received is not None:
            self._overrides.deliver(self._ticket, received.tensor)
