"""A place on this machine where two commands of one name find each other's scripts."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Optional

from padiff_client.private_folder import folder_for_sockets
from padiff_rpc.errors import BusyError, PaDiffError
from padiff_rpc.file_locks import is_held, take_lock
from padiff_rpc.names import not_allowed
from padiff_rpc.records import record
from padiff_rpc.v1.words import Side

# A younger folder may still be on its way to its first lock.
_SWEEP_AFTER_SECONDS = 60.0
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,39}")


@record
class RendezvousOutcome:
    """What came of the two scripts, in a line; `is_compared`: there is a report."""

    text: str
    is_compared: bool = True


@record
class Rendezvous:
    """The folder of one name, which only this user can enter. Each side has files of its own in it."""

    folder: Path

    def listen(self, side: Side) -> str:
        """Returns where a side's script listens."""
        return f"unix:{self.folder / f'{side}.sock'}"

    def orders(self, side: Side) -> Path:
        """Returns the file that holds what is asked of a side's script."""
        return self.folder / f"{side}.orders"

    def announcement(self, side: Side) -> Path:
        """Returns the file that gets a script's address, once it has come to its first step."""
        return self.folder / f"{side}.address"

    def address(self, side: Side) -> Optional[str]:
        """Returns where a side's script serves; None as long as it does not."""
        return _read(self.announcement(side))

    def is_attended(self, side: Side) -> bool:
        """Whether a side's command runs."""
        return is_held(self._lock(side))

    def tell(self, side: Side, outcome: RendezvousOutcome) -> None:
        """Tells a side's command what has come of the comparison, if that command runs."""
        if self.is_attended(side):
            beside = self.folder / f"{side}.outcome.part"
            beside.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
            beside.replace(self._outcome(side))

    def told(self, side: Side) -> Optional[RendezvousOutcome]:
        """Returns what a side's command was told; None for nothing."""
        found = _read(self._outcome(side))
        return None if found is None else RendezvousOutcome(**json.loads(found))

    def _outcome(self, side: Side) -> Path:
        return self.folder / f"{side}.outcome"

    def _lock(self, side: Side) -> Path:
        return self.folder / f"{side}.lock"

    @contextmanager
    def attended(self, side: Side) -> Iterator[None]:
        """Has this process attend as one side. Raises BusyError where another one does."""
        descriptor = _locked(self._lock(side))
        if descriptor is None:
            raise BusyError(
                f"a command with --side {side} --name {self.folder.name} runs already; end that one, or take "
                "another name for both"
            )
        try:
            self._clear(side, but=self._lock(side))
            yield
        finally:
            self._clear(side)
            os.close(descriptor)
            with suppress(OSError):  # the other side is still there
                self.folder.rmdir()

    def _clear(self, side: Side, but: Optional[Path] = None) -> None:
        for file in self.folder.glob(f"{side}.*"):
            if file != but:
                file.unlink(missing_ok=True)


def rendezvous_of(name: str) -> Rendezvous:
    """Returns the rendezvous of that name, whose folder is made. Raises InvalidRequestError for no name."""
    if not _NAME.fullmatch(name):
        raise not_allowed(name, "up to 40 letters, digits and ._-, a letter or digit first", field="--name")
    base = folder_for_sockets() / f"padiff-meeting-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    status = base.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PaDiffError(f"{base} is not this user's alone; remove it, or set TMPDIR to another folder")
    _sweep(base)
    folder = base / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return Rendezvous(folder=folder)


def _sweep(base: Path) -> None:
    """Removes what commands that were killed have left."""
    for folder in base.iterdir():
        with suppress(OSError):
            is_old = time.time() - folder.stat().st_mtime > _SWEEP_AFTER_SECONDS
            if is_old and not any(map(Rendezvous(folder=folder).is_attended, Side)):
                shutil.rmtree(folder, ignore_errors=True)


def _locked(path: Path) -> Optional[int]:
    """Returns a descriptor that holds the lock; None where another process does."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            take_lock(descriptor)
            # Its last holder may have removed it in between.
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None


def _read(path: Path) -> Optional[str]:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
