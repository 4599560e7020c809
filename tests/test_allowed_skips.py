"""Skips that the list does not name fail, in tests, in fixtures and in whole files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def closing_line(folder: Path, file: str, text: str) -> str:
    """Returns pytest's last line on a test file, put at that place of a repository with our list."""
    for name in ("conftest.py", "allowed_skips.py"):
        (folder / "tests").mkdir(exist_ok=True)
        shutil.copy(HERE / name, folder / "tests" / name)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(f"import pytest\n{text}")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "text",
    [
        "def test_one(): pytest.skip('not today')",
        "@pytest.mark.skip(reason='not today')\ndef test_one(): pass",
        "@pytest.fixture\ndef thing(): pytest.skip('not today')\ndef test_one(thing): pass",
    ],
)
def test_a_skip_that_is_not_listed_fails(tmp_path: Path, text: str) -> None:
    assert closing_line(tmp_path, "tests/test_it.py", text).startswith(("1 failed", "1 error"))


def test_a_file_that_is_skipped_without_leave_is_an_error(tmp_path: Path) -> None:
    assert "1 error" in closing_line(tmp_path, "tests/test_it.py", "pytest.importorskip('no_such_module')")


def test_a_skip_that_is_listed_is_a_skip_in_its_own_place_only(tmp_path: Path) -> None:
    text = "def test_one(): pytest.skip('no DataLoader')"
    assert "1 skipped" in closing_line(tmp_path, "tests/conformance/test_fake.py", text)
    assert "1 failed" in closing_line(tmp_path, "tests/conformance/test_other.py", text)


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    text = "@pytest.mark.xfail(reason='known')\ndef test_one(): raise ValueError"
    assert "1 xfailed" in closing_line(tmp_path, "tests/test_it.py", text)
