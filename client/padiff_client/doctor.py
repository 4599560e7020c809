"""Checks of what keeps a comparison from starting: Pythons, packages, versions, addresses, certificates."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Optional

from padiff_client.comparison import Comparison
from padiff_client.findings import Finding, from_error, note, ok, problem
from padiff_client.frameworks import FRAMEWORKS
from padiff_client.interpreter_check import check_interpreter, check_roots
from padiff_client.link import ask_worker, connect
from padiff_client.private_folder import folder_for_sockets
from padiff_client.session import Server
from padiff_client.spec import ModelSpec
from padiff_client.specfile import read_comparison
from padiff_client.tls_check import check_tls
from padiff_client.warm import interpreters, warm_folder
from padiff_compare.judge.kernel import is_installed
from padiff_rpc.errors import InvalidRequestError, PaDiffError, WorkerLostError
from padiff_rpc.limits import limits
from padiff_rpc.paths import checked_path
from padiff_rpc.tensor_codings import PIP_LINE, codings
from padiff_rpc.v1.records import KnownWorker, WorkerInfo
from padiff_rpc.v1.words import WorkerState
from padiff_rpc.version import PROTOCOL_VERSION, package_version


def examine(
    spec_file: Optional[str], server: Optional[Server], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Yields what is found, in the order in which a comparison would meet it.

    Without a spec: an interpreter for each framework, as `environment` names them. `server` goes before
    the spec's own. The user's code is not run.
    """
    yield from _this_process()
    asked: Optional[Comparison] = None
    if spec_file is not None:
        checked_path(spec_file, field="SPEC")
        try:
            asked = read_comparison(spec_file, with_inputs=False).comparison
            yield ok(f"{spec_file}: every key is known")
        except InvalidRequestError as error:
            there = os.path.exists(spec_file)
            mend = "correct that line; docs/spec.md describes every key"
            yield problem(str(error), mend if there else f"correct the name, or run: padiff init {spec_file}")
            return
    server = server or (asked.server if asked is not None else None)
    sides = _sides(asked)
    local = {field: spec for field, spec in sides.items() if _starts_its_own(spec) and server is None}
    if asked is None and server is not None:
        local = {}
    for field, spec in local.items():
        yield from check_interpreter(spec, environment, field=field)
        if asked is not None:
            yield from check_roots(spec, field=field)
    if server is None:
        yield from _embedded()
        yield from _warm(environment)
        for field, spec in sides.items():
            if spec.worker is not None:
                yield from _worker(spec, field)
    else:
        yield from _server(server, sides if asked is not None else {})


def _sides(asked: Optional[Comparison]) -> dict[str, ModelSpec]:
    if asked is not None:
        return {"reference": asked.reference, "candidate": asked.candidate}
    return {name: ModelSpec(framework=name, model="any:any") for name in FRAMEWORKS}


def _starts_its_own(spec: ModelSpec) -> bool:
    """Whether a comparison starts a worker with a framework for it."""
    return spec.worker is None and spec.recording is None


def _this_process() -> Iterator[Finding]:
    try:
        limits()
    except InvalidRequestError as error:
        yield problem(str(error), "correct that environment variable, or unset it")
    yield ok(
        f"client: {sys.executable}: Python {sys.version.split()[0]}, padiff-rpc {package_version()}, "
        f"protocol version {PROTOCOL_VERSION}"
    )


def _embedded() -> Iterator[Finding]:
    """What a comparison needs that starts its own processes."""
    if importlib.util.find_spec("padiff_server") is None:
        yield problem(
            f"coordinator: {sys.executable} has no padiff_server, which an embedded comparison starts",
            f"run: {sys.executable} -m pip install 'padiff-rpc[server]'; or give server: in the spec",
        )
    elif not is_installed():
        yield note(
            "coordinator: installed without a C compiler: tensors are compared by NumPy, more slowly",
            f"install a C compiler, then run: {sys.executable} -m pip install --force-reinstall --no-deps "
            "padiff-rpc",
        )
    try:
        yield ok(f"sockets: {folder_for_sockets()} serves, its path is short enough")
    except PaDiffError as error:
        yield problem(str(error), "run with: TMPDIR=/tmp")


