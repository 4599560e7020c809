"""Writes the reference of commands and of options: every flag, key and word, from the code that reads them.

Usage: python tools/generate_reference.py FOLDER, in the client's environment. Flags come from the parsers of
the commands, keys and options from the typed records with their docstrings.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from generate_schemas import descriptions

from padiff_client import ModelSpec, cli, specfile
from padiff_rpc.records import Word
from padiff_rpc.typed_files import REQUIRED
from padiff_rpc.v1.records import Options
from padiff_server import main as server
from padiff_worker import main as worker
from padiff_worker.recorded import main as recorded

_NOTE = "<!-- Made by tools/generate_reference.py; run `make schemas` after a change. -->"
_INPUTS = "What both models are fed: a function, a file of arrays, or a table of random ones."
# Options in a user's words; the contract's comments are for those who write a peer.
_OPTIONS = {
    "atol": "The largest allowed difference: `abs(candidate - reference) <= atol + rtol * "
    "abs(reference)`, as in NumPy. Without `atol` and `rtol`, rounding is measured and decides "
    "([verdicts](verdicts.md)).",
    "rtol": "The allowed difference as a share of the reference; see `atol`. The one of the two that you "
    "leave out is 0.",
    "diff_phase": "What is compared. By default both, or forward alone where a layer has no backward in "
    "its mode.",
    "compare_mode": "`strict` compares element by element, `mean` the means of two tensors alone.",
    "single_step": "Lockstep alone, for one step without an optimizer: each layer is judged on the "
    "reference's own input ([lockstep](lockstep.md)).",
    "trace": "`before` runs the models once before step 0, to pair their layers. `first_step` takes step "
    "0 for that, which saves a pass; step 0 is judged freely then.",
    "loss": "The loss where the models name none: a fixed random projection of all outputs, or their mean.",
    "check_dtype": "Another dtype is a difference. With false it is a note, and values are compared.",
    "deterministic": "Ask both frameworks for deterministic kernels.",
    "threads": "Compute threads of each worker; 0 leaves them as they are.",
    "local_error": "Run each step twice, in lockstep and freely. By default so, where it can be done; "
    "false runs freely alone ([verdicts](verdicts.md)).",
    "randomness": "Random decisions, as of dropout: `shared` gives both sides the same, `off` switches "
    "dropout off, `report` leaves and names them ([randomness](randomness.md)).",
    "preflight": "Tell how far two runs of one side differ: where the comparison ends with a "
    "difference, and before step 0 on any device but a CPU ([randomness](randomness.md#noise)).",
    "keep_going": "Go on behind a step that differs, to see how the difference grows.",
    "accumulate": "The optimizer steps once in so many steps, on the mean of their gradients "
    "([training](training.md#gradient-accumulation)).",
    "clip_norm": "Scale gradients down to this total L2 norm before the optimizer steps.",
    "loss_scale": "Multiply the loss by this power of two before backward; gradients are compared without"
    " it.",
    "floor": "When rounding is measured by a float64 run: `auto` where a difference exceeds the table, "
    "`table` never, `measured` at every place.",
    "transport": "How tensors get from workers to the coordinator and back: `shm` through shared memory, "
    "an error where that cannot be had; `grpc` over the connection; `auto` the one, else the other "
    "([performance](performance.md#shared-memory)).",
    "level": "`full` compares all elements. `stats` is for links that whole tensors cannot cross: free runs "
    "are judged by statistics and sketches of 2 KB, and the tensors around the first suspicious call travel "
    "whole ([performance](performance.md#links-that-whole-tensors-cannot-cross)).",
    "oracle": "Show how far each side is from the reference's float64 run. It changes no verdict.",
    "detail": "Functions between the layers: `auto` looks where something differs, `layers` never, "
    "`functions` everywhere ([functions](functions.md)).",
    "include": "Layers whose inputs, outputs and gradients are captured and compared, with all that is in "
    "them; by default all. A list of paths of either side, or patterns: `encoder.*.attention`, `**.norm`. "
    "What the model takes and returns, losses and weights are compared always.",
    "exclude": "Layers whose inputs, outputs and gradients are not, with all that is in them; they go "
    "before `include`.",
    "timeout": "For how many seconds a worker may say nothing. By default 900, or ten times its longest "
    "silence so far; 0 waits without end.",
}
_COLUMNS = 100
# What a client tells the processes that it starts.
_FROM_A_CLIENT = {"lifeline_fd", "announce_fd", "private_folder"}
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, break_on_hyphens=False)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yields the lines of a table."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_cell(one) for one in row)} |"
    yield ""


def _called(action: argparse.Action) -> str:
    """Returns how an argument is written."""
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    value = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices and not isinstance(action.choices, dict):
        value = " or ".join(str(one) for one in action.choices)
    if not names:
        return f"`{value or action.dest.upper()}`"
    return f"{names} {value}".strip() if action.nargs != 0 else names


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yields a parser's arguments as a table."""
    formatter = parser._get_formatter()
    rows = [
        (_called(action), formatter._expand_help(action) if action.help else "")
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        and action.dest not in _FROM_A_CLIENT
        and not isinstance(
            action, (argparse._SubParsersAction, argparse._HelpAction, argparse._VersionAction)
        )
    ]
    if rows:
        yield from _table(("argument", "meaning"), rows)


