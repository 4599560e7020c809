"""A short soak: random kills of everything but the client. `make soak` makes a long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0


def test_random_kills_leave_no_wrong_verdict_no_orphan_and_no_unreadable_report() -> None:
    soak = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--seconds", "15", "--sessions", "2", "--fakes-only"],
        cwd=ROOT,
        env={**os.environ, "PADIFF_FLOORS": "none"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert soak.returncode == 0, f"{soak.stdout}\n{soak.stderr}"
    table = {line.split("  ")[0]: line for line in soak.stdout.splitlines()}
    assert "killed: coordinator" in table
    assert "killed: supervisor" in table
    assert "wrong verdicts" in table
