"""Embedded mode's processes, with small stand-ins: nothing outlives the client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from padiff_client import InvalidRequestError, WorkerLostError
from padiff_client.child_process import Launch
from padiff_client.embedded import open_household
from padiff_client.private_folder import private_folder, sweep
from padiff_client.progress import Echo

ROOT = Path(__file__).resolve().parents[3]
SERVE = """
import argparse, signal, sys, threading
from padiff_rpc import child
parser = argparse.ArgumentParser()
child.add_arguments(parser)
given, rest = parser.parse_known_args()
{before}
child.watch_lifeline(given.lifeline_fd, given.private_folder)
child.announce(given.announce_fd, "unix:/somewhere/" + " ".join(rest))
threading.Event().wait()
"""
# Starts a process that outlives its parent unless somebody ends it.
PARENT = """import subprocess
started = subprocess.Popen(["sleep", "60"])
open({file!r}, "w").write(str(started.pid))"""
OBEDIENT = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A socket path has at most 107 bytes, and pytest's own folders are long.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pdt") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


def launch(tmp_path: Path, code: str, name: str = "reference worker", **mend: str) -> Launch:
    package = "stand_in_" + name.replace(" ", "_")
    (tmp_path / f"{package}.py").write_text(textwrap.dedent(code))
    return Launch(
        name=name,
        python=sys.executable,
        package=package,
        arguments=("hello",),
        environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        mend=mend,
        python_field="module.python",
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody reaped answers too.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(claim: object, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_children_announce_and_are_gone_with_their_folder(tmp_path: Path) -> None:
    with open_household() as household:
        both = [launch(tmp_path, SERVE.format(before="")), launch(tmp_path, SERVE.format(before=""), "other")]
        addresses = household.start(both)
        assert addresses == dict.fromkeys(("reference worker", "other"), "unix:/somewhere/hello")
        folder, pids = household.folder.path, household.pids()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(is_alive(pid) for pid in pids.values())
    assert not folder.exists()
    assert not any(is_alive(pid) for pid in pids.values())


def test_what_lies_in_the_current_folder_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("msgpack", "argparse"):
        (here / f"{name}.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(here)
    with open_household() as household:
        stand_in = launch(tmp_path, "import msgpack\n" + SERVE.format(before=""))
        assert household.start([stand_in]) == {"reference worker": "unix:/somewhere/hello"}


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    seen = []

    def interrupted() -> None:
        with open_household() as household:
            household.start([launch(tmp_path, SERVE.format(before=""))])
            seen.append((household.folder.path, household.pids()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ((folder, pids),) = seen
    assert not folder.exists()
    assert not any(is_alive(pid) for pid in pids.values())


def test_a_child_that_ignores_the_request_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padiff_client.child_process.ChildProcess.stop.__defaults__", (0.2,))
    with open_household() as household:
        household.start([launch(tmp_path, SERVE.format(before=STUBBORN))])
        pids = household.pids()
    assert not any(is_alive(pid) for pid in pids.values())


@pytest.mark.parametrize("manner", [OBEDIENT, STUBBORN])
def test_what_a_child_started_is_stopped_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manner: str
) -> None:
    monkeypatch.setattr("padiff_client.child_process.ChildProcess.stop.__defaults__", (1.0,))
    pid_file = tmp_path / "pid"
    before = manner + "\n" + PARENT.format(file=str(pid_file))
    with open_household() as household:
        household.start([launch(tmp_path, SERVE.format(before=before))])
        grandchild = int(pid_file.read_text())
        assert is_alive(grandchild)
    assert wait_until(lambda: not is_alive(grandchild), 2.0)


def test_what_a_killed_child_started_ends_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with open_household() as household:
        before = PARENT.format(file=str(pid_file))
        household.start([launch(tmp_path, SERVE.format(before=before))])
        os.kill(household.pids()["reference worker"], signal.SIGKILL)
        assert "was killed by SIGKILL" in household.obituaries(5.0)[0]
    grandchild = int(pid_file.read_text())
    assert wait_until(lambda: not is_alive(grandchild), 2.0)


def test_a_killed_client_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    launch(tmp_path, SERVE.format(before=STUBBORN + "\n" + PARENT.format(file=str(pid_file))))
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import sys, time
                from padiff_client.child_process import Launch
                from padiff_client.embedded import open_household
                with open_household() as household:
                    household.start([Launch(
                        name="one", python=sys.executable, package="stand_in_reference_worker",
                        arguments=(), environment={"PYTHONPATH": sys.argv[1]}, mend={},
                        python_field="module.python",
                    )])
                    print(household.folder.path, household.pids()["one"], flush=True)
                    time.sleep(60)
                """
            ),
            f"{tmp_path}:{ROOT}",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"},
    )
    assert parent.stdout is not None
    with parent.stdout:
        folder, pid = parent.stdout.readline().split()
    grandchild = int(pid_file.read_text())
    assert is_alive(int(pid))
    assert is_alive(grandchild)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_until(lambda: not is_alive(int(pid)))
    assert wait_until(lambda: not is_alive(grandchild), 2.0)
    assert not Path(folder).exists()


