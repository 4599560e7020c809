"""Tensors outside any framework: the dtype table, casts, the way into chunks and back."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_rpc.convert import content_of, from_proto
from padiff_rpc.errors import BusyError, ProtocolError
from padiff_rpc.limits import exceeded, limits
from padiff_rpc.records import record
from padiff_rpc.v1 import tensors_pb2
from padiff_rpc.v1.records import ArenaPlace, TensorSpec, TensorStatistics
from padiff_rpc.v1.words import DType

Array = npt.NDArray[np.generic]

CHUNK_BYTES = 1 << 20
DIGEST_BYTES = 16
# As many as NumPy 1 has.
MAX_DIMENSIONS = 32
# Elements widened to float64 at a time: small enough to stay in a core's cache.
BLOCK_ELEMENTS = 1 << 15
# Numbers of a sketch: in a recording, and on the wire. Primes, so that elements that lie a power of two
# apart, as those of a column do, fall into different ones.
SKETCH_BUCKETS = 1021
WIRE_BUCKETS = 251
_SKETCH_STRIDE = 12_289

# NumPy has no bfloat16: its bits travel, and are held, as uint16.
_NUMPY: dict[DType, np.dtype[np.generic]] = {
    dtype: np.dtype("uint16" if dtype is DType.BFLOAT16 else dtype.value).newbyteorder("<") for dtype in DType
}
_EPSILON = {DType.FLOAT16: 2.0**-10, DType.BFLOAT16: 2.0**-7}
FLOATING = frozenset({DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64})
COMPLEX = frozenset({DType.COMPLEX64, DType.COMPLEX128})


def numpy_dtype(dtype: DType) -> np.dtype[np.generic]:
    """Returns the NumPy dtype that holds `dtype`'s bits (uint16 for bfloat16)."""
    return _NUMPY[dtype]


@cache
def epsilon(dtype: DType) -> float:
    """Returns the distance from 1 to the next number of a floating or complex `dtype`."""
    if dtype in _EPSILON:
        return _EPSILON[dtype]
    return float(np.finfo(dtype.value).eps)


def byte_count(spec: TensorSpec) -> int:
    """Returns the number of bytes of a tensor of this shape and dtype."""
    return math.prod(spec.shape) * numpy_dtype(spec.dtype).itemsize


@record
class HostTensor:
    """A tensor in this process's memory.

    `array` is of `numpy_dtype(dtype)`; for bfloat16 it holds the bits as uint16. It is C-contiguous, but in
    the views that layout rules give of another tensor.
    `sketch_of`: the tensor of which this is the `sketch`; None for one that is itself. `statistics`: of that
    tensor, where they came with its sketch.
    """

    array: Array
    dtype: DType
    sketch_of: Optional[TensorSpec] = None
    statistics: Optional[TensorStatistics] = None

    @classmethod
    def from_array(cls, array: npt.ArrayLike, dtype: Optional[DType] = None) -> HostTensor:
        """Returns `array` as a tensor, copied only where its layout or byte order asks for it.

        `dtype` is needed where NumPy cannot say it: DType.BFLOAT16 with uint16 bits. Raises TypeError
        for a NumPy dtype that has no counterpart (strings, objects, dates).
        """
        given = np.asarray(array)
        if dtype is None:
            try:
                # "bfloat16" is how ml_dtypes names its extension type.
                dtype = DType(given.dtype.name)
            except ValueError:
                allowed = ", ".join(known.value for known in DType)
                raise TypeError(f"dtype {given.dtype} cannot travel; allowed: {allowed}") from None
            if dtype is DType.BFLOAT16:
                given = given.view(np.uint16)
        # order="C" by asarray, since ascontiguousarray makes 0-d arrays 1-d.
        return cls(array=np.asarray(given, dtype=numpy_dtype(dtype), order="C"), dtype=dtype)

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(dtype=self.dtype, shape=tuple(self.array.shape))

    @property
    def told_spec(self) -> TensorSpec:
        """The spec of what it stands for."""
        return self.sketch_of or self.spec

    @property
    def byte_count(self) -> int:
        return self.array.nbytes

    def flat_bytes(self) -> memoryview:
        """Returns the bytes in C order, without a copy."""
        return self.array.reshape(-1).view(np.uint8).data if self.array.size else memoryview(b"")

    def is_identical(self, other: HostTensor) -> bool:
        """Whether dtype, shape and bytes are equal: those of NaN too, and zeros by their signs."""
        if self.dtype != other.dtype or self.array.shape != other.array.shape:
            return False
        # As numbers of as many bytes, since Python compares memory views one byte after the other.
        bits = f"u{min(self.array.itemsize, 8)}"
        one, two = (tensor.array.reshape(-1).view(bits) for tensor in (self, other))
        return np.array_equal(one, two)


