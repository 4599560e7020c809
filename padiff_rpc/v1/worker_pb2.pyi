from padiff_rpc.v1 import functions_pb2 as _functions_pb2
from padiff_rpc.v1 import models_pb2 as _models_pb2
from padiff_rpc.v1 import reasons_pb2 as _reasons_pb2
from padiff_rpc.v1 import records_pb2 as _records_pb2
from padiff_rpc.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_STATE_UNSPECIFIED: _ClassVar[WorkerState]
    WORKER_STATE_FREE: _ClassVar[WorkerState]
    WORKER_STATE_BUSY: _ClassVar[WorkerState]
    WORKER_STATE_DRAINING: _ClassVar[WorkerState]
    WORKER_STATE_NOT_READY: _ClassVar[WorkerState]
    WORKER_STATE_UNREACHABLE: _ClassVar[WorkerState]

class Randomness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RANDOMNESS_UNSPECIFIED: _ClassVar[Randomness]
    RANDOMNESS_SHARED: _ClassVar[Randomness]
    RANDOMNESS_OFF: _ClassVar[Randomness]
    RANDOMNESS_REPORT: _ClassVar[Randomness]

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
    CAPTURE_KIND_OPTIMIZER_STATE: _ClassVar[CaptureKind]
    CAPTURE_KIND_TARGET: _ClassVar[CaptureKind]
WORKER_STATE_UNSPECIFIED: WorkerState
WORKER_STATE_FREE: WorkerState
WORKER_STATE_BUSY: WorkerState
WORKER_STATE_DRAINING: WorkerState
WORKER_STATE_NOT_READY: WorkerState
WORKER_STATE_UNREACHABLE: WorkerState
RANDOMNESS_UNSPECIFIED: Randomness
RANDOMNESS_SHARED: Randomness
RANDOMNESS_OFF: Randomness
RANDOMNESS_REPORT: Randomness
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
CAPTURE_KIND_OPTIMIZER_STATE: CaptureKind
CAPTURE_KIND_TARGET: CaptureKind

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerInfo(_message.Message):
    __slots__ = ("protocol_version", "framework", "framework_version", "python_version", "numpy_version", "package_version", "host", "pid", "devices", "served_model", "executable", "process_per_lease", "serves_optimizer", "serves_loss", "capabilities", "watches_script", "codings", "recording")
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
    PROCESS_PER_LEASE_FIELD_NUMBER: _ClassVar[int]
    SERVES_OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    SERVES_LOSS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    WATCHES_SCRIPT_FIELD_NUMBER: _ClassVar[int]
    CODINGS_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
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
    process_per_lease: bool
    serves_optimizer: bool
    serves_loss: bool
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    watches_script: bool
    codings: _containers.RepeatedScalarFieldContainer[str]
    recording: Recording
    def __init__(self, protocol_version: _Optional[int] = ..., framework: _Optional[str] = ..., framework_version: _Optional[str] = ..., python_version: _Optional[str] = ..., numpy_version: _Optional[str] = ..., package_version: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., devices: _Optional[_Iterable[str]] = ..., served_model: _Optional[str] = ..., executable: _Optional[str] = ..., process_per_lease: bool = ..., serves_optimizer: bool = ..., serves_loss: bool = ..., capabilities: _Optional[_Iterable[str]] = ..., watches_script: bool = ..., codings: _Optional[_Iterable[str]] = ..., recording: _Optional[_Union[Recording, _Mapping]] = ...) -> None: ...

class Recording(_message.Message):
    __slots__ = ("made_at", "model", "steps", "settings", "left_out", "cut_short", "statistics_only")
    MADE_AT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    CUT_SHORT_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_ONLY_FIELD_NUMBER: _ClassVar[int]
    made_at: str
    model: _models_pb2.Model
    steps: int
    settings: RecordedSettings
    left_out: _containers.RepeatedScalarFieldContainer[str]
    cut_short: bool
    statistics_only: bool
    def __init__(self, made_at: _Optional[str] = ..., model: _Optional[_Union[_models_pb2.Model, _Mapping]] = ..., steps: _Optional[int] = ..., settings: _Optional[_Union[RecordedSettings, _Mapping]] = ..., left_out: _Optional[_Iterable[str]] = ..., cut_short: bool = ..., statistics_only: bool = ...) -> None: ...

