"""Rights: every call takes one, and none is given by omission."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from padiff_rpc.errors import PermissionDeniedError
from padiff_rpc.health import COORDINATOR_SERVICE
from padiff_rpc.v1 import coordinator_pb2
from padiff_server.clients import ClientList, Clients, Principal
from padiff_server.config import read_clients
from padiff_server.rights import ENOUGH, Right, enough_for

ADA = "ada"


class Context:
    """What a handler's context tells of the peer."""

    def __init__(self, *, common_name: bytes = b"", others: tuple[bytes, ...] = ()) -> None:
        self._facts = {"x509_common_name": [common_name], "x509_subject_alternative_name": list(others)}

    def auth_context(self) -> dict[str, list[bytes]]:
        return self._facts

    def peer(self) -> str:
        return "ipv4:127.0.0.1:5"


def test_every_call_of_every_service_on_the_port_takes_a_right() -> None:
    services = [
        service
        for file in (coordinator_pb2, health_pb2, reflection_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    ]
    calls = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    # Later versions of the health service have more calls than earlier ones.
    assert ENOUGH.keys() >= calls - {"/grpc.health.v1.Health/Check"}
    assert "/grpc.health.v1.Health/Check" not in ENOUGH
    assert all(Right.ADMINISTER in rights for rights in ENOUGH.values())


def test_a_call_that_nobody_thought_of_takes_the_highest_right() -> None:
    assert enough_for(f"/{COORDINATOR_SERVICE}/Compare") == {Right.COMPARE, Right.ADMINISTER}
    assert enough_for(f"/{COORDINATOR_SERVICE}/Later") == {Right.ADMINISTER}


@pytest.mark.parametrize(
    ("context", "name"),
    [
        (Context(common_name=b"ada"), "ada"),
        (Context(common_name=b"somebody", others=(b"10.0.0.1", b"ada")), "ada"),
        (Context(common_name=b"ada", others=(b"bob",)), "ada"),
        (Context(common_name=b"Ada"), ""),
        (Context(common_name=b"ada\xff"), ""),
        (Context(common_name=b"ada\0"), ""),
        (Context(), ""),
    ],
)
def test_a_caller_is_the_listed_one_of_its_certificates_names(context: Context, name: str) -> None:
    listed = {"ada": frozenset({Right.READ}), "bob": frozenset({Right.COMPARE})}
    caller = Clients(lambda: listed).caller(context)  # type: ignore[arg-type]
    assert caller == Principal(
        name=name, rights=frozenset({Right.READ} if name else ()), peer="ipv4:127.0.0.1:5"
    )


def test_without_a_list_everybody_has_all_rights_and_no_name() -> None:
    caller = Clients().caller(Context(common_name=b"ada"))  # type: ignore[arg-type]
    assert (caller.name, caller.rights) == ("", frozenset(Right))


def test_a_list_is_that_of_its_file_at_the_moment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("clients: {ada: compare, bob: read}\n")
    listed = ClientList(str(file), read_clients)
    clients = Clients(listed.rights)
    assert clients.may_compare("ada")
    assert not clients.may_compare("bob")
    file.write_text("clients: {bob: [read, compare]}\n")
    assert clients.may_compare("bob")
    assert not clients.may_compare("ada")
    file.write_text("clients: {}\n")
    assert listed.rights() == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("clients: {ada: reed}\n", "'reed' is not allowed"),
        ("clients: {ada\n", "not valid YAML"),
        ("listen: 127.0.0.1:5\n", "the key 'clients' is missing"),
        (None, "cannot be read: no such file"),
    ],
)
def test_a_list_that_cannot_be_read_leaves_the_one_in_use_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: Optional[str], said: str
) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("clients: {ada: compare}\n")
    listed = ClientList(str(file), read_clients)
    before = listed.rights()
    file.unlink()
    if content is not None:
        file.write_text(content)
    assert listed.rights() == listed.rights() == before
    (logged,) = caplog.records
    assert logged.getMessage().startswith("the list of clients in use stays: ")
    assert said in logged.getMessage()
    file.write_text("clients: {}\n")
    assert listed.rights() == {}


def test_refusals_say_who_is_meant_and_what_is_missing() -> None:
    compare = f"/{COORDINATOR_SERVICE}/Compare"
    clients = Clients(lambda: {ADA: frozenset({Right.READ})})
    with pytest.raises(
        PermissionDeniedError, match=r"'ada' has the right to read .* takes compare or administ"
    ):
        clients.admit(compare, Context(common_name=b"ada"))  # type: ignore[arg-type]
    with pytest.raises(PermissionDeniedError, match=r"no client 'e v\\x1b', 'x', as your certificate"):
        clients.admit(compare, Context(common_name=b"e\nv\x1b", others=(b"x",)))  # type: ignore[arg-type]
    with pytest.raises(PermissionDeniedError, match="no client one without a name"):
        clients.admit(compare, Context(common_name=b"\xff"))  # type: ignore[arg-type]
