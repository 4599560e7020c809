"""The runs that a client has kept: a folder of its own for each, found by name, let go with age and size."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from padiff_compare.report.kept_run import (
    KeptRun,
    RunHead,
    RunWriter,
    begun_at,
    folder_bytes,
    is_unborn,
    is_written,
)
from padiff_rpc.errors import InvalidRequestError, NotFoundError, PaDiffError, StateError
from padiff_rpc.names import near_names, shown
from padiff_rpc.records import record

LAST = "last"
# What another client kept of a run that is written anew.
_ASIDE = "-before"
# Nobody here knows how much was asked for.
_KEEP_MIB = 256
# A younger folder without a run may be on its way to one.
_BORN_SECONDS = 60.0
_DAY_SECONDS = 86_400.0


@record
class StoreRoom:
    """How much is kept, and for how long; older runs go first, and never the one just made."""

    mib: int = 1024
    days: int = 30


class RunStore:
    """A folder of runs; several processes may use it at once."""

    def __init__(self, folder: Path, room: StoreRoom) -> None:
        self.folder = folder
        self._room = room

    def begin(self, head: RunHead) -> RunWriter:
        """Returns what writes a new run; the caller closes it. Raises OSError and sqlite3.Error."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return RunWriter(self.folder / head.id, head)

    def begin_again(self, identity: str) -> RunWriter:
        """Returns what writes a run from its beginning of which an earlier client may have kept a part.

        That part lies aside until `tidy`. Raises StateError while that client writes it, and as `begin`.
        """
        folder, aside = self.folder / identity, self.folder / f"{identity}{_ASIDE}"
        head = RunHead(id=identity, started_at=time.time(), reference="?", candidate="?", keep_mib=_KEEP_MIB)
        with contextlib.suppress(PaDiffError):
            head = KeptRun(folder).head
        if folder.exists():
            if is_written(folder):
                raise StateError(f"{folder} is written by another client; end that first")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
        return self.begin(head)

    def runs(self) -> list[KeptRun]:
        """Returns every run that can be read, the newest first."""
        found = []
        for folder in self.folders():
            with contextlib.suppress(PaDiffError):
                found.append(KeptRun(folder))
        return sorted(found, key=lambda run: run.head.started_at, reverse=True)

    def find(self, name: str) -> KeptRun:
        """Returns the run of that id, of the only id that begins so, or the last one for "last".

        Raises NotFoundError, InvalidRequestError for a beginning of several, and as `KeptRun`.
        """
        if name == LAST:
            runs = self.runs()
            if not runs:
                raise NotFoundError(f"no run is kept in {self.folder}")
            return runs[0]
        names = sorted(folder.name for folder in self.folders())
        matching = [one for one in names if one == name] or [one for one in names if one.startswith(name)]
        if not matching or not name:
            near = near_names(name, names)
            raise NotFoundError(f"no run {shown(name)} is kept in {self.folder}; padiff runs lists all{near}")
        if len(matching) > 1:
            raise InvalidRequestError(
                f"{shown(name)} is the beginning of {', '.join(matching)}; give more of it"
            )
        return KeptRun(self.folder / matching[0])

    def remove(self, run: KeptRun) -> None:
        """Removes a run and all that was kept of it. Raises InvalidRequestError for one that is running."""
        if run.is_running:
            raise InvalidRequestError(f"{run.head.id} is still running; end its comparison first")
        shutil.rmtree(run.folder)

    def tidy(self, keeping: str) -> None:
        """Removes what is too old, and the oldest runs until the rest fits; the run `keeping` stays."""
        shutil.rmtree(self.folder / f"{keeping}{_ASIDE}", ignore_errors=True)
        now, room = time.time(), self._room.mib << 20
        self._sweep(now)
        ages = {folder: now - begun for folder in self.folders() for begun in [begun_at(folder)] if begun}
        for folder in sorted(ages, key=ages.__getitem__):
            size, is_old = folder_bytes(folder), ages[folder] > self._room.days * _DAY_SECONDS
            if folder.name == keeping or not (is_old or size > room) or is_written(folder):
                room -= size
            else:
                shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self, now: float) -> None:
        """Removes folders whose process ended before it had begun a run."""
        for folder in self.folders():
            with contextlib.suppress(OSError):
                age = now - folder.stat().st_mtime
                if age > _BORN_SECONDS and is_unborn(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def folders(self) -> Iterator[Path]:
        """Yields the folders in which runs may lie."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield from sorted(one for one in self.folder.iterdir() if one.is_dir())
