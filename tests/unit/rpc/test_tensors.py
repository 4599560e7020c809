from __future__ import annotations

import math
from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padiff_rpc import tensors
from padiff_rpc.convert import to_proto
from padiff_rpc.errors import BusyError, PaDiffError, ProtocolError
from padiff_rpc.limits import limits
from padiff_rpc.tensor_sender import received_tensors
from padiff_rpc.tensors import HostTensor, TensorAssembler
from padiff_rpc.v1 import tensors_pb2
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType

SHAPES = [(), (0,), (2, 0, 3), (1,), (7,), (3, 5), (2, 3, 4)]


def _tensor(dtype: DType, shape: tuple[int, ...], seed: int = 0) -> HostTensor:
    """Random bytes, so NaN and all bit patterns too; bools stay 0 or 1."""
    count = math.prod(shape) * tensors.numpy_dtype(dtype).itemsize
    content = np.random.default_rng(seed).integers(0, 256, count, dtype=np.uint8)
    if dtype is DType.BOOL:
        content &= 1
    return HostTensor(array=content.view(tensors.numpy_dtype(dtype)).reshape(shape), dtype=dtype)


def _assert_same(left: HostTensor, right: HostTensor) -> None:
    assert left.spec == right.spec
    assert left.array.shape == right.array.shape
    assert bytes(left.flat_bytes()) == bytes(right.flat_bytes())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DType, ids=str)
def test_a_tensor_survives_the_wire_bit_for_bit(dtype: DType, shape: tuple[int, ...]) -> None:
    tensor = _tensor(dtype, shape)
    (received,) = received_tensors(tensors.frames_of(4, tensor, "weight"))
    assert (received.number, received.name) == (4, "weight")
    _assert_same(received.tensor, tensor)


@given(chunk=st.integers(1, 200), size=st.integers(0, 150))
def test_any_chunking_gives_the_same_tensor(chunk: int, size: int) -> None:
    tensor = _tensor(DType.UINT8, (size,))
    assembler = TensorAssembler()
    done = assembler.header(tensors.header_of(0, tensor))
    for part in tensors.chunks_of(0, tensor, chunk):
        assert done is None
        done = assembler.chunk(part)
    assembler.finish()
    assert done is not None
    _assert_same(done.tensor, tensor)


def test_frames_of_several_tensors_may_lie_between_each_other() -> None:
    first, second = _tensor(DType.FLOAT32, (10,), 1), _tensor(DType.INT16, (9,), 2)
    assembler = TensorAssembler()
    assert assembler.header(tensors.header_of(1, first)) is None
    assert assembler.header(tensors.header_of(2, second)) is None
    done = {}
    for pair in zip_longest(tensors.chunks_of(1, first, 10), tensors.chunks_of(2, second, 10)):
        for chunk in filter(None, pair):
            received = assembler.chunk(chunk)
            if received is not None:
                done[received.number] = received.tensor
    _assert_same(done[1], first)
    _assert_same(done[2], second)


def _header(number: int = 1, *shape: int, dtype: DType = DType.FLOAT32) -> tensors_pb2.TensorHeader:
    return tensors_pb2.TensorHeader(tensor=number, spec=to_proto(TensorSpec(dtype=dtype, shape=shape)))


def _chunk(number: int, offset: int, content: bytes) -> tensors_pb2.TensorChunk:
    return tensors_pb2.TensorChunk(tensor=number, offset=offset, content=content)


def _refused_unseen(error: type[PaDiffError], match: str, *shape: int) -> None:
    assembler = TensorAssembler(allocate=lambda spec: pytest.fail("allocated"))
    with pytest.raises(error, match=match):
        assembler.header(_header(1, *shape))


@pytest.mark.parametrize("shape", [(-1,), (-(1 << 62), -4), (0, -1), (1,) * 33], ids=str)
def test_a_header_with_an_impossible_shape_is_refused_before_memory_is_taken(shape: tuple[int, ...]) -> None:
    _refused_unseen(ProtocolError, "claims the shape", *shape)


