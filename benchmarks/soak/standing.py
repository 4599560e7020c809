"""The processes that are to stand: a coordinator and workers, started anew at their addresses when killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Optional

ROOT = Path(__file__).resolve().parents[2]
FAKES = ROOT / "tests" / "fakes"
MODELS = Path(__file__).resolve().parent / "models"
_STOP_SECONDS = 20.0


class Standing:
    """One process at one address. Thread-safe."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        """Starts it. `command` lacks the address, which is a socket in `folder`."""
        self.name = name
        self.address = f"unix:{folder}/{name}"
        self.ended_by_itself = 0
        self._command = [*command, "--listen", self.address]
        self._environment = environment
        self._log = (folder / f"{name}.log").open("ab")
        self._lock = threading.Lock()
        self._process = self._started()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_serving(self) -> None:
        """Waits for the announcement of the process as it is now. Raises RuntimeError."""
        line = _output(self._process).readline()
        if not line.startswith(b"listening on "):
            raise RuntimeError(f"{self.name} did not start; see {self._log.name}")

    def kill(self) -> None:
        """Ends it by force, and starts it again; whoever calls does not wait until it serves."""
        with self._lock:
            self._process.kill()
            self._process.wait()
            _output(self._process).close()
            self._process = self._started()

    def look(self) -> None:
        """Starts it again if it ended by itself, which is counted."""
        with self._lock:
            if self._process.poll() is not None:
                self.ended_by_itself += 1
                _output(self._process).close()
                self._process = self._started()

    def tell_to_stop(self) -> None:
        """Sends the signal to stop, and does not wait."""
        self._process.terminate()

    def stop(self) -> None:
        """Waits until it has stopped; by force when that takes too long."""
        with self._lock, self._process, self._log:
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._log, env=dict(self._environment)
        )


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


@dataclass(frozen=True)
class Seat:
    """What one session at a time compares on: two workers, and the modules of their models."""

    reference: Standing
    candidate: Standing
    modules: Mapping[str, str]  # by side
    is_fake: bool


@dataclass
class House:
    """All that stands."""

    coordinator: Standing
    seats: list[Seat] = field(default_factory=list)

    @property
    def workers(self) -> list[Standing]:
        return [worker for seat in self.seats for worker in (seat.reference, seat.candidate)]

    @property
    def all(self) -> list[Standing]:
        return [self.coordinator, *self.workers]


@contextlib.contextmanager
def standing(
    folder: Path, sessions: int, marker: Mapping[str, str], *, with_frameworks: bool
) -> Iterator[House]:
    """Provides a coordinator and two workers for each of so many sessions; all are gone at the end.

    `marker` stands in the environment of every process. With frameworks the first pair is Torch and Paddle.
    """
    environment = {
        **os.environ,
        **marker,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(FAKES)]),
        "OMP_NUM_THREADS": "1",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }
    with contextlib.ExitStack() as stack:
        started: list[Standing] = []

        def start(name: str, command: Sequence[str]) -> Standing:
            started.append(Standing(name, command, folder, environment))
            return started[-1]

        stack.callback(_stop_all, started)

        seats = []
        for number in range(sessions):
            is_fake = bool(number) or not with_frameworks
            fake = [sys.executable, str(FAKES / "fake_worker.py"), "--path", str(FAKES)]
            commands = (fake, fake) if is_fake else tuple(map(_framework_command, ("torch", "paddle")))
            modules = ("fake_models", "fake_models") if is_fake else ("torch_soaked", "paddle_soaked")
            seats.append(
                Seat(
                    reference=start(f"reference-{number}", commands[0]),
                    candidate=start(f"candidate-{number}", commands[1]),
                    modules=dict(zip(("reference", "candidate"), modules)),
                    is_fake=is_fake,
                )
            )
        config = folder / "server.yaml"
        workers = {
            worker.name: {"address": worker.address}
            for seat in seats
            for worker in (seat.reference, seat.candidate)
        }
        content = {"workers": workers, "limits": {"sessions": sessions}, "audit_log": "audit.jsonl"}
        config.write_text(json.dumps(content))  # JSON is YAML
        coordinator = start("coordinator", [sys.executable, "-m", "padiff_server", "--config", str(config)])
        house = House(coordinator=coordinator, seats=seats)
        for one in house.all:
            one.wait_until_serving()
        yield house


def _stop_all(started: Sequence[Standing]) -> None:
    for one in started:
        one.tell_to_stop()
    for one in started:
        one.stop()


def _framework_command(framework: str) -> list[str]:
    python = os.environ[f"PADIFF_{framework.upper()}_PYTHON"]
    return [python, "-m", f"padiff_worker_{framework}", "--path", str(MODELS)]


@dataclass(frozen=True)
class Process:
    """One entry of /proc."""

    pid: int
    parent: int
    command: str


def marked(marker: Mapping[str, str]) -> list[Process]:
    """Returns the living processes that have the marker in their environment."""
    (wanted,) = (f"{name}={value}".encode() for name, value in marker.items())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # gone by now
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    status = _status(entry)
                    if not status["State"].startswith("Z"):
                        words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                        found.append(Process(int(entry.name), int(status["PPid"]), " ".join(words)))
    return found


def resident_bytes(pid: int) -> Optional[int]:
    """Returns the memory of a process; None when it is gone."""
    with contextlib.suppress(OSError, KeyError):
        return int(_status(Path(f"/proc/{pid}"))["VmRSS"].split()[0]) << 10
    return None


def _status(entry: Path) -> dict[str, Any]:
    lines = (entry / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def descendants(of: int, processes: Sequence[Process]) -> list[Process]:
    """Returns the processes below one."""
    below = [one for one in processes if one.parent == of]
    return below + [further for one in below for further in descendants(one.pid, processes)]


def send(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
