"""`padiff workers` and `padiff health`: what runs already, and how it is."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

import grpc

from padiff_client.connection_flags import add_credentials, called
from padiff_client.exit_codes import TROUBLE
from padiff_client.link import connect
from padiff_client.table import print_table
from padiff_rpc.error_statuses import error_from_rpc
from padiff_rpc.health import check_health
from padiff_rpc.transport import open_channel
from padiff_rpc.v1.records import KnownWorker
from padiff_rpc.v1.words import WorkerState

NOT_SERVING = 1
_HEALTH_SECONDS = 5.0
_HEADINGS = ("NAME", "STATE", "FRAMEWORK", "PYTHON", "DEVICES", "LABELS", "ADDRESS")


def add_to(commands: Any) -> None:
    """Adds both commands to the subparsers `commands`."""
    workers = commands.add_parser("workers", help="list the workers that a coordinator knows")
    workers.set_defaults(run=_workers)
    workers.add_argument("--server", required=True, metavar="ADDRESS", help="the coordinator")
    workers.add_argument("--json", action="store_true", help="print JSON")
    add_credentials(workers)
    health = commands.add_parser(
        "health",
        help="ask whether a coordinator or worker is ready; exits with 0 if so, 1 if not, 2 without answer",
    )
    health.set_defaults(run=_health)
    health.add_argument("address", metavar="ADDRESS", help="unix:/path or host:port")
    health.add_argument("--service", default="", metavar="NAME", help="a service of it (default: all of it)")
    add_credentials(health)


def _workers(given: argparse.Namespace) -> int:
    server = called(given.server, given, os.environ, field="--server")
    with connect(server.address, token=server.token, tls=server.tls, insecure=server.insecure) as connection:
        found = connection.workers()
    if given.json:
        print(json.dumps([_plain(worker) for worker in found], indent=2))
        return 0
    if not found:
        print("the coordinator knows no workers: its configuration names none", file=sys.stderr)
        return 0
    print_table([_HEADINGS, *(_cells(worker) for worker in found)])
    for worker in found:
        if worker.problem:
            print(f"{worker.name}: {worker.problem}", file=sys.stderr)
    return 0


def _cells(worker: KnownWorker) -> tuple[str, ...]:
    said = worker.worker
    return (
        worker.name,
        str(worker.state),
        f"{said.framework} {said.framework_version}" if said is not None else worker.framework or "?",
        said.python_version if said is not None else "?",
        ", ".join(said.devices) if said is not None else "?",
        ", ".join(f"{label.name}={label.value}" for label in worker.labels),
        worker.address,
    )


def _plain(worker: KnownWorker) -> dict[str, Any]:
    said = worker.worker
    plain: dict[str, Any] = {
        "name": worker.name,
        "address": worker.address,
        "state": str(worker.state),
        "framework": said.framework if said is not None else worker.framework,
        "labels": {label.name: label.value for label in worker.labels},
    }
    if said is not None:
        plain |= {
            "framework_version": said.framework_version,
            "python_version": said.python_version,
            "numpy_version": said.numpy_version,
            "package_version": said.package_version,
            "protocol_version": said.protocol_version,
            "host": said.host,
            "devices": list(said.devices),
            "served_model": said.served_model,
        }
    if worker.state is WorkerState.UNREACHABLE:
        plain["problem"] = worker.problem
    return plain


def _health(given: argparse.Namespace) -> int:
    server = called(given.address, given, os.environ, field="ADDRESS")
    with open_channel(
        server.address, token=server.token, tls=server.tls, insecure=server.insecure
    ) as channel:
        try:
            serving = check_health(channel, given.service, timeout=_HEALTH_SECONDS)
        except grpc.RpcError as failure:
            print(f"padiff: {error_from_rpc(failure, peer=server.address)}", file=sys.stderr)
            return TROUBLE
    print("serving" if serving else "not serving")
    return 0 if serving else NOT_SERVING
