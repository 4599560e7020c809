"""The first guide comes out as it says: the fault on the first screen, and a pass behind it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "first-port.md"
SHOWN_FOLDER = "/home/me/padiff-rpc/examples/first_port"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example that a test may mend."""
    return Path(shutil.copytree(ROOT / "examples" / "first_port", tmp_path / "first_port"))


def blocks(language: str) -> list[str]:
    """Returns the guide's blocks of code of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


def compare(folder: Path, torch_python: str, paddle_python: str) -> subprocess.CompletedProcess[str]:
    """Runs the guide's command as its reader does, on a terminal of 100 columns."""
    environment = {
        **os.environ,
        "PADIFF_TORCH_PYTHON": torch_python,
        "PADIFF_PADDLE_PYTHON": paddle_python,
        "PADIFF_STORE": str(folder.parent / "store"),
        "COLUMNS": "100",
    }
    command = [sys.executable, "-m", "padiff_client", "compare", "compare.yaml", "--quiet"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def without_figures(text: str, folder: str) -> str:
    """Returns a report without what differs from machine to machine and from run to run.

    Without blanks too: a longer path is broken elsewhere.
    """
    text = "".join(text.split()).replace(folder, "FOLDER")
    return re.sub(r"\d[\d.,e+-]*", "N", re.sub(r"padiffshow\w+--all$", "padiffshowRUN--all", text))


def test_the_fault_and_the_pass_are_what_the_guide_shows(
    folder: Path, torch_python: str, paddle_python: str
) -> None:
    shown_fault, shown_pass = blocks("text")
    fault = compare(folder, torch_python, paddle_python)
    assert fault.returncode == 1, fault.stdout + fault.stderr
    assert without_figures(fault.stdout, str(folder)) == without_figures(shown_fault, SHOWN_FOLDER)

    port = folder / "paddle_model.py"
    mended = blocks("python")[-1]
    line = re.compile(rf"^{re.escape(mended.partition('=')[0])}=.*\n", re.MULTILINE)
    port.write_text(line.sub(mended, port.read_text()))
    passed = compare(folder, torch_python, paddle_python)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert without_figures(passed.stdout, str(folder)) == without_figures(shown_pass, SHOWN_FOLDER)
