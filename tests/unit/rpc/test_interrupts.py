"""Ctrl-C in the midst of waiting for a stream."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Interrupted while it waits, at moments of which none is the same.
SCRIPT = """
import os, random, signal, threading
import grpc
from padiff_rpc.transport import Caller, open_channel, open_server
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc

def lease(request, context):
    ended = threading.Event()
    context.add_callback(ended.set)
    while not ended.wait(0.0005):
        yield worker_pb2.LeaseResponse(lease="one")

def register(server):
    handler = grpc.unary_stream_rpc_method_handler(
        lease,
        request_deserializer=worker_pb2.LeaseRequest.FromString,
        response_serializer=worker_pb2.LeaseResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("padiff_rpc.v1.Worker", {"Lease": handler}),)
    )

with open_server("127.0.0.1:0", register) as address, open_channel(address) as channel:
    caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer="the server")
    for round in range(100):
        stream = caller.Lease(worker_pb2.LeaseRequest())
        began = threading.Event()
        def interrupt():
            began.wait()
            threading.Event().wait(random.random() / 100)
            os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            for _ in stream:
                began.set()
        except KeyboardInterrupt:
            print("interrupted")
        thread.join()
        stream.close()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


def test_an_interrupt_comes_out_of_a_stream_as_itself_whenever_it_comes() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["interrupted"] * 100
