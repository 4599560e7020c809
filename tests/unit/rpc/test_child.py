"""A child's announcement and lifeline, over real pipes and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from padiff_rpc import child
from padiff_rpc.errors import InvalidRequestError, StateError
from padiff_rpc.version import PROTOCOL_VERSION, check_protocol_version

RUNNING = """
import ctypes, sys, time
from padiff_rpc import child
child.watch_lifeline(int(sys.argv[1]), sys.argv[2])
print("watching", flush=True)
{busy}
"""
# The last two let no other thread of Python run.
BUSY = {
    "asleep": "time.sleep(1000)",
    "in a spin": "while True: pass",
    "asleep in C with Python's lock": "ctypes.PyDLL(None).sleep(1000)",
    "in a spin in C": "sum(iter(int, 1))",
}


def test_the_address_is_announced_once_and_the_pipe_closed() -> None:
    reading, writing = os.pipe()
    child.announce(writing, "unix:/tmp/a")
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "unix:/tmp/a\n"


def test_without_a_parent_the_address_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    child.announce(None, "127.0.0.1:5000")
    assert capsys.readouterr().out == "listening on 127.0.0.1:5000\n"


@pytest.mark.parametrize("busy", BUSY.values(), ids=BUSY)
def test_a_child_ends_with_its_lifeline_and_removes_the_private_folder(tmp_path: Path, busy: str) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "socket").touch()
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNING.format(busy=busy), str(reading), str(private)],
        pass_fds=[reading],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        os.close(reading)
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        assert process.poll() is None
        os.close(writing)
        assert process.wait(timeout=20) == -signal.SIGKILL
        assert not private.exists()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lives(process: Path) -> bool:
    try:
        return bool((process / "cmdline").read_bytes())
    except OSError:
        return False  # and one that nobody has reaped yet has no command line


def test_what_watches_a_child_ends_with_it() -> None:
    reading, writing = os.pipe()
    code = RUNNING.format(busy="print(open('/proc/thread-self/children').read())")
    ended = subprocess.run(
        [sys.executable, "-c", code, str(reading), ""], pass_fds=[reading], capture_output=True, text=True
    )
    watcher = Path("/proc") / ended.stdout.split()[1]
    deadline = time.monotonic() + 10
    while lives(watcher) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not lives(watcher)
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_another_protocol_version_says_what_to_install() -> None:
    check_protocol_version(PROTOCOL_VERSION, peer="the worker")
    with pytest.raises(
        StateError,
        match=r"the worker speaks protocol version 99 .*: run 'pip install --upgrade padiff-rpc' here",
    ):
        check_protocol_version(99, peer="the worker")


def test_what_a_worker_imports_neither_compares_nor_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADIFF_INSIDE_WORKER", "")
    child.check_not_inside_worker("starts a comparison")
    child.mark_worker()
    with pytest.raises(
        InvalidRequestError, match=r"^model: .* serves a model itself; put that call under if "
    ):
        child.check_not_inside_worker("serves a model")
