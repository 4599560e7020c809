from padiff_rpc.v1 import reasons_pb2 as _reasons_pb2
from padiff_rpc.v1 import records_pb2 as _records_pb2
from padiff_rpc.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_CONNECT: _ClassVar[Phase]
    PHASE_LOAD: _ClassVar[Phase]
    PHASE_TRACE: _ClassVar[Phase]
    PHASE_INPUTS: _ClassVar[Phase]
    PHASE_INITIAL_WEIGHTS: _ClassVar[Phase]
    PHASE_FORWARD: _ClassVar[Phase]
    PHASE_LOSS: _ClassVar[Phase]
    PHASE_BACKWARD: _ClassVar[Phase]
    PHASE_GRADIENTS: _ClassVar[Phase]
    PHASE_OPTIMIZER: _ClassVar[Phase]
    PHASE_WEIGHTS: _ClassVar[Phase]

class WeightKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHT_KIND_UNSPECIFIED: _ClassVar[WeightKind]
    WEIGHT_KIND_PARAMETER: _ClassVar[WeightKind]
    WEIGHT_KIND_BUFFER: _ClassVar[WeightKind]

class WeightLayout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHT_LAYOUT_UNSPECIFIED: _ClassVar[WeightLayout]
    WEIGHT_LAYOUT_OUT_IN: _ClassVar[WeightLayout]
    WEIGHT_LAYOUT_IN_OUT: _ClassVar[WeightLayout]

class BufferRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUFFER_ROLE_UNSPECIFIED: _ClassVar[BufferRole]
    BUFFER_ROLE_STATISTIC: _ClassVar[BufferRole]
    BUFFER_ROLE_BOOKKEEPING: _ClassVar[BufferRole]
    BUFFER_ROLE_COMPUTED: _ClassVar[BufferRole]

class VarianceDivisor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VARIANCE_DIVISOR_UNSPECIFIED: _ClassVar[VarianceDivisor]
    VARIANCE_DIVISOR_COUNT: _ClassVar[VarianceDivisor]
    VARIANCE_DIVISOR_COUNT_LESS_ONE: _ClassVar[VarianceDivisor]

class CallMoment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_MOMENT_UNSPECIFIED: _ClassVar[CallMoment]
    CALL_MOMENT_ENTRY: _ClassVar[CallMoment]
    CALL_MOMENT_EXIT: _ClassVar[CallMoment]

class Transport(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSPORT_UNSPECIFIED: _ClassVar[Transport]
    TRANSPORT_AUTO: _ClassVar[Transport]
    TRANSPORT_SHM: _ClassVar[Transport]
    TRANSPORT_GRPC: _ClassVar[Transport]
PHASE_UNSPECIFIED: Phase
PHASE_CONNECT: Phase
PHASE_LOAD: Phase
PHASE_TRACE: Phase
PHASE_INPUTS: Phase
PHASE_INITIAL_WEIGHTS: Phase
PHASE_FORWARD: Phase
PHASE_LOSS: Phase
PHASE_BACKWARD: Phase
PHASE_GRADIENTS: Phase
PHASE_OPTIMIZER: Phase
PHASE_WEIGHTS: Phase
WEIGHT_KIND_UNSPECIFIED: WeightKind
WEIGHT_KIND_PARAMETER: WeightKind
WEIGHT_KIND_BUFFER: WeightKind
WEIGHT_LAYOUT_UNSPECIFIED: WeightLayout
WEIGHT_LAYOUT_OUT_IN: WeightLayout
WEIGHT_LAYOUT_IN_OUT: WeightLayout
BUFFER_ROLE_UNSPECIFIED: BufferRole
BUFFER_ROLE_STATISTIC: BufferRole
BUFFER_ROLE_BOOKKEEPING: BufferRole
BUFFER_ROLE_COMPUTED: BufferRole
VARIANCE_DIVISOR_UNSPECIFIED: VarianceDivisor
VARIANCE_DIVISOR_COUNT: VarianceDivisor
VARIANCE_DIVISOR_COUNT_LESS_ONE: VarianceDivisor
CALL_MOMENT_UNSPECIFIED: CallMoment
CALL_MOMENT_ENTRY: CallMoment
CALL_MOMENT_EXIT: CallMoment
TRANSPORT_UNSPECIFIED: Transport
TRANSPORT_AUTO: Transport
TRANSPORT_SHM: Transport
TRANSPORT_GRPC: Transport

class Model(_message.Message):
    __slots__ = ("framework", "model", "kwargs", "weights", "device", "dtype", "train", "seed", "loss", "optimizer", "loader", "train_step", "autocast")
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KWARGS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    LOADER_FIELD_NUMBER: _ClassVar[int]
    TRAIN_STEP_FIELD_NUMBER: _ClassVar[int]
    AUTOCAST_FIELD_NUMBER: _ClassVar[int]
    framework: str
    model: str
    kwargs: _tensors_pb2.Tree
    weights: str
    device: str
    dtype: _tensors_pb2.DType
    train: bool
    seed: int
    loss: str
    optimizer: str
    loader: str
    train_step: str
    autocast: _tensors_pb2.DType
    def __init__(self, framework: _Optional[str] = ..., model: _Optional[str] = ..., kwargs: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., weights: _Optional[str] = ..., device: _Optional[str] = ..., dtype: _Optional[_Union[_tensors_pb2.DType, str]] = ..., train: bool = ..., seed: _Optional[int] = ..., loss: _Optional[str] = ..., optimizer: _Optional[str] = ..., loader: _Optional[str] = ..., train_step: _Optional[str] = ..., autocast: _Optional[_Union[_tensors_pb2.DType, str]] = ...) -> None: ...

class SourceLine(_message.Message):
    __slots__ = ("file", "line", "function", "text")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    function: str
    text: str
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., function: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class Weight(_message.Message):
    __slots__ = ("name", "kind", "spec", "trainable", "tied_to", "unsaved", "canonical_name", "layout", "role", "part_of", "divisor")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    TRAINABLE_FIELD_NUMBER: _ClassVar[int]
    TIED_TO_FIELD_NUMBER: _ClassVar[int]
    UNSAVED_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_NAME_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PART_OF_FIELD_NUMBER: _ClassVar[int]
    DIVISOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: WeightKind
    spec: _tensors_pb2.TensorSpec
    trainable: bool
    tied_to: str
    unsaved: bool
    canonical_name: str
    layout: WeightLayout
    role: BufferRole
    part_of: str
    divisor: VarianceDivisor
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[WeightKind, str]] = ..., spec: _Optional[_Union[_tensors_pb2.TensorSpec, _Mapping]] = ..., trainable: bool = ..., tied_to: _Optional[str] = ..., unsaved: bool = ..., canonical_name: _Optional[str] = ..., layout: _Optional[_Union[WeightLayout, str]] = ..., role: _Optional[_Union[BufferRole, str]] = ..., part_of: _Optional[str] = ..., divisor: _Optional[_Union[VarianceDivisor, str]] = ...) -> None: ...

