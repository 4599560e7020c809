"""The audit log: a line of JSON for each session, with nothing secret in it."""

from __future__ import annotations

import datetime
import json
import logging
import logging.handlers
import os
import urllib.parse
from collections.abc import Mapping
from io import TextIOWrapper

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason
from padiff_rpc.paths import checked_path
from padiff_rpc.v1.records import Party
from padiff_server.asked import ERRANDS, parties_of
from padiff_server.ended_session import EndedSession

# Where lines go; by default on to the log of the process.
audit = logging.getLogger("padiff_server.audit")

# What a client wrote may be as long as a message.
_LONGEST = 200


class _PrivateFile(logging.handlers.WatchedFileHandler):
    """Appends to a file that its user alone reads; one that was moved away is made anew."""

    def _open(self) -> TextIOWrapper:
        return open(  # type: ignore[return-value]
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            opener=lambda path, flags: os.open(path, flags | os.O_CLOEXEC, 0o600),
        )


def write_audit_to(path: str) -> None:
    """Has lines go to a file, and nowhere else. Raises InvalidRequestError if it cannot be written."""
    checked_path(path, field="audit_log")
    try:
        handler = _PrivateFile(path, encoding="ascii")
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {reason(error)}", field="audit_log") from None
    handler.setFormatter(logging.Formatter("%(message)s"))
    audit.addHandler(handler)
    audit.propagate = False


def write_audit(ended: EndedSession) -> None:
    """Writes the line of one session."""
    audit.info("%s", audit_line(ended))


def audit_line(ended: EndedSession) -> str:
    """Returns the line: ASCII, whatever names hold. Arguments, tokens and certificates are not in it."""
    began = datetime.datetime.fromtimestamp(ended.began_at, tz=datetime.timezone.utc)
    return json.dumps(
        {
            "time": began.isoformat(timespec="milliseconds"),
            "seconds": round(ended.seconds, 3),
            "session": ended.session,
            "client": ended.caller.name,
            "peer": urllib.parse.unquote(ended.caller.peer),
            "what": ERRANDS[type(ended.asked)],
            **{str(side): _party(party) for side, party in parties_of(ended.asked).items()},
            "outcome": str(ended.outcome),
            "because": _bounded(ended.because),
            "rows": ended.rows,
            "tensor_bytes": ended.tensor_bytes,
        }
    )


def _party(party: Party) -> Mapping[str, str]:
    facts = {
        "framework": party.model.framework,
        "model": party.model.model,
        "worker": party.worker.name,
        "address": party.worker.address,
    }
    return {name: _bounded(value) for name, value in facts.items()}


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
