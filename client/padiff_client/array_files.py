"""Named arrays from .npz and .safetensors files; nothing is unpickled."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np

from padiff_client.spec_paths import near_file
from padiff_client.tensor_leaves import Input
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason
from padiff_rpc.paths import checked_path
from padiff_rpc.tensors import byte_count, numpy_dtype
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType

SUFFIXES = (".npz", ".safetensors")
_MAX_HEADER_BYTES = 100 << 20
# What a file raises that is empty, cut off, changed, locked, something else than its name says, or claims
# more than a machine holds.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)
# The dtypes of the safetensors format that can travel.
_SAFETENSORS_DTYPES = {
    "BOOL": DType.BOOL,
    "U8": DType.UINT8,
    "I8": DType.INT8,
    "U16": DType.UINT16,
    "I16": DType.INT16,
    "U32": DType.UINT32,
    "I32": DType.INT32,
    "U64": DType.UINT64,
    "I64": DType.INT64,
    "F16": DType.FLOAT16,
    "BF16": DType.BFLOAT16,
    "F32": DType.FLOAT32,
    "F64": DType.FLOAT64,
    "C64": DType.COMPLEX64,
}


def read_arrays(path: str) -> dict[str, Any]:
    """Returns the arrays of a file by name, in its order. Raises InvalidRequestError."""
    checked_path(path, field="")
    try:
        if path.endswith(".safetensors"):
            with open(path, "rb") as file:
                return _safetensors(file)
        if path.endswith(".npz"):
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        near = "" if os.path.exists(path) else near_file(path)
        raise InvalidRequestError(f"{path}: cannot be read: {reason(error)}{near}") from None
    raise InvalidRequestError(f"{path}: not allowed; allowed suffixes: {', '.join(SUFFIXES)}")


def _safetensors(file: BinaryIO) -> dict[str, Any]:
    """Reads the format: 8 bytes of header length, a JSON header, then the tensors' bytes."""
    length = int.from_bytes(file.read(8), "little")
    if length > min(_MAX_HEADER_BYTES, os.fstat(file.fileno()).st_size):
        raise ValueError("not a safetensors file")
    header = json.loads(file.read(length))
    start = 8 + length
    return {
        name: _safetensor(file, start, name, description)
        for name, description in header.items()
        if name != "__metadata__"
    }


def _safetensor(file: BinaryIO, start: int, name: str, description: dict[str, Any]) -> Any:
    if description["dtype"] not in _SAFETENSORS_DTYPES:
        raise ValueError(f"{name}: the dtype {description['dtype']} cannot travel")
    dtype = _SAFETENSORS_DTYPES[description["dtype"]]
    spec = TensorSpec(dtype=dtype, shape=tuple(description["shape"]))
    begin, end = description["data_offsets"]
    if end - begin != byte_count(spec):
        raise ValueError(f"{name}: {end - begin} bytes do not make up a {spec}")
    file.seek(start + begin)
    array = np.frombuffer(file.read(end - begin), numpy_dtype(dtype), math.prod(spec.shape))
    return Input(array.reshape(spec.shape), dtype=str(dtype))
