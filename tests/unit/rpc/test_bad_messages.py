"""Bytes that are no message, and messages too large, between a real client and a real server."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from padiff_rpc.errors import BusyError, ProtocolError
from padiff_rpc.limits import limits
from padiff_rpc.transport import Caller, open_channel, open_server
from padiff_rpc.v1.tensors_pb2 import TensorSpec

KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
NO_MESSAGE = b"\x08"
TOO_LARGE = b"\x00" * (limits().message_bytes + 1)


def _handlers(answer: bytes) -> dict[str, grpc.RpcMethodHandler]:
    """Returns an RPC of each kind; each reads all that it is sent."""

    def unary(request: Any, _: Any) -> bytes:
        messages = [request] if isinstance(request, TensorSpec) else list(request)
        assert all(isinstance(message, TensorSpec) for message in messages)
        return answer

    def stream(request: Any, context: Any) -> Iterator[bytes]:
        yield unary(request, context)

    return {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(
            stream if kind.endswith("stream") else unary, request_deserializer=TensorSpec.FromString
        )
        for kind in KINDS
    }


@contextlib.contextmanager
def _calling(answer: bytes = b"", *, unlimited: bool = False) -> Iterator[Caller]:
    """Provides a caller that sends raw bytes; an `unlimited` one's own channel bounds nothing."""

    def register(server: grpc.Server) -> None:
        handler = grpc.method_handlers_generic_handler("test.Service", _handlers(answer))
        server.add_generic_rpc_handlers((handler,))

    unbounded = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with open_server("127.0.0.1:0", register, stop_seconds=0.5) as address:
        with grpc.insecure_channel(address, unbounded) if unlimited else open_channel(address) as channel:
            methods = {
                kind: getattr(channel, kind)(
                    f"/test.Service/{kind}", response_deserializer=TensorSpec.FromString
                )
                for kind in KINDS
            }
            yield Caller(SimpleNamespace(**methods), peer="the server")


def _call(caller: Caller, kind: str, *messages: bytes) -> None:
    answer = getattr(caller, kind)(iter(messages) if kind.startswith("stream") else messages[-1], timeout=20)
    if kind.endswith("stream"):
        list(answer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_is_no_message_is_a_protocol_error(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with _calling() as caller:
        with pytest.raises(ProtocolError, match="a request is no message of the contract"):
            _call(caller, kind, b"", NO_MESSAGE)
        _call(caller, kind, b"")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_no_message_is_a_protocol_error(kind: str) -> None:
    with _calling(answer=NO_MESSAGE) as caller:
        with pytest.raises(ProtocolError, match="the server answered what is no message of the contract"):
            _call(caller, kind, b"")


@pytest.mark.parametrize("unlimited", [False, True], ids=["refused by the sender", "refused by the receiver"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_message_over_the_limit_names_the_limit_and_its_setting(kind: str, unlimited: bool) -> None:
    with _calling(unlimited=unlimited) as caller:
        with pytest.raises(
            BusyError, match=r"16,777,217 bytes .* 16,777,216; PADIFF_MAX_MESSAGE_MIB sets it"
        ):
            _call(caller, kind, TOO_LARGE)
        _call(caller, kind, b"")


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_over_the_limit_names_the_limit_and_its_setting(kind: str) -> None:
    with _calling(answer=TOO_LARGE) as caller:
        with pytest.raises(BusyError, match="PADIFF_MAX_MESSAGE_MIB sets it"):
            _call(caller, kind, b"")
