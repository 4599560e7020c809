"""Preparation of the first step: both models described, aligned, and given the same weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Optional

from padiff_rpc.v1.records import Layer, Options, StatedPairing, TraceResponse
from padiff_rpc.v1.words import Phase, Side, WeightKind
from padiff_server.alignment.align import align
from padiff_server.alignment.correspondences import Correspondences
from padiff_server.alignment.opaque import opaque_notes
from padiff_server.alignment.plan import Plan, SideTrace
from padiff_server.alignment.plan_view import plan_pairs
from padiff_server.alignment.slots import loss_slots
from padiff_server.capture.trace import Trace, Traces
from padiff_server.judging.tolerances import Tolerances
from padiff_server.model_index import ModelIndex, Models
from padiff_server.report import ReportBuilder
from padiff_server.sides import SIDES
from padiff_server.steps.calls import JoinedCalls, join_calls
from padiff_server.weights.hyper_parameters import differences
from padiff_server.weights.one_sided_ties import tie_notes
from padiff_server.weights.own_tables import own_tables, table_notes
from padiff_server.weights.special_calls import RuleFailed, SpecialCalls
from padiff_server.weights.special_carry import carried, left_out, unmatched
from padiff_server.weights.weight_fates import fates
from padiff_server.weights.weight_flow import WeightFlow
from padiff_server.weights.weight_pair import WeightPair, WeightPlan
from padiff_server.weights.weight_plan import plan_weights
from padiff_server.worker_pair import WorkerPair


class AlignedModels:
    """Two loaded models and the plan that pairs them.

    Attributes:
        layers, models: each side's layers, in definition order and by path.
        plan: by the last `align`.
        weight_plan: by the first, since weights stay where they were put.
        loss_slots: each side's root outputs in the order of the default loss.
    """

    def __init__(
        self,
        workers: WorkerPair,
        layers: Mapping[Side, tuple[Layer, ...]],
        layer_map: StatedPairing,
        report: ReportBuilder,
        traced: Optional[Mapping[Side, TraceResponse]] = None,
    ) -> None:
        """Aligns the layers that both workers described, on a forward pass of both if they were `traced`.

        Raises InvalidRequestError for unknown paths.
        """
        self._workers = workers
        self._report = report
        self._layer_map = layer_map
        self._joined: Optional[JoinedCalls] = None
        self.layers = layers
        self.models: Models = {side: ModelIndex(self.layers[side]) for side in SIDES}
        traces = {
            side: Trace.of_events(traced[side].calls) if traced is not None else Trace() for side in SIDES
        }
        # A model that raised: its calls end before the pass does.
        cut = {side for side in SIDES if traced is not None and traced[side].failure is not None}
        self._is_foreseen = traced is not None and not cut
        self.plan = self.align(traces, cut)
        report.note(*opaque_notes(layers))
        self.weight_plan: WeightPlan = plan_weights(
            self.plan, self.layers[Side.REFERENCE], self.layers[Side.CANDIDATE], layer_map
        )
        report.add_unmatched(self.weight_plan.unmatched)
        self._report_fates()

    def find_out_rules(self) -> None:
        """Finds out which weights users' functions only move, and treats those as all others.

        Raises ComparisonStopped when a function raised or a worker was lost.
        """
        with self._workers.during(Phase.INITIAL_WEIGHTS), self._rules_reported():
            classes = {layer.path: layer.class_name for layer in self.layers[Side.REFERENCE]}
            plan, special = self.weight_plan, []
            for one in plan.special:
                call = SpecialCalls(self._workers.links, one, Phase.INITIAL_WEIGHTS)
                found = carried(one, call, call.given())
                special.append(dataclasses.replace(one, computed=found.computed))
                plan = dataclasses.replace(
                    plan,
                    pairs=(*plan.pairs, *found.pairs),
                    made=(*plan.made, *found.made),
                    unmatched=(*plan.unmatched, *unmatched(one, found.unused, classes)),
                )
                self._report.note(*found.notes)
            self.weight_plan = dataclasses.replace(
                plan, special=tuple(one for one in special if one.computed)
            )
        self._report.note(*left_out(self.weight_plan.made), *tie_notes(self.weight_plan))
        self._report.add_unmatched(self.weight_plan.unmatched)
        self._report_fates()

    def compare_tables(self, options: Options, *, copy: bool) -> None:
        """Notes which buffers the models make differently, before any copy hides it.

        Raises ComparisonStopped when a user's rule raised or a worker was lost.
        """
        options = dataclasses.replace(options, check_dtype=False)
        tables = own_tables(self.plan, self.layers, self.weight_plan)
        flow = WeightFlow(self._workers.links, tables, self.models, Tolerances(options), options)
        unsaved = frozenset(
            pair.candidate_name
            for pair in tables.pairs
            if pair.candidate.weight.unsaved or pair.references[0].weight.unsaved
        )
        with self._workers.during(Phase.INITIAL_WEIGHTS), self._rules_reported():
            rows = flow.rows(Phase.INITIAL_WEIGHTS, kinds=frozenset({WeightKind.BUFFER}))
            self._report.note(*table_notes(rows, unsaved, copy=copy))

    def settle_weights(self, pairs: tuple[WeightPair, ...]) -> None:
        """Takes pairs whose rules are settled in place of the weight plan's."""
        self.weight_plan = dataclasses.replace(self.weight_plan, pairs=pairs)
        self._report_fates()

    def _report_fates(self) -> None:
        layers = self.layers
        self._report.set_weights(fates(self.weight_plan, layers[Side.REFERENCE], layers[Side.CANDIDATE]))

    def align(self, traces: Traces, cut: Collection[Side]) -> Plan:
        """Pairs the layers anew, on these calls, and returns the plan; empty traces: definition order.

        `cut`: sides whose calls end where the model raised.
        """
        reference, candidate = (
            SideTrace(layers=self.layers[side], trace=traces[side], is_cut=side in cut) for side in SIDES
        )
        self.plan = align(reference, candidate, self._layer_map)
        self._traces = traces
        self.loss_slots = loss_slots(traces)
        self._report.note(*self.plan.notes)
        self._report.set_hyper_parameters(differences(self.plan, reference.layers, candidate.layers))
        self._report.set_plan(plan_pairs(self.plan, self.models, traces))
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
    def foreseen(self) -> Optional[JoinedCalls]:
        """The calls that the steps are expected to make; None without a trace that ran to its end.

        A pass that raised says nothing of what the steps may do all the same.
        """
        return self.joined if self._is_foreseen else None

    def weight_flow(self, tolerances: Tolerances, options: Options) -> WeightFlow:
        """Returns what carries the weight plan out."""
        return WeightFlow(self._workers.links, self.weight_plan, self.models, tolerances, options)

    def place_weights(self, weights: WeightFlow, *, copy: bool) -> None:
        """Copies the reference's weights where that is wanted, and compares what both sides have then.

        Raises ComparisonStopped when a user's rule raised or a worker was lost.
        """
        with self._workers.during(Phase.INITIAL_WEIGHTS):
            if copy:
                self.copy_weights(weights)
            with self._rules_reported():
                self._report.add_rows(weights.rows(Phase.INITIAL_WEIGHTS, just_copied=copy))
        self._report.note(*weights.neutral.notes())

    def copy_weights(self, weights: WeightFlow) -> None:
        """Copies the reference's weights. Raises ComparisonStopped when a user's rule raised."""
        with self._rules_reported():
            weights.copy()

    @contextmanager
    def _rules_reported(self) -> Iterator[None]:
        try:
            yield
        except RuleFailed as raised:
            self._workers.stop_on_failures({Side.CANDIDATE: raised.failure})
