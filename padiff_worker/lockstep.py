"""The reference's tensors in the places of the candidate's, one by one as the model makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Optional

import numpy as np

from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor
from padiff_rpc.v1.records import NotOverridden, OverrideTicket, Reason, StepStart
from padiff_rpc.v1.words import CallMoment, Cause
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.given_memory import GivenMemory
from padiff_worker.overrides import Overrides
from padiff_worker.packed_sequences import Packing, with_beginnings

# Moment, path, number and slot of a call.
Place = tuple[CallMoment, str, int, str]


@record
class Claim:
    """An override that a tensor is to get at a place.

    `value`: the one that it got before is another's, and a new tensor with this one is to stand in for it.
    `packing`: how its elements lie, where it is a packed batch; `value` lies so already.
    """

    ticket: OverrideTicket
    value: Optional[HostTensor] = None
    packing: Optional[Packing] = None

    @property
    def is_anew(self) -> bool:
        return self.value is not None


class Lockstep:
    """Says which tensors are overridden, and does it; one step of one model.

    A tensor is overridden in memory, so that all that hold it, its views and backward among them, see the
    reference's value. A maximum is not: a new tensor stands in for it, and backward finds where it was taken.
    Where its memory holds such a value already, or a weight, it is a view, or the same
    tensor by another name: as long as it is right it holds what the reference has there, and stays. Only
    where it does not, where a fault has shown, a new tensor stands in for it in that call.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        start: StepStart,
        overrides: Overrides,
        refuse: Callable[[NotOverridden], None],
        *,
        weights: Iterable[Any],
    ) -> None:
        """`refuse` is told what kept its own tensor; the step's `start` names the places."""
        self._adapter = adapter
        self._places = start.overrides
        self._index: dict[Place, int] = {
            (place.moment, place.path, place.call, place.slot): index
            for index, place in enumerate(self._places)
            if not place.parameter
        }
        self._parameters = {
            (place.path, place.slot): index for index, place in enumerate(self._places) if place.parameter
        }
        self._overrides = overrides
        self._refuse = refuse
        self._gradients = start.override_gradients
        self._in_float64 = start.in_float64
        self._given = GivenMemory(adapter, weights)
        # By a tensor's number: the place whose override it got, or would have if it did not keep its own.
        self._got: dict[int, int] = {}
        # By the number of a call's own gradient: the place that it is for.
        self._own: dict[int, int] = {}
        # By a tensor's number, too: the tensors of the reference that it has the value of.
        self._values: dict[int, set[int]] = {}

    def claim(
        self,
        place: Place,
        tensor: Any,
        number: int,
        is_fresh: bool,
        new_number: Callable[[], int],
        packing: Optional[Packing] = None,
    ) -> tuple[int, Optional[Claim]]:
        """Returns the tensor's number at a place and the override that it is to get there, if any.

        A tensor that was overridden already keeps its value, unless another tensor of the reference belongs
        here that has another value: then it is to be replaced for this call alone, under a number of its own.
        """
        index = self._index.get(place)
        if index is None:
            return number, None
        ticket = OverrideTicket(place=index)
        asked = self._places[index]
        if is_fresh or number not in self._got:
            self._begin(number, index)
            return number, None if asked.keeps_value else Claim(ticket=ticket, packing=packing)
        if asked.tensor in self._values[number] or asked.keeps_value:
            self._drop(index)
            return number, None
        value = self._take(ticket, tensor, packing)
        if value is None or self._has(tensor, value):
            self._values[number].add(asked.tensor)
            self._drop_gradient(index)
            return number, None
        number = new_number()
        self._begin(number, index)
        return number, Claim(ticket=ticket, value=value, packing=packing)

    def claim_own_gradient(self, place: Place, number: int) -> None:
        """Notes the number of the gradient that a call alone sends back to the place."""
        index = self._index.get(place)
        if index is not None:
            self._own[number] = index

    def synchronise(self, claim: Claim, number: int, tensor: Any) -> Any:
        """Waits for the override and returns what is to take the tensor's place: mostly itself."""
        value = claim.value
        if value is None:
            value = self._take(claim.ticket, tensor, claim.packing)
        if value is None:
            self._got.pop(number, None)
            return tensor
        made = tensor
        is_apart = claim.is_anew or (self._in_float64 and value.dtype not in FLOATING | COMPLEX)
        if is_apart or not self._put(tensor, value):
            made = self._adapter.pass_through(tensor, value)
        self._given.add(made)
        return made

    def begin_backward(self) -> None:
        """Lets go what was kept of the forward pass for the overrides to come."""
        self._given.clear()

    def gradient(self, number: int, gradient: Any, packing: Optional[Packing] = None) -> Optional[Any]:
        """Returns the reference's gradient for that number, or None where its own goes on."""
        is_own = number in self._own
        index = (self._own if is_own else self._got).get(number) if self._gradients else None
        if index is None or self._places[index].keeps_gradient:
            return None
        if self._places[index].own_gradient is not is_own:
            return None  # the total of a tensor whose calls' own gradients are replaced
        value = self._take(OverrideTicket(place=index, gradient=True), gradient, packing)
        return None if value is None else self._adapter.like(gradient, value)

    def override_gradient(self, path: str, name: str, parameter: Any) -> None:
        """Gives a parameter that has a gradient the reference's, for the optimizer's step."""
        index, own = self._parameters.get((path, name)), self._adapter.gradient(parameter)
        if index is None or own is None:
            return
        value = self._take(OverrideTicket(place=index, gradient=True), own)
        if value is not None:
            self._adapter.replace_gradient(parameter, value)

    def _begin(self, number: int, index: int) -> None:
        self._got[number] = index
        self._values[number] = {self._places[index].tensor}

    def _take(
        self, ticket: OverrideTicket, tensor: Any, packing: Optional[Packing] = None
    ) -> Optional[HostTensor]:
        """Returns an override that fits `tensor`, waiting for it; None, and says why, where there is none."""
        value = self._overrides.take(ticket)
        if value is None:
            cause = Cause.NO_SUCH_GRADIENT if ticket.gradient else Cause.NO_SUCH_TENSOR
            reason: Optional[Reason] = Reason(cause=cause)
        else:
            reason = self._misfit(tensor, value, packing)
        if reason is not None:
            self._refuse(NotOverridden(ticket=ticket, reason=reason))
            return None
        assert value is not None
        if packing is not None:
            return packing.packed(value)
        place = self._places[ticket.place]
        if place.lengths:
            own = self._adapter.host_copy(tensor)
            return with_beginnings(own, value, place.lengths, time_first=place.time_first)
        return value

    def _put(self, tensor: Any, value: HostTensor) -> bool:
        """Makes `value` that of the tensor and all that share its memory; False where it may not be."""
        is_free = not (self._given.overlaps(tensor) or self._adapter.is_extremum(tensor))
        if is_free and self._adapter.overwrite(tensor, value):
            return True
        return self._has(tensor, value)

    def _has(self, tensor: Any, value: HostTensor) -> bool:
        own = self._adapter.host_copy(tensor).array
        return np.array_equal(own, value.array, equal_nan=own.dtype.kind in "fc")

    def _drop(self, index: int) -> None:
        if self._places[index].pushed:
            self._overrides.drop(OverrideTicket(place=index))
            self._drop_gradient(index)

    def _drop_gradient(self, index: int) -> None:
        if not self._places[index].own_gradient:
            self._overrides.drop(OverrideTicket(place=index, gradient=True))

    def _misfit(self, tensor: Any, value: HostTensor, packing: Optional[Packing]) -> Optional[Reason]:
        spec = self._adapter.spec(tensor)
        spec = packing.spec(spec) if packing is not None else spec
        if spec.shape != value.spec.shape:
            shapes = str(list(value.spec.shape)), str(list(spec.shape))
            return Reason(cause=Cause.OVERRIDE_OF_OTHER_SHAPE, names=shapes)
        if spec.dtype is not value.dtype:
            return Reason(cause=Cause.OVERRIDE_OF_OTHER_DTYPE, names=(str(value.dtype), str(spec.dtype)))
        return None
