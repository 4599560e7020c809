"""What a comparison found, as frozen records (see `types`)."""

from __future__ import annotations

import math
from typing import Optional

from padiff_rpc.records import record
from padiff_rpc.types import ModelFailure, RandomOperation, RunToRunNoise, SourceLine, TensorSpec, WorkerInfo
from padiff_rpc.words import CaptureKind, Omission, Pass, Phase, Side, Verdict


@record
class WorstElement:
    index: tuple[int, ...]
    reference: float
    candidate: float
    abs_diff: float
    imaginary: bool = False


@record
class Figures:
    elements: int
    bitwise_equal: bool
    nan_reference: int = 0
    nan_candidate: int = 0
    nonfinite_mismatches: int = 0
    first_nonfinite: tuple[int, ...] = ()
    max_abs: float = 0.0
    max_rel: float = 0.0
    worst: tuple[WorstElement, ...] = ()
    relative_l2: float = 0.0
    cosine: float = math.nan
    scale: float = math.nan
    bias: float = 0.0
    mean_reference: float = 0.0
    mean_candidate: float = 0.0
    mean_abs: float = 0.0
    rmse: float = 0.0
    rms_reference: float = 0.0
    mismatches: int = 0
    histogram: tuple[int, ...] = ()
    inf_reference: int = 0
    inf_candidate: int = 0


@record
class Tolerance:
    atol: float
    rtol: float
    source: str
    relative_l2: float = 0.0


@record
class Place:
    path: str
    class_name: str = ""
    call: int = 0
    slot: str = ""
    spec: Optional[TensorSpec] = None
    source: Optional[SourceLine] = None


@record
class Row:
    step: int
    phase: Phase
    kind: CaptureKind
    order: int
    verdict: Verdict
    reference: Optional[Place] = None
    candidate: Optional[Place] = None
    figures: Optional[Figures] = None
    tolerance: Optional[Tolerance] = None
    reason: str = ""
    rule: str = ""
    counts: bool = True
    between: str = ""
    pass_kind: Pass = Pass.FREE
    twin: int = 0
    omission: Optional[Omission] = None


@record
class Unmatched:
    side: Side
    what: str
    path: str
    class_name: str = ""
    name: str = ""
    call: int = 0
    reason: str = ""
    counts: bool = False


@record
class PlanPair:
    how: str
    reference: Optional[Place] = None
    candidate: Optional[Place] = None
    confidence: float = 1.0
    calls: int = 0
    parameterised: bool = False
    reason: str = ""
    unit: bool = False


@record
class HyperParameterDifference:
    reference_path: str
    candidate_path: str
    name: str
    reference: str
    candidate: str


@record
class WeightFate:
    side: Side
    path: str
    name: str
    fate: str
    partner: str = ""
    rule: str = ""
    reason: str = ""


@record
class Coverage:
    tensors_compared: int = 0
    tensors_total: int = 0
    calls_compared: int = 0
    calls_total: int = 0
    parameters_compared: int = 0
    parameters_total: int = 0
    buffers_compared: int = 0
    buffers_total: int = 0
    root_outputs_compared: int = 0
    root_outputs_total: int = 0
    losses_compared: int = 0
    losses_total: int = 0


@record
class Omitted:
    what: str
    omission: Omission
    places: int = 0
    layers: int = 0
    in_part: bool = False


@record
class FirstDivergence:
    row: Row
    cause: str
    position: int
    compared: int


@record
class StepResult:
    step: int
    passed: bool
    loss_reference: float = math.nan
    loss_candidate: float = math.nan
    values_relative_l2: float = 0.0
    weights_relative_l2: float = 0.0


@record
class Timing:
    step: int
    phase: Phase
    seconds: float
    side: Optional[Side] = None


@record
class Traffic:
    side: Side
    phase: Phase
    bytes: int


@record
class Trouble:
    phase: Phase
    text: str
    side: Optional[Side] = None
    step: int = 0


@record
class Environment:
    side: Side
    worker: WorkerInfo
    device: str
    train: bool
    seed: int
    flags: tuple[str, ...] = ()


@record
class OptimizerDifference:
    name: str
    reference: str
    candidate: str
    parameters: tuple[str, ...] = ()
    convention: bool = False


@record
class ReportSummary:
    session: str
    passed: bool
    coverage: Coverage
    first_divergence: Optional[FirstDivergence] = None
    unmatched: tuple[Unmatched, ...] = ()
    steps: tuple[StepResult, ...] = ()
    plan: tuple[PlanPair, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[ModelFailure, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    environments: tuple[Environment, ...] = ()
    timings: tuple[Timing, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    saved: str = ""
    started_at: float = 0.0
    seconds: float = 0.0
    hyper_parameters: tuple[HyperParameterDifference, ...] = ()
    weights: tuple[WeightFate, ...] = ()
    in_lockstep: bool = False
    random_operations: tuple[RandomOperation, ...] = ()
    noise: tuple[RunToRunNoise, ...] = ()
    optimizer: tuple[OptimizerDifference, ...] = ()
    has_local_errors: bool = False
    omitted: tuple[Omitted, ...] = ()
