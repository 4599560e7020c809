from padiff_rpc.v1 import functions_pb2 as _functions_pb2
from padiff_rpc.v1 import hints_pb2 as _hints_pb2
from padiff_rpc.v1 import models_pb2 as _models_pb2
from padiff_rpc.v1 import notes_pb2 as _notes_pb2
from padiff_rpc.v1 import reasons_pb2 as _reasons_pb2
from padiff_rpc.v1 import records_pb2 as _records_pb2
from padiff_rpc.v1 import tensors_pb2 as _tensors_pb2
from padiff_rpc.v1 import worker_pb2 as _worker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_MATCH: _ClassVar[Verdict]
    VERDICT_WITHIN_TOLERANCE: _ClassVar[Verdict]
    VERDICT_MISMATCH: _ClassVar[Verdict]
    VERDICT_SHAPE_MISMATCH: _ClassVar[Verdict]
    VERDICT_DTYPE_MISMATCH: _ClassVar[Verdict]
    VERDICT_NONFINITE: _ClassVar[Verdict]
    VERDICT_UNMATCHED: _ClassVar[Verdict]
    VERDICT_NOT_COMPARED: _ClassVar[Verdict]
    VERDICT_INCONCLUSIVE: _ClassVar[Verdict]

class ToleranceSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOLERANCE_SOURCE_UNSPECIFIED: _ClassVar[ToleranceSource]
    TOLERANCE_SOURCE_DEFAULT: _ClassVar[ToleranceSource]
    TOLERANCE_SOURCE_USER: _ClassVar[ToleranceSource]

