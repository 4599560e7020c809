"""The coordinator's end of a worker, against a worker that only counts what it gets."""

from __future__ import annotations

import contextlib
import sys
import threading

import grpc
import numpy as np
import pytest

from padiff_rpc.arena import Arena, ArenaView, SharedArenas
from padiff_rpc.arena_file import make
from padiff_rpc.errors import CancelledError, StateError
from padiff_rpc.tensor_sender import received_tensors
from padiff_rpc.tensors import HostTensor
from padiff_rpc.transport import open_server
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import Model, OverrideTicket, Party, WorkerAddress, WorkerInfo
from padiff_rpc.v1.words import Phase, Side
from padiff_rpc.version import PROTOCOL_VERSION
from padiff_server.links import connection
from padiff_server.links.step_call import StepCall, TensorWays
from padiff_server.links.worker_link import WorkerLink
from padiff_worker.overrides import OverrideReader, Overrides

WORKER = WorkerInfo(
    protocol_version=PROTOCOL_VERSION,
    framework="fake",
    framework_version="1",
    python_version="3",
    numpy_version="2",
    package_version="1",
    host="here",
    pid=1,
    capabilities=(WorkerInfo.TENSOR_BUNDLES,),
)


@pytest.fixture
def link():
    party = Party(model=Model(framework="fake", model="m:f"), worker=WorkerAddress(address="unix:/nowhere"))
    made = WorkerLink(Side.CANDIDATE, party, print)
    made.worker = WORKER
    return made


class Swallowing:
    """Reads requests as gRPC does: an error of the iterator ends the stream like its last item."""

    def WriteWeights(self, requests):
        written = -1
        with contextlib.suppress(Exception):
            for _ in requests:
                written += 1
        return worker_pb2.WriteWeightsResponse(written=written)


def test_whatever_breaks_the_weights_to_write_reaches_the_caller(link):
    def weights():
        yield from ()
        raise ZeroDivisionError("a bug of ours")

    link.caller = Swallowing()
    with pytest.raises(ZeroDivisionError):
        link.weights.write(weights(), Phase.INITIAL_WEIGHTS)
    assert link.weights.write([], Phase.INITIAL_WEIGHTS) == 0


