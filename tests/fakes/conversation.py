"""Conversations of peers: kept in a file, told apart from what differs in each, and had again."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import msgpack
from proxy import END, REQUEST, RESPONSE, Said

from padiff_rpc.v1 import coordinator_pb2, worker_pb2

# What differs from run to run, from machine to machine, or with timing; noise is told where it is needed.
_VOLATILE = frozenset(
    {
        *(
            "lease",
            "session",
            "text",
            "source",
            "seconds",
            "timings",
            "traffic",
            "sendings",
            "sending",
            "codings",
            "progress",
            "notes",
        ),
        *("content", "chunk", "sum_squares", "figures", "tolerance", "order", "first_divergence", "noise"),
        *("credit", "wanted", "worker", "workers", "environments", "state", "devices"),
        *("package_version", "python_version", "memory_limit_bytes", "started_at"),
    }
)
# A field that the contract does not have, as a varint and as bytes.
_UNKNOWN = b"\xf8\xff\x07\x2a" + b"\xfa\xff\x07\x05later"
PATIENCE = 30.0
# What a call gets that meets the moment at which a worker's address passes on to its next process.
PASSING_ON = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


@dataclass
class Call:
    """One call of a link: its requests and responses, each in order."""

    method: str
    requests: list[bytes] = field(default_factory=list)
    responses: list[bytes] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.method.rpartition("/")[2]


def write(path: Path, lines: Sequence[tuple[str, Said]]) -> None:
    """Writes (link, message) pairs: one msgpack array each, of link, call, method, direction, content.

    A call without an answer, which met a worker's address passing on and was made again, is left out.
    """
    answered = {(link, said.call) for link, said in lines if said.direction == RESPONSE}
    path.write_bytes(
        b"".join(
            msgpack.packb([link, said.call, said.method, said.direction, said.content])
            for link, said in lines
            if (link, said.call) in answered
        )
    )


def read(path: Path) -> dict[str, list[Call]]:
    """Returns each link's calls in the order in which they began."""
    calls: dict[tuple[str, int], Call] = {}
    with path.open("rb") as file:
        for link, number, method, direction, content in msgpack.Unpacker(file):
            call = calls.setdefault((link, number), Call(method))
            if direction == REQUEST:
                call.requests.append(content)
            elif direction == RESPONSE:
                call.responses.append(content)
    links: defaultdict[str, list[Call]] = defaultdict(list)
    for (link, _), call in calls.items():
        links[link].append(call)
    return links


def message_of(method: str, direction: str, content: bytes) -> Any:
    """Returns the message of the contract that `content` is."""
    service, name = method.rpartition(".")[2].split("/")
    module = worker_pb2 if service == "Worker" else coordinator_pb2
    called = module.DESCRIPTOR.services_by_name[service].methods_by_name[name]
    kind = called.input_type if direction == REQUEST else called.output_type
    return getattr(module, kind.name).FromString(content)


def from_the_future(method: str, direction: str, content: bytes) -> bytes:
    """Returns a message with unknown fields, in it and in every message in it."""
    message = message_of(method, direction, content)
    _add_unknown(message)
    return bytes(message.SerializeToString())


def _add_unknown(message: Any) -> None:
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for inner in [value] if hasattr(value, "SerializeToString") else value:
                _add_unknown(inner)
    message.MergeFromString(_UNKNOWN)


def meaning(method: str, contents: Sequence[bytes]) -> list[Any]:
    """Returns what was answered, without what differs from run to run, and however it was bundled."""
    said: list[Any] = []
    for content in contents:
        plain = _plain(message_of(method, RESPONSE, content))
        bundles = [key for key in ("events", "frames", "rows") if key in plain]
        items = [item for key in bundles for item in (plain[key]["rows"] if key == "rows" else plain[key])]
        said += [item for item in (items if bundles else [plain]) if item]
    return said


def _plain(message: Any) -> dict[str, Any]:
    found = {}
    for descriptor, value in message.ListFields():
        if descriptor.name in _VOLATILE:
            continue
        if descriptor.message_type is None:
            found[descriptor.name] = value if isinstance(value, (str, bytes, int, float)) else list(value)
        elif hasattr(value, "SerializeToString"):
            found[descriptor.name] = _plain(value)
        else:
            found[descriptor.name] = [_plain(inner) for inner in value]
    return found


