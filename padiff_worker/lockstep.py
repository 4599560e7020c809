"""The reference's tensors in the places of the candidate's, one by one as the model makes them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Optional

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.types import NotOverridden, OverridePlace, OverrideTicket
from padiff_rpc.words import CallMoment
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.overrides import Overrides

_Place = tuple[CallMoment, str, int, str]


@record
class Claim:
    """An override that a tensor is to get at a place; `anew`: it got another one before."""

    ticket: OverrideTicket
    anew: bool = False


class Lockstep:
    """Says which tensors are overridden, and does it; one step of one model.

    A tensor is overridden in memory, so that whoever holds it sees the reference's value. Where that
    would change another tensor too (a weight, the base of a view that was already seen) or another
    value was put in place before, a new tensor passes the gradient through.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        places: Iterable[OverridePlace],
        overrides: Overrides,
        refuse: Callable[[NotOverridden], None],
        *,
        weights: Iterable[Any],
        gradients: bool,
        keeps_graph: bool,
    ) -> None:
        """`refuse` is told what kept its own tensor; `gradients`: these are overridden as well.

        `keeps_graph`: what the forward pass computes is kept for a backward pass.
        """
        self._adapter = adapter
        self._places = tuple(places)
        self._index: dict[_Place, int] = {
            (place.moment, place.path, place.call, place.slot): index
            for index, place in enumerate(self._places)
        }
        self._overrides = overrides
        self._refuse = refuse
        self._gradients = gradients
        self._keeps_graph = keeps_graph
        self._weights = {adapter.memory(weight) for weight in weights}
        self._owners: dict[Hashable, weakref.ref[Any]] = {}
        # By a tensor's number: the place whose override it got, or would have if it did not keep its own.
        self._got: dict[int, int] = {}

    def claim(
        self,
        place: tuple[CallMoment, str, int, str],
        number: int,
        is_fresh: bool,
        new_number: Callable[[], int],
    ) -> tuple[int, Optional[Claim]]:
        """Returns the tensor's number at a place and the override that it is to get there, if any.

        A tensor that was overridden already keeps its value, unless another tensor of the reference
        belongs here: then it is to be replaced for this call alone, under a number of its own.
        """
        index = self._index.get(place)
        if index is None:
            return number, None
        ticket = OverrideTicket(place=index)
        asked = self._places[index]
        known = None if is_fresh else self._got.get(number)
        if known is None:
            self._got[number] = index
            return number, None if asked.keeps_value else Claim(ticket=ticket)
        if self._places[known].tensor == asked.tensor or asked.keeps_value:
            self._drop(index)
            return number, None
        number = new_number()
        self._got[number] = index
        return number, Claim(ticket=ticket, anew=True)

    def synchronise(self, claim: Claim, number: int, tensor: Any) -> Any:
        """Waits for the override and returns what is to take the tensor's place: mostly itself."""
        value = self._overrides.take(claim.ticket)
        reason = "the reference has no such tensor" if value is None else self._misfit(tensor, value)
        if value is None or reason:
            self._got.pop(number, None)
            self._refuse(NotOverridden(ticket=claim.ticket, reason=reason))
            return tensor
        if not claim.anew and self._is_alone(tensor) and self._adapter.overwrite(tensor, value):
            self._own(tensor)
            return tensor
        made = self._adapter.pass_through(tensor, value)
        self._own(made)
        return made

    def gradient(self, number: int, gradient: Any) -> Optional[Any]:
        """Returns the reference's gradient for that tensor, or None where its own goes on."""
        index = self._got.get(number) if self._gradients else None
        if index is None or self._places[index].keeps_gradient:
            return None
        ticket = OverrideTicket(place=index, gradient=True)
        value = self._overrides.take(ticket)
        reason = "the reference has no such gradient" if value is None else self._misfit(gradient, value)
        if value is None or reason:
            self._refuse(NotOverridden(ticket=ticket, reason=reason))
            return None
        return self._adapter.like(gradient, value)

    def _drop(self, index: int) -> None:
        if self._places[index].pushed:
            self._overrides.drop(OverrideTicket(place=index))
            self._overrides.drop(OverrideTicket(place=index, gradient=True))

    def _misfit(self, tensor: Any, value: HostTensor) -> str:
        spec = self._adapter.spec(tensor)
        if spec.shape != value.spec.shape:
            return f"the reference's shape is {list(value.spec.shape)}, the candidate's {list(spec.shape)}"
        if spec.dtype is not value.dtype:
            return f"the reference's dtype is {value.dtype}, the candidate's {spec.dtype}"
        return ""

    def _is_alone(self, tensor: Any) -> bool:
        """Whether no weight, and no other tensor that was seen, may lie in the same memory."""
        memory = self._adapter.memory(tensor)
        if memory in self._weights:
            return False
        owner = self._owners.get(memory)
        if owner is None or owner() is tensor:
            return True
        # Autograd may have kept what a dead tensor held. (Or the memory is another's by now: then this
        # costs a copy and nothing else.)
        return owner() is None and not self._keeps_graph

    def _own(self, tensor: Any) -> None:
        self._owners[self._adapter.memory(tensor)] = weakref.ref(tensor)