class Omission(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OMISSION_UNSPECIFIED: _ClassVar[Omission]
    OMISSION_RANDOM: _ClassVar[Omission]
    OMISSION_ONE_SIDED: _ClassVar[Omission]
    OMISSION_NO_BACKWARD: _ClassVar[Omission]
    OMISSION_COMPUTED: _ClassVar[Omission]
    OMISSION_JUDGED_ELSEWHERE: _ClassVar[Omission]
    OMISSION_FUSED: _ClassVar[Omission]
    OMISSION_SUSPECTED: _ClassVar[Omission]

class DecidedBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECIDED_BY_UNSPECIFIED: _ClassVar[DecidedBy]
    DECIDED_BY_EQUALITY: _ClassVar[DecidedBy]
    DECIDED_BY_TABLE: _ClassVar[DecidedBy]
    DECIDED_BY_SUMS: _ClassVar[DecidedBy]
    DECIDED_BY_GOLD: _ClassVar[DecidedBy]
    DECIDED_BY_NOISE: _ClassVar[DecidedBy]
    DECIDED_BY_BOUNDS: _ClassVar[DecidedBy]

class LoneKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LONE_KIND_UNSPECIFIED: _ClassVar[LoneKind]
    LONE_KIND_CALL: _ClassVar[LoneKind]
    LONE_KIND_PARAMETER: _ClassVar[LoneKind]
    LONE_KIND_BUFFER: _ClassVar[LoneKind]

class PairedBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAIRED_BY_UNSPECIFIED: _ClassVar[PairedBy]
    PAIRED_BY_ROOT: _ClassVar[PairedBy]
    PAIRED_BY_PINNED: _ClassVar[PairedBy]
    PAIRED_BY_SAME_PATH: _ClassVar[PairedBy]
    PAIRED_BY_ORDER_AND_TYPE: _ClassVar[PairedBy]
    PAIRED_BY_CONTENT: _ClassVar[PairedBy]
    PAIRED_BY_CALLS: _ClassVar[PairedBy]
    PAIRED_BY_UNIT: _ClassVar[PairedBy]
    PAIRED_BY_IGNORED: _ClassVar[PairedBy]
    PAIRED_BY_INSIDE_PINNED: _ClassVar[PairedBy]
    PAIRED_BY_INSIDE_UNIT: _ClassVar[PairedBy]
    PAIRED_BY_UNMATCHED: _ClassVar[PairedBy]

class Fate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FATE_UNSPECIFIED: _ClassVar[Fate]
    FATE_PLACED: _ClassVar[Fate]
    FATE_TIED: _ClassVar[Fate]
    FATE_ONLY_HERE: _ClassVar[Fate]
    FATE_AMBIGUOUS: _ClassVar[Fate]
    FATE_BOOKKEEPING: _ClassVar[Fate]

class OmittedKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OMITTED_KIND_UNSPECIFIED: _ClassVar[OmittedKind]
    OMITTED_KIND_VALUE: _ClassVar[OmittedKind]
    OMITTED_KIND_GRADIENT: _ClassVar[OmittedKind]
    OMITTED_KIND_WEIGHT: _ClassVar[OmittedKind]
    OMITTED_KIND_OPTIMIZER_STATE: _ClassVar[OmittedKind]

class Difference(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIFFERENCE_UNSPECIFIED: _ClassVar[Difference]
    DIFFERENCE_VALUE: _ClassVar[Difference]
    DIFFERENCE_SHAPE: _ClassVar[Difference]
    DIFFERENCE_DTYPE: _ClassVar[Difference]
    DIFFERENCE_NONFINITE: _ClassVar[Difference]
    DIFFERENCE_STRUCTURE: _ClassVar[Difference]
    DIFFERENCE_MISSING: _ClassVar[Difference]

class FindingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_KIND_UNSPECIFIED: _ClassVar[FindingKind]
    FINDING_KIND_FUNCTION: _ClassVar[FindingKind]
    FINDING_KIND_MISSING: _ClassVar[FindingKind]
    FINDING_KIND_EXTRA: _ClassVar[FindingKind]
    FINDING_KIND_OTHER_TENSOR: _ClassVar[FindingKind]
    FINDING_KIND_LAYOUT: _ClassVar[FindingKind]
    FINDING_KIND_REGION: _ClassVar[FindingKind]
VERDICT_UNSPECIFIED: Verdict
VERDICT_MATCH: Verdict
VERDICT_WITHIN_TOLERANCE: Verdict
VERDICT_MISMATCH: Verdict
VERDICT_SHAPE_MISMATCH: Verdict
VERDICT_DTYPE_MISMATCH: Verdict
VERDICT_NONFINITE: Verdict
VERDICT_UNMATCHED: Verdict
VERDICT_NOT_COMPARED: Verdict
VERDICT_INCONCLUSIVE: Verdict
TOLERANCE_SOURCE_UNSPECIFIED: ToleranceSource
TOLERANCE_SOURCE_DEFAULT: ToleranceSource
TOLERANCE_SOURCE_USER: ToleranceSource
OMISSION_UNSPECIFIED: Omission
OMISSION_RANDOM: Omission
OMISSION_ONE_SIDED: Omission
OMISSION_NO_BACKWARD: Omission
OMISSION_COMPUTED: Omission
OMISSION_JUDGED_ELSEWHERE: Omission
OMISSION_FUSED: Omission
OMISSION_SUSPECTED: Omission
DECIDED_BY_UNSPECIFIED: DecidedBy
DECIDED_BY_EQUALITY: DecidedBy
DECIDED_BY_TABLE: DecidedBy
DECIDED_BY_SUMS: DecidedBy
DECIDED_BY_GOLD: DecidedBy
DECIDED_BY_NOISE: DecidedBy
DECIDED_BY_BOUNDS: DecidedBy
LONE_KIND_UNSPECIFIED: LoneKind
LONE_KIND_CALL: LoneKind
LONE_KIND_PARAMETER: LoneKind
LONE_KIND_BUFFER: LoneKind
PAIRED_BY_UNSPECIFIED: PairedBy
PAIRED_BY_ROOT: PairedBy
PAIRED_BY_PINNED: PairedBy
PAIRED_BY_SAME_PATH: PairedBy
PAIRED_BY_ORDER_AND_TYPE: PairedBy
PAIRED_BY_CONTENT: PairedBy
PAIRED_BY_CALLS: PairedBy
PAIRED_BY_UNIT: PairedBy
PAIRED_BY_IGNORED: PairedBy
PAIRED_BY_INSIDE_PINNED: PairedBy
PAIRED_BY_INSIDE_UNIT: PairedBy
PAIRED_BY_UNMATCHED: PairedBy
FATE_UNSPECIFIED: Fate
FATE_PLACED: Fate
FATE_TIED: Fate
FATE_ONLY_HERE: Fate
FATE_AMBIGUOUS: Fate
FATE_BOOKKEEPING: Fate
OMITTED_KIND_UNSPECIFIED: OmittedKind
OMITTED_KIND_VALUE: OmittedKind
OMITTED_KIND_GRADIENT: OmittedKind
OMITTED_KIND_WEIGHT: OmittedKind
OMITTED_KIND_OPTIMIZER_STATE: OmittedKind
DIFFERENCE_UNSPECIFIED: Difference
DIFFERENCE_VALUE: Difference
DIFFERENCE_SHAPE: Difference
DIFFERENCE_DTYPE: Difference
DIFFERENCE_NONFINITE: Difference
DIFFERENCE_STRUCTURE: Difference
DIFFERENCE_MISSING: Difference
FINDING_KIND_UNSPECIFIED: FindingKind
FINDING_KIND_FUNCTION: FindingKind
FINDING_KIND_MISSING: FindingKind
FINDING_KIND_EXTRA: FindingKind
FINDING_KIND_OTHER_TENSOR: FindingKind
FINDING_KIND_LAYOUT: FindingKind
FINDING_KIND_REGION: FindingKind

class WorstElement(_message.Message):
    __slots__ = ("index", "reference", "candidate", "abs_diff", "imaginary")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    ABS_DIFF_FIELD_NUMBER: _ClassVar[int]
    IMAGINARY_FIELD_NUMBER: _ClassVar[int]
    index: _containers.RepeatedScalarFieldContainer[int]
    reference: float
    candidate: float
    abs_diff: float
    imaginary: bool
    def __init__(self, index: _Optional[_Iterable[int]] = ..., reference: _Optional[float] = ..., candidate: _Optional[float] = ..., abs_diff: _Optional[float] = ..., imaginary: bool = ...) -> None: ...

class TableRow(_message.Message):
    __slots__ = ("index", "relative_l2", "rmse", "rms_reference", "rms_candidate")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_L2_FIELD_NUMBER: _ClassVar[int]
    RMSE_FIELD_NUMBER: _ClassVar[int]
    RMS_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    RMS_CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    index: int
    relative_l2: float
    rmse: float
    rms_reference: float
    rms_candidate: float
    def __init__(self, index: _Optional[int] = ..., relative_l2: _Optional[float] = ..., rmse: _Optional[float] = ..., rms_reference: _Optional[float] = ..., rms_candidate: _Optional[float] = ...) -> None: ...

class Figures(_message.Message):
    __slots__ = ("elements", "bitwise_equal", "nan_reference", "nan_candidate", "nonfinite_mismatches", "first_nonfinite", "max_abs", "max_rel", "worst", "relative_l2", "cosine", "scale", "bias", "mean_reference", "mean_candidate", "mean_abs", "rmse", "rms_reference", "mismatches", "histogram", "inf_reference", "inf_candidate", "worst_row", "is_estimate")
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    BITWISE_EQUAL_FIELD_NUMBER: _ClassVar[int]
    NAN_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    NAN_CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    NONFINITE_MISMATCHES_FIELD_NUMBER: _ClassVar[int]
    FIRST_NONFINITE_FIELD_NUMBER: _ClassVar[int]
    MAX_ABS_FIELD_NUMBER: _ClassVar[int]
    MAX_REL_FIELD_NUMBER: _ClassVar[int]
    WORST_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_L2_FIELD_NUMBER: _ClassVar[int]
    COSINE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    BIAS_FIELD_NUMBER: _ClassVar[int]
    MEAN_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    MEAN_CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    MEAN_ABS_FIELD_NUMBER: _ClassVar[int]
    RMSE_FIELD_NUMBER: _ClassVar[int]
    RMS_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    MISMATCHES_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    INF_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    INF_CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    WORST_ROW_FIELD_NUMBER: _ClassVar[int]
    IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    elements: int
    bitwise_equal: bool
    nan_reference: int
    nan_candidate: int
    nonfinite_mismatches: int
    first_nonfinite: _containers.RepeatedScalarFieldContainer[int]
    max_abs: float
    max_rel: float
    worst: _containers.RepeatedCompositeFieldContainer[WorstElement]
    relative_l2: float
    cosine: float
    scale: float
    bias: float
    mean_reference: float
    mean_candidate: float
    mean_abs: float
    rmse: float
    rms_reference: float
    mismatches: int
    histogram: _containers.RepeatedScalarFieldContainer[int]
    inf_reference: int
    inf_candidate: int
    worst_row: TableRow
    is_estimate: bool
    def __init__(self, elements: _Optional[int] = ..., bitwise_equal: bool = ..., nan_reference: _Optional[int] = ..., nan_candidate: _Optional[int] = ..., nonfinite_mismatches: _Optional[int] = ..., first_nonfinite: _Optional[_Iterable[int]] = ..., max_abs: _Optional[float] = ..., max_rel: _Optional[float] = ..., worst: _Optional[_Iterable[_Union[WorstElement, _Mapping]]] = ..., relative_l2: _Optional[float] = ..., cosine: _Optional[float] = ..., scale: _Optional[float] = ..., bias: _Optional[float] = ..., mean_reference: _Optional[float] = ..., mean_candidate: _Optional[float] = ..., mean_abs: _Optional[float] = ..., rmse: _Optional[float] = ..., rms_reference: _Optional[float] = ..., mismatches: _Optional[int] = ..., histogram: _Optional[_Iterable[int]] = ..., inf_reference: _Optional[int] = ..., inf_candidate: _Optional[int] = ..., worst_row: _Optional[_Union[TableRow, _Mapping]] = ..., is_estimate: bool = ...) -> None: ...

class Tolerance(_message.Message):
    __slots__ = ("atol", "rtol", "relative_l2", "source", "row_relative_l2", "of_one")
    ATOL_FIELD_NUMBER: _ClassVar[int]
    RTOL_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_L2_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ROW_RELATIVE_L2_FIELD_NUMBER: _ClassVar[int]
    OF_ONE_FIELD_NUMBER: _ClassVar[int]
    atol: float
    rtol: float
    relative_l2: float
    source: ToleranceSource
    row_relative_l2: float
    of_one: float
    def __init__(self, atol: _Optional[float] = ..., rtol: _Optional[float] = ..., relative_l2: _Optional[float] = ..., source: _Optional[_Union[ToleranceSource, str]] = ..., row_relative_l2: _Optional[float] = ..., of_one: _Optional[float] = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("path", "class_name", "call", "slot", "spec", "source", "shown_by", "behind")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SHOWN_BY_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    path: str
    class_name: str
    call: int
    slot: str
    spec: _tensors_pb2.TensorSpec
    source: _models_pb2.SourceLine
    shown_by: ShownBy
    behind: _models_pb2.SourceLine
    def __init__(self, path: _Optional[str] = ..., class_name: _Optional[str] = ..., call: _Optional[int] = ..., slot: _Optional[str] = ..., spec: _Optional[_Union[_tensors_pb2.TensorSpec, _Mapping]] = ..., source: _Optional[_Union[_models_pb2.SourceLine, _Mapping]] = ..., shown_by: _Optional[_Union[ShownBy, _Mapping]] = ..., behind: _Optional[_Union[_models_pb2.SourceLine, _Mapping]] = ...) -> None: ...

class ShownBy(_message.Message):
    __slots__ = ("path", "call")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    path: str
    call: int
    def __init__(self, path: _Optional[str] = ..., call: _Optional[int] = ...) -> None: ...

class FromGold(_message.Message):
    __slots__ = ("reference", "candidate", "off")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    OFF_FIELD_NUMBER: _ClassVar[int]
    reference: float
    candidate: float
    off: _reasons_pb2.Side
    def __init__(self, reference: _Optional[float] = ..., candidate: _Optional[float] = ..., off: _Optional[_Union[_reasons_pb2.Side, str]] = ...) -> None: ...

class Row(_message.Message):
    __slots__ = ("step", "phase", "kind", "order", "reference", "candidate", "verdict", "figures", "tolerance", "counts", "between", "pass_kind", "twin", "omission", "reasons", "rule", "hints", "decided_by", "from_gold")
    STEP_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    BETWEEN_FIELD_NUMBER: _ClassVar[int]
    PASS_KIND_FIELD_NUMBER: _ClassVar[int]
    TWIN_FIELD_NUMBER: _ClassVar[int]
    OMISSION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    FROM_GOLD_FIELD_NUMBER: _ClassVar[int]
    step: int
    phase: _models_pb2.Phase
    kind: _worker_pb2.CaptureKind
    order: int
    reference: Place
    candidate: Place
    verdict: Verdict
    figures: Figures
    tolerance: Tolerance
    counts: bool
    between: str
    pass_kind: _worker_pb2.Pass
    twin: int
    omission: Omission
    reasons: _containers.RepeatedCompositeFieldContainer[_reasons_pb2.Reason]
    rule: _tensors_pb2.LayoutRule
    hints: _containers.RepeatedCompositeFieldContainer[_hints_pb2.Hint]
    decided_by: DecidedBy
    from_gold: FromGold
    def __init__(self, step: _Optional[int] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., kind: _Optional[_Union[_worker_pb2.CaptureKind, str]] = ..., order: _Optional[int] = ..., reference: _Optional[_Union[Place, _Mapping]] = ..., candidate: _Optional[_Union[Place, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., figures: _Optional[_Union[Figures, _Mapping]] = ..., tolerance: _Optional[_Union[Tolerance, _Mapping]] = ..., counts: bool = ..., between: _Optional[str] = ..., pass_kind: _Optional[_Union[_worker_pb2.Pass, str]] = ..., twin: _Optional[int] = ..., omission: _Optional[_Union[Omission, str]] = ..., reasons: _Optional[_Iterable[_Union[_reasons_pb2.Reason, _Mapping]]] = ..., rule: _Optional[_Union[_tensors_pb2.LayoutRule, _Mapping]] = ..., hints: _Optional[_Iterable[_Union[_hints_pb2.Hint, _Mapping]]] = ..., decided_by: _Optional[_Union[DecidedBy, str]] = ..., from_gold: _Optional[_Union[FromGold, _Mapping]] = ...) -> None: ...

class Unmatched(_message.Message):
    __slots__ = ("side", "what", "path", "class_name", "name", "call", "counts", "reasons")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    what: LoneKind
    path: str
    class_name: str
    name: str
    call: int
    counts: bool
    reasons: _containers.RepeatedCompositeFieldContainer[_reasons_pb2.Reason]
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., what: _Optional[_Union[LoneKind, str]] = ..., path: _Optional[str] = ..., class_name: _Optional[str] = ..., name: _Optional[str] = ..., call: _Optional[int] = ..., counts: bool = ..., reasons: _Optional[_Iterable[_Union[_reasons_pb2.Reason, _Mapping]]] = ...) -> None: ...

class PlanPair(_message.Message):
    __slots__ = ("reference", "candidate", "how", "confidence", "calls", "parameterised", "unit", "reasons")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERISED_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    reference: Place
    candidate: Place
    how: PairedBy
    confidence: float
    calls: int
    parameterised: bool
    unit: bool
    reasons: _containers.RepeatedCompositeFieldContainer[_reasons_pb2.Reason]
    def __init__(self, reference: _Optional[_Union[Place, _Mapping]] = ..., candidate: _Optional[_Union[Place, _Mapping]] = ..., how: _Optional[_Union[PairedBy, str]] = ..., confidence: _Optional[float] = ..., calls: _Optional[int] = ..., parameterised: bool = ..., unit: bool = ..., reasons: _Optional[_Iterable[_Union[_reasons_pb2.Reason, _Mapping]]] = ...) -> None: ...

class HyperParameterDifference(_message.Message):
    __slots__ = ("reference_path", "candidate_path", "name", "reference", "candidate")
    REFERENCE_PATH_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_PATH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    reference_path: str
    candidate_path: str
    name: str
    reference: str
    candidate: str
    def __init__(self, reference_path: _Optional[str] = ..., candidate_path: _Optional[str] = ..., name: _Optional[str] = ..., reference: _Optional[str] = ..., candidate: _Optional[str] = ...) -> None: ...

class WeightFate(_message.Message):
    __slots__ = ("side", "path", "name", "fate", "partner", "reasons", "rule")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FATE_FIELD_NUMBER: _ClassVar[int]
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    path: str
    name: str
    fate: Fate
    partner: str
    reasons: _containers.RepeatedCompositeFieldContainer[_reasons_pb2.Reason]
    rule: _tensors_pb2.LayoutRule
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., path: _Optional[str] = ..., name: _Optional[str] = ..., fate: _Optional[_Union[Fate, str]] = ..., partner: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_reasons_pb2.Reason, _Mapping]]] = ..., rule: _Optional[_Union[_tensors_pb2.LayoutRule, _Mapping]] = ...) -> None: ...

