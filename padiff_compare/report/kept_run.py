"""One kept run: a folder with its rows in SQLite, written as they come.

Records lie there as their messages' bytes, so that nothing is lost and later versions read them. Each page
of rows is one transaction in a write-ahead log: a kill at any moment leaves all pages before it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from padiff_compare.report.finished import FinishedReport, concluded
from padiff_compare.report.so_far import joined
from padiff_compare.report.tensor_files import SUFFIX, read_tensor, write_tensors
from padiff_rpc.convert import from_bytes, to_bytes
from padiff_rpc.errors import PaDiffError, ProtocolError, StateError
from padiff_rpc.file_locks import is_held, take_lock
from padiff_rpc.names import shown
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Coverage, KeptPair, Options, ReportSoFar, ReportSummary, Row, Trouble
from padiff_rpc.v1.words import KeptTensors, Phase

DATABASE, _LOCK = "run.sqlite", "lock"
# Of the tables below; later versions read all before them.
_SCHEMA = 1
_TABLES = """
CREATE TABLE run (
    schema INTEGER NOT NULL, id TEXT NOT NULL, started_at REAL NOT NULL,
    reference TEXT NOT NULL, candidate TEXT NOT NULL, options BLOB NOT NULL,
    keep TEXT NOT NULL, keep_mib INTEGER NOT NULL, summary BLOB
);
CREATE TABLE rows (number INTEGER PRIMARY KEY, step INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE so_far (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE tensors (number INTEGER PRIMARY KEY, file TEXT NOT NULL);
CREATE TABLE pairs (row INTEGER PRIMARY KEY, reference INTEGER NOT NULL, candidate INTEGER NOT NULL);
"""
_WAIT_SECONDS = 10.0
_ID = re.compile(r"[0-9A-Za-z]{1,64}\Z")
GONE = "the client ended before the comparison did"
RUNNING = "the comparison is still running; this is what was found so far"


@record
class RunHead:
    """What is known of a run before it begins.

    Attributes:
        id: its session, as the coordinator names it.
        started_at: seconds since the epoch, UTC.
        reference, candidate: what a reader knows the models by.
        keep, keep_mib: which tensors are kept, and how many MiB of them.
    """

    id: str
    started_at: float
    reference: str
    candidate: str
    options: Options = Options()
    keep: KeptTensors = KeptTensors.NONE
    keep_mib: int = 0

    def __post_init__(self) -> None:
        # A folder is called so, and another process chose the name.
        if not _ID.match(self.id):
            raise ProtocolError(f"{shown(self.id)} is no name of a session")


class RunWriter:
    """Writes one run as it comes; one thread uses it. A context manager.

    Raises OSError and sqlite3.Error where its folder cannot be written; what was written before stays.
    """

    def __init__(self, folder: Path, head: RunHead) -> None:
        """Makes `folder`, which nobody else can enter."""
        self.folder = folder
        self.head = head
        self._rows = self._files = 0
        with contextlib.ExitStack() as exits:
            folder.mkdir(mode=0o700)
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            exits.callback(os.close, lock)
            # Held for as long as the run is written, however this process ends.
            take_lock(lock)
            # SQLite gives its log the same mode.
            os.close(os.open(folder / DATABASE, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._database = exits.enter_context(_opened(folder))
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            with self._database:
                # `executescript` would commit each statement by itself.
                for statement in ("BEGIN", *filter(str.strip, _TABLES.split(";"))):
                    self._database.execute(statement)
                self._database.execute(
                    "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                    (
                        *(_SCHEMA, head.id, head.started_at, head.reference, head.candidate),
                        *(to_bytes(head.options), str(head.keep), head.keep_mib),
                    ),
                )
            self._exits = exits.pop_all()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Writes the rows behind those that are there, in one transaction."""
        with self._database:
            self._write_rows(self._rows, rows)
        self._rows += len(rows)

    def add_so_far(self, so_far: ReportSoFar) -> None:
        """Writes what the report has come to."""
        with self._database:
            if so_far.anew:
                self._database.execute("DELETE FROM so_far")
            self._database.execute("INSERT INTO so_far (record) VALUES (?)", (to_bytes(so_far),))

    def add_tensors(self, tensors: Mapping[int, HostTensor], pairs: Sequence[KeptPair]) -> None:
        """Writes tensors under their numbers, and which rows they are of."""
        self._files += 1
        file = f"{self._files}{SUFFIX}"
        write_tensors(self.folder / file, {str(number): tensor for number, tensor in tensors.items()})
        with self._database:
            self._database.executemany("INSERT INTO tensors VALUES (?, ?)", [(one, file) for one in tensors])
            self._database.executemany(
                "INSERT INTO pairs VALUES (?, ?, ?)",
                [(pair.row, pair.reference, pair.candidate) for pair in pairs],
            )

    def end(self, report: FinishedReport) -> None:
        """Writes the end of the run, with those of its rows that an interruption kept from being written."""
        with self._database:
            self._write_rows(self._rows, report.rows[self._rows :])
            self._database.execute("UPDATE run SET summary = ?", (to_bytes(report.summary),))
            # The summary has it all.
            self._database.execute("DELETE FROM so_far")

    def close(self) -> None:
        """Lets the run go; may be called twice."""
        self._exits.close()

    def _write_rows(self, first: int, rows: Sequence[Row]) -> None:
        # "OR REPLACE": of an interrupted transaction nobody knows whether it was made.
        self._database.executemany(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
            [(number, row.step, to_bytes(row)) for number, row in enumerate(rows, first)],
        )


class KeptRun:
    """A run that was kept, or is being kept by another process, as it was at one moment.

    Attributes:
        is_running: whether a process still wrote the run at that moment.
    """

    def __init__(self, folder: Path) -> None:
        """Raises PaDiffError where there is no run that this version can read."""
        self.folder = folder
        found = self._line()
        self.is_running = _has_no_end(found) and is_written(folder)
        if _has_no_end(found) and not self.is_running:
            # Its writer may have written the end just before it let go.
            found = self._line()
        if found is None:
            raise PaDiffError(f"{folder}: holds no run; remove the folder")
        schema, identity, started_at, reference, candidate, options, keep, keep_mib, summary = found
        if schema > _SCHEMA:
            raise StateError(f"{folder}: was kept by a newer padiff; update this one to read the run")
        self.head = RunHead(
            id=identity,
            started_at=started_at,
            reference=reference,
            candidate=candidate,
            options=from_bytes(options, Options),
            keep=KeptTensors(keep),
            keep_mib=keep_mib,
        )
        self._summary: Optional[bytes] = summary

    @cached_property
    def size_bytes(self) -> int:
        """The room that the run takes on disk."""
        return folder_bytes(self.folder)

    @cached_property
    def summary(self) -> ReportSummary:
        """All but the rows; of a run without an end, what its rows and what was told so far come to."""
        return self.report.summary if self._summary is None else from_bytes(self._summary, ReportSummary)

    @cached_property
    def report(self) -> FinishedReport:
        """The whole report. Raises PaDiffError where the files are damaged."""
        return self.report_of(self.rows_from(0))

    def rows_from(self, number: int) -> tuple[Row, ...]:
        """Returns the rows from that number on, in their order. Raises PaDiffError where they are damaged."""
        with self._reading() as database:
            found = database.execute("SELECT record FROM rows WHERE number >= ? ORDER BY number", (number,))
            return tuple(from_bytes(content, Row) for (content,) in found)

    def last_row(self) -> Optional[tuple[int, Row]]:
        """Returns the last row and its number; None where there is none yet. Raises as `rows_from`."""
        with self._reading() as database:
            found = database.execute(
                "SELECT number, record FROM rows ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return None if found is None else (found[0], from_bytes(found[1], Row))

    def rows_with_tensors(self) -> frozenset[int]:
        """Returns the numbers of the rows whose tensors were kept. Raises as `rows_from`."""
        with self._reading() as database:
            return frozenset(number for (number,) in database.execute("SELECT row FROM pairs"))

    def told(self) -> tuple[bytes, ...]:
        """Returns the bits in which the report was told so far, as bytes; none of a run with an end."""
        with self._reading() as database:
            found = database.execute("SELECT record FROM so_far ORDER BY number")
            return tuple(content for (content,) in found)

    def so_far(self, told: Sequence[bytes]) -> ReportSummary:
        """Returns what these bits join to, but for what follows from the rows."""
        return joined(from_bytes(content, ReportSoFar) for content in told) or ReportSummary(
            session=self.head.id, passed=False, coverage=Coverage(), started_at=self.head.started_at
        )

    def report_of(self, rows: Sequence[Row], so_far: Optional[ReportSummary] = None) -> FinishedReport:
        """Returns the report of these rows, which are all that were written. Raises as `report`.

        `so_far`: what was told so far, where that was read already.
        """
        if self._summary is not None:
            return FinishedReport(rows=tuple(rows), summary=self.summary)
        last = rows[-1] if rows else None
        trouble = Trouble(
            phase=last.phase if last is not None else Phase.CONNECT,
            step=last.step if last is not None else 0,
            text=RUNNING if self.is_running else GONE,
        )
        return cut_short(so_far or self.so_far(self.told()), rows, trouble)

    def tensors(self, row: int) -> Optional[tuple[HostTensor, HostTensor]]:
        """Returns both tensors of the row of that number; None where they were not kept."""
        with self._reading() as database:
            numbers = database.execute(
                "SELECT reference, candidate FROM pairs WHERE row = ?", (row,)
            ).fetchone()
            files = {
                number: database.execute("SELECT file FROM tensors WHERE number = ?", (number,)).fetchone()
                for number in numbers or ()
            }
        if numbers is None:
            return None
        reference, candidate = (
            read_tensor(self.folder / files[number][0], str(number)) for number in numbers
        )
        return reference, candidate

    def _line(self) -> Optional[tuple[Any, ...]]:
        """Returns the line of the table `run`; None where there is none."""
        with self._reading() as database:
            found: Optional[tuple[Any, ...]] = database.execute("SELECT * FROM run").fetchone()
        return found

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with _opened(self.folder) as database:
                yield database
        except sqlite3.Error as error:
            raise PaDiffError(f"{self.folder}: cannot be read as a run: {error}") from None


def _has_no_end(line: Optional[tuple[Any, ...]]) -> bool:
    return line is not None and line[-1] is None


def cut_short(so_far: ReportSummary, rows: Sequence[Row], trouble: Trouble) -> FinishedReport:
    """Returns the report of a run that ended before its time, and why."""
    gathered = dataclasses.replace(so_far, passed=False, troubles=(*so_far.troubles, trouble))
    return FinishedReport(rows=tuple(rows), summary=concluded(gathered, rows))


def is_unborn(folder: Path) -> bool:
    """Whether a process ended before it had begun to write a run there, so that there is nothing to read."""
    if is_written(folder):
        return False
    if not (folder / DATABASE).exists():
        return True
    with contextlib.suppress(sqlite3.Error), _opened(folder) as database:
        return not database.execute("SELECT 1 FROM sqlite_master").fetchone()
    return False


def begun_at(folder: Path) -> float:
    """Returns when the run of a folder was begun, in seconds since the epoch; 0 where there is none."""
    try:
        return (folder / _LOCK).stat().st_mtime
    except OSError:
        return 0.0


def folder_bytes(folder: Path) -> int:
    """Returns how many bytes the files of a folder have."""
    total = 0
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # SQLite's log goes when its last user does
            total += file.stat().st_size
    return total


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    # By an address, since a bare path makes the file where there is none.
    address = f"{(folder / DATABASE).absolute().as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)) as database:
        yield database


def is_written(folder: Path) -> bool:
    """Whether a process writes the run of this folder."""
    with contextlib.suppress(OSError):
        return is_held(folder / _LOCK)
    return False
