from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from padiff_client import cli
from padiff_client.findings import OK, PROBLEM, Finding
from padiff_client.interpreter_check import check_interpreter, check_roots
from padiff_client.spec import ModelSpec
from padiff_rpc.version import PROTOCOL_VERSION

HEALTHY = {
    "python": "3.10.2",
    "versions": {"padiff-rpc": "0.1.0", "grpcio": "1.60.0", "protobuf": "4.25.0", "numpy": "1.26.4"},
    "troubles": {},
    "protocol": PROTOCOL_VERSION,
    "worker": "padiff_worker_torch",
    "framework": "2.1.0",
    "devices": ["cpu"],
}
Answering = Callable[..., str]


@pytest.fixture
def answering(tmp_path: Path) -> Answering:
    """Returns a function that makes an interpreter of which everything is known."""

    def make(**changes: Any) -> str:
        said = {**HEALTHY, **changes}
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\necho noise\necho 'padiff-doctor: {json.dumps(said)}'\n")
        python.chmod(0o755)
        return str(python)

    return make


def found(python: str, **given: Any) -> list[Finding]:
    spec = ModelSpec(framework="torch", model="a:b", python=python, **given)
    return list(check_interpreter(spec, dict(os.environ), field="reference"))


def the_problem(findings: list[Finding]) -> Finding:
    (finding,) = findings
    assert finding.level == PROBLEM
    assert finding.mend
    assert "\n" not in finding.text + finding.mend
    return finding


def test_an_interpreter_that_serves_is_one_line_with_its_versions(answering: Answering) -> None:
    (finding,) = found(answering())
    assert finding.level == OK
    assert "Python 3.10.2, torch 2.1.0, padiff-rpc 0.1.0, grpcio 1.60.0" in finding.text
    assert str(finding).count("\n") == 0


@pytest.mark.parametrize(
    ("changes", "text", "mend"),
    [
        ({"python": "3.8.1"}, "is Python 3.8.1, and workers need 3.9", "PADIFF_TORCH_PYTHON"),
        (
            {"troubles": {"worker": "ModuleNotFoundError: No module named 'padiff_worker_torch'"}},
            "has no worker for torch",
            "-m pip install --upgrade 'padiff-rpc[torch]'",
        ),
        ({"protocol": PROTOCOL_VERSION + 1}, "speaks protocol version", "--upgrade 'padiff-rpc[torch]'"),
        (
            {"versions": {**HEALTHY["versions"], "protobuf": "3.19.6"}},
            "has protobuf 3.19.6, and 3.20.3 is the oldest that serves",
            "--upgrade 'protobuf>=3.20.3'",
        ),
        (
            {"troubles": {"framework": "ImportError: libcudnn.so.9: cannot open"}},
            "cannot import torch (ImportError: libcudnn.so.9: cannot open)",
            "-m pip install torch; or set python in the spec",
        ),
        ({"troubles": {"devices": "RuntimeError: no"}}, "the worker does not start", "pip install"),
    ],
)
def test_what_is_wrong_is_said_with_what_mends_it(
    answering: Answering, changes: dict[str, Any], text: str, mend: str
) -> None:
    python = answering(**changes)
    finding = the_problem(found(python))
    assert python in finding.text
    assert text in finding.text
    assert mend in finding.mend


def test_a_device_that_is_not_there_is_answered_with_those_that_are(answering: Answering) -> None:
    finding = the_problem(found(answering(), device="cuda:0"))
    assert finding.text.startswith("reference.device: cuda:0 is not usable by")
    assert finding.text.endswith("usable: cpu")


def test_what_is_no_interpreter_is_said(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert "is not an interpreter on this machine" in the_problem(found(str(tmp_path / "absent"))).text
    assert "did you mean" in the_problem(found(str(tmp_path))).text
    assert (
        "is no Python that can be asked: exit code 0: it wrote nothing"
        in the_problem(found("/bin/true")).text
    )


def test_this_python_has_our_packages_and_no_framework() -> None:
    finding = the_problem(found(sys.executable))
    assert "cannot import torch (ModuleNotFoundError" in finding.text


def test_roots_and_modules_that_are_not_there_are_said(tmp_path: Path) -> None:
    (tmp_path / "models.py").touch()
    (tmp_path / "package").mkdir()

    def problems(model: str, *path: Path, **given: Any) -> list[Finding]:
        spec = ModelSpec(framework="torch", model=model, path=[str(root) for root in path], **given)
        return list(check_roots(spec, field="candidate"))

    assert problems("models:net", tmp_path) == problems("package.inner:net", tmp_path) == []
    assert problems("elsewhere:net", tmp_path, allow=["elsewhere"]) == []
    assert "there is no module elsewhere" in the_problem(problems("elsewhere:net", tmp_path)).text
    assert "absent is no folder" in the_problem(problems("models:net", tmp_path / "absent")).text


def test_the_command_says_all_of_it_and_exits_with_2_where_something_is_wrong(
    tmp_path: Path,
    answering: Answering,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for framework in ("TORCH", "PADDLE"):
        monkeypatch.setenv(f"PADIFF_{framework}_PYTHON", answering())
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "client:"],
        ["ok", "torch:"],
        ["ok", "paddle:"],
        ["ok", "sockets:"],
    ]
    assert cli.main(["init"]) == 0
    capsys.readouterr()
    assert cli.main(["doctor", "spec.yaml"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert "ok       spec.yaml: every key is known" in lines
    problems = [number for number, line in enumerate(lines) if line.startswith("problem")]
    assert ["my_models" in lines[number] for number in problems] == [True, True]
    assert all(lines[number + 1].strip().startswith("correct model") for number in problems)


def test_a_spec_that_cannot_be_read_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("reference: {modle: a:b}\ncandidate: {}\n")
    assert cli.main(["doctor", str(spec)]) == 2
    assert f"problem  {spec}:1: " in capsys.readouterr().out


def test_a_setting_out_of_range_is_a_problem(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from padiff_rpc.limits import limits

    monkeypatch.setenv("PADIFF_MAX_CALLS", "none")
    monkeypatch.setenv("PADIFF_TORCH_PYTHON", answering())
    monkeypatch.setenv("PADIFF_PADDLE_PYTHON", answering())
    limits.cache_clear()
    try:
        assert cli.main(["doctor"]) == 2
        assert "problem  PADIFF_MAX_CALLS: 'none' is not allowed" in capsys.readouterr().out
    finally:
        limits.cache_clear()
