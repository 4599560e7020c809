"""Links that go down in the middle of a step, or are slow."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from network import Host
from services import Remote
from slow_link import TUN, slow_cable
from specs import side, training

# transport.py: a vanished peer is noticed within 10 s and 12 s; what is left is for the report.
NOTICED_SECONDS = 22 + 15
REACHED_SECONDS = 180


@contextmanager
def model_that_waits(folder: Path) -> Iterator[tuple[dict[str, str], Callable[[], None]]]:
    """Provides what a model is built with that waits in its second step until the end of the context.

    With it comes a function that returns once the model waits there. By named pipes: no clock, but for a
    model that never comes.
    """
    reached, let_go = folder / "reached", folder / "let-go"
    for pipe in (reached, let_go):
        os.mkfifo(pipe)
    reader, held_open = os.open(reached, os.O_RDONLY | os.O_NONBLOCK), os.open(let_go, os.O_RDWR)

    def wait() -> None:
        came = select.poll()
        came.register(reader)
        assert came.poll(REACHED_SECONDS * 1000), "the model never came to its second step"

    try:
        yield {"reached": str(reached), "let_go": str(let_go)}, wait
    finally:
        os.close(held_open)
        os.close(reader)


def test_a_host_cut_off_in_the_middle_of_a_step_is_named_and_what_was_compared_is_kept(
    remote: Remote, hosts: dict[str, Host], tmp_path: Path
) -> None:
    with model_that_waits(tmp_path) as (kwargs, wait):
        comparison = remote.start(training(side("torch", "torch"), side("paddle", "paddle", **kwargs)))
        wait()
        with hosts["paddle"].cut_off():
            cut_at = time.monotonic()
            outcome = remote.finish(comparison)
            seconds = time.monotonic() - cut_at

    print(f"noticed after {seconds:.1f} s: {outcome.errors}")
    assert outcome.exit_code == 2
    assert seconds < NOTICED_SECONDS
    (trouble,) = outcome.report["troubles"]
    assert (trouble["side"], trouble["phase"]) == ("candidate", "forward")
    assert "candidate" in outcome.report["reasons"][0]
    compared = {row.step: 0 for row in outcome.rows}
    for row in outcome.rows:
        compared[row.step] += row.verdict in ("match", "within_tolerance")
    assert outcome.report["steps"][0]["passed"]
    assert compared[0] > 0

    # The worker drops the model when it notices that its caller is gone, and serves the next one.
    healthy = training(side("torch", "torch"), side("paddle", "paddle"))
    again = remote.compare(healthy)
    while "in use by another comparison" in again.errors and time.monotonic() < cut_at + NOTICED_SECONDS:
        again = remote.compare(healthy)
    assert again.exit_code == 0, again.errors


def test_a_slow_and_lossy_link_only_takes_longer(remote: Remote, hosts: dict[str, Host]) -> None:
    if not os.path.exists(TUN):
        pytest.skip(f"a slow link needs {TUN}")
    spec = training(side("torch", "torch"), side("paddle", "paddle"))
    remote.compare(spec)  # what frameworks load at first use is loaded now
    fast = remote.compare(spec)
    with slow_cable(hosts["paddle"], delay_seconds=0.05, loss=0.01) as cable:
        slow = remote.compare(spec)
    assert fast.exit_code == slow.exit_code == 0, slow.errors
    assert cable.carried > 100
    assert cable.lost > 0
    assert slow.report["seconds"] > fast.report["seconds"]
    assert slow.report["rows"] == fast.report["rows"]
