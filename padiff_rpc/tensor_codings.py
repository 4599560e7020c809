"""Coded chunks of tensors: Zstandard over byte planes, where its library is installed."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, Optional

import numpy as np

from padiff_rpc.convert import from_number, to_number
from padiff_rpc.errors import ProtocolError
from padiff_rpc.v1 import tensors_pb2
from padiff_rpc.v1.words import TensorCoding

# What brings the library.
PIP_LINE = "pip install 'padiff-rpc[compression]'"
# What a chunk holds at most, and the largest element.
_MOST_BYTES, _MOST_ELEMENT_BYTES = 8 << 20, 16
# The window of a frame is no larger, as the logarithm: 8 MiB.
_WINDOW_LOG = 23
# The fastest: higher levels take twice the time for nothing, since a tensor's last bits are noise.
_LEVEL = 1
# A chunk that shrinks by less is sent as it is.
_WORTH_IT = 0.95


@lru_cache(maxsize=1)
def _zstd() -> Optional[Any]:
    """Returns the module with the interface of compression.zstd; None where there is none."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        return None
    return zstd


def codings() -> tuple[str, ...]:
    """Returns the codings that this process can read and write, by their words."""
    return (TensorCoding.ZSTD.value,) if _zstd() is not None else ()


def code(chunk: tensors_pb2.TensorChunk, element_bytes: int) -> tensors_pb2.TensorChunk:
    """Returns a plain chunk of whole elements as a coded one, or as it is where that is hardly smaller."""
    zstd, plain = _zstd(), chunk.content
    assert zstd is not None
    coded = zstd.compress(_planes(plain, element_bytes), _LEVEL)
    if len(coded) > _WORTH_IT * len(plain):
        return chunk
    return tensors_pb2.TensorChunk(
        tensor=chunk.tensor,
        offset=chunk.offset,
        content=coded,
        coding=to_number(TensorCoding.ZSTD),
        plain_bytes=len(plain),
        element_bytes=element_bytes,
    )


def plain(chunk: tensors_pb2.TensorChunk) -> tensors_pb2.TensorChunk:
    """Returns a chunk with the tensor's own bytes. Raises ProtocolError.

    Never more memory is taken than the chunk says that it needs, and no chunk needs more than 8 MiB.
    """
    if not chunk.HasField("coding"):
        return chunk
    from_number(chunk.coding, TensorCoding, field="coding")
    zstd, size, element = _zstd(), chunk.plain_bytes, chunk.element_bytes
    if zstd is None:
        raise ProtocolError(f"a chunk of tensor {chunk.tensor} is compressed, which nobody asked for")
    if not (0 < size <= _MOST_BYTES and 0 < element <= _MOST_ELEMENT_BYTES and size % element == 0):
        raise ProtocolError(
            f"a compressed chunk of tensor {chunk.tensor} claims {size:,} bytes of {element}-byte elements"
        )
    reader = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    try:
        planes = reader.decompress(chunk.content, max_length=size)
    except zstd.ZstdError as error:
        raise ProtocolError(f"a compressed chunk of tensor {chunk.tensor} cannot be read: {error}") from None
    if len(planes) != size or not reader.eof or reader.unused_data:
        raise ProtocolError(
            f"a compressed chunk of tensor {chunk.tensor} holds other than the {size:,} bytes that it claims"
        )
    content = planes if element == 1 else _elements(planes, element)
    return tensors_pb2.TensorChunk(tensor=chunk.tensor, offset=chunk.offset, content=content)


def _planes(content: bytes, element_bytes: int) -> bytes:
    """Returns the first byte of each element, then the second of each, and so on.

    Exponents are alike among neighbours, and compress; mantissas between them would hide that.
    """
    planes: bytes = np.frombuffer(content, np.uint8).reshape(-1, element_bytes).T.tobytes()
    return planes


def _elements(planes: bytes, element_bytes: int) -> bytes:
    elements: bytes = np.frombuffer(planes, np.uint8).reshape(element_bytes, -1).T.tobytes()
    return elements
