"""The Python client: compares two models, each in its own process, and reports where they part."""

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
from padiff_rpc.v1.records import Options, Selection, Tls

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
