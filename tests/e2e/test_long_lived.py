"""Workers that stay, over the real frameworks: each comparison runs the code as it is on disk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from padiff_client import ModelSpec, auto_diff
from padiff_client.report import Report

TORCH_MODEL = """
import torch

def build():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
"""
PADDLE_MODEL = """
import paddle

def build():
    return paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.ReLU())
"""


@contextmanager
def worker(python: str, package: str, folder: Path) -> Iterator[str]:
    """Runs a worker by its command; yields its address, and at the end sees it leave no process."""
    command = [python, "-m", package, "--listen", "127.0.0.1:0", "--path", str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), (folder / "log").read_text()
        yield line.split()[-1]
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0, (folder / "log").read_text()
    finally:
        process.kill()
        process.communicate()


def test_an_edit_counts_from_the_next_comparison_on_and_a_dead_process_costs_one(
    torch_python: str, paddle_python: str, tmp_path: Path
) -> None:
    folders = {side: tmp_path / side for side in ("torch", "paddle")}
    texts = {"torch": TORCH_MODEL, "paddle": PADDLE_MODEL}
    for side, folder in folders.items():
        folder.mkdir()
        (folder / "edited.py").write_text(texts[side])
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    with (
        worker(torch_python, "padiff_worker_torch", folders["torch"]) as module,
        worker(paddle_python, "padiff_worker_paddle", folders["paddle"]) as layer,
    ):
        specs = tuple(ModelSpec(model="edited:build", worker=address) for address in (layer, module))

        def compare() -> Report:
            return auto_diff(*specs, ({"input": x}, {"input": x}), options={"trace": "first_step"})

        report = auto_diff(*specs, ({"input": x}, {"input": x}))
        assert report, str(report)
        pids = {environment.worker.pid for environment in report.environments}

        (folders["torch"] / "edited.py").write_text(TORCH_MODEL.replace("(4),", "(4, eps=0.1),"))
        report = compare()
        assert not report
        assert report.first_divergence.reference.path == "1"
        assert not pids & {environment.worker.pid for environment in report.environments}

        for side, kept in (("torch", "paddle"), ("paddle", "torch")):
            (folders[kept] / "edited.py").write_text(texts[kept])
            broken = texts[side].replace("build():\n", "build():\n    import os; os.abort()\n")
            (folders[side] / "edited.py").write_text(broken)
            (trouble,) = compare().troubles
            assert trouble.text.endswith("the process of this comparison was killed by SIGABRT")

        (folders["paddle"] / "edited.py").write_text(PADDLE_MODEL)
        assert compare()


HANGING = """
import {framework}, time

def spin():
    while True:
        pass

class Hanging({base}):
    def __init__(self):
        super().__init__()
        self.fc = {framework}.nn.Linear(4, 4)

    def forward(self, input):
        out = self.fc(input)
        {does}
        return out

build = Hanging
"""


def test_a_model_that_hangs_costs_one_comparison(
    torch_python: str, paddle_python: str, tmp_path: Path
) -> None:
    folders = {side: tmp_path / side for side in ("torch", "paddle")}
    bases = {"torch": "torch.nn.Module", "paddle": "paddle.nn.Layer"}

    def write(side: str, does: str) -> None:
        text = HANGING.format(framework=side, base=bases[side], does=does)
        (folders[side] / "edited.py").write_text(text)

    for folder in folders.values():
        folder.mkdir()
    x = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
    with (
        worker(torch_python, "padiff_worker_torch", folders["torch"]) as module,
        worker(paddle_python, "padiff_worker_paddle", folders["paddle"]) as layer,
    ):
        specs = tuple(ModelSpec(model="edited:build", worker=address) for address in (layer, module))

        def compare(timeout: float) -> Report:
            return auto_diff(*specs, ({"input": x}, {"input": x}), options={"timeout": timeout})

        for hanging, other, does in (("torch", "paddle", "spin()"), ("paddle", "torch", "time.sleep(3600)")):
            write(hanging, does)
            write(other, "pass")
            (trouble,) = compare(15.0).troubles
            assert trouble.side is not None
            assert str(trouble.side) == ("reference" if hanging == "torch" else "candidate")
            assert trouble.activity is not None
            functions = [line.function for line in trouble.activity.stack]
            assert "forward" in functions
            assert trouble.activity.call is not None
            assert trouble.activity.call.path == "fc"
        write("paddle", "pass")
        report = compare(600.0)
        assert report, str(report)
