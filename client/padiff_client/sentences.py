"""Sentences for reasons: of rows, of pairs of layers, of weights, of random decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from padiff_client import plan_sentences, row_sentences, wording
from padiff_rpc.v1.records import Reason, Row
from padiff_rpc.v1.words import Cause

# `{side}` and `{other}`: the side that the reason names, and the other; `{n}`, `{m}`: its first two numbers;
# `{name}`, `{second}`: its first two names; `{names}`: all; `{because}`: what is to be said of itself;
# `{kind}`: what the row is of.
_TEMPLATES: Mapping[Cause, str] = {**row_sentences.TEMPLATES, **plan_sentences.TEMPLATES}


class Told(Protocol):
    """Whatever a report gives reasons for."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """In the order in which they are to be read."""


def reason(told: Told) -> str:
    """Returns all that is to be said of a row, a pair, a weight or a random decision; "" for nothing."""
    return joined(told.reasons, told)


def joined(reasons: Iterable[Reason], told: object = None) -> str:
    """Returns what reasons say, on one line; `told`: what they are of, where they are a row's."""
    return "; ".join(filter(None, (sentence(one, told) for one in reasons)))


def sentence(one: Reason, told: object = None) -> str:
    """Returns what a reason says."""
    if isinstance(told, Row) and one.cause in row_sentences.WRITTEN:
        return row_sentences.WRITTEN[one.cause](one, told)
    if one.cause in plan_sentences.WRITTEN:
        return plan_sentences.WRITTEN[one.cause](one)
    return _TEMPLATES[one.cause].format(
        side=one.side,
        other=wording.other(one.side),
        n=one.numbers[0] if one.numbers else 0.0,
        m=one.numbers[1] if len(one.numbers) > 1 else 0.0,
        name=one.names[0] if one.names else "",
        second=one.names[1] if len(one.names) > 1 else "",
        names=", ".join(one.names),
        because=joined(one.because),
        kind=told.kind if isinstance(told, Row) else "",
    )