def lacking(recorded: Any, now: Any, where: str = "") -> list[str]:
    """Returns where `now` says less than, or other than, what was recorded; more is no fault."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        return [
            lack for key, value in recorded.items() for lack in lacking(value, now.get(key), f"{where}.{key}")
        ]
    if isinstance(recorded, list) and isinstance(now, list):
        pairs = itertools.zip_longest(recorded, now)
        return [lack for i, (one, two) in enumerate(pairs) for lack in lacking(one, two, f"{where}[{i}]")]
    return [] if recorded == now else [f"{where}: {recorded!r} became {now!r}"]


class Caller:
    """Plays the recorded caller of one link against a peer of today."""

    def __init__(self, address: str, *, future: bool) -> None:
        """`future` adds unknown fields to all that is said."""
        self._channel = grpc.insecure_channel(address)
        self._future = future
        self._lease = ""
        self._held: Any = None

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()
        self._channel.close()

    def play(self, call: Call, requests: Sequence[bytes]) -> list[bytes]:
        """Sends `requests` as those of `call` and returns the responses; a lease stays until the next one."""
        if call.name == "Lease":
            self._release()
            return [self._take_lease(call, requests)]
        if call.name == "GetInfo":
            return [self._first_answer(call, requests)[1]]
        over, phases = threading.Event(), threading.Semaphore(0)
        responses = []
        for response in self._open(call, self._paced(call, requests, phases, over)):
            responses.append(response)
            if call.name == "RunStep":
                for event in message_of(call.method, RESPONSE, response).events:
                    if event.WhichOneof("event") == "phase":
                        phases.release()
                    elif event.WhichOneof("event") == "summary":
                        over.set()
        over.set()
        return responses

    def _take_lease(self, call: Call, requests: Sequence[bytes]) -> bytes:
        self._held, granted = self._first_answer(call, requests)
        self._lease = message_of(call.method, RESPONSE, granted).lease
        return granted

    def _first_answer(self, call: Call, requests: Sequence[bytes]) -> tuple[Any, bytes]:
        """Returns a stream and its first answer; calls again while a worker's address passes on."""
        deadline = time.monotonic() + PATIENCE
        while True:
            stream = self._open(call, iter(requests))
            try:
                return stream, next(stream)
            except grpc.RpcError as failure:
                if failure.code() not in PASSING_ON or time.monotonic() > deadline:
                    raise
                threading.Event().wait(0.05)

    def _open(self, call: Call, requests: Iterator[bytes]) -> Any:
        return self._channel.stream_stream(call.method)(requests, timeout=PATIENCE)

    def _paced(
        self, call: Call, requests: Sequence[bytes], phases: threading.Semaphore, over: threading.Event
    ) -> Iterator[bytes]:
        """Yields requests with today's lease; a phase is acknowledged when it was announced."""
        for content in requests:
            message = message_of(call.method, REQUEST, content)
            named = message.start if hasattr(message, "start") and message.HasField("start") else message
            if getattr(named, "lease", ""):
                named.lease = self._lease
            if getattr(message, "acknowledged", 0):
                phases.acquire(timeout=PATIENCE)
            content = bytes(message.SerializeToString())
            yield from_the_future(call.method, REQUEST, content) if self._future else content
        if call.name == "RunStep":  # the end of this stream would be a cancellation
            over.wait(PATIENCE)

    def _release(self) -> None:
        if self._held is not None:
            self._held.cancel()
            with suppress(grpc.RpcError):
                list(self._held)


class _Answering(grpc.GenericRpcHandler):
    """Says what was recorded, in order for each method, whatever it is asked."""

    def __init__(self, calls: Sequence[Call], *, future: bool) -> None:
        self._future = future
        self._waiting: defaultdict[str, list[Call]] = defaultdict(list)
        for call in calls:
            self._waiting[call.method].append(call)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._answer(details.method, requests, context)
        )

    def _answer(self, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        if not self._waiting[method]:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} was not called as often when recorded")
        # Who is looked at once more is as before.
        calls = self._waiting[method]
        call = calls.pop(0) if len(calls) > 1 or not method.endswith("Info") else calls[0]
        if call.name not in ("RunStep", "Compare", "Plan", "Lease"):  # whose requests wait for answers
            list(requests)
        for content in call.responses:
            yield from_the_future(method, RESPONSE, content) if self._future else content
        if call.name == "Lease":
            ended = threading.Event()
            if context.add_callback(ended.set):
                ended.wait()


@contextmanager
def answering(calls: Sequence[Call], *, future: bool) -> Iterator[str]:
    """Serves, at the yielded address, the recorded responses of one link."""
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((_Answering(calls, future=future),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(1.0).wait()


__all__ = ["END", "Call", "Caller", "answering", "lacking", "meaning", "message_of", "read", "write"]
