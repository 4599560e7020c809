"""`padiff compare`, `padiff plan` and `padiff inputs`: what a YAML file describes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Optional

from padiff_client.api import DEFAULT_BATCHES
from padiff_client.comparison import Comparison
from padiff_client.plan_file import plan_yaml
from padiff_client.plan_text import plan_text
from padiff_client.report import TROUBLE, Report
from padiff_client.spec_paths import check_folder_of
from padiff_client.specfile import read_comparison
from padiff_client.verbs import check_inputs, compare, plan


def add_to(commands: Any) -> None:
    """Adds the commands to the subparsers `commands`."""
    compare_parser = commands.add_parser("compare", help="compare the two models of a YAML file")
    compare_parser.set_defaults(run=_compare)
    compare_parser.add_argument("spec", metavar="SPEC", help="the YAML file")
    compare_parser.add_argument("--json", metavar="FILE", help="write the report there too; - prints only it")
    compare_parser.add_argument(
        "--oracle", action="store_true", help="show how far each side is from the reference's float64 run"
    )
    plan_parser = commands.add_parser("plan", help="print which layers would be compared, and why")
    plan_parser.set_defaults(run=_plan)
    plan_parser.add_argument("spec", metavar="SPEC", help="the YAML file")
    plan_parser.add_argument("-o", "--output", metavar="FILE", help="write the plan there, to be edited")
    inputs_parser = commands.add_parser("inputs", help="compare what the two models' loaders give")
    inputs_parser.set_defaults(run=_inputs)
    inputs_parser.add_argument("spec", metavar="SPEC", help="the YAML file")
    inputs_parser.add_argument(
        "--batches", type=int, default=DEFAULT_BATCHES, metavar="N", help="how many (default: %(default)s)"
    )
    inputs_parser.add_argument("--json", metavar="FILE", help="write the report there too; - prints only it")
    for command in (compare_parser, plan_parser, inputs_parser):
        command.add_argument(
            "--verbose", action="store_true", help="say what happens, and show what the processes write"
        )


def _compare(given: argparse.Namespace) -> int:
    _check_output(given.json, "--json")
    with _asked(given) as asked:
        if given.oracle:
            asked = replace(asked, options=replace(asked.options, oracle=True))
        report = compare(asked)
    return _published(report, given.json)


def _inputs(given: argparse.Namespace) -> int:
    _check_output(given.json, "--json")
    with _asked(given) as asked:
        report = check_inputs(asked, given.batches)
    return _published(report, given.json)


@contextmanager
def _asked(given: argparse.Namespace) -> Iterator[Comparison]:
    """Provides what the file asks for; errors inside point into it, where they name a key of it."""
    spec = read_comparison(given.spec)
    with spec.pointing():
        yield replace(spec.comparison, verbose=given.verbose)


def _check_output(file: Optional[str], flag: str) -> None:
    """Refuses a file that could not be written, before a comparison is run for it."""
    if file not in (None, "-"):
        check_folder_of(str(file), field=flag)


def _published(report: Report, json_file: Optional[str]) -> int:
    print(report.to_json() if json_file == "-" else report)
    if json_file not in (None, "-"):
        with open(str(json_file), "w", encoding="utf-8") as file:
            file.write(report.to_json() + "\n")
    # The report as text begins with it.
    if report.exit_code == TROUBLE and json_file == "-":
        print(f"padiff: {report.reasons[0]}", file=sys.stderr)
    return report.exit_code


def _plan(given: argparse.Namespace) -> int:
    _check_output(given.output, "--output")
    with _asked(given) as asked:
        report = plan(asked)
    print(plan_text(report.plan))
    for note in report.notes:
        print(f"note: {note}")
    if given.output is not None:
        with open(given.output, "w", encoding="utf-8") as file:
            file.write(plan_yaml(report.plan))
    return TROUBLE if report.exit_code == TROUBLE else 0
