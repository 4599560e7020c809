"""Eight comparisons at once, for ten minutes, while everything but the client is killed at random.

At the end no verdict may have been wrong, every worker serves, no process is left over, every report can be
read, and the memory of what was not killed is what it was.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import secrets
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.soak.killing import Killer
from benchmarks.soak.memory import Growth, MemoryWatch
from benchmarks.soak.sessions import Soak
from benchmarks.soak.standing import House, Process, descendants, marked, standing
from padiff_client import Report
from padiff_client.link import connect
from padiff_compare.report.kept_run import DATABASE
from padiff_compare.report.run_store import RunStore, StoreRoom
from padiff_rpc.errors import PaDiffError
from padiff_rpc.v1.words import WorkerState

# How much more a process may hold at the end than at the beginning, where it was watched for long enough.
_MOST_GROWTH, _LONG_ENOUGH_SECONDS = 0.10, 60.0
# From the last kill until all serve again, and until what is left of those that were killed has ended.
_CALM_SECONDS, _GONE_SECONDS = 90.0, 30.0
# The share of the time in which the coordinator is killed; then its memory is watched.
_COORDINATOR_KILLED = 0.4


def main() -> int:
    """Returns 1 where a limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fakes-only", action="store_true", help="no pair of Torch and Paddle among them")
    parser.add_argument("--verbose", action="store_true", help="tell of comparisons that were not begun")
    asked = parser.parse_args()
    if asked.verbose:
        logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s: %(message)s")
        logging.getLogger("padiff_client").setLevel(logging.WARNING)
    marker = {"PADIFF_SOAK": secrets.token_hex(8)}
    with tempfile.TemporaryDirectory(prefix="padiff-soak-") as name:
        folder = Path(name)
        with standing(folder, asked.sessions, marker, with_frameworks=not asked.fakes_only) as house:
            table = _soaked(house, folder, marker, asked)
        table.check_none("processes left over when all was stopped", _left(lambda: marked(marker)))
        _check_reports(table, folder)
        table.note_books((folder / "audit.jsonl").read_text().splitlines())
        return table.printed()


def _soaked(house: House, folder: Path, marker: Mapping[str, str], asked: argparse.Namespace) -> _Table:
    table = _Table()
    soak = Soak(house, folder)
    soak.learn()
    began = time.monotonic()
    killer = Killer(house, marker, asked.seed)
    watches = [MemoryWatch(killer.spared)]

    def spare_coordinator() -> None:
        killer.spare_coordinator()
        watches.append(MemoryWatch([house.coordinator]))

    later = threading.Timer(asked.seconds * _COORDINATOR_KILLED, spare_coordinator)
    later.start()
    try:
        soak.run(asked.seconds, asked.seed)
    finally:
        later.cancel()
        later.join()
        killer.stop()
        growths = [growth for watch in watches for growth in watch.stop()]
    table.note("seconds", f"{time.monotonic() - began:.0f}")
    table.note("comparisons at once", str(asked.sessions))
    for what, count in sorted(killer.kills.items()):
        table.note(f"killed: {what}", str(count))
    table.check_none("workers that did not serve again", _not_back(house))
    table.check_none("processes without an owner", _left(lambda: _ownerless(house, marker)))
    soak.check_calm()
    for outcome, count in sorted(soak.outcomes.items()):
        table.note(f"comparisons: {outcome}", str(count))
    table.check_none("wrong verdicts", soak.wrong)
    table.check_none(
        "processes that ended by themselves",
        [f"{one.name}, {one.ended_by_itself} times" for one in house.all if one.ended_by_itself],
    )
    table.check_memory(growths)
    table.begun = soak.begun
    return table


def _not_back(house: House) -> list[str]:
    """Returns the workers that are not free some time after the last kill."""
    until = time.monotonic() + _CALM_SECONDS
    while True:
        states = {}
        with contextlib.suppress(PaDiffError), connect(house.coordinator.address) as connection:
            states = {worker.name: worker.state for worker in connection.workers()}
        missing = [one.name for one in house.workers if states.get(one.name) is not WorkerState.FREE]
        if not missing or time.monotonic() > until:
            return missing
        for one in house.all:
            one.look()
        time.sleep(0.5)


def _ownerless(house: House, marker: Mapping[str, str]) -> list[Process]:
    """Returns the processes that lie below none of those that stand."""
    found = marked(marker)
    owned = {one.pid for one in house.all}
    owned |= {process.pid for one in house.all for process in descendants(one.pid, found)}
    return [process for process in found if process.pid not in owned]


def _left(find: Callable[[], list[Process]]) -> list[str]:
    """Returns what is still found after a while."""
    until = time.monotonic() + _GONE_SECONDS
    found = find()
    while found and time.monotonic() < until:
        time.sleep(0.5)
        found = find()
    return [f"{process.pid}: {process.command[:120]}" for process in found]


def _check_reports(table: _Table, folder: Path) -> None:
    """Reads every report that a client had, from its file and from the store."""
    runs = {run.head.id: run for run in RunStore(folder / "runs", StoreRoom()).runs()}
    unreadable = sorted(table.begun - runs.keys())
    for name in sorted(table.begun & runs.keys()):
        try:
            with contextlib.closing(sqlite3.connect(runs[name].folder / DATABASE)) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            kept = Report(runs[name].report.summary, runs[name].report.rows)
            saved = Report.load(folder / "reports" / f"{name}.full.json")
            assert kept.to_json(full=True) == saved.to_json(full=True)
        except (PaDiffError, sqlite3.Error, AssertionError) as error:
            unreadable.append(f"{name}: {error}")
    table.note("reports", str(len(table.begun)))
    table.check_none("reports that cannot be read", unreadable)


class _Table:
    """What came of it, line by line, and whether a limit is broken."""

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self._lines: list[tuple[str, str, str]] = []
        self._details: list[str] = []
        self._is_broken = False

    def note(self, what: str, figure: str, judgement: str = "") -> None:
        self._lines.append((what, figure, judgement))

    def check_none(self, what: str, found: list[str]) -> None:
        self._is_broken |= bool(found)
        self.note(what, str(len(found)), "BROKEN" if found else "ok")
        self._details += [f"{what}: {one}" for one in found]

    def check_memory(self, growths: list[Growth]) -> None:
        for growth in growths:
            figure = f"{growth.first / 2**20:.1f} -> {growth.last / 2**20:.1f} MiB in {growth.seconds:.0f} s"
            if growth.seconds < _LONG_ENOUGH_SECONDS:
                self.note(f"memory of {growth.name}", figure, "too short to tell")
                continue
            is_flat = growth.share <= _MOST_GROWTH
            self._is_broken |= not is_flat
            self.note(f"memory of {growth.name}", figure, "ok" if is_flat else "BROKEN")

    def note_books(self, lines: list[str]) -> None:
        self.note("lines in the coordinator's audit log", str(len(lines)))

    def printed(self) -> int:
        """Prints all; returns the exit code."""
        width = max(len(what) for what, _, _ in self._lines)
        for what, figure, judgement in self._lines:
            print(f"{what:<{width}}  {figure}{f'  {judgement}' if judgement else ''}")
        for detail in self._details[:50]:
            print(detail)
        return int(self._is_broken)


if __name__ == "__main__":
    sys.exit(main())