def checksum(tensor: HostTensor) -> int:
    """Returns the CRC-32 of its bytes, 32 bits without a sign."""
    return zlib.crc32(tensor.flat_bytes())


def digest(tensor: HostTensor) -> bytes:
    """Returns 16 bytes that no other tensor has: BLAKE2b of its dtype, its shape and its bytes."""
    made = hashlib.blake2b(f"{tensor.dtype} {list(tensor.array.shape)}".encode(), digest_size=DIGEST_BYTES)
    made.update(tensor.flat_bytes())
    return made.digest()


def widen(values: Array, dtype: DType) -> Array:
    """Returns `values` for exact arithmetic: float64, complex128, or integers and bools as they are."""
    if dtype is DType.BFLOAT16:
        bits = np.left_shift(values.astype(np.uint32), 16, dtype=np.uint32)
        return bits.view(np.float32).astype(np.float64)
    if dtype in FLOATING:
        return values.astype(np.float64)
    if dtype in COMPLEX:
        return values.astype(np.complex128)
    return values


def cast(value: HostTensor, dtype: DType) -> HostTensor:
    """Returns `value` in another dtype, as a framework makes it when it copies it into such a tensor.

    Rounded to nearest, ties to even; complex numbers lose i.
    """
    if value.dtype is dtype:
        return value
    # Overflow to infinity and NaN are what the framework makes of such values too.
    with np.errstate(all="ignore"):
        wide = widen(value.array, value.dtype)
        if dtype not in COMPLEX and np.iscomplexobj(wide):
            wide = wide.real
        if dtype is DType.BFLOAT16:
            return HostTensor(array=_bfloat16_bits(wide.astype(np.float32)), dtype=dtype)
        return HostTensor(array=wide.astype(numpy_dtype(dtype)), dtype=dtype)


def widest_dtype(dtype: DType) -> DType:
    """Returns float64 for a floating dtype, complex128 for a complex one, any other as it is."""
    return DType.FLOAT64 if dtype in FLOATING else DType.COMPLEX128 if dtype in COMPLEX else dtype


def widest(value: HostTensor) -> HostTensor:
    """Returns `value` in the widest dtype of its kind; exact."""
    return cast(value, widest_dtype(value.dtype))


def _bfloat16_bits(values: Array) -> Array:
    bits = np.asarray(values).view(np.uint32)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    # The carry of rounding could make a NaN an infinity: keep NaNs by a bit of their own.
    return np.asarray(np.where(np.isnan(values), (bits >> 16) | 0x40, rounded)).astype(np.uint16)


def sum_of_squares(tensor: HostTensor) -> float:
    """Returns the sum of squares of the finite elements, in float64; of complex ones, of the magnitudes."""
    total = 0.0
    flat = tensor.array.ravel(order="K")  # as they lie: a transposed one is not copied
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, flat.size, BLOCK_ELEMENTS):
            block = widen(flat[start : start + BLOCK_ELEMENTS], tensor.dtype)
            is_complex = tensor.dtype in COMPLEX
            reals = block.view(np.float64) if is_complex else block.astype(np.float64, copy=False)
            # One pass, and no dot product: BLAS would take threads away from the model.
            square = float(np.einsum("i,i->", reals, reals))
            if not math.isfinite(square):
                finite = np.abs(block).astype(np.float64)
                square = float(np.square(finite[np.isfinite(finite)]).sum())
            total += square
    return total


