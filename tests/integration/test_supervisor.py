"""Long-lived workers: a process for each lease, whatever becomes of the one before it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from comparisons import compare_on
from processes import ROOT, Running, Service, running, running_worker

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc import transport, trees
from padiff_rpc.convert import from_number, from_proto, to_proto
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.health import check_health
from padiff_rpc.transport import Caller, open_channel
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import Model, Options, WorkerInfo
from padiff_rpc.v1.words import WorkerState
from padiff_server.links.worker_lease import take_lease

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
# Longer than anything here takes.
PATIENCE = 60.0
HEALTHY = """
import fake_models

def build():
    return fake_models.net()
"""
EDITED = HEALTHY.replace("net()", "net(epsilon=0.1)")
# What may become of a process in the middle of a comparison.
ENDING = """
import os, signal, time
import fake, fake_models

class Ending(fake_models.Net):
    def forward(self, x):
        {end}
        return super().forward(x)

def build():
    return Ending()
"""


class Pair:
    """A coordinator and two workers, each with a folder of code of its own."""

    def __init__(self, service: Service, folder: Path, workers: dict[str, Running]) -> None:
        self.service = service
        self.folder = folder
        self.workers = workers

    def write(self, side: str, text: str) -> None:
        (self.folder / side / "edited.py").write_text(text)

    def compare(self) -> Report:
        model = Model(framework="fake", model="edited:build", kwargs=trees.pack({}))
        return compare_on(
            self.service, model, model, Batches(({"x": X}, {"x": X})), Options(trace="first_step"), steps=1
        )


@contextmanager
def pair(folder: Path, *flags: str) -> Iterator[Pair]:
    workers = {}
    for side in ("reference", "candidate"):
        (folder / side).mkdir()
    with (
        running("-m", "padiff_server", "--allow-any-worker", log=folder / "c.log") as coordinator,
        running_worker(folder, "reference", "--path", str(folder / "reference"), *flags) as workers[
            "reference"
        ],
        running_worker(folder, "candidate", "--path", str(folder / "candidate"), *flags) as workers[
            "candidate"
        ],
    ):
        service = Service(
            coordinator=coordinator.address,
            reference=workers["reference"].address,
            candidate=workers["candidate"].address,
        )
        made = Pair(service, folder, workers)
        for side in workers:
            made.write(side, HEALTHY)
        yield made


def info(address: str) -> tuple[WorkerInfo, WorkerState]:
    with open_channel(address) as channel:
        caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer="the worker")
        said = caller.GetInfo(worker_pb2.GetInfoRequest(), timeout=PATIENCE, wait_for_ready=True)
    return from_proto(said.worker, WorkerInfo), from_number(said.state, WorkerState, field="state")


def wait_for(condition: Any) -> None:
    for _ in range(1200):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not happen")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_every_comparison_runs_the_code_as_it_is_on_disk(tmp_path: Path, start_method: str) -> None:
    with pair(tmp_path, "--start-method", start_method) as workers:
        assert workers.compare()
        workers.write("candidate", EDITED)
        report = workers.compare()
        assert not report
        assert report.first_divergence is not None
        assert report.first_divergence.path == "norm"
        # Back within the same second, and of the same size: no compiled file may stand for it.
        workers.write("candidate", EDITED.replace("0.1", "1e-5"))
        assert workers.compare()
        assert workers.workers["candidate"].process.poll() is None


def test_each_of_many_comparisons_has_a_process_of_its_own(tmp_path: Path) -> None:
    with pair(tmp_path) as workers:
        pids = set()
        for _ in range(20):
            report = workers.compare()
            assert report, str(report)
            pids |= {environment.worker.pid for environment in report.environments}
        assert len(pids) == 40
        assert not pids & {worker.process.pid for worker in workers.workers.values()}
        # At rest one process of each is left.
        last = {info(worker.address)[0].pid for worker in workers.workers.values()}
        wait_for(lambda: {pid for pid in pids if is_running(pid)} <= last)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os._exit(7)", "ended with exit code 7"),
        ("os._exit(0)", "ended with exit code 0"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL (out of memory?)"),
    ],
)
def test_a_comparison_whose_process_ends_says_how_and_the_next_one_works(
    tmp_path: Path, end: str, said: str
) -> None:
    with pair(tmp_path) as workers:
        workers.write("candidate", ENDING.format(end=end))
        report = workers.compare()
        assert not report
        (trouble,) = report.troubles
        assert trouble.side == "candidate"
        assert trouble.text.endswith(f"the process of this comparison {said}")
        workers.write("candidate", HEALTHY)
        assert workers.compare()
    assert f"{said} during a comparison" in (tmp_path / "candidate.log").read_text()


def test_both_sides_that_end_are_both_told(tmp_path: Path) -> None:
    with pair(tmp_path) as workers:
        for side, code in (("reference", 5), ("candidate", 6)):
            workers.write(side, ENDING.format(end=f"os._exit({code})"))
        report = workers.compare()
        assert {trouble.side for trouble in report.troubles} == {"reference", "candidate"}


def test_a_factory_that_hangs_ends_with_its_lease(tmp_path: Path) -> None:
    hanging = tmp_path / "hanging"
    with pair(tmp_path) as workers:
        workers.write(
            "candidate",
            f"import time\ndef build():\n    open({str(hanging)!r}, 'w').close()\n    time.sleep(3600)\n",
        )
        with open_channel(workers.service.candidate) as channel, ThreadPoolExecutor(1) as pool:
            caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer="the worker")
            lease = take_lease(caller, peer="the worker", closed=threading.Event())
            pid = info(workers.service.candidate)[0].pid
            model = to_proto(Model(framework="fake", model="edited:build"))
            loading = pool.submit(caller.Load, worker_pb2.LoadRequest(lease=lease.name, model=model))
            wait_for(hanging.exists)
            lease.close()
            # What the lease was used for ends with the process.
            with pytest.raises(PaDiffError):
                loading.result(PATIENCE)
        workers.write("candidate", HEALTHY)
        assert workers.compare()
        wait_for(lambda: not is_running(pid))


@contextmanager
def leased(address: str) -> Iterator[tuple[Caller, str]]:
    with open_channel(address) as channel:
        caller = Caller(worker_pb2_grpc.WorkerStub(channel), peer="the worker")
        with closing(take_lease(caller, peer="the worker", closed=threading.Event())) as lease:
            yield caller, lease.name


@pytest.mark.parametrize("is_unix", [False, True])
def test_no_look_up_fails_while_processes_follow_each_other(tmp_path: Path, is_unix: bool) -> None:
    listen = f"unix:{tmp_path}/w" if is_unix else "127.0.0.1:0"
    with running_worker(tmp_path, "w", listen=listen) as worker:
        wait_for(lambda: is_serving(worker.address, 0))
        done = threading.Event()

        def look_up() -> int:
            looked = 0
            while not done.is_set():
                looked += 1
                assert is_serving(worker.address, looked)
            return looked

        with ThreadPoolExecutor(2) as pool:
            looking = [pool.submit(look_up) for _ in range(2)]
            try:
                pids = set()
                for _ in range(15):
                    with leased(worker.address) as (caller, _):
                        pids.add(caller.GetInfo(worker_pb2.GetInfoRequest(), timeout=PATIENCE).worker.pid)
            finally:
                done.set()
            assert all(look.result(PATIENCE) > 1 for look in looking)
        assert len(pids) == 15


def is_serving(address: str, number: int) -> bool:
    """Whether the worker says so over a connection of its own: channels of equal options share one."""
    options = [*transport._CHANNEL_OPTIONS, ("padiff.test", number), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options) as channel:
        return check_health(channel, "", timeout=PATIENCE)


def test_a_lease_that_ends_at_once_passes_the_worker_on(tmp_path: Path) -> None:
    with running_worker(tmp_path, "w") as worker:
        for _ in range(5):
            with leased(worker.address):
                assert info(worker.address)[1] is WorkerState.BUSY


def test_the_process_of_a_supervisor_that_was_killed_ends_too(tmp_path: Path) -> None:
    with running_worker(tmp_path, "w") as worker:
        pid = info(worker.address)[0].pid
        assert pid != worker.process.pid
        with leased(worker.address):  # with one that waits
            worker.process.kill()
            worker.process.wait(PATIENCE)
            wait_for(lambda: not is_running(pid))


HANGING = """
import ctypes, time