class Coverage(_message.Message):
    __slots__ = ("tensors_compared", "tensors_total", "calls_compared", "calls_total", "parameters_compared", "parameters_total", "buffers_compared", "buffers_total", "root_outputs_compared", "root_outputs_total", "losses_compared", "losses_total", "tensors_unmatched")
    TENSORS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    TENSORS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CALLS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    CALLS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    BUFFERS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    BUFFERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ROOT_OUTPUTS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    ROOT_OUTPUTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    LOSSES_COMPARED_FIELD_NUMBER: _ClassVar[int]
    LOSSES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TENSORS_UNMATCHED_FIELD_NUMBER: _ClassVar[int]
    tensors_compared: int
    tensors_total: int
    calls_compared: int
    calls_total: int
    parameters_compared: int
    parameters_total: int
    buffers_compared: int
    buffers_total: int
    root_outputs_compared: int
    root_outputs_total: int
    losses_compared: int
    losses_total: int
    tensors_unmatched: int
    def __init__(self, tensors_compared: _Optional[int] = ..., tensors_total: _Optional[int] = ..., calls_compared: _Optional[int] = ..., calls_total: _Optional[int] = ..., parameters_compared: _Optional[int] = ..., parameters_total: _Optional[int] = ..., buffers_compared: _Optional[int] = ..., buffers_total: _Optional[int] = ..., root_outputs_compared: _Optional[int] = ..., root_outputs_total: _Optional[int] = ..., losses_compared: _Optional[int] = ..., losses_total: _Optional[int] = ..., tensors_unmatched: _Optional[int] = ...) -> None: ...

