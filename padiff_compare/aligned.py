"""Models as they are aligned: what the steps of a comparison know of both before they run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Optional

from padiff_compare.alignment.correspondences import Correspondences
from padiff_compare.alignment.plan import Plan
from padiff_compare.alignment.slots import loss_slots
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import Traces
from padiff_compare.join.calls import JoinedCalls, Operations, join_calls
from padiff_compare.model_index import ModelIndex, Models
from padiff_compare.weights.weight_pair import WeightPair, WeightPlan
from padiff_rpc.v1.records import Layer
from padiff_rpc.v1.words import Side

# From both traces, and the sides whose calls end where the model raised, to the pairs of layers.
Aligner = Callable[[Traces, Collection[Side]], Plan]
# From a plan to the same without the calls of some layers.
Selector = Callable[[Plan], Plan]


class AlignedModels:
    """Two loaded models and the plans that pair their layers and their weights.

    Attributes:
        layers, models: each side's layers, in definition order and by path.
        plan: by the last `align`.
        loss_slots: each side's root outputs in the order of the default loss.
        operations: the random operations of the pass that was aligned on.
        weight_plan: by the first, since weights stay where they were put.
    """

    plan: Plan
    loss_slots: Mapping[Side, tuple[str, ...]]
    operations: Operations
    weight_plan: WeightPlan
    _traces: Traces
    _is_cut: bool

    def __init__(
        self,
        layers: Mapping[Side, tuple[Layer, ...]],
        aligner: Aligner,
        tell_weights: Callable[[WeightPlan], None],
        recorded_loss_slots: Mapping[Side, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """`tell_weights` is given each weight plan that is taken; `recorded_loss_slots`: see `loss_slots`."""
        self._recorded_loss_slots = recorded_loss_slots
        self.layers = layers
        self.models: Models = {side: ModelIndex(layers[side]) for side in SIDES}
        self._aligner = aligner
        self._tell_weights = tell_weights
        self._joined: Optional[JoinedCalls] = None
        self._selector: Selector = lambda plan: plan

    def align(self, traces: Traces, operations: Operations, cut: Collection[Side]) -> Plan:
        """Pairs the layers anew, on the calls of one pass, and returns the plan.

        Empty traces: definition order. `cut`: sides whose calls end where the model raised. Raises
        InvalidRequestError for unknown paths.
        """
        self._traces, self.operations, self._is_cut = traces, operations, bool(cut)
        self.loss_slots = loss_slots(traces, self._recorded_loss_slots)
        self.plan = self._selector(self._aligner(traces, cut))
        return self.plan

    def select(self, selector: Selector) -> Plan:
        """Leaves out what `selector` does, in this plan and in those to come; returns this one."""
        self._selector = selector
        self.plan = selector(self.plan)
        return self.plan

    def correspond(self, found: Correspondences) -> None:
        """Takes the slots that hold the same values, where name and order pair others."""
        self.plan = dataclasses.replace(self.plan, correspondences=found)

    @property
    def joined(self) -> JoinedCalls:
        """The calls that the layers were last aligned on, as the plan pairs them."""
        if self._joined is None or self._joined.plan is not self.plan:
            self._joined = join_calls(self.plan, self._traces)
        return self._joined

    @property
    def is_traced(self) -> bool:
        """Whether the layers were aligned on any calls."""
        return any(trace.events for trace in self._traces.values())

    @property
    def foreseen(self) -> Optional[JoinedCalls]:
        """The calls that the steps to come are expected to make; None without a pass that ran to its end.

        A pass that raised says nothing of what the steps may do all the same.
        """
        return self.joined if self.is_traced and not self._is_cut else None

    def take_weights(self, plan: WeightPlan) -> None:
        """Takes what pairs the weights, and tells it."""
        self.weight_plan = plan
        self._tell_weights(plan)

    def settle_weights(self, pairs: tuple[WeightPair, ...]) -> None:
        """Takes pairs whose rules are settled in place of the weight plan's."""
        self.take_weights(dataclasses.replace(self.weight_plan, pairs=pairs))
