"""The plugin for pytest, in runs of pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from processes import Service

PLUGIN = "padiff_rpc.pytest_plugin"
SPEC = """
reference: {{model: "fake_models:net", worker: "{reference}"}}
candidate: {{model: "fake_models:net", kwargs: {{epsilon: {epsilon}}}, worker: "{candidate}"}}
inputs: {{table: {{x: {{shape: [5, 4]}}}}}}
server: "{coordinator}"
"""


def pytest_of(folder: Path, code: str) -> str:
    """Returns what pytest says of a test file with this content."""
    (folder / "test_it.py").write_text(code)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PADIFF_STORE": "none"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def write_spec(service: Service, folder: Path, epsilon: float) -> None:
    (folder / "spec.yaml").write_text(
        SPEC.format(
            reference=service.reference,
            candidate=service.candidate,
            coordinator=service.coordinator,
            epsilon=epsilon,
        )
    )


def test_a_failure_is_the_report_and_nothing_else(service: Service, tmp_path: Path) -> None:
    write_spec(service, tmp_path, epsilon=0.1)
    code = "def test_port(padiff):\n    padiff.compare('spec.yaml').assert_agree()\n"
    said = pytest_of(tmp_path, code)
    assert "\nFAIL: forward of step 0, output 0 of norm (BatchNorm1D): the values differ\n" in said
    assert "1 failed" in said
    for stack in ("Traceback", "assert_agree", "padiff_client", "test_it.py:2", "Error"):
        assert stack not in said


def test_models_that_agree_pass(service: Service, tmp_path: Path) -> None:
    write_spec(service, tmp_path, epsilon=1e-5)
    code = "def test_port(padiff):\n    padiff.compare('spec.yaml').assert_agree()\n"
    assert "1 passed" in pytest_of(tmp_path, code)


def test_a_comparison_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    said = pytest_of(tmp_path, "def test_port(padiff):\n    padiff.compare('spce.yaml')\n")
    assert f"{tmp_path}/spce.yaml: cannot be read: no such file or directory" in said
    assert "padiff_client" not in said


def test_other_tests_are_left_alone(tmp_path: Path) -> None:
    code = """
import sys

def test_nothing_of_the_client_is_imported():
    assert not {"numpy", "grpc", "padiff_client"} & set(sys.modules)

def test_failures_keep_their_stack():
    assert 1 == 2
"""
    said = pytest_of(tmp_path, code)
    assert "1 failed, 1 passed" in said
    assert "test_it.py:8: AssertionError" in said
