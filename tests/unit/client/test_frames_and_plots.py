"""Reports as tables of pandas and as pictures of matplotlib."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sample_reports as samples

from padiff_client import InvalidRequestError, Report
from padiff_rpc.v1.words import Pass, Phase


def test_a_data_frame_has_a_line_for_each_row() -> None:
    report = samples.failing()
    frame = report.to_pandas()
    assert len(frame) == len(report.all_rows)
    fault = frame[frame.verdict == "mismatch"].iloc[0]
    assert (fault.reference, fault.candidate, fault["call"]) == ("encoder.norm", "port.encoder.norm", 0)
    assert fault.relative_l2 == report.faults[0].figures.relative_l2  # type: ignore[union-attr]
    assert fault.probably.startswith("a factor throughout")
    assert frame.groupby("phase").relative_l2.max().index.tolist() == ["backward", "forward"]


def test_what_was_not_compared_has_no_figures() -> None:
    frame = samples.passing().to_pandas()
    assert frame.relative_l2.isna().tolist() == [False, True]
    assert frame.reason.tolist() == ["", "decided by chance"]


def test_a_plot_has_both_passes_and_marks_the_faults(tmp_path: Path) -> None:
    report = samples.report(
        samples.row(order=1, pass_kind=Pass.FREE),
        samples.row(order=1, pass_kind=Pass.LOCKSTEP),
        samples.faulty_row(order=2, pass_kind=Pass.LOCKSTEP),
        samples.row(order=1, phase=Phase.BACKWARD),
    )
    figure = report.plot()
    labels = [axes.get_legend_handles_labels()[1] for axes in figure.axes]
    assert labels == [
        ["on the reference's own values", "on the candidate's own values", "at fault"],
        ["on the candidate's own values"],
    ]
    assert [axes.get_title() for axes in figure.axes] == ["forward of step 0", "backward of step 0"]
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1_000


def test_a_plot_of_a_step_that_is_not_there_says_which_are() -> None:
    with pytest.raises(InvalidRequestError, match="step: 7 is not allowed; allowed: 0 to 0"):
        samples.failing().plot(step=7)


@pytest.mark.parametrize(
    ("package", "call"), [("pandas", Report.to_pandas), ("matplotlib", Report.plot)], ids=["pandas", "plot"]
)
def test_a_missing_package_is_one_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, package: str, call: Callable[[Report], object]
) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    # Nothing on the path has it.
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:2])
    with pytest.raises(
        InvalidRequestError, match=f"needs {package}, which is not installed; run: .* {package}$"
    ):
        call(samples.passing())
