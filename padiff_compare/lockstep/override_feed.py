"""Sends the reference's tensors to the candidate, ahead of it and in its order."""

from __future__ import annotations

import heapq
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Optional, Protocol

import numpy as np
import numpy.typing as npt

from padiff_compare.alignment.slots import Meeting
from padiff_compare.capture.trace import TensorKey
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.lockstep.lockstep_plan import LockstepPlan
from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import record
from padiff_rpc.tensors import FLOATING, HostTensor, cast, epsilon, widen
from padiff_rpc.v1.records import Note, NotOverridden, OverridePlace, OverrideTicket, Reason
from padiff_rpc.v1.words import DType, NoteKind, Pass, Phase

# Bytes on their way to the candidate, or waiting there, that it did not ask for.
WINDOW_BYTES = 64 << 20

Reals = npt.NDArray[np.float64]


class Outlet(Protocol):
    """The way to the candidate."""

    def override(self, ticket: OverrideTicket, tensor: HostTensor, sent: Callable[[], None]) -> None:
        """Sends a tensor, later; calls `sent` when its bytes are no longer needed."""

    def absent(self, ticket: OverrideTicket) -> None:
        """Says that no tensor will come."""


@record
class InputNoise:
    """What values that are sent are off by: each by epsilons * eps * u times its size, u from -1 to 1.

    Whole numbers stay: they are no roundings, but masks, marks and counts.

    Attributes:
        epsilons: of the dtype that the values were rounded to.
        draw: another one draws other u.
        tips: whether whole numbers stay only among others of their kind, so that zeros beside other values
            are told apart.
    """

    epsilons: float
    draw: int = 0
    tips: bool = False


@record
class _Kept:
    """A tensor of the reference, or several that make one, kept for its places; `let_go` gives it back."""

    tensors: tuple[HostTensor, ...]
    let_go: Callable[[], None]


