"""Forward passes of both models before the first step, to see what comes of a way to place the weights."""

from __future__ import annotations

from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.join.foreseen import Expectations
from padiff_compare.noise.rounding_floors import RoundingFloors
from padiff_compare.rehearsal.trial_pass import trial_pass
from padiff_compare.run import Run
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.row_maker import PassEnd
from padiff_compare.steps.step_pass import StepPass
from padiff_compare.steps.step_rows import StepRows
from padiff_compare.weights.step_history import StepHistory
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import CaptureKind, Pass


class Trials:
    """Runs both models forward on weights as the plan of `aligned` has them at that moment."""

    def __init__(self, run: Run, sources: SourcePair, aligned: AlignedModels) -> None:
        self._run = run
        self._sources = sources
        self._aligned = aligned
        self._expectations = Expectations(aligned.foreseen) if aligned.foreseen is not None else None

    def outputs(self, batch: StepBatch) -> Optional[list[Row]]:
        """Copies the weights and returns the rows of all calls' outputs; None when a model raised."""
        options = self._run.options
        WeightFlow(self._sources.sides, self._aligned.weight_plan, self._aligned.models, options).copy()
        with trial_pass(self._run, self._sources, self._aligned, batch, self._expectations) as captures:
            if captures is None:
                return None
            this = StepPass(step=0, kind=Pass.FREE, history=StepHistory())
            models = self._aligned.models
            end = PassEnd(floors=RoundingFloors(captures, models, {}), is_complete=True)
            made = StepRows(this, captures, models, options, end)
            return [row for row in made.all_rows() if row.kind is CaptureKind.OUTPUT]
