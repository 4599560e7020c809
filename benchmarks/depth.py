"""Error against depth, drawn: how far a candidate with one planted fault drifts, and is off call by call.

`python -m benchmarks.depth --write docs/depth.svg` compares a ResNet-50 whose candidate has one norm with
another epsilon, and draws each output of its forward pass: the drift of the free run, the local error of the
call on the reference's values, and the floor, which is the reference's own error to float64.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from benchmarks.faults.comparing import service
from benchmarks.faults.subjects import SUBJECTS, Setting
from padiff_client import Report
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import CaptureKind, Phase

SUBJECT, EPSILON = "resnet50", 1e-3
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 360, 64, 40, 56
# Errors of nothing at all have no logarithm, and no point.
SMALLEST = 1e-9
STYLE = """
  text { font: 13px sans-serif; fill: #24292f; }
  .grid { stroke: #8b949e; stroke-opacity: .35; }
  .drift { stroke: #bc4c00; fill: #bc4c00; }
  .local { stroke: #0969da; fill: #0969da; }
  .floor { stroke: #57606a; fill: #57606a; stroke-dasharray: 4 3; }
  .fault { stroke: #cf222e; stroke-dasharray: 2 3; }
  polyline { fill: none !important; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .drift { stroke: #ffa657; fill: #ffa657; }
    .local { stroke: #79c0ff; fill: #79c0ff; }
    .floor { stroke: #b1bac4; fill: #b1bac4; }
    .fault { stroke: #ff7b72; }
  }
"""


@dataclass(frozen=True)
class Point:
    """One output: the relative L2 of the free run, of the call alone, and of the reference to float64."""

    path: str
    drift: float
    local: float
    floor: float


def points(report: Report) -> list[Point]:
    """Returns a point for each output of the forward pass, in order of execution."""
    found = []
    for place in report.places:
        local, free = place.local, place.accumulated
        if local is None or free is None or local.phase is not Phase.FORWARD or not _is_output(local):
            continue
        if local.figures is None or free.figures is None or local.from_gold is None:
            continue
        path = local.candidate.path if local.candidate is not None else ""
        found.append(
            Point(path, free.figures.relative_l2, local.figures.relative_l2, local.from_gold.reference)
        )
    return found


def _is_output(row: Row) -> bool:
    return row.kind is CaptureKind.OUTPUT


def svg(found: Sequence[Point], fault: str) -> str:
    """Returns the picture; `fault`: the path of the layer that has it."""
    values = [value for one in found for value in (one.drift, one.local, one.floor) if value > SMALLEST]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def x(index: int) -> float:
        return LEFT + index * (WIDTH - LEFT - 16) / max(len(found) - 1, 1)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - low) * (HEIGHT - TOP - BOTTOM) / (high - low)

    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 16}" y1="{y(10.0**k):.1f}" y2="{y(10.0**k):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(10.0**k) + 4:.1f}" text-anchor="end">1e{k}</text>'
        for k in range(low, high + 1)
    ]
    at = next((index for index, one in enumerate(found) if one.path == fault), None)
    if at is not None:
        lines.append(
            f'<line class="fault" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text x="{x(at):.1f}" y="{TOP - 6}" text-anchor="middle">fault: {fault}</text>'
        )
    curves: list[tuple[str, str, Callable[[Point], float]]] = [
        ("floor", "floor: reference to float64", lambda one: one.floor),
        ("drift", "drift: free run", lambda one: one.drift),
        ("local", "local: on the reference's values", lambda one: one.local),
    ]
    for number, (name, label, of) in enumerate(curves):
        lines += _curve(name, [(x(i), y(of(one))) for i, one in enumerate(found) if of(one) > SMALLEST])
        left, end = (LEFT, LEFT + 226, LEFT + 376)[number], HEIGHT - 20
        lines.append(
            f'<line class="{name}" x1="{left}" x2="{left + 24}" y1="{end}" y2="{end}" stroke-width="3"/>'
            f'<text x="{left + 30}" y="{end + 4}">{label}</text>'
        )
    lines.append(
        f'<text x="{WIDTH - 16}" y="{HEIGHT - BOTTOM + 18}" text-anchor="end">outputs, in order</text>'
        f'<text x="{LEFT}" y="{TOP - 22}">relative L2</text>'
    )
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f"<title>Error against depth</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def _curve(name: str, found: Sequence[tuple[float, float]]) -> list[str]:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in found)
    return [f'<polyline class="{name}" points="{places}"/>']


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Compares, says how far the fault stands out, and writes the picture; 1 where it was not found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description=__doc__)
    parser.add_argument("--write", type=Path, required=True, help="the picture, as docs/depth.svg")
    asked = parser.parse_args(arguments)
    norms = SUBJECTS[SUBJECT].roles["batch_norm"]
    fault = norms[len(norms) // 2]
    planted = {"site": fault, "member": "_epsilon", "where": "setting", "what": "", "value": EPSILON}
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as running:
        report = running.compare(Setting(SUBJECT, train=True), {"oracle": True, "keep_going": True}, planted)
    found = points(report)
    asked.write.write_text(svg(found, fault), encoding="utf-8")
    first = report.first_divergence
    named = first.candidate.path if first is not None and first.candidate is not None else "nothing"
    print(f"{len(found)} outputs; the fault is in {fault}; the report names {named}")
    return int(named != fault)


if __name__ == "__main__":
    sys.exit(main())