def sketch(tensor: HostTensor, buckets: int = SKETCH_BUCKETS) -> HostTensor:
    """Returns float64[buckets]: the reals of a floating or complex tensor, summed under signs into buckets.

    The signs are pseudo-random, and the same for every tensor. The sum is linear, and the square of a
    sketch's norm is on average that of the tensor's, with a relative standard deviation of sqrt(2 / buckets)
    unless most of the norm lies in elements that are multiples of `buckets` apart. So the difference of two
    sketches tells the norm of the tensors' difference (see `sketch_deviation`). Up to `buckets` reals it is
    exact.
    (A count sketch: Charikar, Chen, Farach-Colton, 2002; its norm: Alon, Matias, Szegedy, 1996, and
    Thorup, Zhang, 2004.)
    """
    sums = np.zeros(buckets)
    flat, signs = tensor.array.reshape(-1), _sketch_signs()
    with np.errstate(all="ignore"):
        first = 0
        for number, start in enumerate(range(0, flat.size, BLOCK_ELEMENTS)):
            reals = widen(flat[start : start + BLOCK_ELEMENTS], tensor.dtype).view(np.float64)
            offset = number * _SKETCH_STRIDE % BLOCK_ELEMENTS
            rows = np.zeros((-(-(first + reals.size) // buckets), buckets))
            np.multiply(
                reals,
                signs[offset : offset + reals.size],
                out=rows.reshape(-1)[first : first + reals.size],
            )
            sums += rows.sum(axis=0)
            first = (first + reals.size) % buckets
    return HostTensor(array=sums, dtype=DType.FLOAT64, sketch_of=tensor.spec)


def sketch_deviation(buckets: int) -> float:
    """Returns the relative standard deviation of a norm that sketches of so many numbers tell."""
    return 1.0 / math.sqrt(2.0 * buckets)


@lru_cache(maxsize=1)
def _sketch_signs() -> npt.NDArray[np.float64]:
    """Returns the signs, of which each block takes a stretch; a complex element has two parts.

    Recordings hold sketches: the raw numbers of a bit generator stay what they are in every NumPy.
    """
    return np.where(np.random.PCG64(20).random_raw(3 * BLOCK_ELEMENTS) >> 63, 1.0, -1.0)


def header_of(
    number: int, tensor: HostTensor, place: Optional[ArenaPlace] = None
) -> tensors_pb2.TensorHeader:
    """Returns the header that announces a capture; reads every element once. `place`: where it lies."""
    header = plain_header_of(number, tensor, place=place)
    header.sum_squares = sum_of_squares(tensor)
    return header


def plain_header_of(
    number: int, tensor: HostTensor, name: str = "", place: Optional[ArenaPlace] = None
) -> tensors_pb2.TensorHeader:
    """Returns a header without its sum of squares, for a tensor that nobody will measure by its header."""
    arena = None if place is None else content_of(place)
    return tensors_pb2.TensorHeader(tensor=number, spec=content_of(tensor.spec), name=name, arena=arena)


def chunks_of(
    number: int, tensor: HostTensor, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tensors_pb2.TensorChunk]:
    """Yields the chunks of `tensor` in order; none for a tensor of no bytes."""
    content = tensor.flat_bytes()
    for offset in range(0, len(content), chunk_bytes):
        yield tensors_pb2.TensorChunk(
            tensor=number, offset=offset, content=bytes(content[offset : offset + chunk_bytes])
        )


def frames_of(
    number: int,
    tensor: HostTensor,
    name: str = "",
    place: Optional[ArenaPlace] = None,
    chunks: Callable[[int, HostTensor], Iterator[tensors_pb2.TensorChunk]] = chunks_of,
) -> Iterator[tensors_pb2.TensorFrame]:
    """Yields a tensor's header, and its `chunks` unless it lies at a `place` in an arena, as frames."""
    yield tensors_pb2.TensorFrame(header=plain_header_of(number, tensor, name, place))
    for chunk in chunks(number, tensor) if place is None else ():
        yield tensors_pb2.TensorFrame(chunk=chunk)


@record
class ReceivedTensor:
    """A tensor that arrived whole."""

    number: int
    name: str
    tensor: HostTensor


class TensorAssembler:
    """Puts the tensors of one stream back together, checking every count. Not thread-safe.

    `allocate(spec)` returns the C-contiguous array to fill (fresh memory by default; a memory-mapped
    file where memory is short). `lent(place)` returns the bytes in an arena, uint8.
    """

    def __init__(
        self,
        allocate: Optional[Callable[[TensorSpec], Array]] = None,
        lent: Optional[Callable[[ArenaPlace], Array]] = None,
    ) -> None:
        self._lent = lent
        self._allocate = allocate or (lambda spec: np.empty(spec.shape, numpy_dtype(spec.dtype)))
        self._open: dict[int, tuple[ReceivedTensor, memoryview, int]] = {}
        self._open_bytes = 0
        self._last = -1

    def frame(self, frame: tensors_pb2.TensorFrame) -> Optional[ReceivedTensor]:
        """Takes one frame; returns the tensor that it completes, if any. Raises as `header` and `chunk`."""
        kind = frame.WhichOneof("frame")
        if kind == "header":
            return self.header(frame.header)
        if kind == "chunk":
            return self.chunk(frame.chunk)
        raise ProtocolError("a tensor frame holds neither a header nor a chunk")

    def header(self, header: tensors_pb2.TensorHeader) -> Optional[ReceivedTensor]:
        """Takes a header; returns the tensor at once when it has no bytes, or lies in an arena.

        Raises ProtocolError for a header that no tensor has, BusyError for one larger than the limit or
        than memory.
        """
        if header.HasField("arena"):
            if self._lent is None:
                raise ProtocolError(f"tensor {header.tensor} claims to lie in memory that is not shared")
            return self.whole(header, self._lent(from_proto(header.arena, ArenaPlace)))
        spec, size = self._announced(header)
        try:
            array = self._allocate(spec)
        except MemoryError:
            raise BusyError(f"no memory for tensor {header.tensor}, which claims {size:,} bytes") from None
        received = ReceivedTensor(
            number=header.tensor, name=header.name, tensor=HostTensor(array=array, dtype=spec.dtype)
        )
        if size == 0:
            return received
        self._open_bytes += size
        self._open[header.tensor] = (received, received.tensor.flat_bytes(), 0)
        return None

    def whole(self, header: tensors_pb2.TensorHeader, content: Array) -> ReceivedTensor:
        """Takes a header whose tensor is there already, as `content` (uint8); returns it, over these bytes.

        Raises as `header`, and ProtocolError where the bytes are not as many as it needs.
        """
        spec, size = self._announced(header)
        if content.size != size:
            raise ProtocolError(f"tensor {header.tensor} needs {size:,} bytes, and has {content.size:,}")
        array = content.view(numpy_dtype(spec.dtype)).reshape(spec.shape)
        return ReceivedTensor(
            number=header.tensor, name=header.name, tensor=HostTensor(array=array, dtype=spec.dtype)
        )

    def _announced(self, header: tensors_pb2.TensorHeader) -> tuple[TensorSpec, int]:
        """Returns a tensor's spec and how many bytes it has, its header checked."""
        spec = from_proto(header.spec, TensorSpec)
        size = self._checked_size(header.tensor, spec)
        if not header.sum_squares >= 0:
            raise ProtocolError(f"tensor {header.tensor} claims a sum of squares that no tensor has")
        if header.tensor <= self._last:
            raise ProtocolError(f"tensor number {header.tensor} was announced twice or out of order")
        self._last = header.tensor
        return spec, size

    def _checked_size(self, number: int, spec: TensorSpec) -> int:
        """Returns the tensor's bytes. NumPy must be able to hold the shape even where an axis is empty."""
        shape = list(spec.shape[: MAX_DIMENSIONS + 1])
        if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
            raise ProtocolError(
                f"tensor {number} claims the shape {shape}: no axis is negative, {MAX_DIMENSIONS} are most"
            )
        claimed = math.prod(size for size in shape if size) * numpy_dtype(spec.dtype).itemsize
        if self._open_bytes + claimed > limits().tensor_bytes:
            raise exceeded(
                f"tensor {number} claims the shape {shape}, which with what is unfinished makes over "
                f"{limits().tensor_mib:,} MiB",
                "tensor_mib",
            )
        return byte_count(spec)

    def chunk(self, chunk: tensors_pb2.TensorChunk) -> Optional[ReceivedTensor]:
        """Takes a chunk; returns the tensor that it completes, if any. Raises ProtocolError."""
        if chunk.tensor not in self._open:
            raise ProtocolError(f"a chunk of tensor {chunk.tensor} came without its header")
        received, content, filled = self._open[chunk.tensor]
        end = filled + len(chunk.content)
        if chunk.offset != filled or end > len(content) or not chunk.content:
            raise ProtocolError(
                f"tensor {chunk.tensor}: {len(chunk.content)} bytes at offset {chunk.offset}, "
                f"where {filled} of {len(content)} bytes have come"
            )
        content[filled:end] = chunk.content
        if end == len(content):
            del self._open[chunk.tensor]
            self._open_bytes -= len(content)
            return received
        self._open[chunk.tensor] = (received, content, end)
        return None

    def finish(self) -> None:
        """Raises ProtocolError if a tensor is still incomplete."""
        if self._open:
            raise ProtocolError(f"the stream ended inside tensors {sorted(self._open)}")


def bounded(tensors: Iterable[ReceivedTensor]) -> Iterator[ReceivedTensor]:
    """Yields tensors that are kept together. Raises BusyError when they are more than the limit."""
    total = 0
    for received in tensors:
        total += received.tensor.byte_count
        if total > limits().tensor_bytes:
            raise exceeded(
                f"tensors that belong together make over {limits().tensor_mib:,} MiB", "tensor_mib"
            )
        yield received
