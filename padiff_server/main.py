"""The coordinator's command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from padiff_compare.capture.store import TensorStore
from padiff_compare.run import Storage
from padiff_rpc import child, serving
from padiff_rpc.arena_file import FOLDER_VARIABLE, NONE, settled_folder
from padiff_rpc.collector import collect_seldom, spare_what_is_here
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.health import COORDINATOR_SERVICE, Health
from padiff_rpc.interceptors import Guard
from padiff_rpc.logs import write_log
from padiff_rpc.paths import checked_path
from padiff_rpc.stopping import StopSignals
from padiff_rpc.version import package_version
from padiff_server.audit import write_audit, write_audit_to
from padiff_server.clients import ClientList, Clients
from padiff_server.config import Capacity, Config, read_clients, read_config
from padiff_server.ended_session import Bookkeeper
from padiff_server.error_packing import MsgpackErrors
from padiff_server.floor_store import FloorStore
from padiff_server.kept_files import KeptFiles
from padiff_server.revocation import revoking
from padiff_server.servicer import register
from padiff_server.sessions import Sessions
from padiff_server.stopping import drain
from padiff_server.trace_store import TraceStore
from padiff_server.worker_directory import DialRule, WorkerDirectory
from padiff_server.worker_listing import list_workers

if TYPE_CHECKING:
    from padiff_server.metrics import Metrics

# Beside the sessions: look-ups, health checks, callers that are told to wait.
OTHER_STREAMS = 12


def main(arguments: Optional[list[str]] = None) -> int:
    """Serves comparisons until told to stop; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return _serve(given, _config(given))
    except PaDiffError as error:
        print(f"padiff-server: {error}", file=sys.stderr)
        return 2


def _serve(given: argparse.Namespace, config: Config) -> int:
    write_log(config.serving.log_format)
    signals = StopSignals(ignore_interrupt=given.lifeline_fd is not None)
    child.watch_lifeline(given.lifeline_fd, given.private_folder)
    spare_what_is_here()
    collect_seldom()
    limits = config.limits
    limit_bytes = limits.memory_limit_mib << 20
    folder = _path(limits.spill_folder, "spill_folder") if limits.spill_folder else None
    if folder is not None and not folder.is_dir():
        raise InvalidRequestError(
            f"{str(folder)!r} is no folder on this machine; make it first", field="spill_folder"
        )
    health = Health(COORDINATOR_SERVICE)
    with TensorStore(limit_bytes, folder) as store:
        storage = Storage(tensors=store, packing=MsgpackErrors())
        if limits.floors_folder:
            kept = KeptFiles(_path(limits.floors_folder, "floors_folder"))
            storage = replace(storage, floors=FloorStore(kept), traces=TraceStore(kept))
        books: list[Bookkeeper] = _audit(given, config)
        sessions = Sessions(storage, WorkerDirectory(config.dial_rule), limits.sessions, books)
        clients = _clients(given, config)
        services = partial(register, sessions, clients, config.dial_rule.workers, limit_bytes)
        streams = limits.sessions + OTHER_STREAMS
        guard = Guard(admit=clients.admit)
        with ExitStack() as exits:
            if config.metrics_listen:
                metrics = exits.enter_context(_metrics(config, sessions, store))
                books.append(metrics.count)
                guard = replace(guard, refused=metrics.count_refused)
            exits.enter_context(revoking(clients, sessions))
            address = exits.enter_context(config.serving.open(services, health, streams=streams, guard=guard))
            health.set_serving(True)
            child.announce(given.announce_fd, address)
            signals.wait()
            health.set_serving(False)
            drain(signals, sessions, config.serving.drain_seconds)
    if given.lifeline_fd is not None:
        child.end(0)
    return 0


def _path(written: str, field: str) -> Path:
    return Path(checked_path(written, field=field))


def _audit(given: argparse.Namespace, config: Config) -> list[Bookkeeper]:
    if config.audit_log:
        write_audit_to(config.audit_log)
    elif given.lifeline_fd is not None:  # its one client knows what it asked for
        return []
    return [write_audit]


