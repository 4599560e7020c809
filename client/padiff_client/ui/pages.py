"""The pages of `padiff ui`, by their addresses.

/                               the kept runs
/runs                           the same as JSON, which that page asks for again and again
/runs/RUN                       a run's page
/runs/RUN/content?rows=...      what joined it since, as JSON, while it runs; see `KnownRows`
/runs/RUN/progress              how far it is, as JSON, while it runs
/against?before=RUN&after=RUN   two runs against each other
"""

from __future__ import annotations

import re
from typing import Any

from padiff_client import as_html
from padiff_client.documents import document
from padiff_client.run_progress import progress_of
from padiff_client.ui import two_runs_content
from padiff_client.ui.exchange import PageAnswer, PageRequest, html_answer, json_answer, nothing_new
from padiff_client.ui.followed_run import FollowedRuns, KnownRows
from padiff_client.ui.guard import PageGuard
from padiff_client.ui.run_list import RunList
from padiff_compare.report.kept_run import KeptRun
from padiff_compare.report.run_store import RunStore
from padiff_rpc.errors import InvalidRequestError, NotFoundError
from padiff_rpc.names import shown

_RUN = re.compile(r"/runs/([0-9A-Za-z]{1,64})(/content|/progress)?\Z")
_NUMBER = re.compile(r"\d{1,12}\Z")
_ITSELF = "'self'"
# In this order they make one script, as those of a report's page do.
_LIST_SCRIPTS = ("dom", "polling", "runs")
_RUN_SCRIPTS = (*as_html.SCRIPTS, "polling", "live")
_AGAINST_SCRIPTS = ("dom", "content", "layers", "list", "details", "drawings", "against")


class Pages:
    """Answers requests from one store of runs. Threads may use it at once."""

    def __init__(self, store: RunStore, guard: PageGuard) -> None:
        self._store = store
        self._guard = guard
        self._list = RunList(store)
        self._followed = FollowedRuns()

    def answer(self, request: PageRequest) -> PageAnswer:
        """Returns the answer. Raises PaDiffError for what cannot be shown."""
        verdict = self._guard.verdict(request)
        if verdict is not None:
            return verdict
        if request.path == "/":
            return _shown("Kept runs", _LIST_SCRIPTS, self._runs())
        if request.path == "/runs":
            return json_answer(self._runs())
        if request.path == "/against":
            return self._against(request)
        found = _RUN.match(request.path)
        if found is None:
            raise NotFoundError(f"there is no page {shown(request.path)}; / lists the kept runs")
        run = self._store.find(found[1])
        if found[2] == "/progress":
            told = progress_of(run.folder) if run.is_running else None
            return nothing_new() if told is None else json_answer(told)
        return self._news(run, request) if found[2] else self._run(run)

    def _runs(self) -> dict[str, Any]:
        return {"folder": str(self._store.folder), "runs": self._list.entries()}

    def _run(self, run: KeptRun) -> PageAnswer:
        content = self._followed.content(run) or {}
        return _shown(content["headline"], _RUN_SCRIPTS, {**content, "address": f"/runs/{run.head.id}"})

    def _news(self, run: KeptRun, request: PageRequest) -> PageAnswer:
        known = KnownRows(
            rows=_number(request, "rows"),
            parts=_number(request, "parts"),
            stage=request.query.get("stage", ""),
            lists=request.query.get("lists", ""),
        )
        content = self._followed.content(run, known)
        return nothing_new() if content is None else json_answer(content)

    def _against(self, request: PageRequest) -> PageAnswer:
        before, after = (self._store.find(request.query.get(name, "")) for name in ("before", "after"))
        names = " against ".join(run.head.id[:8] for run in (after, before))
        return _shown(names, _AGAINST_SCRIPTS, two_runs_content.content(before, after))


def _shown(title: str, scripts: tuple[str, ...], content: dict[str, Any]) -> PageAnswer:
    made = document(title, scripts, content, reach=_ITSELF)
    return html_answer(made.text, made.policy)


def _number(request: PageRequest, name: str) -> int:
    text = request.query.get(name, "0")
    if not _NUMBER.match(text):
        raise InvalidRequestError(f"{shown(text)} is not allowed; allowed: a whole number", field=name)
    return int(text)
