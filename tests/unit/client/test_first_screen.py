"""The first screen: as the files of `screens` have it, at the widths of terminals and of narrow pipes."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
import sample_reports as samples
from sample_reports import environment

from padiff_client import Report, first_screen
from padiff_rpc.v1.records import (
    Coverage,
    Figures,
    FirstDivergence,
    Hint,
    HyperParameterDifference,
    Place,
    PlanPair,
    Reason,
    ReportSummary,
    Row,
    SourceLine,
    StepResult,
    TensorSpec,
    Tolerance,
    Unmatched,
    WorstElement,
)
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    Difference,
    DType,
    HintKind,
    LoneKind,
    PairedBy,
    Pass,
    Phase,
    Side,
    ToleranceSource,
    Verdict,
)

SCREENS = Path(__file__).parent / "screens"
REST = "padiff show 1a2b3c4d --all"
FULL = Coverage(
    tensors_compared=85,
    tensors_total=85,
    calls_compared=9,
    calls_total=9,
    parameters_compared=8,
    parameters_total=8,
    root_outputs_compared=1,
    root_outputs_total=1,
    losses_compared=1,
    losses_total=1,
)
TABLE = Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT, relative_l2=1e-6)


def place(
    path: str, class_name: str, shape: tuple[int, ...], line: int = 0, text: str = "", **rest: Any
) -> Place:
    source = SourceLine(file=f"{class_name.lower()}_model.py", line=line, text=text) if line else None
    spec = TensorSpec(dtype=DType.FLOAT32, shape=shape)
    return Place(path=path, class_name=class_name, spec=spec, source=source, **rest)


def row(phase: Phase, kind: CaptureKind, reference: Place, candidate: Place, **rest: Any) -> Row:
    given = {"step": 0, "order": 1, "verdict": Verdict.MISMATCH, "tolerance": TABLE, **rest}
    return Row(phase=phase, kind=kind, reference=reference, candidate=candidate, **given)


def figures(relative_l2: float, **rest: Any) -> Figures:
    given = {
        "elements": 1000,
        "mismatches": 990,
        "max_abs": 0.25,
        "cosine": 0.9999984,
        "scale": 0.9945,
        "worst": (WorstElement(index=(2, 7), reference=1.0, candidate=1.25, abs_diff=0.25),),
        **rest,
    }
    return Figures(bitwise_equal=False, relative_l2=relative_l2, **given)


def failing(*rows: Row, cause: Difference = Difference.VALUE, **summary: Any) -> Report:
    found = FirstDivergence(row=rows[0], cause=cause, position=3, compared=85)
    whole = {"coverage": FULL, **summary}
    return Report(ReportSummary(session="s", passed=False, first_divergence=found, **whole), rows)


def agreeing(kind: CaptureKind, **rest: Any) -> Row:
    root = place("", "Net", (4, 10), slot="0")
    phase = Phase.LOSS if kind is CaptureKind.LOSS else Phase.FORWARD
    return row(phase, kind, root, root, verdict=Verdict.MATCH, pass_kind=Pass.FREE, **rest)


def passing() -> Report:
    step = StepResult(step=0, passed=True, loss_reference=1.5, loss_candidate=1.5)
    return Report(ReportSummary(session="s", passed=True, coverage=FULL, steps=(step,)))


def layer_fault() -> Report:
    norm = row(
        Phase.FORWARD,
        CaptureKind.OUTPUT,
        place("encoder.norm", "LayerNorm", (4, 8), 24, "x = self.pool(self.norm(self.conv(x)))", slot="0"),
        place("body.norm", "LayerNorm2", (4, 8), 45, "x = self.pool(self.norm(self.conv(x)))", slot="0"),
        figures=figures(0.00579),
        reasons=(Reason(cause=Cause.BEYOND_OWN_ERROR, numbers=(2500.0,)),),
        hints=(
            Hint(kind=HintKind.EPSILON, numbers=(1e-5, 1e-3), verified=True, before=0.00579, after=1.83e-7),
        ),
    )
    epsilon = HyperParameterDifference(
        reference_path="encoder.norm",
        candidate_path="body.norm",
        name="epsilon",
        reference="1e-05",
        candidate="0.001",
    )
    later = dataclasses.replace(norm, phase=Phase.BACKWARD, order=9)
    return failing(norm, later, in_lockstep=True, hyper_parameters=(epsilon,))


def glue_fault() -> Report:
    between = row(
        Phase.FORWARD,
        CaptureKind.INPUT,
        place("head", "Linear", (4, 8), 31, "y = self.head(x * self.gate)", slot="0"),
        place("head", "Linear", (4, 8), 52, "y = self.head(x * 1.05 * self.gate)", slot="0"),
        between="between body and head",
        pass_kind=Pass.LOCKSTEP,
        figures=figures(0.05, scale=1.05, cosine=1.0, mismatches=1000),
        hints=(Hint(kind=HintKind.SCALED, numbers=(1.05,), verified=True, before=0.05, after=2e-8),),
    )
    return failing(between, in_lockstep=True)


def weight_fault() -> Report:
    weight = row(
        Phase.INITIAL_WEIGHTS,
        CaptureKind.PARAMETER,
        place("rnn.cell", "LSTM", (32, 8), slot="weight_hh"),
        place("lstm", "LSTM", (8, 30), slot="weight_hh"),
        verdict=Verdict.SHAPE_MISMATCH,
        tolerance=None,
        reasons=(Reason(cause=Cause.MESSAGE, names=("no rule makes [8, 30] of [32, 8]",)),),
    )
    return failing(weight, cause=Difference.SHAPE)


def gradient_fault() -> Report:
    gradient = row(
        Phase.BACKWARD,
        CaptureKind.INPUT_GRADIENT,
        place("pool", "MaxPool2d", (4, 8), 24, "x = self.pool(x)", slot="0"),
        place("pool", "TripledPool", (4, 8), 45, "x = self.pool(x)", slot="0"),
        pass_kind=Pass.FREE,
        figures=figures(0.667, scale=3.0, cosine=1.0, mismatches=250),
        hints=(Hint(kind=HintKind.SCALED, numbers=(3.0,), verified=True, before=0.667, after=2.8e-8),),
    )
    return failing(gradient, agreeing(CaptureKind.OUTPUT), agreeing(CaptureKind.LOSS))


REPORTS = {
    "pass": passing,
    "layer_fault": layer_fault,
    "glue_fault": glue_fault,
    "weight_fault": weight_fault,
    "gradient_fault": gradient_fault,
}


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_reads_as_its_file_has_it(name: str, width: int) -> None:
    said = first_screen.text(REPORTS[name](), width=width, rest=REST) + "\n"
    assert said == (SCREENS / f"{name}-{width}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("name", REPORTS)
def test_a_screen_holds_it(name: str, width: int) -> None:
    lines = first_screen.text(REPORTS[name](), width=width, rest=REST).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 24 or width < 80


@pytest.mark.parametrize("name", REPORTS)
def test_colour_adds_nothing_but_colour(name: str) -> None:
    plain = first_screen.text(REPORTS[name](), width=80, rest=REST)
    coloured = first_screen.text(REPORTS[name](), width=80, coloured=True, rest=REST)
    for tone in first_screen.Tone:
        coloured = coloured.replace(f"\x1b[{tone.value}m", "")
    assert coloured.replace("\x1b[0m", "") == plain
    assert "\x1b" not in plain


@pytest.mark.parametrize("name", REPORTS)
def test_a_screen_of_ascii_names_is_ascii(name: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream.write(first_screen.text(REPORTS[name](), width=80, rest=REST))
    stream.flush()


def test_modes_that_differ_are_mended_by_a_line_of_the_spec() -> None:
    modes = (environment(Side.REFERENCE, train=True), environment(Side.CANDIDATE, train=False))
    report = Report(dataclasses.replace(layer_fault().summary, environments=modes), layer_fault().rows)
    assert "train: true under candidate:" in first_screen.text(report, width=120)


def lone(side: Side, path: str, class_name: str = "Linear", what: LoneKind = LoneKind.CALL) -> Unmatched:
    return Unmatched(side=side, what=what, path=path, class_name=class_name, counts=True)


def screen_of(*found: Unmatched, **summary: Any) -> str:
    report = Report(ReportSummary(session="s", passed=False, coverage=FULL, unmatched=found, **summary))
    return first_screen.text(report, width=200)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            (lone(Side.REFERENCE, "a.b"), lone(Side.CANDIDATE, "a.c")),
            "layer_map: {pairs: {a.b: a.c}} if these two are the same layer",
        ),
        ((lone(Side.CANDIDATE, "a.b"),), "layer_map: {ignore: {candidate: [a.b]}}"),
        # The closest by name and class, and not the first of each side.
        (
            (
                lone(Side.REFERENCE, "stem.conv", "Conv2d"),
                lone(Side.REFERENCE, "head.out"),
                lone(Side.CANDIDATE, "head.output"),
                lone(Side.CANDIDATE, "pool", "MaxPool2D"),
            ),
            "layer_map: {pairs: {head.out: head.output}} if",
        ),
        # Nothing tells which.
        (
            (
                lone(Side.REFERENCE, "fc1"),
                lone(Side.CANDIDATE, "fc2"),
                lone(Side.CANDIDATE, "fc3"),
            ),
            "write which of the layers without a partner belong together under layer_map: pairs:",
        ),
        (
            (lone(Side.REFERENCE, "stem", "Conv2d"), lone(Side.CANDIDATE, "head", "Softmax")),
            "write which of the layers without a partner belong together under layer_map: pairs:",
        ),
    ],
)
def test_what_has_no_partner_is_mended_by_a_layer_map(found: tuple[Unmatched, ...], said: str) -> None:
    assert said in screen_of(*found)


def test_layers_of_other_shapes_are_not_suggested_as_a_pair() -> None:
    lone_pair = (lone(Side.REFERENCE, "a.b"), lone(Side.CANDIDATE, "a.c"))
    plan = (
        PlanPair(reference=place("a.b", "Linear", (4, 8)), how=PairedBy.UNMATCHED),
        PlanPair(candidate=place("a.c", "Linear", (4, 9)), how=PairedBy.UNMATCHED),
    )
    assert "pairs: {" not in screen_of(*lone_pair, plan=plan)


def test_a_model_that_raised_is_told_with_the_users_own_lines() -> None:
    screen = first_screen.text(samples.cut_short(), width=80)
    assert "raised ValueError in encoder.fc" in screen.replace("\n", " ").replace("  ", " ")
    assert "try        correct the candidate's code at port.py:14, then compare again" in screen


@pytest.mark.parametrize(
    "told",
    [
        {"hints": (Hint(kind=HintKind.MOMENTUM, numbers=(0.1, 0.9)),)},
        {"hints": (Hint(kind=HintKind.SETTING, names=("momentum", "0.1", "0.9")),)},
        {},
    ],
)
def test_a_setting_is_told_in_the_words_of_the_candidates_framework(told: dict[str, Any]) -> None:
    norm = place("body.norm", "Norm", (4,), slot="0")
    found = row(Phase.FORWARD, CaptureKind.OUTPUT, norm, norm, figures=figures(0.1), **told)
    differs = HyperParameterDifference(
        reference_path="body.norm",
        candidate_path="body.norm",
        name="momentum",
        reference="0.1",
        candidate="0.9",
    )
    of_paddle = environment(Side.CANDIDATE, "paddle")
    report = failing(found, hyper_parameters=(differs,), environments=(of_paddle,))
    screen = first_screen.text(report, width=100)
    assert "give the candidate's body.norm momentum=0.9 (the share of the old value)" in screen
