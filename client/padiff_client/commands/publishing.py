"""A report on its way out of a command: as text, and to the files that were asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from padiff_client.gathering import Interrupted
from padiff_client.report import SHORT, TROUBLE, Report
from padiff_client.terminal import printed
from padiff_client.whole_files import check_writable, write_file
from padiff_rpc.interrupts import INTERRUPTED

_STANDARD_OUTPUT = "-"


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say where the report goes besides."""
    parser.add_argument("--json", metavar="FILE", help="write the report there too; - prints only it")
    parser.add_argument("--html", metavar="FILE", help="write the report there as a page")


def check_outputs(given: argparse.Namespace) -> None:
    """Refuses files that could not be written, before a comparison is run for them."""
    for flag, file in (("--json", given.json), ("--html", given.html)):
        if file not in (None, _STANDARD_OUTPUT):
            check_writable(file, field=flag)


def publishing(run: Callable[[], Report], given: argparse.Namespace) -> int:
    """Publishes the report of `run`, or what was found until Ctrl-C; says where it is kept."""
    try:
        report = run()
    except Interrupted as interrupted:
        _say_where(interrupted.report)
        published(interrupted.report, given)
        print("padiff: interrupted", file=sys.stderr)
        return INTERRUPTED
    _say_where(report)
    return published(report, given)


def _say_where(report: Report) -> None:
    if report.kept is not None:
        name = report.kept.head.id[:SHORT]
        print(f"padiff: kept in {report.kept.folder}; padiff show {name} shows it again", file=sys.stderr)


def published(report: Report, given: argparse.Namespace) -> int:
    """Prints the report and writes its files; returns the exit code. Raises OSError behind the printing."""
    only_json = given.json == _STANDARD_OUTPUT
    printed(report.to_json() if only_json else report)
    # The report as text begins with it.
    if report.exit_code == TROUBLE and only_json:
        print(f"padiff: {report.reasons[0]}", file=sys.stderr)
    if given.json is not None and not only_json:
        write_file(given.json, report.to_json() + "\n")
    if given.html is not None:
        write_file(given.html, report.to_html() + "\n")
    return report.exit_code
