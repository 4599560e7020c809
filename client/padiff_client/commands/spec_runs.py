"""`padiff compare`, `padiff plan` and `padiff inputs`: what a YAML file describes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from padiff_client.api import DEFAULT_BATCHES, DEFAULT_KEEP_MIB
from padiff_client.commands.publishing import add_outputs, check_outputs, published, publishing
from padiff_client.commands.runs import add_store
from padiff_client.commands.speaking import add_speaking, speaking
from padiff_client.comparison import Comparison
from padiff_client.exit_codes import TROUBLE
from padiff_client.keeping import store_of
from padiff_client.plan_file import plan_yaml
from padiff_client.plan_text import plan_text
from padiff_client.progress import Onlooker
from padiff_client.report import Report
from padiff_client.specfile import read_comparison
from padiff_client.terminal import printed
from padiff_client.verbs import check_inputs, compare, plan
from padiff_client.whole_files import check_writable, write_file
from padiff_rpc.serving import checked_seconds
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import KeptTensors, Level, Transport


def add_to(commands: Any) -> None:
    """Adds the commands to the subparsers `commands`."""
    compare_parser = commands.add_parser("compare", help="compare the two models of a YAML file")
    compare_parser.set_defaults(run=_compare)
    compare_parser.add_argument("spec", metavar="SPEC", help="the YAML file")
    add_outputs(compare_parser)
    compare_parser.add_argument(
        "--detached", action="store_true", help="at a server: go on when this client is gone (padiff attach)"
    )
    add_keeping(compare_parser)
    for flag, what in (("--include", "compare"), ("--exclude", "do not compare")):
        compare_parser.add_argument(
            flag,
            action="append",
            default=[],
            metavar="LAYER",
            help=f"{what} what this layer and all in it take and give; a path or a pattern, may be given "
            "several times, in place of the spec's",
        )
    compare_parser.add_argument(
        "--oracle", action="store_true", help="show how far each side is from the reference's float64 run"
    )
    compare_parser.add_argument(
        "--level",
        choices=[str(one) for one in Level],
        help="what travels of captured tensors, in place of the spec's: all elements, or statistics and "
        "sketches, and the elements around the first suspicious call",
    )
    compare_parser.add_argument(
        "--transport",
        choices=[str(one) for one in Transport],
        help="how tensors travel, in place of the spec's: through shared memory where it can be had, "
        "through it or not at all, or over the connection",
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
    add_outputs(inputs_parser)
    for command in (compare_parser, plan_parser, inputs_parser):
        add_patience(command)
        add_speaking(command)


def add_patience(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that `patient` reads."""
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="for how long a worker may say nothing while it works (0: without end; default: 900, or ten "
        "times its longest silence so far)",
    )


def patient(options: Options, given: argparse.Namespace) -> Options:
    """Returns the options with the patience of the flag, if that is given."""
    if given.timeout is None:
        return options
    return replace(options, timeout=checked_seconds(given.timeout, field="--timeout"))


def add_keeping(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say what of a run is kept."""
    add_store(parser)
    parser.add_argument(
        "--keep",
        choices=[str(one) for one in KeptTensors],
        default=str(KeptTensors.FAILING),
        help="which tensors are kept with the run (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-mib",
        type=int,
        default=DEFAULT_KEEP_MIB,
        metavar="N",
        help="how many MiB of them at most (default: %(default)s)",
    )


def _compare(given: argparse.Namespace) -> int:
    check_outputs(given)
    store = store_of(given.store, os.environ)

    def run(onlooker: Onlooker) -> Report:
        with _asked(given, onlooker) as asked:
            asked = replace(
                asked,
                store=store,
                keep=KeptTensors(given.keep),
                keep_mib=given.keep_mib,
                detached=given.detached,
            )
            return compare(replace(asked, options=_flagged(asked.options, given)))

    return publishing(run, given)


def _flagged(options: Options, given: argparse.Namespace) -> Options:
    """Returns the options with what flags say in place of the spec's."""
    said = {
        "oracle": given.oracle,
        "level": given.level and Level(given.level),
        "transport": given.transport and Transport(given.transport),
        "include": tuple(given.include),
        "exclude": tuple(given.exclude),
    }
    return replace(options, **{name: value for name, value in said.items() if value})


def _inputs(given: argparse.Namespace) -> int:
    check_outputs(given)
    with speaking(given) as onlooker, _asked(given, onlooker) as asked:
        report = check_inputs(asked, given.batches)
    return published(report, given)


@contextmanager
def _asked(given: argparse.Namespace, onlooker: Onlooker) -> Iterator[Comparison]:
    """Provides what the file asks for; errors inside point into it, where they name a key of it."""
    spec = read_comparison(given.spec)
    with spec.pointing():
        asked = spec.comparison
        yield replace(asked, options=patient(asked.options, given), onlooker=onlooker)


def _plan(given: argparse.Namespace) -> int:
    if given.output is not None:
        check_writable(given.output, field="--output")
    with speaking(given) as onlooker, _asked(given, onlooker) as asked:
        report = plan(asked)
    printed(plan_text(report.plan))
    for note in report.notes:
        printed(f"note: {note}")
    if given.output is not None:
        write_file(given.output, [plan_yaml(report.plan)])
    return TROUBLE if report.exit_code == TROUBLE else 0
