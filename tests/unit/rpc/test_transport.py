"""Servers and channels on loopback and unix sockets, with handlers of raw bytes."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from padiff_rpc import interceptors, transport
from padiff_rpc.addresses import check_address
from padiff_rpc.errors import (
    BusyError,
    InvalidRequestError,
    NotFoundError,
    PaDiffError,
    ProtocolError,
    StateError,
    UnauthenticatedError,
    WorkerLostError,
)
from padiff_rpc.health import Health, check_health
from padiff_rpc.transport import Caller, open_channel, open_server

PEER = "the test server"
Handler = Callable[[Any, Any], Any]


def _register(unary: Handler, stream: Handler) -> Callable[[grpc.Server], None]:
    def register(server: grpc.Server) -> None:
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Stream": grpc.stream_stream_rpc_method_handler(stream),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))

    return register


def _echo(request: bytes, _: Any) -> bytes:
    return request


def _echo_all(requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
    yield from transport.requests(requests)


@contextlib.contextmanager
def _calling(
    unary: Handler = _echo, stream: Handler = _echo_all, *, token: str = "", their_token: str = ""
) -> Iterator[Caller]:
    with (
        open_server("127.0.0.1:0", _register(unary, stream), token=token, stop_seconds=0.5) as address,
        open_channel(address, token=their_token) as channel,
    ):
        yield _caller(channel)


def _caller(channel: grpc.Channel) -> Caller:
    return Caller(
        SimpleNamespace(
            Unary=channel.unary_unary("/test.Service/Unary"),
            Stream=channel.stream_stream("/test.Service/Stream"),
            Unknown=channel.unary_unary("/test.Service/Unknown"),
        ),
        peer=PEER,
    )


def _raising(error: Exception) -> tuple[Handler, Handler]:
    def unary(request: bytes, _: Any) -> bytes:
        raise error

    def stream(requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
        yield b"first"
        raise error

    return unary, stream


def test_port_0_is_replaced_by_the_bound_port() -> None:
    with open_server("127.0.0.1:0", _register(_echo, _echo_all)) as address:
        host, _, port = address.rpartition(":")
        assert host == "127.0.0.1"
        assert int(port) > 0
        with open_channel(address) as channel:
            assert _caller(channel).Unary(b"hello") == b"hello"


def test_a_unix_socket_serves(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with open_server(address, _register(_echo, _echo_all)) as bound, open_channel(bound) as channel:
        assert bound == address
        assert list(_caller(channel).Stream(iter([b"a", b"b"]))) == [b"a", b"b"]


@pytest.mark.parametrize("kind", [PaDiffError, *PaDiffError.__subclasses__()], ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_its_own_class_with_text_and_context(kind: type[PaDiffError]) -> None:
    error = kind("wrong; do this next", field="field", side="candidate", path="a.b")
    unary, stream = _raising(error)
    with _calling(unary, stream) as caller:
        with pytest.raises(PaDiffError) as raised:
            caller.Unary(b"")
        assert type(raised.value) is kind
        assert str(raised.value) == "field: wrong; do this next"
        assert (raised.value.field, raised.value.problem) == ("field", "wrong; do this next")
        assert raised.value.context == {"side": "candidate", "path": "a.b"}

        responses = caller.Stream(iter([]))
        assert next(responses) == b"first"
        with pytest.raises(PaDiffError) as raised:
            next(responses)
        assert type(raised.value) is kind
        assert raised.value.context == {"side": "candidate", "path": "a.b"}


def test_an_error_names_its_field_within_what_holds_it() -> None:
    error = InvalidRequestError("no such device", field="device", path="a").within("candidate")
    assert (error.field, str(error)) == ("candidate.device", "candidate.device: no such device")
    assert error.context == {"path": "a"}
    assert str(InvalidRequestError("gone").within("candidate")) == "candidate: gone"


def test_any_other_exception_becomes_an_internal_error_and_a_stack_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with _calling(*_raising(KeyError("surprise"))) as caller:
        with pytest.raises(PaDiffError, match=r"KeyError: 'surprise' .our bug") as raised:
            caller.Unary(b"")
        assert type(raised.value) is PaDiffError
        with pytest.raises(PaDiffError, match="KeyError"):
            list(caller.Stream(iter([])))
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 2
    assert all(record.exc_info for record in logged)


def test_short_memory_is_a_limit_and_not_a_bug() -> None:
    with (
        _calling(*_raising(MemoryError("8 GiB"))) as caller,
        pytest.raises(BusyError, match="out of memory: 8 GiB"),
    ):
        caller.Unary(b"")


@pytest.mark.parametrize("given", ["", "wrong", "secre", "secret2"])
def test_a_wrong_token_is_refused_in_unary_and_stream_calls(given: str) -> None:
    with _calling(token="secret", their_token=given) as caller:
        with pytest.raises(UnauthenticatedError, match="no token or a wrong one"):
            caller.Unary(b"")
        with pytest.raises(UnauthenticatedError):
            list(caller.Stream(iter([b"a"])))


def test_the_right_token_is_admitted() -> None:
    with _calling(token="secret", their_token="secret") as caller:
        assert caller.Unary(b"x") == b"x"
        assert list(caller.Stream(iter([b"a"]))) == [b"a"]


def test_a_call_that_the_peer_does_not_know_asks_for_the_same_version() -> None:
    with _calling() as caller, pytest.raises(StateError, match="the test server does not know this call"):
        caller.Unknown(b"")


def test_an_absent_peer_is_a_lost_worker() -> None:
    with open_server("127.0.0.1:0", _register(_echo, _echo_all)) as address:
        pass
    with open_channel(address) as channel, pytest.raises(WorkerLostError, match="the test server is gone"):
        _caller(channel).Unary(b"", timeout=10)


def test_a_deadline_that_passes_is_a_lost_worker() -> None:
    def stuck(request: bytes, context: Any) -> bytes:
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(20)
        return b""

    with (
        _calling(stuck) as caller,
        pytest.raises(WorkerLostError, match="the test server did not answer in time"),
    ):
        caller.Unary(b"", timeout=0.2)


def test_a_taken_port_is_an_invalid_request() -> None:
    with open_server("127.0.0.1:0", _register(_echo, _echo_all)) as address:
        with pytest.raises(InvalidRequestError, match=r"cannot listen on .* taken or not on this machine"):
            with open_server(address, _register(_echo, _echo_all)):
                pass


def test_a_socket_that_somebody_serves_is_not_taken_over(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with open_server(address, _register(_echo, _echo_all)):
        with pytest.raises(InvalidRequestError, match=r"cannot listen on .* taken"):
            with open_server(address, _register(_echo, _echo_all)):
                pass
    with open_server(address, _register(_echo, _echo_all)) as again:
        assert again == address


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.7:5000", "example.com:80", "[::]:0"])
def test_plain_text_off_loopback_is_refused_on_both_ends(address: str) -> None:
    with pytest.raises(InvalidRequestError, match="not on this machine, so it needs tls"):
        open_channel(address)
    with pytest.raises(InvalidRequestError, match="needs TLS: give a certificate"):
        with open_server(address, _register(_echo, _echo_all)):
            pass


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1", "unix:/tmp/x"])
def test_this_machine_needs_no_tls(address: str) -> None:
    check_address(address, has_tls=False, field="address")


def test_another_machine_is_fine_with_tls() -> None:
    check_address("example.com:443", has_tls=True, field="address")


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1", ":80", "127.0.0.1:http", "127.0.0.1:70000", "unix:relative", "unix:/" + "x" * 107],
)
def test_a_malformed_address_is_refused_by_its_field(address: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^ModelSpec\.worker: "):
        check_address(address, has_tls=False, field="ModelSpec.worker")


def test_closing_a_response_stream_cancels_the_call_and_may_be_repeated() -> None:
    def endless(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        while context.is_active():
            yield b"more"

    with _calling(stream=endless) as caller:
        with caller.Stream(iter([])) as responses:
            assert next(responses) == b"more"
        responses.close()
        with pytest.raises(PaDiffError):
            for _ in responses:
                pass


def test_a_status_without_our_details_still_becomes_one_of_our_errors() -> None:
    def unary(request: bytes, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.NOT_FOUND)
        context.set_details("a proxy's words\nand more")
        return b""

    with _calling(unary) as caller, pytest.raises(NotFoundError, match=r"^the test server: a proxy's words$"):
        caller.Unary(b"")


def test_a_broken_request_stream_is_a_protocol_error() -> None:
    class Broken(grpc.RpcError):
        pass

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise Broken

    received = transport.requests(broken())
    assert next(received) == b"a"
    with pytest.raises(ProtocolError, match="broke off"):
        next(received)


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\U0001f600"])
def test_an_error_that_quotes_what_was_sent_arrives_however_long_that_is(letter: str) -> None:
    def raising(request: bytes, context: Any) -> bytes:
        raise InvalidRequestError(f"begin {letter * 100_000} end", path=letter * 100_000)

    with _calling(raising) as caller:
        with pytest.raises(InvalidRequestError, match=r"^begin .* [.]{3} .* end$") as raised:
            caller.Unary(b"")
        assert raised.value.context["path"].startswith(letter)


# A stranger who calls and then says nothing


@contextlib.contextmanager
def _silent_calls(address: str, method: str, count: int) -> Iterator[list[Any]]:
    """Provides `count` calls of a unary method whose request never comes."""
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait(60.0)
        yield from ()

    with open_channel(address) as channel:
        call = channel.stream_unary(method)
        calls = [call.future(nothing()) for _ in range(count)]
        try:
            yield calls
        finally:
            never.set()
            for one in calls:
                one.cancel()


def test_a_caller_without_the_token_is_refused_before_its_request_has_come() -> None:
    with open_server("127.0.0.1:0", _register(_echo, _echo_all), token="secret", streams=2) as address:
        with _silent_calls(address, "/test.Service/Unary", 2) as calls:
            assert {call.code() for call in calls} == {grpc.StatusCode.UNAUTHENTICATED}


def test_health_checks_that_never_come_do_not_keep_others_from_theirs() -> None:
    health = Health("test.Service")
    health.set_serving(True)
    with open_server("127.0.0.1:0", health.beside(lambda _: None), token="secret", streams=2) as address:
        with _silent_calls(address, "/grpc.health.v1.Health/Check", 2) as calls:
            with open_channel(address) as channel:
                assert check_health(channel, "test.Service", timeout=30.0)
            assert {call.code() for call in calls} == {grpc.StatusCode.CANCELLED}


def test_what_serves_and_does_not_move_is_not_serving() -> None:
    moves = [True, False, True]
    health = Health("test.Service", lambda: moves.pop(0))
    with open_server("127.0.0.1:0", health.beside(lambda _: None)) as address:
        with open_channel(address) as channel:
            # Not asked while it does not serve.
            assert not check_health(channel, "", timeout=30.0)
            health.set_serving(True)
            assert [check_health(channel, name, timeout=30.0) for name in ("", "test.Service", "")] == [
                True,
                False,
                True,
            ]


def test_many_strangers_hold_no_thread_that_the_token_s_holder_needs(
    capfd: pytest.CaptureFixture[str],
) -> None:
    health = Health("test.Service")
    health.set_serving(True)
    register = health.beside(_register(_echo, _echo_all))
    with open_server("127.0.0.1:0", register, token="secret", streams=2) as address:
        with (
            _silent_calls(address, "/grpc.health.v1.Health/Check", 60),
            _silent_calls(address, "/test.Service/Unary", 60),
            open_channel(address, token="secret") as channel,
        ):
            assert _caller(channel).Unary(b"x", timeout=1.5) == b"x"
            # Later than those before it, and still with an answer.
            assert check_health(channel, "test.Service", timeout=30.0)
    assert capfd.readouterr().err == ""


def test_a_call_with_the_token_that_sends_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptors, "_FIRST_MESSAGE_SECONDS", 0.2)
    with open_server("127.0.0.1:0", _register(_echo, _echo_all), streams=4) as address:
        for method in ("Unary", "Stream"):
            with _silent_calls(address, f"/test.Service/{method}", 1) as calls:
                assert {call.code() for call in calls} == {grpc.StatusCode.CANCELLED}


def test_one_connection_leaves_threads_for_others() -> None:
    came, held = threading.Semaphore(0), threading.Event()

    def waiting(request: bytes, _: Any) -> bytes:
        came.release()
        held.wait(30.0)
        return request

    with open_server("127.0.0.1:0", _register(waiting, _echo_all), streams=4) as address:
        with open_channel(address) as channel:
            calls = [channel.unary_unary("/test.Service/Unary").future(b"x") for _ in range(3)]
            assert all(came.acquire(timeout=30.0) for _ in calls)
            with pytest.raises(BusyError, match="one connection may have 3 calls open"):
                list(_caller(channel).Stream(iter([b"a"])))
            held.set()
            assert [call.result() for call in calls] == [b"x"] * 3


def test_a_health_check_without_a_request_is_refused() -> None:
    with open_server("127.0.0.1:0", Health("test.Service").beside(lambda _: None)) as address:
        with open_channel(address) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.stream_unary("/grpc.health.v1.Health/Check")(iter(()), timeout=30.0)
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS
