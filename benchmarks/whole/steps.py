"""Measures a training step whose every tensor is captured and compared, against both models run plain.

`python -m benchmarks.whole.steps`, with PADIFF_TORCH_PYTHON and PADIFF_PADDLE_PYTHON. Both plain models
train at once, each in its own process with half of the cores, as workers do. A comparison's step is what
more steps cost more, without the start: the difference of two comparisons, judged free-running. Plain models
and comparisons take turns, and medians count. docs/performance.md says what each row means.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "models"))

from inputs import batch_of, module_of  # noqa: E402

from padiff_client import ModelSpec, Options, auto_diff  # noqa: E402
from padiff_rpc.v1.words import Transport  # noqa: E402

FRAMEWORKS = ("torch", "paddle")
FOLDERS = (str(HERE / "models"), str(HERE.parent.parent / "examples" / "resnet50"))
# Of a comparison, of its plain models: at most so many times.
GOALS = {
    ("resnet50", Transport.SHM): 1.10,
    ("resnet50", Transport.GRPC): 1.30,
    ("bert", Transport.SHM): 1.15,
    ("bert", Transport.GRPC): 1.30,
}
_FEW, _MORE = 2, 6


def main(arguments: Sequence[str]) -> int:
    """Returns 0; what misses its goal is told."""
    parser = argparse.ArgumentParser(prog="benchmarks.whole.steps", description=__doc__)
    parser.add_argument("--rounds", metavar="N", type=int, default=7)
    given = parser.parse_args(arguments)
    os.environ["PADIFF_STORE"] = os.environ["PADIFF_FLOORS"] = "none"
    plain: dict[str, list[float]] = {}
    compared: dict[tuple[str, Transport], list[float]] = {}
    for _ in range(given.rounds):
        for model, transport in GOALS:
            plain.setdefault(model, []).append(_plain(model))
            compared.setdefault((model, transport), []).append(_compared(model, transport))
    print(
        "| model | tensors by | a plain step, s | compared, s | times |\n| --- | --- | ---: | ---: | ---: |"
    )
    for (model, transport), goal in GOALS.items():
        alone = statistics.median(plain[model])
        step = statistics.median(compared[model, transport])
        print(
            f"| {model} | {transport} | {alone:.2f} | {step:.2f} | {step / alone:.2f} (at most {goal:.2f}) |"
        )
    return 0


def _plain(model: str) -> float:
    """Returns the seconds of a step of both models, which train at once."""
    threads = str(max(1, (os.cpu_count() or 1) // len(FRAMEWORKS)))
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    python = {framework: os.environ[f"PADIFF_{framework.upper()}_PYTHON"] for framework in FRAMEWORKS}
    processes = [
        subprocess.Popen(
            [python[framework], str(HERE / "plain.py"), framework, model, str(_MORE - _FEW)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        for framework in FRAMEWORKS
    ]
    for one in processes:
        assert one.stdout is not None
        if one.stdout.readline() != "ready\n":
            sys.exit(f"{' '.join(map(str, one.args))} does not train")
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    return max(float(one.communicate()[0]) for one in processes) / (_MORE - _FEW)


def _compared(model: str, transport: Transport) -> float:
    """Returns the seconds by which a comparison of one more step takes longer."""
    few, more = (_seconds(model, transport, steps) for steps in (_FEW, _MORE))
    return (more - few) / (_MORE - _FEW)


def _seconds(model: str, transport: Transport, steps: int) -> float:
    batch = batch_of(model)
    renamed = {"x": batch["images"]} if model == "resnet50" else batch
    began = time.monotonic()
    report = auto_diff(
        ModelSpec("paddle", f"{module_of('paddle', model)}:build", train=True, path=FOLDERS),
        ModelSpec("torch", f"{module_of('torch', model)}:build", train=True, path=FOLDERS),
        ([renamed] * steps, [batch] * steps),
        steps=steps,
        optimizer=("paddle_training:sgd", "torch_training:sgd"),
        options=Options(local_error=False, keep_going=True, transport=transport),
    )
    if len(report.steps) != steps:
        sys.exit(str(report))
    return time.monotonic() - began


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
