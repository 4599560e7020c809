"""Runs of users' scripts: one starts and waits, and the candidate's compares both."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Optional, TypeVar

from padiff_client.progress import Onlooker
from padiff_client.rendezvous import Rendezvous, RendezvousOutcome
from padiff_client.report import SHORT, Report
from padiff_client.script_process import ScriptProcess, running_script
from padiff_rpc.child import describe_exit
from padiff_rpc.errors import PaDiffError, WorkerLostError
from padiff_rpc.records import record
from padiff_rpc.v1.words import Side
from padiff_rpc.watch_orders import VARIABLE, Afterwards, WatchOrders

T = TypeVar("T")

# The folder of a `sitecustomize`, which Python runs before a script's first line. It is of the worker, and
# nothing of it is imported here.
_WORKER, _START_HOOK = "padiff_worker", "start_hook"

_OTHER = {Side.REFERENCE: Side.CANDIDATE, Side.CANDIDATE: Side.REFERENCE}
_POLL_SECONDS = 0.05
# A user who waits longer hears for what.
_SILENT_SECONDS = 3.0
# What a script gets to end by itself once it was told to.
_END_SECONDS = 20.0


@record
class AskedScript:
    """A script and what is asked of it.

    Attributes:
        command: the program and its arguments.
        environment: the caller's.
        orders: what the script is to do.
        orders_file: where it finds that.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    orders: WatchOrders
    orders_file: Path

    @contextmanager
    def running(self) -> Iterator[ScriptProcess]:
        """Runs the script for the length of the context. Raises InvalidRequestError where it cannot be."""
        self.orders.write(self.orders_file)
        environment = {
            **self.environment,
            VARIABLE: str(self.orders_file),
            # A data loader that forks inside an open stream dies otherwise.
            "GRPC_ENABLE_FORK_SUPPORT": "0",
        }
        if self.orders.watched_class:
            path = environment.get("PYTHONPATH")
            environment["PYTHONPATH"] = os.pathsep.join([_start_hook(), *([path] if path else [])])
        with running_script(self.command, environment) as script:
            yield script

    def wait_for_end(self, script: ScriptProcess) -> None:
        """Waits for the script's own end, which comes soon where it stops with its comparison."""
        if self.orders.afterwards is Afterwards.CONTINUE:
            _until(script.exit_status)
        else:
            script.exit_status(_END_SECONDS)


def _start_hook() -> str:
    found = importlib.util.find_spec(_WORKER)
    assert found is not None, "it comes with this package"
    return os.path.join(*(found.submodule_search_locations or ())[:1], _START_HOOK)


def serve_script(asked: AskedScript, onlooker: Onlooker) -> int:
    """Runs a script that serves at an address of its own until it ends; returns the exit code.

    `onlooker` hears of the address.
    """
    announcement = Path(asked.orders.announce)
    with asked.running() as script:
        address = _until(lambda: _first_step(script, _content(announcement)))
        onlooker.says(f"the script is at its first step and serves at {address}")
        status = _until(script.exit_status)
    if status:
        raise WorkerLostError(f"the script {describe_exit(status)}")
    return 0


def reference_run(rendezvous: Rendezvous, asked: AskedScript, onlooker: Onlooker) -> int:
    """Runs the reference's script to its end; returns 0 once it was compared.

    `onlooker` hears where the report is. Raises WorkerLostError where nothing was compared.
    """
    side, other = Side.REFERENCE, Side.CANDIDATE
    with rendezvous.attended(side), _telling(rendezvous, other), asked.running() as script:
        _until(lambda: _first_step(script, rendezvous.address(side)))
        with _saying(_waiting_for(other, rendezvous), onlooker):
            _until(lambda: _if_any(rendezvous.is_attended(other), rendezvous.told(side), _has_ended(script)))
        _until(lambda: _if_any(rendezvous.told(side), not rendezvous.is_attended(other)))
        outcome = rendezvous.told(side)
        if outcome is None:
            raise WorkerLostError("the candidate's command ended without a comparison")
        if not outcome.is_compared:
            raise WorkerLostError(f"the candidate's command ended: {outcome.text}")
        asked.wait_for_end(script)
    onlooker.says(f"compared by the candidate's command: {outcome.text}")
    return 0


