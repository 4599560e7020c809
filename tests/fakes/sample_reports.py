"""Reports without a comparison: a faulty pair of models, a pair that agrees, one that was cut short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from padiff_client import Report
from padiff_rpc.v1.records import (
    Coverage,
    Environment,
    Figures,
    FirstDivergence,
    Hint,
    LayoutRule,
    LayoutStep,
    ModelFailure,
    Note,
    Place,
    PlanPair,
    Reason,
    ReportSummary,
    Row,
    SourceLine,
    StepResult,
    TensorSpec,
    Tolerance,
    Trouble,
    Unmatched,
    WorkerInfo,
    WorstElement,
)
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    DecidedBy,
    Difference,
    DType,
    HintKind,
    LayoutChange,
    LoneKind,
    NoteKind,
    PairedBy,
    Pass,
    Phase,
    Side,
    ToleranceSource,
    Verdict,
)

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2, 8))
WORKER = WorkerInfo(
    protocol_version=2,
    framework="fake",
    framework_version="1.0",
    python_version="3.11",
    numpy_version="2.0",
    package_version="0.1.0",
    host="here",
    pid=1,
)
DRAWN = np.random.default_rng(0)


def environment(side: Side, framework: str = "fake", *, train: bool = True) -> Environment:
    """Returns what a side ran in."""
    worker = replace(WORKER, framework=framework)
    return Environment(side=side, worker=worker, device="cpu", train=train, seed=0)


def place(path: str, line: int = 31, **given: Any) -> Place:
    """Returns a place in a file below the working directory."""
    values = {
        "class_name": "LayerNorm",
        "slot": "0",
        "spec": SPEC,
        "source": SourceLine(file=f"models/{path.split('.')[0]}.py", line=line, text="  x = self.norm(x)"),
    }
    return Place(path=path, **{**values, **given})


def figures(**given: Any) -> Figures:
    """Returns figures with as many digits as real ones have."""
    one, two, three = DRAWN.random(3).tolist()
    values: dict[str, Any] = {
        "elements": 16,
        "bitwise_equal": False,
        "max_abs": one / 4,
        "max_rel": two,
        "relative_l2": three / 9,
        "cosine": 1 - one * 1e-7,
        "scale": 1 + two * 1e-7,
        "bias": three * 1e-8,
        "mean_reference": one,
        "mean_candidate": one + three * 1e-8,
        "mean_abs": two / 3,
        "rmse": three / 3,
        "rms_reference": one + two,
        "mismatches": 4,
        "histogram": tuple(int(n) for n in DRAWN.multinomial(16, [1 / 40] * 40)),
        "worst": (WorstElement(index=(1, 7), reference=one, candidate=two, abs_diff=abs(one - two)),) * 3,
    }
    return Figures(**{**values, **given})


def row(path: str = "encoder.norm", **given: Any) -> Row:
    """Returns a row of a layer that both sides have, at its own line of each side's file."""
    values: dict[str, Any] = {
        "step": 0,
        "phase": Phase.FORWARD,
        "kind": CaptureKind.OUTPUT,
        "order": 3,
        "verdict": Verdict.WITHIN_TOLERANCE,
        "reference": place(path),
        "candidate": place(f"port.{path}", line=64),
        "figures": figures(),
        "tolerance": Tolerance(
            atol=1e-5, rtol=1e-4, relative_l2=9.5367431640625e-07, source=ToleranceSource.DEFAULT
        ),
        "decided_by": DecidedBy.SUMS,
    }
    return Row(**{**values, **given})


def faulty_row(**given: Any) -> Row:
    """Returns a row that differs, with a hint and a reason."""
    values: dict[str, Any] = {
        "verdict": Verdict.MISMATCH,
        "hints": (Hint(kind=HintKind.SCALED, numbers=(1.05,), verified=True, before=0.1, after=1e-8),),
        "rule": LayoutRule(steps=(LayoutStep(change=LayoutChange.TRANSPOSE),)),
    }
    return row(**{**values, **given})


def report(*rows: Row, **given: Any) -> Report:
    """Returns a report of these rows; its first divergence is the first of them that differs."""
    first = next((one for one in rows if one.verdict is Verdict.MISMATCH), None)
    compared = len(rows)
    values: dict[str, Any] = {
        "session": "s",
        "passed": first is None,
        "coverage": Coverage(tensors_compared=compared, tensors_total=compared),
        "first_divergence": first
        and FirstDivergence(row=first, cause=Difference.VALUE, position=1, compared=compared),
        "plan": tuple(
            PlanPair(reference=one.reference, candidate=one.candidate, how=PairedBy.SAME_PATH) for one in rows
        ),
        "steps": (StepResult(step=0, passed=first is None, loss_reference=0.5, loss_candidate=0.25),),
        "started_at": 1_800_000_000.5,
        "seconds": 1.5,
        "environments": tuple(environment(side, train=False) for side in Side),
        "notes": (Note(kind=NoteKind.MESSAGE, names=("a note",)),),
    }
    return Report(ReportSummary(**{**values, **given}), rows)


def failing(**given: Any) -> Report:
    """Returns a report with one fault between two rows that agree."""
    agreeing = row("encoder.fc"), row("head", phase=Phase.BACKWARD, kind=CaptureKind.INPUT_GRADIENT)
    return report(agreeing[0], faulty_row(**given), agreeing[1])


def passing() -> Report:
    """Returns a report of two models that agree, with a row that was not compared."""
    left_out = row(
        "dropout",
        verdict=Verdict.NOT_COMPARED,
        counts=False,
        figures=None,
        reasons=(Reason(cause=Cause.MESSAGE, names=("decided by chance",)),),
    )
    return report(row(), left_out)


def cut_short() -> Report:
    """Returns a report of a comparison that a model's exception and a lost worker ended."""
    raised = ModelFailure(
        phase=Phase.FORWARD,
        side=Side.CANDIDATE,
        path="encoder.fc",
        exception="ValueError",
        text="bad <shape>",
        traceback="Traceback:\n  line\x1b[2J\nValueError: bad <shape>",
        source=SourceLine(file="port.py", line=14, text="return self.fc(x)"),
    )
    lost = Trouble(phase=Phase.FORWARD, text="the worker is gone", side=Side.REFERENCE)
    return report(row(), passed=False, failures=(raised,), troubles=(lost,))


def lone() -> Report:
    """Returns a report whose rows agree, and that fails for a layer without a partner."""
    alone = Unmatched(side=Side.REFERENCE, what=LoneKind.CALL, path="aux", counts=True)
    return report(row(), passed=False, unmatched=(alone,))


def long(calls: int) -> Report:
    """Returns a report with as many rows as a comparison by default has of so many calls: eleven a call.

    Every fourth agrees to the bit, as in the encoder of which that was counted.
    """

    equal = Figures(elements=16, bitwise_equal=True, mean_reference=0.5, mean_candidate=0.5, rms_reference=1)

    def rows() -> Iterator[Row]:
        drawn = equal
        for number in range(calls * 11):
            # Of one place, both passes have the same reference.
            further = {"max_abs": DRAWN.random(), "relative_l2": DRAWN.random(), "rmse": DRAWN.random()}
            drawn = replace(drawn, **further) if number % 2 else figures()
            yield row(
                f"encoder.layers.{number // 11}.norm",
                order=number,
                kind=list(CaptureKind)[number % 8],
                twin=number // 2 + 1,
                pass_kind=Pass.LOCKSTEP if number % 2 else Pass.FREE,
                figures=drawn if number % 4 else equal,
                verdict=Verdict.WITHIN_TOLERANCE if number % 4 else Verdict.MATCH,
            )

    return report(*rows())