class Omitted(_message.Message):
    __slots__ = ("what", "omission", "places", "layers")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    OMISSION_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    what: OmittedKind
    omission: Omission
    places: int
    layers: int
    def __init__(self, what: _Optional[_Union[OmittedKind, str]] = ..., omission: _Optional[_Union[Omission, str]] = ..., places: _Optional[int] = ..., layers: _Optional[int] = ...) -> None: ...

class FirstDivergence(_message.Message):
    __slots__ = ("row", "cause", "position", "compared")
    ROW_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    row: Row
    cause: Difference
    position: int
    compared: int
    def __init__(self, row: _Optional[_Union[Row, _Mapping]] = ..., cause: _Optional[_Union[Difference, str]] = ..., position: _Optional[int] = ..., compared: _Optional[int] = ...) -> None: ...

class OwnBounds(_message.Message):
    __slots__ = ("atol", "rtol", "places")
    ATOL_FIELD_NUMBER: _ClassVar[int]
    RTOL_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    atol: float
    rtol: float
    places: int
    def __init__(self, atol: _Optional[float] = ..., rtol: _Optional[float] = ..., places: _Optional[int] = ...) -> None: ...

class Inconclusive(_message.Message):
    __slots__ = ("places", "rounding", "first", "deepest_told")
    PLACES_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    DEEPEST_TOLD_FIELD_NUMBER: _ClassVar[int]
    places: int
    rounding: float
    first: Row
    deepest_told: Row
    def __init__(self, places: _Optional[int] = ..., rounding: _Optional[float] = ..., first: _Optional[_Union[Row, _Mapping]] = ..., deepest_told: _Optional[_Union[Row, _Mapping]] = ...) -> None: ...