@pytest.mark.parametrize("shape", [(1 << 58,), (1 << 40, 1 << 40), (1 << 62, 4), (0, 1 << 62)], ids=str)
def test_a_header_over_the_limit_is_refused_before_memory_is_taken(shape: tuple[int, ...]) -> None:
    _refused_unseen(BusyError, "over 65,536 MiB; PADIFF_MAX_TENSOR_MIB sets this limit", *shape)


def test_unfinished_tensors_count_together() -> None:
    most = limits().tensor_bytes
    assembler = TensorAssembler(allocate=lambda spec: np.empty(1, np.uint8))
    assembler.header(_header(1, most - 8, dtype=DType.UINT8))
    with pytest.raises(BusyError, match="what is unfinished"):
        assembler.header(_header(2, 16, dtype=DType.UINT8))


def test_finished_tensors_no_longer_count() -> None:
    tensor = HostTensor.from_array(np.ones(4, np.uint8))
    assembler = TensorAssembler(allocate=lambda spec: np.empty(4, np.uint8))
    for number in range(3):
        assembler.header(tensors.header_of(number, tensor))
        (chunk,) = tensors.chunks_of(number, tensor)
        assert assembler.chunk(chunk) is not None
    assert assembler.header(_header(3, limits().tensor_bytes, dtype=DType.UINT8)) is None


def test_a_lack_of_memory_is_a_limit_like_another() -> None:
    def allocate(spec: TensorSpec) -> np.ndarray:
        raise MemoryError

    with pytest.raises(BusyError, match="no memory for tensor 1, which claims 16 bytes"):
        TensorAssembler(allocate).header(_header(1, 4))


@pytest.mark.parametrize("figure", [-1.0, math.nan])
def test_a_header_with_a_sum_of_squares_that_no_tensor_has_is_refused(figure: float) -> None:
    header = _header(1, 4)
    header.sum_squares = figure
    with pytest.raises(ProtocolError, match="claims a sum of squares that no tensor has"):
        TensorAssembler().header(header)


def test_a_tensor_announced_twice_is_refused() -> None:
    assembler = TensorAssembler()
    assembler.header(_header(1, 4))
    with pytest.raises(ProtocolError, match="twice or out of order"):
        assembler.header(_header(1, 4))


def test_a_number_is_never_used_again() -> None:
    assembler = TensorAssembler()
    assert assembler.header(_header(2, 0)) is not None
    with pytest.raises(ProtocolError, match="twice or out of order"):
        assembler.header(_header(1, 4))


@pytest.mark.parametrize(
    ("offset", "content"),
    [(4, b"1234"), (0, b"x" * 17), (0, b"")],
    ids=["a gap", "too many bytes", "no bytes"],
)
def test_a_chunk_that_contradicts_its_header_is_refused(offset: int, content: bytes) -> None:
    assembler = TensorAssembler()
    assembler.header(_header(1, 4))
    with pytest.raises(ProtocolError, match="where 0 of 16 bytes have come"):
        assembler.chunk(_chunk(1, offset, content))


def test_a_chunk_without_a_header_is_refused() -> None:
    with pytest.raises(ProtocolError, match="without its header"):
        TensorAssembler().chunk(_chunk(3, 0, b"1234"))


def test_a_chunk_behind_the_last_is_refused() -> None:
    assembler = TensorAssembler()
    assembler.header(_header(1, 1))
    assert assembler.chunk(_chunk(1, 0, b"1234")) is not None
    with pytest.raises(ProtocolError, match="without its header"):
        assembler.chunk(_chunk(1, 4, b"5678"))


def test_a_stream_that_ends_inside_a_tensor_is_refused() -> None:
    frames = list(tensors.frames_of(1, _tensor(DType.FLOAT32, (4,))))[:1]
    with pytest.raises(ProtocolError, match=r"ended inside tensors \[1\]"):
        list(received_tensors(frames))


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ProtocolError, match="neither a header nor a chunk"):
        TensorAssembler().frame(tensors_pb2.TensorFrame())


