"""The report of a comparison, for people and for programs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Optional

import numpy as np

from padiff_client import (
    as_html,
    as_json,
    data_frames,
    from_json,
    function_sentences,
    note_sentences,
    places,
    plots,
    render,
    sentences,
    verdict_reasons,
    wording,
)
from padiff_client.disagreement import Disagreement
from padiff_client.divergence import Divergence
from padiff_client.exit_codes import MATCH, MISMATCH, TROUBLE
from padiff_client.formats.known import by_name, by_suffix
from padiff_client.places import PlaceErrors
from padiff_client.spec import PathLike
from padiff_client.whole_files import check_writable, write_file
from padiff_compare.report import rejudge
from padiff_compare.report.finished import FinishedReport
from padiff_compare.report.kept_run import KeptRun
from padiff_rpc.errors import InvalidRequestError, NotFoundError
from padiff_rpc.paths import checked_path
from padiff_rpc.tensors import Array, HostTensor, widen
from padiff_rpc.v1.records import (
    Coverage,
    Environment,
    FunctionDetail,
    FunctionFinding,
    HyperParameterDifference,
    Inconclusive,
    Measurement,
    ModelFailure,
    Omitted,
    OptimizerDifference,
    OwnBounds,
    PlanPair,
    RandomOperation,
    ReportSummary,
    Row,
    RunToRunNoise,
    StepResult,
    Timing,
    Traffic,
    Trouble,
    Unmatched,
    WeightFate,
)
from padiff_rpc.v1.words import DType

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas

# As many of an id's letters as tell it from others.
SHORT = 8


class Report:
    """The outcome of `auto_diff` or `assign_weight`; true exactly if the models agree.

    True means: root outputs, losses, every call of a layer with parameters, and every parameter and
    buffer of both sides were compared, and none differed; nor is anything inconclusive. `str()` is for a
    terminal.
    """

    def __init__(
        self, summary: ReportSummary, rows: Iterable[Row] = (), kept: Optional[KeptRun] = None
    ) -> None:
        """`kept`: where the run lies; None where it is not kept."""
        self.summary = summary
        self.all_rows: tuple[Row, ...] = tuple(rows)
        self.kept = kept

    def __bool__(self) -> bool:
        return self.summary.passed and not self.troubles and not self.failures

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """What was judged, one row for each place and step: on the reference's own values where that ran.

        Of the free run beside it, only what fails by itself is here; `all_rows` holds every row.
        """
        return places.judged(self.all_rows)

    @property
    def exit_code(self) -> int:
        """0 match, 1 mismatch or inconclusive, 2 when the comparison could not be brought to its end."""
        if self.troubles or self.failures:
            return TROUBLE
        return MATCH if self else MISMATCH

    @cached_property
    def first_divergence(self) -> Optional[Divergence]:
        """The first tensor in execution order that differs and counts; None where there is none."""
        found = self.summary.first_divergence
        return None if found is None else Divergence(found, self.summary)

    @property
    def faults(self) -> tuple[Row, ...]:
        """The rows that keep the report from being a pass, in execution order.

        In lockstep, and with local errors, each is a fault of its own; free-running, what comes behind the
        first divergence may be its consequence.
        """
        return tuple(row for row in self.rows if row.counts and row.verdict in wording.FAILING)

    @cached_property
    def places(self) -> tuple[PlaceErrors, ...]:
        """The accumulated and the local error of each place, and which it is a case of.

        Empty for a report of one pass a step.
        """
        return places.places(self.all_rows)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the report is not a pass, a sentence each; empty for a pass."""
        return () if self else verdict_reasons.reasons(self.summary, self.rows)

    def reason(self, told: sentences.Told) -> str:
        """Returns why a row has its verdict, and what else is to be said of it; "" where nothing is.

        Also of a pair of the plan, of what has no partner, of a weight's fate, of a random decision.
        """
        return sentences.reason(told)

    @property
    def findings(self) -> tuple[FunctionFinding, ...]:
        """Where the functions between layers part, with the lines of both sides; `finding` says each."""
        return self.summary.findings

    def finding(self, found: FunctionFinding) -> str:
        """Returns what a finding says, in one sentence."""
        return function_sentences.sentence(found)

    @property
    def function_details(self) -> tuple[FunctionDetail, ...]:
        """With `detail: functions`: every function of a step, under the call of the layer that made it."""
        return self.summary.function_details

    def tensors(self, row: Row) -> tuple[Array, Array]:
        """Returns (reference's, candidate's) of a row, the reference's as its layout rule made it.

        Of bfloat16 the same values in float32. Raises NotFoundError where they were not kept.
        """
        number = next((number for number, one in enumerate(self.all_rows) if one is row), None)
        if number is None:
            raise InvalidRequestError("is of another report; give one of report.all_rows", field="row")
        if self.kept is None:
            raise NotFoundError("this report is of no kept run, and so has no tensors; see docs/runs.md")
        found = self.kept.tensors(number)
        if found is None:
            head = self.kept.head
            if row.figures is None:
                raise NotFoundError(f"{wording.place_of(row)}: no two tensors were compared there")
            raise NotFoundError(
                f"the tensors of {wording.place_of(row)} were not kept: keep={str(head.keep)!r} and "
                f"keep_mib={head.keep_mib} said which; keep='all' keeps those of other places too"
            )
        reference, candidate = map(_as_array, found)
        return reference, candidate

    def rejudged(self, *, atol: Optional[float] = None, rtol: Optional[float] = None) -> Report:
        """Returns the report of this kept run under other bounds, `atol` + `rtol` * |reference|.

        No model runs. Rows are judged by their kept tensors, else by their figures; those of which neither
        tells count as not compared. Raises InvalidRequestError without bounds, and NotFoundError where this
        is of no kept run.
        """
        if atol is None and rtol is None:
            raise InvalidRequestError("missing; give atol, rtol, or both", field="rtol")
        if self.kept is None:
            raise NotFoundError("this report is of no kept run, and so cannot be judged again")
        options = replace(self.kept.head.options, atol=atol, rtol=rtol)
        whole = FinishedReport(rows=self.all_rows, summary=self.summary)
        again = rejudge.rejudged(whole, options, self.kept.tensors).report
        return Report(again.summary, again.rows, self.kept)

    @property
    def session(self) -> str:
        """The coordinator's name for the comparison; of a kept run its id."""
        return self.summary.session

    @property
    def unmatched(self) -> tuple[Unmatched, ...]:
        """What has no partner; `counts` tells what makes the report fail."""
        return self.summary.unmatched

    @property
    def coverage(self) -> Coverage:
        """How many of the tensors, calls, parameters, buffers and losses were compared."""
        return self.summary.coverage

    @property
    def omitted(self) -> tuple[Omitted, ...]:
        """What was not compared, and why; layers without weights and what you ignored are not among it."""
        return self.summary.omitted

    @property
    def bounds(self) -> Optional[OwnBounds]:
        """Your own atol and rtol, and how many places agree by them alone; None: you gave none."""
        return self.summary.bounds

    @property
    def inconclusive(self) -> Optional[Inconclusive]:
        """Places where halves round so much that nothing can be told; None: there are none.

        Where nothing differs either, the report is not true, and has no first divergence.
        """
        return self.summary.inconclusive

    @property
    def measurement(self) -> Measurement:
        """How much of the verdict was measured, in rows, and what that cost in time and memory."""
        return self.summary.measurement

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """Of each step whether it passed, both losses, and the largest relative L2."""
        return self.summary.steps

    @property
    def plan(self) -> tuple[PlanPair, ...]:
        """Which layer was paired with which, and why."""
        return self.summary.plan

    @property
    def hyper_parameters(self) -> tuple[HyperParameterDifference, ...]:
        """Settings in which paired layers differ (epsilon, stride, ...): often that is the bug."""
        return self.summary.hyper_parameters

    @property
    def optimizer(self) -> tuple[OptimizerDifference, ...]:
        """Settings and conventions in which the two optimizers differ before the first step."""
        return self.summary.optimizer

    @property
    def weights(self) -> tuple[WeightFate, ...]:
        """What became of every parameter and buffer of both sides: placed and by which rule, tied, ..."""
        return self.summary.weights

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was set differently from what was asked, and what a reader should know."""
        return note_sentences.notes(self.summary, self.rows)

    @property
    def random_operations(self) -> tuple[RandomOperation, ...]:
        """Which random decisions the models made, on which side, and whether both got the same."""
        return self.summary.random_operations

    @property
    def noise(self) -> tuple[RunToRunNoise, ...]:
        """How far two runs of each side from one state differ; empty without a preflight."""
        return self.summary.noise

    @property
    def failures(self) -> tuple[ModelFailure, ...]:
        """What the user's models raised."""
        return self.summary.failures

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What else ended the comparison early: a lost worker, inputs that ran out."""
        return self.summary.troubles

    @property
    def environments(self) -> tuple[Environment, ...]:
        """Of each side: framework, versions, device, mode, seed."""
        return self.summary.environments

    @property
    def timings(self) -> tuple[Timing, ...]:
        """Seconds by phase and side."""
        return self.summary.timings

    @property
    def traffic(self) -> tuple[Traffic, ...]:
        """Bytes that were moved, by side."""
        return self.summary.traffic

    @property
    def saved(self) -> str:
        """Where `assign_weight` wrote the candidate's state; empty: nowhere."""
        return self.summary.saved

    def assert_agree(self) -> None:
        """Raises Disagreement, an AssertionError of the first screen's text, unless the models agree."""
        __tracebackhide__ = True
        if not self:
            raise Disagreement(self)

    def to_html(self) -> str:
        """Returns a page that stands by itself."""
        return as_html.page(self)

    def to_json(self, *, full: bool = False) -> str:
        """Returns the text that `save` writes to a .json file, or with `full` to a .full.json file."""
        return "".join(as_json.pieces(self, with_all_figures=full))

    def to_pandas(self) -> pandas.DataFrame:
        """Returns every row as a line of a pandas.DataFrame: places, verdict, figures, reason.

        Raises InvalidRequestError where pandas is not installed.
        """
        return data_frames.data_frame(self.all_rows)

    def plot(self, step: Optional[int] = None) -> matplotlib.figure.Figure:
        """Returns a matplotlib.figure.Figure: relative L2 along one step, forward and backward.

        `step`: by default that of the first divergence, else the first. A notebook shows the figure;
        `figure.savefig("x.png")` writes it. Raises InvalidRequestError where matplotlib is not installed.
        """
        return plots.plot(self, step)

    def save(self, path: PathLike, format: Optional[str] = None) -> None:
        """Writes the report in the format of the path's suffix, or in `format`.

        The formats: json, json-full (all figures of every row; .full.json), text (what `str` gives; .txt),
        html, junit (.xml), sarif, markdown (.md). A name that ends in `.gz` is written compressed. A file of
        that name stays whole until the new one is.
        """
        name = checked_path(os.fspath(path), field="path")
        renderer = by_suffix(name, field="path") if format is None else by_name(format, field="format")
        check_writable(name, field="path")
        write_file(name, renderer.pieces(self))

    @classmethod
    def load(cls, path: PathLike) -> Report:
        """Returns the report that `save` wrote to a .json or .json.gz file.

        Of a .full.json file in every part, numbers with nine digits, as many as are shown. Of another one,
        rows that agree have few figures, with six digits; the others are NaN.

        Raises InvalidRequestError for a file that cannot be read as one.
        """
        return cls(*from_json.read_report(os.fspath(path)))

    def __str__(self) -> str:
        return render.text(self)

    def __repr__(self) -> str:
        return f"<Report {render.headline(self).text}>"

    def _repr_html_(self) -> str:
        return as_html.card(self)


def _as_array(tensor: HostTensor) -> Array:
    if tensor.dtype is not DType.BFLOAT16:
        return tensor.array
    return widen(tensor.array, tensor.dtype).astype(np.float32)
