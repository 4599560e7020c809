"""Real training scripts of Torch and Paddle, whose own steps are compared by `padiff run`."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Optional

import numpy as np
import pytest

from padiff_client.report import Report
from padiff_rpc.v1.words import Phase, Side

SECONDS = 120

DATA = """
import numpy as np

given = np.load({file!r})
"""
TORCH = """
import torch
{imported}

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm = torch.nn.Linear(8, 16), torch.nn.LayerNorm(16)
        self.fc2 = torch.nn.Linear(16, 4)

    def forward(self, x):
        return self.fc2(torch.relu(self.norm(self.fc1(x))))

model = Net()
with torch.no_grad():
    for name in ("fc1", "fc2"):
        getattr(model, name).weight.copy_(torch.from_numpy(given[name].T.copy()))
        getattr(model, name).bias.zero_()
optimizer = torch.optim.{optimizer}
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
{watch}
for step in range(4):
    x, y = torch.from_numpy(given["x"][step]), torch.from_numpy(given["y"][step])
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    schedule.step()
    model.eval()
    with torch.no_grad():
        model(x)
    model.train()
"""
PADDLE = """
import paddle
{imported}

class Tripled(paddle.autograd.PyLayer):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * 3.0

class Net(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm = paddle.nn.Linear(8, 16), paddle.nn.LayerNorm(16)
        self.fc2 = paddle.nn.Linear(16, 4)

    def forward(self, x):
        hidden = self.norm(self.fc1(x))
        return self.fc2(paddle.nn.functional.relu({hidden}))

model = Net()
for name in ("fc1", "fc2"):
    getattr(model, name).weight.set_value(given[name])
    getattr(model, name).bias.set_value(np.zeros(getattr(model, name).bias.shape, "float32"))
schedule = paddle.optimizer.lr.StepDecay(0.01, 2, 0.5)
optimizer = paddle.optimizer.{optimizer}
{watch}
for step in range(4):
    x, y = paddle.to_tensor(given["x"][step]), paddle.to_tensor(given["y"][step])
    loss = paddle.nn.functional.cross_entropy(model(x), y) * {scale}
    {before_backward}
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    schedule.step()
    model.eval()
    with paddle.no_grad():
        model(x)
    model.train()
"""
ADAM = (
    "AdamW(model.parameters(), lr=0.01, weight_decay=0.01)",
    "AdamW(schedule, parameters=model.parameters())",
)
SGD = ("SGD(model.parameters(), lr=0.01, momentum=0.9)", "Momentum(schedule, 0.9, model.parameters())")
WATCHED = {
    framework: {
        "imported": f"import padiff_worker_{framework}",
        "watch": f"padiff_worker_{framework}.watch(model, optimizer)",
    }
    for framework in ("torch", "paddle")
}
RUN = [sys.executable, "-m", "padiff_client.cli", "run"]
UNCHANGED = {"imported": "", "watch": ""}


class Scripts:
    """A Torch script and a Paddle one, and the interpreters that run them."""

    def __init__(self, folder: Path, torch_python: str, paddle_python: str) -> None:
        self.folder = folder
        self.pythons = {Side.REFERENCE: torch_python, Side.CANDIDATE: paddle_python}
        draws = np.random.default_rng(0)
        self.data = str(folder / "given.npz")
        np.savez(
            self.data,
            fc1=draws.standard_normal((8, 16)).astype(np.float32) / 3,
            fc2=draws.standard_normal((16, 4)).astype(np.float32) / 4,
            x=draws.standard_normal((4, 5, 8)).astype(np.float32),
            y=draws.integers(0, 4, (4, 5)),
        )

    def compared(self, torch: str, paddle: str, *flags: str, steps: int = 3) -> tuple[Report, int]:
        """Returns the report of both scripts, and the exit code of the candidate's command."""
        name, out = uuid.uuid4().hex[:12], self.folder / "report.json"
        reference = self._run(Side.REFERENCE, name, torch, *flags)
        more = ("--steps", str(steps), "--json", str(out))
        candidate = self._run(Side.CANDIDATE, name, paddle, *flags, *more)
        try:
            said = [command.communicate(timeout=SECONDS)[0] for command in (candidate, reference)]
        finally:
            for command in (candidate, reference):
                command.kill()
                command.communicate()
        assert out.exists(), "\n".join(said)
        assert reference.returncode == 0, said[1]
        return Report.load(out), candidate.returncode

    def alone(self, side: Side, text: str, *flags: str) -> tuple[int, str]:
        """Returns the exit code and the output of the command of a script that meets no other."""
        file = self._written(side, text)
        run = subprocess.run(
            [*RUN, *flags, "--", self.pythons[side], file],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            timeout=SECONDS,
        )
        return run.returncode, run.stdout

    def _written(self, side: Side, text: str) -> str:
        file = self.folder / f"train_{side}.py"
        file.write_text(DATA.format(file=self.data) + text)
        return str(file)

    def _run(self, side: Side, name: str, text: str, *flags: str) -> subprocess.Popen[str]:
        file = self._written(side, text)
        return subprocess.Popen(
            [*RUN, "--side", str(side), "--name", name, *flags, "--", self.pythons[side], file],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


@pytest.fixture
def scripts(tmp_path: Path, torch_python: str, paddle_python: str) -> Scripts:
    return Scripts(tmp_path, torch_python, paddle_python)


def torch_script(optimizer: str = ADAM[0], watched: Optional[dict[str, str]] = None) -> str:
    return TORCH.format(optimizer=optimizer, **(watched or WATCHED["torch"]))


def paddle_script(optimizer: str = ADAM[1], watched: Optional[dict[str, str]] = None, **parts: str) -> str:
    usual = {"hidden": "hidden", "scale": "1.0", "before_backward": "pass"}
    return PADDLE.format(optimizer=optimizer, **(watched or WATCHED["paddle"]), **{**usual, **parts})


@pytest.mark.parametrize("optimizers", [ADAM, SGD], ids=["adam", "sgd"])
def test_healthy_scripts_pass(scripts: Scripts, optimizers: tuple[str, str]) -> None:
    report, status = scripts.compared(torch_script(optimizers[0]), paddle_script(optimizers[1]))
    assert report, str(report)
    assert (len(report.steps), status) == (3, 0)
    coverage = report.coverage
    assert (coverage.parameters_compared, coverage.losses_compared) == (6, 3)
    assert coverage.tensors_compared == coverage.tensors_total


FAULTS = {
    "weight decay": (
        {"optimizer": "AdamW(schedule, parameters=model.parameters(), weight_decay=0.05)"},
        (0, Phase.WEIGHTS, "fc1"),
    ),
    "loss scale from step 1 on": ({"scale": "(1.0 if step < 1 else 2.0)"}, (1, Phase.LOSS, "")),
    "gradient": ({"hidden": "Tripled.apply(hidden)"}, (0, Phase.BACKWARD, "norm")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_at_its_step_and_place(scripts: Scripts, fault: str) -> None:
    parts, expected = FAULTS[fault]
    report, status = scripts.compared(torch_script(), paddle_script(**parts))
    found = report.first_divergence
    assert found is not None
    assert found.candidate is not None
    assert (found.step, found.phase, found.candidate.path) == expected, str(report)
    assert status == 1


def test_a_script_that_raises_is_a_result(scripts: Scripts) -> None:
    report, status = scripts.compared(torch_script(), paddle_script(before_backward="assert step < 2"))
    (failure,) = report.failures
    assert (failure.side, failure.step, failure.exception) == (Side.CANDIDATE, 2, "AssertionError")
    assert [step.passed for step in report.steps] == [True, True]
    assert status == 2


def test_a_script_that_ends_early_cuts_the_report_short(scripts: Scripts) -> None:
    report, status = scripts.compared(torch_script(), paddle_script(before_backward="if step == 2: break"))
    assert [one.side for one in report.troubles] == [Side.CANDIDATE]
    assert "the script ended after 2 steps" in report.troubles[0].text
    assert status == 2


def test_a_class_is_watched_in_scripts_of_which_no_line_says_so(scripts: Scripts) -> None:
    plain = torch_script(watched=UNCHANGED), paddle_script(watched=UNCHANGED)
    report, status = scripts.compared(*plain, "--watch", "Net")
    assert report, str(report)
    assert (len(report.steps), status) == (3, 0)
    assert {row.phase for row in report.rows} >= {Phase.OPTIMIZER, Phase.WEIGHTS}, "the optimizer is found"
    report, status = scripts.compared(
        plain[0], paddle_script(watched=UNCHANGED, scale="2.0"), "--watch", "Net"
    )
    assert report.first_divergence is not None
    assert (report.first_divergence.step, report.first_divergence.phase, status) == (0, Phase.LOSS, 1)


def test_a_script_may_read_from_processes_of_its_own(scripts: Scripts) -> None:
    plain = torch_script()
    read = """for step in range(4):
    x, y = torch.from_numpy(given["x"][step]), torch.from_numpy(given["y"][step])
"""
    assert read in plain
    loaded = """pairs = [(given["x"][step], given["y"][step]) for step in range(4)]
for step, (x, y) in enumerate(torch.utils.data.DataLoader(pairs, batch_size=None, num_workers=2)):
"""
    report, status = scripts.compared(plain.replace(read, loaded), paddle_script())
    assert report, str(report)
    assert (len(report.steps), status) == (3, 0)


def test_a_recorded_script_takes_the_place_of_one_that_runs(scripts: Scripts) -> None:
    recording, out = str(scripts.folder / "torch.padiff"), scripts.folder / "report.json"
    status, said = scripts.alone(Side.REFERENCE, torch_script(), "--record", recording, "--steps", "3")
    assert (status, "recorded 3 steps" in said) == (0, True), said
    flags = ("--against", recording, "--steps", "3", "--json", str(out))
    status, said = scripts.alone(Side.CANDIDATE, paddle_script(), *flags)
    report = Report.load(out)
    assert (status, bool(report)) == (0, True), said
    assert len(report.summary.steps) == 3
    status, said = scripts.alone(Side.CANDIDATE, paddle_script(scale="1.01"), *flags)
    assert status == 1, said
    first = Report.load(out).first_divergence
    assert first is not None
    assert (first.row.step, first.row.phase) == (0, Phase.LOSS)
