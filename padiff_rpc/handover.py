"""Addresses that pass from process to process: kept for all of them, served by one after another."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Optional

from padiff_rpc.addresses import is_local
from padiff_rpc.errors import InvalidRequestError

_UNIX = "unix:"


def check_socket_is_free(address: str) -> None:
    """Raises InvalidRequestError for a unix socket that somebody serves: gRPC would take it over."""
    if not address.startswith(_UNIX):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address[len(_UNIX) :])
        except OSError:
            return
    raise taken(address)


@contextmanager
def kept_address(address: str) -> Iterator[str]:
    """Keeps `address` for this process and its children; yields it, with the port that port 0 stands for.

    Each server there opens it as handed over (`open_server`). Raises InvalidRequestError for a malformed
    address, and for one that is taken or not on this machine.
    """
    is_local(address, field="listen")
    check_socket_is_free(address)
    if address.startswith(_UNIX):
        try:
            yield address
        finally:
            _remove_socket(address[len(_UNIX) :])
        return
    host, _, port = address.rpartition(":")
    try:
        kept = _kept_port(host.strip("[]"), int(port))
    except OSError as error:
        raise taken(address) from error
    with kept:
        yield f"{host}:{kept.getsockname()[1]}"


@contextmanager
def moved_in(address: str) -> Iterator[str]:
    """Yields where to listen first, so that `address` changes hands at the end of the context in one moment.

    A unix socket is made beside the one that is in use, and then takes its name: who connects reaches the
    one or the other. A port has two listeners for that moment.
    """
    if not address.startswith(_UNIX):
        yield address
        return
    folder, name = os.path.split(address[len(_UNIX) :])
    new = f".{os.getpid()}"
    with ExitStack() as exits:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise InvalidRequestError(f"cannot listen on {address}: {folder}: {error.strerror}") from None
        exits.callback(os.close, descriptor)
        exits.callback(_remove_socket, new, descriptor)
        # By the descriptor, since a socket's path has few bytes, and the folder's may use them up.
        yield f"{_UNIX}/proc/self/fd/{descriptor}/{new}"
        os.rename(new, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)


def _kept_port(host: str, port: int) -> socket.socket:
    """Returns a bound socket that does not listen: none but its own user's servers can take the port."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, place = found[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Fails where anybody listens; connections that a former server has closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
        place = probe.getsockname()
    kept = socket.socket(family, socket.SOCK_STREAM)
    try:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            kept.bind(place)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            # A server of another kind was here a moment ago.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind(place)
    except OSError:
        kept.close()
        raise
    return kept


def _remove_socket(path: str, folder: Optional[int] = None) -> None:
    with suppress(OSError):
        if stat.S_ISSOCK(os.lstat(path, dir_fd=folder).st_mode):
            os.unlink(path, dir_fd=folder)


def taken(address: str) -> InvalidRequestError:
    """Returns the error of an address that cannot be listened on."""
    return InvalidRequestError(
        f"cannot listen on {address}: the address is taken or not on this machine; "
        "stop what listens there, or name another one (port 0: any that is free)"
    )
