"""What stands between gRPC and every handler: the token's check, and errors as statuses."""

from __future__ import annotations

import contextlib
import hmac
import logging
from collections.abc import Callable, Iterator
from typing import Any, Optional

import grpc
from google.protobuf.message import DecodeError

from padiff_rpc.errors import BusyError, PaDiffError, ProtocolError, UnauthenticatedError, error_to_status

logger = logging.getLogger(__name__)

TOKEN_KEY = "authorization"
# Probes cannot present a token. Watch can, since each of its streams holds a thread.
_OPEN_METHODS = ("/grpc.health.v1.Health/Check",)


class ErrorInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Checks the token and turns this project's errors into statuses; the only place that aborts."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}" if token else ""

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        given = dict(details.invocation_metadata or ()).get(TOKEN_KEY, "")
        admitted = (
            not self._expected
            or details.method in _OPEN_METHODS
            or hmac.compare_digest(str(given).encode(), self._expected.encode())
        )

        readable = _readable_stream if handler.request_streaming else _readable

        def guarded_unary(request: Any, context: grpc.ServicerContext) -> Any:
            with _errors_to_status(context, details.method):
                _admit(admitted)
                return inner(readable(request), context)

        # The handler's generator runs after this method has returned, so the guard is one itself.
        def guarded_stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with _errors_to_status(context, details.method):
                _admit(admitted)
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


def _admit(admitted: bool) -> None:
    if not admitted:
        raise UnauthenticatedError("no token or a wrong one: pass the token this server was started with")


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
