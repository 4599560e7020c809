from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DTYPE_UNSPECIFIED: _ClassVar[DType]
    DTYPE_BOOL: _ClassVar[DType]
    DTYPE_UINT8: _ClassVar[DType]
    DTYPE_INT8: _ClassVar[DType]
    DTYPE_INT16: _ClassVar[DType]
    DTYPE_INT32: _ClassVar[DType]
    DTYPE_INT64: _ClassVar[DType]
    DTYPE_FLOAT16: _ClassVar[DType]
    DTYPE_BFLOAT16: _ClassVar[DType]
    DTYPE_FLOAT32: _ClassVar[DType]
    DTYPE_FLOAT64: _ClassVar[DType]
    DTYPE_COMPLEX64: _ClassVar[DType]
    DTYPE_COMPLEX128: _ClassVar[DType]
    DTYPE_UINT16: _ClassVar[DType]
    DTYPE_UINT32: _ClassVar[DType]
    DTYPE_UINT64: _ClassVar[DType]

class LayoutChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAYOUT_CHANGE_UNSPECIFIED: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_TRANSPOSE: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_AXES: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_PART: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_STACK: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_RESHAPE: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_REPEAT: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_SUM: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_AS_REAL: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_AS_COMPLEX: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_ACTIVATION: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_FUNCTION: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_BEGINNINGS: _ClassVar[LayoutChange]
    LAYOUT_CHANGE_LENGTH: _ClassVar[LayoutChange]

class TensorCoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TENSOR_CODING_UNSPECIFIED: _ClassVar[TensorCoding]
    TENSOR_CODING_ZSTD: _ClassVar[TensorCoding]
DTYPE_UNSPECIFIED: DType
DTYPE_BOOL: DType
DTYPE_UINT8: DType
DTYPE_INT8: DType
DTYPE_INT16: DType
DTYPE_INT32: DType
DTYPE_INT64: DType
DTYPE_FLOAT16: DType
DTYPE_BFLOAT16: DType
DTYPE_FLOAT32: DType
DTYPE_FLOAT64: DType
DTYPE_COMPLEX64: DType
DTYPE_COMPLEX128: DType
DTYPE_UINT16: DType
DTYPE_UINT32: DType
DTYPE_UINT64: DType
LAYOUT_CHANGE_UNSPECIFIED: LayoutChange
LAYOUT_CHANGE_TRANSPOSE: LayoutChange
LAYOUT_CHANGE_AXES: LayoutChange
LAYOUT_CHANGE_PART: LayoutChange
LAYOUT_CHANGE_STACK: LayoutChange
LAYOUT_CHANGE_RESHAPE: LayoutChange
LAYOUT_CHANGE_REPEAT: LayoutChange
LAYOUT_CHANGE_SUM: LayoutChange
LAYOUT_CHANGE_AS_REAL: LayoutChange
LAYOUT_CHANGE_AS_COMPLEX: LayoutChange
LAYOUT_CHANGE_ACTIVATION: LayoutChange
LAYOUT_CHANGE_FUNCTION: LayoutChange
LAYOUT_CHANGE_BEGINNINGS: LayoutChange
LAYOUT_CHANGE_LENGTH: LayoutChange
TENSOR_CODING_UNSPECIFIED: TensorCoding
TENSOR_CODING_ZSTD: TensorCoding

class LayoutStep(_message.Message):
    __slots__ = ("change", "numbers", "name")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    change: LayoutChange
    numbers: _containers.RepeatedScalarFieldContainer[int]
    name: str
    def __init__(self, change: _Optional[_Union[LayoutChange, str]] = ..., numbers: _Optional[_Iterable[int]] = ..., name: _Optional[str] = ...) -> None: ...

class LayoutRule(_message.Message):
    __slots__ = ("steps",)
    STEPS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[LayoutStep]
    def __init__(self, steps: _Optional[_Iterable[_Union[LayoutStep, _Mapping]]] = ...) -> None: ...

class TensorSpec(_message.Message):
    __slots__ = ("dtype", "shape")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    dtype: DType
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, dtype: _Optional[_Union[DType, str]] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class ArenaPlace(_message.Message):
    __slots__ = ("place", "offset", "bytes")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    place: int
    offset: int
    bytes: int
    def __init__(self, place: _Optional[int] = ..., offset: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class TensorHeader(_message.Message):
    __slots__ = ("tensor", "spec", "name", "sum_squares", "arena")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUM_SQUARES_FIELD_NUMBER: _ClassVar[int]
    ARENA_FIELD_NUMBER: _ClassVar[int]
    tensor: int
    spec: TensorSpec
    name: str
    sum_squares: float
    arena: ArenaPlace
    def __init__(self, tensor: _Optional[int] = ..., spec: _Optional[_Union[TensorSpec, _Mapping]] = ..., name: _Optional[str] = ..., sum_squares: _Optional[float] = ..., arena: _Optional[_Union[ArenaPlace, _Mapping]] = ...) -> None: ...

class TensorChunk(_message.Message):
    __slots__ = ("tensor", "offset", "content", "coding", "plain_bytes", "element_bytes")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CODING_FIELD_NUMBER: _ClassVar[int]
    PLAIN_BYTES_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    tensor: int
    offset: int
    content: bytes
    coding: TensorCoding
    plain_bytes: int
    element_bytes: int
    def __init__(self, tensor: _Optional[int] = ..., offset: _Optional[int] = ..., content: _Optional[bytes] = ..., coding: _Optional[_Union[TensorCoding, str]] = ..., plain_bytes: _Optional[int] = ..., element_bytes: _Optional[int] = ...) -> None: ...

class TensorFrame(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: TensorHeader
    chunk: TensorChunk
    def __init__(self, header: _Optional[_Union[TensorHeader, _Mapping]] = ..., chunk: _Optional[_Union[TensorChunk, _Mapping]] = ...) -> None: ...

class Tree(_message.Message):
    __slots__ = ("msgpack",)
    MSGPACK_FIELD_NUMBER: _ClassVar[int]
    msgpack: bytes
    def __init__(self, msgpack: _Optional[bytes] = ...) -> None: ...