@contextmanager
def _metrics(config: Config, sessions: Sessions, store: TensorStore) -> Iterator[Metrics]:
    """Answers scrapes for the length of the context. Raises InvalidRequestError."""
    try:
        from padiff_server.metrics import Metrics, serving_metrics
    except ImportError:
        raise InvalidRequestError(
            f"{sys.executable} has no prometheus_client, which metrics need; run: {sys.executable} -m pip "
            "install 'padiff-rpc[server]'",
            field="metrics_listen",
        ) from None
    metrics = Metrics(lambda: sessions.running, store)
    metrics.watch_workers(partial(list_workers, config.dial_rule.workers))
    with serving_metrics(config.metrics_listen, metrics):
        yield metrics


def _clients(given: argparse.Namespace, config: Config) -> Clients:
    if config.named_clients() is None:
        return Clients()
    return Clients(ClientList(given.config, read_clients).rights)


def _config(given: argparse.Namespace) -> Config:
    """Returns the file's configuration, overridden by the flags."""
    base = Config() if given.config is None else read_config(given.config)
    rule, limits = base.dial_rule, base.limits
    # A child of a client dials what that client, its one user, names.
    allows_any = given.allow_any_worker or given.lifeline_fd is not None or rule.allows_any
    wait_seconds = rule.wait_seconds
    if given.worker_wait_seconds is not None:
        wait_seconds = serving.checked_seconds(given.worker_wait_seconds, field="--worker-wait-seconds")
    return Config(
        serving=serving.settled(given, os.environ, base.serving),
        dial_rule=replace(
            rule,
            allows_any=allows_any,
            wait_seconds=wait_seconds,
            shared_memory=settled_folder(
                given.shared_memory or rule.shared_memory or os.environ.get(FOLDER_VARIABLE, ""),
                field="shared_memory",
            ),
        ),
        limits=Capacity(
            memory_limit_mib=given.memory_limit_mib or limits.memory_limit_mib,
            spill_folder=given.spill_folder or limits.spill_folder,
            floors_folder=given.floors_folder or limits.floors_folder,
            sessions=limits.sessions,
        ),
        clients=base.clients,
        audit_log=given.audit_log or base.audit_log,
        metrics_listen=given.metrics_listen or base.metrics_listen,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="padiff-server",
        description="Compares models that run in two workers, for clients that call it.",
    )
    parser.add_argument("--version", action="version", version=package_version())
    add = parser.add_argument
    add("--config", metavar="FILE", help="workers, limits and all below, in YAML; flags override it")
    add(
        "--allow-any-worker",
        action="store_true",
        help="dial whatever address a client names (default: only workers in the file)",
    )
    add(
        "--worker-wait-seconds",
        type=float,
        metavar="N",
        help="how long a comparison waits for workers that another one has "
        f"(default: {DialRule().wait_seconds:g})",
    )
    add(
        "--memory-limit-mib",
        type=_at_least_one,
        metavar="N",
        help="captures and batches held in memory; more goes to the spill folder "
        f"(default: {Capacity().memory_limit_mib})",
    )
    add("--spill-folder", metavar="DIR", help="where captures go (default: the system's temporary folder)")
    add(
        "--floors-folder",
        metavar="DIR",
        help="where measured rounding and traces are kept, for comparisons to come (default: it is not)",
    )
    add(
        "--metrics-listen",
        metavar="ADDRESS",
        help="host:port of a plain-text port for scrapes of Prometheus alone (default: none)",
    )
    add(
        "--shared-memory",
        metavar="DIR",
        help="where workers on this host put the memory that they share; "
        f"{NONE}: it is not used (default: ${FOLDER_VARIABLE}, else /dev/shm)",
    )
    add("--audit-log", metavar="FILE", help="a line of JSON for each session (default: into the log)")
    serving.add_arguments(parser)
    child.add_arguments(parser)
    return parser


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not allowed; allowed: a number of at least 1")
    return number
