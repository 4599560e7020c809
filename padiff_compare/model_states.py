"""States that the passes of a step leave behind: weights, buffers and optimizers, copied and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.trace import Traces
from padiff_compare.judge.judged_row import numbered
from padiff_compare.run import Run
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.step_pass import StepPass
from padiff_compare.weights.optimizer_flow import OptimizerFlow
from padiff_compare.weights.weight_flow import ALL_KINDS, WeightFlow
from padiff_compare.weights.weight_pair import WeightSize
from padiff_rpc.v1.records import Row, WeightNoise
from padiff_rpc.v1.words import Phase, WeightKind


class ModelStates:
    """Both sides' weights and optimizers, between the steps.

    Attributes:
        can_undo_steps: whether what the optimizers keep can be put back; known once settings are told.
    """

    def __init__(self, run: Run, sources: SourcePair, aligned: AlignedModels, weights: WeightFlow) -> None:
        self._sources = sources
        self._report = run.report
        self._weights = weights
        self.can_undo_steps = True
        self._optimizers: Optional[OptimizerFlow] = None
        if run.settings.optimize:
            self._optimizers = OptimizerFlow(
                sources.sides, aligned.weight_plan, aligned.models, run.options, run.probe
            )

    @property
    def sizes(self) -> Mapping[str, WeightSize]:
        """Sizes of the reference's weights, as they were last compared, by the candidate's full names."""
        return self._weights.sizes

    def tell_settings(self) -> None:
        """Reports in which settings the optimizers differ."""
        if self._optimizers is not None:
            with self._sources.during(Phase.OPTIMIZER):
                self._report.set_optimizer(self._optimizers.differences())
                self.can_undo_steps = self._optimizers.are_seen
                self._tell_weights()

    def copy(self) -> None:
        """Gives the candidate the reference's weights, and its optimizer's state."""
        self._weights.copy()
        if self._optimizers is not None:
            self._optimizers.copy()
            self._tell_weights()

    def explain(self, parted: Sequence[WeightNoise]) -> bool:
        """Whether two formulas of one optimizer alone may have driven a free run's weights this far apart."""
        return self._optimizers is not None and self._optimizers.conventions.explain(parted)

    def _tell_weights(self) -> None:
        if self._optimizers is not None and self._optimizers.conventions.reads:
            self._weights.tell(self._optimizers.conventions)

    def compare(self, this: StepPass, traces: Traces, *, optimized: bool) -> tuple[Row, ...]:
        """Compares and reports what a pass left that made the calls of these traces; returns the rows.

        All weights after an optimizer's step, and buffers after every other: a forward pass may write
        buffers in eval mode as well (caches, users' own counters).
        """
        found, settings = self._compare_optimizers(this) if optimized else ((), ())
        with self._sources.during(Phase.WEIGHTS, this.step):
            rows = self._weight_rows(this, traces, settings, optimized=optimized)
            return found + self._report.add_rows(rows)

    def _compare_optimizers(self, this: StepPass) -> tuple[tuple[Row, ...], Iterable[Row]]:
        """Compares learning rates and state after an optimizer's step.

        Returns the rows, and those of settings, which are to stand behind the weights'.
        """
        if self._optimizers is None:
            return (), ()
        with self._sources.during(Phase.OPTIMIZER, this.step):
            described = self._optimizers.describe()
            rows = self._optimizers.rows(this.step, this.history, described, in_lockstep=this.is_lockstep)
            found = self._report.add_rows(this.taken(row) for row in rows)
        self._report.note(*self._optimizers.notes())
        return found, self._optimizers.quiet_rows(this.step, described)

    def _weight_rows(
        self, this: StepPass, traces: Traces, settings: Iterable[Row], *, optimized: bool
    ) -> Iterator[Row]:
        rows = self._weights.rows(
            Phase.WEIGHTS,
            step=this.step,
            kinds=ALL_KINDS if optimized else frozenset({WeightKind.BUFFER}),
            history=this.history,
            in_lockstep=this.is_lockstep,
            traces=traces,
            steps=self._optimizers.conventions if self._optimizers is not None and optimized else None,
        )
        for row in numbered(chain(rows, settings)):
            yield this.taken(row)
