"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from padiff_client import InvalidRequestError
from padiff_client.whole_files import check_writable, write_file


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    file = tmp_path / "report.json"
    file.write_text("old")
    monkeypatch.setattr(os, failing, full)
    with pytest.raises(OSError, match="No space left"):
        write_file(str(file), "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_takes_the_place_of_the_old_one_and_keeps_its_mode(tmp_path: Path) -> None:
    file, link = tmp_path / "report.json", tmp_path / "link.json"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    check_writable(str(link), field="--json")
    write_file(str(link), "new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert set(tmp_path.iterdir()) == {file, link}


def test_a_new_file_has_the_mode_that_any_has(tmp_path: Path) -> None:
    file, other = tmp_path / ("n" * 250), tmp_path / "other"
    write_file(str(file), "new")
    other.touch()
    assert file.stat().st_mode == other.stat().st_mode


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_file(str(pipe), "new")
    reader.join()
    assert read == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_try_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    check_writable(str(file), field="--json")
    assert list(tmp_path.iterdir()) == []
    file.write_text("old")
    check_writable(str(file), field="--json")
    assert file.read_text() == "old"


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match=r"--json: .* is a folder; name a file in it"):
        check_writable(str(tmp_path), field="--json")
    with pytest.raises(InvalidRequestError, match="is not a folder; create it first"):
        check_writable(str(tmp_path / "no" / "report.json"), field="--json")

    def denied(*_: Any, **__: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(InvalidRequestError, match="cannot be written: permission denied; name another file"):
        check_writable(str(tmp_path / "report.json"), field="--json")
