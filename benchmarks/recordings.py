"""ResNet-50 recorded: how large, how long, and whether comparisons with it come out right.

A live candidate against the recorded reference, in lockstep, and against statistics of it, freely; a recorded
one, freely; each healthy, and with a wrong epsilon of one norm. docs/recordings.md shows how it came out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from padiff_client import ModelSpec, Report, Selection, assign_weight, auto_diff, record

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from demo import EXAMPLES, outcome, photograph

FOLDER = EXAMPLES / "resnet50"
FAULT, CULPRIT = "norm_epsilon", "layer3.2.bn2"


def main() -> int:
    """Returns 0; 1 where a comparison comes out wrong."""
    are_right = True
    with tempfile.TemporaryDirectory() as folder:
        for train in (False, True):
            are_right = _run(Path(folder), train=train) and are_right
    return 0 if are_right else 1


def _run(folder: Path, *, train: bool) -> bool:
    given = photograph()
    # The argument's name in Paddle's model.
    candidates = {"x": given["images"]}
    reference, weights = folder / "reference.padiff", folder / "weights.pdparams"
    statistics = folder / "statistics.padiff"
    print(f"\n{'train' if train else 'eval'} mode", flush=True)
    _timed("reference, with floors", partial(record, _torch(train), given, reference), reference)
    selection = Selection(statistics_only=True)
    keep = partial(record, _torch(train), given, statistics, selection=selection)
    _timed("reference, statistics only", keep, statistics)
    assign_weight(_paddle(train), _torch(train), save=weights)
    are_right = True
    for fault, expected in (("", "PASS"), (FAULT, f"FAIL at {CULPRIT} (forward, step 0)")):
        named, recording = f"candidate{', faulty' if fault else ''}", folder / f"candidate{fault}.padiff"
        model, alone = _paddle(train, fault), _paddle(train, fault, weights)
        keep = partial(record, alone, candidates, recording, selection=Selection(floors=False))
        _timed(named, keep, recording)
        lockstep = partial(auto_diff, model, ModelSpec(recording=reference), (candidates, given))
        live = _timed(f"live {named} in lockstep", lockstep)
        by_statistics = partial(auto_diff, model, ModelSpec(recording=statistics), (candidates, given))
        estimated = _timed(f"live {named} by statistics", by_statistics)
        offline = partial(auto_diff, ModelSpec(recording=recording), ModelSpec(recording=reference))
        freely = _timed(f"recorded {named} freely", offline)
        are_right = are_right and outcome(live) == outcome(freely) == outcome(estimated) == expected
    return are_right


def _torch(train: bool) -> ModelSpec:
    return ModelSpec("torch", "torch_model:build", path=[FOLDER], train=train)


def _paddle(train: bool, fault: str = "", weights: Path | None = None) -> ModelSpec:
    return ModelSpec(
        "paddle", "paddle_model:build", kwargs={"fault": fault}, path=[FOLDER], train=train, weights=weights
    )


def _timed(what: str, run: Callable[[], Report], recording: Path | None = None) -> Report:
    """Returns the report of a run, and prints how long it took and what came of it."""
    began = time.monotonic()
    report = run()
    seconds = time.monotonic() - began
    if recording is not None and not report:
        raise SystemExit(f"{what}: {report}")
    came = outcome(report) if recording is None else f"{recording.stat().st_size / 2**20:.0f} MiB"
    print(f"{what:<40}{seconds:>8.1f} s   {came}", flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
