"""Sources of a comparison's batches: the client, a loader on each side, or the scripts themselves."""

from __future__ import annotations

from padiff_compare.capture.batches import BatchSource, BatchUnavailable, StepBatch, loaded_batch, own_batch
from padiff_compare.capture.sides import SIDES
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.run import Settings
from padiff_compare.source_pair import ComparisonStopped, SourcePair
from padiff_rpc.v1.records import Party, Trouble
from padiff_rpc.v1.words import Phase


class Inputs:
    """The batches, one a step, wanted when their step begins."""

    def __init__(
        self,
        sources: SourcePair,
        reference: Party,
        batches: BatchSource,
        report: ReportBuilder,
        settings: Settings,
    ) -> None:
        """With a loader on the reference there is one on both sides."""
        self._sources = sources
        self._has_loaders = bool(reference.model.loader)
        self._batches = batches
        self._report = report
        self._steps = settings.steps
        self._of_scripts = settings.of_scripts

    def batch(self, step: int) -> StepBatch:
        """Returns the batch of a step. Raises ComparisonStopped, told in the report, where there is none."""
        if self._of_scripts:
            return own_batch()
        return self._loaded(step) if self._has_loaders else self._sent(step)

    def _sent(self, step: int) -> StepBatch:
        with self._report.timed(Phase.INPUTS, step):
            try:
                return self._batches.batch(step)
            except BatchUnavailable as failure:
                raise self._stopped(step, f"the client has no batch for step {step}: {failure}") from failure

    def _loaded(self, step: int) -> StepBatch:
        looks = self._sources.look_for_batch(step)
        ended = [side for side in SIDES if looks[side].exhausted]
        if ended:
            whose = f"the {ended[0]}'s loader" if len(ended) == 1 else "both loaders"
            batches = "1 batch" if step == 1 else f"{step} batches"
            asked = "1 step was" if self._steps == 1 else f"{self._steps} steps were"
            raise self._stopped(step, f"{whose} ended after {batches}, and {asked} asked for")
        return loaded_batch()

    def _stopped(self, step: int, text: str) -> ComparisonStopped:
        self._report.add_trouble(Trouble(phase=Phase.INPUTS, step=step, text=text))
        return ComparisonStopped()
