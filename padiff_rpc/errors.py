"""The error tree; `error_statuses` brings it over the wire.

Errors are for what *we* could not do. A model that raises, or two tensors that differ, are results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

E = TypeVar("E", bound="PaDiffError")


class PaDiffError(Exception):
    """Something failed in this project's own code.

    `context` holds short facts for programs (side, phase, path); the text alone serves people: one
    line that says what to do next. `field` is what is wrong there, as "reference.python"; the text begins
    with it, and `problem` is the rest.
    """

    def __init__(self, text: str, *, field: str = "", **context: str) -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.problem = text
        self.field = field
        self.context: Mapping[str, str] = context

    def _render_traceback_(self) -> list[str]:
        """Returns what notebooks show: the line alone, since the stack is ours."""
        return [f"{type(self).__name__}: {self}"]

    def within(self: E, outer: str) -> E:
        """Returns this error, its field as one of `outer`: of "reference", "model" is "reference.model"."""
        field = f"{outer}.{self.field}" if self.field else outer
        return type(self)(self.problem, field=field, **self.context)


class InvalidRequestError(PaDiffError):
    """The caller asked for something that cannot be: a wrong name, value or combination."""


class NotFoundError(PaDiffError):
    """The caller named something that is not there."""


class StateError(PaDiffError):
    """The request does not fit the present state: a closed session, another protocol version."""


class UnauthenticatedError(PaDiffError):
    """No credentials, or wrong ones."""


class PermissionDeniedError(PaDiffError):
    """The caller is known, and may not do this."""


class BusyError(PaDiffError):
    """A limit was reached: sessions, memory, disk or size."""


class WorkerLostError(PaDiffError):
    """The process at the other end is gone or does not answer."""


class ProtocolError(PaDiffError):
    """The peer sent something that contradicts the contract."""


class CancelledError(PaDiffError):
    """The caller went away or asked to stop."""
