"""`padiff doctor`: what stands in a comparison's way, and the line that mends it."""

from __future__ import annotations

import argparse
import os
from typing import Any

from padiff_client.connection_flags import add_credentials, called
from padiff_client.doctor import examine
from padiff_client.exit_codes import TROUBLE
from padiff_client.findings import PROBLEM
from padiff_client.terminal import printed


def add_to(commands: Any) -> None:
    """Adds the command to the subparsers `commands`."""
    parser = commands.add_parser(
        "doctor",
        help="check Pythons, packages, addresses and certificates; exits with 2 if something is wrong",
    )
    parser.set_defaults(run=_doctor)
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="the YAML file; without one, both frameworks")
    parser.add_argument("--server", metavar="ADDRESS", help="a running coordinator, in place of the spec's")
    add_credentials(parser)


def _doctor(given: argparse.Namespace) -> int:
    server = called(given.server, given, os.environ, field="--server") if given.server is not None else None
    has_problem = False
    for finding in examine(given.spec, server, os.environ):
        printed(finding)
        has_problem |= finding.level == PROBLEM
    return TROUBLE if has_problem else 0
