"""A training step whose every tensor is captured and compared, against both models run plain.

Both plain models train at once, each in its own process with half of the cores, as workers do. A comparison's
step is what more steps cost more, without the start: the difference of two comparisons, judged free-running.
Plain models and comparisons take turns. The time between the models' end and the verdict is that of the last
step: from the later of the two optimizers' last step to the report's end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "models"))

from inputs import batch_of, module_of  # noqa: E402

from benchmarks.whole.commands import working  # noqa: E402
from benchmarks.whole.rows import Goal, Row  # noqa: E402
from padiff_client import ModelSpec, Options, auto_diff  # noqa: E402
from padiff_rpc.v1.words import Transport  # noqa: E402

GROUP = "steps"
FRAMEWORKS = ("torch", "paddle")
FOLDERS = (str(HERE / "models"), str(HERE.parent.parent / "examples" / "resnet50"))
# Of a comparison, of its plain models: at most so many times.
GOALS = {
    ("resnet50", Transport.SHM): 1.10,
    ("resnet50", Transport.GRPC): 1.30,
    ("bert", Transport.SHM): 1.15,
    ("bert", Transport.GRPC): 1.30,
}
# Of the step.
_MOST_OF_TAIL = 0.05
_FEW, _MORE = 2, 6


@dataclass(frozen=True)
class Step:
    """One step of a comparison.

    Attributes:
        seconds: by which a comparison of one more takes longer.
        tail_seconds: from the models' end to the report's.
    """

    seconds: float
    tail_seconds: float


def measured(rounds: int) -> list[Row]:
    """Returns a step's seconds as multiples of plain ones, and the share in which no model runs any more."""
    steps = {
        key: Row(GROUP, f"{key[0]}, tensors by {key[1]}", "of a plain step", Goal(most=most))
        for key, most in GOALS.items()
    }
    tails = {
        key: Row(
            GROUP,
            f"{key[0]}, tensors by {key[1]}: models' end to verdict",
            "of the step",
            Goal(_MOST_OF_TAIL),
        )
        for key in GOALS
    }
    for _ in range(rounds):
        for model, transport in GOALS:
            with working() as work:
                plain = _plain(model)
                step = _compared(model, transport)
            steps[model, transport].add(
                step.seconds / plain, work.strangers, plain_s=plain, compared_s=step.seconds
            )
            tails[model, transport].add(
                step.tail_seconds / step.seconds, work.strangers, tail_s=step.tail_seconds
            )
    return [*steps.values(), *tails.values()]


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
            text=True,
            env=environment,
        )
        for framework in FRAMEWORKS
    ]
    for one in processes:
        assert one.stdout is not None
        said = one.stdout.readline()
        if said != "ready\n":
            sys.exit(f"{' '.join(map(str, one.args))} does not train: {said}, exit {one.wait()}")
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    return max(float(one.communicate()[0]) for one in processes) / (_MORE - _FEW)


def _compared(model: str, transport: Transport) -> Step:
    (few, _), (more, tail) = (_seconds(model, transport, steps) for steps in (_FEW, _MORE))
    return Step(seconds=(more - few) / (_MORE - _FEW), tail_seconds=tail)


def _seconds(model: str, transport: Transport, steps: int) -> tuple[float, float]:
    """Returns a comparison's seconds, and those from the models' end to the report's."""
    batch = batch_of(model)
    renamed = {"x": batch["images"]} if model == "resnet50" else batch
    with tempfile.TemporaryDirectory() as ends:
        os.environ["BENCHMARK_ENDS"] = ends  # where the optimizers say when they step
        try:
            began = time.monotonic()
            report = auto_diff(
                ModelSpec("paddle", f"{module_of('paddle', model)}:build", train=True, path=FOLDERS),
                ModelSpec("torch", f"{module_of('torch', model)}:build", train=True, path=FOLDERS),
                ([renamed] * steps, [batch] * steps),
                steps=steps,
                optimizer=("paddle_training:sgd", "torch_training:sgd"),
                options=Options(local_error=False, keep_going=True, transport=transport),
            )
            seconds = time.monotonic() - began
        finally:
            del os.environ["BENCHMARK_ENDS"]
        if len(report.steps) != steps:
            sys.exit(str(report))
        models_end = max(float((Path(ends) / framework).read_text()) for framework in FRAMEWORKS)
    return seconds, report.summary.started_at + report.summary.seconds - models_end
