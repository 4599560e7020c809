"""Sentences on slow connections."""

from __future__ import annotations

from typing import Any

from padiff_client.connection_sentences import speeds
from padiff_rpc.v1.records import Sending
from padiff_rpc.v1.words import Side


def sending(**given: Any) -> Sending:
    values = {"side": Side.REFERENCE, "tensor_bytes": 26 << 20, "sent_bytes": 20 << 20, "can_compress": True}
    return Sending(**{**values, "bytes_per_second": 12e6, **given})


def test_a_slow_connection_says_its_speed_and_what_was_saved() -> None:
    assert speeds([sending(), sending(side=Side.CANDIDATE)], Side.REFERENCE) == [
        "connection from its worker: 12.0 MB/s, 26.0 MiB of tensors compressed 1.30 times"
    ]


def test_a_slow_connection_that_cannot_compress_says_how_it_could() -> None:
    plain = sending(to_worker=True, sent_bytes=26 << 20, can_compress=False)
    assert speeds([plain], Side.REFERENCE) == [
        "connection to its worker: 12.0 MB/s",
        "not compressed: pip install 'padiff-rpc[compression]' for the coordinator and for this worker",
    ]


def test_nothing_is_said_of_a_fast_connection_or_of_one_that_was_not_measured() -> None:
    fast = sending(sent_bytes=26 << 20, bytes_per_second=500e6)
    unknown = sending(sent_bytes=26 << 20, bytes_per_second=0.0, can_compress=False)
    assert speeds([fast, unknown], Side.REFERENCE) == []
