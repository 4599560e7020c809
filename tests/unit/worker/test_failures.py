"""Exceptions of a user's code, as one line of text and a whole traceback."""

from __future__ import annotations

import json
import os

import pytest

from padiff_rpc.v1.records import ModelFailure
from padiff_rpc.v1.words import Phase
from padiff_worker.failures import add_note, failure_from

_SOURCE = "(at /paddle/paddle/phi/core/dense_tensor.cc:153)"


def failure(error: BaseException) -> ModelFailure:
    try:
        raise error
    except BaseException as raised:
        return failure_from(raised, Phase.FORWARD)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("two\n  lines\n"), "two lines"),
        (KeyError("no such layer;\nthere are:\n  fc"), "no such layer; there are: fc"),
        (KeyError(3), "3"),
        (
            ValueError(f"(InvalidArgument) Wrong.\n  [Hint: Expected ids[i] < n, but received 7.] {_SOURCE}"),
            "(InvalidArgument) Wrong.",
        ),
        (
            ValueError(f"Wrong.\n  [Hint: Expected a == b.] {_SOURCE}\n  [operator < linear > error]"),
            "Wrong. [operator < linear > error]",
        ),
        (NotImplementedError(f"(Unimplemented) only int64 {_SOURCE}\n"), "(Unimplemented) only int64"),
        (ValueError(_SOURCE), _SOURCE),
        (
            ValueError("look [Hint: at this] (at /home/me/notes.txt)"),
            "look [Hint: at this] (at /home/me/notes.txt)",
        ),
    ],
)
def test_the_text_is_one_line_without_a_frameworks_source(error: BaseException, text: str) -> None:
    assert failure(error).text == text


def raise_it(text: str) -> None:
    raise ValueError(text)


def test_the_stack_and_the_line_are_the_users_own() -> None:
    """Not those of an installed package that the user's code called, nor of the framework."""
    try:
        with pytest.raises(KeyError):  # pytest's own frame is between
            raise_it("wrong")
    except ValueError as error:
        found = failure_from(error, Phase.FORWARD, library_folders=(pytest.__file__,))
    assert found.source is not None
    assert (found.source.file, found.source.text) == (__file__, "raise ValueError(text)")
    assert 'raise_it("wrong")' in found.traceback

    try:
        json.loads("{")
    except ValueError as error:
        found = failure_from(error, Phase.FORWARD, library_folders=(os.path.dirname(json.__file__),))
    assert found.source is not None
    assert found.source.text == 'json.loads("{")'
    assert "decoder.py" not in found.traceback


def test_the_line_of_a_file_that_cannot_be_read_is_that_line() -> None:
    try:
        compile("x = 1\ndef net(:\n", "models.py", "exec")
    except SyntaxError as error:
        found = failure_from(error, Phase.LOAD)
    assert found.source is not None
    assert (found.source.file, found.source.line, found.source.text) == ("models.py", 2, "def net(:")


def test_the_traceback_keeps_what_the_text_leaves_out() -> None:
    found = failure(ValueError(f"Wrong.\n  [Hint: Expected a == b.] {_SOURCE}"))
    assert f"[Hint: Expected a == b.] {_SOURCE}" in found.traceback


def test_notes_follow_what_the_error_says() -> None:
    error = ValueError("wrong")
    for note in ("first", "", "second,\non two lines"):
        add_note(error, note)
    assert failure(error).text == "wrong; first; second, on two lines"


def test_the_name_of_an_exceptions_class_is_one_line_of_bounded_length():
    found = failure(type("Bad\n\x1b[31m" + "d" * 500, (Exception,), {})("x"))
    assert found.exception.startswith("Bad \x1b[31mddd")
    assert len(found.exception) == 100
