"""Aligning two models without comparing them."""

from __future__ import annotations

from padiff_rpc.v1.records import Options, PlanStart
from padiff_server.inputs import Inputs
from padiff_server.preparation import Preparation
from padiff_server.report import ReportBuilder
from padiff_server.settings import check_parties
from padiff_server.steps.batches import BatchSource
from padiff_server.training_settings import check_sources
from padiff_server.worker_pair import WorkerPair


class PlanTask:
    """Loads, traces and aligns; the report holds the plan and no rows."""

    wants_outputs = False

    def __init__(
        self, start: PlanStart, workers: WorkerPair, report: ReportBuilder, batches: BatchSource
    ) -> None:
        """Raises InvalidRequestError for what cannot be aligned."""
        check_parties(start.reference, start.candidate)
        check_sources(start.reference, start.candidate)
        self._asked = start
        self._report = report
        self._workers = workers
        self._inputs = Inputs(workers, start.reference, batches, report)

    def run(self) -> None:
        """Aligns; where a model raises, what ran is paired first."""
        options = Options()
        layers = self._workers.load(deterministic=options.deterministic, threads=options.threads)
        traced = self._workers.trace(self._inputs.batch(0))
        Preparation(self._workers, layers, self._asked.layer_map, self._report, traced)
