"""Reports for pages: one of a short training with everything in it, kept or growing; one of 10,000 calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
from sample_reports import environment

from padiff_client import Report
from padiff_compare.report.finished import FinishedReport
from padiff_compare.report.kept_run import KeptRun, RunHead, RunWriter
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    Coverage,
    Figures,
    FirstDivergence,
    HyperParameterDifference,
    KeptPair,
    Place,
    PlanPair,
    Reason,
    ReportSummary,
    Row,
    SourceLine,
    StepResult,
    TensorSpec,
    Timing,
    Tolerance,
    Trouble,
    Unmatched,
    WeightFate,
    WorstElement,
)
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    Difference,
    DType,
    Fate,
    KeptTensors,
    LoneKind,
    PairedBy,
    Pass,
    Phase,
    Side,
    ToleranceSource,
    Verdict,
)

HOSTILE = '</script><img src=x onerror="document.title=1">'
_SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2, 8, 4))
_ALLOWED = Tolerance(atol=1e-6, rtol=1e-6, source=ToleranceSource.DEFAULT, relative_l2=1e-6, of_one=4.0)
_PHASES = ((Phase.FORWARD, CaptureKind.OUTPUT), (Phase.BACKWARD, CaptureKind.INPUT_GRADIENT))


def place(path: str, class_name: str, file: str) -> Place:
    line = SourceLine(file=f"/models/{file}", line=31, function="forward", text="x = self.norm(x)")
    return Place(path=path, class_name=class_name, slot="0", spec=_SPEC, source=line)


def figures(error: float) -> Figures:
    return Figures(
        elements=64,
        bitwise_equal=not error,
        max_abs=error * 2,
        relative_l2=error,
        cosine=1 - error,
        scale=1 + error,
        mismatches=60 if error > 1e-6 else 0,
        rms_reference=1.0,
        histogram=(0,) * 8 + (3, 9, 30, 20, 2) if error else (),
        worst=(WorstElement(index=(1, 7, 2), reference=1.5, candidate=1.25, abs_diff=0.25),),
    )


def twins(
    layer: tuple[str, str, str], step: int, number: int, errors: tuple[float, float]
) -> tuple[list[Row], Optional[Row]]:
    """Returns the rows of a layer in both passes, forward and backward, and the one at fault."""
    path, theirs, class_name = layer
    rows, fault = [], None
    for phase, kind in _PHASES:
        for pass_kind, error in zip((Pass.FREE, Pass.LOCKSTEP), errors):
            differs = error > 1e-6
            is_fault = pass_kind is Pass.LOCKSTEP and differs
            row = Row(
                step=step,
                phase=phase,
                kind=kind,
                order=number,
                verdict=Verdict.MISMATCH if differs else Verdict.WITHIN_TOLERANCE,
                reference=place(path, class_name, "reference.py"),
                candidate=place(theirs, class_name, "candidate.py"),
                figures=figures(error),
                tolerance=_ALLOWED,
                counts=is_fault or not differs,
                pass_kind=pass_kind,
                twin=2 * number + (phase is Phase.BACKWARD) + 1,
                reasons=(Reason(cause=Cause.BEYOND_OWN_ERROR, numbers=(2500.0,)),) if is_fault else (),
            )
            rows.append(row)
            fault = row if is_fault and fault is None else fault
    return rows, fault


def trained(identity: str = "a1", fault: float = 2e-3, started_at: float = 1.7e9) -> FinishedReport:
    """Three steps whose norm differs by `fault` from step 1 on, as its epsilon does; 0: nothing differs."""
    names = ("", "encoder", "encoder.fc", "encoder.norm", "encoder.act", "head")
    layers = [
        (name, name.replace("encoder", "body"), "LayerNorm" if "norm" in name else "Linear") for name in names
    ]
    rows: list[Row] = []
    first: Optional[Row] = None
    for step in range(3):
        for number, layer in enumerate(layers):
            at_fault = step > 0 and layer[0] == "encoder.norm"
            behind = step > 0 and number > 3
            made, found = twins(
                layer, step, number, (fault if at_fault or behind else 3e-7, fault * at_fault)
            )
            rows += made
            first = first or found
    plan = [
        PlanPair(
            how=PairedBy.SAME_PATH,
            reference=place(path, class_name, "reference.py"),
            candidate=place(theirs, class_name, "candidate.py"),
        )
        for path, theirs, class_name in layers
    ]
    plan.insert(
        5, PlanPair(how=PairedBy.UNMATCHED, reference=place("encoder.drop", "Dropout", "reference.py"))
    )
    plan.append(PlanPair(how=PairedBy.UNMATCHED, candidate=place(HOSTILE, HOSTILE, "candidate.py")))
    summary = ReportSummary(
        session=identity,
        passed=first is None,
        coverage=Coverage(tensors_compared=72, tensors_total=72),
        first_divergence=FirstDivergence(row=first, cause=Difference.VALUE, position=4, compared=12)
        if first is not None
        else None,
        plan=tuple(plan),
        steps=tuple(
            StepResult(
                step=step,
                passed=step == 0 or not fault,
                loss_reference=2.0 / (step + 1),
                loss_candidate=2.0 / (step + 1) + 5 * fault * step,
                values_relative_l2=fault if step and fault else 3e-7,
                weights_relative_l2=1e-7 * (1 + step),
            )
            for step in range(3)
        ),
        hyper_parameters=(
            HyperParameterDifference(
                reference_path="encoder.norm",
                candidate_path="body.norm",
                name="epsilon",
                reference="1e-05",
                candidate="1e-06",
            ),
        )
        if fault
        else (),
        unmatched=(Unmatched(side=Side.CANDIDATE, what=LoneKind.CALL, path=HOSTILE, class_name=HOSTILE),),
        weights=(
            WeightFate(
                side=Side.REFERENCE,
                path="encoder.fc",
                name="weight",
                fate=Fate.PLACED,
                partner="body.fc.weight",
            ),
        ),
        environments=(environment(Side.REFERENCE, "torch"), environment(Side.CANDIDATE, "paddle")),
        timings=(Timing(step=0, phase=Phase.FORWARD, seconds=1.5, side=Side.REFERENCE),),
        started_at=started_at,
        seconds=12.5,
        has_local_errors=True,
    )
    return FinishedReport(rows=tuple(rows), summary=summary)


def interrupted(identity: str, started_at: float) -> FinishedReport:
    """The first 30 rows of such a training, which Ctrl-C ended."""
    whole = trained(identity, 0, started_at)
    trouble = Trouble(text="interrupted by Ctrl-C", phase=Phase.BACKWARD, step=1)
    return FinishedReport(
        rows=whole.rows[:30], summary=replace(whole.summary, passed=False, troubles=(trouble,))
    )


def head_of(whole: FinishedReport) -> RunHead:
    """What is known of the run before it begins."""
    return RunHead(
        id=whole.summary.session,
        started_at=whole.summary.started_at,
        reference="torch net:reference",
        candidate="paddle net:candidate",
        keep=KeptTensors.FAILING,
        keep_mib=7,
    )


def kept(folder: Path, whole: FinishedReport) -> Report:
    """The report, kept in a folder of this store, with the tensors of its first fault."""
    run = folder / whole.summary.session
    divergence = whole.summary.first_divergence
    reference = np.ones(_SPEC.shape, np.float32)
    candidate = reference.copy()
    candidate[:, 5] += np.float32(0.01)
    tensors = {1: HostTensor.from_array(reference), 2: HostTensor.from_array(candidate)}
    with RunWriter(run, head_of(whole)) as writer:
        if divergence is not None:
            number = whole.rows.index(divergence.row)
            writer.add_tensors(tensors, [KeptPair(row=number, reference=1, candidate=2)])
        writer.end(whole)
    return Report(whole.summary, whole.rows, KeptRun(run))


def large(calls: int = 10_000) -> Report:
    """A report of so many calls in blocks of ten, with a fault in the middle: four rows a call."""
    rows: list[Row] = []
    plan = [
        PlanPair(
            how=PairedBy.ROOT,
            reference=place("", "Net", "reference.py"),
            candidate=place("", "Net", "candidate.py"),
        )
    ]
    first: Optional[Row] = None
    rng = np.random.default_rng(0)
    for number in range(calls):
        inside = "" if number % 10 == 0 else f".{number % 10}"
        layer = (f"stage{number // 1000}.{number // 10}{inside}",) * 2 + ("Linear" if inside else "Block",)
        local = 3e-3 if number == calls // 2 else float(10 ** rng.uniform(-9, -7))
        free = 3e-3 if number >= calls // 2 else 5e-7
        made, fault = twins(layer, 0, number, (free, local))
        rows += made
        first = first or fault
        sides: dict[str, Any] = {
            "reference": place(layer[0], layer[2], "reference.py"),
            "candidate": place(layer[1], layer[2], "candidate.py"),
        }
        plan.append(PlanPair(how=PairedBy.SAME_PATH, **sides))
    assert first is not None
    summary = ReportSummary(
        session="a2",
        passed=False,
        coverage=Coverage(tensors_compared=len(rows), tensors_total=len(rows)),
        first_divergence=FirstDivergence(row=first, cause=Difference.VALUE, position=9, compared=len(rows)),
        plan=tuple(plan),
        has_local_errors=True,
    )
    return Report(summary, rows)
