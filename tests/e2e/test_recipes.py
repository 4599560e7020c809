"""The recipes show what their examples print: as they are, and with each mistake that a recipe plants."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = "model: paddle_model:build"
# A recipe, the output in it (by number), its example, and a text of the spec with what takes its place.
SHOWN = (
    ("detection", 0, "detection", "", ""),
    ("detection", 1, "detection", "align_corners: false", "align_corners: true"),
    ("ocr-lstm", 0, "ocr", "", ""),
    ("ocr-lstm", 2, "ocr", BUILT, f"{BUILT}\n  kwargs: {{relu: false}}"),
    ("training", 0, "digits", 'fault: ""', "fault: weight_decay"),
    ("training", 1, "digits", 'fault: ""', "fault: batch_norm_momentum"),
    ("bert", 0, "bert", "", ""),
)


def outputs(recipe: str) -> list[list[str]]:
    """Returns the outputs that a recipe shows, each by its lines; three dots stand for some."""
    page = (ROOT / "docs" / "recipes" / f"{recipe}.md").read_text()
    blocks = re.findall(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [without_figures(block) for block in blocks]


def without_figures(text: str) -> list[str]:
    """Returns the lines of a report without what differs from machine to machine and from run to run."""
    text = re.sub(r"padiff show \w+", "padiff show RUN", text)
    return [re.sub(r"\d[\d.,e+-]*", "N", line) for line in text.splitlines()]


def padiff(
    folder: Path, torch_python: str, paddle_python: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command in an example's folder, as its reader does, on a terminal of 100 columns."""
    environment = {
        **os.environ,
        "PADIFF_TORCH_PYTHON": torch_python,
        "PADIFF_PADDLE_PYTHON": paddle_python,
        "PADIFF_STORE": str(folder.parent / "store"),
        "COLUMNS": "100",
    }
    command = [sys.executable, "-m", "padiff_client", *arguments, "--quiet"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("recipe", "number", "example", "sound", "faulty"), SHOWN)
def test_a_recipe_shows_what_its_example_prints(
    recipe: str,
    number: int,
    example: str,
    sound: str,
    faulty: str,
    tmp_path: Path,
    torch_python: str,
    paddle_python: str,
    request: pytest.FixtureRequest,
) -> None:
    if example == "digits":
        pytest.importorskip("sklearn")
    if example == "bert":
        request.getfixturevalue("transformers")
    folder = Path(shutil.copytree(ROOT / "examples" / example, tmp_path / example))
    spec = folder / "compare.yaml"
    written = spec.read_text()
    assert sound in written
    spec.write_text(written.replace(sound, faulty, 1) if sound else written)
    done = padiff(folder, torch_python, paddle_python, "compare", "compare.yaml")
    assert done.returncode == (1 if sound else 0), done.stdout + done.stderr
    shown, printed = outputs(recipe)[number], without_figures(done.stdout)
    # What is left out is marked.
    assert [line for line in shown if line != "  ..." and line not in printed] == [], done.stdout
    assert "  ..." in shown or shown == printed


def test_the_recipe_of_a_gate_shows_what_its_commands_print(
    tmp_path: Path, torch_python: str, paddle_python: str
) -> None:
    folder = Path(shutil.copytree(ROOT / "examples" / "first_port", tmp_path / "first_port"))
    port = folder / "paddle_model.py"
    mended = port.read_text().replace("AvgPool2D(", "AvgPool2D(exclusive=False, ")
    port.write_text(mended)
    page = (ROOT / "docs" / "recipes" / "ci-gate.md").read_text()
    (gate,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (folder / "gate.yaml").write_text(gate)
    recorded = padiff(folder, torch_python, paddle_python, "record", "compare.yaml", "-o", "reference.padiff")
    compared = padiff(folder, "", paddle_python, "compare", "gate.yaml")
    assert [without_figures(one.stdout) for one in (recorded, compared)] == outputs("ci-gate")
    assert compared.returncode == 0, compared.stderr
