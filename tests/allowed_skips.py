"""The list of allowed skips. `tests/conftest.py` asks here about each one; any other fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec


@dataclass(frozen=True)
class AllowedSkip:
    """One line of the list.

    Attributes:
        tests: the files of the tests, as a pattern from the repository's root.
        reason: what the skip says of itself, as a regular expression that fits its beginning.
        when: the circumstances, in words.
        holds: whether they are given on this machine.
    """

    tests: str
    reason: str
    when: str
    holds: Callable[[], bool]


def _lacks(module: str) -> Callable[[], bool]:
    return lambda: find_spec(module) is None


def _outside_ci() -> bool:
    return not os.environ.get("CI")


def _not_root() -> bool:
    return os.geteuid() != 0


def _cannot_install_tools() -> bool:
    return _outside_ci() or _not_root() or shutil.which("apt-get") is None


def _without(*namespaces: str) -> Callable[[], bool]:
    def refused() -> bool:
        command = ["unshare", *(f"--{kind}" for kind in namespaces), "true"]
        return shutil.which("unshare") is None or subprocess.run(command, capture_output=True).returncode != 0

    return refused


def _always() -> bool:
    return True


def _before_paddle_3() -> bool:
    paddle = sys.modules.get("paddle")
    return paddle is not None and str(paddle.__version__).startswith("2.")


_ABSENT_FROM_THE_FAKE = (
    "transposed views|operation with two outputs|buffers that are not saved|Adam|DataLoader"
    "|random operation of this kind"
)

ALLOWED = (
    # Each framework's suite runs in that framework's environment.
    AllowedSkip(
        "tests/conformance/test_torch*.py", "could not import 'torch'", "Torch is absent", _lacks("torch")
    ),
    AllowedSkip(
        "tests/conformance/test_paddle*.py", "could not import 'paddle'", "Paddle is absent", _lacks("paddle")
    ),
    AllowedSkip(
        "tests/conformance/test_torch*.py",
        "safetensors is installed",
        "the test is of its absence",
        lambda: find_spec("safetensors") is not None,
    ),
    AllowedSkip(
        "tests/conformance/test_paddle*.py",
        "before 3.0 Paddle (can do little with no elements|has another dropout|has no AMSGrad|has no names)",
        "with Paddle 2",
        _before_paddle_3,
    ),
    AllowedSkip("tests/conformance/test_paddle*.py", "no autocast on the CPU", "on some CPUs", _always),
    # The NumPy fake is a small framework.
    AllowedSkip("tests/conformance/test_fake.py", f"no ({_ABSENT_FROM_THE_FAKE})$", "always", _always),
    # A developer may have made but one environment; CI makes all.
    AllowedSkip("tests/*", "no interpreter with (torch|paddle): run `make test`", "outside CI", _outside_ci),
    AllowedSkip("tests/*", "no environment (with )?\\w+: run `make", "outside CI", _outside_ci),
    AllowedSkip("tests/e2e/*", "no transformers in the environment", "outside CI", _outside_ci),
    AllowedSkip("tests/e2e/*", "could not import '(sklearn|PIL)'", "outside CI", _outside_ci),
    # Hosts, containers and pages.
    AllowedSkip("tests/net/*", "network namespaces need root", "not root", _not_root),
    AllowedSkip(
        "tests/net/*",
        "network namespaces need the `ip` command",
        "it cannot be installed",
        _cannot_install_tools,
    ),
    AllowedSkip(
        "tests/net/*", "no network namespaces can be made here", "`unshare --net` fails", _without("net")
    ),
    AllowedSkip(
        "tests/net/*",
        "a slow link needs /dev/net/tun",
        "it is absent",
        lambda: not os.path.exists("/dev/net/tun"),
    ),
    AllowedSkip("tests/net/*", "no environment \\w+: make found no Python of its version", "always", _always),
    AllowedSkip("tests/containers/*", "containers need root here", "not root", _not_root),
    AllowedSkip(
        "tests/containers/*", "containers need .*: run", "they cannot be installed", _cannot_install_tools
    ),
    AllowedSkip(
        "tests/browser/*", "pages need chromium: run", "it cannot be installed", _cannot_install_tools
    ),
    AllowedSkip(
        "tests/browser/*", "could not import '(playwright|axe_playwright)", "outside CI", _outside_ci
    ),
    AllowedSkip(
        "tests/containers/*",
        "no container runs on this machine",
        "`unshare --mount --net --pid --fork` fails",
        _without("mount", "net", "pid", "fork"),
    ),
)


def is_allowed(test: str, reason: str) -> bool:
    """Returns whether the test of that id may be skipped for that reason, here and now."""
    file = test.partition("::")[0]
    return any(
        fnmatch(file, allowed.tests) and re.match(allowed.reason, reason) and allowed.holds()
        for allowed in ALLOWED
    )
