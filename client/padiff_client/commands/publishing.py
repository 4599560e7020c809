"""A report on its way out of a command: as text, and in the formats that were asked for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from padiff_client import first_screen
from padiff_client.commands.speaking import speaking
from padiff_client.formats.known import FORMATS, by_name
from padiff_client.formats.renderer import Renderer
from padiff_client.gathering import Interrupted
from padiff_client.progress import Onlooker
from padiff_client.report import SHORT, TROUBLE, Report
from padiff_client.terminal import shows_colour, streamed, width
from padiff_client.whole_files import check_writable, write_file
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.interrupts import INTERRUPTED
from padiff_rpc.records import record

_STANDARD_OUTPUT = "-"
_TEXT = FORMATS["text"]


@record
class Output:
    """A format that was asked for, and where it goes.

    Attributes:
        flag: what asked for it, as errors name it.
        file: "-" is standard output.
    """

    flag: str
    renderer: Renderer
    file: str

    @property
    def is_printed(self) -> bool:
        return self.file == _STANDARD_OUTPUT


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say in which formats the report goes where."""
    parser.add_argument(
        "--format",
        dest="outputs",
        action="append",
        default=[],
        type=_output,
        metavar="NAME=FILE",
        help=f"write the report as {', '.join(FORMATS)} too; may be given several times; without =FILE, or "
        "with - for it, print that in place of the text",
    )
    for name in ("json", "html"):
        parser.add_argument(
            f"--{name}",
            dest="outputs",
            action="append",
            type=_output_to(name),
            metavar="FILE",
            help=f"short for --format {name}=FILE",
        )


def _output(text: str) -> Output:
    name, equals, file = text.partition("=")
    if equals and not file:
        raise argparse.ArgumentTypeError(f"{name}= names no file; write --format {name}=FILE")
    try:
        renderer = by_name(name, field="--format")
    except InvalidRequestError as error:
        raise argparse.ArgumentTypeError(error.problem) from None
    return Output(flag="--format", renderer=renderer, file=file or _STANDARD_OUTPUT)


def _output_to(name: str) -> Callable[[str], Output]:
    return lambda file: Output(flag=f"--{name}", renderer=FORMATS[name], file=file)


def check_outputs(given: argparse.Namespace) -> None:
    """Refuses files that could not be written, before a comparison is run for them."""
    taken: set[str] = set()
    for one in given.outputs:
        if not one.is_printed:
            check_writable(one.file, field=one.flag)
        where = one.file if one.is_printed else os.path.realpath(one.file)
        if where in taken:
            what = "is printed" if one.is_printed else f"goes to {one.file}"
            raise InvalidRequestError(f"another format {what} already; name another file", field=one.flag)
        taken.add(where)


def publishing(
    run: Callable[[Onlooker], Report], given: argparse.Namespace, *, has_terminal: bool = True
) -> int:
    """Publishes the report of `run`, or what was found until Ctrl-C; says where it is kept.

    `run` gets what hears how it goes; `has_terminal` as for `speaking`.
    """
    try:
        with speaking(given, has_terminal=has_terminal) as onlooker:
            report = run(onlooker)
    except Interrupted as interrupted:
        _say_where(interrupted.report, given)
        _published_first(interrupted.report, given)
        print("padiff: interrupted", file=sys.stderr)
        return INTERRUPTED
    _say_where(report, given)
    return _published_first(report, given)


def _say_where(report: Report, given: argparse.Namespace) -> None:
    """Says where the run is kept; the first screen says it by itself."""
    if report.kept is not None and _printed(given) is not _TEXT and not given.quiet:
        name = report.kept.head.id[:SHORT]
        print(f"padiff: kept in {report.kept.folder}; padiff show {name} shows it again", file=sys.stderr)


def _printed(given: argparse.Namespace) -> Renderer:
    outputs: Sequence[Output] = given.outputs
    return next((one.renderer for one in outputs if one.is_printed), _TEXT)


def _published_first(report: Report, given: argparse.Namespace) -> int:
    """Publishes a report; of one that is kept, the first screen is printed."""
    if report.kept is None or _printed(given) is not _TEXT:
        return published(report, given)
    rest = f"padiff show {report.kept.head.id[:SHORT]}"
    screen = first_screen.text(report, width=width(), coloured=shows_colour(), rest=rest)
    streamed([screen, "\n"])
    return _written(report, given)


def published(report: Report, given: argparse.Namespace) -> int:
    """Prints the report and writes its files; returns the exit code. Raises OSError behind the printing."""
    printed = _printed(given)
    streamed(printed.pieces(report))
    # The report as text begins with it.
    if report.exit_code == TROUBLE and printed is not _TEXT:
        print(f"padiff: {report.reasons[0]}", file=sys.stderr)
    return _written(report, given)


def _written(report: Report, given: argparse.Namespace) -> int:
    outputs: Sequence[Output] = given.outputs
    for one in outputs:
        if not one.is_printed:
            write_file(one.file, one.renderer.pieces(report))
    return report.exit_code
