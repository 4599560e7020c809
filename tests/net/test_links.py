"""What becomes of a comparison when a host's link goes down in the middle of a step, or is slow."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from network import Host
from services import Remote
from slow_link import TUN, slow_cable
from specs import side, training

# transport.py: a vanished peer is noticed within 20 s and 10 s; what is left is for the report.
NOTICED_SECONDS = 30 + 10


def test_a_host_cut_off_in_the_middle_of_a_step_is_named_and_what_was_compared_is_kept(
    remote: Remote, hosts: dict[str, Host], tmp_path: Path
) -> None:
    reached, let_go = tmp_path / "reached", tmp_path / "let-go"
    for pipe in (reached, let_go):
        os.mkfifo(pipe)
    candidate = side("paddle", "paddle", reached=str(reached), let_go=str(let_go))
    comparison = remote.start(training(side("torch", "torch"), candidate))
    # Opens when the model does: in the second step, after its third layer.
    reached.read_bytes()
    with hosts["paddle"].cut_off():
        cut_at = time.monotonic()
        outcome = remote.finish(comparison)
        seconds = time.monotonic() - cut_at
    let_go.write_text("go on")

    print(f"noticed after {seconds:.1f} s: {outcome.errors}")
    assert outcome.exit_code == 2
    assert seconds < NOTICED_SECONDS
    (trouble,) = outcome.report["troubles"]
    assert (trouble["side"], trouble["phase"]) == ("candidate", "forward")
    assert "candidate" in outcome.errors
    rows = outcome.report["rows"]
    compared = {row["step"]: 0 for row in rows}
    for row in rows:
        compared[row["step"]] += row["verdict"] in ("match", "within_tolerance")
    assert outcome.report["steps"][0]["passed"]
    assert compared[0] > 0

    # The worker dropped the model when its caller was gone, and serves the next one.
    again = remote.compare(training(side("torch", "torch"), side("paddle", "paddle")))
    assert again.exit_code == 0, again.errors


def test_a_slow_and_lossy_link_only_takes_longer(remote: Remote, hosts: dict[str, Host]) -> None:
    if not os.path.exists(TUN):
        pytest.skip(f"a slow link needs {TUN}")
    spec = training(side("torch", "torch"), side("paddle", "paddle"))
    fast = remote.compare(spec)
    with slow_cable(hosts["paddle"], delay_seconds=0.05, loss=0.01) as cable:
        slow = remote.compare(spec)
    assert fast.exit_code == slow.exit_code == 0, slow.errors
    assert cable.carried > 100
    assert cable.lost > 0
    assert slow.report["seconds"] > fast.report["seconds"]
    assert slow.report["rows"] == fast.report["rows"]
