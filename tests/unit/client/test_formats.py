"""Formats of a report for other programs: what their readers make of them."""

from __future__ import annotations

import json
import math
import re
import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
import sample_reports as samples

from padiff_client import InvalidRequestError, Report, cli
from padiff_client.commands import spec_runs
from padiff_client.formats import junit, markdown, sarif
from padiff_client.formats.known import FORMATS
from padiff_compare.judge.evidence import AGREEING
from padiff_rpc.v1.records import Place, Reason, SourceLine
from padiff_rpc.v1.words import Cause, Phase

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
SARIF = jsonschema.validators.validator_for({})(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))
REPORTS = [samples.failing, samples.passing, samples.cut_short, samples.lone]
HOSTILE = "<b>|`x`|</b> @everyone #1 [a](http://b) \x1b[2J ]]> & 层\n### x"


def hostile() -> Report:
    """Returns a report in which a model's names and sentences are of the worst kind."""
    return samples.failing(
        reference=Place(path=HOSTILE, class_name=HOSTILE, slot=HOSTILE),
        candidate=Place(
            path=HOSTILE, slot=HOSTILE, source=SourceLine(file=f"/a/{HOSTILE}.py", line=1, text=HOSTILE)
        ),
        reasons=(Reason(cause=Cause.MESSAGE, names=(HOSTILE,)),),
    )


def text(renderer: Any, report: Report) -> str:
    return "".join(renderer.pieces(report))


def cases(report: Report) -> dict[tuple[str, str], Any]:
    """Returns JUnit's test cases as its parser reads them, by suite and name."""
    suites = junitparser.JUnitXml.fromstring(text(junit, report).encode())
    return {(suite.name, case.name): case for suite in suites for case in suite}


@pytest.mark.parametrize("make", [*REPORTS, hostile])
def test_junit_counts_what_it_holds(make: Callable[[], Report]) -> None:
    root = ElementTree.fromstring(text(junit, make()))
    for element in [root, *root.iter("testsuite")]:
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase")))
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.attrib[key]) == len(list(element.iter(tag)))


def test_junit_has_a_case_for_each_layer_of_a_phase_and_one_for_the_verdict() -> None:
    found = cases(samples.failing())
    assert [key for key in found if key[0] != "verdict"] == [
        ("forward of step 0", "encoder.fc"),
        ("forward of step 0", "encoder.norm"),
        ("backward of step 0", "head"),
    ]
    assert [key for key, case in found.items() if not case.is_passed] == [
        ("verdict", "the two models agree"),
        ("forward of step 0", "encoder.norm"),
    ]
    (failure,) = found["forward of step 0", "encoder.norm"].result
    assert isinstance(failure, junitparser.Failure)
    assert "output 0 of encoder.norm (LayerNorm) / port.encoder.norm (LayerNorm): mismatch" in failure.message
    assert "candidate = 1.05 * reference" in failure.message


def test_junit_tells_a_failure_from_an_error_and_from_what_was_not_compared() -> None:
    verdict = "verdict", "the two models agree"
    assert [type(one) for one in cases(samples.lone())[verdict].result] == [junitparser.Failure]
    assert [type(one) for one in cases(samples.cut_short())[verdict].result] == [junitparser.Error]
    found = cases(samples.passing())
    assert found[verdict].is_passed
    (skipped,) = found["forward of step 0", "dropout"].result
    assert isinstance(skipped, junitparser.Skipped)
    assert skipped.message.endswith("not compared: decided by chance")


@pytest.mark.parametrize("make", [*REPORTS, hostile])
def test_sarif_fits_the_official_schema(make: Callable[[], Report]) -> None:
    SARIF.validate(json.loads(text(sarif, make())))


def test_sarif_has_the_lines_of_both_sides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    outside = Place(path="norm", source=SourceLine(file="/else where/net.py", line=7))
    log = json.loads(text(sarif, samples.failing(reference=outside)))
    (result,) = log["runs"][0]["results"]
    assert result["ruleId"] == "mismatch"
    candidate = result["locations"][0]["physicalLocation"]
    assert candidate["artifactLocation"] == {"uri": "models/port.py", "uriBaseId": "SRCROOT"}
    assert candidate["region"] == {"startLine": 64, "snippet": {"text": "  x = self.norm(x)"}}
    reference = result["relatedLocations"][0]["physicalLocation"]
    assert reference["artifactLocation"] == {"uri": "file:///else%20where/net.py"}
    assert reference["region"] == {"startLine": 7}
    assert "candidate = 1.05 * reference" in result["message"]["text"]
    ids = [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]]
    assert result["ruleId"] in ids


