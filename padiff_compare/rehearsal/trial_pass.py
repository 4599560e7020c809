"""A forward pass of both models before the first step, for what its values tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES
from padiff_compare.join.captures import PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.run import Run
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.step_reader import PassMeter
from padiff_compare.steps.step_run import PassStart, StepRun
from padiff_rpc.v1.records import StepStart
from padiff_rpc.v1.words import Randomness


@contextmanager
def trial_pass(
    run: Run,
    sources: SourcePair,
    aligned: AlignedModels,
    batch: StepBatch,
    expectations: Optional[Expectations] = None,
) -> Iterator[Optional[StepCaptures]]:
    """Runs both models forward without random decisions; yields the captures, None where a model raised.

    Without `expectations` every value is kept until the context ends. By then both models are as they were
    before the pass. Raises what ended a worker's stream.
    """
    starts = {
        side: StepStart(
            lease="",
            step=0,
            batch=batch.batches[side],
            batch_from_loader=batch.from_loader,
            backward=False,
            optimize=False,
            randomness=Randomness.OFF,
            skip_paths=aligned.plan.skip_paths(side),
        )
        for side in SIDES
    }
    start = PassStart(starts=starts, batch=batch)
    running = StepRun(sources.sides, start, run.store, Tolerances(run.options), PassMeter())
    known = PassPlan(plan=aligned.plan, weights=aligned.weight_plan, expectations=expectations)
    captures = StepCaptures(known, run.store, running.ready)
    with closing(captures):
        for side in SIDES:
            sources.sides[side].keep_state(optimizer=False)
        ends = running.run(captures)
        for end in ends.values():
            if end.error is not None:
                raise end.error
        for side in SIDES:
            sources.sides[side].restore_state()
        yield None if any(end.failure is not None for end in ends.values()) else captures
