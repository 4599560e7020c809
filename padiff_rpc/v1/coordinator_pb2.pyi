from padiff_rpc.v1 import models_pb2 as _models_pb2
from padiff_rpc.v1 import report_pb2 as _report_pb2
from padiff_rpc.v1 import reasons_pb2 as _reasons_pb2
from padiff_rpc.v1 import recording_pb2 as _recording_pb2
from padiff_rpc.v1 import records_pb2 as _records_pb2
from padiff_rpc.v1 import tensors_pb2 as _tensors_pb2
from padiff_rpc.v1 import worker_pb2 as _worker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DiffPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIFF_PHASE_UNSPECIFIED: _ClassVar[DiffPhase]
    DIFF_PHASE_BOTH: _ClassVar[DiffPhase]
    DIFF_PHASE_FORWARD: _ClassVar[DiffPhase]
    DIFF_PHASE_BACKWARD: _ClassVar[DiffPhase]

class CompareMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPARE_MODE_UNSPECIFIED: _ClassVar[CompareMode]
    COMPARE_MODE_STRICT: _ClassVar[CompareMode]
    COMPARE_MODE_MEAN: _ClassVar[CompareMode]

class TraceMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRACE_MODE_UNSPECIFIED: _ClassVar[TraceMode]
    TRACE_MODE_BEFORE: _ClassVar[TraceMode]
    TRACE_MODE_FIRST_STEP: _ClassVar[TraceMode]

