"""The `padiff` command. Exit codes as diff(1): 0 match, 1 mismatch, 2 trouble; 130 after Ctrl-C."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn, Optional

from padiff_client.exit_codes import TROUBLE
from padiff_client.extras import imported
from padiff_client.terminal import adapt_streams, close_output
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.interrupts import INTERRUPTED, raise_at_interrupt
from padiff_rpc.names import known_names, near_names, reason, shown
from padiff_rpc.version import package_version

# The module of each command, in the order in which --help lists them.
_MODULES = {
    "init": "init",
    "doctor": "doctor",
    **dict.fromkeys(("compare", "plan", "inputs"), "spec_runs"),
    "run": "scripts",
    "record": "recording",
    **dict.fromkeys(("runs", "show", "rejudge", "attach", "rm"), "runs"),
    "ui": "ui",
    **dict.fromkeys(("workers", "health"), "services"),
    **dict.fromkeys(("up", "down"), "warm"),
    "certs": "certs",
}


def main(arguments: Optional[list[str]] = None, *, began: Optional[float] = None) -> int:
    """Runs the command; returns the exit code. `began`: when, by `time.monotonic`; None: now."""
    now = time.monotonic()
    given = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
    given.began = began if began is not None else now
    try:
        raise_at_interrupt()
        adapt_streams()
        return int(given.run(given))
    except BrokenPipeError:  # whoever reads has seen enough
        close_output()
        return 0
    except PaDiffError as error:
        _complain(str(error))
    except OSError as error:
        _complain(f"{error.filename}: {reason(error)}" if error.filename else str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except (Exception, SystemExit) as error:  # exit code 0 or 1 would claim a verdict
        traceback.print_exc()
        _complain(f"our bug: {type(error).__name__}: {error}")
    return TROUBLE


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the nearest of the words that are allowed."""

    def error(self, message: str) -> NoReturn:
        """Ends the command."""
        self.exit(TROUBLE, f"{self.prog}: {message}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As its base's; what a command does not know is an error of that command."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = [name for action in self._actions for name in action.option_strings]
            near = near_names(unknown[0].partition("=")[0], flags) if unknown[0].startswith("-") else ""
            self.error(f"{shown(unknown[0])} is not known here{near}; {self.prog} --help lists what is")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            said = f"{shown(value)} is not allowed; {known_names(value, action.choices)}"
            raise argparse.ArgumentError(action, said)


class _Completion(argparse.Action):
    """Prints a shell's completion of the whole command, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, _: Any, shell: Any, __: Any = None) -> None:
        try:
            made = imported("shtab", "--print-completion").complete(parser, shell=shell)
        except InvalidRequestError as error:
            parser.error(str(error))
        print(made)
        parser.exit()


def _complain(text: str) -> None:
    print(f"padiff: {' '.join(text.splitlines())}", file=sys.stderr)


def _parser(arguments: Sequence[str] = ()) -> _Parser:
    """Returns the parser of all commands; where `arguments` begin with a command, of that alone."""
    parser = _Parser(prog="padiff", description="Finds where two models part, each in its own process.")
    parser.add_argument("--version", action="version", version=f"padiff {package_version()}")
    parser.add_argument(
        "--print-completion",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
        help="print what makes that shell complete commands and flags (by shtab)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    first = arguments[0] if arguments else ""
    if first != "--version":
        asked = [_MODULES[first]] if first in _MODULES else dict.fromkeys(_MODULES.values())
        for module in asked:  # each with what its commands need
            importlib.import_module(f"padiff_client.commands.{module}").add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