class OverrideFeed:
    """The overrides of one step. Both sides' readers use it; thread-safe.

    What may be sent is sent in the candidate's order as far as the window of credits reaches. What the
    candidate waits for jumps the queue and ignores the window, so that no order of execution, on either
    side, can make both wait. What the reference has not made by its end is absent.

    Attributes:
        traffic: bytes of tensors sent, by the phase that they are for.
    """

    def __init__(
        self,
        plan: LockstepPlan,
        *,
        gradients: bool,
        window_bytes: int = WINDOW_BYTES,
        pass_kind: Pass = Pass.LOCKSTEP,
        noise: Optional[InputNoise] = None,
    ) -> None:
        """`pass_kind`: in a free run overrides stand behind random decisions; `noise`: None for none."""
        self._plan = plan
        self._pass_kind = pass_kind
        self._noise = noise
        self._window_bytes = window_bytes
        places = list(enumerate(plan.places))
        forward = [
            OverrideTicket(place=index) for index, place in places if place.pushed and not place.keeps_value
        ]
        backward = [
            OverrideTicket(place=index, gradient=True)
            for index, place in sorted(places, key=_in_backward)
            if gradients and (place.pushed or place.own_gradient) and not place.keeps_gradient
        ]
        # An ordered set: what is still to be pushed.
        self._planned = dict.fromkeys([*forward, *backward])
        # The same by what the reference has of them, each with its place in the candidate's order.
        self._ordered: defaultdict[tuple[int, bool], list[tuple[int, OverrideTicket]]] = defaultdict(list)
        for position, ticket in enumerate(self._planned):
            self._ordered[plan.label(ticket), ticket.gradient].append((position, ticket))
        # By whether it is a gradient, and label: how many places get it without asking.
        self._pushes = {
            gradient: Counter(map(plan.label, tickets))
            for gradient, tickets in ((False, forward), (True, backward))
        }
        self._wanted: dict[OverrideTicket, None] = {}
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, bool], _Kept] = {}
        # A heap of what is kept and to be pushed; some of it may have gone already because it was wanted.
        self._ready: list[tuple[int, OverrideTicket]] = []
        self._sent: set[OverrideTicket] = set()
        self._left = {gradient: Counter(pushes) for gradient, pushes in self._pushes.items()}
        self._in_flight = 0
        self.traffic: Counter[Phase] = Counter()
        self._outlet: Optional[Outlet] = None
        self._reference_ended = False
        self._refused: set[OverrideTicket] = set()
        self._refusals: defaultdict[Reason, list[OverrideTicket]] = defaultdict(list)

    def open(self, outlet: Outlet) -> None:
        """Begins to send."""
        with self._lock:
            self._outlet = outlet
            self._send()

    def close(self) -> None:
        """Sends nothing more; may be called twice."""
        with self._lock:
            self._outlet = None

    def wants(self, key: TensorKey, *, gradient: bool) -> bool:
        """Whether that tensor of the reference (or its gradient) will be sent."""
        label = self._plan.labels.get(key)
        return label is not None and self._pushes[gradient][label] > 0

    def arrived(
        self, key: TensorKey, tensors: tuple[HostTensor, ...], let_go: Callable[[], None], *, gradient: bool
    ) -> None:
        """Takes what `wants` asked for; calls `let_go` once when it was sent everywhere."""
        with self._lock:
            name = self._plan.labels[key], gradient
            self._kept[name] = _Kept(tensors=tensors, let_go=let_go)
            for ready in self._ordered[name]:
                heapq.heappush(self._ready, ready)
            self._send()

    def reference_ended(self) -> None:
        """Says that no tensor will come any more."""
        with self._lock:
            self._reference_ended = True
            self._send()

    def wanted(self, ticket: OverrideTicket) -> None:
        """Takes the candidate's word that its model waits for this one. Raises ProtocolError."""
        self._check(ticket)
        with self._lock:
            if ticket not in self._sent:
                self._wanted[ticket] = None
                self._send()

    def credited(self, byte_count: int) -> None:
        """Takes the candidate's word that it is done with that many bytes."""
        with self._lock:
            self._in_flight -= byte_count
            self._send()

    def refused(self, refusal: NotOverridden) -> None:
        """Notes a place that kept its own tensor. Raises ProtocolError."""
        self._check(refusal.ticket)
        with self._lock:
            if refusal.ticket not in self._refused:
                self._refused.add(refusal.ticket)
                self._refusals[refusal.reason].append(refusal.ticket)

    def _check(self, ticket: OverrideTicket) -> None:
        if ticket.place >= len(self._plan.places):
            raise ProtocolError(
                f"the candidate speaks of override {ticket.place} and there are {len(self._plan.places)}"
            )

    def notes(self) -> Iterator[Note]:
        """Yields, for each reason, what was not overridden."""
        for reason, tickets in self._refusals.items():
            for kind, chosen in (
                (NoteKind.VALUES_KEPT, [one for one in tickets if not one.gradient]),
                (NoteKind.GRADIENTS_KEPT, [one for one in tickets if one.gradient]),
            ):
                if chosen:
                    places = [self._plan.places[ticket.place] for ticket in chosen]
                    yield Note(
                        kind=kind,
                        pass_kind=self._pass_kind,
                        names=tuple(
                            name for place in places for name in (place.path, str(place.moment), place.slot)
                        ),
                        numbers=tuple(float(place.call) for place in places),
                        reasons=(reason,),
                    )

    def _send(self) -> None:
        """Sends all that may go now. The lock is held."""
        outlet = self._outlet
        if outlet is None:
            return
        for ticket in [*self._wanted]:
            if self._kept_for(ticket) is not None:
                self._push(outlet, ticket)
            elif self._reference_ended or self._is_gone(ticket):
                self._planned.pop(ticket, None)
                del self._wanted[ticket]
                outlet.absent(ticket)
        while self._ready:
            _, ticket = self._ready[0]
            if ticket in self._planned:
                kept = self._kept_for(ticket)
                assert kept is not None
                byte_count = sum(tensor.byte_count for tensor in kept.tensors)
                if self._in_flight > 0 and self._in_flight + byte_count > self._window_bytes:
                    return
                self._push(outlet, ticket)
            heapq.heappop(self._ready)

    @staticmethod
    def _laid_out(tensors: tuple[HostTensor, ...], meeting: Optional[Meeting]) -> HostTensor:
        """Returns the tensor in the candidate's layout; one whose shape is not the trace's, as it is."""
        rule = (meeting.sent if meeting is not None else None) or IDENTITY
        fits = rule.shape_or_none(*(tensor.spec.shape for tensor in tensors)) is not None
        return rule.apply(*tensors) if fits else tensors[0]

    def _kept_for(self, ticket: OverrideTicket) -> Optional[_Kept]:
        return self._kept.get((self._plan.label(ticket), ticket.gradient))

    def _is_gone(self, ticket: OverrideTicket) -> bool:
        """Whether every place that was to get this tensor has it, so that it is no longer kept."""
        label = self._plan.label(ticket)
        return self._left[ticket.gradient][label] <= 0

    def _push(self, outlet: Outlet, ticket: OverrideTicket) -> None:
        kept = self._kept_for(ticket)
        assert kept is not None
        label = self._plan.label(ticket)
        let_go: Callable[[], None] = _nothing
        if ticket in self._planned:
            del self._planned[ticket]
            self._left[ticket.gradient][label] -= 1
            if self._left[ticket.gradient][label] == 0:
                del self._kept[label, ticket.gradient]
                let_go = kept.let_go
        self._wanted.pop(ticket, None)
        spec = self._plan.specs[ticket.place]
        tensor = self._laid_out(kept.tensors, self._plan.meetings[ticket.place][ticket.gradient])
        if tensor.dtype is not spec.dtype and {tensor.dtype, spec.dtype} <= FLOATING:
            tensor = cast(tensor, spec.dtype)
        if self._noise is not None and tensor.dtype in FLOATING:
            tensor = _noisy(tensor, kept.tensors[0].dtype, self._noise, (label, ticket.gradient))
        self._sent.add(ticket)
        self._in_flight += tensor.byte_count
        self.traffic[Phase.BACKWARD if ticket.gradient else Phase.FORWARD] += tensor.byte_count
        outlet.override(ticket, tensor, let_go)


