"""Names and values that people wrote, as errors show them."""

from __future__ import annotations

import errno
import inspect
import os
from pathlib import Path
from typing import Any

import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import arguments_checked, known_names, near_modules, nearest, reason, said_by, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("two\n  lines", "'two lines'"),
        (1.5, "1.5"),
        (["x" * 200], "['" + "x" * 78 + "..."),
        (type("Net", (), {"__repr__": lambda _: "Net(\n  (fc): Linear()\n)"})(), "Net( (fc): Linear() )"),
    ],
)
def test_a_value_is_shown_on_one_line_of_bounded_length(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (KeyError("two\nlines"), "two lines"),
        (KeyError(3), "3"),
        (SystemExit(), ""),
    ],
)
def test_an_error_of_others_speaks_on_one_line(error: BaseException, said: str) -> None:
    assert said_by(error) == said


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("atoll", ["atol", "rtol"]),
        ("PyTorch", ["torch"]),
        ("ATOL", ["atol", "rtol"]),
        ("frobnicate", []),
        (3, []),
    ],
)
def test_the_nearest_names_are_found_whatever_their_case(wrong: Any, near: list[str]) -> None:
    assert nearest(wrong, ["atol", "rtol", "torch", "paddle"]) == near


def test_modules_of_a_like_name_are_found_in_the_folders_and_packages_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "models" / "vision").mkdir(parents=True)
    (tmp_path / "models" / "torch_net.py").touch()
    roots = [str(tmp_path / "absent"), str(tmp_path)]
    assert near_modules("modles", roots) == "; nearest: models"
    assert near_modules("models.torch_nte", roots) == "; nearest: models.torch_net"
    assert near_modules("models.visoin", roots) == "; nearest: models.vision"
    assert near_modules("modles.torch_net", roots) == ""
    assert near_modules("frobnicate", roots) == ""


def test_a_folder_that_cannot_be_listed_has_no_near_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models.py").touch()
    closed = tmp_path / "closed"
    closed.mkdir()
    listed = os.listdir

    def guarded(folder: str) -> list[str]:  # root may list everything
        if folder.startswith(str(closed)):
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "listdir", guarded)
    assert near_modules("modles", [str(closed), str(tmp_path)]) == "; nearest: models"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a"), "no such file or directory"),
        (OSError("disk full"), "disk full"),
        (ValueError("not UTF-8"), "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_without_its_name_and_number(error: Exception, why: str) -> None:
    assert reason(error) == why


def test_known_names_end_with_the_nearest() -> None:
    assert known_names("setps", ["inputs", "steps"]) == "allowed: inputs, steps; nearest: steps"
    assert known_names("zzz", ["inputs", "steps"]) == "allowed: inputs, steps"


def test_a_checked_function_keeps_its_signature_and_its_own_type_errors() -> None:
    @arguments_checked("made", lambda name: "write shape=" if name == "size" else "")
    def made(shape: int, *, kind: str = "") -> int:
        return shape + kind  # type: ignore[operator,no-any-return]

    assert list(inspect.signature(made).parameters) == ["shape", "kind"]
    for given, said in (
        (((1,), {"size": 2}), "made: size: write shape="),
        (((1,), {"kinds": 2}), "made: kinds: unknown argument; allowed: shape, kind; nearest: kind"),
        (((), {}), "made: missing a required argument: 'shape'; write made(shape=..., kind=...)"),
        (((1, 2), {}), "made: too many positional arguments; write made(shape=..., kind=...)"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            made(*given[0], **given[1])
        assert str(caught.value) == said
    with pytest.raises(TypeError, match="unsupported operand"):
        made(1, kind="a")


def test_an_error_that_cannot_say_what_it_is_is_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert said_by(Mute()) == (
        "a test_an_error_that_cannot_say_what_it_is_is_named.<locals>.Mute whose text cannot be made"
    )
