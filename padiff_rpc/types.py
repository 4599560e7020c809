"""The contract's messages as frozen records: models, calls, requests.

A record has the name and the fields of its message in proto/padiff_rpc/v1, whose comments say what
each field means; `convert` carries one into the other, and a test ties them together. `results` and
`options` hold the rest.
"""

from __future__ import annotations

import os
from dataclasses import field
from typing import NewType, Optional, Union

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import arguments_checked, fields_checked, reason
from padiff_rpc.options import LayerMap, Options
from padiff_rpc.records import record
from padiff_rpc.words import (
    CallMoment,
    CaptureKind,
    DType,
    Pass,
    Phase,
    Randomness,
    Side,
    WeightKind,
    WorkerState,
)

# A nested argument, packed by `trees`; empty bytes mean "absent".
Tree = NewType("Tree", bytes)


@record
class TensorSpec:
    dtype: DType
    shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@record
class Model:
    framework: str = ""
    model: str = ""
    kwargs: Tree = Tree(b"")
    weights: str = ""
    device: str = "cpu"
    dtype: Optional[DType] = None
    train: bool = False
    seed: int = 0
    loss: str = ""
    optimizer: str = ""
    loader: str = ""
    train_step: str = ""
    autocast: Optional[DType] = None


@record
class SourceLine:
    file: str = ""
    line: int = 0
    function: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@record
class Weight:
    name: str
    kind: WeightKind
    spec: TensorSpec
    trainable: bool = True
    tied_to: str = ""
    unsaved: bool = False


@record
class Layer:
    path: str
    aliases: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    hyper_parameters: Tree = Tree(b"")
    weights: tuple[Weight, ...] = ()
    opaque: bool = False

    @property
    def class_name(self) -> str:
        """The bare name of the layer's own class."""
        return self.classes[0].rpartition(".")[2] if self.classes else ""


@record
class Slot:
    name: str
    tensor: int
    spec: TensorSpec


@record
class CallEvent:
    moment: CallMoment
    path: str
    call: int = 0
    slots: tuple[Slot, ...] = ()
    source: Optional[SourceLine] = None
    replay: bool = False


@record
class RandomOperation:
    """`side` and `reason` are filled in by the coordinator."""

    path: str
    call: int
    name: str
    shared: bool
    side: Optional[Side] = None
    reason: str = ""


@record
class RunToRunNoise:
    """`side` is filled in by the coordinator."""

    differs: bool = False
    relative_l2: float = 0.0
    path: str = ""
    call: int = 0
    side: Optional[Side] = None


@record
class OptimizerGroup:
    parameters: tuple[str, ...]
    settings: Tree


@record
class OptimizerEntry:
    parameter: str
    state: str


@record
class DescribeOptimizerResponse:
    class_name: str = ""
    groups: tuple[OptimizerGroup, ...] = ()
    conventions: Tree = Tree(b"")
    state: tuple[OptimizerEntry, ...] = ()


@record
class RandomPair:
    path: str
    pair: int


@record
class ModelFailure:
    """`side` is filled in by the coordinator; a worker does not know its own."""

    phase: Phase
    side: Optional[Side] = None
    step: int = 0
    path: str = ""
    exception: str = ""
    text: str = ""
    traceback: str = ""


@record
class WorkerInfo:
    protocol_version: int
    framework: str
    framework_version: str
    python_version: str
    numpy_version: str
    package_version: str
    host: str
    pid: int
    devices: tuple[str, ...] = ()
    served_model: str = ""
    executable: str = ""
    process_per_lease: bool = False
    serves_optimizer: bool = False
    serves_loss: bool = False


@record
class Batch:
    args: Tree
    kwargs: Tree
    target: Tree = Tree(b"")


@record
class OverridePlace:
    moment: CallMoment
    path: str
    call: int
    slot: str
    tensor: int
    pushed: bool = True
    keeps_value: bool = False
    keeps_gradient: bool = False