def sleep():
    time.sleep(3600)

def spin():
    while True:
        pass

def kernel():
    # In C, with Python's lock held.
    ctypes.PyDLL(None).usleep(3_600_000_000)

def build():
    open({begun!r}, "w").close()
    {way}()
"""


@contextmanager
def hanging(folder: Path, way: str, *flags: str) -> Iterator[tuple[Running, int]]:
    """Yields a worker and its process, whose model hangs while it is built."""
    code, begun = folder / "code", folder / "begun"
    code.mkdir()
    (code / "edited.py").write_text(HANGING.format(begun=str(begun), way=way))
    with (
        running_worker(folder, "w", "--path", str(code), *flags) as worker,
        leased(worker.address) as (caller, lease),
        ThreadPoolExecutor(1) as pool,
    ):
        pid = info(worker.address)[0].pid
        model = to_proto(Model(framework="fake", model="edited:build"))
        loading = pool.submit(caller.Load, worker_pb2.LoadRequest(lease=lease, model=model))
        wait_for(begun.exists)
        yield worker, pid
        with pytest.raises(PaDiffError):
            loading.result(PATIENCE)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
@pytest.mark.parametrize("way", ["sleep", "spin", "kernel"])
def test_the_process_of_a_supervisor_that_was_killed_ends_whatever_it_does(
    tmp_path: Path, way: str, start_method: str
) -> None:
    with hanging(tmp_path, way, "--start-method", start_method) as (worker, pid):
        worker.process.kill()
        worker.process.wait(PATIENCE)
        wait_for(lambda: not is_running(pid))


@pytest.mark.parametrize("way", ["sleep", "spin", "kernel"])
def test_a_worker_that_is_told_to_stop_ends_whatever_its_process_does(tmp_path: Path, way: str) -> None:
    with hanging(tmp_path, way, "--drain-seconds", "0.1") as (worker, pid):
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(PATIENCE)
        assert not is_running(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_leaves_no_process_and_no_socket(
    tmp_path: Path, number: signal.Signals
) -> None:
    socket = tmp_path / "w"
    with running_worker(tmp_path, "w", listen=f"unix:{socket}") as worker:
        pid = info(worker.address)[0].pid
        assert socket.is_socket()
        worker.process.send_signal(number)
        assert worker.process.wait(PATIENCE) == 0
        assert not is_running(pid)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.log"]


def test_two_workers_never_share_an_address(tmp_path: Path) -> None:
    with running_worker(tmp_path, "one") as one:
        for address in (one.address, one.address.replace("127.0.0.1", "localhost")):
            assert "the address is taken" in refusal(tmp_path, address)
    with running_worker(tmp_path, "one", listen=f"unix:{tmp_path}/s") as one:
        assert "the address is taken" in refusal(tmp_path, one.address)
    with running("-m", "padiff_server", log=tmp_path / "c.log") as coordinator:
        assert "the address is taken" in refusal(tmp_path, coordinator.address)


def refusal(folder: Path, address: str) -> str:
    with pytest.raises(AssertionError) as caught:
        with running_worker(folder, "two", listen=address):
            pass
    return str(caught.value)


def test_an_idle_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with running_worker(tmp_path, "w") as worker:
        killed = info(worker.address)[0].pid
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: info(worker.address)[0].pid != killed)
    assert f"process {killed} was killed by SIGKILL" in (tmp_path / "w.log").read_text()


SELF_NAMING = """
import fake_models
from padiff_client import ModelSpec, auto_diff