def test_threads_may_count_traffic_at_once(link):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=count, args=(link,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert link.traffic == {Phase.FORWARD: 4 * 5000}


def count(link):
    for _ in range(5000):
        link.count_traffic({Phase.FORWARD: 1})


class Receiving:
    """Keeps what it gets, as a worker does that reads the arena that it shares with us."""

    def __init__(self, folder):
        with contextlib.closing(make(folder, 1 << 20)) as file:
            self.shared = SharedArenas(outgoing=Arena(file))
            self.view = ArenaView(file)
        self.messages = []
        self.came = {}

    def WriteWeights(self, requests):
        _, *self.messages = requests
        frames = (frame for message in self.messages for frame in message.frames)
        self.came = {one.name: one.tensor.array.copy() for one in received_tensors(frames, self.view.lent)}
        return worker_pb2.WriteWeightsResponse(written=len(self.came))

    def RunStep(self, requests):
        self.requests = requests
        return Ended()


class Ended:
    """A stream of responses that has ended."""

    def close(self):
        pass


def test_weights_to_write_lie_in_shared_memory_where_they_are_large(link, tmp_path):
    worker = link.caller = Receiving(str(tmp_path))
    link.shared = worker.shared
    weights = {"large": np.arange(5000, dtype=np.float32), "small": np.arange(5, dtype=np.float32)}
    sent = [(name, HostTensor.from_array(value)) for name, value in weights.items()]
    assert link.weights.write(sent, Phase.INITIAL_WEIGHTS) == 2
    assert {name: value.tolist() for name, value in worker.came.items()} == {
        name: value.tolist() for name, value in weights.items()
    }
    # Of the large one a header, of the small one its bytes as well.
    (message,) = worker.messages
    assert [frame.WhichOneof("frame") for frame in message.frames] == ["header", "header", "chunk"]
    assert link.traffic == {Phase.INITIAL_WEIGHTS: 20_020}
    assert worker.shared.outgoing.lent_bytes() == 0


def test_weights_without_room_in_shared_memory_travel(link, tmp_path):
    worker = link.caller = Receiving(str(tmp_path))
    link.shared = worker.shared
    value = np.arange(1 << 19, dtype=np.float32)
    assert link.weights.write([("wide", HostTensor.from_array(value))], Phase.INITIAL_WEIGHTS) == 1
    assert np.array_equal(worker.came["wide"], value)
    assert len(worker.messages) == 3


def test_overrides_lie_in_shared_memory_and_are_let_go_once_they_do(link, tmp_path):
    worker = Receiving(str(tmp_path))
    sent = []
    ways = TensorWays(sender=link.sender, shared=worker.shared)
    step = StepCall(worker.RunStep, [], link.watch, print, ways)
    step.override(OverrideTicket(place=3), HostTensor.from_array(np.ones(5000)), lambda: sent.append(3))
    step.override(OverrideTicket(place=4), HostTensor.from_array(np.ones(5)), lambda: sent.append(4))
    step.close()
    messages = list(worker.requests)
    assert [message.WhichOneof("request") for message in messages] == [
        "override",
        "override",
        "override_chunk",
    ]
    assert sent == [3, 4]
    overrides = Overrides(want=print, credit=print)
    reader = OverrideReader(overrides, SharedArenas(incoming=worker.view))
    reader.begins(OverrideTicket(place=3), messages[0].override.header)
    assert (overrides.take(OverrideTicket(place=3)).array == 1.0).all()


class Late:
    """Answers the first question once the user was told of it."""

    def __init__(self):
        self.said = threading.Event()
        self.texts = []

    def say(self, text):
        self.texts.append(text)
        self.said.set()

    def get_info(self, request, context):
        assert self.said.wait(30.0)
        raise StateError("not today")


class Deaf:
    """Keeps every question of the first connection without an answer, for as long as its caller waits."""

    def __init__(self):
        self.peers = []

    def get_info(self, request, context):
        self.peers.append(context.peer())
        if context.peer() == self.peers[0]:
            gone = threading.Event()
            context.add_callback(gone.set)
            assert gone.wait(30.0)
        raise StateError("not today")


@contextlib.contextmanager
def answering(get_info):
    """Provides the address of a worker that knows one call."""

    def register(server):
        handler = grpc.unary_unary_rpc_method_handler(get_info)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("padiff_rpc.v1.Worker", {"GetInfo": handler}),)
        )

    with open_server("127.0.0.1:0", register) as address:
        yield address


def open_link(address, say=print):
    party = Party(model=Model(framework="fake", model="m:f"), worker=WorkerAddress(address=address))
    link = WorkerLink(Side.CANDIDATE, party, say)
    try:
        link.open()
    finally:
        link.close()


def test_who_waits_for_a_worker_that_is_slow_to_answer_hears_for_what(monkeypatch):
    monkeypatch.setattr(connection, "_SILENT_SECONDS", 0.1)
    late = Late()
    with answering(late.get_info) as address, pytest.raises(StateError, match="not today"):
        open_link(address, late.say)
    assert late.texts == [f"waiting for the candidate worker at {address} to answer"]


def test_a_first_question_that_is_lost_is_asked_again_on_another_connection(monkeypatch):
    monkeypatch.setattr(connection, "_FIRST_TRY_SECONDS", 0.2)
    deaf = Deaf()
    with answering(deaf.get_info) as address, pytest.raises(StateError, match="not today"):
        open_link(address)
    assert len(set(deaf.peers)) == len(deaf.peers) == 2


class Held:
    """A lease that was granted."""

    def explained(self, error):
        return error

    def close(self):
        pass


def test_a_call_on_its_way_when_we_give_the_worker_back_is_a_cancelled_one(link):
    ended = StateError("this lease has ended; begin a new comparison", lease="ended")
    link._held = Held()
    link.close()
    assert isinstance(link._explained(ended), CancelledError)
