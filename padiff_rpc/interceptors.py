"""Interceptors around every handler: the token's check, and errors as statuses."""

from __future__ import annotations

import contextlib
import hmac
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional

import grpc
from google.protobuf.message import DecodeError

from padiff_rpc.errors import BusyError, PaDiffError, ProtocolError, UnauthenticatedError, error_to_status

logger = logging.getLogger(__name__)

TOKEN_KEY = "authorization"
# Probes cannot present a token. Watch can, since each of its streams holds a thread.
_OPEN_METHODS = ("/grpc.health.v1.Health/Check",)
# How long such a call may take to bring its one small message.
_OPEN_SECONDS = 3.0


class ErrorInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Checks the token and turns this project's errors into statuses; the only place that aborts."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}" if token else ""

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        if details.method in _OPEN_METHODS:
            return _prompt(handler, details.method)
        if not self._admits(details):
            return _refusing(details.method)
        return _guarded(handler, details.method)

    def _admits(self, details: Any) -> bool:
        given = dict(details.invocation_metadata or ()).get(TOKEN_KEY, "")
        return not self._expected or hmac.compare_digest(str(given).encode(), self._expected.encode())


def _refusing(method: str) -> Any:
    """Returns what answers a caller without the token, and reads nothing of what it sends.

    A handler of a stream, whatever the method's is: gRPC would have a unary one wait for the request, on
    a thread of the pool, for as long as a stranger likes.
    """

    def refused(_: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        with _errors_to_status(context, method):
            raise UnauthenticatedError("no token or a wrong one: pass the token this server was started with")

    return grpc.stream_unary_rpc_method_handler(refused)


def _prompt(handler: Any, method: str) -> Any:
    """Returns `handler`, unary and open to strangers, as one that waits only so long for the request."""

    def answered(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        with _errors_to_status(context, method):
            late = threading.Timer(_OPEN_SECONDS, context.cancel)
            late.daemon = True
            late.start()
            try:
                request = next(requests, _Unreadable())
            finally:
                late.cancel()
            return handler.unary_unary(_readable(request), context)

    return grpc.stream_unary_rpc_method_handler(
        answered,
        request_deserializer=_deserializer(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )


def _guarded(handler: Any, method: str) -> Any:
    """Returns `handler` with its errors as statuses."""
    inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    readable = _readable_stream if handler.request_streaming else _readable

    def guarded_unary(request: Any, context: grpc.ServicerContext) -> Any:
        with _errors_to_status(context, method):
            return inner(readable(request), context)

    # The handler's generator runs after this function has returned, so the guard is one itself.
    def guarded_stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        with _errors_to_status(context, method):
            yield from inner(readable(request), context)

    kind = f"{'stream' if handler.request_streaming else 'unary'}_" + (
        "stream" if handler.response_streaming else "unary"
    )
    return getattr(grpc, f"{kind}_rpc_method_handler")(
        guarded_stream if handler.response_streaming else guarded_unary,
        request_deserializer=_deserializer(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )


class _Unreadable:
    """Stands for bytes that are no message of the expected kind."""


def _deserializer(deserialize: Optional[Callable[[bytes], Any]]) -> Optional[Callable[[bytes], Any]]:
    """gRPC itself would answer bytes that are no message with INTERNAL and a stack in the log."""
    if deserialize is None:
        return None

    def deserialized(content: bytes) -> Any:
        try:
            return deserialize(content)
        except DecodeError:
            return _Unreadable()

    return deserialized


def _readable(request: Any) -> Any:
    if isinstance(request, _Unreadable):
        raise ProtocolError(
            "a request is no message of the contract: install the same padiff-rpc on both ends"
        )
    return request


def _readable_stream(requests: Iterator[Any]) -> Iterator[Any]:
    return map(_readable, requests)


@contextlib.contextmanager
def _errors_to_status(context: grpc.ServicerContext, method: str) -> Iterator[None]:
    try:
        yield
    except PaDiffError as error:
        if type(error) is PaDiffError:
            logger.exception("%s failed", method)
        context.abort_with_status(error_to_status(error))
    except grpc.RpcError as gone:  # the request stream broke: nobody is left to read a status
        logger.debug("%s: the caller is gone (%s)", method, gone)
    except MemoryError as error:
        context.abort_with_status(error_to_status(BusyError(f"out of memory: {error}")))
    except GeneratorExit:
        raise
    except BaseException as error:  # gRPC would never end the call of a thread that raised another one
        if not context.is_active():
            logger.debug("%s ended after its caller", method, exc_info=True)
            return
        logger.exception("%s failed", method)
        text = f"{type(error).__name__}: {error} (our bug; the log of the serving process has the stack)"
        context.abort_with_status(error_to_status(PaDiffError(text)))
