"""Warm interpreters, with small stand-ins: forks are as fresh processes are, and nothing outlives `down`."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from padiff_client.child_process import Launch
from padiff_client.doctor import examine
from padiff_client.embedded import open_household
from padiff_client.progress import Silent
from padiff_client.warm import WarmInterpreter, interpreters, own_folder, warm_folder
from padiff_client.warm_set import Warmed, Warming, cool_down, keep_warm, made_root
from padiff_rpc.errors import InvalidRequestError, PaDiffError

ROOT = Path(__file__).resolve().parents[3]
SAYS_WHAT_IT_IS = """
import argparse, json, os, sys, tempfile, threading
from padiff_rpc import child
import needed
parser = argparse.ArgumentParser()
child.add_arguments(parser)
given, rest = parser.parse_known_args()
child.watch_lifeline(given.lifeline_fd, given.private_folder)
said = {"rest": rest, "parent": os.getppid(), "folder": os.getcwd(), "word": os.environ.get("PADIFF_TOKEN"),
        "temporary": tempfile.gettempdir(), "name": __name__, "leads": os.getpgid(0) == os.getpid(),
        "is_warm": needed.PROCESS != os.getpid(), "code": 1}
child.announce(given.announce_fd, json.dumps(said))
print("its last words", file=sys.stderr, flush=True)
threading.Event().wait()
"""
NEEDED = """
import os, tempfile
PROCESS = os.getpid()
tempfile.gettempdir()
"""


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of what is started here; at the end nothing of it is warm."""
    (tmp_path / "needed.py").write_text(NEEDED)
    # A socket path has at most 107 bytes, and pytest's own folders are long.
    with tempfile.TemporaryDirectory(prefix="pdt") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        made = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PADIFF_WARM": f"{folder}/warm"}
        yield made
        list(cool_down(made))
        assert not Path(made["PADIFF_WARM"]).exists()


def launch(folder: Path, environment: dict[str, str], code: str = SAYS_WHAT_IT_IS, **more: str) -> Launch:
    (folder / "stand_in.py").write_text(textwrap.dedent(code))
    return Launch(
        name="reference worker",
        python=sys.executable,
        package="stand_in",
        arguments=("hello", "you"),
        environment={**environment, **more},
        mend={"needed": "needed-distribution"},
        python_field="module.python",
    )


def warmed(of: Launch, imports: tuple[str, ...] = ("needed",), idle_seconds: float = 600.0) -> Warmed:
    root = made_root(of.environment)
    (found,) = keep_warm([Warming(launch=of, imports=imports)], root, idle_seconds, Silent())
    return found


