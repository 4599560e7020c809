"""Flags by which coordinator and workers are reached, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from typing import Any, Optional, Union

import grpc

from padiff_rpc import logs
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.handover import kept_address
from padiff_rpc.health import Health
from padiff_rpc.interceptors import UNGUARDED, Guard
from padiff_rpc.names import reason
from padiff_rpc.paths import UNREADABLE, checked_path
from padiff_rpc.records import record
from padiff_rpc.tls_files import TlsFiles
from padiff_rpc.transport import check_exposure, open_server
from padiff_rpc.v1.records import Tls

TOKEN_VARIABLE = "PADIFF_TOKEN"
DRAIN_SECONDS = 25.0


@record
class Serving:
    """Where a process listens, what callers must prove, and how it ends.

    Attributes:
        listen: "unix:/path" or "host:port".
        token: what callers must present; empty: nothing.
        tls: the certificate, as files or bytes; None: plain text.
        insecure: plain text, or TLS that asks callers for nothing, off loopback.
        health_listen: a second port for health checks alone; empty: none.
        drain_seconds: what running work gets after SIGTERM.
        log_format: "text" or "json".
        handed_over: both addresses are kept for processes that serve there one after another.
    """

    listen: str = "127.0.0.1:0"
    token: str = field(default="", repr=False)
    tls: Union[Tls, TlsFiles, None] = None
    insecure: bool = False
    health_listen: str = ""
    drain_seconds: float = DRAIN_SECONDS
    log_format: str = logs.TEXT
    handed_over: bool = False

    @contextmanager
    def open(
        self,
        register: Callable[[grpc.Server], None],
        health: Health,
        *,
        streams: int,
        guard: Guard = UNGUARDED,
    ) -> Iterator[str]:
        """Serves for the length of the context; yields the bound address.

        `guard`: as for `open_server`. Raises InvalidRequestError for files that are no certificates, and as
        `open_server`.
        """
        with (
            open_server(
                self.listen,
                health.beside(register),
                token=self.token,
                tls=self.tls,
                insecure=self.insecure,
                streams=streams,
                handed_over=self.handed_over,
                guard=guard,
            ) as bound,
            health.on_port_of_its_own(self.health_listen, handed_over=self.handed_over),
        ):
            yield bound

    @contextmanager
    def kept(self) -> Iterator[Serving]:
        """Yields the same, with addresses that this process keeps for children who serve one after another.

        Raises InvalidRequestError as `kept_address` and `check_exposure`.
        """
        check_exposure(self.listen, tls=self.tls, token=self.token, insecure=self.insecure)
        with ExitStack() as exits:
            listen, health_listen = (
                exits.enter_context(kept_address(address)) if address else ""
                for address in (self.listen, self.health_listen)
            )
            yield replace(self, listen=listen, health_listen=health_listen, handed_over=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags. None of them has a default here, so that what was not given can be told."""
    group = parser.add_argument_group("how this process is reached")
    add = group.add_argument
    add("--listen", metavar="ADDRESS", help="unix:/path or host:port (default: 127.0.0.1:0, a free port)")
    add("--tls-cert", metavar="FILE", help="own certificate, PEM, with its chain")
    add("--tls-key", metavar="FILE", help="its key, PEM")
    add("--tls-ca", metavar="FILE", help="callers must show a certificate of this CA (mutual TLS)")
    add(
        "--token-file",
        metavar="FILE",
        help=f"holds the token that callers must present (default: ${TOKEN_VARIABLE}, else none)",
    )
    add("--insecure", action="store_true", default=None, help="serve other machines in plain text")
    add("--health-listen", metavar="ADDRESS", help="a second, plain-text port for health checks alone")
    add(
        "--drain-seconds",
        metavar="N",
        type=float,
        help=f"what a running comparison gets after SIGTERM (default: {DRAIN_SECONDS:g})",
    )
    add("--log-format", choices=(logs.TEXT, logs.JSON), help="how the log on stderr is written")


def settled(
    given: argparse.Namespace, environment: Mapping[str, str], base: Optional[Serving] = None
) -> Serving:
    """Returns `base` (of a configuration file, or the defaults), overridden by the flags that were given.

    A token file beats the variable, which beats the base's. Raises InvalidRequestError.
    """
    base = base or Serving()
    chosen: dict[str, Any] = {
        name: getattr(base, name) if getattr(given, name) is None else getattr(given, name)
        for name in ("listen", "insecure", "health_listen", "log_format")
    }
    if given.drain_seconds is not None:
        chosen["drain_seconds"] = checked_seconds(given.drain_seconds, field="--drain-seconds")
    elif given.lifeline_fd is not None:
        chosen["drain_seconds"] = 0.0  # its one client has asked for the end
    else:
        chosen["drain_seconds"] = base.drain_seconds
    return Serving(tls=_tls(given, base.tls), token=_token(given, environment, base.token), **chosen)


def _tls(given: argparse.Namespace, base: Union[Tls, TlsFiles, None]) -> Optional[TlsFiles]:
    base = base if isinstance(base, TlsFiles) else None
    certificate = given.tls_cert or (base.certificate if base is not None else "")
    key = given.tls_key or (base.key if base is not None else "")
    ca = given.tls_ca or (base.ca if base is not None else "")
    if certificate and key:
        return TlsFiles(certificate=certificate, key=key, ca=ca)
    for flag, value, others in (
        ("--tls-cert", certificate, key or ca),
        ("--tls-key", key, certificate or ca),
    ):
        if not value and others:
            raise InvalidRequestError("missing; TLS needs --tls-cert and --tls-key", field=flag)
    return None


def _token(given: argparse.Namespace, environment: Mapping[str, str], base: str) -> str:
    if given.token_file is not None:
        return read_token(given.token_file, field="--token-file")
    return environment.get(TOKEN_VARIABLE, "") or base


def read_token(path: str, *, field: str) -> str:
    """Returns the token in a file, without blanks around it. Raises InvalidRequestError."""
    checked_path(path, field=field)
    try:
        with open(path, encoding="utf-8") as file:
            token = file.read().strip()
    except UNREADABLE as error:
        raise InvalidRequestError(f"{path} cannot be read: {reason(error)}", field=field) from None
    # A header's value: anything else would fail at the first call, in gRPC's words.
    if not token or not token.isascii() or not token.isprintable():
        raise InvalidRequestError(
            f"{path} holds no token; write one line of plain ASCII into it", field=field
        )
    return token


def checked_seconds(value: float, *, field: str) -> float:
    """Returns a length of time. Raises InvalidRequestError for a negative one, or none at all."""
    if not 0 <= value < float("inf"):
        raise InvalidRequestError(f"{value:g} is not allowed; allowed: seconds, at least 0", field=field)
    return float(value)
