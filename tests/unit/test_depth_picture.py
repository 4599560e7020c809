"""The picture of error against depth: three curves, the fault marked, legible on light and dark."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from benchmarks.depth import Point, svg

NAME = "{http://www.w3.org/2000/svg}"
FOUND = [
    Point("stem", 1e-7, 1e-7, 8e-8),
    Point("norm", 1e-3, 9e-4, 1e-7),
    Point("same", 2e-3, 0.0, 0.0),
    Point("last", 4e-3, 2e-7, 1e-7),
]


def curves(picture: str) -> dict[str, list[tuple[float, float]]]:
    return {
        line.attrib["class"]: [
            (float(x), float(y)) for x, y in (place.split(",") for place in line.attrib["points"].split())
        ]
        for line in ElementTree.fromstring(picture).iter(f"{NAME}polyline")
    }


def test_each_curve_has_a_point_for_each_output_that_is_off() -> None:
    found = curves(svg(FOUND, "norm"))
    assert {name: len(places) for name, places in found.items()} == {"drift": 4, "local": 3, "floor": 3}
    # Larger errors stand higher, later outputs further right.
    heights = [y for _, y in found["drift"]]
    assert heights == sorted(heights, reverse=True)
    assert [x for x, _ in found["drift"]] == sorted(x for x, _ in found["drift"])
    assert found["local"][1][1] < found["local"][0][1]


def test_the_fault_is_marked_and_both_schemes_have_colours() -> None:
    picture = svg(FOUND, "norm")
    assert "fault: norm" in picture
    assert "fault: " not in svg(FOUND, "elsewhere")
    assert "prefers-color-scheme: dark" in picture
    assert len(picture) < 20_000
