"""The public names as users' type checkers and editors see them."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import padiff_client

ROOT = Path(__file__).resolve().parents[3]
USES = """
from padiff_client import (
    Disagreement, Figures, ModelSpec, Options, Phase, Report, Row, Verdict, auto_diff, compare_spec,
)

report: Report = auto_diff(
    ModelSpec(framework="paddle", model="port:build", device="cpu"),
    ModelSpec("torch", "reference:build", train=True),
    ({"x": 1}, {"x": 1}),
    options=Options(atol=1e-5, diff_phase="forward", compare_mode="mean", randomness="off", oracle=True),
    keep="all",
)
faults: list[Row] = [row for row in report.rows if row.verdict is Verdict.MISMATCH]


def worst(row: Row) -> float:
    figures: Figures | None = row.figures
    return 0.0 if figures is None or row.phase is Phase.LOSS else figures.max_abs


if compare_spec("spec.yaml"):
    print(max(map(worst, faults)))
try:
    report.assert_agree()
except Disagreement as error:
    error.report.save("report.xml")
"""
MISUSES = """
from padiff_client import ModelSpec, Options, Row

Options(diff_phase="sideways")
Options(attol=1e-5)
ModelSpec(framework=1)


def name(row: Row) -> int:
    return row.verdict
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """The lines of which mypy complains, strictly, in two files of a user."""
    folder = tmp_path_factory.mktemp("user")
    files = {"uses.py": USES, "misuses.py": MISUSES}
    for name, code in files.items():
        (folder / name).write_text(code)
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), *files],
        cwd=folder,
        env={**os.environ, "MYPYPATH": f"{ROOT}:{ROOT / 'client'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    # What is said of files that an installed package has is silent, and those here are not of interest.
    said = [line.split(":") for line in run.stdout.splitlines() if ": error:" in line]
    return {name: [int(one[1]) for one in said if one[0] == name] for name in files}


def test_a_users_file_passes_a_strict_type_check(complaints: dict[str, list[int]]) -> None:
    assert complaints["uses.py"] == []


def test_mistakes_are_found_by_a_type_check(complaints: dict[str, list[int]]) -> None:
    assert complaints["misuses.py"] == [4, 5, 6, 10]


@pytest.mark.parametrize("name", padiff_client.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    public = getattr(padiff_client, name)
    own = public.__dict__.get("__doc__") if isinstance(public, type) else public.__doc__
    assert own
    assert not own.startswith(f"{name}("), "the text that dataclasses make"
    if isinstance(public, type):
        bare = [
            member
            for member, value in vars(public).items()
            if not member.startswith("_")
            and (inspect.isfunction(value) or isinstance(value, (property, classmethod)))
            and not inspect.getdoc(getattr(public, member))
        ]
        assert bare == []
