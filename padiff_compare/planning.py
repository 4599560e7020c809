"""Aligning two models without comparing them."""

from __future__ import annotations

from padiff_compare.capture.batches import BatchSource
from padiff_compare.inputs import Inputs
from padiff_compare.preparation import Preparation
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.run import Settings
from padiff_compare.settings import check_parties
from padiff_compare.source_pair import SourcePair
from padiff_compare.training_settings import check_sources
from padiff_rpc.v1.records import Options, PlanStart

_ONE_STEP = Settings(steps=1, backward=False, optimize=False)


class PlanTask:
    """Loads, traces and aligns; the report holds the plan and no rows."""

    wants_outputs = False

    def __init__(
        self, start: PlanStart, sources: SourcePair, report: ReportBuilder, batches: BatchSource
    ) -> None:
        """Raises InvalidRequestError for what cannot be aligned."""
        check_parties(start.reference, start.candidate)
        check_sources(start.reference, start.candidate)
        self._asked = start
        self._report = report
        self._sources = sources
        self._batches = batches

    def run(self) -> None:
        """Aligns; where a model raises, what ran is paired first."""
        options = self._asked.options or Options()
        inputs = Inputs(
            self._sources,
            self._batches,
            self._report,
            _ONE_STEP,
            are_recorded=self._asked.recorded_batches,
        )
        layers = self._sources.load(deterministic=options.deterministic, threads=options.threads)
        traced = self._sources.trace(inputs.batch(0))
        Preparation(self._sources, layers, self._asked.layer_map, self._report, traced)
