"""Embedded mode with real frameworks: verdicts, bad input, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padiff_client import InvalidRequestError, ModelSpec, assign_weight, auto_diff
from padiff_rpc.v1.words import Phase, Side

ROOT = Path(__file__).resolve().parents[2]
MODELS = """
import ctypes, itertools, os, signal, time
import torch

def sleep():
    time.sleep(3600)

def spin():
    while True:
        pass

def kernel():
    # In C, with Python's lock held.
    ctypes.PyDLL(None).usleep(3_600_000_000)

class Net(torch.nn.Module):
    def __init__(self, die_in="", pause=0.0, bias=True, hang=""):
        super().__init__()
        self.fc = torch.nn.Linear(4, 3, bias=bias)
        # A count that nothing puts back.
        self.die_in, self.pause, self.calls, self.hang = die_in, pause, itertools.count(1), hang

    def forward(self, x):
        if self.training:
            time.sleep(self.pause)
        out = self.fc(x)
        if next(self.calls) == 2 and self.die_in == "forward":  # the first is the trace
            os.kill(os.getpid(), signal.SIGKILL)
        if self.hang and out.requires_grad:
            out.register_hook(lambda gradient: globals()[self.hang]())
        if self.die_in == "backward" and out.requires_grad:
            out.register_hook(lambda gradient: os.kill(os.getpid(), signal.SIGKILL))
        return out

def raising(**_):
    raise ValueError("no such checkpoint")

def number(**_):
    return 3
"""
SPEC = """
reference: {{framework: torch, model: "nets:Net", train: true, kwargs: {{pause: {pause}}}}}
candidate: {{framework: torch, model: "nets:Net", train: true}}
inputs: {{x: {{shape: [2, 4]}}}}
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that must be empty again at the end; short, for the sockets in it."""
    # pytest has made its own folder by now, elsewhere.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pdt") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)
        assert list(Path(name).iterdir()) == []
        # What watches over a killed process ends a moment after it.
        deadline = time.monotonic() + 10
        while processes_in(name) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert processes_in(name) == []


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(MODELS)
    return tmp_path


def processes_in(folder: str) -> list[int]:
    """Returns the ids of the living processes of a run in `folder`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/padiff-run-" in command:
            found.append(int(file.parent.name))
    return found


def spec(models: Path, python: str, model: str = "nets:Net", **rest: Any) -> ModelSpec:
    return ModelSpec("torch", model, python=python, path=[models], **rest)


def image() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)}


def test_torch_against_torch_agrees_and_a_missing_bias_does_not(models: Path, torch_python: str) -> None:
    inputs = image()
    report = auto_diff(spec(models, torch_python), spec(models, torch_python, seed=1), (inputs, inputs))
    assert report, str(report)
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 2
    without = spec(models, torch_python, kwargs={"bias": False})
    report = auto_diff(without, spec(models, torch_python), (inputs, inputs))
    assert report.exit_code == 1
    assert any(one.name == "bias" and one.counts for one in report.unmatched)
    assert "bias" in str(report)


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
def test_a_killed_worker_is_named_with_its_phase(models: Path, torch_python: str, phase: Phase) -> None:
    dying = spec(models, torch_python, train=True, kwargs={"die_in": str(phase)})
    inputs = image()
    report = auto_diff(dying, spec(models, torch_python, train=True), (inputs, inputs))
    assert report.exit_code == 2
    (trouble,) = report.troubles
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, phase)
    assert any("candidate worker" in note and "SIGKILL" in note for note in report.notes)
    assert report.rows


@pytest.mark.parametrize("way", ["sleep", "spin", "kernel"])
def test_a_model_that_hangs_ends_the_comparison_and_leaves_nothing(
    models: Path, torch_python: str, way: str
) -> None:
    hanging = spec(models, torch_python, train=True, kwargs={"hang": way})
    inputs = image()
    report = auto_diff(
        hanging, spec(models, torch_python, train=True), (inputs, inputs), options={"timeout": 15}
    )
    assert report.exit_code == 2
    (trouble,) = report.troubles
    assert (trouble.side, trouble.phase) == (Side.CANDIDATE, Phase.BACKWARD)
    assert trouble.activity is not None
    assert [line.function for line in trouble.activity.stack[-1:]] == ([] if way == "kernel" else [way])
    assert {row.phase for row in report.rows} >= {Phase.FORWARD, Phase.LOSS}