@record
class OverrideTicket:
    place: int
    gradient: bool = False


@record
class NotOverridden:
    ticket: OverrideTicket
    reason: str


@record
class StepStart:
    lease: str
    step: int
    batch: Batch
    backward: bool
    optimize: bool
    mean_loss: bool = False
    pass_kind: Pass = Pass.FREE
    skip_paths: tuple[str, ...] = ()
    overrides: tuple[OverridePlace, ...] = ()
    override_gradients: bool = False
    loss_slots: tuple[str, ...] = ()
    randomness: Randomness = Randomness.REPORT
    random_seed: int = 0
    random_pairs: tuple[RandomPair, ...] = ()
    loss_divisor: int = 1
    keep_gradients_before: bool = False
    keep_gradients_after: bool = False
    loss_scale: float = 1.0
    clip_norm: float = 0.0
    batch_from_loader: bool = False


@record
class CaptureId:
    """`side` is filled in by the coordinator."""

    step: int
    path: str
    call: int
    slot: str
    kind: CaptureKind
    side: Optional[Side] = None
    pass_kind: Pass = Pass.FREE


@record
class PhaseSeconds:
    phase: Phase
    seconds: float


@record
class StepSummary:
    seconds: tuple[PhaseSeconds, ...] = ()
    calls: int = 0
    replays: int = 0
    has_gradients: bool = False
    no_gradient_reason: str = ""
    random_operations: tuple[RandomOperation, ...] = ()
    lacks_backward: bool = False


@fields_checked("Tls")
@record
class Tls:
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)

    @classmethod
    @arguments_checked("Tls.from_files")
    def from_files(
        cls,
        ca: Optional[Union[str, os.PathLike[str]]] = None,
        certificate: Optional[Union[str, os.PathLike[str]]] = None,
        key: Optional[Union[str, os.PathLike[str]]] = None,
    ) -> Tls:
        """Returns what the PEM files hold. Raises InvalidRequestError for one that cannot be read."""
        found = {}
        for part, path in (("ca", ca), ("certificate", certificate), ("key", key)):
            if path is not None:
                try:
                    with open(os.path.expanduser(path), "rb") as file:
                        found[part] = file.read()
                except OSError as error:
                    raise InvalidRequestError(f"tls.{part}: {path} cannot be read: {reason(error)}") from None
        return cls(**found)


@record
class Label:
    name: str
    value: str


@record
class WorkerAddress:
    address: str = ""
    token: str = field(default="", repr=False)
    tls: Optional[Tls] = None
    name: str = ""
    labels: tuple[Label, ...] = ()
    insecure: bool = False

    def __str__(self) -> str:
        """The words that an error names this worker by."""
        if self.name or self.address:
            return self.name or self.address
        return "{" + ", ".join(f"{label.name}: {label.value}" for label in self.labels) + "}"


@record
class Party:
    model: Model
    worker: WorkerAddress


@record
class CompareStart:
    protocol_version: int
    candidate: Party
    reference: Party
    options: Options = Options()
    layer_map: LayerMap = LayerMap()
    steps: int = 1
    auto_weights: bool = True


@record
class SendBatch:
    step: int
    candidate: Batch
    reference: Batch


@record
class Progress:
    session: str
    phase: Phase
    step: int = 0
    text: str = ""


@record
class PlanStart:
    protocol_version: int
    candidate: Party
    reference: Party
    layer_map: LayerMap = LayerMap()


@record
class AssignWeightsRequest:
    protocol_version: int
    candidate: Party
    reference: Party
    layer_map: LayerMap = LayerMap()
    save: str = ""


@record
class CheckInputsRequest:
    protocol_version: int
    candidate: Party
    reference: Party
    batches: int
    options: Options = Options()


@record
class KnownWorker:
    name: str
    address: str
    state: WorkerState
    framework: str = ""
    labels: tuple[Label, ...] = ()
    worker: Optional[WorkerInfo] = None
    problem: str = ""