def build():
    return fake_models.net()

spec = ModelSpec("torch", "edited:build", path=["."])
auto_diff(spec, spec, ({}, {}))
"""


KILLED_FIRST = """
import os, signal, sys
from padiff_worker.processes import forked
from padiff_worker.supervisor import Supervisor
from padiff_worker.turn import TurnWord

def serve(turn):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if not os.path.exists(sys.argv[1]):
        open(sys.argv[1], "w").close()
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    turn.wait()
    turn.say(TurnWord.LISTENING, "somewhere")
    while True:
        signal.pause()

def served(address):
    print(address)
    os.kill(os.getpid(), signal.SIGTERM)

sys.exit(Supervisor(forked(serve), served, drain_seconds=0.0).run())
"""


@pytest.mark.parametrize(("number", "code", "said"), [("SIGKILL", 0, "somewhere\n"), ("SIGABRT", 1, "")])
def test_a_first_process_that_was_killed_is_replaced_and_one_that_crashed_is_not(
    tmp_path: Path, number: str, code: int, said: str
) -> None:
    command = [sys.executable, "-c", KILLED_FIRST, str(tmp_path / "was_here"), number]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (run.returncode, run.stdout) == (code, said), run.stderr


def test_a_module_that_compares_when_a_worker_imports_it_is_one_clear_error(tmp_path: Path) -> None:
    with pair(tmp_path) as workers:
        workers.write("candidate", SELF_NAMING)
        with pytest.raises(
            InvalidRequestError, match=r"^candidate\.model: the module .* if __name__ == "
        ) as caught:
            workers.compare()
        assert "\n" not in str(caught.value)
        guarded = SELF_NAMING.replace("auto_diff(spec", 'if __name__ == "__main__":\n    auto_diff(spec')
        workers.write("candidate", guarded)
        assert workers.compare()
