"""Stands between two peers and passes on every message as bytes: to listen, or to change what is said."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

REQUEST, RESPONSE, END = "request", "response", "end"
_UNBOUNDED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# As soon as a client does: the address may pass on to another process meanwhile.
_REDIALS = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1_000)]


@dataclass(frozen=True)
class Said:
    """One message. `call` counts the calls of a proxy from 0; an END has no content."""

    call: int
    method: str
    direction: str
    content: bytes = b""


# Returns what is passed on in place of a message.
Change = Callable[[Said], bytes]


class _Forwarding(grpc.GenericRpcHandler):
    # On the wire a unary call is a stream of one message, so that all calls can be passed on as streams.

    def __init__(self, channel: grpc.Channel, change: Change) -> None:
        self._channel = channel
        self._change = change
        self._calls = itertools.count()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._forward(details.method, requests, context)
        )

    def _forward(self, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        number = next(self._calls)

        def said(direction: str, content: bytes = b"") -> bytes:
            return self._change(Said(call=number, method=method, direction=direction, content=content))

        def passed_on() -> Iterator[bytes]:
            try:
                for request in requests:
                    yield said(REQUEST, request)
            except grpc.RpcError:  # the caller is gone, and with it the call
                return

        metadata = [(key, value) for key, value in context.invocation_metadata() if key == "authorization"]
        call = self._channel.stream_stream(method)(passed_on(), metadata=metadata)
        context.add_callback(call.cancel)
        try:
            for response in call:
                yield said(RESPONSE, response)
        except grpc.RpcError as failure:
            context.set_trailing_metadata(failure.trailing_metadata() or ())
            context.abort(failure.code(), failure.details())
        finally:
            said(END)


@contextmanager
def proxy(address: str, change: Change) -> Iterator[str]:
    """Serves at the yielded address what the peer at `address` says, each message through `change`."""
    server = grpc.server(futures.ThreadPoolExecutor(16), options=_UNBOUNDED)
    with grpc.insecure_channel(address, options=[*_UNBOUNDED, *_REDIALS]) as channel:
        server.add_generic_rpc_handlers((_Forwarding(channel, change),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(1.0).wait()
