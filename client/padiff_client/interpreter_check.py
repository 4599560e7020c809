"""Whether an interpreter can run a worker: what is installed in it, of which version, and what imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any, Optional

from padiff_client.child_process import SAFE_PATH
from padiff_client.findings import Finding, ok, problem
from padiff_client.frameworks import FRAMEWORKS
from padiff_client.launches import interpreter
from padiff_client.spec import ModelSpec
from padiff_client.spec_paths import near_file
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import near_modules
from padiff_rpc.version import PROTOCOL_VERSION

# A framework on a cold disk takes its time.
_PROBE_SECONDS = 120
_OLDEST_PYTHON = (3, 9)
_MARK = "padiff-doctor: "
_PROBE = """
import importlib, json, platform, sys
from importlib import metadata
framework, package, module, adapter, mark = sys.argv[1:]
said = {"python": platform.python_version(), "versions": {}, "troubles": {}}
for name in ("padiff-rpc", "grpcio", "protobuf", "numpy", "msgpack"):
    try:
        said["versions"][name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
def tried(name, attempt):
    try:
        said[name] = attempt()
    except BaseException as error:
        said["troubles"][name] = "%s: %s" % (type(error).__name__, error)
tried("protocol", lambda: importlib.import_module("padiff_rpc.version").PROTOCOL_VERSION)
tried("worker", lambda: importlib.import_module(package).__name__)
tried("framework", lambda: importlib.import_module(framework).__version__)
def devices():
    return list(getattr(importlib.import_module(module), adapter)().devices())
if not said["troubles"]:
    tried("devices", devices)
print("\\n" + mark + json.dumps(said))
"""


def check_interpreter(spec: ModelSpec, environment: Mapping[str, str], *, field: str) -> Iterator[Finding]:
    """Yields what is found of the interpreter of a worker that would be started here for `spec`."""
    try:
        python, _ = interpreter(spec, environment, field=field)
    except InvalidRequestError as error:
        yield problem(str(error), _name_another(spec.framework))
        return
    said, trouble = _probed(python, spec.framework, environment)
    if said is None:
        yield problem(f"{field}: {python} {trouble}", _name_another(spec.framework))
        return
    found = list(_problems(said, python, spec, field))
    yield from found
    if not found:
        versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
        yield ok(
            f"{field}: {python}: Python {said['python']}, {spec.framework} {said['framework']}, {versions}; "
            f"devices: {', '.join(said['devices'])}"
        )


def check_roots(spec: ModelSpec, *, field: str) -> Iterator[Finding]:
    """Yields problems with the import roots, and with a reference whose module is in none of them."""
    roots = [os.path.abspath(os.path.expanduser(os.fspath(root))) for root in spec.path]
    missing = [root for root in roots if not os.path.isdir(root)]
    for root in missing:
        yield problem(f"{field}.path: {root} is no folder{near_file(root)}", "correct path in the spec")
    top = spec.model.partition(":")[0].partition(".")[0]
    places = [os.path.join(root, top) for root in roots]
    is_there = any(os.path.isdir(place) or os.path.isfile(f"{place}.py") for place in places)
    if top and not missing and not is_there and top not in spec.allow:
        yield problem(
            f"{field}.model: {spec.model}: there is no module {top} in {', '.join(roots) or 'any folder'}"
            f"{near_modules(top, roots)}",
            f"correct model, or add the folder that has {top} to path",
        )


def _name_another(framework: str) -> str:
    variable = FRAMEWORKS[framework].interpreter_variable
    return f"set python in the spec, or {variable}, to /path/to/env/bin/python"


def _probed(
    python: str, framework: str, environment: Mapping[str, str]
) -> tuple[Optional[dict[str, Any]], str]:
    """Returns what the interpreter says of itself, or None and what went wrong."""
    known = FRAMEWORKS[framework]
    command = [python, "-c", SAFE_PATH + _PROBE, framework, known.package, *known.adapter, _MARK]
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            env=dict(environment),
            check=False,
        )
    except OSError as error:
        return None, f"cannot be run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return None, f"did not import {framework} within {_PROBE_SECONDS} s"
    for line in reversed(ended.stdout.splitlines()):
        if line.startswith(_MARK):
            said: dict[str, Any] = json.loads(line[len(_MARK) :])
            return said, ""
    last = (ended.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
    return None, f"is no Python that can be asked: exit code {ended.returncode}: {last}"


def _problems(said: dict[str, Any], python: str, spec: ModelSpec, field: str) -> Iterator[Finding]:
    framework, troubles = spec.framework, said["troubles"]
    pip = f"run: {python} -m pip install"
    ours = f"{pip} --upgrade 'padiff-rpc[{framework}]'"
    if _numbers(said["python"]) < _OLDEST_PYTHON:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        yield problem(
            f"{field}: {python} is Python {said['python']}, and workers need {oldest}",
            _name_another(framework),
        )
        return
    for name in ("protocol", "worker"):
        if name in troubles:
            yield problem(f"{field}: {python} has no worker for {framework} ({troubles[name]})", ours)
            return
    if said["protocol"] != PROTOCOL_VERSION:
        yield problem(
            f"{field}: {python} speaks protocol version {said['protocol']} and this side {PROTOCOL_VERSION}",
            ours,
        )
    for name, oldest in _lower_bounds().items():
        installed = said["versions"].get(name)
        if installed is not None and _numbers(installed) < _numbers(oldest):
            yield problem(
                f"{field}: {python} has {name} {installed}, and {oldest} is the oldest that serves",
                f"{pip} --upgrade '{name}>={oldest}'",
            )
    if "framework" in troubles:
        yield problem(
            f"{field}: {python} cannot import {framework} ({troubles['framework']})",
            f"{pip} {FRAMEWORKS[framework].distribution}; or {_name_another(framework)} of one that has it",
        )
    elif "devices" in troubles:
        yield problem(f"{field}: {python}: the worker does not start ({troubles['devices']})", ours)
    elif spec.device not in said.get("devices", [spec.device]):
        usable = ", ".join(said["devices"])
        yield problem(
            f"{field}.device: {spec.device} is not usable by {python}; usable: {usable}",
            f"name one of these, or install a build of {framework} for that device",
        )


def _lower_bounds() -> dict[str, str]:
    """Returns the oldest versions that serve, by distribution, as our own metadata has them."""
    try:
        required = metadata.requires("padiff-rpc") or []
    except metadata.PackageNotFoundError:  # a bare checkout
        required = []
    found = (re.match(r"([\w-]+)\s*>=\s*([\d.]+)\s*$", line) for line in required)
    return {match[1]: match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