def test_an_array_in_another_order_or_byte_order_travels_by_value() -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    tensor = HostTensor.from_array(array)
    assert tensor.spec == TensorSpec(dtype=DType.FLOAT32, shape=(3, 2))
    assert tensor.array.flags.c_contiguous
    np.testing.assert_array_equal(tensor.array, array)


def test_a_scalar_stays_0_d() -> None:
    assert HostTensor.from_array(np.float32(2.5)).spec.shape == ()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([object()]), np.array([1], "datetime64[s]")])
def test_a_dtype_without_a_counterpart_lists_those_that_have_one(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="cannot travel; allowed: bool, uint8"):
        HostTensor.from_array(array)


def test_bfloat16_bits_widen_exactly() -> None:
    bits = np.array([0x3F80, 0xC000, 0x7F80, 0x0001], np.uint16)
    wide = tensors.widen(bits, DType.BFLOAT16)
    np.testing.assert_array_equal(wide, [1.0, -2.0, np.inf, 2.0**-133])


def test_squares_of_what_is_not_finite_are_left_out() -> None:
    values = np.array([3.0, -4.0, np.nan, np.inf], np.float32)
    assert tensors.sum_of_squares(HostTensor.from_array(values)) == 25.0
    parts = np.array([3.0 + 4.0j, complex(5.0, np.nan), complex(np.inf, 2.0)], np.complex64)
    assert tensors.sum_of_squares(HostTensor.from_array(parts)) == 25.0


def test_squares_beyond_float64_are_infinite_without_a_warning() -> None:
    assert tensors.sum_of_squares(HostTensor.from_array(np.array([1e200, 2.0]))) == math.inf


def test_squares_do_not_overflow_in_small_dtypes() -> None:
    values = np.full(1000, 6e4, np.float16)
    total = tensors.sum_of_squares(HostTensor.from_array(values))
    assert total == pytest.approx(1000 * float(np.float16(6e4)) ** 2)
    assert tensors.sum_of_squares(HostTensor.from_array(np.array([-128, 127], np.int8))) == 128**2 + 127**2
    assert tensors.sum_of_squares(HostTensor.from_array(np.array([True, False, True]))) == 2


@pytest.mark.parametrize(
    ("dtype", "expected"), [("float16", 2**-10), ("bfloat16", 2**-7), ("float32", 2**-23)]
)
def test_epsilon_is_the_step_after_one(dtype: str, expected: float) -> None:
    assert tensors.epsilon(DType(dtype)) == expected


def test_a_digest_tells_dtypes_shapes_and_bits_apart() -> None:
    zeros = np.zeros((2, 3), np.float32)
    others = [zeros, zeros.T, zeros.astype(np.float64), zeros.view(np.int32), -zeros, zeros[:0]]
    digests = {tensors.digest(HostTensor.from_array(one)) for one in others}
    assert {len(one) for one in digests} == {16}
    assert len(digests) == len(others)
    assert tensors.digest(HostTensor.from_array(zeros.copy())) in digests


@pytest.mark.parametrize(
    ("one", "other", "are_identical"),
    [
        (np.float32([1, np.nan]), np.float32([1, np.nan]), True),
        (np.float32([0.0]), np.float32([-0.0]), False),
        (np.float32([1, 2]), np.float32([[1, 2]]), False),
        (np.float32([1]), np.int32([1065353216]), False),
        (np.complex128([1 + 2j]), np.complex128([1 + 2j]), True),
        (np.complex128([1 + 2j]), np.complex128([1 + 3j]), False),
        (np.array(True), np.array(True), True),
        (np.int8([1, 2, 3]), np.int8([1, 2, 4]), False),
        (np.zeros((0, 3), np.float16), np.zeros((0, 3), np.float16), True),
        (np.arange(6.0).reshape(2, 3).T, np.arange(6.0).reshape(2, 3).T.copy(), True),
    ],
)
def test_tensors_are_identical_by_dtype_shape_and_bits(one, other, are_identical) -> None:
    tensors = [HostTensor(array=array, dtype=DType(array.dtype.name)) for array in (one, other)]
    assert tensors[0].is_identical(tensors[1]) is are_identical
