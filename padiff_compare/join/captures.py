"""The heart of a step: what both sides saw, brought together pair by pair.

Call events say which tensors belong together, captures bring them. Every tensor pair is measured once,
as soon as both halves are there, whatever number of calls shows it; a half is let go when the traces
say that nothing will ask for it again. What no trace knows of is kept until the step ends.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Optional

from padiff_compare.alignment.plan import Plan
from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.source import Announced, HeldCapture
from padiff_compare.capture.store import TensorStore
from padiff_compare.capture.trace import Origin, Trace, Traces, own_gradients
from padiff_compare.join.calls import CallPair, CallPairs, JoinedCalls
from padiff_compare.join.foreseen import Expectations
from padiff_compare.join.pairs import Half, Keeper, PairTable, Ready, Targets
from padiff_compare.join.parameter_gradients import ParameterGradients
from padiff_compare.join.precision import Precision
from padiff_compare.judge.measured import Aspect, ShownAt
from padiff_compare.normalization import Normalization
from padiff_compare.weights.weight_pair import WeightPair, WeightPlan, full_name
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.records import CallEvent, Reason, Slot
from padiff_rpc.v1.words import CallMoment, CaptureKind, Cause, DType, Phase, Side

LOSS_KEY = "loss"
LOSSES = TensorPair(reference=LOSS_KEY, candidate=LOSS_KEY)
# What the client gave, as against what a layer computed.
_GIVEN = Aspect(phase=Phase.INPUTS, kind=CaptureKind.INPUT)
_MADE = Aspect(phase=Phase.FORWARD, kind=CaptureKind.OUTPUT)
_SENT_BACK = Aspect(phase=Phase.BACKWARD, kind=CaptureKind.OUTPUT_GRADIENT)
_LOST = Aspect(
    phase=Phase.LOSS,
    kind=CaptureKind.LOSS,
    shown=ShownAt(reference="", candidate="", slot=LOSS_KEY),
)
_MOMENTS = {CaptureKind.INPUT: CallMoment.ENTRY, CaptureKind.OUTPUT: CallMoment.EXIT}


@record
class PassPlan:
    """What is known of a pass before it runs.

    Attributes:
        plan: without any, events only wait for `StepCaptures.pair_calls`.
        weights: which weights hold the same numbers.
        expectations: without any, every tensor is kept.
        norms: those that are called with what shows at a place; empty where nobody asks.
    """

    plan: Optional[Plan]
    weights: WeightPlan
    expectations: Optional[Expectations] = None
    norms: Mapping[ShownAt, tuple[Normalization, ...]] = dataclasses.field(default_factory=dict)


class StepCaptures:
    """All captures of one step. Two readers feed it; it is thread-safe.

    Attributes:
        values, gradients: pairs of tensors, by their numbers in this step; see `SlotPair`.
        parameter_gradients: pairs by the parameters' full names.
        targets: what loaders in the workers gave to the losses.
        losses: one pair, `LOSSES`.
        weights: which weights hold the same numbers.
        compared_parameters: the pairs of the weight plan whose gradients are compared.
        made_parameters: the parameters of whose gradients only the presence is judged.
    """

    def __init__(
        self,
        known: PassPlan,
        store: TensorStore,
        ready: Ready,
        keeper: Optional[Keeper] = None,
        holds: Mapping[Side, HeldPass] = MappingProxyType({}),
    ) -> None:
        """`keeper` gets the reference's tensors that it wants; `holds` all that these sides show."""
        self._norms = known.norms
        self._keeper = keeper
        self._holds = holds
        self._expectations = known.expectations
        self._lock = threading.Lock()
        self._origins: Mapping[Side, dict[int, Origin]] = {side: {} for side in SIDES}
        self._events: Mapping[Side, list[CallEvent]] = {side: [] for side in SIDES}
        # Layer by its first path -> whether all that its calls took were integers.
        self._takes_indices: dict[tuple[Side, str], bool] = {}
        # Of the reference; only its reader writes it, and asks.
        self._precision = Precision()
        self._plan = known.plan
        self._calls = CallPairs(known.plan) if known.plan is not None else None
        self.weights = known.weights
        self.compared_parameters, self.made_parameters = self.weights.trained, self.weights.made
        self.values: PairTable[int] = PairTable(_MADE, store, ready)
        self.gradients: PairTable[int] = PairTable(_SENT_BACK, store, ready)
        self.losses: PairTable[str] = PairTable(_LOST, store, ready)
        self.losses.expect(LOSSES)
        self.targets = Targets(store, ready)
        self._parameter_gradients = ParameterGradients(self.weights, store, ready, keeper)
        self.parameter_gradients = self._parameter_gradients.table

    @property
    def tables(self) -> tuple[PairTable[Any], ...]:
        """What is measured of calls: values, losses, gradients, gradients of parameters."""
        return self.values, self.losses, self.gradients, self.parameter_gradients

    def call(self, side: Side, event: CallEvent) -> None:
        """Takes a call event; its tensors are expected as soon as the other side's event is there too."""
        if event.replay:
            return
        if side in self._holds:
            self._holds[side].called(event)
        self._origins[side].update(own_gradients(event))
        if side is Side.REFERENCE:
            self._precision.note(event)
        with self._lock:
            self._events[side].append(event)
            if event.moment is CallMoment.ENTRY and event.slots:
                taken = self._takes_indices.setdefault((side, event.path), True)
                self._takes_indices[side, event.path] = taken and _are_integers(event.slots)
            pairs = self._calls.add(side, event) if self._calls is not None else ()
        self.targets.model_called(side)
        for pair in pairs:
            self._expect(pair)

    def pair_calls(self, plan: Plan) -> None:
        """Pairs the events collected so far, and those to come, by `plan`; for a step begun without one."""
        with self._lock:
            self._plan, self._calls = plan, CallPairs(plan)
            calls = self._calls
            for side in SIDES:
                for event in self._events[side]:
                    calls.add(side, event)
        for pair in calls.pairs:
            self._expect(pair)

    @cached_property
    def traces(self) -> Traces:
        """Each side's calls, when the pass is over."""
        return {side: Trace.of_events(self._events[side]) for side in SIDES}

    @cached_property
    def joined(self) -> JoinedCalls:
        """The calls of the pass, when it is over; there has to be a plan by then."""
        assert self._plan is not None
        assert self._calls is not None
        return JoinedCalls.of_calls(self._plan, self.traces, self._calls)

    def _expect(self, pair: CallPair) -> None:
        is_root_entry = pair.layer.reference == "" and pair.moment is CallMoment.ENTRY
        aspect = _GIVEN if is_root_entry else _MADE
        for slots in pair.slots.pairs:
            shown = shown_at(pair, slots)
            value = dataclasses.replace(aspect, norms=self._norms.get(shown, ()))
            for table, numbers, kind, meeting in (
                (self.values, slots.tensors, value, slots.values),
                (self.gradients, slots.gradient_numbers, _SENT_BACK, slots.gradients),
            ):
                if meeting is not None:
                    its_own = dataclasses.replace(kind, shown=shown, candidate_rule=meeting.candidate)
                    table.expect(numbers, its_own, meeting.reference)

    def announce(self, side: Side, capture: Announced) -> bool:
        """Notes a capture that begins to arrive; returns whether its bytes are wanted."""
        if side in self._holds:
            self._holds[side].announced(capture)
        kind = capture.id.kind
        if capture.spec is not None:
            self.targets.announce(side, Slot(name=capture.id.slot, tensor=capture.number, spec=capture.spec))
        if kind in _MOMENTS:
            origin = Origin(capture.id.path, capture.id.call, _MOMENTS[kind], capture.id.slot)
            self._origins[side][capture.number] = origin
        if self._partners(side, capture) != 0:
            return True
        if kind in _MOMENTS:
            self.values.skip(side, capture.number)
        elif capture.gradient_of:
            self.gradients.skip(side, capture.gradient_of)
        return False

    def arrive(self, side: Side, capture: Announced, half: Half) -> None:
        """Takes a capture that has come whole, and ownership of its array, which came from the store."""
        if side in self._holds:
            (tensor,) = half.tensors
            self._holds[side].arrived(
                HeldCapture(capture=capture, tensor=tensor, sum_squares=half.sum_squares)
            )
        partners = self._partners(side, capture)
        if side is Side.REFERENCE:
            half = dataclasses.replace(half, computed_in=self._computed_in(capture))
        if capture.id.kind is CaptureKind.LOSS:
            self.losses.arrive(side, LOSS_KEY, half, partners)
        elif capture.id.kind is CaptureKind.TARGET:
            self.targets.arrive(side, capture.number, half)
        elif capture.id.kind is CaptureKind.PARAMETER_GRADIENT:
            name = full_name(capture.id.path, capture.id.slot)
            with self._lock:
                is_embedding = self._takes_indices.get((side, capture.id.path), False)
            half = dataclasses.replace(half, is_embedding=is_embedding)
            self._parameter_gradients.arrive(side, name, half)
        elif capture.gradient_of:
            self._take(self.gradients, side, capture.gradient_of, half, partners)
        else:
            self._take(self.values, side, capture.number, half, partners)

    def _computed_in(self, capture: Announced) -> Optional[DType]:
        if capture.id.kind is CaptureKind.LOSS:
            return self._precision.returned
        if capture.id.kind is CaptureKind.PARAMETER_GRADIENT:
            return self._precision.of_layer(capture.id.path)
        return self._precision.of(capture.gradient_of or capture.number)

    def _take(
        self, table: PairTable[int], side: Side, number: int, half: Half, partners: Optional[int]
    ) -> None:
        origin = self._origins[side].get(number)
        if side is Side.CANDIDATE or origin is None:
            table.arrive(side, number, half, partners)
        else:
            table.arrive_for(self._keeper, origin, number, half, partners)

    def _partners(self, side: Side, capture: Announced) -> Optional[int]:
        """Returns in how many pairs a capture will be; None when that is not known."""
        if capture.id.kind is CaptureKind.LOSS:
            return 1
        if capture.id.kind is CaptureKind.PARAMETER_GRADIENT:
            return self._parameter_gradients.uses(side, full_name(capture.id.path, capture.id.slot))
        # Only this side's reader writes this side's origins.
        origin = self._origins[side].get(capture.gradient_of or capture.number)
        if self._expectations is None or origin is None:
            return None
        return self._expectations.partners(side, origin, gradient=bool(capture.gradient_of))

    def missing_gradients(self, pair: WeightPair) -> tuple[str, ...]:
        """Returns the reference's weights of a packed pair without a gradient, where others have one."""
        return self._parameter_gradients.missing(pair.reference_name)

    def has_gradient(self, side: Side, name: str) -> Optional[bool]:
        """Returns whether a gradient of `made_parameters` that came is not zero; None: none came."""
        return self._parameter_gradients.presence(side, name)

    def is_off_plan(self, side: Side, event: CallEvent) -> bool:
        """Whether the trace did not have this call."""
        return self._expectations is not None and not self._expectations.knows(side, event)

    def why_not_measured(self, table: PairTable[Any], pair: TensorPair[Any]) -> Reason:
        """Returns why a pair that calls show was not measured."""
        trouble = table.trouble(pair)
        if trouble:
            return Reason(cause=Cause.MESSAGE, names=(trouble,))
        for side in SIDES:
            if table.was_let_go(side, pair.of(side)):
                return Reason(cause=Cause.LET_GO, side=side)
            if not table.arrived(side, pair.of(side)):
                return Reason(cause=Cause.DID_NOT_COME, side=side)
        return Reason(cause=Cause.STOPPED)

    def close(self) -> None:
        """Releases every tensor still held; figures stay. May be called twice."""
        for table in (self.values, self.gradients, self._parameter_gradients, self.losses, self.targets):
            table.close()


def shown_at(call: CallPair, slots: SlotPair) -> ShownAt:
    """Returns where two slots of two calls are."""
    return ShownAt(
        reference=call.layer.reference,
        candidate=call.layer.candidate,
        slot=slots.reference.name,
        moment=call.moment,
        call=call.reference.event.call,
    )


def _are_integers(slots: Iterable[Slot]) -> bool:
    others = FLOATING | COMPLEX | {DType.BOOL}
    return not any(slot.spec is None or slot.spec.dtype in others for slot in slots)
