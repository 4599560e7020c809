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

class TensorKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TENSOR_KIND_UNSPECIFIED: _ClassVar[TensorKind]
    TENSOR_KIND_BOOL: _ClassVar[TensorKind]
    TENSOR_KIND_INTEGER: _ClassVar[TensorKind]
    TENSOR_KIND_FLOAT: _ClassVar[TensorKind]
    TENSOR_KIND_COMPLEX: _ClassVar[TensorKind]
TENSOR_KIND_UNSPECIFIED: TensorKind
TENSOR_KIND_BOOL: TensorKind
TENSOR_KIND_INTEGER: TensorKind
TENSOR_KIND_FLOAT: TensorKind
TENSOR_KIND_COMPLEX: TensorKind

class FunctionSelection(_message.Message):
    __slots__ = ("path", "call", "into")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    INTO_FIELD_NUMBER: _ClassVar[int]
    path: str
    call: int
    into: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, path: _Optional[str] = ..., call: _Optional[int] = ..., into: _Optional[_Iterable[str]] = ...) -> None: ...

class FunctionTrace(_message.Message):
    __slots__ = ("path", "call", "calls", "tensors", "boundaries", "cut_short", "returned")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    BOUNDARIES_FIELD_NUMBER: _ClassVar[int]
    CUT_SHORT_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    path: str
    call: int
    calls: _containers.RepeatedCompositeFieldContainer[FunctionCall]
    tensors: _containers.RepeatedCompositeFieldContainer[FunctionTensor]
    boundaries: _containers.RepeatedCompositeFieldContainer[FunctionBoundary]
    cut_short: _reasons_pb2.Reason
    returned: _models_pb2.SourceLine
    def __init__(self, path: _Optional[str] = ..., call: _Optional[int] = ..., calls: _Optional[_Iterable[_Union[FunctionCall, _Mapping]]] = ..., tensors: _Optional[_Iterable[_Union[FunctionTensor, _Mapping]]] = ..., boundaries: _Optional[_Iterable[_Union[FunctionBoundary, _Mapping]]] = ..., cut_short: _Optional[_Union[_reasons_pb2.Reason, _Mapping]] = ..., returned: _Optional[_Union[_models_pb2.SourceLine, _Mapping]] = ...) -> None: ...

class FunctionCall(_message.Message):
    __slots__ = ("number", "operation", "function", "source", "layer_path", "layer_call", "arguments", "inputs", "outputs", "in_place", "is_source", "is_layout", "is_layer", "is_random", "group", "has_own_backward")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LAYER_PATH_FIELD_NUMBER: _ClassVar[int]
    LAYER_CALL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    IN_PLACE_FIELD_NUMBER: _ClassVar[int]
    IS_SOURCE_FIELD_NUMBER: _ClassVar[int]
    IS_LAYOUT_FIELD_NUMBER: _ClassVar[int]
    IS_LAYER_FIELD_NUMBER: _ClassVar[int]
    IS_RANDOM_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    HAS_OWN_BACKWARD_FIELD_NUMBER: _ClassVar[int]
    number: int
    operation: str
    function: str
    source: _models_pb2.SourceLine
    layer_path: str
    layer_call: int
    arguments: _containers.RepeatedCompositeFieldContainer[FunctionArgument]
    inputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    in_place: bool
    is_source: bool
    is_layout: bool
    is_layer: bool
    is_random: bool
    group: int
    has_own_backward: bool
    def __init__(self, number: _Optional[int] = ..., operation: _Optional[str] = ..., function: _Optional[str] = ..., source: _Optional[_Union[_models_pb2.SourceLine, _Mapping]] = ..., layer_path: _Optional[str] = ..., layer_call: _Optional[int] = ..., arguments: _Optional[_Iterable[_Union[FunctionArgument, _Mapping]]] = ..., inputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., in_place: bool = ..., is_source: bool = ..., is_layout: bool = ..., is_layer: bool = ..., is_random: bool = ..., group: _Optional[int] = ..., has_own_backward: bool = ...) -> None: ...

class FunctionArgument(_message.Message):
    __slots__ = ("name", "text", "value", "is_default")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    value: _tensors_pb2.Tree
    is_default: bool
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ..., value: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., is_default: bool = ...) -> None: ...

class FunctionTensor(_message.Message):
    __slots__ = ("number", "kind", "spec", "fingerprint", "producer", "parameter", "mark", "gradient_fingerprint", "replaces", "needs_gradient", "hooked_gradient_fingerprint")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    NEEDS_GRADIENT_FIELD_NUMBER: _ClassVar[int]
    HOOKED_GRADIENT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    number: int
    kind: TensorKind
    spec: _tensors_pb2.TensorSpec
    fingerprint: bytes
    producer: int
    parameter: str
    mark: str
    gradient_fingerprint: bytes
    replaces: int
    needs_gradient: bool
    hooked_gradient_fingerprint: bytes
    def __init__(self, number: _Optional[int] = ..., kind: _Optional[_Union[TensorKind, str]] = ..., spec: _Optional[_Union[_tensors_pb2.TensorSpec, _Mapping]] = ..., fingerprint: _Optional[bytes] = ..., producer: _Optional[int] = ..., parameter: _Optional[str] = ..., mark: _Optional[str] = ..., gradient_fingerprint: _Optional[bytes] = ..., replaces: _Optional[int] = ..., needs_gradient: bool = ..., hooked_gradient_fingerprint: _Optional[bytes] = ...) -> None: ...

class FunctionBoundary(_message.Message):
    __slots__ = ("path", "call", "moment", "slot", "tensor", "replaced_by")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    REPLACED_BY_FIELD_NUMBER: _ClassVar[int]
    path: str
    call: int
    moment: _models_pb2.CallMoment
    slot: str
    tensor: int
    replaced_by: int
    def __init__(self, path: _Optional[str] = ..., call: _Optional[int] = ..., moment: _Optional[_Union[_models_pb2.CallMoment, str]] = ..., slot: _Optional[str] = ..., tensor: _Optional[int] = ..., replaced_by: _Optional[int] = ...) -> None: ...
