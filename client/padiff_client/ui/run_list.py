"""The list of kept runs as the page shows it; runs that have ended are read once."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from padiff_client.report import Report
from padiff_client.run_state import RunState, state_of
from padiff_client.wording import count, moment_of, plain
from padiff_compare.report.kept_run import DATABASE, KeptRun
from padiff_compare.report.run_store import RunStore
from padiff_rpc.errors import PaDiffError

_Stamp = tuple[int, int, int]


class RunList:
    """The runs of a store. Threads may use it at once."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        # By folder: of what file an entry was read, and the entry. Threads replace it as a whole.
        self._ended: dict[Path, tuple[_Stamp, dict[str, Any]]] = {}

    def entries(self) -> list[dict[str, Any]]:
        """Returns an entry for each run that can be read, the newest first, as JSON's own types."""
        known, ended = self._ended, {}
        found = []
        for folder in self._store.folders():
            with suppress(PaDiffError, OSError):
                stamp, entry = known.get(folder, (None, {}))
                if stamp is None or stamp != _stamp(folder):
                    run = KeptRun(folder)
                    entry = entry_of(run)
                    stamp = None if run.is_running else _stamp(folder)
                found.append(entry)
                if stamp is not None:
                    ended[folder] = (stamp, entry)
        self._ended = ended
        return sorted(found, key=lambda entry: float(entry["started_at"]), reverse=True)


def entry_of(run: KeptRun) -> dict[str, Any]:
    """Returns what a list tells of a run: `state` in a word, `told` in a sentence."""
    head = run.head
    entry = {
        "id": head.id,
        "started_at": head.started_at,
        "reference": plain(head.reference),
        "candidate": plain(head.candidate),
        "size": f"{run.size_bytes / 2**20:.1f} MiB",
    }
    if run.is_running:
        last = run.last_row()
        told = f"{moment_of(last[1])}, {count(last[0] + 1, 'row')} so far" if last is not None else "begins"
        seconds = max(0.0, time.time() - head.started_at)
        return {**entry, "state": RunState.RUNNING.value, "told": told, "seconds": seconds, "steps": None}
    report = Report(run.summary, kept=run)
    divergence = report.first_divergence
    told = divergence.summary if divergence is not None else "; ".join(report.reasons[:1])
    return {
        **entry,
        "state": state_of(report).value,
        "told": plain(told),
        "seconds": report.summary.seconds,
        "steps": len(report.steps),
    }


def _stamp(folder: Path) -> _Stamp:
    """Returns what changes when a run is written anew. Raises OSError."""
    status = os.stat(folder / DATABASE)
    return status.st_ino, status.st_mtime_ns, status.st_size
