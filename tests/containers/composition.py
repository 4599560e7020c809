"""compose.yaml, brought up and taken down by podman-compose."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from building import ENVIRONMENT, ROOT, run

PODMAN_COMPOSE = ROOT / ".venv" / "containers" / "bin" / "podman-compose"
PREFIX = "padiff-test"
SERVICES = ("coordinator", "torch-worker", "paddle-worker")
# Torch and Paddle, imported side by side from a cold disk.
HEALTHY_SECONDS = 180
# Whom the images run as, and so whose the mounted files are.
USER = 1000


@dataclass(frozen=True)
class Composition:
    """A running composition: its name, its copy of docker/, and the published port of the coordinator."""

    name: str
    folder: Path
    port: int

    @property
    def certificates(self) -> Path:
        return self.folder / "certs"

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs podman-compose on the published file."""
        settings = {"PADIFF_PORT": str(self.port), "PADIFF_CODE": str(ROOT / "examples" / "resnet50")}
        assert not set(settings) & set(os.environ)
        return run(
            *("env", *(f"{key}={value}" for key, value in settings.items())),
            *(str(PODMAN_COMPOSE), "--project-name", self.name, "--file", str(self.folder / "compose.yaml")),
            *words,
            check=check,
        )

    def execute(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command inside the container of a service."""
        return run("podman", "exec", self.container(service), *command, check=False)

    def exit_code(self, service: str) -> int:
        """Returns what the container of a service that was stopped ended with."""
        inspected = run("podman", "inspect", "--format", "{{.State.ExitCode}}", self.container(service))
        return int(inspected.stdout)

    def container(self, service: str) -> str:
        return f"{self.name}_{service}_1"

    def logs(self) -> str:
        """Returns what the containers wrote."""
        parts = [run("podman", "logs", self.container(service), check=False) for service in SERVICES]
        return "\n".join(part.stdout + part.stderr for part in parts)

    def left_behind(self) -> str:
        """Returns the names of containers, networks and volumes of this composition, a line each."""
        kinds = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
        label = f"label=io.podman.compose.project={self.name}"
        listed = (run("podman", *kind, "--quiet", "--filter", label).stdout for kind in kinds)
        return "".join(listed)


@contextmanager
def open_composition(folder: Path) -> Iterator[Composition]:
    """Makes certificates, brings all services up, and waits until each of them is healthy."""
    _sweep()
    # Compose files count from their own folder, where certificates are put; the checkout stays as it is.
    shutil.copytree(ROOT / "docker", folder / "docker", ignore=shutil.ignore_patterns("*.pem"))
    for path in (folder / "docker").rglob("*"):
        os.chown(path, USER, USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Composition(f"{PREFIX}-{os.getpid()}", folder / "docker", port)
    try:
        running.compose("--profile", "certificates", "run", "--rm", "-T", "certificates")
        running.compose("up", "--detach")
        deadline = time.monotonic() + HEALTHY_SECONDS
        for service in SERVICES:
            _wait_until_healthy(running, service, deadline)
        yield running
    finally:
        running.compose("--profile", "certificates", "--profile", "compare", "down", "--volumes", check=False)


def _wait_until_healthy(running: Composition, service: str, deadline: float) -> None:
    # Without systemd nobody runs the image's check now and then.
    check = ["podman", "healthcheck", "run", running.container(service)]
    while subprocess.run(check, env=ENVIRONMENT, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, f"{service} is not healthy\n{running.logs()}"


def _sweep() -> None:
    """Removes what is left of killed runs, which carry their process id."""
    names = run("podman", "ps", "--all", "--format", "{{.Names}}").stdout.split()
    networks = run("podman", "network", "ls", "--format", "{{.Name}}").stdout.split()
    volumes = run("podman", "volume", "ls", "--format", "{{.Name}}").stdout.split()
    listed = ((("rm", "--force"), names), (("network", "rm"), networks), (("volume", "rm"), volumes))
    for remove, found in listed:
        for name in found:
            match = re.match(rf"{PREFIX}-(\d+)_", name)
            if match and not Path("/proc", match[1]).exists():
                run("podman", *remove, name, check=False)