def _in_backward(numbered: tuple[int, OverridePlace]) -> tuple[bool, int]:
    """Returns the key by which places come in backward: calls from the last one, then parameters."""
    index, place = numbered
    return place.parameter, index if place.parameter else -index


def _noisy(tensor: HostTensor, rounded_to: DType, noise: InputNoise, place: tuple[int, bool]) -> HostTensor:
    """Returns the values with noise; at the same place the same draw has the same u."""
    draws = np.random.default_rng((noise.draw, *place)).uniform(-1.0, 1.0, tensor.array.shape)
    wide = widen(tensor.array, tensor.dtype).astype(np.float64)
    # Infinity is whole; NaN is not, and stays one.
    stays, size = wide == np.rint(wide), np.abs(wide)
    if noise.tips and not stays.all():
        # A zero beside others is one of them, and as well rounded. Which of equal ones is the largest is a
        # tie; whether a ReLU lets one of them through is none, so they go down alone. Of two the one that
        # goes down further in one run does so less in the opposite one.
        zeros = wide == 0.0
        stays, size = np.isinf(wide), np.where(zeros, _typical(size), size)
        down = 0.5 + 0.5 * np.sign(noise.epsilons) * draws
        draws = np.where(zeros, -np.sign(noise.epsilons) * down, draws)
    with np.errstate(invalid="ignore"):
        noisy = np.where(stays, wide, wide + noise.epsilons * epsilon(rounded_to) * size * draws)
    return cast(HostTensor(array=np.asarray(noisy), dtype=DType.FLOAT64), tensor.dtype)


def _typical(sizes: Reals) -> float:
    """Returns the middle one of those that are not zero: marks of a mask make no other ones large."""
    return float(np.median(sizes[sizes > 0.0]))


def _nothing() -> None:
    pass
