"""Standard streams as they are: some know ASCII alone, and a pipe's reader may have gone."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
from collections.abc import Iterable
from typing import Union

_ERRORS = "padiff_drawn"
# The lines of trees. All else that is not ASCII is of users' own, and is escaped.
_DRAWN = {"├": "|", "│": "|", "└": "`", "─": "-"}


def adapt_streams() -> None:
    """Has the standard streams write whatever they are given, in place of raising UnicodeEncodeError."""
    codecs.register_error(_ERRORS, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_ERRORS)


def printed(text: object) -> None:
    """Prints a text. Nothing where the reader of the pipe has gone, who has seen enough."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        close_output()


def streamed(pieces: Iterable[str]) -> None:
    """Prints a text piece by piece, and makes no more of them once the reader of the pipe has gone."""
    try:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        close_output()


def width() -> int:
    """Returns the columns of standard output: COLUMNS, else the terminal's, else 80."""
    return shutil.get_terminal_size((80, 24)).columns


def shows_colour() -> bool:
    """Whether standard output is a terminal that shows colour, and nobody asked for none (NO_COLOR)."""
    is_able = os.environ.get("TERM", "") not in ("", "dumb")
    return is_able and not os.environ.get("NO_COLOR") and sys.stdout.isatty()


def close_output() -> None:
    """Writes nothing more to standard output, whose reader has gone, also at the interpreter's end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _in_ascii(error: UnicodeError) -> tuple[Union[str, bytes], int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    given = error.object[error.start : error.end]
    written = (_DRAWN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in given)
    return "".join(written), error.end
