"""The command line of a recording that serves."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import Optional

import grpc

from padiff_rpc import child, serving
from padiff_rpc.errors import PaDiffError
from padiff_rpc.health import WORKER_SERVICE, Health
from padiff_rpc.logs import write_log
from padiff_rpc.recording_files import RecordingReader
from padiff_rpc.stopping import StopSignals
from padiff_rpc.v1 import worker_pb2_grpc
from padiff_rpc.version import package_version
from padiff_worker.recorded.contents import Contents
from padiff_worker.recorded.player import Player
from padiff_worker.recorded.servicer import RecordedServicer
from padiff_worker.settings import STREAMS


def main(arguments: Optional[list[str]] = None) -> int:
    """Serves a recording until told to stop; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return _describe(given.recording) if given.describe else _serve(given)
    except PaDiffError as error:
        print(f"padiff-recording: {error}", file=sys.stderr)
        return 2


def _serve(given: argparse.Namespace) -> int:
    reached = serving.settled(given, os.environ)
    write_log(reached.log_format)
    signals = StopSignals(ignore_interrupt=given.lifeline_fd is not None)
    child.watch_lifeline(given.lifeline_fd, given.private_folder)
    health = Health(WORKER_SERVICE)
    with RecordingReader(given.recording, field="recording") as reader:
        player = Player(Contents(reader))
        with reached.open(partial(_register, player), health, streams=STREAMS) as address:
            health.set_serving(True)
            child.announce(given.announce_fd, address)
            signals.wait()
            health.set_serving(False)
            player.leases.close()
            signals.drain(player.leases.is_free, reached.drain_seconds)
    return 0


def _describe(path: str) -> int:
    """Prints what is in a recording."""
    with RecordingReader(path, field="recording") as reader:
        contents = Contents(reader)
    shown, worker = contents.recording(), contents.begins.worker
    mode = "train" if shown.model.train else "eval"
    loss = shown.model.loss or "the default"
    has_floors = all(step.floors for step in contents.steps)
    lines = {
        "made": f"{shown.made_at}{', cut short' if shown.cut_short else ''}",
        "model": f"{shown.model.model or worker.served_model}, {mode} mode, seed {shown.model.seed}",
        "worker": f"{worker.framework} {worker.framework_version}, Python {worker.python_version}",
        "steps": f"{len(contents.steps)}, {'forward and backward' if shown.settings.backward else 'forward'}",
        "loss": loss if shown.settings.backward else "none",
        "optimizer": shown.model.optimizer or ("the worker's own" if shown.settings.optimize else "none"),
        "layers": f"{len(contents.layers.layers)}, {len(shown.left_out)} of them left out",
        "tensors": "statistics of large ones only" if shown.statistics_only else "whole",
        "floors": "measured" if has_floors else "not measured",
        "size": f"{os.path.getsize(path) / 2**20:.1f} MiB",
    }
    for name, value in lines.items():
        print(f"{name:<10} {value}")
    return 0


def _register(player: Player, server: grpc.Server) -> None:
    worker_pb2_grpc.add_WorkerServicer_to_server(RecordedServicer(player), server)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="padiff-recording",
        description="Serves a recording to a padiff coordinator, in place of the worker it was made of.",
    )
    parser.add_argument("--version", action="version", version=package_version())
    parser.add_argument("--describe", action="store_true", help="say what is in it, and serve nothing")
    parser.add_argument("recording", metavar="FILE", help="what padiff record wrote")
    serving.add_arguments(parser)
    child.add_arguments(parser)
    return parser