def listed(environment: dict[str, str]) -> list[WarmInterpreter]:
    root = warm_folder(environment)
    assert root is not None
    return list(interpreters(root))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(claim: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():
            return True
        threading.Event().wait(0.02)
    return False


def test_a_fork_is_as_a_fresh_process_would_be(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = launch(tmp_path, environment, PADIFF_TOKEN="secret", TMPDIR="/tmp")
    keeper = warmed(launch(tmp_path, environment)).interpreter.process
    monkeypatch.chdir(tmp_path)
    with open_household() as household:
        said = json.loads(household.start([asked])["reference worker"])
        folder, pids = household.folder.path, household.pids()
        assert wait_until(lambda: "its last words" in (folder / "reference worker.log").read_text())
    assert said == {
        "rest": ["hello", "you"],
        "parent": keeper,
        "folder": str(tmp_path),
        "word": "secret",
        "temporary": "/tmp",
        "name": "__main__",
        "leads": True,
        "is_warm": True,
        "code": 1,
    }
    assert not folder.exists()
    assert not is_alive(pids["reference worker"])


def test_each_process_runs_the_code_as_it_is_on_disk(tmp_path: Path, environment: dict[str, str]) -> None:
    warmed(launch(tmp_path, environment))
    for code in (1, 2):
        changed = SAYS_WHAT_IT_IS.replace('"code": 1', f'"code": {code}')
        with open_household() as household:
            said = json.loads(household.start([launch(tmp_path, environment, changed)])["reference worker"])
        assert said["code"] == code


def test_several_comparisons_use_it_at_once(tmp_path: Path, environment: dict[str, str]) -> None:
    keeper = warmed(launch(tmp_path, environment)).interpreter.process
    asked = launch(tmp_path, environment)
    with open_household() as one, open_household() as other:
        for household in (one, other):
            assert json.loads(household.start([asked])["reference worker"])["parent"] == keeper
        assert listed(environment)[0].running() == 2


@pytest.mark.parametrize("other", [{"PYTHONHASHSEED": "1"}, {"PADIFF_WARM": "none"}])
def test_another_environment_gets_a_fresh_process(
    tmp_path: Path, environment: dict[str, str], other: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    warmed(launch(tmp_path, environment))
    with caplog.at_level(logging.INFO, "padiff_client"), open_household() as household:
        said = json.loads(household.start([launch(tmp_path, environment, **other)])["reference worker"])
    assert said["parent"] == os.getpid()
    assert ("another PYTHONHASHSEED" in caplog.text) == ("PYTHONHASHSEED" in other)


def test_outdated_code_is_not_used_and_up_replaces_it(tmp_path: Path, environment: dict[str, str]) -> None:
    before = warmed(launch(tmp_path, environment)).interpreter
    (tmp_path / "needed.py").write_text(NEEDED + "# changed\n")
    with open_household() as household:
        said = json.loads(household.start([launch(tmp_path, environment)])["reference worker"])
    assert said["parent"] == os.getpid()
    after = warmed(launch(tmp_path, environment))
    assert not after.was_there
    assert not is_alive(before.process)


def test_doctor_lists_what_is_warm(tmp_path: Path, environment: dict[str, str]) -> None:
    one = warmed(launch(tmp_path, environment)).interpreter
    said = [finding.text for finding in examine(None, None, environment)]
    assert f"warm: stand_in: {sys.executable}, process {one.process}" in said


def test_another_interpreter_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert own_folder(tmp_path, "one", "/a/python") != own_folder(tmp_path, "one", "/b/python")


def test_two_at_once_make_one(tmp_path: Path, environment: dict[str, str]) -> None:
    found: list[Warmed] = []
    asked = launch(tmp_path, environment)
    both = [threading.Thread(target=lambda: found.append(warmed(asked))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len({one.interpreter.process for one in found}) == 1
    assert sorted(one.was_there for one in found) == [False, True]


def test_down_waits_for_the_comparison_that_runs(tmp_path: Path, environment: dict[str, str]) -> None:
    keeper = warmed(launch(tmp_path, environment)).interpreter.process
    ended = threading.Event()

    def down() -> None:
        list(cool_down(environment))
        ended.set()

    thread = threading.Thread(target=down)
    with open_household() as household:
        household.start([launch(tmp_path, environment)])
        thread.start()
        assert wait_until(lambda: not any(one.process for one in listed(environment)))
        assert is_alive(household.pids()["reference worker"])
        assert not ended.is_set()
    thread.join(20.0)
    assert ended.is_set()
    assert not is_alive(keeper)


def test_it_ends_by_itself_when_nobody_comes(tmp_path: Path, environment: dict[str, str]) -> None:
    one = warmed(launch(tmp_path, environment), idle_seconds=0.2).interpreter
    assert wait_until(lambda: not is_alive(one.process))
    assert not one.folder.exists()


def test_one_that_was_killed_is_swept_and_missed_by_nobody(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    one = warmed(launch(tmp_path, environment)).interpreter
    with open_household() as household:
        household.start([launch(tmp_path, environment)])
        os.kill(one.process, signal.SIGKILL)
        assert wait_until(lambda: not is_alive(one.process))
        left = household.pids()["reference worker"]
        assert is_alive(left)
    assert not is_alive(left)
    with open_household() as household:
        said = json.loads(household.start([launch(tmp_path, environment)])["reference worker"])
    assert said["parent"] == os.getpid()
    assert listed(environment) == []
    assert not one.folder.exists()


def test_the_death_of_a_fork_is_told_as_any_other(tmp_path: Path, environment: dict[str, str]) -> None:
    warmed(launch(tmp_path, environment))
    with open_household() as household:
        household.start([launch(tmp_path, environment)])
        os.kill(household.pids()["reference worker"], signal.SIGKILL)
        (obituary,) = household.obituaries(10.0)
    assert "the reference worker" in obituary
    assert "was killed by SIGKILL" in obituary


def test_a_fork_ends_with_a_client_that_is_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    warmed(launch(tmp_path, environment))
    code = f"""
        import sys, threading
        sys.path[:0] = [{str(ROOT / "client")!r}, {str(ROOT)!r}]
        from padiff_client.child_process import Launch
        from padiff_client.embedded import open_household
        asked = Launch(name="worker", python=sys.executable, package="stand_in", arguments=(), mend={{}},
                       environment={environment!r}, python_field="")
        with open_household() as household:
            household.start([asked])
            print(household.pids()["worker"], flush=True)
            threading.Event().wait()
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        client.kill()
    assert wait_until(lambda: not is_alive(pid))


def test_what_cannot_be_imported_is_one_line_with_what_to_run(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "needed.py").unlink()
    with pytest.raises(InvalidRequestError, match=r"has no needed, .* -m pip install needed-distribution"):
        warmed(launch(tmp_path, environment))
    assert listed(environment) == []


def test_a_folder_that_others_may_enter_is_refused(environment: dict[str, str]) -> None:
    Path(environment["PADIFF_WARM"]).mkdir(mode=0o755)
    with pytest.raises(PaDiffError, match="is not a folder of yours alone; remove it, or name another one"):
        made_root(environment)
    Path(environment["PADIFF_WARM"]).rmdir()


def test_a_path_that_is_too_long_for_sockets_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match=r"PADIFF_WARM: .* too long for sockets; name a shorter"):
        made_root({"PADIFF_WARM": f"{environment['PADIFF_WARM']}/{'x' * 80}"})
