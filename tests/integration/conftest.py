"""A real coordinator and two real worker processes over the NumPy fake."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from processes import Service, running, running_worker

from padiff_compare.capture.store import TensorStore
from padiff_compare.run import Storage
from padiff_rpc.serving import open_server
from padiff_server.clients import Clients
from padiff_server.floor_store import FloorStore
from padiff_server.kept_files import KeptFiles
from padiff_server.servicer import register
from padiff_server.sessions import Sessions
from padiff_server.trace_store import TraceStore
from padiff_server.worker_directory import DialRule, WorkerDirectory

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


@pytest.fixture
def keeping(service: Service, tmp_path: Path) -> Iterator[Service]:
    """The service, with a coordinator that keeps floors and traces."""
    with TensorStore(1 << 28, tmp_path) as store:
        kept = KeptFiles(tmp_path / "kept")
        storage = Storage(tensors=store, floors=FloorStore(kept), traces=TraceStore(kept))
        sessions = Sessions(storage, WorkerDirectory(DialRule(allows_any=True)))
        with open_server("127.0.0.1:0", partial(register, sessions, Clients(), (), 0)) as address:
            yield Service(coordinator=address, reference=service.reference, candidate=service.candidate)


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