class HeldPieces(_message.Message):
    __slots__ = ("name", "pieces")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    name: str
    pieces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., pieces: _Optional[_Iterable[str]] = ...) -> None: ...

class Layer(_message.Message):
    __slots__ = ("path", "aliases", "classes", "hyper_parameters", "weights", "opaque", "kind", "framework", "held", "training", "made")
    PATH_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    HYPER_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    OPAQUE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    path: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    classes: _containers.RepeatedScalarFieldContainer[str]
    hyper_parameters: _tensors_pb2.Tree
    weights: _containers.RepeatedCompositeFieldContainer[Weight]
    opaque: bool
    kind: str
    framework: str
    held: _containers.RepeatedCompositeFieldContainer[HeldPieces]
    training: bool
    made: SourceLine
    def __init__(self, path: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., classes: _Optional[_Iterable[str]] = ..., hyper_parameters: _Optional[_Union[_tensors_pb2.Tree, _Mapping]] = ..., weights: _Optional[_Iterable[_Union[Weight, _Mapping]]] = ..., opaque: bool = ..., kind: _Optional[str] = ..., framework: _Optional[str] = ..., held: _Optional[_Iterable[_Union[HeldPieces, _Mapping]]] = ..., training: bool = ..., made: _Optional[_Union[SourceLine, _Mapping]] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("name", "tensor", "spec", "takers", "gradient", "lengths")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    TAKERS_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    name: str
    tensor: int
    spec: _tensors_pb2.TensorSpec
    takers: int
    gradient: int
    lengths: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., tensor: _Optional[int] = ..., spec: _Optional[_Union[_tensors_pb2.TensorSpec, _Mapping]] = ..., takers: _Optional[int] = ..., gradient: _Optional[int] = ..., lengths: _Optional[_Iterable[int]] = ...) -> None: ...

class CallEvent(_message.Message):
    __slots__ = ("moment", "path", "call", "slots", "source", "replay")
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    moment: CallMoment
    path: str
    call: int
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    source: SourceLine
    replay: bool
    def __init__(self, moment: _Optional[_Union[CallMoment, str]] = ..., path: _Optional[str] = ..., call: _Optional[int] = ..., slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ..., source: _Optional[_Union[SourceLine, _Mapping]] = ..., replay: bool = ...) -> None: ...

class RandomOperation(_message.Message):
    __slots__ = ("side", "path", "call", "name", "shared", "reasons")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    path: str
    call: int
    name: str
    shared: bool
    reasons: _containers.RepeatedCompositeFieldContainer[_reasons_pb2.Reason]
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., path: _Optional[str] = ..., call: _Optional[int] = ..., name: _Optional[str] = ..., shared: bool = ..., reasons: _Optional[_Iterable[_Union[_reasons_pb2.Reason, _Mapping]]] = ...) -> None: ...

class ModelFailure(_message.Message):
    __slots__ = ("side", "phase", "step", "path", "exception", "text", "traceback", "source")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    side: _reasons_pb2.Side
    phase: Phase
    step: int
    path: str
    exception: str
    text: str
    traceback: str
    source: SourceLine
    def __init__(self, side: _Optional[_Union[_reasons_pb2.Side, str]] = ..., phase: _Optional[_Union[Phase, str]] = ..., step: _Optional[int] = ..., path: _Optional[str] = ..., exception: _Optional[str] = ..., text: _Optional[str] = ..., traceback: _Optional[str] = ..., source: _Optional[_Union[SourceLine, _Mapping]] = ...) -> None: ...
