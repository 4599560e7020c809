"""Error against depth as a picture that needs no script, for notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Optional

from padiff_client import wording
from padiff_client.places import FAULT, PlaceErrors
from padiff_rpc.records import record
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import CaptureKind, Pass, Phase

if TYPE_CHECKING:
    from padiff_client.report import Report

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 130, 44, 8, 18
_MADE = {Phase.FORWARD: CaptureKind.OUTPUT, Phase.BACKWARD: CaptureKind.INPUT_GRADIENT}
# Decades that are drawn at most, below the largest error.
_DECADES = 12
_LOCAL, _ACCUMULATED, _FAULT, _QUIET = "#0969da", "#bc4c00", "#cf222e", "#6e7781"


@record
class _Scale:
    """Decades from `bottom` to `top`, over `places` points."""

    top: int
    bottom: int
    places: int

    def x(self, number: int) -> float:
        return _LEFT + (number + 0.5) / self.places * (_WIDTH - _LEFT)

    def y(self, error: float) -> float:
        room = _HEIGHT - _TOP - _BOTTOM
        log = self.top if not math.isfinite(error) else math.log10(error) if error else -math.inf
        share = (self.top - log) / (self.top - self.bottom)
        return _TOP + min(1.0, max(0.0, share)) * room


def drawn(report: Report) -> str:
    """Returns an SVG element and its key: forward, then backward of the first step that differs.

    Where none differs, of the first one. Nothing where less than two places were measured.
    """
    step = report.first_divergence.step if report.first_divergence is not None else 0
    found = [one for phase in _MADE for one in _made(report, phase, step)]
    errors = [error for one in found for error in (_error(one.local), _error(one.accumulated)) if error]
    finite = [error for error in errors if math.isfinite(error)]
    if len(found) < 2 or not finite:
        return ""
    top = math.ceil(math.log10(max(finite)))
    bottom = max(min(math.floor(math.log10(min(finite))), top - 1), top - _DECADES)
    scale = _Scale(top=top, bottom=bottom, places=len(found))
    turn = sum(one.row.phase is Phase.FORWARD for one in found)
    parts = [*_axes(scale, turn), *_lines(found, scale), *_faults(found, scale)]
    name = escape(_name(found), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" aria-label="{name}" style="max-width:100%">{"".join(parts)}</svg>'
        f"{_key(found)}"
    )


def _key(found: Sequence[PlaceErrors]) -> str:
    """Returns what the colours stand for."""
    told = [
        (_ACCUMULATED, "on each model's own values", any(one.accumulated is not None for one in found)),
        (_LOCAL, "on the reference's inputs", any(one.local is not None for one in found)),
        (_FAULT, "differs", any(one.meaning == FAULT for one in found)),
    ]
    parts = [
        f'<span style="color:{colour}">&#9679; {text}</span>' for colour, text, is_there in told if is_there
    ]
    return f'<div style="font-size:12px">relative L2, layer by layer: {" &nbsp; ".join(parts)}</div>'


def _made(report: Report, phase: Phase, step: int) -> list[PlaceErrors]:
    """Returns what layers made in a phase, in execution order."""
    twins = [one for one in report.places if _is_of(one.row, phase, step)]
    alone = [_lone(row) for row in report.all_rows if not row.twin and _is_of(row, phase, step)]
    return sorted([*twins, *alone], key=lambda one: one.row.order)


def _is_of(row: Row, phase: Phase, step: int) -> bool:
    return row.phase is phase and row.step == step and row.kind is _MADE[phase] and row.figures is not None


def _lone(row: Row) -> PlaceErrors:
    return PlaceErrors(local=row) if row.pass_kind is Pass.LOCKSTEP else PlaceErrors(accumulated=row)


def _error(row: Optional[Row]) -> Optional[float]:
    return row.figures.relative_l2 if row is not None and row.figures is not None else None


def _name(found: Sequence[PlaceErrors]) -> str:
    faults = [one for one in found if one.meaning == FAULT]
    told = f"; the first fault: {wording.place_of(faults[0].row)}" if faults else ""
    return f"relative L2 error of {wording.count(len(found), 'place')} in execution order{told}"


def _axes(scale: _Scale, turn: int) -> list[str]:
    parts = []
    for decade in sorted({scale.top, (scale.top + scale.bottom) // 2, scale.bottom}):
        y = scale.y(10.0**decade)
        parts.append(_segment(_LEFT, y, _WIDTH, y, _QUIET, "0.3"))
        parts.append(_text(_LEFT - 5, y + 3, f"1e{decade}", "end"))
    if 0 < turn < scale.places:
        x = (scale.x(turn - 1) + scale.x(turn)) / 2
        parts.append(_segment(x, _TOP, x, _HEIGHT - _BOTTOM, _QUIET, "1"))
    for phase, first, last in (("forward", 0, turn), ("backward", turn, scale.places)):
        if last > first:
            parts.append(_text((scale.x(first) + scale.x(last - 1)) / 2, _HEIGHT - 4, phase, "middle"))
    return parts


def _lines(found: Sequence[PlaceErrors], scale: _Scale) -> list[str]:
    parts = []
    for colour, errors in (
        (_ACCUMULATED, [_error(one.accumulated) for one in found]),
        (_LOCAL, [_error(one.local) for one in found]),
    ):
        points = [
            f"{scale.x(n):.1f},{scale.y(error):.1f}" for n, error in enumerate(errors) if error is not None
        ]
        if points:
            style = f'fill="none" stroke="{colour}" stroke-width="1.4"'
            parts.append(f'<polyline points="{" ".join(points)}" {style}/>')
    return parts


def _faults(found: Sequence[PlaceErrors], scale: _Scale) -> list[str]:
    return [
        f'<circle cx="{scale.x(n):.1f}" cy="{scale.y(error):.1f}" r="4" fill="{_FAULT}"/>'
        for n, one in enumerate(found)
        for error in [_error(one.row)]
        if one.meaning == FAULT and error is not None
    ]


def _segment(left: float, top: float, right: float, bottom: float, colour: str, width: str) -> str:
    ends = f'x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{bottom:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    style = f'font-size="10" font-family="sans-serif" fill="{_QUIET}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'