def test_sarif_has_a_result_for_whatever_keeps_a_report_from_a_pass() -> None:
    def results(report: Report) -> list[tuple[str, str]]:
        (run,) = json.loads(text(sarif, report))["runs"]
        return [(one["ruleId"], one["message"]["text"]) for one in run["results"]]

    assert results(samples.passing()) == []
    assert results(samples.lone()) == [("not-a-pass", "only the reference has the call of aux")]
    ((rule, said),) = results(samples.cut_short())
    assert (rule, "the candidate raised ValueError in encoder.fc" in said) == ("model-raised", True)
    ((raised,),) = (run["results"] for run in json.loads(text(sarif, samples.cut_short()))["runs"])
    where = raised["locations"][0]["physicalLocation"]
    assert (where["artifactLocation"]["uri"], where["region"]["startLine"]) == ("port.py", 14)
    invocation = json.loads(text(sarif, samples.cut_short()))["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert "the worker is gone" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_markdown_shows_the_first_screen_and_folds_the_rest() -> None:
    shown, whole = text(markdown, samples.failing()).split("<details>")
    assert shown.splitlines()[0].startswith("**padiff: FAIL**: forward of step 0, output 0 of encoder.norm")
    (cause,) = (line for line in shown.splitlines() if line.startswith("| probably |"))
    assert "candidate = 1.05 &#42; reference" in cause
    assert "| forward" not in shown  # the first divergence is told once
    assert "first divergence:" in whole
    assert text(markdown, samples.passing()).startswith("**padiff: PASS**: the models agree\n")


def test_markdown_tables_hold_ten_rows_and_count_the_others() -> None:
    many = samples.report(*(samples.faulty_row(path=f"layer{n}") for n in range(25)))
    written = text(markdown, many)
    assert len(re.findall(r"^\| forward", written, re.MULTILINE)) == 10
    assert "\n14 more places differ.\n" in written


def test_markdown_obeys_nothing_that_models_say() -> None:
    shown, whole = text(markdown, hostile()).split("<details>")
    said = re.sub("<br>|</?code>", "", shown)
    assert not re.search(r"[`<@\[\x1b]|http://|#(?!\d+;)|层\n", said)
    cells = [line.count("|") for line in shown.splitlines() if line.startswith("|")]
    assert set(cells) == {3}
    fence = re.search(r"^(`{3,})text$", whole, re.MULTILINE)
    assert fence is not None
    assert whole.count(fence[1]) == 2


def test_a_comment_is_never_longer_than_code_hosts_take() -> None:
    long = samples.cut_short()
    failure = long.failures[0]
    object.__setattr__(failure, "traceback", "line\n" * 100_000)
    assert len(text(markdown, long)) < 65_536


def test_json_takes_less_than_a_thousand_bytes_a_call_and_is_written_as_it_goes(tmp_path: Path) -> None:
    """Of what 10,000 calls come to, so that their file has less than 10 MB."""
    report = samples.long(2_000)
    report.save(tmp_path / "report.json")
    assert (tmp_path / "report.json").stat().st_size < 10e6 * 2_000 / 10_000
    again = Report.load(tmp_path / "report.json")
    assert len(again.all_rows) == 22_000
    for one, other in zip(report.all_rows, again.all_rows):
        assert (one.reference, one.verdict, one.twin) == (other.reference, other.verdict, other.twin)
        assert one.figures is not None
        assert other.figures is not None
        assert other.figures.relative_l2 == pytest.approx(one.figures.relative_l2, rel=1e-5)
    tracemalloc.start()
    # Rows that were read, from a file as from the wire, share what is equal.
    list(islice(FORMATS["json"].pieces(again), 500))
    pieces = FORMATS["json"].pieces(again)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    size = sum(map(len, pieces))
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert size > 1e6
    assert peak < 3e6


@pytest.mark.parametrize("make", [samples.failing, samples.passing, samples.cut_short, samples.lone])
def test_full_json_comes_back_whole_and_short_json_says_the_same_first(
    make: Callable[[], Report], tmp_path: Path
) -> None:
    make().save(tmp_path / "report.full.json")
    report = Report.load(tmp_path / "report.full.json")  # with as many digits as a file has
    report.save(tmp_path / "again.full.json.gz")
    again = Report.load(tmp_path / "again.full.json.gz")
    assert repr(again.summary) == repr(report.summary)
    assert repr(again.all_rows) == repr(report.all_rows)
    report.save(tmp_path / "report.json")
    assert str(Report.load(tmp_path / "report.json")) == str(report)


def test_figures_that_a_short_row_leaves_out_are_no_zeros(tmp_path: Path) -> None:
    report = samples.long(2)
    report.save(tmp_path / "report.json")
    row = next(row for row in Report.load(tmp_path / "report.json").rows if row.verdict in AGREEING)
    assert row.figures is not None
    assert math.isnan(row.figures.mean_reference)
    assert row.figures.elements == 16


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("r.json", "{"),
        ("r.txt", "FAIL"),
        ("r.html", "<!doctype html>"),
        ("r.xml", "<?xml"),
        ("r.sarif", '{"$schema"'),
        ("r.md", "**padiff"),
    ],
)
def test_a_suffix_names_a_format(tmp_path: Path, name: str, start: str) -> None:
    samples.failing().save(tmp_path / name)
    assert (tmp_path / name).read_text().startswith(start)


