"""A long-lived worker: a process that starts another one for each lease, and runs nothing of a model itself.

So every comparison runs the code as it is on disk, and whatever becomes of a process, a crash, a leak or a
hang, ends with its lease. The next process waits while one is leased; it then takes the address over, and
the device when the one before it has ended.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Optional

from padiff_rpc.child import describe_exit
from padiff_rpc.stopping import StopSignals
from padiff_worker.turn import YES, Before, Lines, TurnWord

logger = logging.getLogger(__name__)

# From the request to end to the killing. A process itself takes less (`stopping`).
_LEAVING_SECONDS = 10.0
# From one sign of life of a leased process to the next question.
_ASK_SECONDS = 2.0
# The same for one that nobody has leased, and what it may take to answer: it runs nothing of a model.
_ASK_FREE_SECONDS, _FREE_PATIENCE_SECONDS = 10.0, 20.0
# Beyond the patience of a coordinator, which by then has given the process up.
_MARGIN_SECONDS = 10.0
# A stopped process answers no pings of its coordinator's connection, so that it has lost its lease by then.
_STOPPED_SECONDS = 25.0
# Between two starts, where processes end before they were of use; twice as long each time.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0

# Starts a process with its end of a socket, closing those others; returns its number.
Start = Callable[[socket.socket, list[socket.socket]], int]


class _Process:
    """One started process, and what it has said."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.lines = Lines(end)
        self.is_heard = True
        self.may_serve = False
        self.address = ""
        self.is_alone = False
        self.is_ready = False
        self.lease = ""
        self.patience_seconds = 0.0
        # Since when a question is not answered; None: none is open.
        self.asked_at: Optional[float] = None
        self.ask_next_at = 0.0
        self.is_over = False
        self.killed_at: Optional[float] = None
        self.was_silent = False

    def hear(self) -> None:
        """Takes note of what the process says."""
        said = self.lines.read()
        if said is None:
            self.is_heard = False  # it is about to end
        for word, more in said or ():
            if word is TurnWord.LISTENING:
                self.address = more
                self._ask_later()
            elif word is TurnWord.READY:
                self.is_ready = more == YES
            elif word is TurnWord.LEASED:
                self.lease, _, patience = more.partition(" ")
                self.patience_seconds = float(patience)
                self._ask_later()
            elif word is TurnWord.ALIVE:
                self.asked_at = None
                self._ask_later()
            elif word is TurnWord.OVER:
                self.is_over = True

    @property
    def is_watched(self) -> bool:
        """Whether it owes signs of life: it serves."""
        return self.is_heard and bool(self.address) and not self.is_over

    def _ask_later(self) -> None:
        self.ask_next_at = time.monotonic() + (_ASK_SECONDS if self.lease else _ASK_FREE_SECONDS)

    def ask(self) -> None:
        """Asks for a sign of life, which needs Python's lock and nothing of the model."""
        self.asked_at = time.monotonic()
        self.lines.say(TurnWord.ASK)

    def patience_ends_at(self) -> Optional[float]:
        """Returns when it has not answered for too long; None: never, or nothing is asked."""
        if self.asked_at is None:
            return None
        if not self.lease:
            return self.asked_at + _FREE_PATIENCE_SECONDS
        if self.is_stopped():
            return self.asked_at + _STOPPED_SECONDS
        return self.asked_at + self.patience_seconds + _MARGIN_SECONDS if self.patience_seconds else None

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it, as SIGSTOP does."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills the process and all that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.send(signal.SIGKILL)

    def reaped(self) -> Optional[int]:
        """Returns the exit status, minus the signal's number, once the process has ended; None before.

        What it started is killed before its number can be another's.
        """
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self.kill()
        _, status = os.waitpid(self.pid, 0)
        self.lines.end.setblocking(False)
        while self.is_heard:  # its last words
            self.hear()
        self.lines.end.close()
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class Supervisor:
    """Has one process serve at a time. Lives on the main thread, and starts no other."""

    def __init__(self, start: Start, on_address: Callable[[str], None], *, drain_seconds: float) -> None:
        """`start` makes a process; `on_address` hears once where the first one serves.

        `drain_seconds`: what a process that was told to stop gives a running comparison.
        """
        self._start = start
        self._on_address = on_address
        self._drain_seconds = drain_seconds
        self._signals = StopSignals(children_too=True)
        self._serving: Optional[_Process] = None
        self._waiting: Optional[_Process] = None
        self._leaving: list[_Process] = []
        self._before = Before()
        self._has_served = False
        self._is_stopping = False
        self._pause_seconds = 0.0
        self._starts_at = 0.0
        self._exit_code = 0

    def run(self) -> int:
        """Returns the exit code: 0, or that of a process which could not serve or was cut short."""
        try:
            while not self._is_stopping or self._all():
                self._arrange()
                self._listen()
                self._reap()
            return self._exit_code
        finally:
            for process in self._all():
                process.kill()

    def _all(self) -> list[_Process]:
        return [*filter(None, (self._serving, self._waiting)), *self._leaving]

    def _arrange(self) -> None:
        """Brings about what follows from what is: who starts, who serves, who ends."""
        serving = self._serving
        if self._wants_another() and time.monotonic() >= self._starts_at:
            self._start_another()
        waiting = self._waiting
        is_due = (serving is None or serving.is_over) and not self._leaving
        if waiting is not None and not waiting.may_serve and is_due:
            waiting.may_serve = True
            waiting.is_ready = self._before.was_ready
            waiting.lines.say(TurnWord.SERVE, self._before.line())
        if waiting is not None and waiting.address:
            self._serving, self._waiting, self._before = waiting, None, Before(was_ready=waiting.is_ready)
            if serving is not None:
                serving.killed_at = time.monotonic() + _LEAVING_SECONDS
                serving.send(signal.SIGTERM)
                self._leaving.append(serving)
        if self._serving is not None and not self._serving.is_alone and not self._leaving:
            self._serving.is_alone = True
            self._serving.lines.say(TurnWord.ALONE)

    def _wants_another(self) -> bool:
        serving = self._serving
        return (
            self._waiting is None
            and not self._is_stopping
            and (serving is None or serving.is_over or bool(serving.lease))
        )

    def _start_another(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = self._start(theirs, [ours, *(process.lines.end for process in self._all())])
            except OSError as error:
                logger.error("no process could be started: %s", error)
                ours.close()
                self._pause()
                return
        self._waiting = _Process(pid, ours)

    def _pause(self) -> None:
        longer = min(max(2 * self._pause_seconds, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self._pause_seconds = longer
        self._starts_at = time.monotonic() + longer

    def _listen(self) -> None:
        """Waits for the next event, or for what the clock brings, and takes note of it."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals, selectors.EVENT_READ)
            for process in self._all():
                if process.is_heard:
                    selector.register(process.lines.end, selectors.EVENT_READ, process)
            for key, _ in selector.select(self._seconds_to_wait()):
                if key.data is None:
                    self._take_signal()
                else:
                    self._hear(key.data)
        self._look_for_life()
        for process in self._all():
            if process.killed_at is not None and process.killed_at <= time.monotonic():
                logger.warning("process %d does not end, and is killed", process.pid)
                process.killed_at = None
                process.kill()

    def _look_for_life(self) -> None:
        """Kills a process that answers nothing: it cannot see that its lease is over, or serve another."""
        process, now = self._serving, time.monotonic()
        if process is None or not process.is_watched or process.was_silent:
            return
        if process.asked_at is None:
            if now >= process.ask_next_at:
                process.ask()
            return
        end = process.patience_ends_at()
        if end is not None and now >= end:
            logger.warning(
                "process %d has answered nothing for %.0f s (%s), and is killed",
                process.pid,
                now - process.asked_at,
                "it is stopped" if process.is_stopped() else "a computation holds Python's lock",
            )
            process.was_silent = True
            process.kill()

    def _seconds_to_wait(self) -> Optional[float]:
        moments = [process.killed_at for process in self._all() if process.killed_at is not None]
        if self._wants_another():
            moments.append(self._starts_at)
        if self._serving is not None and self._serving.is_watched:
            is_asked = self._serving.asked_at is not None
            # What is asked may come to be stopped.
            moments.append(time.monotonic() + _ASK_SECONDS if is_asked else self._serving.ask_next_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _hear(self, process: _Process) -> None:
        process.hear()
        if process.address and not self._has_served:
            self._has_served = True
            self._on_address(process.address)
        if process.lease:
            self._pause_seconds = 0.0
        if process is self._serving:
            self._before = Before(was_ready=process.is_ready)

    def _take_signal(self) -> None:
        number = self._signals.take()
        if number is None or number is signal.SIGCHLD:
            return
        patience = _LEAVING_SECONDS if self._is_stopping else self._drain_seconds + _LEAVING_SECONDS
        self._is_stopping = True
        for process in self._all():
            if process is self._waiting and not process.may_serve:
                process.kill()
            else:
                process.send(signal.SIGTERM)
                process.killed_at = time.monotonic() + patience

    def _reap(self) -> None:
        for process in self._all():
            status = process.reaped()
            if status is None:
                continue
            if process in self._leaving:
                self._leaving.remove(process)
            elif self._is_stopping:
                self._forget(process)
                if process.may_serve:
                    self._exit_code = status if status >= 0 else 1
            else:
                self._forget(process)
                self._take_loss(process, status)

    def _forget(self, process: _Process) -> None:
        if process is self._serving:
            self._serving = None
        else:
            self._waiting = None

    def _take_loss(self, process: _Process, status: int) -> None:
        """Notes the end of a process that nobody asked to end."""
        # A process that was killed may have been about to serve; one that ended could not.
        if not self._has_served and status != -signal.SIGKILL:
            self._is_stopping = True
            self._exit_code = status if status > 0 else 1
            return
        is_broken = bool(process.lease) and not process.is_over
        during = " during a comparison" if is_broken else ""
        logger.warning("process %d %s%s", process.pid, describe_exit(status), during)
        if is_broken:
            self._before = Before(
                was_ready=process.is_ready,
                broken_lease=process.lease,
                exit_status=status,
                was_silent=process.was_silent,
            )
        elif not process.is_over:
            self._pause()