class DefaultLoss(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEFAULT_LOSS_UNSPECIFIED: _ClassVar[DefaultLoss]
    DEFAULT_LOSS_PROJECTION: _ClassVar[DefaultLoss]
    DEFAULT_LOSS_MEAN: _ClassVar[DefaultLoss]

class Detail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DETAIL_UNSPECIFIED: _ClassVar[Detail]
    DETAIL_AUTO: _ClassVar[Detail]
    DETAIL_LAYERS: _ClassVar[Detail]
    DETAIL_FUNCTIONS: _ClassVar[Detail]

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEVEL_UNSPECIFIED: _ClassVar[Level]
    LEVEL_FULL: _ClassVar[Level]
    LEVEL_STATS: _ClassVar[Level]

class Floor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FLOOR_UNSPECIFIED: _ClassVar[Floor]
    FLOOR_AUTO: _ClassVar[Floor]
    FLOOR_TABLE: _ClassVar[Floor]
    FLOOR_MEASURED: _ClassVar[Floor]

class KeptTensors(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEPT_TENSORS_UNSPECIFIED: _ClassVar[KeptTensors]
    KEPT_TENSORS_NONE: _ClassVar[KeptTensors]
    KEPT_TENSORS_FAILING: _ClassVar[KeptTensors]
    KEPT_TENSORS_ALL: _ClassVar[KeptTensors]
DIFF_PHASE_UNSPECIFIED: DiffPhase
DIFF_PHASE_BOTH: DiffPhase
DIFF_PHASE_FORWARD: DiffPhase
DIFF_PHASE_BACKWARD: DiffPhase
COMPARE_MODE_UNSPECIFIED: CompareMode
COMPARE_MODE_STRICT: CompareMode
COMPARE_MODE_MEAN: CompareMode
TRACE_MODE_UNSPECIFIED: TraceMode
TRACE_MODE_BEFORE: TraceMode
TRACE_MODE_FIRST_STEP: TraceMode
DEFAULT_LOSS_UNSPECIFIED: DefaultLoss
DEFAULT_LOSS_PROJECTION: DefaultLoss
DEFAULT_LOSS_MEAN: DefaultLoss
DETAIL_UNSPECIFIED: Detail
DETAIL_AUTO: Detail
DETAIL_LAYERS: Detail
DETAIL_FUNCTIONS: Detail
LEVEL_UNSPECIFIED: Level
LEVEL_FULL: Level
LEVEL_STATS: Level
FLOOR_UNSPECIFIED: Floor
FLOOR_AUTO: Floor
FLOOR_TABLE: Floor
FLOOR_MEASURED: Floor
KEPT_TENSORS_UNSPECIFIED: KeptTensors
KEPT_TENSORS_NONE: KeptTensors
KEPT_TENSORS_FAILING: KeptTensors
KEPT_TENSORS_ALL: KeptTensors

class GetCoordinatorInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCoordinatorInfoResponse(_message.Message):
    __slots__ = ("protocol_version", "package_version", "python_version", "memory_limit_bytes")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_VERSION_FIELD_NUMBER: _ClassVar[int]
    PYTHON_VERSION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    package_version: str
    python_version: str
    memory_limit_bytes: int
    def __init__(self, protocol_version: _Optional[int] = ..., package_version: _Optional[str] = ..., python_version: _Optional[str] = ..., memory_limit_bytes: _Optional[int] = ...) -> None: ...

class Tls(_message.Message):
    __slots__ = ("ca", "certificate", "key")
    CA_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ca: bytes
    certificate: bytes
    key: bytes
    def __init__(self, ca: _Optional[bytes] = ..., certificate: _Optional[bytes] = ..., key: _Optional[bytes] = ...) -> None: ...

class WorkerAddress(_message.Message):
    __slots__ = ("address", "token", "tls", "name", "labels", "insecure")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    INSECURE_FIELD_NUMBER: _ClassVar[int]
    address: str
    token: str
    tls: Tls
    name: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    insecure: bool
    def __init__(self, address: _Optional[str] = ..., token: _Optional[str] = ..., tls: _Optional[_Union[Tls, _Mapping]] = ..., name: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., insecure: bool = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Party(_message.Message):
    __slots__ = ("model", "worker")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    model: _models_pb2.Model
    worker: WorkerAddress
    def __init__(self, model: _Optional[_Union[_models_pb2.Model, _Mapping]] = ..., worker: _Optional[_Union[WorkerAddress, _Mapping]] = ...) -> None: ...

class Options(_message.Message):
    __slots__ = ("atol", "rtol", "diff_phase", "compare_mode", "single_step", "trace", "loss", "check_dtype", "deterministic", "threads", "local_error", "randomness", "preflight", "keep_going", "accumulate", "clip_norm", "loss_scale", "floor", "oracle", "detail", "timeout", "include", "exclude", "transport", "level")
    ATOL_FIELD_NUMBER: _ClassVar[int]
    RTOL_FIELD_NUMBER: _ClassVar[int]
    DIFF_PHASE_FIELD_NUMBER: _ClassVar[int]
    COMPARE_MODE_FIELD_NUMBER: _ClassVar[int]
    SINGLE_STEP_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    CHECK_DTYPE_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_ERROR_FIELD_NUMBER: _ClassVar[int]
    RANDOMNESS_FIELD_NUMBER: _ClassVar[int]
    PREFLIGHT_FIELD_NUMBER: _ClassVar[int]
    KEEP_GOING_FIELD_NUMBER: _ClassVar[int]
    ACCUMULATE_FIELD_NUMBER: _ClassVar[int]
    CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    LOSS_SCALE_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    ORACLE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    atol: float
    rtol: float
    diff_phase: DiffPhase
    compare_mode: CompareMode
    single_step: bool
    trace: TraceMode
    loss: DefaultLoss
    check_dtype: bool
    deterministic: bool
    threads: int
    local_error: bool
    randomness: _worker_pb2.Randomness
    preflight: bool
    keep_going: bool
    accumulate: int
    clip_norm: float
    loss_scale: float
    floor: Floor
    oracle: bool
    detail: Detail
    timeout: float
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    transport: _models_pb2.Transport
    level: Level
    def __init__(self, atol: _Optional[float] = ..., rtol: _Optional[float] = ..., diff_phase: _Optional[_Union[DiffPhase, str]] = ..., compare_mode: _Optional[_Union[CompareMode, str]] = ..., single_step: bool = ..., trace: _Optional[_Union[TraceMode, str]] = ..., loss: _Optional[_Union[DefaultLoss, str]] = ..., check_dtype: bool = ..., deterministic: bool = ..., threads: _Optional[int] = ..., local_error: bool = ..., randomness: _Optional[_Union[_worker_pb2.Randomness, str]] = ..., preflight: bool = ..., keep_going: bool = ..., accumulate: _Optional[int] = ..., clip_norm: _Optional[float] = ..., loss_scale: _Optional[float] = ..., floor: _Optional[_Union[Floor, str]] = ..., oracle: bool = ..., detail: _Optional[_Union[Detail, str]] = ..., timeout: _Optional[float] = ..., include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., transport: _Optional[_Union[_models_pb2.Transport, str]] = ..., level: _Optional[_Union[Level, str]] = ...) -> None: ...

class LayerPair(_message.Message):
    __slots__ = ("reference", "candidate", "special_init", "compare_inside")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_INIT_FIELD_NUMBER: _ClassVar[int]
    COMPARE_INSIDE_FIELD_NUMBER: _ClassVar[int]
    reference: str
    candidate: str
    special_init: str
    compare_inside: bool
    def __init__(self, reference: _Optional[str] = ..., candidate: _Optional[str] = ..., special_init: _Optional[str] = ..., compare_inside: bool = ...) -> None: ...

class IgnoredLayers(_message.Message):
    __slots__ = ("reference", "candidate")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    reference: _containers.RepeatedScalarFieldContainer[str]
    candidate: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, reference: _Optional[_Iterable[str]] = ..., candidate: _Optional[_Iterable[str]] = ...) -> None: ...

class StatedPairing(_message.Message):
    __slots__ = ("pairs", "ignored", "ignored_recursively", "ignored_classes", "unpaired")
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELD_NUMBER: _ClassVar[int]
    IGNORED_RECURSIVELY_FIELD_NUMBER: _ClassVar[int]
    IGNORED_CLASSES_FIELD_NUMBER: _ClassVar[int]
    UNPAIRED_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[LayerPair]
    ignored: IgnoredLayers
    ignored_recursively: IgnoredLayers
    ignored_classes: IgnoredLayers
    unpaired: IgnoredLayers
    def __init__(self, pairs: _Optional[_Iterable[_Union[LayerPair, _Mapping]]] = ..., ignored: _Optional[_Union[IgnoredLayers, _Mapping]] = ..., ignored_recursively: _Optional[_Union[IgnoredLayers, _Mapping]] = ..., ignored_classes: _Optional[_Union[IgnoredLayers, _Mapping]] = ..., unpaired: _Optional[_Union[IgnoredLayers, _Mapping]] = ...) -> None: ...

class CompareRequest(_message.Message):
    __slots__ = ("start", "batch", "frame", "batch_end", "batch_failure")
    START_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    BATCH_END_FIELD_NUMBER: _ClassVar[int]
    BATCH_FAILURE_FIELD_NUMBER: _ClassVar[int]
    start: CompareStart
    batch: SendBatch
    frame: _tensors_pb2.TensorFrame
    batch_end: BatchEnd
    batch_failure: BatchFailure
    def __init__(self, start: _Optional[_Union[CompareStart, _Mapping]] = ..., batch: _Optional[_Union[SendBatch, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., batch_end: _Optional[_Union[BatchEnd, _Mapping]] = ..., batch_failure: _Optional[_Union[BatchFailure, _Mapping]] = ...) -> None: ...

class CompareStart(_message.Message):
    __slots__ = ("protocol_version", "candidate", "reference", "options", "layer_map", "steps", "auto_weights", "keep", "keep_mib", "tell_so_far", "detached", "recorded_batches")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    LAYER_MAP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    AUTO_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    KEEP_MIB_FIELD_NUMBER: _ClassVar[int]
    TELL_SO_FAR_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    RECORDED_BATCHES_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    candidate: Party
    reference: Party
    options: Options
    layer_map: StatedPairing
    steps: int
    auto_weights: bool
    keep: KeptTensors
    keep_mib: int
    tell_so_far: bool
    detached: bool
    recorded_batches: bool
    def __init__(self, protocol_version: _Optional[int] = ..., candidate: _Optional[_Union[Party, _Mapping]] = ..., reference: _Optional[_Union[Party, _Mapping]] = ..., options: _Optional[_Union[Options, _Mapping]] = ..., layer_map: _Optional[_Union[StatedPairing, _Mapping]] = ..., steps: _Optional[int] = ..., auto_weights: bool = ..., keep: _Optional[_Union[KeptTensors, str]] = ..., keep_mib: _Optional[int] = ..., tell_so_far: bool = ..., detached: bool = ..., recorded_batches: bool = ...) -> None: ...

class SendBatch(_message.Message):
    __slots__ = ("step", "candidate", "reference")
    STEP_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    step: int
    candidate: _worker_pb2.PackedBatch
    reference: _worker_pb2.PackedBatch
    def __init__(self, step: _Optional[int] = ..., candidate: _Optional[_Union[_worker_pb2.PackedBatch, _Mapping]] = ..., reference: _Optional[_Union[_worker_pb2.PackedBatch, _Mapping]] = ...) -> None: ...

class BatchEnd(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BatchFailure(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("session", "phase", "step", "text", "steps", "sides")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SIDES_FIELD_NUMBER: _ClassVar[int]
    session: str
    phase: _models_pb2.Phase
    step: int
    text: str
    steps: int
    sides: _containers.RepeatedCompositeFieldContainer[SideProgress]
    def __init__(self, session: _Optional[str] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., step: _Optional[int] = ..., text: _Optional[str] = ..., steps: _Optional[int] = ..., sides: _Optional[_Iterable[_Union[SideProgress, _Mapping]]] = ...) -> None: ...

class SideProgress(_message.Message):
    __slots__ = ("side", "calls_done", "calls_known", "bytes")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    CALLS_DONE_FIELD_NUMBER: _ClassVar[int]
    CALLS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    calls_done: int
    calls_known: int
    bytes: int
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., calls_done: _Optional[int] = ..., calls_known: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ReportPart(_message.Message):
    __slots__ = ("progress", "batch_wanted", "rows", "summary", "so_far", "frame", "kept", "recorded")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    BATCH_WANTED_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SO_FAR_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    batch_wanted: BatchWanted
    rows: RowPage
    summary: _report_pb2.ReportSummary
    so_far: ReportSoFar
    frame: _tensors_pb2.TensorFrame
    kept: KeptPair
    recorded: _recording_pb2.RecordedPart
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., batch_wanted: _Optional[_Union[BatchWanted, _Mapping]] = ..., rows: _Optional[_Union[RowPage, _Mapping]] = ..., summary: _Optional[_Union[_report_pb2.ReportSummary, _Mapping]] = ..., so_far: _Optional[_Union[ReportSoFar, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., kept: _Optional[_Union[KeptPair, _Mapping]] = ..., recorded: _Optional[_Union[_recording_pb2.RecordedPart, _Mapping]] = ...) -> None: ...

class KeptPair(_message.Message):
    __slots__ = ("row", "reference", "candidate")
    ROW_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    row: int
    reference: int
    candidate: int
    def __init__(self, row: _Optional[int] = ..., reference: _Optional[int] = ..., candidate: _Optional[int] = ...) -> None: ...

class ReportSoFar(_message.Message):
    __slots__ = ("summary", "anew")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    ANEW_FIELD_NUMBER: _ClassVar[int]
    summary: _report_pb2.ReportSummary
    anew: bool
    def __init__(self, summary: _Optional[_Union[_report_pb2.ReportSummary, _Mapping]] = ..., anew: bool = ...) -> None: ...

class BatchWanted(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: int
    def __init__(self, step: _Optional[int] = ...) -> None: ...

class RowPage(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[_report_pb2.Row]
    def __init__(self, rows: _Optional[_Iterable[_Union[_report_pb2.Row, _Mapping]]] = ...) -> None: ...

class RecordRequest(_message.Message):
    __slots__ = ("start", "batch", "frame", "batch_end", "batch_failure")
    START_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    BATCH_END_FIELD_NUMBER: _ClassVar[int]
    BATCH_FAILURE_FIELD_NUMBER: _ClassVar[int]
    start: RecordStart
    batch: SendBatch
    frame: _tensors_pb2.TensorFrame
    batch_end: BatchEnd
    batch_failure: BatchFailure
    def __init__(self, start: _Optional[_Union[RecordStart, _Mapping]] = ..., batch: _Optional[_Union[SendBatch, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., batch_end: _Optional[_Union[BatchEnd, _Mapping]] = ..., batch_failure: _Optional[_Union[BatchFailure, _Mapping]] = ...) -> None: ...

class RecordStart(_message.Message):
    __slots__ = ("protocol_version", "reference", "options", "steps", "selection")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    reference: Party
    options: Options
    steps: int
    selection: Selection
    def __init__(self, protocol_version: _Optional[int] = ..., reference: _Optional[_Union[Party, _Mapping]] = ..., options: _Optional[_Union[Options, _Mapping]] = ..., steps: _Optional[int] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("include", "exclude", "max_depth", "floors", "functions", "statistics_only")
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    MAX_DEPTH_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_ONLY_FIELD_NUMBER: _ClassVar[int]
    include: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    max_depth: int
    floors: bool
    functions: bool
    statistics_only: bool
    def __init__(self, include: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ..., max_depth: _Optional[int] = ..., floors: bool = ..., functions: bool = ..., statistics_only: bool = ...) -> None: ...

class AssignWeightsRequest(_message.Message):
    __slots__ = ("protocol_version", "candidate", "reference", "layer_map", "save", "options")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LAYER_MAP_FIELD_NUMBER: _ClassVar[int]
    SAVE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    candidate: Party
    reference: Party
    layer_map: StatedPairing
    save: str
    options: Options
    def __init__(self, protocol_version: _Optional[int] = ..., candidate: _Optional[_Union[Party, _Mapping]] = ..., reference: _Optional[_Union[Party, _Mapping]] = ..., layer_map: _Optional[_Union[StatedPairing, _Mapping]] = ..., save: _Optional[str] = ..., options: _Optional[_Union[Options, _Mapping]] = ...) -> None: ...

class PlanRequest(_message.Message):
    __slots__ = ("start", "batch", "frame", "batch_end", "batch_failure")
    START_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    BATCH_END_FIELD_NUMBER: _ClassVar[int]
    BATCH_FAILURE_FIELD_NUMBER: _ClassVar[int]
    start: PlanStart
    batch: SendBatch
    frame: _tensors_pb2.TensorFrame
    batch_end: BatchEnd
    batch_failure: BatchFailure
    def __init__(self, start: _Optional[_Union[PlanStart, _Mapping]] = ..., batch: _Optional[_Union[SendBatch, _Mapping]] = ..., frame: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., batch_end: _Optional[_Union[BatchEnd, _Mapping]] = ..., batch_failure: _Optional[_Union[BatchFailure, _Mapping]] = ...) -> None: ...

class PlanStart(_message.Message):
    __slots__ = ("protocol_version", "candidate", "reference", "layer_map", "options", "recorded_batches")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LAYER_MAP_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_BATCHES_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    candidate: Party
    reference: Party
    layer_map: StatedPairing
    options: Options
    recorded_batches: bool
    def __init__(self, protocol_version: _Optional[int] = ..., candidate: _Optional[_Union[Party, _Mapping]] = ..., reference: _Optional[_Union[Party, _Mapping]] = ..., layer_map: _Optional[_Union[StatedPairing, _Mapping]] = ..., options: _Optional[_Union[Options, _Mapping]] = ..., recorded_batches: bool = ...) -> None: ...

class CheckInputsRequest(_message.Message):
    __slots__ = ("protocol_version", "candidate", "reference", "batches", "options")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    candidate: Party
    reference: Party
    batches: int
    options: Options
    def __init__(self, protocol_version: _Optional[int] = ..., candidate: _Optional[_Union[Party, _Mapping]] = ..., reference: _Optional[_Union[Party, _Mapping]] = ..., batches: _Optional[int] = ..., options: _Optional[_Union[Options, _Mapping]] = ...) -> None: ...

class GetReportRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("session", "end")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    session: str
    end: bool
    def __init__(self, session: _Optional[str] = ..., end: bool = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[KnownWorker]
    def __init__(self, workers: _Optional[_Iterable[_Union[KnownWorker, _Mapping]]] = ...) -> None: ...

class KnownWorker(_message.Message):
    __slots__ = ("name", "framework", "address", "labels", "state", "worker", "problem")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    name: str
    framework: str
    address: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    state: _worker_pb2.WorkerState
    worker: _worker_pb2.WorkerInfo
    problem: str
    def __init__(self, name: _Optional[str] = ..., framework: _Optional[str] = ..., address: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., state: _Optional[_Union[_worker_pb2.WorkerState, str]] = ..., worker: _Optional[_Union[_worker_pb2.WorkerInfo, _Mapping]] = ..., problem: _Optional[str] = ...) -> None: ...
