from padiff_rpc.v1 import reasons_pb2 as _reasons_pb2
from padiff_rpc.v1 import tensors_pb2 as _tensors_pb2
from padiff_rpc.v1 import worker_pb2 as _worker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NoteKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTE_KIND_UNSPECIFIED: _ClassVar[NoteKind]
    NOTE_KIND_MESSAGE: _ClassVar[NoteKind]
    NOTE_KIND_LOCKSTEP_TAKES_NO_OPTIMIZER: _ClassVar[NoteKind]
    NOTE_KIND_LOCKSTEP_MAKES_ONE_STEP: _ClassVar[NoteKind]
    NOTE_KIND_FORWARD_NOT_COUNTED: _ClassVar[NoteKind]
    NOTE_KIND_FORWARD_COUNTED: _ClassVar[NoteKind]
    NOTE_KIND_FORWARD_TAKES_NO_OPTIMIZER: _ClassVar[NoteKind]
    NOTE_KIND_FORWARD_COMPUTES_NO_LOSS: _ClassVar[NoteKind]
    NOTE_KIND_FORWARD_MAKES_ONE_STEP: _ClassVar[NoteKind]
    NOTE_KIND_GRADIENTS_NOT_USED: _ClassVar[NoteKind]
    NOTE_KIND_NOTHING_ACCUMULATED: _ClassVar[NoteKind]
    NOTE_KIND_NOTHING_CLIPPED: _ClassVar[NoteKind]
    NOTE_KIND_NOTHING_SCALED: _ClassVar[NoteKind]
    NOTE_KIND_UNKNOWN_CLASS: _ClassVar[NoteKind]
    NOTE_KIND_OPAQUE: _ClassVar[NoteKind]
    NOTE_KIND_LOW_CONFIDENCE: _ClassVar[NoteKind]
    NOTE_KIND_LOW_CONFIDENCE_DIVERGENCE: _ClassVar[NoteKind]
    NOTE_KIND_LOW_CONFIDENCE_EVERYWHERE: _ClassVar[NoteKind]
    NOTE_KIND_PAIRED_OTHERWISE: _ClassVar[NoteKind]
    NOTE_KIND_PARTLY_TAKEN: _ClassVar[NoteKind]
    NOTE_KIND_GRADIENTS_PRESENT: _ClassVar[NoteKind]
    NOTE_KIND_TIED_ALONE: _ClassVar[NoteKind]
    NOTE_KIND_UNSAVED_BUFFERS: _ClassVar[NoteKind]
    NOTE_KIND_HIDDEN_BUFFERS: _ClassVar[NoteKind]
    NOTE_KIND_NEUTRAL_NORMS: _ClassVar[NoteKind]
    NOTE_KIND_ORDERS_UNTRIED: _ClassVar[NoteKind]
    NOTE_KIND_ORDERS_RAISED: _ClassVar[NoteKind]
    NOTE_KIND_ORDER_TAKEN: _ClassVar[NoteKind]
    NOTE_KIND_ORDERS_LEFT: _ClassVar[NoteKind]
    NOTE_KIND_UNEVEN: _ClassVar[NoteKind]
    NOTE_KIND_UNEVEN_UNSEEN: _ClassVar[NoteKind]
    NOTE_KIND_RECOMPUTED: _ClassVar[NoteKind]
    NOTE_KIND_RANDOM_WITHOUT_TRACE: _ClassVar[NoteKind]
    NOTE_KIND_RANDOM_UNFORESEEN: _ClassVar[NoteKind]
    NOTE_KIND_OPTIMIZERS_UNSEEN: _ClassVar[NoteKind]
    NOTE_KIND_OPTIMIZER_UNSEEN: _ClassVar[NoteKind]
    NOTE_KIND_STATE_UNKNOWN: _ClassVar[NoteKind]
    NOTE_KIND_STATE_NOT_TAKEN: _ClassVar[NoteKind]
    NOTE_KIND_TRACE_RAISED: _ClassVar[NoteKind]
    NOTE_KIND_VALUES_KEPT: _ClassVar[NoteKind]
    NOTE_KIND_GRADIENTS_KEPT: _ClassVar[NoteKind]
    NOTE_KIND_FORWARD_AND_LOSS_ONLY: _ClassVar[NoteKind]
    NOTE_KIND_FORWARD_ONLY: _ClassVar[NoteKind]
    NOTE_KIND_PARAMETER_GRADIENTS_ONLY: _ClassVar[NoteKind]
    NOTE_KIND_BROKE_OFF: _ClassVar[NoteKind]
    NOTE_KIND_STOPPED_WITHOUT_BACKWARD: _ClassVar[NoteKind]
    NOTE_KIND_STOPPED_AT_DIFFERENCE: _ClassVar[NoteKind]
    NOTE_KIND_LEAP: _ClassVar[NoteKind]
    NOTE_KIND_LOADERS_ENDED: _ClassVar[NoteKind]
    NOTE_KIND_FIRST_STEP_FREE: _ClassVar[NoteKind]
    NOTE_KIND_HINTS_LIMITED: _ClassVar[NoteKind]
    NOTE_KIND_NO_GOLD: _ClassVar[NoteKind]
    NOTE_KIND_GOLD: _ClassVar[NoteKind]
    NOTE_KIND_KEPT_FLOORS: _ClassVar[NoteKind]
    NOTE_KIND_TIES: _ClassVar[NoteKind]
    NOTE_KIND_OPTIMIZER_STEPS_FREELY: _ClassVar[NoteKind]
    NOTE_KIND_JUDGED_FREELY: _ClassVar[NoteKind]
    NOTE_KIND_NO_NOISE: _ClassVar[NoteKind]
    NOTE_KIND_NO_ORACLE: _ClassVar[NoteKind]
    NOTE_KIND_NO_FUNCTIONS: _ClassVar[NoteKind]
    NOTE_KIND_FUNCTIONS_IN_PART: _ClassVar[NoteKind]
    NOTE_KIND_PARTED_BY_CONVENTION: _ClassVar[NoteKind]
    NOTE_KIND_REJUDGED: _ClassVar[NoteKind]
