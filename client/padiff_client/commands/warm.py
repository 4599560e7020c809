"""`padiff up` and `padiff down`: interpreters that stay warm between comparisons."""

from __future__ import annotations

import argparse
import os
from typing import Any

from padiff_client.commands.speaking import add_speaking, speaking
from padiff_client.frameworks import FRAMEWORKS
from padiff_client.spec import ModelSpec
from padiff_client.specfile import read_comparison
from padiff_client.table import print_table
from padiff_client.terminal import printed
from padiff_client.warm import interpreters, warm_folder
from padiff_client.warm_set import IDLE_SECONDS, cool_down, warm_up
from padiff_rpc.serving import checked_seconds

_HEADINGS = ("PACKAGE", "PROCESS", "COMPARISONS", "PYTHON")


def add_to(commands: Any) -> None:
    """Adds both commands to the subparsers `commands`."""
    up = commands.add_parser(
        "up", help="keep both frameworks and the coordinator imported, so that comparisons begin sooner"
    )
    up.set_defaults(run=_up)
    up.add_argument(
        "spec",
        nargs="?",
        metavar="SPEC",
        help="the YAML file that names the Pythons",
    )
    up.add_argument(
        "--idle",
        type=float,
        default=IDLE_SECONDS,
        metavar="SECONDS",
        help="end when nobody has compared for so long (default: %(default)g)",
    )
    up.add_argument("--status", action="store_true", help="list what is warm, and start nothing")
    add_speaking(up)
    down = commands.add_parser("down", help="end what padiff up started")
    down.set_defaults(run=_down)


def _up(given: argparse.Namespace) -> int:
    if given.status:
        return _status()
    idle_seconds = checked_seconds(given.idle, field="--idle")
    if given.spec is None:
        sides = {name: ModelSpec(framework=name, model="any:any") for name in FRAMEWORKS}
    else:
        asked = read_comparison(given.spec, with_inputs=False).comparison
        sides = {"reference": asked.reference, "candidate": asked.candidate}
    with speaking(given, has_course=False) as onlooker:
        for one in warm_up(sides, os.environ, idle_seconds=idle_seconds, onlooker=onlooker):
            state = "was warm already" if one.was_there else "is warm"
            printed(f"{one.name}: {one.interpreter.python} {state} (process {one.interpreter.process})")
    return 0


def _status() -> int:
    root = warm_folder(os.environ)
    rows = [
        (one.package, str(one.process or "imports"), str(one.running()), one.python)
        for one in (interpreters(root) if root is not None else ())
    ]
    if not rows:
        printed("nothing is warm: padiff up starts it")
        return 0
    print_table([_HEADINGS, *rows])
    return 0


def _down(given: argparse.Namespace) -> int:
    for one in cool_down(os.environ):
        running = one.running()
        wait = f"; {running} of its processes end with their comparisons" if running else ""
        printed(f"{one.package}: process {one.process} is told to end{wait}")
    return 0
