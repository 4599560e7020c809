"""Clients by name: who calls, as the caller's certificate says, and what that one may do now."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Optional

import grpc

from padiff_rpc.errors import InvalidRequestError, PermissionDeniedError
from padiff_rpc.file_stamps import stamp_of
from padiff_rpc.names import shown
from padiff_rpc.records import record
from padiff_server.rights import Right, enough_for

logger = logging.getLogger(__name__)

# By the names of clients.
Rights = Mapping[str, frozenset[Right]]


@record
class Principal:
    """Who makes a call.

    Attributes:
        name: that of the client list; empty where there is no list, or the caller is not in it.
        rights: what it may do.
        peer: where it calls from, as gRPC writes addresses.
    """

    name: str = ""
    rights: frozenset[Right] = frozenset()
    peer: str = ""

    def may(self, right: Right) -> bool:
        """Whether it has a right; who administers has all."""
        return right in self.rights or Right.ADMINISTER in self.rights


@record
class ClientCall:
    """A call, as a session needs to know of it.

    Attributes:
        when_gone: registers what to call when the client is gone; returns False when it is gone already.
    """

    caller: Principal
    when_gone: Callable[[Callable[[], None]], bool]


class ClientList:
    """The list of clients in a file, read again when the file changes. Thread-safe.

    A file that is gone or wrong changes nothing: the list that was read last stays, and the log says so.
    """

    def __init__(self, file: str, read: Callable[[str], Rights]) -> None:
        """`read` returns what a file says, or raises InvalidRequestError."""
        self._file = file
        self._read = read
        self._lock = threading.Lock()
        self._stamp = stamp_of(file)
        self._rights = read(file)

    def rights(self) -> Rights:
        """Returns what each client may do now."""
        with self._lock:
            stamp = stamp_of(self._file)
            if stamp != self._stamp:
                self._stamp = stamp
                self._read_anew()
            return self._rights

    def _read_anew(self) -> None:
        try:
            self._rights = self._read(self._file)
        except InvalidRequestError as error:
            logger.error("the list of clients in use stays: %s", error)
        else:
            logger.info("read the clients of %s anew: %d may call", self._file, len(self._rights))


class Clients:
    """The clients of a coordinator. Without a list everybody who gets in has all rights."""

    def __init__(self, listed: Optional[Callable[[], Rights]] = None) -> None:
        """`listed` returns what each may do at the moment."""
        self._listed = listed

    @property
    def are_listed(self) -> bool:
        """Whether there is a list."""
        return self._listed is not None

    def may_compare(self, name: str) -> bool:
        """Whether the client of a name may still compare."""
        return self._listed is None or self._principal(name, self._listed(), "").may(Right.COMPARE)

    def call(self, context: grpc.ServicerContext) -> ClientCall:
        """Returns the call of `context`."""
        return ClientCall(caller=self.caller(context), when_gone=context.add_callback)

    def caller(self, context: grpc.ServicerContext) -> Principal:
        """Returns who makes the call of `context`, without a right for a stranger."""
        peer = context.peer()
        if self._listed is None:
            return Principal(rights=frozenset(Right), peer=peer)
        rights = self._listed()
        name = next((name for name in _certified_names(context) if name in rights), "")
        return self._principal(name, rights, peer)

    @staticmethod
    def _principal(name: str, rights: Rights, peer: str) -> Principal:
        return Principal(name=name, rights=rights.get(name, frozenset()), peer=peer)

    def admit(self, method: str, context: grpc.ServicerContext) -> None:
        """Raises PermissionDeniedError unless the caller of `method` has a right that is enough for it."""
        caller, enough = self.caller(context), enough_for(method)
        if caller.rights & enough:
            return
        if not caller.rights:
            called = ", ".join(map(shown, _certified_names(context))) or "one without a name"
            raise PermissionDeniedError(
                f"this coordinator knows no client {called}, as your certificate calls you; "
                "have one of these names added to the clients of its file"
            )
        raise PermissionDeniedError(
            f"{shown(caller.name)} has the right to {_listed(caller.rights)} on this coordinator, and this "
            f"takes {_listed(enough, 'or')}; have that added to the clients of its file"
        )


def _certified_names(context: grpc.ServicerContext) -> Iterator[str]:
    """Yields the names in the caller's certificate, the common name first, then the alternative ones."""
    facts = context.auth_context()
    for kind in ("x509_common_name", "x509_subject_alternative_name"):
        for content in facts.get(kind, ()):
            with contextlib.suppress(UnicodeDecodeError):  # nobody can have written such a one into the list
                name = content.decode()
                if name:
                    yield name


def _listed(rights: frozenset[Right], between: str = "and") -> str:
    return f" {between} ".join(str(right) for right in Right if right in rights)