def _commands(parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    """Yields a command with its arguments, then each of its own commands."""
    nested = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    yield from (f"{level} `{parser.prog}`", "")
    if parser.description:
        yield from (*_wrapped(parser.description), "")
    yield from _arguments(parser)
    for actions in nested:
        said = {one.dest: one.help or "" for one in actions._choices_actions}
        for name, command in actions.choices.items():
            command.description = command.description or _sentence(said.get(name, ""))
            yield from _commands(command, level + "#" if level == "##" else level)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def commands() -> str:
    """Returns the page of all commands."""
    lines = ["# Commands", "", _NOTE, "", "Every command answers `--help`; programs also `--version`.", ""]
    worker_parser = worker._parser("torch")
    worker_parser.prog, worker_parser.description = "padiff-worker-torch, padiff-worker-paddle", ""
    for parser in (cli._parser(), server._parser(), worker_parser, recorded._parser()):
        lines += _commands(parser, "##")
    return "\n".join(lines)


def _allowed(hint: Any) -> str:
    """Returns the values that a field takes, in words."""
    kinds = [hint] if get_origin(hint) is not Union else list(get_args(hint))
    said = [_kind(one) for one in kinds]
    return " or ".join(dict.fromkeys(one for one in said if one))


def _kind(kind: Any) -> str:
    """Returns what values of a type are called; "" where that says nothing."""
    origin = get_origin(kind)
    if origin is not None:
        return (
            "a mapping" if issubclass(origin, Mapping) else "a list" if issubclass(origin, Sequence) else ""
        )
    if isinstance(kind, type) and issubclass(kind, Word):
        return ", ".join(f"`{one}`" for one in kind if str(one))
    return _TYPES.get(kind, "")


def _default(value: Any) -> str:
    if value in (MISSING, REQUIRED, None, "", ()) or is_dataclass(value):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _fields(kind: Any, said: Mapping[str, str]) -> Iterator[str]:
    """Yields a record's fields as a table; `said`: what each means."""
    hints = get_type_hints(kind)
    yield from _table(
        ("name", "values", "default", "meaning"),
        [
            (f"`{one.name}`", _allowed(hints[one.name]), _default(one.default), said[one.name])
            for one in fields(kind)
        ],
    )


def _described(kind: Any) -> dict[str, str]:
    """Returns what a record's docstring says of its attributes, as sentences."""
    found = {name: one["description"] for name, one in descriptions(kind).items()}
    return {name: text[:1].upper() + text[1:] for name, text in found.items()}


def options() -> str:
    """Returns the page of all keys and options."""
    lines = ["# Options", "", _NOTE, ""]
    parts = (
        ("A comparison", Options, _OPTIONS, "`options` of a spec, and `Options(...)` in Python."),
        (
            "A model",
            ModelSpec,
            _described(ModelSpec),
            "`reference` and `candidate` of a spec, and `ModelSpec(...)` in Python. A spec's models have "
            "`loss` and "
            "`optimizer` too, and its credentials are in files: [spec](spec.md#a-model).",
        ),
        (
            "A spec",
            specfile._File,
            {"inputs": _INPUTS, **_described(specfile._File)},
            "The keys at the top of a spec; [spec](spec.md) has examples.",
        ),
    )
    for title, kind, meanings, said in parts:
        lines += [f"## {title}", "", *_wrapped(said), "", *_fields(kind, meanings)]
    return "\n".join(lines)


def main() -> None:
    folder = Path(sys.argv[1])
    for name, page in (("commands", commands()), ("options", options())):
        (folder / f"{name}.md").write_text(page.rstrip() + "\n")


if __name__ == "__main__":
    main()
