"""Compares two models of many calls: `python -m benchmarks.whole.compare_calls 10000 1024 FILE`.

Calls, bytes of each call's tensor, and where the seconds of each side's forward pass are written, as JSON.
Judged free-running, forward alone.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.whole.commands import Cost, cost_of
from padiff_client import ModelSpec, Options, auto_diff
from padiff_rpc.v1.words import Phase, Side

MODELS = Path(__file__).resolve().parent / "models"


@dataclass(frozen=True)
class Compared:
    """What a comparison cost, and the seconds of each side's forward pass."""

    cost: Cost
    forward_seconds: dict[Side, float]


def compared(calls: int, tensor_bytes: int, folder: Path) -> Compared:
    """Runs this module as a command; `folder` is for its file."""
    file = folder / "seconds.json"
    command = [sys.executable, "-m", __name__, str(calls), str(tensor_bytes), str(file)]
    cost = cost_of(command, {"PYTHONPATH": str(MODELS.parent.parent.parent)})
    seconds = json.loads(file.read_text())
    return Compared(cost=cost, forward_seconds={side: seconds[str(side)] for side in Side})


def _main(calls: int, tensor_bytes: int, file: Path) -> int:
    batch = np.random.default_rng(0).random(tensor_bytes // 4, np.float32)
    report = auto_diff(
        _spec("paddle", calls),
        _spec("torch", calls),
        ({"x": batch}, {"x": batch}),
        options=Options(local_error=False, diff_phase="forward"),
    )
    if not report or report.coverage.calls_compared < calls:
        sys.exit(str(report))
    seconds = {
        str(told.side): told.seconds
        for told in report.timings
        if told.side is not None and told.phase is Phase.FORWARD
    }
    file.write_text(json.dumps(seconds))
    return 0


def _spec(framework: str, calls: int) -> ModelSpec:
    return ModelSpec(framework, f"{framework}_calls:build", kwargs={"calls": calls}, path=[MODELS])


if __name__ == "__main__":
    raise SystemExit(_main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
