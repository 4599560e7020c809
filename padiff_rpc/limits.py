"""Limits of everything taken off the wire. docs/security.md lists what each bound protects.

Every bound has a setting, the environment variable PADIFF_MAX_ and its name, so that one line raises it
for a client, the processes it starts, a coordinator, a worker and a script that serves its own model.
What a process keeps (sessions, captures in memory) has flags of its own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import fields

from padiff_rpc.errors import BusyError, InvalidRequestError
from padiff_rpc.records import record

_PREFIX = "PADIFF_MAX_"
# A level of a tree takes about five frames of Python's thousand; gRPC counts a message's bytes in 31 bits.
_MOST = {"tree_depth": 128, "message_mib": 2047}


@record
class Limits:
    """The bounds of one process, each a whole number of at least 1.

    Attributes:
        message_mib: one message; chunked tensors are larger. Both ends must allow it.
        tensor_mib: one tensor, all unfinished tensors of a stream together, and those of a batch.
        tree_mib: a model's arguments without their tensors.
        tree_depth: lists, tuples and dicts in each other, in a model's arguments.
        layers: layers of a model.
        calls: entries and exits of layers, in a trace and in a step.
        rows: rows of a report.
    """

    message_mib: int = 16
    tensor_mib: int = 64 << 10
    tree_mib: int = 1
    tree_depth: int = 64
    layers: int = 100_000
    calls: int = 1_000_000
    rows: int = 5_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), _MOST.get(field.name, 1 << 40)
            if not 1 <= value <= most:
                raise InvalidRequestError(
                    f"{setting(field.name)}: {value} is not allowed; allowed: a whole number from 1 to {most}"
                )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Limits:
        """Returns the bounds that `environment` sets, defaults for the rest. Raises InvalidRequestError."""
        given = {}
        for field in fields(cls):
            text = environment.get(setting(field.name))
            if text:
                try:
                    given[field.name] = int(text)
                except ValueError:
                    raise InvalidRequestError(
                        f"{setting(field.name)}: {text!r} is not allowed; allowed: a whole number"
                    ) from None
        return cls(**given)

    @property
    def message_bytes(self) -> int:
        return self.message_mib << 20

    @property
    def tensor_bytes(self) -> int:
        return self.tensor_mib << 20


@functools.cache
def limits() -> Limits:
    """Returns this process's bounds, read once. Raises InvalidRequestError for a setting out of range.

    They are not handed from main to every decoder, since a notebook and a script that serves its own
    model have no main of ours.
    """
    return Limits.from_environment(os.environ)


def setting(name: str) -> str:
    """Returns the environment variable that sets the bound `name`."""
    return _PREFIX + name.upper()


def exceeded(text: str, name: str) -> BusyError:
    """Returns the error that something off the wire, of which `text` speaks, is beyond the bound `name`."""
    return BusyError(f"{text}; {setting(name)} sets this limit", limit=setting(name))
