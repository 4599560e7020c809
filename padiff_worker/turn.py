"""A process's turn to be the worker: what it and its supervisor tell each other."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from enum import Enum
from typing import Optional

from padiff_rpc import lifeline
from padiff_rpc.records import record

YES, NO = "yes", "no"


class TurnWord(str, Enum):
    """What begins a line between a supervisor and one of its processes."""

    # To the process: take the address; nobody else is left on the device; answer at once.
    SERVE = "serve"
    ALONE = "alone"
    ASK = "ask"
    # From the process: it serves; its device is usable or not; its lease was granted, with so many seconds of
    # patience; that lease has ended; the answer.
    LISTENING = "listening"
    READY = "ready"
    LEASED = "leased"
    OVER = "over"
    ALIVE = "alive"


@record
class Before:
    """What a process must know of those before it.

    Attributes:
        was_ready: the device was usable.
        broken_lease: the lease during which the last one ended by itself; empty: it did not.
        exit_status: how that one ended.
        was_silent: it was killed, since it answered nothing.
    """

    was_ready: bool = False
    broken_lease: str = ""
    exit_status: int = 0
    was_silent: bool = False

    def line(self) -> str:
        """Returns this as what follows SERVE."""
        return f"{int(self.was_ready)} {self.exit_status} {int(self.was_silent)} {self.broken_lease}"

    @staticmethod
    def from_line(text: str) -> Before:
        """Returns what `line` made `text` of."""
        was_ready, exit_status, was_silent, lease = text.split(" ")
        return Before(
            was_ready=was_ready == "1",
            broken_lease=lease,
            exit_status=int(exit_status),
            was_silent=was_silent == "1",
        )


class Lines:
    """One end of the socket between the two."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._rest = b""

    def say(self, word: TurnWord, more: str = "") -> None:
        """Sends a line; nothing where the other end is gone, which shows otherwise."""
        with suppress(OSError):
            self.end.sendall(f"{word.value} {more}\n".encode())

    def read(self) -> Optional[list[tuple[TurnWord, str]]]:
        """Waits for the next lines and returns them; None at the end of the other process."""
        try:
            content = self.end.recv(4096)
        except OSError:
            content = b""
        if not content:
            return None
        *lines, self._rest = (self._rest + content).split(b"\n")
        parts = (line.decode().partition(" ") for line in lines)
        return [(TurnWord(word), more) for word, _, more in parts]


class Turn:
    """What a process hears of its supervisor, and tells it. Thread-safe.

    The process is killed, with all that it started, when its supervisor has ended, however that was, and
    whatever the process is doing.

    Attributes:
        before: what came before this turn; known when it has begun.
    """

    def __init__(self, end: socket.socket) -> None:
        self._lines = Lines(end)
        self.before = Before()
        self._has_begun = threading.Event()
        self._is_alone = threading.Event()

    def wait(self) -> None:
        """Waits until it is this process's turn to serve."""
        lifeline.start(self._lines.end.fileno(), "")
        threading.Thread(target=self._listen, name="supervisor", daemon=True).start()
        self._has_begun.wait()

    def wait_until_alone(self) -> None:
        """Waits until the process before this one has left the device."""
        self._is_alone.wait()

    def say(self, word: TurnWord, more: str = "") -> None:
        """Tells the supervisor."""
        self._lines.say(word, more)

    def _listen(self) -> None:
        while True:
            heard = self._lines.read()
            if heard is None:
                return  # the supervisor has ended, and this process is about to
            for word, more in heard:
                if word is TurnWord.SERVE:
                    self.before = Before.from_line(more)
                    self._has_begun.set()
                elif word is TurnWord.ALONE:
                    self._is_alone.set()
                elif word is TurnWord.ASK:
                    self.say(TurnWord.ALIVE)
