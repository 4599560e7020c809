"""A picture of a report: how far the sides are apart along one step, by matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Optional

from padiff_client import render, wording
from padiff_client.extras import imported
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import Pass, Phase

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from padiff_client.report import Report

_PHASES = (Phase.FORWARD, Phase.BACKWARD)
_PASSES = {Pass.LOCKSTEP: "on the reference's own values", Pass.FREE: "on the candidate's own values"}
# Equal values have no logarithm.
_SMALLEST = 1e-12


def plot(report: Report, step: Optional[int]) -> Figure:
    """Returns a figure with relative L2 against order, forward and backward; places at fault are marked.

    Raises InvalidRequestError where matplotlib is missing, and for a step without rows.
    """
    # Not by pyplot, which keeps figures and looks for a screen.
    figure = imported("matplotlib.figure", "plot").Figure(figsize=(10, 4), layout="constrained")
    chosen = _step(report, step)
    rows = [row for row in report.all_rows if row.step == chosen and row.figures is not None]
    panels: Any = figure.subplots(1, len(_PHASES), sharey=True)
    for axes, phase in zip(panels, _PHASES):
        _panel(axes, [row for row in rows if row.phase is phase])
        axes.set_title(wording.moment(phase, chosen))
        axes.set_xlabel("order of execution")
    panels[0].set_ylabel("relative L2")
    figure.suptitle(render.headline(report).text, wrap=True, fontsize="medium")
    return figure  # type: ignore[no-any-return]


def _step(report: Report, asked: Optional[int]) -> int:
    known = sorted({row.step for row in report.all_rows})
    if asked is not None and asked not in known:
        listed = f"{known[0]} to {known[-1]}" if known else "none: the report has no rows"
        raise InvalidRequestError(f"{asked!r} is not allowed; allowed: {listed}", field="step")
    if asked is not None:
        return asked
    divergence = report.first_divergence
    return divergence.step if divergence is not None else known[0] if known else 0


def _panel(axes: Any, rows: Sequence[Row]) -> None:
    axes.set_yscale("log")
    for kind, label in _PASSES.items():
        _points(axes, [row for row in rows if row.pass_kind is kind], marker=".", linestyle="-", label=label)
    faults = [row for row in rows if row.counts and row.verdict in wording.FAILING]
    _points(axes, faults, marker="x", linestyle="", color="tab:red", label="at fault")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")


def _points(axes: Any, rows: Iterable[Row], **style: Any) -> None:
    found = [(row.order, row.figures.relative_l2) for row in rows if row.figures is not None]
    if found:
        orders, errors = zip(*found)
        axes.plot(orders, [max(error, _SMALLEST) for error in errors], linewidth=1, **style)
