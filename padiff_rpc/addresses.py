"""Addresses: their syntax, and which may be used without TLS."""

from __future__ import annotations

import ipaddress
import os

from padiff_rpc.errors import InvalidRequestError

# sockaddr_un holds 108 bytes, the closing zero among them.
MAX_SOCKET_PATH_BYTES = 107


def check_address(address: str, *, has_tls: bool, insecure: bool = False, field: str) -> None:
    """Raises InvalidRequestError unless `address` is "unix:/path" or "host:port" that may be dialled.

    Plain text stays on this machine: anything but a unix socket or a loopback address needs TLS, unless
    the user asked for the contrary (`insecure`).
    """
    if not (is_local(address, field=field) or has_tls or insecure):
        raise InvalidRequestError(
            f"{address!r} is not on this machine, so it needs tls; insecure allows plain text, "
            "which everybody on the way can read and change",
            field=field,
        )


def is_local(address: str, *, field: str) -> bool:
    """Whether `address` is a unix socket or a loopback address. Raises InvalidRequestError if malformed."""
    if address.startswith("unix:"):
        path = address[len("unix:") :]
        if not path.startswith("/") or len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            raise InvalidRequestError(
                f"{address!r}: a socket path is absolute and has at most {MAX_SOCKET_PATH_BYTES} bytes",
                field=field,
            )
        return True
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise InvalidRequestError(f"{address!r} is neither unix:/path nor host:port", field=field)
    return _is_loopback(host.strip("[]"))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