class Measurement(_message.Message):
    __slots__ = ("by_equality", "by_table", "by_sums", "by_gold", "by_noise", "by_bounds", "not_compared", "gold_seconds", "peaks")
    BY_EQUALITY_FIELD_NUMBER: _ClassVar[int]
    BY_TABLE_FIELD_NUMBER: _ClassVar[int]
    BY_SUMS_FIELD_NUMBER: _ClassVar[int]
    BY_GOLD_FIELD_NUMBER: _ClassVar[int]
    BY_NOISE_FIELD_NUMBER: _ClassVar[int]
    BY_BOUNDS_FIELD_NUMBER: _ClassVar[int]
    NOT_COMPARED_FIELD_NUMBER: _ClassVar[int]
    GOLD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PEAKS_FIELD_NUMBER: _ClassVar[int]
    by_equality: int
    by_table: int
    by_sums: int
    by_gold: int
    by_noise: int
    by_bounds: int
    not_compared: int
    gold_seconds: float
    peaks: _containers.RepeatedCompositeFieldContainer[PeakMemory]
    def __init__(self, by_equality: _Optional[int] = ..., by_table: _Optional[int] = ..., by_sums: _Optional[int] = ..., by_gold: _Optional[int] = ..., by_noise: _Optional[int] = ..., by_bounds: _Optional[int] = ..., not_compared: _Optional[int] = ..., gold_seconds: _Optional[float] = ..., peaks: _Optional[_Iterable[_Union[PeakMemory, _Mapping]]] = ...) -> None: ...

