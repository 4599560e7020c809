"""Sentences on the connections between a coordinator and its workers."""

from __future__ import annotations

from collections.abc import Iterable

from padiff_rpc.tensor_codings import PIP_LINE
from padiff_rpc.tensor_sender import SLOW_BYTES_PER_SECOND
from padiff_rpc.v1.records import Sending
from padiff_rpc.v1.words import Side


def speeds(sendings: Iterable[Sending], side: Side) -> list[str]:
    """Returns what caps a side's tensors where its connection is slow, and what compressing saved."""
    lines = [
        _speed(one)
        for one in sendings
        if one.side is side and (_is_slow(one) or one.sent_bytes < one.tensor_bytes)
    ]
    if any(one.side is side and _is_slow(one) and not one.can_compress for one in sendings):
        lines.append(f"not compressed: {PIP_LINE} for the coordinator and for this worker")
    return lines


def _is_slow(sending: Sending) -> bool:
    return 0 < sending.bytes_per_second < SLOW_BYTES_PER_SECOND


def _speed(sending: Sending) -> str:
    way = "to its worker" if sending.to_worker else "from its worker"
    text = f"connection {way}: {sending.bytes_per_second / 1e6:.1f} MB/s"
    if sending.sent_bytes < sending.tensor_bytes:
        times = sending.tensor_bytes / sending.sent_bytes
        text += f", {sending.tensor_bytes / 2**20:.1f} MiB of tensors compressed {times:.2f} times"
    return text