def candidate_run(
    rendezvous: Rendezvous, asked: AskedScript, compare: Callable[[str, str], Report], onlooker: Onlooker
) -> Report:
    """Runs the candidate's script, and `compare` on the addresses of both, (candidate's, reference's).

    Returns the report. Raises WorkerLostError for a script that ends before its first step.
    """
    side, other = Side.CANDIDATE, Side.REFERENCE
    with rendezvous.attended(side), _telling(rendezvous, other), asked.running() as script:
        own = _until(lambda: _first_step(script, rendezvous.address(side)))
        with _saying(_waiting_for(other, rendezvous), onlooker):
            theirs = _until(lambda: _address_of_other(rendezvous, other, script))
        report = compare(own, theirs)
        rendezvous.tell(other, RendezvousOutcome(text=_line_on(report)))
        asked.wait_for_end(script)
    return report


def lone_run(asked: AskedScript, use: Callable[[str], T]) -> T:
    """Runs a script that meets no other; returns what `use` makes of its address, once it is at a step.

    Raises WorkerLostError for a script that ends before its first step.
    """
    announcement = Path(asked.orders.announce)
    with asked.running() as script:
        found = use(_until(lambda: _first_step(script, _content(announcement))))
        asked.wait_for_end(script)
    return found


@contextmanager
def _telling(rendezvous: Rendezvous, other: Side) -> Iterator[None]:
    """Tells the other side's command of an error that ends this one."""
    try:
        yield
    except PaDiffError as error:
        rendezvous.tell(other, RendezvousOutcome(text=str(error), is_compared=False))
        raise


def _line_on(report: Report) -> str:
    line = str(report).splitlines()[0]
    return line if report.kept is None else f"{line}; padiff show {report.kept.head.id[:SHORT]} shows it"


def _first_step(script: ScriptProcess, address: Optional[str]) -> Optional[str]:
    """Returns the address, None as long as there is none. Raises WorkerLostError once the script ended."""
    status = script.exit_status()
    if address is None and status is not None:
        raise WorkerLostError(
            f"the script {describe_exit(status)}, and no watched model had made a training step (a forward "
            "in train mode, with gradients); call watch(model, optimizer) in the script, or name the model's "
            "class by --watch"
        )
    return address


def _address_of_other(rendezvous: Rendezvous, other: Side, script: ScriptProcess) -> Optional[str]:
    if _has_ended(script):
        raise WorkerLostError(f"the script ended while it waited for the {other}'s")
    outcome = rendezvous.told(_OTHER[other])
    if outcome is not None:
        raise WorkerLostError(f"the {other}'s command ended: {outcome.text}")
    return rendezvous.address(other) if rendezvous.is_attended(other) else None


def _has_ended(script: ScriptProcess) -> bool:
    return script.exit_status() is not None


def _content(path: Path) -> Optional[str]:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _waiting_for(side: Side, rendezvous: Rendezvous) -> str:
    return f"waiting for the {side}'s: padiff run --side {side} --name {rendezvous.folder.name} -- COMMAND"


def _if_any(*conditions: object) -> Optional[bool]:
    return True if any(conditions) else None


def _until(ask: Callable[[], Optional[T]]) -> T:
    """Returns what `ask` answers once it does."""
    while (answer := ask()) is None:
        time.sleep(_POLL_SECONDS)
    return answer


@contextmanager
def _saying(text: str, onlooker: Onlooker) -> Iterator[None]:
    """Says what is waited for, where the context lasts long."""
    timer = threading.Timer(_SILENT_SECONDS, onlooker.says, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
