"""Flags that say how much a command tells while it works, and where."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TextIO

from padiff_client.progress import Course
from padiff_client.progress_lines import PlainLines, where
from padiff_client.whole_files import check_writable
from padiff_rpc.v1.records import Progress

_LOGGED = ("padiff_client", "padiff_compare", "padiff_rpc")
_DATED = "%(asctime)s %(levelname)s %(message)s"
# Of the package that draws the progress of a run.
_RICH = "rich"

logger = logging.getLogger("padiff_client")


def add_speaking(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `speaking` reads."""
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing on stderr while it runs, errors apart"
    )
    loudness.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="say all that happens, and show what the processes write",
    )
    parser.add_argument(
        "--log-file", metavar="FILE", help="write there, with dates, what --verbose would show"
    )


@contextmanager
def speaking(
    given: argparse.Namespace, *, has_terminal: bool = True, has_course: bool = True
) -> Iterator[Spoken]:
    """Provides what hears how a run goes, and tells it as the flags say.

    `has_terminal`: nobody else writes to the terminal meanwhile. `has_course`: there is a comparison to
    follow; else only what `says` is given is told.
    """
    course = Course(given.began)
    with ExitStack() as exits:
        log = None
        if given.log_file is not None:
            check_writable(given.log_file, field="--log-file")
            log = exits.enter_context(open(given.log_file, "a", encoding="utf-8"))
            exits.enter_context(_logging(logging.StreamHandler(log), _DATED))
        if has_course and not given.quiet:
            exits.enter_context(_display(course, has_terminal=has_terminal))
        if given.verbose:
            exits.enter_context(_logging(_StderrHandler(), "padiff: %(message)s"))
        copies = [one for one in (sys.stderr if given.verbose else None, log) if one]
        # What is logged is on stderr with --verbose.
        yield Spoken(course, copies, prints=not (given.quiet or given.verbose))


class Spoken:
    """Hears how a run goes: for those who show it, and for the log."""

    def __init__(self, course: Course, copies: Sequence[TextIO], *, prints: bool) -> None:
        """`copies`: where to what the processes write goes; `prints`: sentences go to stderr."""
        self._prints = prints
        self.began = course.began
        self.hears_processes = bool(copies)
        self._course = course
        self._copies = copies

    def starting(self, names: Sequence[str]) -> None:
        """Processes are being started."""
        self._course.starting(names)
        logger.info("%s", where(self._course.standing()))

    def serves(self, name: str) -> None:
        """One of them serves."""
        self._course.serves(name)
        logger.info("the %s serves", name)

    def at(self, progress: Progress) -> None:
        """The coordinator says where the comparison is."""
        if self._course.at(progress):
            logger.info("%s", where(self._course.standing()))

    def says(self, text: str) -> None:
        """The command has something to say."""
        logger.info("%s", text)
        if self._prints:
            print(f"padiff: {text}", file=sys.stderr, flush=True)

    def wrote(self, text: str) -> None:
        """A process wrote this to its log."""
        for stream in self._copies:
            stream.write(text)
            stream.flush()


class _StderrHandler(logging.Handler):
    """Writes to stderr as it is at the moment: above the progress, where that is shown."""

    def emit(self, entry: logging.LogRecord) -> None:
        print(self.format(entry), file=sys.stderr, flush=True)


@contextmanager
def _logging(handler: logging.Handler, form: str) -> Iterator[None]:
    handler.setFormatter(logging.Formatter(form))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def _display(course: Course, *, has_terminal: bool) -> AbstractContextManager[Any]:
    """Returns what shows the course: at the foot of a terminal where there is one, else in lines."""
    can_go_back = os.environ.get("TERM", "") not in ("", "dumb")
    is_terminal = has_terminal and sys.stderr.isatty() and can_go_back
    if is_terminal and importlib.util.find_spec(_RICH) is not None:
        module = importlib.import_module("padiff_client.progress_bar")
        display: AbstractContextManager[Any] = module.LiveBar(course)
        return display
    return PlainLines(course)
