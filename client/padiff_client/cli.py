"""The `padiff` command. Exit codes as diff(1): 0 match, 1 mismatch, 2 trouble; 130 after Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from typing import Optional

from padiff_client.api import compare, plan
from padiff_client.plan_file import plan_yaml
from padiff_client.plan_text import plan_text
from padiff_client.report import TROUBLE, Report
from padiff_client.specfile import read_comparison
from padiff_rpc.errors import PaDiffError
from padiff_rpc.version import package_version

INTERRUPTED = 130


def main(arguments: Optional[list[str]] = None) -> int:
    """Runs the command; returns the exit code."""
    given = _parser().parse_args(arguments)
    if given.verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="padiff: %(message)s")
    try:
        if given.command == "plan":
            return _plan(given.spec, given.output, verbose=given.verbose)
        report = _compare(given.spec, verbose=given.verbose)
        _publish(report, given.json)
        if report.exit_code == TROUBLE:
            _complain(report.reasons[0])
        return report.exit_code
    except PaDiffError as error:
        _complain(str(error))
    except OSError as error:
        _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except (Exception, SystemExit) as error:  # exit code 0 or 1 would claim a verdict
        traceback.print_exc()
        _complain(f"our bug: {type(error).__name__}: {error}")
    return TROUBLE


def _compare(path: str, *, verbose: bool) -> Report:
    asked = read_comparison(path)
    return compare(
        asked.candidate,
        asked.reference,
        asked.example_inp,
        auto_weights=asked.auto_weights,
        steps=asked.steps,
        options=asked.options,
        layer_map=asked.layer_map,
        loss_fn=asked.losses,
        optimizer=asked.optimizers,
        server=asked.server,
        verbose=verbose,
    )


def _plan(path: str, output: Optional[str], *, verbose: bool) -> int:
    asked = read_comparison(path)
    server = asked.server
    report = plan(
        asked.candidate,
        asked.reference,
        asked.example_inp,
        asked.layer_map,
        server.address if server is not None else None,
        (server.token or None) if server is not None else None,
        server.tls if server is not None else None,
        verbose=verbose,
    )
    print(plan_text(report.plan))
    for note in report.notes:
        print(f"note: {note}")
    if output is not None:
        with open(output, "w", encoding="utf-8") as file:
            file.write(plan_yaml(report.plan))
    return TROUBLE if report.exit_code == TROUBLE else 0


def _publish(report: Report, json_file: Optional[str]) -> None:
    print(report.to_json() if json_file == "-" else report)
    if json_file not in (None, "-"):
        with open(str(json_file), "w", encoding="utf-8") as file:
            file.write(report.to_json() + "\n")


def _complain(text: str) -> None:
    print(f"padiff: {' '.join(text.splitlines())}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="padiff", description="Finds where two models part, each in its own process."
    )
    parser.add_argument("--version", action="version", version=f"padiff {package_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    compare_parser = commands.add_parser("compare", help="compare the two models of a YAML file")
    compare_parser.add_argument("spec", metavar="SPEC", help="the YAML file")
    compare_parser.add_argument("--json", metavar="FILE", help="write the report there too; - prints only it")
    plan_parser = commands.add_parser("plan", help="print which layers would be compared, and why")
    plan_parser.add_argument("spec", metavar="SPEC", help="the YAML file")
    plan_parser.add_argument("-o", "--output", metavar="FILE", help="write the plan there, to be edited")
    for command in (compare_parser, plan_parser):
        command.add_argument(
            "--verbose", action="store_true", help="say what happens, and show what the processes write"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
