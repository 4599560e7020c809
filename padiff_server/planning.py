"""Aligning two models without comparing them."""

from __future__ import annotations

import contextlib

from padiff_rpc.v1.records import Options, PlanStart
from padiff_rpc.v1.words import Side
from padiff_server.inputs import Inputs
from padiff_server.preparation import AlignedModels, cut_in, traces_of
from padiff_server.report import FinishedReport, ReportBuilder
from padiff_server.settings import check_parties
from padiff_server.steps.batches import BatchSource
from padiff_server.training_settings import check_sources
from padiff_server.worker_pair import ComparisonStopped, WorkerPair


class Planning:
    """Loads, traces and aligns; the report holds the plan and no rows."""

    def __init__(self, start: PlanStart, batches: BatchSource, report: ReportBuilder) -> None:
        """Raises InvalidRequestError for what cannot be aligned."""
        check_parties(start.reference, start.candidate)
        check_sources(start.reference, start.candidate)
        self._asked = start
        self._report = report
        self._workers = WorkerPair({Side.REFERENCE: start.reference, Side.CANDIDATE: start.candidate}, report)
        self._inputs = Inputs(self._workers, start.reference, batches, report)

    def cancel(self) -> None:
        """Ends the planning from another thread; both workers are free at once."""
        self._workers.close()

    def run(self) -> FinishedReport:
        """Returns the report; where a model raises, what ran is paired first."""
        options = Options()
        with self._workers, contextlib.suppress(ComparisonStopped):
            layers = self._workers.load(deterministic=options.deterministic, threads=options.threads)
            traced = self._workers.trace(self._inputs.batch(0))
            AlignedModels(
                self._workers,
                layers,
                traces_of(traced),
                self._asked.layer_map,
                self._report,
                cut_in(traced),
            )
        return self._report.finish(weights_only=True)
