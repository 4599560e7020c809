"""`padiff up` and `padiff down` with real frameworks: comparisons come out as without, and begin warm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TORCH_MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.norm = torch.nn.Linear(6, 4), torch.nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(torch.relu(self.fc(x)))
"""
PADDLE_MODEL = TORCH_MODEL.replace("torch.relu", "paddle.nn.functional.relu").replace("torch", "paddle")
PADDLE_MODEL = PADDLE_MODEL.replace("nn.Module", "nn.Layer")
SPEC = """
reference: {framework: torch, model: "torch_net:Net", train: true}
candidate: {framework: paddle, model: "paddle_net:Net", train: true}
inputs: {x: {shape: [2, 6]}}
"""


class Home:
    """A folder with both models and a spec, and the command's surroundings."""

    def __init__(self, folder: Path, warm: str, pythons: dict[str, str]) -> None:
        self.folder = folder
        (folder / "torch_net.py").write_text(TORCH_MODEL)
        (folder / "paddle_net.py").write_text(PADDLE_MODEL)
        (folder / "spec.yaml").write_text(SPEC)
        self._environment = {**os.environ, **pythons, "PADIFF_WARM": warm}

    def padiff(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Returns what a command prints, on both streams."""
        done = self.begun(*arguments, **variables)
        said, _ = done.communicate(timeout=300)
        assert done.returncode == code, said
        return said

    def begun(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "padiff_client", *arguments],
            cwd=self.folder,
            env={**self._environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[int]:
        """Returns the numbers of what is warm."""
        lines = self.padiff("up", "--status").splitlines()[1:]
        return [int(line.split()[1]) for line in lines]


@pytest.fixture
def home(tmp_path: Path, torch_python: str, paddle_python: str) -> Iterator[Home]:
    pythons = {"PADIFF_TORCH_PYTHON": torch_python, "PADIFF_PADDLE_PYTHON": paddle_python}
    # A socket path has at most 107 bytes, and pytest's own folders are long.
    with tempfile.TemporaryDirectory(prefix="pdt") as folder:
        made = Home(tmp_path, f"{folder}/warm", pythons)
        made.padiff("up")
        processes = made.processes()
        assert len(processes) == 3
        yield made
        made.padiff("down")
        assert not any(Path(f"/proc/{one}/fd/0").exists() for one in processes)
        assert list(Path(folder).iterdir()) == []


def rows(file: Path) -> Any:
    return json.loads(file.read_text())["rows"]


def test_a_comparison_in_warm_interpreters_comes_out_as_in_fresh_ones(home: Home) -> None:
    said = home.padiff("compare", "spec.yaml", "-v", "--json", "warm.json")
    assert said.count("of the warm interpreter") == 3
    said = home.padiff("compare", "spec.yaml", "-v", "--json", "cold.json", PADIFF_WARM="none")
    assert "of the warm interpreter" not in said
    assert rows(home.folder / "warm.json") == rows(home.folder / "cold.json")
    # What differs before a framework is imported cannot be made up for.
    said = home.padiff("compare", "spec.yaml", "-v", OMP_NUM_THREADS="1")
    assert "is not used: it was started with another OMP_NUM_THREADS" in said


def test_a_change_of_the_model_is_seen_by_the_next_comparison(home: Home) -> None:
    home.padiff("compare", "spec.yaml")
    (home.folder / "paddle_net.py").write_text(
        PADDLE_MODEL.replace("LayerNorm(4)", "LayerNorm(4, epsilon=1e-3)")
    )
    said = home.padiff("compare", "spec.yaml", code=1)
    assert "epsilon" in said


def test_two_comparisons_at_once_are_both_warm(home: Home) -> None:
    both = [home.begun("compare", "spec.yaml", "-v") for _ in range(2)]
    for one in both:
        said, _ = one.communicate(timeout=300)
        assert one.returncode == 0, said
        assert said.count("of the warm interpreter") == 3


def test_a_set_that_was_killed_is_missed_by_no_comparison(home: Home) -> None:
    for process in home.processes():
        os.kill(process, signal.SIGKILL)
    assert "of the warm interpreter" not in home.padiff("compare", "spec.yaml", "-v")
    assert "nothing is warm" in home.padiff("up", "--status")
    assert home.padiff("up").count("is warm") == 3
    assert home.padiff("up").count("was warm already") == 3
