from padiff_rpc.v1 import models_pb2 as _models_pb2
from padiff_rpc.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Pass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PASS_UNSPECIFIED: _ClassVar[Pass]
    PASS_FREE: _ClassVar[Pass]
    PASS_LOCKSTEP: _ClassVar[Pass]

class CaptureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPTURE_KIND_UNSPECIFIED: _ClassVar[CaptureKind]
    CAPTURE_KIND_INPUT: _ClassVar[CaptureKind]
    CAPTURE_KIND_OUTPUT: _ClassVar[CaptureKind]
    CAPTURE_KIND_INPUT_GRADIENT: _ClassVar[CaptureKind]
    CAPTURE_KIND_OUTPUT_GRADIENT: _ClassVar[CaptureKind]
    CAPTURE_KIND_PARAMETER_GRADIENT: _ClassVar[CaptureKind]
    CAPTURE_KIND_LOSS: _ClassVar[CaptureKind]
    CAPTURE_KIND_PARAMETER: _ClassVar[CaptureKind]
    CAPTURE_KIND_BUFFER: _ClassVar[CaptureKind]
PASS_UNSPECIFIED: Pass
PASS_FREE: Pass
PASS_LOCKSTEP: Pass
CAPTURE_KIND_UNSPECIFIED: CaptureKind
CAPTURE_KIND_INPUT: CaptureKind
CAPTURE_KIND_OUTPUT: CaptureKind
CAPTURE_KIND_INPUT_GRADIENT: CaptureKind
CAPTURE_KIND_OUTPUT_GRADIENT: CaptureKind
CAPTURE_KIND_PARAMETER_GRADIENT: CaptureKind
CAPTURE_KIND_LOSS: CaptureKind
CAPTURE_KIND_PARAMETER: CaptureKind
CAPTURE_KIND_BUFFER: CaptureKind

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerInfo(_message.Message):
    __slots__ = ("protocol_version", "framework", "framework_version", "python_version", "numpy_version", "package_version", "host", "pid", "devices", "served_model", "executable")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_VERSION_FIELD_NUMBER: _ClassVar[int]
    PYTHON_VERSION_FIELD_NUMBER: _ClassVar[int]
    NUMPY_VERSION_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    SERVED_MODEL_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    framework: str
    framework_version: str
    python_version: str
    numpy_version: str
    package_version: str
    host: str
    pid: int
    devices: _containers.RepeatedScalarFieldContainer[str]
    served_model: str
    executable: str
    def __init__(self, protocol_version: _Optional[int] = ..., framework: _Optional[str] = ..., framework_version: _Optional[str] = ..., python_version: _Optional[str] = ..., numpy_version: _Optional[str] = ..., package_version: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., devices: _Optional[_Iterable[str]] = ..., served_model: _Optional[str] = ..., executable: _Optional[str] = ...) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: WorkerInfo
    def __init__(self, worker: _Optional[_Union[WorkerInfo, _Mapping]] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("protocol_version",)
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    def __init__(self, protocol_version: _Optional[int] = ...) -> None: ...

class LeaseResponse(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("lease", "model", "deterministic", "threads")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    lease: str
    model: _models_pb2.Model
    deterministic: bool
    threads: int
    def __init__(self, lease: _Optional[str] = ..., model: _Optional[_Union[_models_pb2.Model, _Mapping]] = ..., deterministic: bool = ..., threads: _Optional[int] = ...) -> None: ...

class LoadResponse(_message.Message):
    __slots__ = ("flags", "failure")
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    flags: _containers.RepeatedScalarFieldContainer[str]
    failure: _models_pb2.ModelFailure
    def __init__(self, flags: _Optional[_Iterable[str]] = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("layers",)
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    layers: _containers.RepeatedCompositeFieldContainer[_models_pb2.Layer]
    def __init__(self, layers: _Optional[_Iterable[_Union[_models_pb2.Layer, _Mapping]]] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("args", "kwargs", "target")
    ARGS_FIELD_NUMBER: _ClassVar[int]
    KWARGS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    args: _tensors_pb2.Tree
    kwargs: _tensors_pb2.Tree
    target: _tensors_pb2.Tree
    def __init__(self, args: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., kwargs: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., target: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ...) -> None: ...

class TraceRequest(_message.Message):
    __slots__ = ("start", "frame")
    START_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    start: TraceStart
    frame: _tensors_pb2.TensorFrame
    def __init__(self, start: _Optional[_Union[TraceStart, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ...) -> None: ...

class TraceStart(_message.Message):
    __slots__ = ("lease", "batch")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    lease: str
    batch: Batch
    def __init__(self, lease: _Optional[str] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class TraceResponse(_message.Message):
    __slots__ = ("calls", "failure")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[_models_pb2.CallEvent]
    failure: _models_pb2.ModelFailure
    def __init__(self, calls: _Optional[_Iterable[_Union[_models_pb2.CallEvent, _Mapping]]] = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ...) -> None: ...

class ReadWeightsRequest(_message.Message):
    __slots__ = ("lease", "names")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    lease: str
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lease: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class ReadWeightsResponse(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[_tensors_pb2.TensorFrame]
    def __init__(self, frames: _Optional[_Iterable[_Union[_tensors_pb2.TensorFrame, _Mapping]]] = ...) -> None: ...

class WriteWeightsRequest(_message.Message):
    __slots__ = ("lease", "frame")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    lease: str
    frame: _tensors_pb2.TensorFrame
    def __init__(self, lease: _Optional[str] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ...) -> None: ...

class WriteWeightsResponse(_message.Message):
    __slots__ = ("written",)
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    written: int
    def __init__(self, written: _Optional[int] = ...) -> None: ...

class SaveWeightsRequest(_message.Message):
    __slots__ = ("lease", "path")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    lease: str
    path: str
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class SaveWeightsResponse(_message.Message):
    __slots__ = ("path", "bytes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    path: str
    bytes: int
    def __init__(self, path: _Optional[str] = ..., bytes: _Optional[int] = ...) -> None: ...

class ApplyRuleRequest(_message.Message):
    __slots__ = ("start", "frame")
    START_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    start: ApplyRuleStart
    frame: _tensors_pb2.TensorFrame
    def __init__(self, start: _Optional[_Union[ApplyRuleStart, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ...) -> None: ...

class ApplyRuleStart(_message.Message):
    __slots__ = ("lease", "rule")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    rule: str
    def __init__(self, lease: _Optional[str] = ..., rule: _Optional[str] = ...) -> None: ...

class ApplyRuleResponse(_message.Message):
    __slots__ = ("frame", "failure")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    frame: _tensors_pb2.TensorFrame
    failure: _models_pb2.ModelFailure
    def __init__(self, frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ...) -> None: ...

class RunStepRequest(_message.Message):
    __slots__ = ("start", "frame", "acknowledged", "cancel", "override", "override_chunk", "absent")
    START_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_CHUNK_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    start: StepStart
    frame: _tensors_pb2.TensorFrame
    acknowledged: _models_pb2.Phase
    cancel: bool
    override: OverrideBegins
    override_chunk: _tensors_pb2.TensorChunk
    absent: OverrideTicket
    def __init__(self, start: _Optional[_Union[StepStart, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., acknowledged: _Optional[_Union[_models_pb2.Phase, str]] = ..., cancel: bool = ..., override: _Optional[_Union[OverrideBegins, _Mapping]] = ..., override_chunk: _Optional[_Union[_tensors_pb2.TensorChunk, _Mapping]] = ..., absent: _Optional[_Union[OverrideTicket, _Mapping]] = ...) -> None: ...

class OverrideTicket(_message.Message):
    __slots__ = ("place", "gradient")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    place: int
    gradient: bool
    def __init__(self, place: _Optional[int] = ..., gradient: bool = ...) -> None: ...

class OverrideBegins(_message.Message):
    __slots__ = ("ticket", "header")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    ticket: OverrideTicket
    header: _tensors_pb2.TensorHeader
    def __init__(self, ticket: _Optional[_Union[OverrideTicket, _Mapping]] = ..., header: _Optional[_Union[_tensors_pb2.TensorHeader, _Mapping]] = ...) -> None: ...

class OverridePlace(_message.Message):
    __slots__ = ("moment", "path", "call", "slot", "tensor", "pushed")
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    PUSHED_FIELD_NUMBER: _ClassVar[int]
    moment: _models_pb2.CallMoment
    path: str
    call: int
    slot: str
    tensor: int
    pushed: bool
    def __init__(self, moment: _Optional[_Union[_models_pb2.CallMoment, str]] = ..., path: _Optional[str] = ..., call: _Optional[int] = ..., slot: _Optional[str] = ..., tensor: _Optional[int] = ..., pushed: bool = ...) -> None: ...

class NotOverridden(_message.Message):
    __slots__ = ("ticket", "reason")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ticket: OverrideTicket
    reason: str
    def __init__(self, ticket: _Optional[_Union[OverrideTicket, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class StepStart(_message.Message):
    __slots__ = ("lease", "step", "batch", "pass_kind", "backward", "optimize", "mean_loss", "skip_paths", "overrides", "override_gradients", "loss_slots")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    PASS_KIND_FIELD_NUMBER: _ClassVar[int]
    BACKWARD_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZE_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOSS_FIELD_NUMBER: _ClassVar[int]
    SKIP_PATHS_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    LOSS_SLOTS_FIELD_NUMBER: _ClassVar[int]
    lease: str
    step: int
    batch: Batch
    pass_kind: Pass
    backward: bool
    optimize: bool
    mean_loss: bool
    skip_paths: _containers.RepeatedScalarFieldContainer[str]
    overrides: _containers.RepeatedCompositeFieldContainer[OverridePlace]
    override_gradients: bool
    loss_slots: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lease: _Optional[str] = ..., step: _Optional[int] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., pass_kind: _Optional[_Union[Pass, str]] = ..., backward: bool = ..., optimize: bool = ..., mean_loss: bool = ..., skip_paths: _Optional[_Iterable[str]] = ..., overrides: _Optional[_Iterable[_Union[OverridePlace, _Mapping]]] = ..., override_gradients: bool = ..., loss_slots: _Optional[_Iterable[str]] = ...) -> None: ...

class RunStepResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[StepEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[StepEvent, _Mapping]]] = ...) -> None: ...

class StepEvent(_message.Message):
    __slots__ = ("call", "capture", "chunk", "phase", "failure", "summary", "wanted", "credit", "not_overridden")
    CALL_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    NOT_OVERRIDDEN_FIELD_NUMBER: _ClassVar[int]
    call: _models_pb2.CallEvent
    capture: CaptureHeader
    chunk: _tensors_pb2.TensorChunk
    phase: _models_pb2.Phase
    failure: _models_pb2.ModelFailure
    summary: StepSummary
    wanted: OverrideTicket
    credit: int
    not_overridden: NotOverridden
    def __init__(self, call: _Optional[_Union[_models_pb2.CallEvent, _Mapping]] = ..., capture: _Optional[_Union[CaptureHeader, _Mapping]] = ..., chunk: _Optional[_Union[_tensors_pb2.TensorChunk, _Mapping]] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ..., summary: _Optional[_Union[StepSummary, _Mapping]] = ..., wanted: _Optional[_Union[OverrideTicket, _Mapping]] = ..., credit: _Optional[int] = ..., not_overridden: _Optional[_Union[NotOverridden, _Mapping]] = ...) -> None: ...

class CaptureId(_message.Message):
    __slots__ = ("side", "step", "pass_kind", "path", "call", "slot", "kind")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PASS_KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    side: _models_pb2.Side
    step: int
    pass_kind: Pass
    path: str
    call: int
    slot: str
    kind: CaptureKind
    def __init__(self, side: _Optional[_Union[_models_pb2.Side, str]] = ..., step: _Optional[int] = ..., pass_kind: _Optional[_Union[Pass, str]] = ..., path: _Optional[str] = ..., call: _Optional[int] = ..., slot: _Optional[str] = ..., kind: _Optional[_Union[CaptureKind, str]] = ...) -> None: ...

class CaptureHeader(_message.Message):
    __slots__ = ("id", "header", "gradient_of")
    ID_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_OF_FIELD_NUMBER: _ClassVar[int]
    id: CaptureId
    header: _tensors_pb2.TensorHeader
    gradient_of: int
    def __init__(self, id: _Optional[_Union[CaptureId, _Mapping]] = ..., header: _Optional[_Union[_tensors_pb2.TensorHeader, _Mapping]] = ..., gradient_of: _Optional[int] = ...) -> None: ...

class StepSummary(_message.Message):
    __slots__ = ("seconds", "calls", "replays", "has_gradients", "no_gradient_reason")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    REPLAYS_FIELD_NUMBER: _ClassVar[int]
    HAS_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    NO_GRADIENT_REASON_FIELD_NUMBER: _ClassVar[int]
    seconds: _containers.RepeatedCompositeFieldContainer[PhaseSeconds]
    calls: int
    replays: int
    has_gradients: bool
    no_gradient_reason: str
    def __init__(self, seconds: _Optional[_Iterable[_Union[PhaseSeconds, _Mapping]]] = ..., calls: _Optional[int] = ..., replays: _Optional[int] = ..., has_gradients: bool = ..., no_gradient_reason: _Optional[str] = ...) -> None: ...

class PhaseSeconds(_message.Message):
    __slots__ = ("phase", "seconds")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    phase: _models_pb2.Phase
    seconds: float
    def __init__(self, phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., seconds: _Optional[float] = ...) -> None: ...

class UnloadRequest(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class UnloadResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
