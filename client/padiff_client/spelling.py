"""Settings of layers as a framework spells them, where the common vocabulary's words would mislead.

The common words are Torch's (docs/vocabulary.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

_Spell = Callable[[str], str]

_OF_PADDLE: Mapping[str, _Spell] = {
    "momentum": lambda value: f"momentum={1 - float(value):.6g} (the share of the old value)",
    "count_include_pad": lambda value: f"exclusive={not _is_true(value)}",
    "batch_first": lambda value: f"time_major={not _is_true(value)}",
    "approximate": lambda value: f"approximate={value.strip(_QUOTES) != 'none'}",
}
_OF: Mapping[str, Mapping[str, _Spell]] = {"paddle": _OF_PADDLE}
_QUOTES = "'\""


def spelled(framework: str, name: str, value: str) -> str:
    """Returns a setting, told in the common vocabulary, as `framework` takes it; "" where it is the same."""
    spell = _OF.get(framework, {}).get(name)
    if spell is None:
        return ""
    with suppress(ValueError):  # a momentum that is no number, as None
        return spell(value)
    return ""


def _is_true(value: str) -> bool:
    return value.strip(_QUOTES).lower() == "true"