def test_a_format_may_be_named_for_any_file(tmp_path: Path) -> None:
    samples.failing().save(tmp_path / "report.log", format="sarif")
    SARIF.validate(json.loads((tmp_path / "report.log").read_text()))
    with pytest.raises(InvalidRequestError, match=r"format: 'sarf' is not allowed; .*nearest: sarif"):
        samples.failing().save(tmp_path / "report.log", format="sarf")


def exit_code(arguments: list[str]) -> object:
    """Returns how the command ends; argparse ends it itself."""
    try:
        return cli.main(arguments)
    except SystemExit as ended:
        return ended.code


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a comparison, in an empty folder, whose report is at hand."""
    monkeypatch.chdir(tmp_path)
    side = "{framework: torch, model: 'a:b'}"
    Path("spec.yaml").write_text(f"reference: {side}\ncandidate: {side}\ninputs: {{}}\n")
    monkeypatch.setattr(spec_runs, "compare", lambda asked: samples.failing())
    return ["compare", "spec.yaml"]


def test_a_command_writes_several_formats_at_once(
    compared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    formats = ["--format", "junit=out.xml", "--format", "sarif=out.sarif", "--format", "markdown=-"]
    assert cli.main([*compared, *formats, "--json", "out.json"]) == 1
    assert capsys.readouterr().out.startswith("**padiff: FAIL**")
    assert {file.name for file in Path().iterdir()} == {"spec.yaml", "out.xml", "out.sarif", "out.json"}
    assert Report.load("out.json").first_divergence is not None


def test_a_format_without_a_file_is_printed(compared: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*compared, "--format", "junit"]) == 1
    assert ElementTree.fromstring(capsys.readouterr().out).tag == "testsuites"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--format", "junti=x"],
            "argument --format: 'junti' is not allowed; allowed: text, json, json-full, html, ",
        ),
        (["--format", "junit="], "argument --format: junit= names no file; write --format junit=FILE"),
        (["--format", "junit=no/x"], "padiff: --format: no is not a folder; create it first"),
        (["--json", "-", "--format", "junit"], "padiff: --format: another format is printed already"),
        (["--json", "a", "--html", "./a"], "padiff: --html: another format goes to ./a already"),
    ],
)
def test_a_format_that_cannot_be_written_is_refused_before_anything_runs(
    compared: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(spec_runs, "compare", lambda asked: pytest.fail("ran"))
    assert exit_code([*compared, *flags]) == 2
    assert said in capsys.readouterr().err


def test_phases_of_several_steps_are_suites_of_their_own() -> None:
    rows = [samples.row(step=step, phase=phase) for step in range(2) for phase in (Phase.FORWARD, Phase.LOSS)]
    names = [suite for suite, _ in cases(samples.report(*rows))]
    assert names[1:] == ["forward of step 0", "loss of step 0", "forward of step 1", "loss of step 1"]
