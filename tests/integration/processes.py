"""Real processes for the tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import grpc
import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKES = ROOT / "tests" / "fakes"
STOP_SECONDS = 10
# What a process ends a call with that has already passed its address on to the next.
CUT_OFF = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def failure_of(attempt: Callable[[], object], code: grpc.StatusCode) -> Any:
    """Returns what an attempt fails with; one that a leaving process cuts off before `code` is made again."""
    for _ in range(100):
        with pytest.raises(grpc.RpcError) as caught:
            attempt()
        if caught.value.code() is code or caught.value.code() not in CUT_OFF:
            return caught.value
        threading.Event().wait(0.05)
    raise AssertionError("every attempt was cut off")


@dataclass(frozen=True)
class Running:
    """A process that serves, and where."""

    address: str
    process: subprocess.Popen[str]


@contextmanager
def running(
    *arguments: str,
    log: Path,
    environment: Optional[Mapping[str, str]] = None,
    listen: str = "127.0.0.1:0",
    before_packages: tuple[str, ...] = (),
) -> Iterator[Running]:
    """Provides a process that announced its address; it is stopped at the end, by force if need be.

    `before_packages`: folders in which it looks for modules before installed packages.
    """
    environment = {
        **os.environ,
        **(environment or {}),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(FAKES), *before_packages]),
        "OMP_NUM_THREADS": "1",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments, "--listen", listen],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on "), log.read_text()
            yield Running(address=line.removeprefix("listening on ").strip(), process=process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def running_worker(
    folder: Path,
    name: str,
    *flags: str,
    environment: Optional[Mapping[str, str]] = None,
    listen: str = "127.0.0.1:0",
    before_packages: tuple[str, ...] = (),
) -> Iterator[Running]:
    """Provides a worker over the fake framework."""
    arguments = [
        str(FAKES / "fake_worker.py"),
        "--path",
        str(FAKES),
        "--path",
        str(FAKES.parent / "integration"),
        "--save-root",
        str(folder),
        *flags,
    ]
    log = folder / f"{name}.log"
    with running(
        *arguments, log=log, environment=environment, listen=listen, before_packages=before_packages
    ) as worker:
        yield worker


@dataclass(frozen=True)
class Service:
    """Addresses of a coordinator and two workers."""

    coordinator: str
    reference: str
    candidate: str
