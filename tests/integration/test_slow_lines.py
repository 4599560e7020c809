"""Workers behind slow connections: fewer bytes cross where both ends can compress, for the same report."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from processes import Service, running, running_worker
from slow_line import slow_line
from test_coordinator import compare, model

from padiff_client.report import Report
from padiff_rpc.v1.records import Sending
from padiff_rpc.v1.words import Side

# Many times what lies in buffers of both ends before anybody waits.
X = np.random.default_rng(0).normal(size=(250_000, 4)).astype(np.float32)
BYTES_PER_SECOND = 20e6


@dataclass(frozen=True)
class Crossed:
    """A report, and the bytes that crossed the candidate's line for it."""

    report: Report
    carried_bytes: int

    def sending(self, *, to_worker: bool) -> Sending:
        (found,) = (
            one
            for one in self.report.summary.sendings
            if one.side is Side.CANDIDATE and one.to_worker is to_worker
        )
        return found


def compared(folder: Path, *before_packages: str) -> Crossed:
    """Compares freely; `before_packages` are where the workers look for modules first."""
    folder.mkdir()
    with ExitStack() as exits:
        coordinator = exits.enter_context(
            running("-m", "padiff_server", "--allow-any-worker", log=folder / "coordinator.log")
        )
        reference, candidate = (
            exits.enter_context(running_worker(folder, side, before_packages=before_packages))
            for side in ("reference", "candidate")
        )
        line = exits.enter_context(slow_line(candidate.address, BYTES_PER_SECOND))
        service = Service(
            coordinator=coordinator.address, reference=reference.address, candidate=line.address
        )
        report = compare(service, model(), model(epsilon=1e-2), X, local_error=False, transport="grpc")
        return Crossed(report=report, carried_bytes=line.carried_bytes)


def test_fewer_bytes_cross_a_slow_line_where_both_ends_can_compress(tmp_path: Path) -> None:
    without_library = tmp_path / "without"
    (without_library / "backports").mkdir(parents=True)
    (without_library / "backports" / "__init__.py").write_text("")
    (without_library / "compression").mkdir()
    (without_library / "compression" / "__init__.py").write_text("")

    both, one = compared(tmp_path / "both"), compared(tmp_path / "one", str(without_library))

    assert both.report.rows
    assert repr(both.report.rows) == repr(one.report.rows)
    assert [vars(each) for each in both.report.summary.traffic] == [
        vars(each) for each in one.report.summary.traffic
    ]
    # Most of what crosses is the candidate's captures; what goes to it is little.
    assert both.carried_bytes < 0.95 * one.carried_bytes
    captures = both.sending(to_worker=False)
    assert captures.sent_bytes < 0.95 * captures.tensor_bytes
    for to_worker in (True, False):
        packed, plain = both.sending(to_worker=to_worker), one.sending(to_worker=to_worker)
        assert packed.can_compress
        assert packed.tensor_bytes == plain.tensor_bytes
        assert not plain.can_compress
        assert plain.sent_bytes == plain.tensor_bytes
