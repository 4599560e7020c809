"""Coded chunks: the same bytes come back, and nothing that lies about them is believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padiff_rpc import tensor_codings
from padiff_rpc.errors import ProtocolError
from padiff_rpc.tensor_codings import code, codings, plain
from padiff_rpc.v1.tensors_pb2 import TENSOR_CODING_ZSTD, TensorChunk

zstd = tensor_codings._zstd()


def test_this_environment_can_compress() -> None:
    assert codings() == ("zstd",)


@given(st.binary(max_size=200), st.sampled_from([1, 2, 4, 8, 16]))
def test_coded_chunks_come_back_bit_for_bit(pattern: bytes, element: int) -> None:
    content = (pattern * 4000)[: 4096 * element]
    content = content[: len(content) // element * element] or bytes(4096 * element)
    chunk = TensorChunk(tensor=3, offset=17, content=content)

    coded = code(chunk, element)

    assert len(coded.content) < len(content)
    assert plain(coded) == chunk


def test_noise_is_sent_as_it_is() -> None:
    noise = np.random.default_rng(0).bytes(1 << 16)
    chunk = TensorChunk(tensor=1, content=noise)
    assert code(chunk, 4) is chunk


def test_numbers_shrink_by_their_exponents() -> None:
    values = np.random.default_rng(0).normal(size=1 << 18).astype(np.float32)
    coded = code(TensorChunk(content=values.tobytes()), 4)
    assert len(coded.content) < 0.9 * values.nbytes


def coded_zeros(size: int, *, claims: int, element: int = 4) -> TensorChunk:
    content = zstd.compress(bytes(size))
    return TensorChunk(
        tensor=5, content=content, coding=TENSOR_CODING_ZSTD, plain_bytes=claims, element_bytes=element
    )


@pytest.mark.parametrize(("size", "claims"), [(1 << 30, 4096), (4096, 4092), (4096, 4100)])
def test_more_or_fewer_bytes_than_are_claimed_are_refused(size: int, claims: int) -> None:
    with pytest.raises(ProtocolError, match=f"holds other than the {claims:,} bytes that it claims"):
        plain(coded_zeros(size, claims=claims))


@pytest.mark.parametrize(
    ("claims", "element"), [(0, 4), ((8 << 20) + 4, 4), (4096, 0), (4096, 17), (4095, 4)]
)
def test_a_claim_that_no_chunk_may_make_is_refused_before_anything_is_read(claims: int, element: int) -> None:
    with pytest.raises(ProtocolError, match=r"claims .* bytes of .*-byte elements"):
        plain(coded_zeros(4096, claims=claims, element=element))


def test_a_frame_with_a_window_beyond_a_chunk_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    writer = zstd.ZstdCompressor(options=options)
    content = writer.compress(bytes(4096)) + writer.flush()
    chunk = TensorChunk(content=content, coding=TENSOR_CODING_ZSTD, plain_bytes=4096, element_bytes=4)
    with pytest.raises(ProtocolError, match="cannot be read"):
        plain(chunk)


@pytest.mark.parametrize("content", [b"", b"no frame", zstd.compress(bytes(4096))[:-3]])
def test_what_is_no_whole_frame_is_refused(content: bytes) -> None:
    chunk = TensorChunk(content=content, coding=TENSOR_CODING_ZSTD, plain_bytes=4096, element_bytes=4)
    with pytest.raises(ProtocolError):
        plain(chunk)


def test_bytes_behind_a_frame_are_refused() -> None:
    chunk = coded_zeros(4096, claims=4096)
    chunk.content += b"more"
    with pytest.raises(ProtocolError, match="holds other than"):
        plain(chunk)
