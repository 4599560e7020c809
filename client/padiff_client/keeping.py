"""Keeping of a run while it is made, in the store of runs; a store that fails is a warning."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional

from platformdirs import user_data_dir

from padiff_client.report import Report
from padiff_client.run_progress import ProgressTeller
from padiff_client.spec import PathLike
from padiff_compare.report.finished import FinishedReport
from padiff_compare.report.kept_run import KeptRun, RunHead, RunWriter
from padiff_compare.report.run_store import RunStore, StoreRoom
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.names import not_allowed, reason, shown
from padiff_rpc.paths import checked_path
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CompareStart, KeptPair, Model, Progress, ReportSoFar, Row

logger = logging.getLogger("padiff_client")

# Names the folder of the store, or says that nothing is kept.
STORE_VARIABLE, NOTHING_KEPT = "PADIFF_STORE", "none"
# Its size in MiB, and how many days a run is kept.
LIMIT_VARIABLE, DAYS_VARIABLE = "PADIFF_STORE_LIMIT", "PADIFF_STORE_DAYS"


def store_of(given: Optional[PathLike], environment: Mapping[str, str]) -> Optional[RunStore]:
    """Returns the store that is meant, the user's own where nothing says otherwise; None for none.

    Raises InvalidRequestError for what is no path, and for settings that are no numbers.
    """
    if given is not None and not isinstance(given, (str, os.PathLike)):
        raise not_allowed(given, f"a folder's path, {NOTHING_KEPT!r}", field="store")
    named = os.fspath(given) if given is not None else environment.get(STORE_VARIABLE, "")
    if named == NOTHING_KEPT:
        return None
    if named:
        checked_path(named, field="store" if given is not None else STORE_VARIABLE)
    folder = os.path.abspath(os.path.expanduser(named or os.path.join(user_data_dir("padiff"), "runs")))
    room = StoreRoom()
    return RunStore(
        Path(folder),
        StoreRoom(
            mib=_number(environment, LIMIT_VARIABLE, room.mib),
            days=_number(environment, DAYS_VARIABLE, room.days),
        ),
    )


def known_store(given: Optional[PathLike], environment: Mapping[str, str]) -> RunStore:
    """Returns the store to look into. Raises as `store_of`, and InvalidRequestError for none."""
    store = store_of(given, environment)
    if store is None:
        raise InvalidRequestError(f"{NOTHING_KEPT!r} keeps no runs; name a folder", field="--store")
    return store


class Keeping:
    """Writes a run as it comes. What cannot be written is warned of once, and the comparison goes on."""

    def __init__(self, store: Optional[RunStore], start: Optional[CompareStart] = None) -> None:
        """`store` None: nothing is kept.

        `start`: what the coordinator was asked; None: another client asked it, and may have kept a part.
        """
        self._store = store
        self._start = start
        self._writer: Optional[RunWriter] = None
        self._left_bytes = 0
        self._progress = ProgressTeller()
        # That are not written yet.
        self._tensors: dict[int, HostTensor] = {}
        self._pairs: list[KeptPair] = []

    def __enter__(self) -> Keeping:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def begin(self, session: str) -> None:
        """Begins the run of a session; says by which name a detached one is found again."""
        if self._start is not None and self._start.detached:
            logger.warning("the session goes on without this client: padiff attach %s follows it", session)
        if self._store is None or self._writer is not None:
            return
        store, start = self._store, self._start

        def begin() -> None:
            if start is None:
                self._writer = store.begin_again(session)
            else:
                self._writer = store.begin(_head(session, start))
            self._left_bytes = self._writer.head.keep_mib << 20

        self._try(begin)

    def progress(self, at: Progress) -> None:
        """Tells pages that show the run how far it is."""
        if self._writer is not None:
            self._progress.tell(self._writer.folder, at)

    def add_rows(self, rows: Sequence[Row]) -> None:
        self._write_tensors()
        if self._writer is not None:
            writer = self._writer
            self._try(lambda: writer.add_rows(rows))

    def add_tensor(self, number: int, tensor: HostTensor) -> None:
        """Takes a tensor under its number, as long as no more come than were asked for."""
        self._left_bytes -= tensor.byte_count
        if self._writer is not None and self._left_bytes >= 0:
            self._tensors[number] = tensor

    def add_pair(self, pair: KeptPair) -> None:
        """Takes which row two of these tensors are of."""
        if {pair.reference, pair.candidate} <= self._tensors.keys():
            self._pairs.append(pair)

    def add_so_far(self, so_far: ReportSoFar) -> None:
        self._write_tensors()
        if self._writer is not None:
            writer = self._writer
            self._try(lambda: writer.add_so_far(so_far))

    def end(self, report: Report) -> Report:
        """Ends the run, and makes room in the store; returns the report, which knows where it is kept."""
        if self._writer is None or self._store is None:
            return report
        self._write_tensors()
        writer, store = self._writer, self._store
        whole = FinishedReport(rows=report.all_rows, summary=report.summary)
        self._try(lambda: writer.end(whole))
        self._let_go()
        with contextlib.suppress(PaDiffError, OSError):
            store.tidy(keeping=report.session)
            run = KeptRun(writer.folder)
            logger.info("kept as %s in %s", run.head.id, store.folder)
            return Report(report.summary, report.all_rows, run)
        return report

    def discard(self) -> None:
        """Removes the run, in which there is nothing to read."""
        writer = self._writer
        self._let_go()
        if writer is not None:
            shutil.rmtree(writer.folder, ignore_errors=True)

    def _write_tensors(self) -> None:
        """Writes the tensors that came with the last rows."""
        tensors, pairs = self._tensors, self._pairs
        self._tensors, self._pairs = {}, []
        if self._writer is None or not pairs:
            return
        try:
            self._writer.add_tensors(tensors, pairs)
        except (OSError, sqlite3.Error, PaDiffError) as error:
            logger.warning("no tensors of this run are kept from here on: %s", error)
            self._left_bytes = 0

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, sqlite3.Error, PaDiffError) as error:
            where = self._store.folder if self._store is not None else ""
            why = reason(error) if isinstance(error, OSError) else str(error)
            logger.warning(
                "this run is not kept from here on: %s cannot be written: %s; --store or %s names another "
                "folder, or %s",
                *(where, why, STORE_VARIABLE, NOTHING_KEPT),
            )
            self._store = None
            self._let_go()

    def _let_go(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._progress.end(writer.folder)
            writer.close()


def _head(session: str, start: CompareStart) -> RunHead:
    return RunHead(
        id=session,
        started_at=time.time(),
        reference=_name(start.reference.model),
        candidate=_name(start.candidate.model),
        options=start.options,
        keep=start.keep,
        keep_mib=start.keep_mib,
    )


def _name(model: Model) -> str:
    return " ".join(filter(None, (model.framework, model.model))) or "a served model"


def _number(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable)
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) < 1 << 40:
        raise InvalidRequestError(
            f"{shown(text)} is not allowed; allowed: a whole number of at least 1", field=variable
        )
    return int(text)
