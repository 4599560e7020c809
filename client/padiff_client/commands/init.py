"""`padiff init`: a spec to begin with."""

from __future__ import annotations

import argparse
from typing import Any

from padiff_client.spec_paths import check_folder_of
from padiff_client.spec_template import template
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.paths import checked_path

DEFAULT_FILE = "spec.yaml"


def add_to(commands: Any) -> None:
    """Adds the command to the subparsers `commands`."""
    parser = commands.add_parser("init", help="write a commented spec to begin with")
    parser.set_defaults(run=_init)
    parser.add_argument(
        "file", nargs="?", default=DEFAULT_FILE, metavar="FILE", help="where (default: %(default)s)"
    )


def _init(given: argparse.Namespace) -> int:
    check_folder_of(checked_path(given.file, field="FILE"), field=given.file)
    try:
        with open(given.file, "x", encoding="utf-8") as file:
            file.write(template(given.file))
    except FileExistsError:
        raise InvalidRequestError(
            f"{given.file} exists and was left as it is; name another file: padiff init FILE"
        ) from None
    print(f"{given.file}: fill in the lines marked with <-, then run: padiff doctor {given.file}")
    return 0
