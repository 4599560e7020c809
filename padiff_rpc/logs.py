"""The log of a server process."""

from __future__ import annotations

import datetime
import json
import logging
import sys

TEXT, JSON = "text", "json"


class _JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and the stack where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, tz=datetime.timezone.utc)
        entry = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["stack"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def write_log(form: str) -> None:
    """Sends this process's log to stderr, as "text" or "json"; to be called once, by a `main`."""
    handler = logging.StreamHandler(sys.stderr)
    if form == JSON:
        handler.setFormatter(_JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
