from padiff_rpc.v1 import records_pb2 as _records_pb2
from padiff_rpc.v1 import tensors_pb2 as _tensors_pb2
from padiff_rpc.v1 import worker_pb2 as _worker_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordedPart(_message.Message):
    __slots__ = ("begins", "layers", "weight", "optimizer", "optimizer_state", "batch", "batch_tensor", "trace", "step_begins", "events", "floors", "step_ends", "ends")
    BEGINS_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_STATE_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    BATCH_TENSOR_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    STEP_BEGINS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    STEP_ENDS_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    begins: RecordingBegins
    layers: _worker_pb2.DescribeResponse
    weight: _tensors_pb2.TensorFrame
    optimizer: _worker_pb2.DescribeOptimizerResponse
    optimizer_state: _worker_pb2.ReadOptimizerStateResponse
    batch: _worker_pb2.PackedBatch
    batch_tensor: _tensors_pb2.TensorFrame
    trace: _worker_pb2.TraceResponse
    step_begins: _worker_pb2.StepStart
    events: _worker_pb2.RunStepResponse
    floors: RecordedFloors
    step_ends: int
    ends: int
    def __init__(self, begins: _Optional[_Union[RecordingBegins, _Mapping]] = ..., layers: _Optional[_Union[_worker_pb2.DescribeResponse, _Mapping]] = ..., weight: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., optimizer: _Optional[_Union[_worker_pb2.DescribeOptimizerResponse, _Mapping]] = ..., optimizer_state: _Optional[_Union[_worker_pb2.ReadOptimizerStateResponse, _Mapping]] = ..., batch: _Optional[_Union[_worker_pb2.PackedBatch, _Mapping]] = ..., batch_tensor: _Optional[_Union[_tensors_pb2.TensorFrame, _Mapping]] = ..., trace: _Optional[_Union[_worker_pb2.TraceResponse, _Mapping]] = ..., step_begins: _Optional[_Union[_worker_pb2.StepStart, _Mapping]] = ..., events: _Optional[_Union[_worker_pb2.RunStepResponse, _Mapping]] = ..., floors: _Optional[_Union[RecordedFloors, _Mapping]] = ..., step_ends: _Optional[int] = ..., ends: _Optional[int] = ...) -> None: ...

class RecordingBegins(_message.Message):
    __slots__ = ("recording", "worker", "loaded")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    recording: _worker_pb2.Recording
    worker: _worker_pb2.WorkerInfo
    loaded: _worker_pb2.LoadResponse
    def __init__(self, recording: _Optional[_Union[_worker_pb2.Recording, _Mapping]] = ..., worker: _Optional[_Union[_worker_pb2.WorkerInfo, _Mapping]] = ..., loaded: _Optional[_Union[_worker_pb2.LoadResponse, _Mapping]] = ...) -> None: ...

class RecordedFloors(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...
