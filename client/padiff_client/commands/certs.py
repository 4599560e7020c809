"""`padiff certs`: certificates for coordinators, workers and clients."""

from __future__ import annotations

import argparse
from typing import Any

from padiff_client.certificate_facts import read_certificates
from padiff_client.certs import make_certificates, make_client_certificate
from padiff_client.exit_codes import TROUBLE

DAYS = 365


def add_to(commands: Any) -> None:
    """Adds the command to the subparsers `commands`."""
    parser = commands.add_parser("certs", help="make certificates, or say what there is and when it ends")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    init = verbs.add_parser("init", help="make a CA, and certificates for server, worker and client")
    init.set_defaults(run=_init)
    init.add_argument("folder", nargs="?", default="certs", metavar="DIR", help="where (default: certs)")
    init.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name or IP address of a machine that serves (again for more); this machine's own are in",
    )
    init.add_argument(
        "--days",
        type=int,
        default=DAYS,
        metavar="N",
        help=f"how many days they are good for (default: {DAYS})",
    )
    init.add_argument("--force", action="store_true", help="replace what is there")
    client = verbs.add_parser(
        "client", help="make a client's own certificate, by which a coordinator knows it"
    )
    client.set_defaults(run=_client)
    client.add_argument("name", metavar="NAME", help="what the coordinator's file calls the client")
    client.add_argument(
        "folder", nargs="?", default="certs", metavar="DIR", help="of the CA (default: certs)"
    )
    client.add_argument(
        "--days",
        type=int,
        default=DAYS,
        metavar="N",
        help=f"how many days they are good for (default: {DAYS})",
    )
    client.add_argument("--force", action="store_true", help="replace what is there")
    show = verbs.add_parser("show", help="say what is there; exits with 2 if something has ended or is wrong")
    show.set_defaults(run=_show)
    show.add_argument("folder", nargs="?", default="certs", metavar="DIR", help="where (default: certs)")


def _init(given: argparse.Namespace) -> int:
    for file in make_certificates(given.folder, given.host, days=given.days, force=given.force):
        print(file)
    return 0


def _client(given: argparse.Namespace) -> int:
    for file in make_client_certificate(given.folder, given.name, days=given.days, force=given.force):
        print(file)
    return 0


def _show(given: argparse.Namespace) -> int:
    found = read_certificates(given.folder)
    for one in found:
        key = "" if one.has_key else "; its key is not here"
        print(f"{one.file}: {one.subject}; ends {one.ends:%Y-%m-%d %H:%M} UTC{key}")
        if one.hosts:
            print(f"  for {', '.join(one.hosts)}")
        if one.problem:
            print(f"  WARNING: {one.problem}")
    return TROUBLE if any(one.problem for one in found) else 0
