"""Files of arenas: how they are made, found by the other side alone, and swept away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from padiff_rpc import arena_file
from padiff_rpc.arena_file import NONE, NotSharedError, make, open_shared, settled_folder
from padiff_rpc.errors import InvalidRequestError

SIZE = 4 << 20


@pytest.fixture
def file(tmp_path):
    file = make(str(tmp_path), SIZE)
    yield file
    file.close()


def opened(file, tmp_path, **other):
    asked = {"name": file.name, "size": file.size, "nonce": file.nonce, **other}
    return open_shared(str(tmp_path), **asked)


def test_what_one_side_writes_the_other_reads(file, tmp_path):
    mapped = opened(file, tmp_path).mapped()
    os.pwrite(file.descriptor, b"seen", file.size - 4)
    assert mapped[file.size - 4 :] == b"seen"


def test_a_file_is_its_users_alone(file):
    assert os.stat(file.path).st_mode & 0o777 == 0o600


def test_an_unnamed_file_stays_mapped_and_leaves_nothing(file, tmp_path):
    mapped = opened(file, tmp_path).mapped()
    file.unnamed()
    file.unnamed()
    assert os.listdir(tmp_path) == []
    assert mapped[: len(file.nonce)] == file.nonce


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"nonce": bytes(32)}, "does not hold what the worker says"),
        ({"size": SIZE // 2}, "is not the worker's file"),
        ({"name": "padiff-arena-" + 32 * "0"}, "two hosts, or use two folders"),
        ({"name": "../padiff-arena-" + 32 * "0"}, "no file of an arena"),
        ({"name": "passwd"}, "no file of an arena"),
        ({"nonce": b""}, "no file of an arena"),
        ({"size": 0}, "no file of an arena"),
    ],
)
def test_another_file_than_the_one_that_was_offered_is_refused(file, tmp_path, other, why):
    with pytest.raises(NotSharedError, match=why):
        opened(file, tmp_path, **other)


def test_a_link_to_the_file_is_refused(file, tmp_path):
    name = "padiff-arena-" + 32 * "a"
    os.symlink(file.path, tmp_path / name)
    with pytest.raises(NotSharedError, match="cannot open"):
        opened(file, tmp_path, name=name)


def test_a_file_that_others_may_read_is_refused(file, tmp_path):
    os.chmod(file.path, 0o640)
    with pytest.raises(NotSharedError, match="own user"):
        opened(file, tmp_path)


def test_a_pipe_in_its_place_is_refused_without_waiting(file, tmp_path):
    os.unlink(file.path)
    os.mkfifo(file.path)
    with pytest.raises(NotSharedError, match="not the worker's file"):
        opened(file, tmp_path)


def test_no_more_than_half_of_the_room_is_taken(tmp_path):
    room = os.statvfs(tmp_path)
    file = make(str(tmp_path), 1 << 60)
    try:
        assert file.size <= room.f_bavail * room.f_frsize // 2 + (1 << 30)
    finally:
        file.close()


def test_a_folder_without_room_is_refused(tmp_path, monkeypatch):
    room = os.statvfs(tmp_path)
    full = os.statvfs_result([1024 if name == 4 else one for name, one in enumerate(room[:10])])
    monkeypatch.setattr(arena_file.os, "statvfs", lambda folder: full)
    monkeypatch.setattr(arena_file, "LEAST_BYTES", 1 << 40)
    with pytest.raises(NotSharedError, match=r"has room for .* KiB, and the least is"):
        make(str(tmp_path), SIZE)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotSharedError, match="No such file"):
        make(str(tmp_path / "none"), SIZE)
    with pytest.raises(InvalidRequestError, match="no folder on this machine"):
        settled_folder(str(tmp_path / "none"), field="shared_memory")


def test_either_side_may_be_told_to_share_nothing(tmp_path, file):
    with pytest.raises(NotSharedError, match="the worker was told"):
        make(NONE, SIZE)
    with pytest.raises(NotSharedError, match="the coordinator was told"):
        open_shared(NONE, file.name, file.size, file.nonce)
    assert settled_folder(NONE, field="shared_memory") == NONE


KILLED = """
import os, signal, sys
from padiff_rpc.arena_file import make
make(sys.argv[1], 4 << 20)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(tmp_path, file):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2
    other = make(str(tmp_path), SIZE)
    assert sorted(os.listdir(tmp_path)) == sorted([file.name, other.name])
    other.close()


def test_other_files_are_not_swept(tmp_path):
    (tmp_path / "padiff-arena-notes").write_text("mine")
    make(str(tmp_path), SIZE).close()
    assert os.listdir(tmp_path) == ["padiff-arena-notes"]


def test_closing_a_file_takes_its_name_away(tmp_path):
    file = make(str(tmp_path), SIZE)
    replace(file).close()
    assert os.listdir(tmp_path) == []