def test_a_fork_holds_no_lifeline_and_a_run_leaves_no_hook_behind() -> None:
    code = """
import os
from padiff_client.embedded import Lifeline
os.register_at_fork = None
lifelines = [Lifeline(), Lifeline()]
pid = os.fork()
if pid == 0:
    os._exit(len([one for one in lifelines if one.reader != -1]))
assert os.waitpid(pid, 0)[1] == 0
assert all(one.reader != -1 for one in lifelines)
"""
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"},
    )


def test_a_child_killed_on_the_way_gets_an_obituary(tmp_path: Path) -> None:
    with open_household() as household:
        household.start([launch(tmp_path, SERVE.format(before=""))])
        pid = household.pids()["reference worker"]
        assert household.obituaries(0.0) == ()
        os.kill(pid, signal.SIGKILL)
        assert household.obituaries(5.0) == (
            f"the reference worker (process {pid}) was killed by SIGKILL (out of memory?)",
        )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import torch_of_old", r"has no torch_of_old, .* run: .* -m pip install torch==1"),
        ("raise ValueError('boom')", r"ended with exit code 1 before it served; .* ValueError: boom"),
        (
            "import os; os._exit(3)",
            "ended with exit code 3 before it served; its last words: it wrote nothing",
        ),
        ("import os; os.kill(os.getpid(), 11)", "was killed by SIGSEGV before it served"),
        (
            "import sys; sys.exit('padiff-worker-torch: cannot listen there')",
            "the reference worker did not start: cannot listen there",
        ),
    ],
)
def test_a_child_that_ends_early_is_explained_in_one_line(tmp_path: Path, code: str, said: str) -> None:
    with open_household() as household:
        with pytest.raises((InvalidRequestError, WorkerLostError), match=said) as caught:
            household.start([launch(tmp_path, code, torch_of_old="torch==1")])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("verbose", [False, True])
def test_a_missing_worker_package_names_the_pip_line(
    capfd: pytest.CaptureFixture[str], verbose: bool
) -> None:
    absent = Launch(
        name="candidate worker",
        python=sys.executable,
        package="padiff_worker_absent",
        arguments=(),
        environment={},
        mend={"padiff_worker_absent": "'padiff-rpc[absent]'"},
        python_field="PADIFF_PADDLE_PYTHON",
    )
    with open_household(Echo() if verbose else None) as household:
        with pytest.raises(
            InvalidRequestError, match=r"PADIFF_PADDLE_PYTHON: .* -m pip install 'padiff-rpc\[absent\]'"
        ):
            household.start([absent])
    assert ("No module named" in capfd.readouterr().err) is verbose


def test_a_verbose_childs_output_is_shown_while_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ""

    def has_come() -> bool:
        nonlocal shown
        shown += capsys.readouterr().err
        return "gr\u00fc\u00dfe" in shown

    before = r"print('gr\u00fc\u00dfe', flush=True)"
    with open_household(Echo()) as household:
        household.start([launch(tmp_path, SERVE.format(before=before))])
        assert wait_until(has_come)


def test_an_interpreter_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("no interpreter")
    wrong = Launch(
        name="x",
        python=str(script),
        package="x",
        arguments=(),
        environment={},
        mend={},
        python_field="layer.python",
    )
    with open_household() as household:
        with pytest.raises(
            InvalidRequestError, match=r"layer\.python: .* cannot be run \(Permission denied\)"
        ):
            household.start([wrong])


def test_a_log_that_cannot_be_written_is_not_the_interpreters_fault(tmp_path: Path) -> None:
    with open_household() as household:
        (household.folder.path / "reference worker.log").mkdir()
        with pytest.raises(
            WorkerLostError, match=r"the reference worker could not be started: .*Is a directory"
        ):
            household.start([launch(tmp_path, SERVE.format(before=""))])


def test_a_child_that_never_serves_is_given_up(tmp_path: Path) -> None:
    with open_household() as household:
        with pytest.raises(WorkerLostError, match="does not serve after 0 s"):
            household.start([launch(tmp_path, "import time; time.sleep(60)")], start_seconds=0.3)


def test_stale_folders_are_swept_and_living_ones_stay() -> None:
    with private_folder() as living:
        parent = living.path.parent
        stale, unlocked, young = (parent / f"padiff-run-{name}" for name in ("stale", "unlocked", "young"))
        for folder in (stale, unlocked, young):
            folder.mkdir()
        (stale / "lock").touch()
        for folder in (living.path, stale, unlocked):
            os.utime(folder, (0, 0))
        sweep(parent)
        assert living.path.exists()
        assert young.exists()
        assert not stale.exists()
        assert not unlocked.exists()


def test_sockets_have_short_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import tempfile

    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with private_folder() as folder:
        assert folder.path.parent == Path("/tmp")
        assert len(folder.socket_address("coordinator").removeprefix("unix:")) <= 107
