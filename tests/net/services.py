"""A coordinator and workers, each on its host, with mutual TLS; and the command of a client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from network import Host

from padiff_client import Report
from padiff_rpc.arena_file import FOLDER_VARIABLE, NONE
from padiff_rpc.v1.records import Row

ROOT = Path(__file__).resolve().parents[2]
PADIFF = [sys.executable, "-m", "padiff_client.cli"]
COORDINATOR_PORT, WORKER_PORT = 50050, 50051
STOP_SECONDS = 10
# All of them are on one machine, and would share memory past their links.
OF_HOSTS = {"OMP_NUM_THREADS": "1", FOLDER_VARIABLE: NONE}


def interpreter(environment: str) -> str:
    """Returns the Python of an environment that `make test-net` made; skips the test where it made none."""
    python = ROOT / ".venv" / environment / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment {environment}: make found no Python of its version here")
    return str(python)


@dataclass(frozen=True)
class Certificates:
    """A folder that `padiff certs init` has filled."""

    folder: Path

    def flags(self, role: str) -> list[str]:
        """Returns the flags with which a process of `role` serves with mutual TLS."""
        own, key = self.folder / f"{role}.pem", self.folder / f"{role}-key.pem"
        return [
            "--tls-cert", str(own), "--tls-key", str(key), "--tls-ca", str(self.folder / "ca.pem")
        ]  # fmt: skip

    def keys(self, role: str) -> dict[str, str]:
        """Returns what a spec or a configuration file names under `tls`."""
        names = {"ca": "ca.pem", "certificate": f"{role}.pem", "key": f"{role}-key.pem"}
        return {key: str(self.folder / name) for key, name in names.items()}


@contextmanager
def serving(host: Host, *command: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Provides a process on `host` that serves already; it is stopped at the end, by force if need be."""
    environment = {**os.environ, **OF_HOSTS}
    with log.open("w") as errors:
        process = subprocess.Popen(
            host.command(*command), stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on "), f"{host.name}: {line!r}\n{log.read_text()}"
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def worker(host: Host, *command: str, certificates: Certificates, log: Path) -> Iterator[None]:
    """Provides a worker on `host`; `command` is all of its command line but where and how it listens."""
    listen = [
        "--listen",
        f"{host.address}:{WORKER_PORT}",
        *certificates.flags("worker"),
        "--drain-seconds",
        "1",
    ]
    with serving(host, *command, *listen, log=log):
        yield


@contextmanager
def coordinator(
    host: Host, workers: Mapping[str, tuple[str, Host]], *, certificates: Certificates, folder: Path
) -> Iterator[None]:
    """Provides a coordinator on `host`; `workers` are name -> framework and host."""
    configuration = {
        "listen": f"{host.address}:{COORDINATOR_PORT}",
        "tls": certificates.keys("server"),
        "drain_seconds": 1,
        "workers": {
            name: {"framework": framework, "address": f"{there.address}:{WORKER_PORT}"}
            for name, (framework, there) in workers.items()
        },
    }
    file = folder / "server.yaml"
    file.write_text(yaml.safe_dump(configuration))
    with serving(
        host, sys.executable, "-m", "padiff_server", "--config", str(file), log=folder / "server.log"
    ):
        yield


@dataclass(frozen=True)
class Outcome:
    """How a comparison ended: exit code, the report as JSON, its rows, what was said on standard error."""

    exit_code: int
    report: dict[str, Any]
    rows: tuple[Row, ...]
    errors: str


def start_comparison(
    spec: Mapping[str, Any], folder: Path, host: Optional[Host] = None
) -> subprocess.Popen[str]:
    """Starts `padiff compare`; `finished` takes what it returns."""
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump(dict(spec)))
    command = [*PADIFF, "compare", str(file), "--json", str(folder / "report.json")]
    return subprocess.Popen(
        host.command(*command) if host is not None else command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **OF_HOSTS},
    )


def finished(client: subprocess.Popen[str], folder: Path, *, seconds: float = 300) -> Outcome:
    """Waits for a comparison's end; returns its outcome."""
    with client:
        try:
            out, errors = client.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            client.kill()
            raise
    report = folder / "report.json"
    assert report.exists(), out + errors
    rows = Report.load(report).all_rows
    return Outcome(client.returncode, json.loads(report.read_text()), rows, errors)


@dataclass(frozen=True)
class Remote:
    """Comparisons that a client makes on its own host, by way of the coordinator's."""

    start_worker: Callable[[str], None]
    client: Host
    server: dict[str, Any]
    folder: Path

    def start(self, spec: dict[str, Any]) -> subprocess.Popen[str]:
        """Starts the comparison of a spec that names workers by their hosts' names."""
        for side in ("reference", "candidate"):
            self.start_worker(spec[side]["worker"])
        return start_comparison({**spec, "server": self.server}, self.folder, self.client)

    def finish(self, comparison: subprocess.Popen[str], *, seconds: float = 300) -> Outcome:
        """Waits for the end of a started comparison; returns its outcome."""
        return finished(comparison, self.folder, seconds=seconds)

    def compare(self, spec: dict[str, Any]) -> Outcome:
        return self.finish(self.start(spec))
