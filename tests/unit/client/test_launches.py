"""The command lines and environments of the three processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from platformdirs import user_cache_dir

from padiff_client import InvalidRequestError, ModelSpec
from padiff_client.child_process import Launch
from padiff_client.launches import CallerProcess, coordinator_launch, interpreter, worker_launch
from padiff_client.private_folder import PrivateFolder

SPEC = ModelSpec("torch", "a:b")


def worker(spec: ModelSpec, tmp_path: Path, **environment: str) -> Launch:
    return worker_launch(
        "reference",
        spec,
        CallerProcess(environment=environment),
        field="module",
        token="secret",
        folder=PrivateFolder(path=tmp_path, lock_descriptor=0),
        save_root="/out",
        workers_here=2,
    )


def test_a_worker_is_told_where_to_listen_and_what_it_may_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    launch = worker(ModelSpec("paddle", "a:b", path=["code"], allow=["paddle"]), tmp_path)
    assert launch.package == "padiff_worker_paddle"
    assert launch.arguments == (
        *("--listen", f"unix:{tmp_path}/reference.sock"),
        *("--path", str(tmp_path / "code")),
        *("--allow", "paddle"),
        *("--save-root", "/out"),
        *("--threads-alone", str(len(os.sched_getaffinity(0)))),
    )


def test_a_number_of_threads_that_the_caller_has_set_is_for_all_passes(tmp_path: Path) -> None:
    launch = worker(SPEC, tmp_path, OMP_NUM_THREADS="3")
    assert launch.environment["OMP_NUM_THREADS"] == "3"
    assert "--threads-alone" not in launch.arguments


def test_a_workers_environment_splits_the_cores_and_hides_the_token(tmp_path: Path) -> None:
    launch = worker(SPEC, tmp_path, HOME="/root", OMP_WAIT_POLICY="ACTIVE")
    environment = launch.environment
    assert environment["HOME"] == "/root"
    assert int(environment["OMP_NUM_THREADS"]) >= 1
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE"
    assert environment["GRPC_ENABLE_FORK_SUPPORT"] == "0"
    assert int(environment["MALLOC_MMAP_THRESHOLD_"]) > 1 << 20
    assert environment["PADIFF_TOKEN"] == "secret"
    assert "secret" not in " ".join(launch.arguments)
    assert "PYTHONPATH" not in environment


def test_the_interpreter_is_the_specs_then_the_variables_then_our_own(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    named = ModelSpec("torch", "a:b", python=python)
    assert interpreter(named, {"PADIFF_TORCH_PYTHON": "/x"}, field="module") == (str(python), "module.python")
    variables = {"PADIFF_TORCH_PYTHON": str(python), "PADIFF_PADDLE_PYTHON": "/nowhere/python"}
    assert interpreter(SPEC, variables, field="module") == (str(python), "PADIFF_TORCH_PYTHON")
    assert interpreter(SPEC, {}, field="module") == (sys.executable, "module.python")
    with pytest.raises(
        InvalidRequestError, match=r"PADIFF_PADDLE_PYTHON: /nowhere/python is not an interpreter"
    ):
        interpreter(ModelSpec("paddle", "a:b"), variables, field="layer")


def test_a_folder_in_place_of_an_interpreter_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=f"did you mean {tmp_path}/bin/python"):
        interpreter(ModelSpec("torch", "a:b", python=tmp_path), {}, field="layer")


def test_the_coordinator_runs_under_our_own_interpreter_and_spills_into_the_folder(tmp_path: Path) -> None:
    folder = PrivateFolder(path=tmp_path, lock_descriptor=0)
    launch = coordinator_launch(CallerProcess(environment={}), token="t", folder=folder)
    assert launch.python == sys.executable
    assert launch.arguments[:4] == (
        *("--listen", f"unix:{tmp_path}/coordinator.sock"),
        *("--spill-folder", str(tmp_path / "tmp")),
    )
    assert launch.environment["TMPDIR"] == str(tmp_path / "tmp")


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, [os.path.join(user_cache_dir("padiff"), "floors")]),
        ({"PADIFF_FLOORS": "/some/where"}, ["/some/where"]),
        ({"PADIFF_FLOORS": "none"}, []),
    ],
)
def test_measured_floors_are_kept_where_the_caller_says(
    tmp_path: Path, variables: dict[str, str], folder: list[str]
) -> None:
    private = PrivateFolder(path=tmp_path, lock_descriptor=0)
    launch = coordinator_launch(CallerProcess(environment=variables), token="t", folder=private)
    given = dict(zip(launch.arguments[::2], launch.arguments[1::2]))
    assert [given["--floors-folder"]] == folder if folder else "--floors-folder" not in given
