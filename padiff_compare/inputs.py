"""Sources of a comparison's batches: the client, loaders on both sides, scripts, or a recording."""

from __future__ import annotations

from collections.abc import Collection

from padiff_compare.capture.batches import BatchSource, BatchUnavailable, StepBatch, loaded_batch, own_batch
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.source import LoadedBatch, Look
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.run import Settings
from padiff_compare.source_pair import ComparisonStopped, SourcePair
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Note, TensorSpec, Trouble
from padiff_rpc.v1.words import NoteKind, Phase, Side


class Inputs:
    """The batches, one a step, wanted when their step begins."""

    def __init__(
        self,
        sources: SourcePair,
        batches: BatchSource,
        report: ReportBuilder,
        settings: Settings,
        *,
        are_recorded: bool = False,
    ) -> None:
        """With a loader on the reference there is one on both sides.

        `are_recorded`: the batches of both are those of a recording. Raises InvalidRequestError where there
        is none.
        """
        are_recorded = are_recorded and not settings.of_scripts
        recorded = next(iter(sources.recordings), None) if are_recorded else None
        if are_recorded and recorded is None:
            raise InvalidRequestError("missing; give the models a batch, or a loader each", field="inputs")
        self._sources = sources
        self._recorded = recorded
        self._has_loaders = bool(sources.sides[Side.REFERENCE].model.loader)
        self._batches = batches
        self._report = report
        self._steps = settings.steps
        self._of_scripts = settings.of_scripts

    def batch(self, step: int) -> StepBatch:
        """Returns the batch of a step. Raises ComparisonStopped, told in the report, where there is none."""
        if self._of_scripts:
            return own_batch()
        if self._recorded is not None:
            return self._shown(self._recorded, step)
        return self._loaded(step) if self._has_loaders else self._sent(step)

    def read(self, step: int) -> LoadedBatch:
        """Returns what the reference's loader has for a step that it was looked at for."""
        return self._read(Side.REFERENCE, step)

    def _shown(self, side: Side, step: int) -> StepBatch:
        loaded = self._read(side, step)
        batch = StepBatch(batches=dict.fromkeys(SIDES, loaded.batch), tensors=loaded.tensors)
        self._compare_with_recorded(step, batch, self._sources.recordings.keys() - {side})
        return batch

    def _compare_with_recorded(self, step: int, batch: StepBatch, sides: Collection[Side]) -> None:
        """Notes which of these sides were recorded on other tensors than those of a batch."""
        for side in sides:
            recorded = self._read(side, step).tensors
            if [*map(_content, recorded.values())] != [_content(one) for _, one in batch.tensors_of(side)]:
                self._report.note(Note(kind=NoteKind.OTHER_BATCH, side=side, numbers=(float(step),)))

    def _read(self, side: Side, step: int) -> LoadedBatch:
        with self._sources.during(Phase.INPUTS, step):
            read = self._sources.sides[side].loader.read(step)
        if isinstance(read, Look):
            self._sources.stop_on_failures({side: read.failure}, step)
            raise self._stopped(step, f"the {side} has no batch for step {step}")
        return read

    def _sent(self, step: int) -> StepBatch:
        with self._report.timed(Phase.INPUTS, step):
            try:
                batch = self._batches.batch(step)
            except BatchUnavailable as failure:
                raise self._stopped(step, f"the client has no batch for step {step}: {failure}") from failure
        self._compare_with_recorded(step, batch, self._sources.recordings.keys())
        return batch

    def _loaded(self, step: int) -> StepBatch:
        looks = self._sources.look_for_batch(step)
        ended = [side for side, look in looks.items() if look.exhausted]
        if ended:
            whose = f"the {ended[0]}'s loader" if len(ended) == 1 else "both loaders"
            batches = "1 batch" if step == 1 else f"{step} batches"
            asked = "1 step was" if self._steps == 1 else f"{self._steps} steps were"
            raise self._stopped(step, f"{whose} ended after {batches}, and {asked} asked for")
        return loaded_batch()

    def _stopped(self, step: int, text: str) -> ComparisonStopped:
        self._report.add_trouble(Trouble(phase=Phase.INPUTS, step=step, text=text))
        return ComparisonStopped()


def _content(tensor: HostTensor) -> tuple[TensorSpec, bytes]:
    return tensor.spec, bytes(tensor.flat_bytes())
