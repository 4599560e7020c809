"""Floors of a pass that is recorded: what rounding does in it, for comparisons to come."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from padiff_compare.alignment.align import align
from padiff_compare.alignment.plan import SideTrace
from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.source import Source
from padiff_compare.capture.trace import Trace
from padiff_compare.join.calls import join_calls
from padiff_compare.run import ErrorPacking, Run
from padiff_compare.steps.gold import Gold
from padiff_compare.steps.held_reference import HeldReference
from padiff_compare.steps.step_run import PassStart
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.v1.records import Layer, RecordedFloors, StatedPairing
from padiff_rpc.v1.words import Side


class PassFloors:
    """Measures passes against the same in float64."""

    def __init__(self, run: Run, source: Source, layers: Sequence[Layer], packing: ErrorPacking) -> None:
        self._run = run
        self._source = source
        self._layers = tuple(layers)
        self._packing = packing

    def measured(self, start: PassStart, held: HeldPass, trace: Trace) -> RecordedFloors:
        """Returns what comes of a pass that has run, which is held and is not afterwards."""
        side = SideTrace(layers=self._layers, trace=trace)
        # The model against itself: each call has itself for a partner.
        plan = align(side, side, StatedPairing())
        joined = join_calls(plan, dict.fromkeys(SIDES, trace))
        weights = plan_weights(plan, self._layers, self._layers, StatedPairing())
        backward = start.starts[Side.REFERENCE].backward
        gold = Gold(self._run, self._source, joined, weights, backward=backward)
        with closing(HeldReference(self._run, lambda _: gold, held)) as reference:
            errors = reference.all_errors(gold, start)
        return RecordedFloors(content=self._packing.pack(errors))
