"""`padiff record`: one model of a YAML file, run alone and kept in a file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

from padiff_client.commands.speaking import add_speaking, speaking
from padiff_client.commands.spec_runs import add_patience, patient
from padiff_client.exit_codes import TROUBLE
from padiff_client.gathering import Interrupted
from padiff_client.recording import RecordingAsked
from padiff_client.recording_file import RecordingFile
from padiff_client.specfile import read_recording
from padiff_client.terminal import printed
from padiff_client.verbs import record
from padiff_rpc.interrupts import INTERRUPTED
from padiff_rpc.v1.records import Selection
from padiff_rpc.v1.words import Side


def add_to(commands: Any) -> None:
    """Adds the command to the subparsers `commands`."""
    parser = commands.add_parser("record", help="run one model of a YAML file, and keep all that it computes")
    parser.set_defaults(run=_record)
    add = parser.add_argument
    add("spec", metavar="SPEC", help="the YAML file; it may name one model alone")
    add("-o", "--output", metavar="FILE", required=True, help="the recording, as run.padiff")
    add(
        "--side",
        choices=[str(side) for side in Side],
        default=str(Side.REFERENCE),
        help="which of its models (default: %(default)s)",
    )
    add("--include", action="append", default=[], metavar="LAYER", help="this layer and all in it alone")
    add("--exclude", action="append", default=[], metavar="LAYER", help="not this layer, nor what is in it")
    add("--max-depth", type=int, metavar="N", help="no layers deeper than this; the root's own are at 1")
    add(
        "--no-floors",
        action="store_true",
        help="do not run in float64 besides, to measure what rounding does",
    )
    add(
        "--statistics-only",
        action="store_true",
        help="of large tensors record what tells how far another is from them, 8 KiB each",
    )
    add("--functions", action="store_true", help="record the functions between the layers too")
    add_patience(parser)
    add_speaking(parser)


def _record(given: argparse.Namespace) -> int:
    spec = read_recording(given.spec, Side(given.side))
    selection = Selection(
        include=tuple(given.include),
        exclude=tuple(given.exclude),
        max_depth=given.max_depth,
        floors=not given.no_floors,
        functions=given.functions,
        statistics_only=given.statistics_only,
    )
    with spec.pointing():
        options = patient(spec.asked.options, given)
        asked = replace(spec.asked, selection=selection, options=options)
        return recording(asked, given.output, given)


def recording(
    asked: RecordingAsked, path: str, given: argparse.Namespace, *, has_terminal: bool = True
) -> int:
    """Records what is asked into the file at `path`, and says what came of it; returns the exit code.

    `has_terminal` as for `speaking`.
    """
    try:
        with speaking(given, has_terminal=has_terminal) as onlooker:
            report, file = record(replace(asked, onlooker=onlooker), path)
    except Interrupted as interrupted:
        printed(interrupted.report)
        print("padiff: interrupted", file=sys.stderr)
        return INTERRUPTED
    if not report.summary.passed:
        printed(report)
    _say(file)
    return 0 if file.is_whole else TROUBLE


def _say(file: RecordingFile) -> None:
    if not file.steps:
        print(f"padiff: nothing is recorded; {file.path} is as it was", file=sys.stderr)
        return
    steps = "1 step" if file.steps == 1 else f"{file.steps} steps"
    short = "" if file.is_whole else ", cut short"
    printed(f"recorded {steps} in {file.path} ({file.byte_count / 2**20:.1f} MiB{short})")
