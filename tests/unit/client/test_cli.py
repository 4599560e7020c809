"""The padiff command: one line per error, and exit codes as diff(1)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from padiff_client import PaDiffError, Report, cli
from padiff_client.commands import spec_runs
from padiff_rpc.results import Coverage, ReportSummary, Trouble
from padiff_rpc.words import Phase, Side

SPEC = (
    "reference: {framework: torch, model: 'a:b'}\ncandidate: {framework: torch, model: 'a:b'}\ninputs: {}\n"
)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC)
    return str(file)


def ends_with(monkeypatch: pytest.MonkeyPatch, outcome: Any) -> None:
    def compare(*_: Any, **__: Any) -> Report:
        if isinstance(outcome, BaseException):
            raise outcome
        assert isinstance(outcome, Report)
        return outcome

    monkeypatch.setattr(spec_runs, "compare", compare)


def report(passed: bool) -> Report:
    return Report(ReportSummary(session="s", passed=passed, coverage=Coverage()))


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_is_the_verdict(
    spec: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    passed: bool,
    code: int,
) -> None:
    ends_with(monkeypatch, report(passed))
    out = tmp_path / "report.json"
    assert cli.main(["compare", spec, "--json", str(out)]) == code
    assert json.loads(out.read_text())["passed"] is passed
    assert capsys.readouterr().out.startswith("PASS" if passed else "FAIL")
    assert cli.main(["compare", spec, "--json", "-"]) == code
    assert json.loads(capsys.readouterr().out)["passed"] is passed


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (PaDiffError("no\nluck"), 2, "padiff: no luck"),
        (OSError("disk full"), 2, "padiff: disk full"),
        (KeyboardInterrupt(), 130, "padiff: interrupted"),
        (SystemExit(0), 2, "padiff: our bug: SystemExit: 0"),
        (ZeroDivisionError("x"), 2, "padiff: our bug: ZeroDivisionError: x"),
    ],
)
def test_trouble_is_one_line_on_stderr(
    spec: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: BaseException,
    code: int,
    said: str,
) -> None:
    ends_with(monkeypatch, outcome)
    assert cli.main(["compare", spec]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == said


def test_the_headline_is_printed_once(
    spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = Trouble(phase=Phase.LOAD, text="the worker\nis gone", side=Side.CANDIDATE)
    summary = ReportSummary(session="s", passed=False, coverage=Coverage(), troubles=(lost,))
    ends_with(monkeypatch, Report(summary))
    said = "the candidate, load: the worker is gone"
    assert cli.main(["compare", spec]) == 2
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == f"FAIL: cut short: {said}"
    assert captured.out.count(said) == 1
    assert captured.err == ""
    # Whoever takes the JSON still reads why.
    assert cli.main(["compare", spec, "--json", "-"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["exit_code"] == 2
    assert captured.err == f"padiff: {said}\n"


def test_a_wrong_file_is_trouble_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC + "setps: 2\n")
    assert cli.main(["compare", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"padiff: {file}:4: setps: unknown key; allowed: reference, candidate, inputs, steps, auto_weights, "
        "options, layer_map, server; nearest: steps\n"
    )


def test_inputs_that_exit_are_trouble_and_no_match(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "leaving_inputs.py").write_text("import sys\ndef made():\n    sys.exit(0)\n")
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC.replace("inputs: {}", "inputs: leaving_inputs:made"))
    assert cli.main(["compare", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"padiff: {file}:3: inputs: leaving_inputs:made raised SystemExit: 0\n"
    )


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("padiff ")


def test_inputs_compares_the_loaders_of_a_file_without_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    side = "{framework: torch, model: 'a:b', loader: 'a:data', loss: 'a:loss'}"
    file = tmp_path / "spec.yaml"
    file.write_text(f"reference: {side}\ncandidate: {side}\noptions: {{keep_going: true}}\n")
    asked: list[Any] = []

    def check(*given: Any, **named: Any) -> Report:
        asked.extend(given)
        return report(passed=False)

    monkeypatch.setattr(spec_runs, "check_inputs", check)
    assert cli.main(["inputs", str(file), "--batches", "7"]) == 1
    candidate, reference, batches, options, losses = asked[:5]
    assert (candidate.loader, reference.loader, batches) == ("a:data", "a:data", 7)
    assert options.keep_going
    assert losses == ("a:loss", "a:loss")
    assert capsys.readouterr().out.startswith("FAIL")
