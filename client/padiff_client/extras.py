"""Packages that some calls use where they are installed."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from padiff_rpc.errors import InvalidRequestError


def imported(package: str, what_for: str) -> Any:
    """Returns a package, as one of its modules by a dotted name.

    Raises InvalidRequestError with the line that installs it, for `what_for`.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        name = package.partition(".")[0]
        if error.name != name:
            raise
        raise InvalidRequestError(
            f"needs {name}, which is not installed; run: {sys.executable} -m pip install {name}",
            field=what_for,
        ) from None
