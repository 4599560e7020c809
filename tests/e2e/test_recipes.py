"""The recipes' examples agree as they are, and each planted fault is found where its recipe says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def compare(
    folder: Path, torch_python: str, paddle_python: str, *, sound: str = "", faulty: str = ""
) -> subprocess.CompletedProcess[str]:
    """Compares an example by the command, with one text of its spec in place of another."""
    spec = folder / "compare.yaml"
    written = spec.read_text()
    assert sound in written
    spec.write_text(written.replace(sound, faulty, 1) if sound else written)
    environment = {**os.environ, "PADIFF_TORCH_PYTHON": torch_python, "PADIFF_PADDLE_PYTHON": paddle_python}
    command = [sys.executable, "-m", "padiff_client", "compare", str(spec), "--quiet"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("example", ["detection", "ocr"])
def test_the_example_agrees(example: str, tmp_path: Path, torch_python: str, paddle_python: str) -> None:
    folder = Path(shutil.copytree(EXAMPLES / example, tmp_path / example))
    done = compare(folder, torch_python, paddle_python)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS: the models agree\n")


def test_a_fault_in_the_pyramids_own_code_is_found_with_its_line(
    tmp_path: Path, torch_python: str, paddle_python: str
) -> None:
    folder = Path(shutil.copytree(EXAMPLES / "detection", tmp_path / "detection"))
    done = compare(
        folder, torch_python, paddle_python, sound="align_corners: false", faulty="align_corners: true"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "made by pyramid (Pyramid) / neck (FPN)" in done.stdout
    assert "interpolate(" in done.stdout
    assert "align_corners True against False" in done.stdout


def test_another_activation_before_the_lstm_is_named(
    tmp_path: Path, torch_python: str, paddle_python: str
) -> None:
    folder = Path(shutil.copytree(EXAMPLES / "ocr", tmp_path / "ocr"))
    built = "model: paddle_model:build"
    done = compare(
        folder, torch_python, paddle_python, sound=built, faulty=f"{built}\n  kwargs: {{relu: false}}"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "convs.1 (ReLU) / backbone.1 (LeakyReLU)" in done.stdout
    assert "leakyrelu in place of relu (verified" in done.stdout