NOTE_KIND_UNSPECIFIED: NoteKind
NOTE_KIND_MESSAGE: NoteKind
NOTE_KIND_LOCKSTEP_TAKES_NO_OPTIMIZER: NoteKind
NOTE_KIND_LOCKSTEP_MAKES_ONE_STEP: NoteKind
NOTE_KIND_FORWARD_NOT_COUNTED: NoteKind
NOTE_KIND_FORWARD_COUNTED: NoteKind
NOTE_KIND_FORWARD_TAKES_NO_OPTIMIZER: NoteKind
NOTE_KIND_FORWARD_COMPUTES_NO_LOSS: NoteKind
NOTE_KIND_FORWARD_MAKES_ONE_STEP: NoteKind
NOTE_KIND_GRADIENTS_NOT_USED: NoteKind
NOTE_KIND_NOTHING_ACCUMULATED: NoteKind
NOTE_KIND_NOTHING_CLIPPED: NoteKind
NOTE_KIND_NOTHING_SCALED: NoteKind
NOTE_KIND_UNKNOWN_CLASS: NoteKind
NOTE_KIND_OPAQUE: NoteKind
NOTE_KIND_LOW_CONFIDENCE: NoteKind
NOTE_KIND_LOW_CONFIDENCE_DIVERGENCE: NoteKind
NOTE_KIND_LOW_CONFIDENCE_EVERYWHERE: NoteKind
NOTE_KIND_PAIRED_OTHERWISE: NoteKind
NOTE_KIND_PARTLY_TAKEN: NoteKind
NOTE_KIND_GRADIENTS_PRESENT: NoteKind
NOTE_KIND_TIED_ALONE: NoteKind
NOTE_KIND_UNSAVED_BUFFERS: NoteKind
NOTE_KIND_HIDDEN_BUFFERS: NoteKind
NOTE_KIND_NEUTRAL_NORMS: NoteKind
NOTE_KIND_ORDERS_UNTRIED: NoteKind
NOTE_KIND_ORDERS_RAISED: NoteKind
NOTE_KIND_ORDER_TAKEN: NoteKind
NOTE_KIND_ORDERS_LEFT: NoteKind
NOTE_KIND_UNEVEN: NoteKind
NOTE_KIND_UNEVEN_UNSEEN: NoteKind
NOTE_KIND_RECOMPUTED: NoteKind
NOTE_KIND_RANDOM_WITHOUT_TRACE: NoteKind
NOTE_KIND_RANDOM_UNFORESEEN: NoteKind
NOTE_KIND_OPTIMIZERS_UNSEEN: NoteKind
NOTE_KIND_OPTIMIZER_UNSEEN: NoteKind
NOTE_KIND_STATE_UNKNOWN: NoteKind
NOTE_KIND_STATE_NOT_TAKEN: NoteKind
NOTE_KIND_TRACE_RAISED: NoteKind
NOTE_KIND_VALUES_KEPT: NoteKind
NOTE_KIND_GRADIENTS_KEPT: NoteKind
NOTE_KIND_FORWARD_AND_LOSS_ONLY: NoteKind
NOTE_KIND_FORWARD_ONLY: NoteKind
NOTE_KIND_PARAMETER_GRADIENTS_ONLY: NoteKind
NOTE_KIND_BROKE_OFF: NoteKind
NOTE_KIND_STOPPED_WITHOUT_BACKWARD: NoteKind
NOTE_KIND_STOPPED_AT_DIFFERENCE: NoteKind
NOTE_KIND_LEAP: NoteKind
NOTE_KIND_LOADERS_ENDED: NoteKind
NOTE_KIND_FIRST_STEP_FREE: NoteKind
NOTE_KIND_HINTS_LIMITED: NoteKind
NOTE_KIND_NO_GOLD: NoteKind
NOTE_KIND_GOLD: NoteKind
NOTE_KIND_KEPT_FLOORS: NoteKind
NOTE_KIND_TIES: NoteKind
NOTE_KIND_OPTIMIZER_STEPS_FREELY: NoteKind
NOTE_KIND_JUDGED_FREELY: NoteKind
NOTE_KIND_NO_NOISE: NoteKind
NOTE_KIND_NO_ORACLE: NoteKind
NOTE_KIND_NO_FUNCTIONS: NoteKind
NOTE_KIND_FUNCTIONS_IN_PART: NoteKind
NOTE_KIND_PARTED_BY_CONVENTION: NoteKind
NOTE_KIND_REJUDGED: NoteKind

class Note(_message.Message):
    __slots__ = ("kind", "side", "numbers", "names", "reasons", "pass_kind", "rule")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    PASS_KIND_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    kind: NoteKind
    side: _reasons_pb2.Side
    numbers: _containers.RepeatedScalarFieldContainer[float]
    names: _containers.RepeatedScalarFieldContainer[str]
    reasons: _containers.RepeatedCompositeFieldContainer[_reasons_pb2.Reason]
    pass_kind: _worker_pb2.Pass
    rule: _tensors_pb2.LayoutRule
    def __init__(self, kind: _Optional[_Union[NoteKind, str]] = ..., side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., numbers: _Optional[_Iterable[float]] = ..., names: _Optional[_Iterable[str]] = ..., reasons: _Optional[_Iterable[_Union[_reasons_pb2.Reason, _Mapping]]] = ..., pass_kind: _Optional[_Union[_worker_pb2.Pass, str]] = ..., rule: _Optional[_Union[_tensors_pb2.LayoutRule, _Mapping]] = ...) -> None: ...
