"""Measures what looking between the layers costs: fingerprints of tensors, and the second look.

The second look is what a comparison of ResNet-50 with one planted fault costs beyond one of the layers alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from padiff_client import Options
from padiff_rpc.v1.words import Detail
from padiff_worker.functions.fingerprints import fingerprint

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from demo import resnet50

ROUNDS = 3
SIZES = (64, 4096, 1 << 18, 1 << 23)


def main() -> int:
    """Returns 0; nothing here has a limit."""
    print(f"{'fingerprint of float32':<28}{'us':>12}{'GB/s':>8}")
    for size in SIZES:
        tensor = np.random.default_rng(0).standard_normal(size, np.float32)
        seconds = min(_seconds(lambda tensor=tensor: fingerprint(tensor)) for _ in range(ROUNDS))
        print(f"{size:<28,}{seconds * 1e6:>12.0f}{tensor.nbytes / seconds / 1e9:>8.2f}", flush=True)
    os.environ["PADIFF_FLOORS"] = "none"
    seconds_of: dict[Detail, list[float]] = {Detail.LAYERS: [], Detail.AUTO: []}
    for _ in range(ROUNDS):
        for detail, measured in seconds_of.items():
            options = Options(detail=detail)
            measured.append(_seconds(lambda options=options: resnet50("norm_epsilon", options)))
    layers, auto = (min(measured) for measured in seconds_of.values())
    print(
        f"ResNet-50 with a fault: {layers:.1f} s, with the second look {auto:.1f} s ({auto - layers:+.1f} s)"
    )
    return 0


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    raise SystemExit(main())