def test_weights_are_saved_where_the_caller_says(models: Path, torch_python: str) -> None:
    file = models / "state.pt"
    report = assign_weight(spec(models, torch_python), spec(models, torch_python, seed=1), save=file)
    assert report, str(report)
    assert report.saved == str(file)
    assert file.stat().st_size > 0


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nets:Nett", "did you mean Net"),
        ("absent:Net", "no module 'absent'"),
        ("nets:number", "int"),
        ("nets:raising", "ValueError.*no such checkpoint"),
    ],
)
def test_a_bad_model_is_one_clear_line(models: Path, torch_python: str, model: str, said: str) -> None:
    (models / "spec.yaml").write_text(SPEC.format(pause=0).replace("nets:Net", model))
    done = padiff("compare", str(models / "spec.yaml"), "--quiet", torch_python=torch_python)
    assert done.returncode == 2
    if done.stdout:  # a model that raised is part of a report, which begins with it and says it once
        line, *rest = done.stdout.splitlines()
        assert line.startswith("FAIL: cut short: ")
        assert not [other for other in rest if line in other or "cut short" in other]
        assert done.stderr == ""
    else:
        (line,) = done.stderr.splitlines()
        assert line.startswith("padiff: ")
    assert re.search(said, line)


def test_an_interpreter_without_the_framework_is_told_the_pip_line(models: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"\.python: .* has no torch, .* -m pip install torch"):
        auto_diff(spec(models, sys.executable), spec(models, sys.executable), (image(), image()))


def test_ctrl_c_ends_everything_with_130(models: Path, torch_python: str, own_temporary_folder: Path) -> None:
    client = start_a_long_comparison(models, torch_python, own_temporary_folder)
    client.send_signal(signal.SIGINT)
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 130, errors
    assert errors.splitlines()[-1] == "padiff: interrupted"


def test_a_killed_client_leaves_nothing(models: Path, torch_python: str, own_temporary_folder: Path) -> None:
    client = start_a_long_comparison(models, torch_python, own_temporary_folder)
    client.kill()
    client.communicate()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (
        list(own_temporary_folder.iterdir()) or processes_in(str(own_temporary_folder))
    ):
        time.sleep(0.05)


def test_a_killed_coordinator_is_one_clear_line(
    models: Path, torch_python: str, own_temporary_folder: Path
) -> None:
    client = start_a_long_comparison(models, torch_python, own_temporary_folder)
    (coordinator,) = [
        pid
        for pid in processes_in(str(own_temporary_folder))
        if b"padiff_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(coordinator, signal.SIGKILL)
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 2, errors
    line = errors.splitlines()[-1]
    assert line.startswith("padiff: the coordinator")
    assert "SIGKILL" in line


def start_a_long_comparison(models: Path, torch_python: str, folder: Path) -> subprocess.Popen[str]:
    """Returns a client whose reference sleeps in its forward, once that is reached."""
    (models / "spec.yaml").write_text(SPEC.format(pause=60))
    client = popen("compare", str(models / "spec.yaml"), "--verbose", torch_python=torch_python)
    assert client.stderr is not None
    for line in client.stderr:
        if line.startswith(("padiff: tracing", "padiff: forward")):
            return client
    raise AssertionError("the client ended before its forward")


def padiff(*arguments: str, torch_python: str) -> subprocess.CompletedProcess[str]:
    with popen(*arguments, torch_python=torch_python) as client:
        out, errors = client.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, client.returncode, out, errors)


def popen(*arguments: str, torch_python: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PADIFF_TORCH_PYTHON": torch_python,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from padiff_client.cli import main; sys.exit(main())",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


SELF_NAMING = """
from padiff_client import ModelSpec, auto_diff

def build():
    import torch
    return torch.nn.Linear(4, 2)

spec = ModelSpec("torch", "self_naming:build", path=["."])
auto_diff(spec, spec, ({"input": [[0.0] * 4]}, {"input": [[0.0] * 4]}))
"""


SERVING = """
import torch
import padiff_worker_torch

padiff_worker_torch.serve(torch.nn.Linear(4, 2), address="127.0.0.1:0")
"""


@pytest.mark.parametrize(("script", "does"), [("", "starts a comparison"), (SERVING, "serves a model")])
def test_a_script_that_names_itself_without_a_guard_is_one_clear_error(
    tmp_path: Path, torch_python: str, script: str, does: str
) -> None:
    naming = SELF_NAMING.replace("self_naming:", "serving:") if script else SELF_NAMING
    (tmp_path / "self_naming.py").write_text(naming)
    (tmp_path / "serving.py").write_text(script)
    command = [sys.executable, "self_naming.py"]
    environment = {**os.environ, "PADIFF_TORCH_PYTHON": torch_python}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert f"model: the module of this model {does} itself; put that call under" in last
