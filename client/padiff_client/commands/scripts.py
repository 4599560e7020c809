"""`padiff run`: a user's own training script, whose steps are compared with another one's."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Optional

from padiff_client.commands.publishing import add_outputs, check_outputs, publishing
from padiff_client.commands.recording import recording
from padiff_client.commands.speaking import add_speaking, speaking
from padiff_client.commands.spec_runs import add_keeping, add_patience, patient
from padiff_client.comparison import Comparison
from padiff_client.frameworks import FRAMEWORKS
from padiff_client.keeping import store_of
from padiff_client.private_folder import private_folder
from padiff_client.progress import Onlooker
from padiff_client.recording import RecordingAsked
from padiff_client.rendezvous import rendezvous_of
from padiff_client.report import Report
from padiff_client.script_runs import AskedScript, candidate_run, lone_run, reference_run, serve_script
from padiff_client.spec import ModelSpec
from padiff_client.specfile import ScriptsFile, read_scripts_file
from padiff_client.verbs import compare
from padiff_rpc.addresses import check_address
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.serving import TOKEN_VARIABLE, read_token
from padiff_rpc.v1.words import KeptTensors, Side
from padiff_rpc.watch_orders import Afterwards, WatchOrders

_OF_THE_CANDIDATE = "is for the command of --side candidate, which compares and reports; leave it out here"
_WATCH = " or ".join(f"{known.package}.watch(model, optimizer)" for known in FRAMEWORKS.values())
_DESCRIPTION = f"""
Runs COMMAND, a training script that calls {_WATCH}
before its first step, or whose model's class is named (--watch). The steps of two scripts of one --name
are compared as they make them: each waits for the other one. The candidate's command reports, and exits
as padiff compare does; the reference's says where the report is. A step begins with a forward of the
model in train mode, and ends when its optimizer has stepped. Nothing of a script's own is replaced, its
batches and random numbers least of all, so that it is judged freely.
"""


def add_to(commands: Any) -> None:
    """Adds the command to the subparsers `commands`."""
    parser = commands.add_parser(
        "run",
        help="run a training script as it is, and compare its steps with another one's",
        description=_DESCRIPTION,
        usage="padiff run (--side SIDE --name NAME | --record FILE | --against FILE | --listen ADDRESS) "
        "[FLAGS] -- COMMAND ...",
    )
    parser.set_defaults(run=_run)
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="as in: python train.py --epochs 1")
    parser.add_argument("--side", choices=[str(side) for side in Side], help="which one this script is")
    parser.add_argument(
        "--name", metavar="NAME", help="a name of your choice, the same for both commands of one machine"
    )
    parser.add_argument(
        "--record", metavar="FILE", help="record the steps there, in place of --side and --name"
    )
    parser.add_argument(
        "--against",
        metavar="FILE",
        help="compare with the script that was recorded there, in place of --side and --name",
    )
    parser.add_argument(
        "--watch",
        default="",
        metavar="CLASS",
        help="watch the first model of this class; then no line of the script has to say watch()",
    )
    parser.add_argument(
        "--then",
        choices=[str(one) for one in Afterwards],
        default=str(Afterwards.STOP),
        help="what the script does when all steps are compared (default: %(default)s)",
    )
    add_speaking(parser)
    _add_serving(parser.add_argument_group("for a script on another machine, which padiff compare is given"))
    _add_comparing(parser.add_argument_group("for the candidate, whose command compares"))


def _add_serving(group: Any) -> None:
    add = group.add_argument
    add("--listen", metavar="ADDRESS", help="serve there, in place of --side and --name")
    add(
        "--token-file",
        metavar="FILE",
        help=f"holds what callers must present (default: ${TOKEN_VARIABLE})",
    )
    add("--tls-cert", metavar="FILE", help="own certificate, PEM")
    add("--tls-key", metavar="FILE", help="its key")
    add("--tls-ca", metavar="FILE", help="callers must show a certificate of this CA")
    add("--insecure", action="store_true", help="serve other machines in plain text")


def _add_comparing(group: Any) -> None:
    group.add_argument("--steps", type=int, metavar="N", help="how many steps are compared (default: 1)")
    group.add_argument("--spec", metavar="FILE", help="a YAML file with options and layer_map")
    group.add_argument(
        "--copy-weights", action="store_true", help="give the candidate the reference's weights before step 0"
    )
    add_patience(group)
    add_outputs(group)
    add_keeping(group)


def _run(given: argparse.Namespace) -> int:
    lone = [flag for flag in ("listen", "record", "against") if getattr(given, flag) is not None]
    if lone:
        _check_meets_nobody(given, lone)
        if lone[0] != "listen":
            _check_serves_nobody(given)
        return {"listen": _serve, "record": _record, "against": _compare_with_recording}[lone[0]](given)
    if given.side is None or given.name is None:
        raise InvalidRequestError(
            "missing; two commands on one machine meet by --side and --name, others serve by --listen, or "
            "go alone by --record or --against",
            field="--name" if given.side else "--side",
        )
    _check_serves_nobody(given)
    rendezvous, side = rendezvous_of(given.name), Side(given.side)
    asked = _asked(
        given,
        WatchOrders(
            listen=rendezvous.listen(side),
            announce=str(rendezvous.announcement(side)),
            afterwards=Afterwards(given.then),
        ),
        rendezvous.orders(side),
    )
    if side is Side.REFERENCE:
        _check_compares_nothing(given)
        with speaking(given, has_terminal=False, has_course=False) as onlooker:
            return reference_run(rendezvous, asked, onlooker)
    check_outputs(given)
    comparison = _comparison(given)

    def run(onlooker: Onlooker) -> Report:
        def compare_at(candidate: str, reference: str) -> Report:
            models = ModelSpec(worker=candidate), ModelSpec(worker=reference)
            return compare(replace(comparison, candidate=models[0], reference=models[1], onlooker=onlooker))

        return candidate_run(rendezvous, asked, compare_at, onlooker)

    return publishing(run, given, has_terminal=False)


def _asked(given: argparse.Namespace, orders: WatchOrders, orders_file: Any) -> AskedScript:
    if given.watch:
        adapters = {known.name: ":".join(known.adapter) for known in FRAMEWORKS.values()}
        orders = replace(orders, watched_class=given.watch, adapters=adapters)
    return AskedScript(
        command=tuple(given.command), environment=os.environ, orders=orders, orders_file=orders_file
    )


def _comparison(given: argparse.Namespace) -> Comparison:
    """Returns the comparison that was asked for, on two models that are put in place later."""
    spec = read_scripts_file(given.spec) if given.spec is not None else ScriptsFile()
    later = ModelSpec(worker="unix:/not-known-yet")
    return Comparison(
        candidate=later,
        reference=later,
        auto_weights=given.copy_weights,
        steps=given.steps if given.steps is not None else Comparison.steps,
        options=patient(spec.options, given),
        layer_map=spec.layer_map.to_record(),
        store=store_of(given.store, os.environ),
        keep=KeptTensors(given.keep),
        keep_mib=given.keep_mib,
    )


def _check_compares_nothing(given: argparse.Namespace) -> None:
    _check_absent(given, ("steps", "spec", "timeout"), _OF_THE_CANDIDATE)
    _check_reports_nothing(given)


def _check_reports_nothing(given: argparse.Namespace) -> None:
    _check_absent(given, ("copy_weights", "store"), _OF_THE_CANDIDATE)
    if given.outputs:
        raise InvalidRequestError(_OF_THE_CANDIDATE, field=given.outputs[0].flag)


def _check_serves_nobody(given: argparse.Namespace) -> None:
    _check_absent(given, ("token_file", "tls_cert", "tls_key", "tls_ca", "insecure"), "goes with --listen")


def _check_absent(given: argparse.Namespace, flags: Sequence[str], why: str) -> None:
    for flag in flags:
        if getattr(given, flag):
            raise InvalidRequestError(why, field=f"--{flag.replace('_', '-')}")


def _check_meets_nobody(given: argparse.Namespace, lone: Sequence[str]) -> None:
    if given.side is not None or given.name is not None:
        raise InvalidRequestError(
            f"a script with --{lone[0]} meets nobody by name; leave it out", field="--name"
        )
    if len(lone) > 1:
        raise InvalidRequestError(f"not with --{lone[0]}; leave one of them out", field=f"--{lone[1]}")


def _record(given: argparse.Namespace) -> int:
    """Runs a script alone, and keeps its steps in a file."""
    _check_reports_nothing(given)
    spec = read_scripts_file(given.spec) if given.spec is not None else ScriptsFile()

    def record_at(address: str) -> int:
        asked = RecordingAsked(
            model=ModelSpec(worker=address),
            steps=given.steps if given.steps is not None else RecordingAsked.steps,
            options=patient(spec.options, given),
        )
        return recording(asked, given.record, given, has_terminal=False)

    with _alone(given) as asked:
        return lone_run(asked, record_at)


def _compare_with_recording(given: argparse.Namespace) -> int:
    """Runs the candidate's script, and compares its steps with those of a script that was recorded."""
    check_outputs(given)
    comparison = replace(_comparison(given), reference=ModelSpec(recording=given.against))

    with _alone(given) as asked:

        def run(onlooker: Onlooker) -> Report:
            def compare_at(address: str) -> Report:
                candidate = ModelSpec(worker=address)
                return compare(replace(comparison, candidate=candidate, onlooker=onlooker))

            return lone_run(asked, compare_at)

        # The script writes to the terminal as well.
        return publishing(run, given, has_terminal=False)