class RecordedSettings(_message.Message):
    __slots__ = ("backward", "optimize", "mean_loss", "accumulate", "clip_norm", "loss_scale", "randomness", "loss_slots")
    BACKWARD_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZE_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOSS_FIELD_NUMBER: _ClassVar[int]
    ACCUMULATE_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    LOSS_SCALE_FIELD_NUMBER: _ClassVar[int]
    RANDOMNESS_FIELD_NUMBER: _ClassVar[int]
    LOSS_SLOTS_FIELD_NUMBER: _ClassVar[int]
    backward: bool
    optimize: bool
    mean_loss: bool
    accumulate: int
    clip_norm: float
    loss_scale: float
    randomness: Randomness
    loss_slots: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, backward: bool = ..., optimize: bool = ..., mean_loss: bool = ..., accumulate: _Optional[int] = ..., clip_norm: _Optional[float] = ..., loss_scale: _Optional[float] = ..., randomness: _Optional[_Union[Randomness, str]] = ..., loss_slots: _Optional[_Iterable[str]] = ...) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("worker", "state", "broken_lease", "exit_status", "was_silent")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BROKEN_LEASE_FIELD_NUMBER: _ClassVar[int]
    EXIT_STATUS_FIELD_NUMBER: _ClassVar[int]
    WAS_SILENT_FIELD_NUMBER: _ClassVar[int]
    worker: WorkerInfo
    state: WorkerState
    broken_lease: str
    exit_status: int
    was_silent: bool
    def __init__(self, worker: _Optional[_Union[WorkerInfo, _Mapping]] = ..., state: _Optional[_Union[WorkerState, str]] = ..., broken_lease: _Optional[str] = ..., exit_status: _Optional[int] = ..., was_silent: bool = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("protocol_version", "patience_seconds", "codings")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CODINGS_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    patience_seconds: float
    codings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, protocol_version: _Optional[int] = ..., patience_seconds: _Optional[float] = ..., codings: _Optional[_Iterable[str]] = ...) -> None: ...

