"""Floors that were measured, kept in a folder."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Optional

import numpy as np
import pytest

from padiff_compare.judge.evidence import OwnError
from padiff_compare.judge.outliers import Apart, Undecided
from padiff_compare.steps.own_errors import OwnErrors
from padiff_server.floor_store import FloorStore
from padiff_server.kept_files import KeptFiles


def errors(rmse: float = 0.5, undecided: Optional[Undecided] = None) -> OwnErrors:
    own = OwnError(rmse=rmse, max_abs=1.0, undecided=undecided)
    return OwnErrors(values={7: own}, gradients={}, parameters={"fc.weight": own}, losses={})


def test_what_was_kept_comes_back_and_nothing_else_does(tmp_path: Path) -> None:
    store = FloorStore(KeptFiles(tmp_path / "made" / "when needed"))
    assert store.get("one") is None
    others = Apart(rmse=0.1, max_abs=0.2, at_worst=3.0)
    positions = np.array([1, 5, 9])
    undecided = Undecided(positions=positions, reals=12, shape=(3, 4), largest=math.inf, others=others)
    store.put("one", errors(undecided=undecided))
    kept = FloorStore(KeptFiles(tmp_path / "made" / "when needed")).get("one")
    assert kept == errors(undecided=undecided)
    found = kept.values[7].undecided if kept is not None else None
    assert found is not None
    assert found.positions.tolist() == [1, 5, 9]
    assert store.get("another") is None


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FloorStore(KeptFiles(tmp_path))
    store.put("one", errors())
    (file,) = tmp_path.iterdir()
    for content in (b"", b"\xc1", file.read_bytes()[:-3], b"\x81\xa6values\x01"):
        file.write_bytes(content)
        assert store.get("one") is None
    assert "measured again" in caplog.text
    store.put("one", errors())
    assert store.get("one") == errors()


def test_beyond_its_room_what_was_not_used_longest_goes(tmp_path: Path) -> None:
    FloorStore(KeptFiles(tmp_path)).put("first", errors())
    (file,) = tmp_path.iterdir()
    store = FloorStore(KeptFiles(tmp_path, most_bytes=2 * file.stat().st_size))
    store.put("second", errors())
    for age, kept in enumerate(sorted(tmp_path.iterdir())):
        os.utime(kept, ns=(age, age))
    os.utime(file, ns=(0, 0))
    assert store.get("first") == errors()
    store.put("third", errors())
    assert [store.get(key) is not None for key in ("first", "second", "third")] == [True, False, True]


def test_a_folder_that_cannot_be_used_costs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    store = FloorStore(KeptFiles(tmp_path / "file" / "below"))
    store.put("one", errors())
    assert "are not kept" in caplog.text
    assert store.get("one") is None


def test_only_their_user_can_read_what_is_kept(tmp_path: Path) -> None:
    FloorStore(KeptFiles(tmp_path / "new")).put("one", errors())
    (file,) = (tmp_path / "new").iterdir()
    assert [(one.stat().st_mode & 0o777) for one in (tmp_path / "new", file)] == [0o700, 0o600]
