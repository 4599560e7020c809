"""Channels and servers: every gRPC option, credential and error crossing is in this module."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import AbstractContextManager
from typing import Any, Optional, Union

import grpc

from padiff_rpc.addresses import check_address, is_local
from padiff_rpc.error_statuses import error_from_rpc
from padiff_rpc.errors import InvalidRequestError, PaDiffError, ProtocolError
from padiff_rpc.handover import check_socket_is_free, moved_in, taken
from padiff_rpc.interceptors import TOKEN_KEY, UNGUARDED, ErrorInterceptor, Guard
from padiff_rpc.interrupts import InterruptibleWait
from padiff_rpc.limits import limits
from padiff_rpc.records import record
from padiff_rpc.tls_files import TlsFiles, server_credentials
from padiff_rpc.v1.records import Tls

logger = logging.getLogger(__name__)

# A peer that vanished without closing (power, cable), or is frozen, is noticed within these two together:
# after so much silence it is asked, and has so long to answer, which gRPC's own threads do.
_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS = 10_000, 12_000

_COMMON_OPTIONS: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    # Which later versions wait for instead, a minute by default.
    ("grpc.http2.ping_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
# Of health checks and of callers who are refused.
_STRANGERS_THREADS = 8
_SERVER_OPTIONS = [
    *_COMMON_OPTIONS,
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]
# Look-ups that meet a worker whose address is just passing to another process are made again.
_LOOK_UPS = {
    "methodConfig": [
        {
            "name": [
                {"service": "padiff_rpc.v1.Worker", "method": "GetInfo"},
                {"service": "grpc.health.v1.Health", "method": "Check"},
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ]
}
_CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    *_COMMON_OPTIONS,
    ("grpc.service_config", json.dumps(_LOOK_UPS)),
    ("grpc.enable_http_proxy", 0),
    # Else it may share a connection with an earlier channel, to a process that is leaving.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Which is also how long one attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", 10_000),
]


def _message_options() -> list[tuple[str, int]]:
    most = limits().message_bytes
    return [("grpc.max_receive_message_length", most), ("grpc.max_send_message_length", most)]


def open_channel(
    address: str, *, token: str = "", tls: Optional[Tls] = None, insecure: bool = False
) -> grpc.Channel:
    """Returns a channel to `address`; the caller closes it. Nothing is dialled before the first call.

    `insecure` allows plain text to another machine, and warns of it.
    """
    check_address(address, has_tls=tls is not None, insecure=insecure, field="address")
    options = [*_CHANNEL_OPTIONS, *_message_options()]
    if tls is None:
        if not is_local(address, field="address"):
            logger.warning(
                "insecure: the connection to %s is plain text: everybody on the way can read and change it, "
                "the token too",
                address,
            )
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
        self._metadata = (TOKEN_KEY, f"Bearer {token}")

    def _intercept(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(_CallDetails(details, [*(details.metadata or ()), self._metadata]), request)

    intercept_unary_unary = _intercept
    intercept_unary_stream = _intercept
    intercept_stream_unary = _intercept
    intercept_stream_stream = _intercept


def _as_it_is(error: PaDiffError) -> PaDiffError:
    return error


class Caller:
    """A stub whose calls raise this project's errors in place of grpc.RpcError.

    `peer` names the other end in texts. Attribute access gives the RPC of that name; a streaming one
    returns a `ResponseStream`. `wait_for_ready` lets a call wait out, within its timeout, a peer that
    does not listen yet. `explain` may put an error that says more in place of one. `waiting` is entered for
    as long as a thread waits for the other end.
    """

    def __init__(
        self,
        stub: Any,
        *,
        peer: str,
        explain: Callable[[PaDiffError], PaDiffError] = _as_it_is,
        waiting: Optional[AbstractContextManager[None]] = None,
    ) -> None:
        self._stub = stub
        self.peer = peer
        self._explain = explain
        self._waiting = waiting or contextlib.nullcontext()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        def call(
            request: Any, *, timeout: Optional[float] = None, wait_for_ready: Optional[bool] = None
        ) -> Any:
            try:
                with self._waiting:
                    response = method(request, timeout=timeout, wait_for_ready=wait_for_ready)
            except grpc.RpcError as failure:
                raise self._explain(error_from_rpc(failure, peer=self.peer)) from None
            if hasattr(response, "__next__"):
                return ResponseStream(response, peer=self.peer, explain=self._explain, waiting=self._waiting)
            return response

        return call


class ResponseStream:
    """The responses of a streaming call; closing it cancels the call."""

    def __init__(
        self,
        call: Any,
        *,
        peer: str,
        explain: Callable[[PaDiffError], PaDiffError],
        waiting: AbstractContextManager[None],
    ) -> None:
        self._call = call
        self._peer = peer
        self._explain = explain
        self._waiting = waiting
        self._interruptible = InterruptibleWait(call.cancel)

    def __iter__(self) -> ResponseStream:
        return self

    def __next__(self) -> Any:
        try:
            with self._waiting, self._interruptible:
                return next(self._call)
        except grpc.RpcError as failure:
            raise self._explain(error_from_rpc(failure, peer=self._peer)) from None

    def close(self) -> None:
        """Cancels the call if it is still running; may be called twice and from any thread."""
        self._call.cancel()

    def __enter__(self) -> ResponseStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_exposure(
    address: str, *, tls: Union[Tls, TlsFiles, None], token: str, insecure: bool, field: str = "listen"
) -> None:
    """Raises InvalidRequestError for a port that other machines reach without proof of who calls.

    Such a port needs mutual TLS, or TLS and a token. `insecure` allows it; plain text is warned of.
    """
    if is_local(address, field=field):
        return
    if insecure:
        if tls is None:
            logger.warning(
                "insecure: %s is plain text: everybody who reaches it can read and change what passes, the "
                "token too, and have code of the import roots run",
                address,
            )
        return
    if tls is None:
        missing = (
            "needs TLS: give a certificate and its key (--tls-cert, --tls-key), and a CA that callers' "
            "certificates are of (--tls-ca) or a token (--token-file, PADIFF_TOKEN)"
        )
    elif not (tls.ca or token):
        missing = (
            "has TLS, but everybody may call it: give a CA (--tls-ca) or a token (--token-file, PADIFF_TOKEN)"
        )
    else:
        return
    raise InvalidRequestError(
        f"{address!r} is reached from other machines and {missing}; --insecure serves it as it is",
        field=field,
    )


@contextlib.contextmanager
def open_server(
    address: str,
    register: Callable[[grpc.Server], None],
    *,
    token: str = "",
    tls: Union[Tls, TlsFiles, None] = None,
    insecure: bool = False,
    streams: int = 16,
    stop_seconds: float = 2.0,
    handed_over: bool = False,
    guard: Guard = UNGUARDED,
) -> Iterator[str]:
    """Serves what `register` adds for the length of the context; yields the bound address.

    With port 0 the yielded address names the port chosen. `tls` as files is read again when they change.
    A call holds a pool thread, so `streams` is the number served at once; one connection may hold three
    quarters of them. At the end running calls get `stop_seconds`, then are cancelled. `handed_over`: another
    process may serve there until now, or from some moment on; the address is one of `kept_address`, and was
    checked by who keeps it. `guard` may refuse calls that have the token. Raises InvalidRequestError when
    the address cannot be used, is taken, or is not protected as `check_exposure` asks.
    """
    if not handed_over:
        check_exposure(address, tls=tls, token=token, insecure=insecure)
    service = _Service(token=token, streams=streams, stop_seconds=stop_seconds, guard=guard)
    with service.listening(address, register, _credentials(tls), handed_over=handed_over) as bound:
        yield bound


@contextlib.contextmanager
def open_public_port(
    address: str, register: Callable[[grpc.Server], None], *, handed_over: bool = False
) -> Iterator[str]:
    """Serves, in plain text and without a token, what anybody may know; yields the bound address.

    `handed_over`: as for `open_server`.
    """
    is_local(address, field="health_listen")
    service = _Service(token="", streams=2, stop_seconds=0.0)
    with service.listening(address, register, None, handed_over=handed_over) as bound:
        yield bound


def _credentials(tls: Union[Tls, TlsFiles, None]) -> Optional[grpc.ServerCredentials]:
    if tls is None:
        return None
    if isinstance(tls, TlsFiles):
        return server_credentials(tls)
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)], tls.ca or None, require_client_auth=bool(tls.ca)
    )


def _share(streams: int) -> int:
    return max(streams * 3 // 4, 1)


@record
class _Service:
    """What a server answers calls with."""

    token: str
    streams: int
    stop_seconds: float
    guard: Guard = UNGUARDED

    @contextlib.contextmanager
    def listening(
        self,
        address: str,
        register: Callable[[grpc.Server], None],
        credentials: Optional[grpc.ServerCredentials],
        *,
        handed_over: bool,
    ) -> Iterator[str]:
        strangers = futures.ThreadPoolExecutor(_STRANGERS_THREADS, thread_name_prefix="rpc without token")
        server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=self.streams, thread_name_prefix="rpc"),
            interceptors=[
                ErrorInterceptor(self.token, strangers, calls_of_one=_share(self.streams), guard=self.guard)
            ],
            # Else a second server on the same port starts, and takes half the calls.
            options=[*_SERVER_OPTIONS, *_message_options(), ("grpc.so_reuseport", int(handed_over))],
        )
        register(server)
        if handed_over:
            with moved_in(address) as first:
                port = _bound(server, first, credentials)
                server.start()
        else:
            check_socket_is_free(address)
            port = _bound(server, address, credentials)
            server.start()
        try:
            yield address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
        finally:
            server.stop(self.stop_seconds).wait()
            strangers.shutdown(wait=False)


def _bound(server: grpc.Server, address: str, credentials: Optional[grpc.ServerCredentials]) -> int:
    """Returns the port, from now on `server`'s; 1 for a unix socket. Raises InvalidRequestError."""
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError:
        port = 0
    if port == 0:
        raise taken(address)
    return int(port)


def requests(iterator: Iterator[Any]) -> Iterator[Any]:
    """Yields a request stream's messages; ProtocolError in place of gRPC's own when it breaks."""
    try:
        yield from iterator
    except grpc.RpcError:
        raise ProtocolError("the caller's request stream broke off") from None
