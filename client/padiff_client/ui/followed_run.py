"""A run as its page shows it, read on from where it was read before while a process writes it."""

from __future__ import annotations

import os
import secrets
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from padiff_client import page_content
from padiff_client.page_content import WrittenRows
from padiff_client.report import Report
from padiff_client.run_state import RunState
from padiff_compare.report.kept_run import DATABASE, KeptRun
from padiff_rpc.records import record
from padiff_rpc.v1.records import ReportSummary, Row

# What a running comparison has written last lies beside the database.
_FILES = (DATABASE, f"{DATABASE}-wal")
# Long parts of a report, which only what is told so far changes.
_LISTS = ("plan", "weights")
# Runs that are read on; of more, those that nobody asked for the longest are read from their beginning again.
_MOST = 4


@record
class KnownRows:
    """What a page knows of a run already: the first rows and parts, and its stage and lists at that time."""

    rows: int = 0
    parts: int = 0
    stage: str = ""
    lists: str = ""


class FollowedRun:
    """One run that grows. Threads may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._begin(0)

    def _begin(self, file: int) -> None:
        """Knows nothing of the run in this file."""
        self._file = file
        self._rows: list[Row] = []
        self._written = WrittenRows()
        self._stage = ""
        self._content: dict[str, Any] = {}
        self._told: Optional[tuple[bytes, ...]] = None
        self._so_far: Optional[ReportSummary] = None
        # By name, and by what a page knows whether it has them.
        self._lists: dict[str, Any] = {}
        self._lists_stage = ""

    def content(self, known: KnownRows) -> Optional[dict[str, Any]]:
        """Returns what the page shows now, without what it knows; None where nothing is new.

        Raises PaDiffError where the run cannot be read.
        """
        with self._lock:
            # Before the run is read: whatever is written meanwhile makes for another stage.
            file, stage = _file_and_stage(self._folder)
            if file != self._file:
                self._begin(file)
            run = KeptRun(self._folder)
            stage = f"{stage}-{run.is_running}"
            if stage != self._stage:
                self._read(run)
                self._stage = stage
            elif stage == known.stage:
                return None
            # What a page knows of a run that was begun anew since is of no use.
            is_of_use = known.stage.partition(":")[0] == str(file)
            first, part = (known.rows, known.parts) if is_of_use else (0, 0)
            has_lists = is_of_use and known.lists == self._lists_stage
            return {
                **self._content,
                "report": {**self._content["report"], **({} if has_lists else self._lists)},
                "unchanged": _LISTS if has_lists else (),
                "lists": self._lists_stage,
                "rows": self._written.rows[first:],
                "first_row": first,
                "parts": self._written.parts[part:],
                "first_part": part,
                "stage": stage,
            }

    def _read(self, run: KeptRun) -> None:
        new = run.rows_from(len(self._rows))
        self._rows += new
        self._written.add(new)
        told = run.told()
        is_anew = told != self._told or not run.is_running
        if is_anew:
            self._told, self._so_far = told, run.so_far(told)
        whole = run.report_of(self._rows, self._so_far)
        report = Report(whole.summary, whole.rows, run)
        self._content = page_content.content(report, self._written, () if is_anew else _LISTS)
        if is_anew:
            made = self._content["report"]
            self._lists = {name: made.pop(name) for name in _LISTS if name in made}
            self._lists_stage = secrets.token_hex(8)


class FollowedRuns:
    """The running comparisons whose pages are open. Threads may use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: OrderedDict[Path, FollowedRun] = OrderedDict()

    def content(self, run: KeptRun, known: Optional[KnownRows] = None) -> Optional[dict[str, Any]]:
        """Returns what `FollowedRun.content` does."""
        with self._lock:
            followed = self._runs.pop(run.folder, None) or FollowedRun(run.folder)
            self._runs[run.folder] = followed
            if len(self._runs) > _MOST:
                self._runs.popitem(last=False)
        found = followed.content(known or KnownRows())
        if found is not None and found["state"] != RunState.RUNNING.value:
            with self._lock, suppress(KeyError):
                self._runs.pop(run.folder)
        return found


def _file_and_stage(folder: Path) -> tuple[int, str]:
    """Returns the number of the run's file, and a text that is another whenever more has been written."""
    found = []
    for name in _FILES:
        with suppress(FileNotFoundError):
            status = os.stat(folder / name)
            found += [status.st_ino, status.st_mtime_ns, status.st_size]
    return found[0] if found else 0, ":".join(map(str, found))
