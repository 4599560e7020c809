"""Channels and servers: every gRPC option, credential and error crossing is in this module."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, Optional

import grpc

from padiff_rpc.errors import (
    BusyError,
    InvalidRequestError,
    PaDiffError,
    ProtocolError,
    UnauthenticatedError,
    error_from_rpc,
    error_to_status,
)
from padiff_rpc.types import Tls

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 16 << 20
# sockaddr_un holds 108 bytes, the closing zero among them.
MAX_SOCKET_PATH_BYTES = 107
_TOKEN_KEY = "authorization"
# A peer that vanished without closing (power, cable) is noticed within these two together.
_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS = 20_000, 10_000

_COMMON_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
_SERVER_OPTIONS = [
    *_COMMON_OPTIONS,
    ("grpc.so_reuseport", 0),  # else a second server on the same port starts, and takes half the calls
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]
_CHANNEL_OPTIONS = [
    *_COMMON_OPTIONS,
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


def check_address(address: str, *, tls: Optional[Tls], field: str) -> None:
    """Raises InvalidRequestError unless `address` is "unix:/path" or "host:port" that may be used.

    Plain text stays on this machine: anything but a unix socket or a loopback address needs `tls`.
    """
    if address.startswith("unix:"):
        path = address[len("unix:") :]
        if not path.startswith("/") or len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            raise InvalidRequestError(
                f"{field}: {address!r}: a socket path is absolute and has at most "
                f"{MAX_SOCKET_PATH_BYTES} bytes"
            )
        return
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise InvalidRequestError(f"{field}: {address!r} is neither unix:/path nor host:port")
    if tls is None and not _is_loopback(host.strip("[]")):
        raise InvalidRequestError(f"{field}: {address!r} is not on this machine, so it needs tls=")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_channel(address: str, *, token: str = "", tls: Optional[Tls] = None) -> grpc.Channel:
    """Returns a channel to `address`; the caller closes it. Nothing is dialled before the first call."""
    check_address(address, tls=tls, field="address")
    options = list(_CHANNEL_OPTIONS)
    if tls is None:
        channel = grpc.insecure_channel(address, options=options)
    else:
        credentials = grpc.ssl_channel_credentials(tls.ca or None, tls.key or None, tls.certificate or None)
        channel = grpc.secure_channel(address, credentials, options=options)
    return grpc.intercept_channel(channel, _TokenInterceptor(token)) if token else channel


class _CallDetails(grpc.ClientCallDetails):  # type: ignore[misc]
    def __init__(self, details: grpc.ClientCallDetails, metadata: list[tuple[str, str]]) -> None:
        self.method = details.method
        self.timeout = details.timeout
        self.metadata = metadata
        self.credentials = details.credentials
        self.wait_for_ready = getattr(details, "wait_for_ready", None)
        self.compression = getattr(details, "compression", None)


class _TokenInterceptor(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
    grpc.StreamStreamClientInterceptor,  # type: ignore[misc]
):
    """Adds the bearer token to every call."""

    def __init__(self, token: str) -> None:
        self._metadata = (_TOKEN_KEY, f"Bearer {token}")

    def _intercept(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(_CallDetails(details, [*(details.metadata or ()), self._metadata]), request)

    intercept_unary_unary = _intercept
    intercept_unary_stream = _intercept
    intercept_stream_unary = _intercept
    intercept_stream_stream = _intercept


class Caller:
    """A stub whose calls raise this project's errors in place of grpc.RpcError.

    `peer` names the other end in texts. Attribute access gives the RPC of that name; a streaming one
    returns a `ResponseStream`. `wait_for_ready` lets a call wait out, within its timeout, a peer that
    does not listen yet.
    """

    def __init__(self, stub: Any, *, peer: str) -> None:
        self._stub = stub
        self.peer = peer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        def call(
            request: Any, *, timeout: Optional[float] = None, wait_for_ready: Optional[bool] = None
        ) -> Any:
            try:
                response = method(request, timeout=timeout, wait_for_ready=wait_for_ready)
            except grpc.RpcError as failure:
                raise error_from_rpc(failure, peer=self.peer) from None
            return ResponseStream(response, peer=self.peer) if hasattr(response, "__next__") else response

        return call


class ResponseStream:
    """The responses of a streaming call; closing it cancels the call."""

    def __init__(self, call: Any, *, peer: str) -> None:
        self._call = call
        self._peer = peer

    def __iter__(self) -> ResponseStream:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as failure:
            raise error_from_rpc(failure, peer=self._peer) from None

    def close(self) -> None:
        """Cancels the call if it is still running; may be called twice and from any thread."""
        self._call.cancel()

    def __enter__(self) -> ResponseStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _ErrorInterceptor(grpc.ServerInterceptor):  # type: ignore[misc]
    """Checks the token and turns this project's errors into statuses; the only place that aborts."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}" if token else ""

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        given = dict(details.invocation_metadata or ()).get(_TOKEN_KEY, "")
        admitted = not self._expected or hmac.compare_digest(str(given).encode(), self._expected.encode())
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        def guarded_unary(request: Any, context: grpc.ServicerContext) -> Any:
            with _errors_to_status(context, details.method):
                _admit(admitted)
                return inner(request, context)

        # The handler's generator runs after this method has returned, so the guard is one itself.
        def guarded_stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with _errors_to_status(context, details.method):
                _admit(admitted)
                yield from inner(request, context)

        kind = f"{'stream' if handler.request_streaming else 'unary'}_" + (
            "stream" if handler.response_streaming else "unary"
        )
        return getattr(grpc, f"{kind}_rpc_method_handler")(
            guarded_stream if handler.response_streaming else guarded_unary,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


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


def _check_socket_is_free(address: str) -> None:
    """Raises InvalidRequestError for a unix socket that somebody serves: gRPC would take it over."""
    if not address.startswith("unix:"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address[len("unix:") :])
        except OSError:
            return
    raise InvalidRequestError(f"cannot listen on {address}: the address is taken")


@contextlib.contextmanager
def open_server(
    address: str,
    register: Callable[[grpc.Server], None],
    *,
    token: str = "",
    tls: Optional[Tls] = None,
    streams: int = 16,
    stop_seconds: float = 2.0,
) -> Iterator[str]:
    """Serves what `register` adds for the length of the context; yields the bound address.

    With port 0 the yielded address names the port chosen. A stream holds a pool thread, so `streams`
    is the number of calls served at once. At the end running calls get `stop_seconds`, then are
    cancelled. Raises InvalidRequestError when the address cannot be used or is taken.
    """
    check_address(address, tls=tls, field="address")
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=streams, thread_name_prefix="rpc"),
        interceptors=[_ErrorInterceptor(token)],
        options=list(_SERVER_OPTIONS),
    )
    register(server)
    _check_socket_is_free(address)
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            credentials = grpc.ssl_server_credentials(
                [(tls.key, tls.certificate)], tls.ca or None, require_client_auth=bool(tls.ca)
            )
            port = server.add_secure_port(address, credentials)
    except RuntimeError:
        port = 0
    if port == 0:
        raise InvalidRequestError(f"cannot listen on {address}: the address is taken or not on this machine")
    server.start()
    try:
        yield address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
    finally:
        server.stop(stop_seconds).wait()


def requests(iterator: Iterator[Any]) -> Iterator[Any]:
    """Yields a request stream's messages; ProtocolError in place of gRPC's own when it breaks."""
    try:
        yield from iterator
    except grpc.RpcError:
        raise ProtocolError("the caller's request stream broke off") from None