class PeakMemory(_message.Message):
    __slots__ = ("side", "bytes")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    bytes: int
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., bytes: _Optional[int] = ...) -> None: ...

class ArgumentDifference(_message.Message):
    __slots__ = ("name", "reference", "candidate")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    reference: str
    candidate: str
    def __init__(self, name: _Optional[str] = ..., reference: _Optional[str] = ..., candidate: _Optional[str] = ...) -> None: ...

class FunctionFinding(_message.Message):
    __slots__ = ("kind", "step", "phase", "reference", "candidate", "reference_call", "candidate_call", "reference_user", "candidate_user", "reference_lines", "candidate_lines", "differing", "without_gradient", "of_values", "mark")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_CALL_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_CALL_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_USER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_USER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_LINES_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_LINES_FIELD_NUMBER: _ClassVar[int]
    DIFFERING_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_GRADIENT_FIELD_NUMBER: _ClassVar[int]
    OF_VALUES_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    kind: FindingKind
    step: int
    phase: _models_pb2.Phase
    reference: Place
    candidate: Place
    reference_call: _functions_pb2.FunctionCall
    candidate_call: _functions_pb2.FunctionCall
    reference_user: _functions_pb2.FunctionCall
    candidate_user: _functions_pb2.FunctionCall
    reference_lines: _containers.RepeatedCompositeFieldContainer[_models_pb2.SourceLine]
    candidate_lines: _containers.RepeatedCompositeFieldContainer[_models_pb2.SourceLine]
    differing: _containers.RepeatedCompositeFieldContainer[ArgumentDifference]
    without_gradient: _reasons_pb2.Side
    of_values: bool
    mark: str
    def __init__(self, kind: _Optional[_Union[FindingKind, str]] = ..., step: _Optional[int] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., reference: _Optional[_Union[Place, _Mapping]] = ..., candidate: _Optional[_Union[Place, _Mapping]] = ..., reference_call: _Optional[_Union[_functions_pb2.FunctionCall, _Mapping]] = ..., candidate_call: _Optional[_Union[_functions_pb2.FunctionCall, _Mapping]] = ..., reference_user: _Optional[_Union[_functions_pb2.FunctionCall, _Mapping]] = ..., candidate_user: _Optional[_Union[_functions_pb2.FunctionCall, _Mapping]] = ..., reference_lines: _Optional[_Iterable[_Union[_models_pb2.SourceLine, _Mapping]]] = ..., candidate_lines: _Optional[_Iterable[_Union[_models_pb2.SourceLine, _Mapping]]] = ..., differing: _Optional[_Iterable[_Union[ArgumentDifference, _Mapping]]] = ..., without_gradient: _Optional[_Union[_reasons_pb2.Side, str]] = ..., of_values: bool = ..., mark: _Optional[str] = ...) -> None: ...

