"""`padiff runs`, `show`, `rejudge`, `rm` and `attach`: runs that were kept, or go on elsewhere."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from typing import Any

from padiff_client.api import kept_report
from padiff_client.commands.publishing import add_outputs, check_outputs, printed_text, published, publishing
from padiff_client.commands.speaking import add_speaking
from padiff_client.connection_flags import add_credentials, called
from padiff_client.keeping import DAYS_VARIABLE, LIMIT_VARIABLE, STORE_VARIABLE, known_store, store_of
from padiff_client.report import SHORT, Report
from padiff_client.run_state import state_of
from padiff_client.table import print_table
from padiff_client.verbs import attach
from padiff_client.wording import plain
from padiff_compare.report.kept_run import KeptRun
from padiff_compare.report.run_store import StoreRoom
from padiff_rpc.errors import NotFoundError
from padiff_rpc.v1.records import AttachRequest

_HEADINGS = ("RUN", "WHEN", "REFERENCE", "CANDIDATE", "VERDICT", "STEPS", "SIZE", "FIRST DIVERGENCE")
_RUN_HELP = "its id, a beginning of it that no other has, or last"


def add_to(commands: Any) -> None:
    """Adds the commands to the subparsers `commands`."""
    room = StoreRoom()
    runs = commands.add_parser(
        "runs",
        help="list the comparisons that were kept",
        description="Lists the comparisons that were kept, the newest first. Kept are "
        f"{room.mib} MiB ({LIMIT_VARIABLE} sets another number) for {room.days} days ({DAYS_VARIABLE}); the "
        "oldest go first.",
    )
    runs.set_defaults(run=_runs)
    show = commands.add_parser("show", help="print the first screen of a comparison that was kept, or all")
    show.set_defaults(run=_show)
    show.add_argument("name", metavar="RUN", help=_RUN_HELP)
    add_outputs(show)
    show.add_argument(
        "--all",
        dest="outputs",
        action="append_const",
        const=printed_text("--all"),
        help="print the whole report; short for --format text",
    )
    again = commands.add_parser("rejudge", help="judge a kept comparison under other bounds, without a model")
    again.set_defaults(run=_rejudge)
    again.add_argument("name", metavar="RUN", help=_RUN_HELP)
    for flag in ("--atol", "--rtol"):
        again.add_argument(
            flag,
            type=float,
            metavar="X",
            help="allowed is |candidate - reference| <= atol + rtol * |reference| (default: 0)",
        )
    add_outputs(again)
    following = commands.add_parser("attach", help="follow a detached comparison of a running coordinator")
    following.set_defaults(run=_attach)
    following.add_argument("name", metavar="SESSION", help="its id, or the beginning of a run's here")
    following.add_argument("--server", required=True, metavar="ADDRESS", help="the coordinator")
    following.add_argument("--end", action="store_true", help="end the comparison; its report says so")
    add_credentials(following)
    add_speaking(following)
    add_outputs(following)
    remove = commands.add_parser("rm", help="remove comparisons that were kept")
    remove.set_defaults(run=_remove)
    remove.add_argument("names", nargs="+", metavar="RUN", help=_RUN_HELP)
    for command in (runs, show, again, following, remove):
        add_store(command)


def add_store(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that names the store."""
    parser.add_argument(
        "--store",
        metavar="FOLDER",
        help=f"where runs are kept, or none (default: ${STORE_VARIABLE}, else the user's data folder)",
    )


def _runs(given: argparse.Namespace) -> int:
    store = known_store(given.store, os.environ)
    found = store.runs()
    if not found:
        print(f"no run is kept in {store.folder}")
        return 0
    print_table([_HEADINGS, *map(_cells, found)])
    return 0


def _cells(run: KeptRun) -> tuple[str, ...]:
    report = Report(run.summary, kept=run)
    divergence = report.first_divergence
    return (
        run.head.id[:SHORT],
        time.strftime("%Y-%m-%d %H:%M", time.localtime(run.head.started_at)),
        plain(run.head.reference),
        plain(run.head.candidate),
        state_of(report).value,
        str(len(report.steps)),
        f"{run.size_bytes / 2**20:.1f} MiB",
        divergence.summary if divergence is not None else "-",
    )


def _show(given: argparse.Namespace) -> int:
    check_outputs(given)
    report = kept_report(given.name, given.store)
    return published(report, given, kept=report.kept)


def _rejudge(given: argparse.Namespace) -> int:
    check_outputs(given)
    kept = kept_report(given.name, given.store)
    return published(kept.rejudged(atol=given.atol, rtol=given.rtol), given)


def _attach(given: argparse.Namespace) -> int:
    check_outputs(given)
    server = called(given.server, given, os.environ, field="--server")
    store = store_of(given.store, os.environ)
    name = given.name
    if store is not None:
        with contextlib.suppress(NotFoundError):
            name = store.find(name).head.id
    asked = AttachRequest(session=name, end=given.end)
    return publishing(lambda onlooker: attach(server, asked, store, onlooker), given)


def _remove(given: argparse.Namespace) -> int:
    store = known_store(given.store, os.environ)
    found = {run.head.id: run for run in map(store.find, given.names)}
    for run in found.values():
        store.remove(run)
    return 0
