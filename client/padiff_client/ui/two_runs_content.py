"""The content of the page that shows two runs against each other; `page/against.js` reads it."""

from __future__ import annotations

from typing import Any, Optional

from padiff_client import page_content, render, two_runs
from padiff_client.places import PlaceErrors
from padiff_client.report import Report
from padiff_client.ui.run_list import entry_of
from padiff_compare.report.kept_run import KeptRun


def content(before: KeptRun, after: KeptRun) -> dict[str, Any]:
    """Returns what the page shows, as JSON's own types: in each pair, the run before comes first.

    A changed place is named by its rows' numbers in both reports, null where one has none.
    """
    runs = (before, after)
    reports = [Report(run.report.summary, run.report.rows, run) for run in runs]
    numbers = [{id(row): number for number, row in enumerate(report.all_rows)} for report in reports]
    return {
        "runs": [
            {**entry_of(run), "headline": render.headline(report).text} for run, report in zip(runs, reports)
        ],
        # Of both, places and figures are shown, and no layers.
        "reports": [page_content.content(report, without=("plan", "weights")) for report in reports],
        "changes": [
            [_number(one.before, numbers[0]), _number(one.after, numbers[1]), one.change.value]
            for one in two_runs.place_changes(*reports)
        ],
        "settings": [
            [one.part, one.name, one.before, one.after]
            for one in two_runs.setting_changes((before.head, reports[0]), (after.head, reports[1]))
        ],
    }


def _number(place: Optional[PlaceErrors], numbers: dict[int, int]) -> Optional[int]:
    return None if place is None else numbers[id(place.row)]
