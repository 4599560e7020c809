"""Preparation of the first step: both models described, aligned, and given the same weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.alignment.align import align
from padiff_compare.alignment.opaque import opaque_notes
from padiff_compare.alignment.plan import Plan, SideTrace
from padiff_compare.alignment.plan_view import plan_pairs
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import Trace, Traces
from padiff_compare.marks import Marks
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.source_pair import SourcePair
from padiff_compare.weights.hyper_parameters import differences
from padiff_compare.weights.one_sided_ties import tie_notes
from padiff_compare.weights.own_tables import own_tables, table_notes
from padiff_compare.weights.special_calls import SpecialCalls
from padiff_compare.weights.special_carry import carried, left_out, unmatched
from padiff_compare.weights.weight_fates import fates
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_compare.weights.weight_pair import WeightPlan
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.v1.records import IgnoredLayers, Layer, Options, StatedPairing, TraceResponse
from padiff_rpc.v1.words import Phase, Side, WeightKind


class Preparation:
    """Aligns two loaded models and gives them the same weights.

    Attributes:
        aligned: what comes of it.
    """

    def __init__(
        self,
        sources: SourcePair,
        layers: Mapping[Side, tuple[Layer, ...]],
        layer_map: StatedPairing,
        report: ReportBuilder,
        traced: Optional[Mapping[Side, TraceResponse]] = None,
    ) -> None:
        """Aligns the layers that both workers described, on a forward pass of both if they were `traced`.

        Neither layers that were left out of a recording nor their partners are compared.

        Raises InvalidRequestError for unknown paths.
        """
        marks = Marks.of(traced)
        layers, layer_map = marks.layers(layers), marks.pairing(layer_map)
        report.note(*marks.notes())
        self._sources = sources
        self._report = report
        self._layer_map = layer_map
        self._left_out = {side: shown.left_out for side, shown in sources.recordings.items()}
        traces = {
            side: Trace.of_events(traced[side].calls) if traced is not None else Trace() for side in SIDES
        }
        # A model that raised: its calls end before the pass does.
        cut = {side for side in SIDES if traced is not None and traced[side].failure is not None}
        operations = {side: traced[side].random_operations if traced is not None else () for side in SIDES}
        recorded = {side: shown.settings.loss_slots for side, shown in sources.recordings.items()}
        self.aligned = AlignedModels(layers, self._align, self._tell_weights, recorded)
        plan = self.aligned.align(traces, operations, cut)
        report.note(*opaque_notes(layers))
        self.aligned.take_weights(
            plan_weights(plan, layers[Side.REFERENCE], layers[Side.CANDIDATE], layer_map)
        )

    def _align(self, traces: Traces, cut: Collection[Side]) -> Plan:
        layers = self.aligned.layers
        reference, candidate = (
            SideTrace(layers=layers[side], trace=traces[side], is_cut=side in cut) for side in SIDES
        )
        plan = align(reference, candidate, self._layer_map)
        if any(self._left_out.values()):
            # By now it is known which layers they are paired with.
            plan = align(reference, candidate, self._without_those_left_out(plan))
        self._report.note(*plan.notes)
        self._report.set_hyper_parameters(differences(plan, reference.layers, candidate.layers))
        self._report.set_plan(plan_pairs(plan, self.aligned.models, traces))
        return plan

    def _without_those_left_out(self, plan: Plan) -> StatedPairing:
        ignored = self._layer_map.ignored
        missing = {side: frozenset(self._left_out.get(side, ())) for side in SIDES}
        pairs = [
            pair
            for pair in plan.layers
            if pair.reference in missing[Side.REFERENCE] or pair.candidate in missing[Side.CANDIDATE]
        ]
        return dataclasses.replace(
            self._layer_map,
            ignored=IgnoredLayers(
                reference=(*ignored.reference, *dict.fromkeys(pair.reference for pair in pairs)),
                candidate=(*ignored.candidate, *dict.fromkeys(pair.candidate for pair in pairs)),
            ),
        )

    def _tell_weights(self, plan: WeightPlan) -> None:
        """Reports what becomes of each weight."""
        layers = self.aligned.layers
        self._report.add_unmatched(plan.unmatched)
        self._report.set_weights(fates(plan, layers[Side.REFERENCE], layers[Side.CANDIDATE]))

    def find_out_rules(self) -> None:
        """Finds out which weights users' functions only move, and treats those as all others.

        Raises ComparisonStopped when a function raised or a worker was lost.
        """
        with self._sources.during(Phase.INITIAL_WEIGHTS):
            classes = {layer.path: layer.class_name for layer in self.aligned.layers[Side.REFERENCE]}
            plan, special = self.aligned.weight_plan, []
            for one in plan.special:
                call = SpecialCalls(self._sources.sides, one, Phase.INITIAL_WEIGHTS)
                found = carried(one, call, call.given())
                special.append(dataclasses.replace(one, computed=found.computed))
                plan = dataclasses.replace(
                    plan,
                    pairs=(*plan.pairs, *found.pairs),
                    made=(*plan.made, *found.made),
                    unmatched=(*plan.unmatched, *unmatched(one, found.unused, classes)),
                )
                self._report.note(*found.notes)
            plan = dataclasses.replace(plan, special=tuple(one for one in special if one.computed))
        self._report.note(*left_out(plan.made), *tie_notes(plan))
        self.aligned.take_weights(plan)

    def compare_tables(self, options: Options, *, copy: bool) -> None:
        """Notes which buffers the models make differently, before any copy hides it.

        Raises ComparisonStopped when a user's rule raised or a worker was lost.
        """
        options = dataclasses.replace(options, check_dtype=False)
        aligned = self.aligned
        tables = own_tables(aligned.plan, aligned.layers, aligned.weight_plan)
        flow = WeightFlow(self._sources.sides, tables, aligned.models, options)
        unsaved = frozenset(
            pair.candidate_name
            for pair in tables.pairs
            if pair.candidate.weight.unsaved or pair.references[0].weight.unsaved
        )
        with self._sources.during(Phase.INITIAL_WEIGHTS):
            rows = flow.rows(Phase.INITIAL_WEIGHTS, kinds=frozenset({WeightKind.BUFFER}))
            self._report.note(*table_notes(rows, unsaved, copy=copy))

    def place_weights(self, weights: WeightFlow, *, copy: bool) -> None:
        """Copies the reference's weights where that is wanted, and compares what both sides have then.

        Raises ComparisonStopped when a user's rule raised or a worker was lost.
        """
        with self._sources.during(Phase.INITIAL_WEIGHTS):
            if copy:
                weights.copy(to_be_verified=True)
            self._report.add_rows(weights.rows(Phase.INITIAL_WEIGHTS, just_copied=copy))
        self._report.note(*weights.neutral.notes())
