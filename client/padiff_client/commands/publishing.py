"""A report on its way out of a command: its first screen, and the formats that were asked for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Optional

from padiff_client import first_screen
from padiff_client.commands.speaking import speaking
from padiff_client.exit_codes import TROUBLE
from padiff_client.formats.known import FORMATS, by_name
from padiff_client.formats.renderer import Renderer
from padiff_client.gathering import Interrupted
from padiff_client.progress import Onlooker
from padiff_client.report import SHORT, Report
from padiff_client.terminal import shows_colour, streamed, width
from padiff_client.whole_files import check_writable, write_file
from padiff_compare.report.kept_run import KeptRun
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.interrupts import INTERRUPTED
from padiff_rpc.records import record

_STANDARD_OUTPUT = "-"
# How all of a report is shown that is not kept.
_UNKEPT = "run again with --format text, which prints all of it, or --html FILE, which writes a page"


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
        help=f"write the whole report as {', '.join(FORMATS)} too; may be given several times; without "
        "=FILE, or with - for it, print that in place of the first screen",
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


def printed_text(flag: str) -> Output:
    """Returns what `flag` asks for that prints the whole report."""
    return Output(flag=flag, renderer=FORMATS["text"], file=_STANDARD_OUTPUT)


def check_outputs(given: argparse.Namespace) -> None:
    """Refuses files that could not be written, before a comparison is run for them."""
    taken: set[str] = set()
    for one in given.outputs:
        if not one.is_printed:
            check_writable(one.file, field=one.flag)
        where = one.file if one.is_printed else os.path.realpath(one.file)
        if where in taken:
            said = (
                "another format is printed already; give this one a file, as --format NAME=FILE"
                if one.is_printed
                else f"another format goes to {one.file} already; name another file"
            )
            raise InvalidRequestError(said, field=one.flag)
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
        published(interrupted.report, given, kept=interrupted.report.kept)
        print("padiff: interrupted", file=sys.stderr)
        return INTERRUPTED
    _say_where(report, given)
    return published(report, given, kept=report.kept)


def _say_where(report: Report, given: argparse.Namespace) -> None:
    """Says where the run is kept; the first screen says it by itself."""
    if report.kept is not None and _printed(given) is not None and not given.quiet:
        name = report.kept.head.id[:SHORT]
        print(f"padiff: kept in {report.kept.folder}; padiff show {name} shows it again", file=sys.stderr)


def _printed(given: argparse.Namespace) -> Optional[Renderer]:
    """Returns the format that is printed; None for the first screen."""
    outputs: Sequence[Output] = given.outputs
    return next((one.renderer for one in outputs if one.is_printed), None)


def published(report: Report, given: argparse.Namespace, *, kept: Optional[KeptRun] = None) -> int:
    """Prints the report and writes its files; returns the exit code. Raises OSError behind the printing.

    Where no format was asked for, the first screen is printed, which says how the rest is shown: of a run
    that is `kept` from there.
    """
    printed = _printed(given)
    if printed is None:
        rest = f"padiff show {kept.head.id[:SHORT]} --all" if kept is not None else _UNKEPT
        streamed([first_screen.text(report, width=width(), coloured=shows_colour(), rest=rest), "\n"])
    else:
        streamed(printed.pieces(report))
        # The report as text begins with it.
        if report.exit_code == TROUBLE and printed is not FORMATS["text"]:
            print(f"padiff: {report.reasons[0]}", file=sys.stderr)
    return _written(report, given)


def _written(report: Report, given: argparse.Namespace) -> int:
    outputs: Sequence[Output] = given.outputs
    for one in outputs:
        if not one.is_printed:
            write_file(one.file, one.renderer.pieces(report))
    return report.exit_code
