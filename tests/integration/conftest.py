"""A real coordinator and two real worker processes over the NumPy fake."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from processes import Service, running, running_worker

LOGS = pytest.StashKey[Path]()
_SHOWN_LINES, _SHOWN_COLUMNS = 15, 300


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One coordinator and two workers, shared by all tests that leave them as they found them."""
    folder = request.config.stash[LOGS] = tmp_path_factory.mktemp("service")
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the processes of `service` have logged of late."""
    report = yield
    if report.failed and "service" in getattr(item, "fixturenames", ()) and LOGS in item.config.stash:
        for log in sorted(item.config.stash[LOGS].glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
            report.sections.append((f"log of {log.stem}", "\n".join(line[:_SHOWN_COLUMNS] for line in lines)))
    return report