def _warm(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What `padiff up` has left."""
    root = warm_folder(environment)
    try:
        for one in interpreters(root) if root is not None else ():
            yield ok(f"warm: {one.package}: {one.python}, process {one.process}")
    except PaDiffError as error:
        yield problem(f"warm: {error}", "remove that folder")


def _worker(spec: ModelSpec, field: str) -> Iterator[Finding]:
    """A worker that runs already, without a coordinator of its own."""
    if not spec.has_worker_address:
        yield problem(
            f"{field}.worker: {spec.worker!r} is no address; names and labels are a running coordinator's",
            "give server: in the spec, or the worker's address",
        )
        return
    address = str(spec.worker)
    shown = check_tls(address, spec.tls)
    if shown is not None:
        yield shown
        if shown.mend:
            return
    try:
        said = ask_worker(address, token=spec.token or "", tls=spec.tls, insecure=spec.insecure)
    except PaDiffError as error:
        yield from_error(error, address=address)
        return
    if spec.framework and spec.framework != said.framework:
        yield problem(
            f"{field}.framework: {address} runs {said.framework}, not {spec.framework}",
            f"write framework: {said.framework}, or name another worker",
        )
    else:
        yield ok(
            f"{field}: {address}: {said.framework} {said.framework_version}, Python {said.python_version}, "
            f"padiff-rpc {said.package_version}; devices: {', '.join(said.devices)}"
        )
        yield from _compression(field, address, said)


def _compression(field: str, address: str, worker: WorkerInfo) -> Iterator[Finding]:
    """Whether tensors can be compressed, should the connection to a worker be slow."""
    if address.startswith("unix:"):
        return
    ends = (("coordinator", codings()), (field, worker.codings))
    lacking = [name for name, has in ends if not has]
    if lacking:
        them = " and the ".join(lacking)
        yield note(
            f"{field}: tensors are not compressed on a slow connection: the {them} cannot",
            f"run, in the environment of the {them}: {PIP_LINE}",
        )
    else:
        yield ok(f"{field}: tensors are compressed where the connection is slow")


def _server(server: Server, sides: Mapping[str, ModelSpec]) -> Iterator[Finding]:
    shown = check_tls(server.address, server.tls)
    if shown is not None:
        yield shown
        if shown.mend:
            return
    try:
        with connect(
            server.address, token=server.token, tls=server.tls, insecure=server.insecure
        ) as connection:
            yield ok(f"server: {server.address} answers, and speaks our protocol version")
            known = connection.workers()
    except PaDiffError as error:
        yield from_error(error, address=server.address)
        return
    for worker in known:
        yield _known(worker)
    for field, spec in sides.items():
        yield _chosen(spec, known, field)


def _known(worker: KnownWorker) -> Finding:
    said = worker.worker
    if worker.problem or said is None:
        return from_error(
            WorkerLostError(f"worker {worker.name}: {worker.problem or worker.state}"), address=worker.address
        )
    return ok(
        f"worker {worker.name}: {worker.address}: {said.framework} {said.framework_version}, "
        f"Python {said.python_version}, {worker.state}"
    )


def _chosen(spec: ModelSpec, known: tuple[KnownWorker, ...], field: str) -> Finding:
    """Whether the coordinator has the worker that a side asks for."""
    asked = spec.worker_address()
    if spec.worker is None:
        return problem(
            f"{field}.worker: missing", "name a worker of the coordinator: padiff workers lists them"
        )
    found = [
        worker
        for worker in known
        if worker.address == asked.address or worker.name == asked.name or _has(worker, spec)
    ]
    if spec.framework:
        found = [worker for worker in found if worker.framework in ("", spec.framework)]
    if found:
        reachable = [worker.name for worker in found if worker.state is not WorkerState.UNREACHABLE]
        if reachable:
            return ok(f"{field}.worker: {asked} is {', '.join(reachable)}")
        return problem(f"{field}.worker: {asked}: no such worker can be reached", "start one of them")
    if spec.has_worker_address:
        return note(
            f"{field}.worker: {asked} is not in the coordinator's configuration, so it is dialled only if "
            "that was started with --allow-any-worker"
        )
    return problem(
        f"{field}.worker: the coordinator has no worker {asked}"
        + (f" of {spec.framework}" if spec.framework else ""),
        "name one of its workers: padiff workers lists them",
    )


def _has(worker: KnownWorker, spec: ModelSpec) -> bool:
    labels = spec.worker_address().labels
    return bool(labels) and set(labels) <= set(worker.labels)
