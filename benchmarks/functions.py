"""Measures what looking between the layers costs: fingerprints, the second look, detail of a whole pass.

docs/performance.md says what each row means, and how it came out.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from padiff_client import ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import Detail, Floor, Phase
from padiff_worker.functions.fingerprints import fingerprint

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from demo import EXAMPLES, resnet50

ROUNDS = 2
SHAPES = ((8, 8), (32, 32), (2, 128, 768), (2, 12, 128, 128), (1, 256, 56, 56), (1 << 20,))
WORDS = 128


def main() -> int:
    """Returns 0; nothing here has a limit."""
    _fingerprints()
    os.environ["PADIFF_FLOORS"] = "none"
    print(f"\n{'looking between the layers':<34}{'seconds':>9}{'of all':>11}{'times':>8}")
    for name, compare in (("ResNet-50", _resnet50), ("BERT-base", _bert_base)):
        for detail in (Detail.AUTO, Detail.FUNCTIONS):
            found = [_cost(compare(Options(detail=detail, floor=Floor.TABLE))) for _ in range(ROUNDS)]
            look, rest = min(found, key=lambda one: one[0] / one[1])
            text = f"{name}, {detail}"
            print(f"{text:<34}{look:>9.1f}{look + rest:>11.1f}{1 + look / rest:>8.2f}", flush=True)
    return 0


def _fingerprints() -> None:
    print(f"{'fingerprint of float32':<34}{'us':>9}{'GB/s':>11}")
    for shape in SHAPES:
        drawn = np.random.default_rng(0).standard_normal(shape, np.float32)
        for kind, tensor in (("", drawn), (", rectified", np.maximum(drawn, 0))):
            times = max(3, 10**6 // tensor.size)
            seconds = min(_seconds_each(lambda tensor=tensor: fingerprint(tensor), times) for _ in range(3))
            print(f"{f'{list(shape)}{kind}':<34}{seconds * 1e6:>9.0f}{tensor.nbytes / seconds / 1e9:>11.2f}")


def _seconds_each(work: Callable[[], object], times: int) -> float:
    """Returns processor seconds, which other work on the machine hardly changes."""
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def _cost(report: Report) -> tuple[float, float]:
    """Returns the seconds of looking between the layers, and those of the rest of the comparison."""
    if report or not report.findings:
        sys.exit(f"the planted fault was not found:\n{report}")
    # Both sides' together, as no pass of a step is told of.
    look = sum(one.seconds for one in report.timings if one.phase is Phase.FORWARD and one.side is None)
    return look, report.summary.seconds - look


def _resnet50(options: Options) -> Report:
    return resnet50("halved_shortcut", options)


def _bert_base(options: Options) -> Report:
    """Compares on one sentence of `WORDS` words."""
    folder = [EXAMPLES / "bert"]
    layer = ModelSpec("paddle", "paddle_bert:base", kwargs={"fault": "halved_positions"}, path=folder)
    module = ModelSpec("torch", "torch_bert:base", path=folder)
    ids = np.random.default_rng(0).integers(1, 30_000, (1, WORDS))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    names = ("tokens", "segments", "mask"), ("input_ids", "token_type_ids", "attention_mask")
    ours, theirs = (dict(zip(own, (ids, types, mask))) for own in names)
    return auto_diff(layer, module, (ours, theirs), options=options)


if __name__ == "__main__":
    raise SystemExit(main())