class LeaseResponse(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class OfferArenaRequest(_message.Message):
    __slots__ = ("lease", "to_worker")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    TO_WORKER_FIELD_NUMBER: _ClassVar[int]
    lease: str
    to_worker: bool
    def __init__(self, lease: _Optional[str] = ..., to_worker: bool = ...) -> None: ...

class OfferArenaResponse(_message.Message):
    __slots__ = ("name", "size", "nonce", "refusal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    nonce: bytes
    refusal: str
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., nonce: _Optional[bytes] = ..., refusal: _Optional[str] = ...) -> None: ...

class SettleArenaRequest(_message.Message):
    __slots__ = ("lease", "mapped", "to_worker")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MAPPED_FIELD_NUMBER: _ClassVar[int]
    TO_WORKER_FIELD_NUMBER: _ClassVar[int]
    lease: str
    mapped: bool
    to_worker: bool
    def __init__(self, lease: _Optional[str] = ..., mapped: bool = ..., to_worker: bool = ...) -> None: ...

class SettleArenaResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

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
    __slots__ = ("flags", "failure", "device", "train", "code", "optimizer_made")
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_MADE_FIELD_NUMBER: _ClassVar[int]
    flags: _containers.RepeatedScalarFieldContainer[str]
    failure: _models_pb2.ModelFailure
    device: str
    train: bool
    code: str
    optimizer_made: _models_pb2.SourceLine
    def __init__(self, flags: _Optional[_Iterable[str]] = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ..., device: _Optional[str] = ..., train: bool = ..., code: _Optional[str] = ..., optimizer_made: _Optional[_Union[_models_pb2.SourceLine, _Mapping]] = ...) -> None: ...

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

class PackedBatch(_message.Message):
    __slots__ = ("args", "kwargs", "target", "args_name", "kwargs_name")
    ARGS_FIELD_NUMBER: _ClassVar[int]
    KWARGS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ARGS_NAME_FIELD_NUMBER: _ClassVar[int]
    KWARGS_NAME_FIELD_NUMBER: _ClassVar[int]
    args: _tensors_pb2.Tree
    kwargs: _tensors_pb2.Tree
    target: _tensors_pb2.Tree
    args_name: str
    kwargs_name: str
    def __init__(self, args: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., kwargs: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., target: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., args_name: _Optional[str] = ..., kwargs_name: _Optional[str] = ...) -> None: ...

class TraceRequest(_message.Message):
    __slots__ = ("start", "frame")
    START_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    start: TraceStart
    frame: _tensors_pb2.TensorFrame
    def __init__(self, start: _Optional[_Union[TraceStart, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ...) -> None: ...

class TraceStart(_message.Message):
    __slots__ = ("lease", "batch", "randomness", "repeat", "batch_from_loader")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    RANDOMNESS_FIELD_NUMBER: _ClassVar[int]
    REPEAT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FROM_LOADER_FIELD_NUMBER: _ClassVar[int]
    lease: str
    batch: PackedBatch
    randomness: Randomness
    repeat: bool
    batch_from_loader: bool
    def __init__(self, lease: _Optional[str] = ..., batch: _Optional[_Union[PackedBatch, _Mapping]] = ..., randomness: _Optional[_Union[Randomness, str]] = ..., repeat: bool = ..., batch_from_loader: bool = ...) -> None: ...

class TraceResponse(_message.Message):
    __slots__ = ("calls", "failure", "random_operations", "noise", "marks", "changed_parameters")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    RANDOM_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[_models_pb2.CallEvent]
    failure: _models_pb2.ModelFailure
    random_operations: _containers.RepeatedCompositeFieldContainer[_models_pb2.RandomOperation]
    noise: RunToRunNoise
    marks: _containers.RepeatedScalarFieldContainer[str]
    changed_parameters: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, calls: _Optional[_Iterable[_Union[_models_pb2.CallEvent, _Mapping]]] = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ..., random_operations: _Optional[_Iterable[_Union[_models_pb2.RandomOperation, _Mapping]]] = ..., noise: _Optional[_Union[RunToRunNoise, _Mapping]] = ..., marks: _Optional[_Iterable[str]] = ..., changed_parameters: _Optional[_Iterable[str]] = ...) -> None: ...

class RunToRunNoise(_message.Message):
    __slots__ = ("side", "relative_l2", "path", "call", "differs")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_L2_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    DIFFERS_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    relative_l2: float
    path: str
    call: int
    differs: bool
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., relative_l2: _Optional[float] = ..., path: _Optional[str] = ..., call: _Optional[int] = ..., differs: bool = ...) -> None: ...

class KeepStateRequest(_message.Message):
    __slots__ = ("lease", "optimizer", "before_step", "spares_parameters", "changing_parameters")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_STEP_FIELD_NUMBER: _ClassVar[int]
    SPARES_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    CHANGING_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    lease: str
    optimizer: bool
    before_step: int
    spares_parameters: bool
    changing_parameters: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lease: _Optional[str] = ..., optimizer: bool = ..., before_step: _Optional[int] = ..., spares_parameters: bool = ..., changing_parameters: _Optional[_Iterable[str]] = ...) -> None: ...

class KeepStateResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestoreStateRequest(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class RestoreStateResponse(_message.Message):
    __slots__ = ("lost_parameters",)
    LOST_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    lost_parameters: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lost_parameters: _Optional[_Iterable[str]] = ...) -> None: ...

class DescribeOptimizerRequest(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class OptimizerGroup(_message.Message):
    __slots__ = ("parameters", "settings")
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    parameters: _containers.RepeatedScalarFieldContainer[str]
    settings: _tensors_pb2.Tree
    def __init__(self, parameters: _Optional[_Iterable[str]] = ..., settings: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ...) -> None: ...

class DescribeOptimizerResponse(_message.Message):
    __slots__ = ("class_name", "groups", "conventions", "state")
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    CONVENTIONS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    class_name: str
    groups: _containers.RepeatedCompositeFieldContainer[OptimizerGroup]
    conventions: _tensors_pb2.Tree
    state: _containers.RepeatedCompositeFieldContainer[OptimizerEntry]
    def __init__(self, class_name: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[OptimizerGroup, _Mapping]]] = ..., conventions: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., state: _Optional[_Iterable[_Union[OptimizerEntry, _Mapping]]] = ...) -> None: ...

class ReadOptimizerStateRequest(_message.Message):
    __slots__ = ("lease", "entries")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    lease: str
    entries: _containers.RepeatedCompositeFieldContainer[OptimizerEntry]
    def __init__(self, lease: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[OptimizerEntry, _Mapping]]] = ...) -> None: ...

