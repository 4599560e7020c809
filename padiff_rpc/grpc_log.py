"""gRPC's own log, which goes to stderr past ours."""

from __future__ import annotations

import os

_LEVEL = "GRPC_VERBOSITY"


def hush_grpc() -> None:
    """Has gRPC write no lines of its own, unless the user asked for them; before it is imported.

    What goes wrong in it, our errors say in one line.
    """
    os.environ.setdefault(_LEVEL, "NONE")
