"""The tables of planted faults and healthy pairs are large and well-formed, without a framework."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

# Benchmarks are no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.faults import outcomes, tables
from benchmarks.faults.faults import FAULTS, KINDS, Fault
from benchmarks.faults.healthy import HEALTHY
from benchmarks.faults.naming import NAMES
from benchmarks.faults.results import Results
from benchmarks.faults.subjects import FAULTED, SUBJECTS, Setting
from padiff_client import Report
from padiff_rpc.v1.records import Coverage, FirstDivergence, Place, ReportSummary, Row
from padiff_rpc.v1.words import CaptureKind, Difference, HintKind, Phase, Verdict


def test_there_are_enough_of_each() -> None:
    assert len(FAULTS) >= 150
    assert len({fault.kind for fault in FAULTS}) >= 20
    assert len({fault.setting.subject for fault in FAULTS}) >= 8
    assert len(HEALTHY) >= 60


@pytest.mark.parametrize("entries", [FAULTS, HEALTHY], ids=["faults", "healthy pairs"])
def test_each_has_an_id_of_its_own(entries: Any) -> None:
    assert [one for one, count in Counter(entry.id for entry in entries).items() if count > 1] == []


def test_faults_are_drawn_the_same_way_each_time() -> None:
    drawn = [fault for kind in KINDS for fault in kind.faults()]
    assert drawn == list(FAULTS[: len(drawn)])


def test_every_kind_finds_as_many_sites_as_it_asks_for() -> None:
    assert [kind for kind in KINDS if len(list(kind.faults())) != kind.count] == []


def test_it_is_said_of_every_class_which_hints_name_it() -> None:
    assert set(NAMES) == {fault.kind for fault in FAULTS}
    assert set().union(*NAMES.values()) <= {kind.value for kind in HintKind}


def test_every_fault_names_a_site_and_real_phases() -> None:
    for fault in FAULTS:
        roles = SUBJECTS[fault.setting.subject].roles
        assert set(fault.phases) <= {phase.value for phase in Phase}, fault.id
        is_of_training = fault.site in ("loss", "optimizer")
        assert is_of_training == bool(fault.paths), fault.id
        assert is_of_training or any(fault.site in sites for sites in roles.values()), fault.id


def test_healthy_pairs_cover_modes_dtypes_scales_batches_and_weights() -> None:
    settings = [healthy.setting for healthy in HEALTHY]
    assert {one.subject for one in settings} == set(SUBJECTS)
    assert {one.dtype for one in settings} == {"float32", "float64", "bfloat16"}
    assert {one.weights for one in settings} == {"random", "trained"}
    assert {1e-6, 1.0, 1e6} <= {one.scale for one in settings}
    assert {1, 8} <= {one.batch for one in settings}
    for name in FAULTED:
        assert {one.train for one in settings if one.subject == name} >= {True, False}


ATTENTION = "blocks.0.attention"


def glue(path: str, kind: str = "input", phase: str = "forward", between: str = "") -> str:
    """Returns how a fault in an attention's own code counts as found, for a report that names this place."""
    fault = Fault("mask", Setting("encoder"), ATTENTION, "masked", "instead", "added", 1.0, ("forward",))
    row = Row(
        step=0,
        phase=Phase(phase),
        kind=CaptureKind(kind),
        order=0,
        verdict=Verdict.MISMATCH,
        reference=Place(path=path),
        candidate=Place(path=path),
        between=between,
    )
    first = FirstDivergence(row=row, cause=Difference.VALUE, position=1, compared=1)
    summary = ReportSummary(session="s", passed=False, first_divergence=first, coverage=Coverage())
    return str(outcomes.of_fault(fault, Report(summary, [row]))["found"])


def test_code_between_layers_is_found_at_the_layer_whose_code_it_is() -> None:
    assert glue(ATTENTION, between="between a#0 and b#0") == outcomes.EXACT
    assert glue(f"{ATTENTION}.out") == outcomes.EXACT
    assert glue(f"{ATTENTION}.out", kind="output") == outcomes.PHASE
    assert glue("blocks.0") == outcomes.PHASE
    assert glue(ATTENTION, phase="backward", kind="output_gradient") == outcomes.ELSEWHERE


def test_a_page_keeps_what_stands_around_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = tables.BEGIN.format("faults"), tables.END.format("faults")
    page.write_text(f"# Page\n\nBefore.\n\n{begin}\nold\n{end}\n\nBehind.\n")
    tables.write(page, {"faults": "new"})
    tables.write(page, {"faults": "new", "healthy pairs": "more"})
    text = page.read_text()
    assert text.startswith(f"# Page\n\nBefore.\n\n{begin}\n\nnew\n\n{end}\n\nBehind.\n")
    assert text.count("more") == 1


def test_results_outlive_a_run_that_is_cut_short(tmp_path: Path) -> None:
    Results(tmp_path / "some.jsonl").add(("a", 0), {"found": "pass"})
    again = Results(tmp_path / "some.jsonl")
    assert ("a", 0) in again
    assert ("a", 1) not in again
    assert [result["found"] for result in again.of("a")] == ["pass"]


def test_a_setting_says_what_is_not_ordinary() -> None:
    changed = dataclasses.replace(Setting("cnn"), scale=1e6, weights="random")
    assert str(changed) == "train, float32, batch 4, inputs times 1e+06, random weights"