class OptimizerEntry(_message.Message):
    __slots__ = ("parameter", "state")
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    parameter: str
    state: str
    def __init__(self, parameter: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class ReadOptimizerStateResponse(_message.Message):
    __slots__ = ("entry", "frame")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    entry: OptimizerEntry
    frame: _tensors_pb2.TensorFrame
    def __init__(self, entry: _Optional[_Union[OptimizerEntry, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ...) -> None: ...

class WriteOptimizerStateRequest(_message.Message):
    __slots__ = ("lease", "entry", "frame")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    lease: str
    entry: OptimizerEntry
    frame: _tensors_pb2.TensorFrame
    def __init__(self, lease: _Optional[str] = ..., entry: _Optional[_Union[OptimizerEntry, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ...) -> None: ...

class WriteOptimizerStateResponse(_message.Message):
    __slots__ = ("written",)
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    written: int
    def __init__(self, written: _Optional[int] = ...) -> None: ...

class ReadFloorsRequest(_message.Message):
    __slots__ = ("lease", "step")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    lease: str
    step: int
    def __init__(self, lease: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class ReadFloorsResponse(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...

class ReadBatchRequest(_message.Message):
    __slots__ = ("lease", "index", "keep_there")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KEEP_THERE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    index: int
    keep_there: bool
    def __init__(self, lease: _Optional[str] = ..., index: _Optional[int] = ..., keep_there: bool = ...) -> None: ...

class ReadBatchResponse(_message.Message):
    __slots__ = ("batch", "frame", "exhausted", "failure")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    batch: PackedBatch
    frame: _tensors_pb2.TensorFrame
    exhausted: bool
    failure: _models_pb2.ModelFailure
    def __init__(self, batch: _Optional[_Union[PackedBatch, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., exhausted: bool = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ...) -> None: ...

class ReadWeightsRequest(_message.Message):
    __slots__ = ("lease", "names", "checksums_only", "digests_only")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    CHECKSUMS_ONLY_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_ONLY_FIELD_NUMBER: _ClassVar[int]
    lease: str
    names: _containers.RepeatedScalarFieldContainer[str]
    checksums_only: bool
    digests_only: bool
    def __init__(self, lease: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., checksums_only: bool = ..., digests_only: bool = ...) -> None: ...

class ReadWeightsResponse(_message.Message):
    __slots__ = ("frames", "checksums", "digests")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    CHECKSUMS_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[_tensors_pb2.TensorFrame]
    checksums: _containers.RepeatedScalarFieldContainer[int]
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, frames: _Optional[_Iterable[_Union[_tensors_pb2.TensorFrame, _Mapping]]] = ..., checksums: _Optional[_Iterable[int]] = ..., digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class WriteWeightsRequest(_message.Message):
    __slots__ = ("lease", "frame", "frames")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    lease: str
    frame: _tensors_pb2.TensorFrame
    frames: _containers.RepeatedCompositeFieldContainer[_tensors_pb2.TensorFrame]
    def __init__(self, lease: _Optional[str] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., frames: _Optional[_Iterable[_Union[_tensors_pb2.TensorFrame, _Mapping]]] = ...) -> None: ...

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
    __slots__ = ("moment", "path", "call", "slot", "tensor", "pushed", "keeps_value", "keeps_gradient", "own_gradient", "parameter", "lengths", "time_first")
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    PUSHED_FIELD_NUMBER: _ClassVar[int]
    KEEPS_VALUE_FIELD_NUMBER: _ClassVar[int]
    KEEPS_GRADIENT_FIELD_NUMBER: _ClassVar[int]
    OWN_GRADIENT_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIRST_FIELD_NUMBER: _ClassVar[int]
    moment: _models_pb2.CallMoment
    path: str
    call: int
    slot: str
    tensor: int
    pushed: bool
    keeps_value: bool
    keeps_gradient: bool
    own_gradient: bool
    parameter: bool
    lengths: _containers.RepeatedScalarFieldContainer[int]
    time_first: bool
    def __init__(self, moment: _Optional[_Union[_models_pb2.CallMoment, str]] = ..., path: _Optional[str] = ..., call: _Optional[int] = ..., slot: _Optional[str] = ..., tensor: _Optional[int] = ..., pushed: bool = ..., keeps_value: bool = ..., keeps_gradient: bool = ..., own_gradient: bool = ..., parameter: bool = ..., lengths: _Optional[_Iterable[int]] = ..., time_first: bool = ...) -> None: ...

class CallInput(_message.Message):
    __slots__ = ("path", "call", "slot")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    path: str
    call: int
    slot: str
    def __init__(self, path: _Optional[str] = ..., call: _Optional[int] = ..., slot: _Optional[str] = ...) -> None: ...

class NotOverridden(_message.Message):
    __slots__ = ("ticket", "reason")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ticket: OverrideTicket
    reason: _reasons_pb2.Reason
    def __init__(self, ticket: _Optional[_Union[OverrideTicket, _Mapping]] = ..., reason: _Optional[_Union[_reasons_pb2.Reason, _Mapping]] = ...) -> None: ...

class WeightNoise(_message.Message):
    __slots__ = ("name", "rms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    rms: float
    def __init__(self, name: _Optional[str] = ..., rms: _Optional[float] = ...) -> None: ...

class StepNoise(_message.Message):
    __slots__ = ("relative", "weights", "draw")
    RELATIVE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    relative: float
    weights: _containers.RepeatedCompositeFieldContainer[WeightNoise]
    draw: int
    def __init__(self, relative: _Optional[float] = ..., weights: _Optional[_Iterable[_Union[WeightNoise, _Mapping]]] = ..., draw: _Optional[int] = ...) -> None: ...

class StepStart(_message.Message):
    __slots__ = ("lease", "step", "batch", "pass_kind", "backward", "optimize", "mean_loss", "skip_paths", "overrides", "override_gradients", "loss_slots", "randomness", "random_seed", "random_pairs", "loss_divisor", "keep_gradients_before", "keep_gradients_after", "loss_scale", "clip_norm", "batch_from_loader", "own_gradients", "in_float64", "again", "noise", "functions", "only_captures", "sketching", "alone")
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
    RANDOMNESS_FIELD_NUMBER: _ClassVar[int]
    RANDOM_SEED_FIELD_NUMBER: _ClassVar[int]
    RANDOM_PAIRS_FIELD_NUMBER: _ClassVar[int]
    LOSS_DIVISOR_FIELD_NUMBER: _ClassVar[int]
    KEEP_GRADIENTS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    KEEP_GRADIENTS_AFTER_FIELD_NUMBER: _ClassVar[int]
    LOSS_SCALE_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    BATCH_FROM_LOADER_FIELD_NUMBER: _ClassVar[int]
    OWN_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    IN_FLOAT64_FIELD_NUMBER: _ClassVar[int]
    AGAIN_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    ONLY_CAPTURES_FIELD_NUMBER: _ClassVar[int]
    SKETCHING_FIELD_NUMBER: _ClassVar[int]
    ALONE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    step: int
    batch: PackedBatch
    pass_kind: Pass
    backward: bool
    optimize: bool
    mean_loss: bool
    skip_paths: _containers.RepeatedScalarFieldContainer[str]
    overrides: _containers.RepeatedCompositeFieldContainer[OverridePlace]
    override_gradients: bool
    loss_slots: _containers.RepeatedScalarFieldContainer[str]
    randomness: Randomness
    random_seed: int
    random_pairs: _containers.RepeatedCompositeFieldContainer[RandomPair]
    loss_divisor: int
    keep_gradients_before: bool
    keep_gradients_after: bool
    loss_scale: float
    clip_norm: float
    batch_from_loader: bool
    own_gradients: _containers.RepeatedCompositeFieldContainer[CallInput]
    in_float64: bool
    again: bool
    noise: StepNoise
    functions: _containers.RepeatedCompositeFieldContainer[_functions_pb2.FunctionSelection]
    only_captures: _containers.RepeatedCompositeFieldContainer[CaptureId]
    sketching: Sketching
    alone: bool
    def __init__(self, lease: _Optional[str] = ..., step: _Optional[int] = ..., batch: _Optional[_Union[PackedBatch, _Mapping]] = ..., pass_kind: _Optional[_Union[Pass, str]] = ..., backward: bool = ..., optimize: bool = ..., mean_loss: bool = ..., skip_paths: _Optional[_Iterable[str]] = ..., overrides: _Optional[_Iterable[_Union[OverridePlace, _Mapping]]] = ..., override_gradients: bool = ..., loss_slots: _Optional[_Iterable[str]] = ..., randomness: _Optional[_Union[Randomness, str]] = ..., random_seed: _Optional[int] = ..., random_pairs: _Optional[_Iterable[_Union[RandomPair, _Mapping]]] = ..., loss_divisor: _Optional[int] = ..., keep_gradients_before: bool = ..., keep_gradients_after: bool = ..., loss_scale: _Optional[float] = ..., clip_norm: _Optional[float] = ..., batch_from_loader: bool = ..., own_gradients: _Optional[_Iterable[_Union[CallInput, _Mapping]]] = ..., in_float64: bool = ..., again: bool = ..., noise: _Optional[_Union[StepNoise, _Mapping]] = ..., functions: _Optional[_Iterable[_Union[_functions_pb2.FunctionSelection, _Mapping]]] = ..., only_captures: _Optional[_Iterable[_Union[CaptureId, _Mapping]]] = ..., sketching: _Optional[_Union[Sketching, _Mapping]] = ..., alone: bool = ...) -> None: ...

class Sketching(_message.Message):
    __slots__ = ("whole", "transposed")
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    TRANSPOSED_FIELD_NUMBER: _ClassVar[int]
    whole: _containers.RepeatedCompositeFieldContainer[CaptureId]
    transposed: _containers.RepeatedCompositeFieldContainer[CaptureId]
    def __init__(self, whole: _Optional[_Iterable[_Union[CaptureId, _Mapping]]] = ..., transposed: _Optional[_Iterable[_Union[CaptureId, _Mapping]]] = ...) -> None: ...

class RandomPair(_message.Message):
    __slots__ = ("path", "pair")
    PATH_FIELD_NUMBER: _ClassVar[int]
    PAIR_FIELD_NUMBER: _ClassVar[int]
    path: str
    pair: int
    def __init__(self, path: _Optional[str] = ..., pair: _Optional[int] = ...) -> None: ...

class RunStepResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[StepEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[StepEvent, _Mapping]]] = ...) -> None: ...

class StepEvent(_message.Message):
    __slots__ = ("call", "capture", "chunk", "phase", "failure", "summary", "wanted", "credit", "not_overridden", "function_trace")
    CALL_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    NOT_OVERRIDDEN_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_TRACE_FIELD_NUMBER: _ClassVar[int]
    call: _models_pb2.CallEvent
    capture: CaptureHeader
    chunk: _tensors_pb2.TensorChunk
    phase: _models_pb2.Phase
    failure: _models_pb2.ModelFailure
    summary: StepSummary
    wanted: OverrideTicket
    credit: int
    not_overridden: NotOverridden
    function_trace: _functions_pb2.FunctionTrace
    def __init__(self, call: _Optional[_Union[_models_pb2.CallEvent, _Mapping]] = ..., capture: _Optional[_Union[CaptureHeader, _Mapping]] = ..., chunk: _Optional[_Union[_tensors_pb2.TensorChunk, _Mapping]] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., failure: _Optional[_Union[_models_pb2.ModelFailure, _Mapping]] = ..., summary: _Optional[_Union[StepSummary, _Mapping]] = ..., wanted: _Optional[_Union[OverrideTicket, _Mapping]] = ..., credit: _Optional[int] = ..., not_overridden: _Optional[_Union[NotOverridden, _Mapping]] = ..., function_trace: _Optional[_Union[_functions_pb2.FunctionTrace, _Mapping]] = ...) -> None: ...

class CaptureId(_message.Message):
    __slots__ = ("side", "step", "pass_kind", "path", "call", "slot", "kind")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PASS_KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    step: int
    pass_kind: Pass
    path: str
    call: int
    slot: str
    kind: CaptureKind
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., step: _Optional[int] = ..., pass_kind: _Optional[_Union[Pass, str]] = ..., path: _Optional[str] = ..., call: _Optional[int] = ..., slot: _Optional[str] = ..., kind: _Optional[_Union[CaptureKind, str]] = ...) -> None: ...

class CaptureHeader(_message.Message):
    __slots__ = ("id", "header", "gradient_of", "sketch_of", "statistics", "is_transposed")
    ID_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_OF_FIELD_NUMBER: _ClassVar[int]
    SKETCH_OF_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    IS_TRANSPOSED_FIELD_NUMBER: _ClassVar[int]
    id: CaptureId
    header: _tensors_pb2.TensorHeader
    gradient_of: int
    sketch_of: _tensors_pb2.TensorSpec
    statistics: TensorStatistics
    is_transposed: bool
    def __init__(self, id: _Optional[_Union[CaptureId, _Mapping]] = ..., header: _Optional[_Union[_tensors_pb2.TensorHeader, _Mapping]] = ..., gradient_of: _Optional[int] = ..., sketch_of: _Optional[_Union[_tensors_pb2.TensorSpec, _Mapping]] = ..., statistics: _Optional[_Union[TensorStatistics, _Mapping]] = ..., is_transposed: bool = ...) -> None: ...

class TensorStatistics(_message.Message):
    __slots__ = ("minimum", "maximum", "mean", "nans", "positive_infinities", "negative_infinities")
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    NANS_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_INFINITIES_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_INFINITIES_FIELD_NUMBER: _ClassVar[int]
    minimum: float
    maximum: float
    mean: float
    nans: int
    positive_infinities: int
    negative_infinities: int
    def __init__(self, minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., mean: _Optional[float] = ..., nans: _Optional[int] = ..., positive_infinities: _Optional[int] = ..., negative_infinities: _Optional[int] = ...) -> None: ...

class Sending(_message.Message):
    __slots__ = ("side", "to_worker", "tensor_bytes", "sent_bytes", "bytes_per_second", "can_compress")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    TO_WORKER_FIELD_NUMBER: _ClassVar[int]
    TENSOR_BYTES_FIELD_NUMBER: _ClassVar[int]
    SENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    CAN_COMPRESS_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    to_worker: bool
    tensor_bytes: int
    sent_bytes: int
    bytes_per_second: float
    can_compress: bool
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., to_worker: bool = ..., tensor_bytes: _Optional[int] = ..., sent_bytes: _Optional[int] = ..., bytes_per_second: _Optional[float] = ..., can_compress: bool = ...) -> None: ...

class StepSummary(_message.Message):
    __slots__ = ("seconds", "calls", "replays", "has_gradients", "no_backward", "random_operations", "lacks_backward", "peak_bytes", "sending")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    REPLAYS_FIELD_NUMBER: _ClassVar[int]
    HAS_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    NO_BACKWARD_FIELD_NUMBER: _ClassVar[int]
    RANDOM_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    LACKS_BACKWARD_FIELD_NUMBER: _ClassVar[int]
    PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    SENDING_FIELD_NUMBER: _ClassVar[int]
    seconds: _containers.RepeatedCompositeFieldContainer[PhaseSeconds]
    calls: int
    replays: int
    has_gradients: bool
    no_backward: _reasons_pb2.Reason
    random_operations: _containers.RepeatedCompositeFieldContainer[_models_pb2.RandomOperation]
    lacks_backward: bool
    peak_bytes: int
    sending: Sending
    def __init__(self, seconds: _Optional[_Iterable[_Union[PhaseSeconds, _Mapping]]] = ..., calls: _Optional[int] = ..., replays: _Optional[int] = ..., has_gradients: bool = ..., no_backward: _Optional[_Union[_reasons_pb2.Reason, _Mapping]] = ..., random_operations: _Optional[_Iterable[_Union[_models_pb2.RandomOperation, _Mapping]]] = ..., lacks_backward: bool = ..., peak_bytes: _Optional[int] = ..., sending: _Optional[_Union[Sending, _Mapping]] = ...) -> None: ...

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

class GetActivityRequest(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class GetActivityResponse(_message.Message):
    __slots__ = ("activity",)
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    activity: Activity
    def __init__(self, activity: _Optional[_Union[Activity, _Mapping]] = ...) -> None: ...

class Activity(_message.Message):
    __slots__ = ("still_seconds", "idle", "call", "stack")
    STILL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    IDLE_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    still_seconds: float
    idle: bool
    call: LayerCall
    stack: _containers.RepeatedCompositeFieldContainer[_models_pb2.SourceLine]
    def __init__(self, still_seconds: _Optional[float] = ..., idle: bool = ..., call: _Optional[_Union[LayerCall, _Mapping]] = ..., stack: _Optional[_Iterable[_Union[_models_pb2.SourceLine, _Mapping]]] = ...) -> None: ...

class LayerCall(_message.Message):
    __slots__ = ("path", "call")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    path: str
    call: int
    def __init__(self, path: _Optional[str] = ..., call: _Optional[int] = ...) -> None: ...
