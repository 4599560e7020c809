"""Compares the example models on real input, then lets a planted fault be found.

Each comparison starts a coordinator and two workers and leaves nothing behind. The interpreters come
from PADIFF_TORCH_PYTHON and PADIFF_PADDLE_PYTHON, which `make demo` sets.
"""

from __future__ import annotations

import sys
from pathlib import Path

from padiff_client import ModelSpec, Options, Report, auto_diff

# The inputs of the examples are plain modules in their folders.
sys.path.insert(0, str(Path(__file__).resolve().parent / "resnet50"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "digits"))

from batches import batches
from inputs import photograph

EXAMPLES = Path(__file__).resolve().parent


def resnet50(fault: str = "", options: Options | None = None) -> Report:
    """Returns the report on Torch's and Paddle's ResNet-50, forward and backward, on a photograph."""
    folder = EXAMPLES / "resnet50"
    layer = ModelSpec("paddle", "paddle_model:build", kwargs={"fault": fault}, path=[folder])
    module = ModelSpec("torch", "torch_model:build", path=[folder])
    reference_input = photograph()
    candidate_input = {"x": reference_input["images"]}  # the argument's name in Paddle's model
    return auto_diff(layer, module, (candidate_input, reference_input), options=options)


def digits(fault: str = "") -> Report:
    """Returns the report on five training steps of a classifier, a different batch each step."""
    folder = EXAMPLES / "digits"
    layer = ModelSpec("paddle", "paddle_model:build", kwargs={"fault": fault}, path=[folder], train=True)
    module = ModelSpec("torch", "torch_model:build", path=[folder], train=True)
    pulled_once = batches()
    return auto_diff(
        layer,
        module,
        (pulled_once, pulled_once),
        steps=5,
        loss_fn=("paddle_model:cross_entropy", "torch_model:cross_entropy"),
        optimizer=("paddle_model:adam", "torch_model:adam"),
    )


def outcome(report: Report) -> str:
    """Returns the verdict in a few words."""
    if report:
        return "PASS"
    divergence = report.first_divergence
    if divergence is None or divergence.row.candidate is None:
        return "FAIL"
    row = divergence.row
    return f"FAIL at {row.candidate.path or 'the root'} ({row.phase}, step {row.step})"


def main() -> int:
    """Returns 0 if every verdict is the expected one."""
    runs = (
        ("ResNet-50", lambda: resnet50(), "PASS"),
        ("digits, 5 training steps", lambda: digits(), "PASS"),
        (
            "ResNet-50 with a wrong epsilon in one norm",
            lambda: resnet50("norm_epsilon"),
            "FAIL at layer3.2.bn2 (forward, step 0)",
        ),
    )
    summary, as_expected = [], True
    for name, compare, expected in runs:
        print(f"\n=== {name}\n", flush=True)
        report = compare()
        print(report, flush=True)
        verdict = outcome(report)
        summary.append(f"{name}: {verdict}")
        if verdict != expected:
            as_expected = False
            summary[-1] += f", expected {expected}"
    print(f"\n{'; '.join(summary)} ({'all as expected' if as_expected else 'NOT as expected'})")
    return 0 if as_expected else 1


if __name__ == "__main__":
    sys.exit(main())
