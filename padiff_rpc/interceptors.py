"""Interceptors around every handler: the checks of token and rights, and errors as statuses."""

from __future__ import annotations

import contextlib
import hmac
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

import grpc
from google.protobuf.message import DecodeError

from padiff_rpc.error_statuses import error_to_status, status_of
from padiff_rpc.errors import BusyError, PaDiffError, ProtocolError, UnauthenticatedError
from padiff_rpc.records import record

logger = logging.getLogger(__name__)

TOKEN_KEY = "authorization"
# Probes cannot present a token. Watch can, since each of its streams holds a thread.
_OPEN_METHODS = ("/grpc.health.v1.Health/Check",)
# How long a call may take, from its arrival, to bring its first message.
_FIRST_MESSAGE_SECONDS, _OPEN_SECONDS = 15.0, 2.0
# What a call gets that came long ago and had to wait for a thread; its message is here, or never comes.
_LEAST_SECONDS = 0.05


# Raises what keeps the caller from a method, by its name.
_Admission = Callable[[str, grpc.ServicerContext], None]
# Hears of a call that ends with an error.
_Refused = Callable[[grpc.StatusCode], None]
# Counts a call of a connection for the length of the context.
_Counted = Callable[[str], contextlib.AbstractContextManager[None]]


def _uncounted(_: str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def _open_to_all(_: str, __: grpc.ServicerContext) -> None:
    pass


def _unheard(_: grpc.StatusCode) -> None:
    pass


@record
class Guard:
    """What a server asks of calls that have its token, if it has one.

    Attributes:
        admit: raises a PaDiffError for a call, by its method's name, that its caller may not make. It is
            asked before anything of the call is read, and again before each message of an answer.
        refused: hears of each call that ends with an error, by the error's status.
    """

    admit: _Admission = _open_to_all
    refused: _Refused = _unheard


UNGUARDED = Guard()


class ErrorInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Checks token and rights, and turns this project's errors into statuses; the only place that aborts."""

    def __init__(
        self, token: str, strangers: ThreadPoolExecutor, *, calls_of_one: int, guard: Guard = UNGUARDED
    ) -> None:
        """`strangers`: runs what needs no token, so that no number of such calls holds a thread of others.

        `calls_of_one`: how many calls one connection may have open.
        """
        self._expected = f"Bearer {token}" if token else ""
        self._strangers = strangers
        self._open = _OpenCalls(calls_of_one)
        self._guard = guard

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        method = details.method
        if method in _OPEN_METHODS:
            rules = _Rules(arrival=_Arrival(_OPEN_SECONDS), refused=self._guard.refused)
            return self._for_strangers(_guarded(handler, method, rules))
        if not self._admits(details):
            return self._for_strangers(_refusing(method, self._guard.refused))
        rules = _Rules(
            arrival=_Arrival(_FIRST_MESSAGE_SECONDS),
            counted=self._open.one_of,
            admit=self._guard.admit,
            refused=self._guard.refused,
        )
        return _guarded(handler, method, rules)

    def _admits(self, details: Any) -> bool:
        given = dict(details.invocation_metadata or ()).get(TOKEN_KEY, "")
        return not self._expected or hmac.compare_digest(str(given).encode(), self._expected.encode())

    def _for_strangers(self, handler: Any) -> Any:
        _inner(handler).experimental_thread_pool = self._strangers
        return handler


def _refusing(method: str, heard: _Refused) -> Any:
    """Returns what answers a caller without the token, and reads nothing of what it sends."""

    def refused(_: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        with _errors_to_status(context, method, heard):
            raise UnauthenticatedError("no token or a wrong one: pass the token this server was started with")

    return grpc.stream_unary_rpc_method_handler(refused)


def _guarded(handler: Any, method: str, rules: _Rules) -> Any:
    """Returns `handler` with its errors as statuses, and an end to calls that send nothing.

    A handler of a stream, whatever the method's is: gRPC would have a unary one wait for its request, on a
    thread of the pool, for as long as the caller likes.
    """
    inner = _inner(handler)

    def arrived(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        rules.admit(method, context)
        first = rules.arrival.first_of(requests, context)
        if handler.request_streaming:
            return map(_readable, itertools.chain(first, requests))
        return _readable(first[0] if first else _Unreadable())

    def guarded_unary(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        with _errors_to_status(context, method, rules.refused), rules.counted(context.peer()):
            return inner(arrived(requests, context), context)

    # The handler's generator runs after this function has returned, so the guard is one itself.
    def guarded_stream(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        with _errors_to_status(context, method, rules.refused), rules.counted(context.peer()):
            with contextlib.closing(inner(arrived(requests, context), context)) as messages:
                for message in messages:
                    rules.admit(method, context)
                    yield message

    is_stream = handler.response_streaming
    make = grpc.stream_stream_rpc_method_handler if is_stream else grpc.stream_unary_rpc_method_handler
    return make(
        guarded_stream if is_stream else guarded_unary,
        request_deserializer=_deserializer(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )


def _inner(handler: Any) -> Any:
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


class _Arrival:
    """The moment that a call came, and what it may take from there to its first message."""

    def __init__(self, seconds: float) -> None:
        self._latest = time.monotonic() + seconds

    def first_of(self, requests: Iterator[Any], context: grpc.ServicerContext) -> tuple[Any, ...]:
        """Returns the first message, nothing of an empty stream; a call without one in time is cancelled."""
        late = threading.Timer(max(self._latest - time.monotonic(), _LEAST_SECONDS), context.cancel)
        late.daemon = True
        late.start()
        try:
            return tuple(itertools.islice(requests, 1))
        finally:
            late.cancel()


class _OpenCalls:
    """Counts the calls of each connection that hold a thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @contextlib.contextmanager
    def one_of(self, peer: str) -> Iterator[None]:
        """Counts a call for the length of the context. Raises BusyError for one too many."""
        with self._lock:
            if self._counts[peer] >= self._most:
                raise BusyError(f"one connection may have {self._most} calls open; end one of them first")
            self._counts[peer] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[peer] -= 1
                if not self._counts[peer]:
                    del self._counts[peer]


@record
class _Rules:
    """What a call is bound by."""

    arrival: _Arrival
    counted: _Counted = _uncounted
    admit: _Admission = _open_to_all
    refused: _Refused = _unheard


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


@contextlib.contextmanager
def _errors_to_status(context: grpc.ServicerContext, method: str, heard: _Refused) -> Iterator[None]:
    try:
        yield
    except PaDiffError as error:
        if type(error) is PaDiffError:
            logger.exception("%s failed", method)
        _abort(context, error, heard)
    except grpc.RpcError as gone:  # the request stream broke: nobody is left to read a status
        logger.debug("%s: the caller is gone (%s)", method, gone)
        raise  # which gRPC takes from its own streams without a word
    except MemoryError as error:
        _abort(context, BusyError(f"out of memory: {error}"), heard)
    except GeneratorExit:
        raise
    except BaseException as error:  # gRPC would never end the call of a thread that raised another one
        if not context.is_active():
            logger.debug("%s ended after its caller", method, exc_info=True)
            return
        logger.exception("%s failed", method)
        text = f"{type(error).__name__}: {error} (our bug; the log of the serving process has the stack)"
        _abort(context, PaDiffError(text), heard)


def _abort(context: grpc.ServicerContext, error: PaDiffError, heard: _Refused) -> None:
    heard(status_of(error))
    context.abort_with_status(error_to_status(error))
