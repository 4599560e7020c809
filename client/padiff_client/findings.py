"""Findings of `padiff doctor`: one line for each check, and the line that mends a problem."""

from __future__ import annotations

from padiff_rpc.errors import (
    PaDiffError,
    PermissionDeniedError,
    StateError,
    UnauthenticatedError,
    WorkerLostError,
)
from padiff_rpc.records import record

OK, NOTE, PROBLEM = "ok", "note", "problem"


@record
class Finding:
    """One thing looked at. `mend` says what to do about it."""

    level: str
    text: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<8} {' '.join(self.text.splitlines())}"
        return f"{line}\n{'':<8} {self.mend}" if self.mend else line


def ok(text: str) -> Finding:
    return Finding(level=OK, text=text)


def note(text: str, mend: str = "") -> Finding:
    return Finding(level=NOTE, text=text, mend=mend)


def problem(text: str, mend: str) -> Finding:
    return Finding(level=PROBLEM, text=text, mend=mend)


def from_error(error: PaDiffError, *, address: str) -> Finding:
    """Returns the problem that an answer, or its absence, amounts to."""
    if isinstance(error, UnauthenticatedError):
        mend = (
            "give the token that it was started with: token_file in the spec, --token-file, or PADIFF_TOKEN"
        )
    elif isinstance(error, PermissionDeniedError):
        mend = (
            "have whoever runs it add the name to clients in its server.yaml; docs/deploy.md tells of rights"
        )
    elif isinstance(error, WorkerLostError):
        mend = f"start it with --listen {address}, or correct the address; docs/deploy.md tells of firewalls"
    elif isinstance(error, StateError):
        mend = "run on both machines: python -m pip install --upgrade padiff-rpc"
    else:
        mend = "docs/deploy.md says what to check when it does not connect"
    return problem(str(error), mend)
