from padiff_rpc.v1 import reasons_pb2 as _reasons_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HintKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HINT_KIND_UNSPECIFIED: _ClassVar[HintKind]
    HINT_KIND_UNKNOWN: _ClassVar[HintKind]
    HINT_KIND_TRANSPOSED: _ClassVar[HintKind]
    HINT_KIND_AXES: _ClassVar[HintKind]
    HINT_KIND_RESHAPED: _ClassVar[HintKind]
    HINT_KIND_PERMUTED: _ClassVar[HintKind]
    HINT_KIND_PARTS: _ClassVar[HintKind]
    HINT_KIND_INTERLEAVED: _ClassVar[HintKind]
    HINT_KIND_FLIPPED: _ClassVar[HintKind]
    HINT_KIND_ROLLED: _ClassVar[HintKind]
    HINT_KIND_SHIFTED: _ClassVar[HintKind]
    HINT_KIND_SWAPPED: _ClassVar[HintKind]
    HINT_KIND_SIGN: _ClassVar[HintKind]
    HINT_KIND_SCALED: _ClassVar[HintKind]
    HINT_KIND_OFFSET: _ClassVar[HintKind]
    HINT_KIND_OFFSET_EACH: _ClassVar[HintKind]
    HINT_KIND_SCALED_EACH: _ClassVar[HintKind]
    HINT_KIND_AFFINE_EACH: _ClassVar[HintKind]
    HINT_KIND_MISSING_BIAS: _ClassVar[HintKind]
    HINT_KIND_EPSILON: _ClassVar[HintKind]
    HINT_KIND_STATISTICS: _ClassVar[HintKind]
    HINT_KIND_MOMENTUM: _ClassVar[HintKind]
    HINT_KIND_UNBIASED: _ClassVar[HintKind]
    HINT_KIND_GELU: _ClassVar[HintKind]
    HINT_KIND_ACTIVATION: _ClassVar[HintKind]
    HINT_KIND_ROUNDED: _ClassVar[HintKind]
    HINT_KIND_DROPOUT: _ClassVar[HintKind]
    HINT_KIND_WRONG_AXIS: _ClassVar[HintKind]
    HINT_KIND_MASK_INVERTED: _ClassVar[HintKind]
    HINT_KIND_MASK_SHIFTED: _ClassVar[HintKind]
    HINT_KIND_FEW_INDICES: _ClassVar[HintKind]
    HINT_KIND_FEW_ELEMENTS: _ClassVar[HintKind]
    HINT_KIND_BORDER: _ClassVar[HintKind]
    HINT_KIND_MORE_AT_BORDER: _ClassVar[HintKind]
    HINT_KIND_STALE: _ClassVar[HintKind]
    HINT_KIND_ACCUMULATED: _ClassVar[HintKind]
    HINT_KIND_SETTING: _ClassVar[HintKind]
    HINT_KIND_OTHER_KIND: _ClassVar[HintKind]
    HINT_KIND_OPTIMIZER_SETTING: _ClassVar[HintKind]
    HINT_KIND_TRAIN_MODE: _ClassVar[HintKind]
HINT_KIND_UNSPECIFIED: HintKind
HINT_KIND_UNKNOWN: HintKind
HINT_KIND_TRANSPOSED: HintKind
HINT_KIND_AXES: HintKind
HINT_KIND_RESHAPED: HintKind
HINT_KIND_PERMUTED: HintKind
HINT_KIND_PARTS: HintKind
HINT_KIND_INTERLEAVED: HintKind
HINT_KIND_FLIPPED: HintKind
HINT_KIND_ROLLED: HintKind
HINT_KIND_SHIFTED: HintKind
HINT_KIND_SWAPPED: HintKind
HINT_KIND_SIGN: HintKind
HINT_KIND_SCALED: HintKind
HINT_KIND_OFFSET: HintKind
HINT_KIND_OFFSET_EACH: HintKind
HINT_KIND_SCALED_EACH: HintKind
HINT_KIND_AFFINE_EACH: HintKind
HINT_KIND_MISSING_BIAS: HintKind
HINT_KIND_EPSILON: HintKind
HINT_KIND_STATISTICS: HintKind
HINT_KIND_MOMENTUM: HintKind
HINT_KIND_UNBIASED: HintKind
HINT_KIND_GELU: HintKind
HINT_KIND_ACTIVATION: HintKind
HINT_KIND_ROUNDED: HintKind
HINT_KIND_DROPOUT: HintKind
HINT_KIND_WRONG_AXIS: HintKind
HINT_KIND_MASK_INVERTED: HintKind
HINT_KIND_MASK_SHIFTED: HintKind
HINT_KIND_FEW_INDICES: HintKind
HINT_KIND_FEW_ELEMENTS: HintKind
HINT_KIND_BORDER: HintKind
HINT_KIND_MORE_AT_BORDER: HintKind
HINT_KIND_STALE: HintKind
HINT_KIND_ACCUMULATED: HintKind
HINT_KIND_SETTING: HintKind
HINT_KIND_OTHER_KIND: HintKind
HINT_KIND_OPTIMIZER_SETTING: HintKind
HINT_KIND_TRAIN_MODE: HintKind

class Hint(_message.Message):
    __slots__ = ("kind", "side", "numbers", "names", "verified", "before", "after")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    kind: HintKind
    side: _reasons_pb2.Side
    numbers: _containers.RepeatedScalarFieldContainer[float]
    names: _containers.RepeatedScalarFieldContainer[str]
    verified: bool
    before: float
    after: float
    def __init__(self, kind: _Optional[_Union[HintKind, str]] = ..., side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., numbers: _Optional[_Iterable[float]] = ..., names: _Optional[_Iterable[str]] = ..., verified: bool = ..., before: _Optional[float] = ..., after: _Optional[float] = ...) -> None: ...
