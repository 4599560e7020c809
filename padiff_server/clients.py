"""Clients by name: who calls, as the caller's certificate says, and what that one may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Optional

import grpc

from padiff_rpc.errors import PermissionDeniedError
from padiff_rpc.names import shown
from padiff_rpc.records import record
from padiff_server.rights import Right, enough_for

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


class Clients:
    """The clients of a coordinator. Without a list everybody who gets in has all rights."""

    def __init__(self, listed: Optional[Rights]) -> None:
        self._listed = listed

    def call(self, context: grpc.ServicerContext) -> ClientCall:
        """Returns the call of `context`."""
        return ClientCall(caller=self.caller(context), when_gone=context.add_callback)

    def caller(self, context: grpc.ServicerContext) -> Principal:
        """Returns who makes the call of `context`, without a right for a stranger."""
        peer = context.peer()
        if self._listed is None:
            return Principal(rights=frozenset(Right), peer=peer)
        for name in _certified_names(context):
            if name in self._listed:
                return Principal(name=name, rights=self._listed[name], peer=peer)
        return Principal(peer=peer)

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
            try:
                yield content.decode()
            except UnicodeDecodeError:  # then nobody can have written it into the list
                continue


def _listed(rights: frozenset[Right], between: str = "and") -> str:
    return f" {between} ".join(str(right) for right in Right if right in rights)
