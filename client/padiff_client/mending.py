"""Lines to paste into a spec, where what is known of a difference tells them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from padiff_rpc.v1.records import Row, Unmatched
from padiff_rpc.v1.words import LoneKind, Phase, Side, Verdict

if TYPE_CHECKING:
    from padiff_client.report import Report

_SHAPES = frozenset({Verdict.SHAPE_MISMATCH})
_SHOWN = 2


def lines(report: Report) -> list[str]:
    """Returns what to paste, each with what it does; none where nothing follows from what is known."""
    return [*_modes(report), *_pairs(report), *_weights(report)][:_SHOWN]


def _modes(report: Report) -> list[str]:
    """Returns the mode that one side is to have, where the modes differ."""
    modes = {one.side: one.train for one in report.environments}
    if len(set(modes.values())) < 2:
        return []
    evals = next(side for side, train in modes.items() if not train)
    return [f"train: true under {evals}: (or train: false under both), which puts both into one mode"]


def _pairs(report: Report) -> list[str]:
    """Returns how layers without a partner are paired, or left out."""
    lone = [one for one in report.unmatched if one.counts]
    first = {side: next((one for one in lone if one.side is side), None) for side in Side}
    reference, candidate = first[Side.REFERENCE], first[Side.CANDIDATE]
    if reference is not None and candidate is not None and reference.what is candidate.what:
        pair = f"{_quoted(reference.path)}: {_quoted(candidate.path)}"
        return [f"layer_map: {{pairs: {{{pair}}}}} if these two are the same layer"]
    return [_ignored(one) for one in lone[:1]]


def _ignored(one: Unmatched) -> str:
    what = "a layer" if one.what is LoneKind.CALL else "a weight"
    return (
        f"layer_map: {{ignore: {{{one.side}: [{_quoted(one.path)}]}}}} if {what} that only the "
        f"{one.side} has is meant"
    )


def _weights(report: Report) -> list[str]:
    """Returns the rule that carries a weight which has another layout on the other side."""
    row = report.first_divergence.row if report.first_divergence is not None else None
    if row is None or not _needs_rule(row):
        return []
    assert row.reference is not None
    assert row.candidate is not None
    names = f"reference: {_quoted(row.reference.path)}, candidate: {_quoted(row.candidate.path)}"
    return [
        f"layer_map: {{special_init: [{{{names}, function: 'my_rules:carry'}}]}}, with a NumPy function of "
        "yours that turns the reference's weights into the candidate's"
    ]


def _needs_rule(row: Row) -> bool:
    has_both = row.reference is not None and row.candidate is not None
    return has_both and row.phase is Phase.INITIAL_WEIGHTS and row.verdict in _SHAPES


def _quoted(path: str) -> str:
    """Returns a path as YAML takes it in a flow."""
    is_plain = bool(path) and path.replace(".", "").replace("_", "").isalnum() and not path[0].isdigit()
    return path if is_plain else json.dumps(path, ensure_ascii=False)
