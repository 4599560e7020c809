"""The examples come out as their README says, on the embedded default and by the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from padiff_client import Report
from padiff_rpc.v1.words import CaptureKind, Phase

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def demo(torch_python: str, paddle_python: str) -> Any:
    pytest.importorskip("sklearn")
    pytest.importorskip("PIL")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADIFF_TORCH_PYTHON", torch_python)
        patch.setenv("PADIFF_PADDLE_PYTHON", paddle_python)
        patch.syspath_prepend(str(EXAMPLES))
        import demo

        yield demo


def assert_found(report: Report, path: str, phase: Phase, kind: CaptureKind) -> None:
    assert report.exit_code == 1, str(report)
    first = report.first_divergence
    assert first is not None
    assert first.candidate is not None
    assert (first.candidate.path, first.phase, first.kind, first.step) == (path, phase, kind, 0), str(report)
    assert report.coverage.parameters_compared == report.coverage.parameters_total


def test_five_steps_on_digits_agree(demo: Any) -> None:
    report = demo.digits()
    assert report, str(report)
    assert [step.passed for step in report.steps] == [True] * 5
    assert report.coverage.losses_compared == 5
    assert report.coverage.tensors_compared == report.coverage.tensors_total


@pytest.mark.parametrize(
    ("fault", "path", "phase", "kind"),
    [
        ("norm_epsilon", "bn2", Phase.FORWARD, CaptureKind.OUTPUT),
        ("batch_norm_momentum", "bn2", Phase.WEIGHTS, CaptureKind.BUFFER),
        ("gradient_times_3", "pool", Phase.BACKWARD, CaptureKind.INPUT_GRADIENT),
        ("weight_decay", "conv1", Phase.WEIGHTS, CaptureKind.PARAMETER),
    ],
)
def test_a_fault_planted_in_digits_is_located(
    demo: Any, fault: str, path: str, phase: Phase, kind: CaptureKind
) -> None:
    report = demo.digits(fault)
    assert_found(report, path, phase, kind)
    # No code of a user's lies inside a layer of the frameworks.
    assert report.findings == ()


def test_a_tripled_gradient_in_resnet50_is_located(demo: Any) -> None:
    report = demo.resnet50("gradient_times_3")
    assert_found(report, "layer2.1.relu", Phase.BACKWARD, CaptureKind.INPUT_GRADIENT)
    assert report.first_divergence is not None
    # The last of three calls comes first on the way back.
    assert report.first_divergence.call == 2


def test_resnet50_agrees_by_the_command(torch_python: str, paddle_python: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PADIFF_TORCH_PYTHON": torch_python,
        "PADIFF_PADDLE_PYTHON": paddle_python,
    }
    command = [
        sys.executable,
        "-m",
        "padiff_client.cli",
        "compare",
        str(EXAMPLES / "resnet50" / "compare.yaml"),
    ]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "report.json")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS")
    assert (tmp_path / "report.json").stat().st_size > 0