@contextmanager
def _alone(given: argparse.Namespace) -> Iterator[AskedScript]:
    """Provides what is asked of a script that serves this command alone."""
    with private_folder() as folder:
        orders = WatchOrders(
            listen=folder.socket_address("script"),
            announce=str(folder.path / "address"),
            afterwards=Afterwards(given.then),
        )
        yield _asked(given, orders, folder.path / "orders")


def _serve(given: argparse.Namespace) -> int:
    """Runs a script that a comparison elsewhere is given the address of."""
    _check_compares_nothing(given)
    if bool(given.tls_cert) != bool(given.tls_key):
        raise InvalidRequestError("--tls-cert: --tls-cert and --tls-key go together")
    check_address(given.listen, has_tls=bool(given.tls_cert), insecure=given.insecure, field="--listen")
    token = os.environ.get(TOKEN_VARIABLE, "")
    if given.token_file is not None:
        token = read_token(given.token_file, field="--token-file")
    with private_folder() as folder:
        orders = WatchOrders(
            listen=given.listen,
            announce=str(folder.path / "address"),
            afterwards=Afterwards(given.then),
            token=token,
            tls_certificate=_absolute(given.tls_cert),
            tls_key=_absolute(given.tls_key),
            tls_ca=_absolute(given.tls_ca),
            insecure=given.insecure,
        )
        with speaking(given, has_terminal=False, has_course=False) as onlooker:
            return serve_script(_asked(given, orders, folder.path / "orders"), onlooker)


def _absolute(file: Optional[str]) -> str:
    return os.path.abspath(file) if file else ""
