"""Recordings on their way into a file: whole, cut short, on a full disk, and by a process that is killed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from padiff_client.recording_file import RecordingFile
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.recording_files import RecordingReader
from padiff_rpc.v1 import recording_pb2 as pb

STEP = [
    pb.RecordedPart(floors=pb.RecordedFloors(content=bytes(5000))),
    pb.RecordedPart(step_ends=0),
]
END = pb.RecordedPart(ends=1)


def kinds(path: Path) -> list[str]:
    with RecordingReader(str(path), field="recording") as reader:
        return [str(part.WhichOneof("part")) for _, part in reader.parts()]


def filled(path: Path, *parts: pb.RecordedPart) -> RecordingFile:
    with RecordingFile(str(path), field="output") as file:
        for part in parts:
            file.add(part)
    return file


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file may become larger: what writes on meets an OSError, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_whole_recording_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "run.padiff"
    path.write_text("old")
    with RecordingFile(str(path), field="output") as file:
        for part in (*STEP, END):
            file.add(part)
        assert path.read_text() == "old"
    assert kinds(path) == ["floors", "step_ends", "ends"]
    assert (file.steps, file.is_whole, file.byte_count) == (1, True, path.stat().st_size)
    assert os.listdir(tmp_path) == ["run.padiff"]


def test_what_stands_behind_the_last_whole_step_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.padiff"
    file = filled(path, *STEP, STEP[0])
    assert kinds(path) == ["floors", "step_ends"]
    assert (file.steps, file.is_whole) == (1, False)


def test_without_a_whole_step_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "run.padiff"
    path.write_text("old")
    filled(path, STEP[0])
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.padiff"]


def test_a_full_disk_is_one_line_and_keeps_the_whole_steps(tmp_path: Path) -> None:
    path = tmp_path / "run.padiff"
    with (
        pytest.raises(PaDiffError, match=r"run\.padiff cannot be written: .*; name another file"),
        limited(8000),
    ):
        filled(path, *STEP, *STEP)
    assert kinds(path) == ["floors", "step_ends"]


def test_of_a_process_that_is_killed_the_file_beside_has_the_steps(tmp_path: Path) -> None:
    path = tmp_path / "run.padiff"
    script = f"""
import os, signal
from padiff_client.recording_file import RecordingFile
from padiff_rpc.v1 import recording_pb2 as pb
with RecordingFile({str(path)!r}, field="output") as file:
    file.add(pb.RecordedPart(step_ends=0))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    assert kinds(tmp_path / "run.padiff.part") == ["step_ends"]
    filled(path, *STEP, END)
    assert os.listdir(tmp_path) == ["run.padiff"]


def test_two_commands_do_not_write_one_file(tmp_path: Path) -> None:
    path = str(tmp_path / "run.padiff")
    with RecordingFile(path, field="output") as first:
        with pytest.raises(InvalidRequestError, match="is being written by another command"):
            RecordingFile(path, field="output").__enter__()
        for part in (*STEP, END):
            first.add(part)
    assert kinds(Path(path)) == ["floors", "step_ends", "ends"]


def test_what_is_no_file_is_not_replaced() -> None:
    with pytest.raises(InvalidRequestError, match="no file that can be replaced"):
        RecordingFile("/dev/null", field="output")


def test_a_file_of_the_user_s_with_the_name_of_the_one_beside_stays(tmp_path: Path) -> None:
    beside = tmp_path / "run.padiff.part"
    beside.write_text("the user's")
    with pytest.raises(InvalidRequestError, match="is no recording that was left behind"):
        filled(tmp_path / "run.padiff", END)
    assert beside.read_text() == "the user's"


def test_a_link_with_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "run.padiff.part").symlink_to(tmp_path / "other")
    with pytest.raises(PaDiffError, match="cannot be written"):
        filled(tmp_path / "run.padiff", *STEP, END)
    assert (tmp_path / "other").read_text() == ""
