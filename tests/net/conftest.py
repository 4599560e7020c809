"""Hosts, certificates and running processes for the tests of this folder; `make test-net` runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from network import Host, open_network
from services import (
    COORDINATOR_PORT,
    PADIFF,
    ROOT,
    Certificates,
    Remote,
    coordinator,
    interpreter,
    worker,
)
from specs import MODELS

# Where every worker finds models.
ROOTS = (MODELS, ROOT / "examples" / "resnet50")
# One worker on each; the client has a host of its own, and so has the coordinator.
WORKERS = {"torch": "torch", "paddle": "paddle", "paddle26": "paddle", "py39": "paddle", "py313": "paddle"}


@pytest.fixture(scope="session")
def hosts() -> Iterator[dict[str, Host]]:
    """Hosts by name, each in a network namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the `ip` command: apt-get install iproute2")
    with ExitStack() as exits:
        try:
            network = exits.enter_context(open_network(["coordinator", "client", *WORKERS]))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces can be made here: {error.stderr.strip()}")
        yield network


@pytest.fixture(scope="session")
def certificates(hosts: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of one CA, for all addresses of the network."""
    folder = tmp_path_factory.mktemp("certificates")
    names = [word for host in hosts.values() for word in ("--host", host.address)]
    subprocess.run([*PADIFF, "certs", "init", str(folder), *names], check=True, capture_output=True)
    return Certificates(folder)


@pytest.fixture(scope="session")
def coordinator_host(
    hosts: dict[str, Host], certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """The host on which a coordinator runs that knows every worker by the name of its host."""
    known = {name: (framework, hosts[name]) for name, framework in WORKERS.items()}
    folder = tmp_path_factory.mktemp("coordinator")
    with coordinator(hosts["coordinator"], known, certificates=certificates, folder=folder):
        yield hosts["coordinator"]


@pytest.fixture(scope="session")
def start_worker(
    hosts: dict[str, Host], certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], None]]:
    """Starts the worker of a host, by the host's name, unless it runs already; it stays until the end."""
    started = set()
    with ExitStack() as exits:

        def start(name: str) -> None:
            if name in started:
                return
            command = [interpreter(name), "-m", f"padiff_worker_{WORKERS[name]}"]
            roots = [word for root in ROOTS for word in ("--path", str(root))]
            log = tmp_path_factory.mktemp(name) / "worker.log"
            exits.enter_context(worker(hosts[name], *command, *roots, certificates=certificates, log=log))
            started.add(name)

        yield start


@pytest.fixture
def remote(
    start_worker: Callable[[str], None],
    coordinator_host: Host,
    hosts: dict[str, Host],
    certificates: Certificates,
    tmp_path: Path,
) -> Remote:
    server = {
        "address": f"{coordinator_host.address}:{COORDINATOR_PORT}",
        "tls": certificates.keys("client"),
    }
    return Remote(start_worker, hosts["client"], server, tmp_path)
