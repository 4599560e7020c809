"""An exception of the user's code as a result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from padiff_rpc.errors import PaDiffError
from padiff_rpc.names import said_by
from padiff_rpc.v1.records import ModelFailure
from padiff_rpc.v1.words import Phase
from padiff_worker.model_thread import ScriptInterrupted
from padiff_worker.outbox import StepCancelled
from padiff_worker.source_lines import raising_line, users_stack

# Enough of a traceback to read, not enough to matter on the wire.
MAX_TEXT = 2_000
MAX_NAME = 100
MAX_TRACEBACK = 20_000
# Where in a framework's own source an error came from, and the condition that is written there.
_IN_THE_SOURCE = re.compile(r"(\s*\[Hint: .*?\])?\s*\(at /\S+\.(cc|cpp|cu|cuh|h|hpp):\d+\)")
_NOTES = "__notes__"


class ModelRaised(Exception):
    """The user's model, loss, optimizer or rule raised; carries the result that says so."""

    def __init__(self, failure: ModelFailure) -> None:
        super().__init__(failure.text)
        self.failure = failure


# What may be raised while the user's code runs without being a failure of it. All else is, whatever its
# base class.
NOT_THE_USERS = (PaDiffError, ModelRaised, StepCancelled, ScriptInterrupted, GeneratorExit)


@contextmanager
def raising_as_failure(phase: Phase) -> Iterator[None]:
    """Turns what the user's code raises inside into ModelRaised; our own errors pass through."""
    try:
        yield
    except NOT_THE_USERS:
        raise
    except BaseException as error:
        raise ModelRaised(failure_from(error, phase)) from error


def failure_from(
    error: BaseException,
    phase: Phase,
    *,
    step: int = 0,
    path: str = "",
    library_folders: tuple[str, ...] = (),
) -> ModelFailure:
    """Returns `error` as a ModelFailure: its stack is the user's own, without frames of this package.

    `library_folders`: the framework's, whose frames are left out as well.
    """
    notes = [" ".join(note.split()) for note in getattr(error, _NOTES, ())]
    return ModelFailure(
        phase=phase,
        step=step,
        path=path,
        exception=_name(error),
        text="; ".join([_sentence(error), *notes]),
        traceback=users_stack(error, library_folders)[-MAX_TRACEBACK:],
        source=raising_line(error, library_folders),
    )


def add_note(error: BaseException, note: str) -> None:
    """Adds a line to what `error` says, as Python's own method does from 3.11 on; an empty one is none."""
    if note:
        setattr(error, _NOTES, [*getattr(error, _NOTES, ()), note])


def _name(error: BaseException) -> str:
    """The class's name, which a model may have made of anything."""
    return " ".join(type(error).__qualname__.split())[:MAX_NAME]


def _sentence(error: BaseException) -> str:
    said = said_by(error)
    return (_IN_THE_SOURCE.sub("", said) or said)[:MAX_TEXT]
