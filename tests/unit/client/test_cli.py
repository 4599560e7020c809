"""The padiff command: one line per error, and exit codes as diff(1)."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from padiff_client import PaDiffError, Report, cli
from padiff_client.commands import spec_runs
from padiff_client.comparison import Comparison
from padiff_rpc.v1.records import Coverage, ReportSummary, Trouble
from padiff_rpc.v1.words import Level, Phase, Side, Transport

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
    ("flags", "changed"),
    [
        ((), {}),
        (("--oracle",), {"oracle": True}),
        (("--level", "stats"), {"level": Level.STATS}),
        (("--transport", "shm"), {"transport": Transport.SHM}),
        (("--include", "a.*", "--include", "b"), {"include": ("a.*", "b")}),
        (("--exclude", "head"), {"exclude": ("head",)}),
    ],
)
def test_a_flag_takes_the_place_of_an_option_of_the_spec(
    spec: str, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], changed: dict[str, Any]
) -> None:
    asked: list[Comparison] = []

    def compare(comparison: Comparison) -> Report:
        asked.append(comparison)
        return report(passed=True)

    monkeypatch.setattr(spec_runs, "compare", compare)
    assert cli.main(["compare", spec]) == cli.main(["compare", spec, *flags]) == 0
    plain, flagged = (one.options for one in asked)
    assert flagged == replace(plain, **changed)


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


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["compare", "SPEC", "--json", "FILE"], "--json"),
        (["inputs", "SPEC", "--json", "FILE"], "--json"),
        (["plan", "SPEC", "-o", "FILE"], "--output"),
        (["init", "FILE"], "FILE"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], field: str
) -> None:
    (tmp_path / "reports").mkdir()
    file = str(tmp_path / "reprots" / "r.json")
    given = [{"SPEC": spec, "FILE": file}.get(one, one) for one in arguments]
    assert cli.main(given) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"padiff: {field.replace('FILE', file)}: {tmp_path}/reprots is not a folder; create it first; "
        "nearest: reports\n"
    )


def test_a_spec_that_is_not_there_is_told_with_the_nearest(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = spec.replace("spec.yaml", "specs.yaml")
    said = f"{wrong}: cannot be read: no such file or directory; nearest: spec.yaml"
    assert cli.main(["compare", wrong]) == 2
    assert capsys.readouterr().err == f"padiff: {said}\n"
    assert cli.main(["doctor", wrong]) == 2
    assert capsys.readouterr().out.endswith(
        f"problem  {said}\n         correct the name, or run: padiff init {wrong}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compre"], "argument COMMAND: 'compre' is not allowed; allowed: init, .*; nearest: compare"),
        (["certs", "shwo"], "argument VERB: 'shwo' is not allowed; allowed: .*; nearest: show"),
        (["frobnicate"], "argument COMMAND: 'frobnicate' is not allowed; allowed: init, [^;]*"),
    ],
)
def test_a_misspelled_command_is_told_with_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert re.fullmatch(rf"padiff.*: {said}\n", capsys.readouterr().err)


@pytest.mark.parametrize("flag", ["--token-file", "--tls-ca"])
def test_a_credential_that_is_not_there_is_told_without_pythons_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    field = {"--token-file": "--token-file", "--tls-ca": "tls.ca"}[flag]
    missing = str(tmp_path / "none")
    assert cli.main(["health", "127.0.0.1:1", flag, missing]) == 2
    said = f"padiff: {field}: {missing} cannot be read: no such file or directory\n"
    assert capsys.readouterr().err == said


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
    assert cli.main(["inputs", str(file), "--batches", "7", "--timeout", "12"]) == 1
    comparison, batches = asked
    assert (comparison.candidate.loader, comparison.reference.loader, batches) == ("a:data", "a:data", 7)
    assert comparison.options.keep_going
    assert comparison.options.timeout == 12.0
    assert comparison.losses == ("a:loss", "a:loss")
    assert capsys.readouterr().out.startswith("FAIL")


@pytest.mark.parametrize("seconds", ["-1", "inf", "nan"])
def test_a_timeout_that_is_no_length_of_time_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    side = "{framework: torch, model: 'a:b', loader: 'a:data'}"
    file = tmp_path / "spec.yaml"
    file.write_text(f"reference: {side}\ncandidate: {side}\n")
    assert cli.main(["compare", str(file), f"--timeout={seconds}"]) == 2
    said = f"padiff: --timeout: {seconds} is not allowed; allowed: seconds, at least 0\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_is_told_of_commands_and_flags(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", shell])
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert "rejudge" in printed
    assert "--keep-mib" in printed or "keep-mib" in printed


def test_a_completion_without_shtab_is_one_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "shtab", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:2])
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", "bash"])
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("padiff: --print-completion: needs shtab, which is not installed; run: ")