class FunctionLeaf(_message.Message):
    __slots__ = ("call", "counterparts")
    CALL_FIELD_NUMBER: _ClassVar[int]
    COUNTERPARTS_FIELD_NUMBER: _ClassVar[int]
    call: _functions_pb2.FunctionCall
    counterparts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, call: _Optional[_Union[_functions_pb2.FunctionCall, _Mapping]] = ..., counterparts: _Optional[_Iterable[int]] = ...) -> None: ...

class FunctionLeaves(_message.Message):
    __slots__ = ("reference_path", "reference_call", "candidate_path", "candidate_call", "reference", "candidate")
    REFERENCE_PATH_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_CALL_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_PATH_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_CALL_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    reference_path: str
    reference_call: int
    candidate_path: str
    candidate_call: int
    reference: _containers.RepeatedCompositeFieldContainer[FunctionLeaf]
    candidate: _containers.RepeatedCompositeFieldContainer[FunctionLeaf]
    def __init__(self, reference_path: _Optional[str] = ..., reference_call: _Optional[int] = ..., candidate_path: _Optional[str] = ..., candidate_call: _Optional[int] = ..., reference: _Optional[_Iterable[_Union[FunctionLeaf, _Mapping]]] = ..., candidate: _Optional[_Iterable[_Union[FunctionLeaf, _Mapping]]] = ...) -> None: ...

class FunctionDetail(_message.Message):
    __slots__ = ("step", "tensors", "paired", "calls", "left_out")
    STEP_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    PAIRED_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    step: int
    tensors: int
    paired: int
    calls: _containers.RepeatedCompositeFieldContainer[FunctionLeaves]
    left_out: int
    def __init__(self, step: _Optional[int] = ..., tensors: _Optional[int] = ..., paired: _Optional[int] = ..., calls: _Optional[_Iterable[_Union[FunctionLeaves, _Mapping]]] = ..., left_out: _Optional[int] = ...) -> None: ...

class StepResult(_message.Message):
    __slots__ = ("step", "passed", "loss_reference", "loss_candidate", "values_relative_l2", "weights_relative_l2")
    STEP_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    LOSS_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LOSS_CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    VALUES_RELATIVE_L2_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_RELATIVE_L2_FIELD_NUMBER: _ClassVar[int]
    step: int
    passed: bool
    loss_reference: float
    loss_candidate: float
    values_relative_l2: float
    weights_relative_l2: float
    def __init__(self, step: _Optional[int] = ..., passed: bool = ..., loss_reference: _Optional[float] = ..., loss_candidate: _Optional[float] = ..., values_relative_l2: _Optional[float] = ..., weights_relative_l2: _Optional[float] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("side", "step", "phase", "seconds")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    step: int
    phase: _models_pb2.Phase
    seconds: float
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., step: _Optional[int] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., seconds: _Optional[float] = ...) -> None: ...

class Traffic(_message.Message):
    __slots__ = ("side", "phase", "bytes")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    phase: _models_pb2.Phase
    bytes: int
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., bytes: _Optional[int] = ...) -> None: ...

class Trouble(_message.Message):
    __slots__ = ("side", "phase", "step", "text", "activity")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    phase: _models_pb2.Phase
    step: int
    text: str
    activity: _worker_pb2.Activity
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., phase: _Optional[_Union[_models_pb2.Phase, str]] = ..., step: _Optional[int] = ..., text: _Optional[str] = ..., activity: _Optional[_Union[_worker_pb2.Activity, _Mapping]] = ...) -> None: ...

class Environment(_message.Message):
    __slots__ = ("side", "worker", "device", "train", "seed", "flags", "transport", "optimizer_made")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_MADE_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    worker: _worker_pb2.WorkerInfo
    device: str
    train: bool
    seed: int
    flags: _containers.RepeatedScalarFieldContainer[str]
    transport: _models_pb2.Transport
    optimizer_made: _models_pb2.SourceLine
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., worker: _Optional[_Union[_worker_pb2.WorkerInfo, _Mapping]] = ..., device: _Optional[str] = ..., train: bool = ..., seed: _Optional[int] = ..., flags: _Optional[_Iterable[str]] = ..., transport: _Optional[_Union[_models_pb2.Transport, str]] = ..., optimizer_made: _Optional[_Union[_models_pb2.SourceLine, _Mapping]] = ...) -> None: ...

