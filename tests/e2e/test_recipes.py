"""The recipes' examples come out as their recipes show: they agree, and the planted faults are found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
RECIPES = {"detection": "detection.md", "ocr": "ocr-lstm.md"}


def shown(example: str) -> list[list[str]]:
    """Returns the outputs that a recipe shows, each by its lines; three dots stand for some."""
    page = (ROOT / "docs" / "recipes" / RECIPES[example]).read_text()
    blocks = re.findall(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [[line for line in without_figures(block) if line != "  ..."] for block in blocks]


def without_figures(text: str) -> list[str]:
    """Returns the lines of a report without what differs from machine to machine and from run to run."""
    text = re.sub(r"padiff show \w+", "padiff show RUN", text)
    return [re.sub(r"\d[\d.,e+-]*", "N", line) for line in text.splitlines()]


def compare(
    folder: Path, torch_python: str, paddle_python: str, *, sound: str = "", faulty: str = ""
) -> subprocess.CompletedProcess[str]:
    """Compares an example by the command, with one text of its spec in place of another."""
    spec = folder / "compare.yaml"
    written = spec.read_text()
    assert sound in written
    spec.write_text(written.replace(sound, faulty, 1) if sound else written)
    environment = {
        **os.environ,
        "PADIFF_TORCH_PYTHON": torch_python,
        "PADIFF_PADDLE_PYTHON": paddle_python,
        "PADIFF_STORE": str(folder.parent / "store"),
        "COLUMNS": "100",
    }
    command = [sys.executable, "-m", "padiff_client", "compare", str(spec), "--quiet"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("example", ["detection", "ocr"])
def test_the_example_agrees(example: str, tmp_path: Path, torch_python: str, paddle_python: str) -> None:
    folder = Path(shutil.copytree(EXAMPLES / example, tmp_path / example))
    done = compare(folder, torch_python, paddle_python)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without_figures(done.stdout) == shown(example)[0]


def test_a_fault_in_the_pyramids_own_code_is_found_with_its_line(
    tmp_path: Path, torch_python: str, paddle_python: str
) -> None:
    folder = Path(shutil.copytree(EXAMPLES / "detection", tmp_path / "detection"))
    done = compare(
        folder, torch_python, paddle_python, sound="align_corners: false", faulty="align_corners: true"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert set(shown("detection")[-1]) <= set(without_figures(done.stdout)), done.stdout


def test_another_activation_before_the_lstm_is_named(
    tmp_path: Path, torch_python: str, paddle_python: str
) -> None:
    folder = Path(shutil.copytree(EXAMPLES / "ocr", tmp_path / "ocr"))
    built = "model: paddle_model:build"
    done = compare(
        folder, torch_python, paddle_python, sound=built, faulty=f"{built}\n  kwargs: {{relu: false}}"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert set(shown("ocr")[-1]) <= set(without_figures(done.stdout)), done.stdout
