"""A real coordinator and two real worker processes over the NumPy fake."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from processes import Service, running, running_worker


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One coordinator and two workers, shared by all tests that leave them as they found them."""
    folder = tmp_path_factory.mktemp("service")
    with ExitStack() as exits:
        start = exits.enter_context
        coordinator = start(
            running(
                *("-m", "padiff_server", "--allow-any-worker", "--worker-wait-seconds", "0"),
                log=folder / "coordinator.log",
            )
        )
        reference = start(running_worker(folder, "reference"))
        candidate = start(running_worker(folder, "candidate"))
        yield Service(
            coordinator=coordinator.address, reference=reference.address, candidate=candidate.address
        )