class ReportSummary(_message.Message):
    __slots__ = ("session", "passed", "first_divergence", "unmatched", "coverage", "steps", "plan", "notes", "failures", "troubles", "environments", "timings", "traffic", "saved", "started_at", "seconds", "hyper_parameters", "weights", "in_lockstep", "random_operations", "noise", "optimizer", "has_local_errors", "omitted", "bounds", "measurement", "inconclusive", "findings", "function_details", "sendings")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    FIRST_DIVERGENCE_FIELD_NUMBER: _ClassVar[int]
    UNMATCHED_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    TROUBLES_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENTS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    TRAFFIC_FIELD_NUMBER: _ClassVar[int]
    SAVED_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    HYPER_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    IN_LOCKSTEP_FIELD_NUMBER: _ClassVar[int]
    RANDOM_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    HAS_LOCAL_ERRORS_FIELD_NUMBER: _ClassVar[int]
    OMITTED_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    INCONCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    SENDINGS_FIELD_NUMBER: _ClassVar[int]
    session: str
    passed: bool
    first_divergence: FirstDivergence
    unmatched: _containers.RepeatedCompositeFieldContainer[Unmatched]
    coverage: Coverage
    steps: _containers.RepeatedCompositeFieldContainer[StepResult]
    plan: _containers.RepeatedCompositeFieldContainer[PlanPair]
    notes: _containers.RepeatedCompositeFieldContainer[_notes_pb2.Note]
    failures: _containers.RepeatedCompositeFieldContainer[_models_pb2.ModelFailure]
    troubles: _containers.RepeatedCompositeFieldContainer[Trouble]
    environments: _containers.RepeatedCompositeFieldContainer[Environment]
    timings: _containers.RepeatedCompositeFieldContainer[Timing]
    traffic: _containers.RepeatedCompositeFieldContainer[Traffic]
    saved: str
    started_at: float
    seconds: float
    hyper_parameters: _containers.RepeatedCompositeFieldContainer[HyperParameterDifference]
    weights: _containers.RepeatedCompositeFieldContainer[WeightFate]
    in_lockstep: bool
    random_operations: _containers.RepeatedCompositeFieldContainer[_models_pb2.RandomOperation]
    noise: _containers.RepeatedCompositeFieldContainer[_worker_pb2.RunToRunNoise]
    optimizer: _containers.RepeatedCompositeFieldContainer[OptimizerDifference]
    has_local_errors: bool
    omitted: _containers.RepeatedCompositeFieldContainer[Omitted]
    bounds: OwnBounds
    measurement: Measurement
    inconclusive: Inconclusive
    findings: _containers.RepeatedCompositeFieldContainer[FunctionFinding]
    function_details: _containers.RepeatedCompositeFieldContainer[FunctionDetail]
    sendings: _containers.RepeatedCompositeFieldContainer[_worker_pb2.Sending]
    def __init__(self, session: _Optional[str] = ..., passed: bool = ..., first_divergence: _Optional[_Union[FirstDivergence, _Mapping]] = ..., unmatched: _Optional[_Iterable[_Union[Unmatched, _Mapping]]] = ..., coverage: _Optional[_Union[Coverage, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[StepResult, _Mapping]]] = ..., plan: _Optional[_Iterable[_Union[PlanPair, _Mapping]]] = ..., notes: _Optional[_Iterable[_Union[_notes_pb2.Note, _Mapping]]] = ..., failures: _Optional[_Iterable[_Union[_models_pb2.ModelFailure, _Mapping]]] = ..., troubles: _Optional[_Iterable[_Union[Trouble, _Mapping]]] = ..., environments: _Optional[_Iterable[_Union[Environment, _Mapping]]] = ..., timings: _Optional[_Iterable[_Union[Timing, _Mapping]]] = ..., traffic: _Optional[_Iterable[_Union[Traffic, _Mapping]]] = ..., saved: _Optional[str] = ..., started_at: _Optional[float] = ..., seconds: _Optional[float] = ..., hyper_parameters: _Optional[_Iterable[_Union[HyperParameterDifference, _Mapping]]] = ..., weights: _Optional[_Iterable[_Union[WeightFate, _Mapping]]] = ..., in_lockstep: bool = ..., random_operations: _Optional[_Iterable[_Union[_models_pb2.RandomOperation, _Mapping]]] = ..., noise: _Optional[_Iterable[_Union[_worker_pb2.RunToRunNoise, _Mapping]]] = ..., optimizer: _Optional[_Iterable[_Union[OptimizerDifference, _Mapping]]] = ..., has_local_errors: bool = ..., omitted: _Optional[_Iterable[_Union[Omitted, _Mapping]]] = ..., bounds: _Optional[_Union[OwnBounds, _Mapping]] = ..., measurement: _Optional[_Union[Measurement, _Mapping]] = ..., inconclusive: _Optional[_Union[Inconclusive, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[FunctionFinding, _Mapping]]] = ..., function_details: _Optional[_Iterable[_Union[FunctionDetail, _Mapping]]] = ..., sendings: _Optional[_Iterable[_Union[_worker_pb2.Sending, _Mapping]]] = ...) -> None: ...

class OptimizerDifference(_message.Message):
    __slots__ = ("name", "parameters", "reference", "candidate", "convention")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    CONVENTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    parameters: _containers.RepeatedScalarFieldContainer[str]
    reference: str
    candidate: str
    convention: bool
    def __init__(self, name: _Optional[str] = ..., parameters: _Optional[_Iterable[str]] = ..., reference: _Optional[str] = ..., candidate: _Optional[str] = ..., convention: bool = ...) -> None: ...
