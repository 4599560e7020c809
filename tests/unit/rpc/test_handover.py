"""Addresses that pass from server to server."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.handover import kept_address
from padiff_rpc.health import Health, check_health
from padiff_rpc.transport import open_channel, open_server

PATIENCE = 20.0


def nothing(server: grpc.Server) -> None:
    """Adds no service of its own."""


def answering(healthy: bool) -> Callable[[grpc.Server], None]:
    health = Health("test")
    health.set_serving(healthy)
    return health.beside(nothing)


def is_healthy(address: str) -> bool:
    with open_channel(address) as channel:
        return check_health(channel, "", timeout=PATIENCE)


@pytest.mark.parametrize("kind", ["port", "socket"])
def test_the_next_server_takes_the_address_while_the_one_before_still_has_it(
    tmp_path: Path, kind: str
) -> None:
    asked = "127.0.0.1:0" if kind == "port" else f"unix:{tmp_path}/s"
    with kept_address(asked) as address:
        with open_server(address, answering(False), handed_over=True) as bound:
            assert bound == address
            assert not is_healthy(address)
            following = open_server(address, answering(True), handed_over=True)
            following.__enter__()
        assert is_healthy(address)
        following.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_kept_port_is_nobody_elses() -> None:
    with kept_address("127.0.0.1:0") as address:
        with pytest.raises(InvalidRequestError, match="the address is taken"):
            with open_server(address, nothing):
                pass
        with pytest.raises(InvalidRequestError, match="the address is taken"):
            with kept_address(address):
                pass
    with open_server(address, nothing) as bound:
        assert bound == address


def test_an_address_that_is_served_or_not_here_cannot_be_kept(tmp_path: Path) -> None:
    for asked in ("127.0.0.1:0", f"unix:{tmp_path}/s"):
        with open_server(asked, nothing) as address:
            with pytest.raises(InvalidRequestError, match="the address is taken"):
                with kept_address(address):
                    pass
    with pytest.raises(InvalidRequestError, match="not on this machine"):
        with kept_address("192.0.2.1:0"):
            pass
    with pytest.raises(InvalidRequestError, match="neither unix:/path nor host:port"):
        with kept_address("nowhere"):
            pass


def test_a_socket_in_no_folder_is_one_line(tmp_path: Path) -> None:
    with kept_address(f"unix:{tmp_path}/none/s") as address:
        with pytest.raises(InvalidRequestError, match="none: No such file or directory"):
            with open_server(address, nothing, handed_over=True):
                pass


def test_a_path_may_be_as_long_as_a_socket_allows(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    name = "n" * (107 - len(f"{folder}/"))
    with kept_address(f"unix:{folder}/{name}") as address:
        with open_server(address, answering(True), handed_over=True):
            assert is_healthy(address)
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(f"{folder}/{name}")
