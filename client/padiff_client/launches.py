"""The command lines and environments of embedded mode's three processes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Optional

from platformdirs import user_cache_dir

from padiff_client.child_process import Launch
from padiff_client.frameworks import FRAMEWORKS
from padiff_client.private_folder import PrivateFolder
from padiff_client.progress import Onlooker
from padiff_client.spec import ModelSpec
from padiff_client.spec_paths import near_file
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.recording_files import RecordingReader
from padiff_rpc.records import record

COORDINATOR = "coordinator"
# Names the folder where measured floors are kept, or says that they are not.
FLOORS_VARIABLE, NOTHING_KEPT = "PADIFF_FLOORS", "none"
_DISTRIBUTION = "padiff-rpc"
# Large receive buffers come from the heap and stay there: page faults cost more than the copy. A higher first
# threshold than this one the C library ignores.
_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(16 << 20),
}


@record
class CallerProcess:
    """What the caller's process is like: its environment, and who hears how the run goes."""

    environment: Mapping[str, str]
    onlooker: Optional[Onlooker] = None


def interpreter(spec: ModelSpec, environment: Mapping[str, str], *, field: str) -> tuple[str, str]:
    """Returns the interpreter of a worker, and the field or variable that named it.

    Raises InvalidRequestError when there is no such file.
    """
    variable = FRAMEWORKS[spec.framework].interpreter_variable
    if spec.python:
        given, source = os.path.expanduser(os.fspath(spec.python)), f"{field}.python"
    elif environment.get(variable):
        given, source = os.path.expanduser(environment[variable]), variable
    else:
        return sys.executable, f"{field}.python"
    # A symlink stays one: resolving it would leave the virtual environment.
    found = os.path.abspath(given) if os.sep in given else shutil.which(given, path=environment.get("PATH"))
    if found is None or not os.path.isfile(found):
        hint = f"; did you mean {found}/bin/python?" if found and os.path.isdir(found) else ""
        hint = hint or (near_file(found) if found else "")
        raise InvalidRequestError(
            f"{given} is not an interpreter on this machine{hint or '; name one, as /env/bin/python'}",
            field=source,
        )
    return found, source


def _meant_folder(path: str) -> str:
    if os.path.isfile(path):
        return f"; did you mean {os.path.dirname(path)}, which holds the file?"
    return near_file(path)


def worker_launch(
    name: str,
    spec: ModelSpec,
    caller: CallerProcess,
    *,
    field: str,
    token: str,
    folder: PrivateFolder,
    save_root: Optional[str],
    workers_here: int,
) -> Launch:
    """Returns the launch of `spec`'s worker; `field` names the spec in errors ("layer", "module")."""
    python, source = interpreter(spec, caller.environment, field=field)
    arguments = ["--listen", folder.socket_address(name)]
    for entry in spec.path:
        root = os.path.abspath(os.path.expanduser(entry))
        if not os.path.isdir(root):
            raise InvalidRequestError(
                f"{root} is not a folder on this machine{_meant_folder(root)}", field=f"{field}.path"
            )
        arguments += ["--path", root]
    for package in spec.allow:
        arguments += ["--allow", package]
    if save_root is not None:
        arguments += ["--save-root", save_root]
    environment = _child_environment(caller.environment, token, folder)
    cores = _usable_cores()
    if "OMP_NUM_THREADS" not in environment and workers_here > 1:
        arguments += ["--threads-alone", str(cores)]
    for variable, value in {
        "OMP_NUM_THREADS": str(max(1, cores // workers_here)),
        # Two workers that spin at barriers fight over the cores.
        "OMP_WAIT_POLICY": "PASSIVE",
    }.items():
        environment.setdefault(variable, value)
    package = FRAMEWORKS[spec.framework].package
    return Launch(
        name=f"{name} worker",
        python=python,
        package=package,
        arguments=tuple(arguments),
        environment=environment,
        mend=_mend(package, extra=spec.framework, framework=spec.framework),
        python_field=source,
    )


def recording_launch(
    name: str, spec: ModelSpec, caller: CallerProcess, *, field: str, token: str, folder: PrivateFolder
) -> Launch:
    """Returns the launch of what shows a recording, under this process's own interpreter.

    Raises InvalidRequestError for what is no recording.
    """
    path = os.path.abspath(os.path.expanduser(os.fspath(spec.recording or "")))
    RecordingReader(path, field=f"{field}.recording").close()
    return Launch(
        name=f"{name} worker",
        python=sys.executable,
        package="padiff_worker.recorded",
        arguments=(path, "--listen", folder.socket_address(name)),
        environment=_child_environment(caller.environment, token, folder),
        mend=_mend("padiff_worker", extra="server"),
        python_field="recording",
    )


def coordinator_launch(caller: CallerProcess, *, token: str, folder: PrivateFolder) -> Launch:
    """Returns the launch of the coordinator, under this process's own interpreter."""
    arguments = ["--listen", folder.socket_address(COORDINATOR), "--spill-folder", str(folder.temporary)]
    floors = caller.environment.get(FLOORS_VARIABLE) or os.path.join(user_cache_dir("padiff"), "floors")
    if floors != NOTHING_KEPT:
        arguments += ["--floors-folder", os.path.abspath(os.path.expanduser(floors))]
    return Launch(
        name=COORDINATOR,
        python=sys.executable,
        package="padiff_server",
        arguments=tuple(arguments),
        environment=_child_environment(caller.environment, token, folder),
        mend=_mend("padiff_server", extra="server"),
        python_field="coordinator",
    )


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; a container may grant fewer than the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _child_environment(own: Mapping[str, str], token: str, folder: PrivateFolder) -> dict[str, str]:
    environment = dict(own)
    for variable, value in _MALLOC.items():
        environment.setdefault(variable, value)
    # A data loader that forks inside an open stream dies otherwise.
    environment["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    environment["PADIFF_TOKEN"] = token
    # Frameworks leave caches in the temporary folder; these go when the processes go.
    environment["TMPDIR"] = str(folder.temporary)
    return environment


def _mend(package: str, *, extra: str, framework: str = "") -> dict[str, str]:
    ours: Sequence[str] = (package, "padiff_worker", "padiff_rpc", "grpc", "grpc_status", "msgpack", "google")
    mend = dict.fromkeys(ours, f"'{_DISTRIBUTION}[{extra}]'")
    if framework:
        mend[framework] = FRAMEWORKS[framework].distribution
    return mend
