"""The Python client: compares two models, each in its own process, and reports where they part."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from padiff_client.api import assign_weight, auto_diff, check_inputs, compare_spec, kept_report, record
    from padiff_client.batches import Batch
    from padiff_client.disagreement import Disagreement
    from padiff_client.divergence import Divergence
    from padiff_client.gathering import Interrupted
    from padiff_client.layer_map import LayerMap
    from padiff_client.report import Report
    from padiff_client.spec import ModelSpec
    from padiff_client.tensor_leaves import Input
    from padiff_rpc.errors import (
        BusyError,
        CancelledError,
        InvalidRequestError,
        NotFoundError,
        PaDiffError,
        PermissionDeniedError,
        ProtocolError,
        StateError,
        UnauthenticatedError,
        WorkerLostError,
    )
    from padiff_rpc.v1.records import (
        Coverage,
        Figures,
        FunctionFinding,
        Hint,
        Options,
        Place,
        Row,
        Selection,
        SourceLine,
        StepResult,
        Tls,
        Tolerance,
        Unmatched,
    )
    from padiff_rpc.v1.words import (
        CaptureKind,
        CompareMode,
        DefaultLoss,
        Detail,
        Difference,
        DiffPhase,
        DType,
        Floor,
        HintKind,
        KeptTensors,
        Omission,
        Pass,
        Phase,
        Randomness,
        Side,
        TraceMode,
        Verdict,
    )

__all__ = [
    # What to compare.
    "ModelSpec",
    "Batch",
    "Input",
    "LayerMap",
    "Options",
    "Selection",
    "Tls",
    # Doing it.
    "auto_diff",
    "compare_spec",
    "assign_weight",
    "check_inputs",
    "kept_report",
    "record",
    # What came of it.
    "Report",
    "Divergence",
    # The records of a report.
    "Row",
    "Place",
    "SourceLine",
    "Figures",
    "Tolerance",
    "Hint",
    "FunctionFinding",
    "Coverage",
    "StepResult",
    "Unmatched",
    # Words of fixed lists: of reports, then of options. Each is equal to its text.
    "Verdict",
    "Phase",
    "CaptureKind",
    "Pass",
    "Side",
    "Difference",
    "HintKind",
    "Omission",
    "DType",
    "DiffPhase",
    "CompareMode",
    "TraceMode",
    "DefaultLoss",
    "Randomness",
    "Floor",
    "Detail",
    "KeptTensors",
    # What can go wrong.
    "PaDiffError",
    "InvalidRequestError",
    "NotFoundError",
    "StateError",
    "UnauthenticatedError",
    "PermissionDeniedError",
    "BusyError",
    "WorkerLostError",
    "ProtocolError",
    "CancelledError",
    "Interrupted",
    "Disagreement",
]

# Where each name is, which is imported when it is first asked for: with the records, gRPC and NumPy.
_HOMES = {
    name: home
    for home, names in {
        "padiff_client.api": "assign_weight auto_diff check_inputs compare_spec kept_report record",
        "padiff_client.batches": "Batch",
        "padiff_client.disagreement": "Disagreement",
        "padiff_client.divergence": "Divergence",
        "padiff_client.gathering": "Interrupted",
        "padiff_client.layer_map": "LayerMap",
        "padiff_client.report": "Report",
        "padiff_client.spec": "ModelSpec",
        "padiff_client.tensor_leaves": "Input",
        "padiff_rpc.errors": (
            "BusyError CancelledError InvalidRequestError NotFoundError PaDiffError "
            "PermissionDeniedError ProtocolError StateError UnauthenticatedError "
            "WorkerLostError"
        ),
        "padiff_rpc.v1.records": (
            "Coverage Figures FunctionFinding Hint Options Place Row Selection SourceLine "
            "StepResult Tls Tolerance Unmatched"
        ),
        "padiff_rpc.v1.words": (
            "CaptureKind CompareMode DefaultLoss Detail Difference DiffPhase DType Floor "
            "HintKind KeptTensors Omission Pass Phase Randomness Side TraceMode Verdict"
        ),
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
