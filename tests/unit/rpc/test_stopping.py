"""Stop signals, sent to real processes."""

from __future__ import annotations

import signal
import subprocess
import sys

WAITING = """
import sys, threading
from padiff_rpc.stopping import StopSignals
signals = StopSignals(ignore_interrupt=sys.argv[1] == "child")
def tell():
    print("heard" if signals.wait(30) else "nothing", flush=True)
threading.Thread(target=tell).start()
print("ready", flush=True)
"""

FORKING = """
import os, signal, time
from padiff_rpc.stopping import StopSignals
signals = StopSignals()
reading, writing = os.pipe()
child = os.fork()
if not child:
    os.write(writing, b"x")
    time.sleep(30)
    os._exit(0)
os.read(reading, 1)
os.kill(child, signal.SIGTERM)
_, status = os.waitpid(child, 0)
print(os.WTERMSIG(status), signals.wait(0.2))
os.kill(os.getpid(), signal.SIGTERM)
print(signals.wait(10))
"""


def start(kind: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WAITING, kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_signal_is_heard_by_the_thread_that_waits_for_it() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with start("service") as process:
            process.send_signal(number)
            assert process.communicate(timeout=30)[0] == "heard\n"


def test_a_child_ignores_the_terminals_interrupt() -> None:
    with start("child") as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[0] == "heard\n"
        assert process.returncode == 0


def test_a_fork_ends_by_its_own_signal_and_does_not_stop_its_parent() -> None:
    tried = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60)
    assert tried.stdout == "15 False\nTrue\n", tried.stderr
