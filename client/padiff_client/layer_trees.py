"""An excerpt of both models' layer trees around one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Optional

from padiff_client.wording import plain
from padiff_rpc.v1.records import Place, PlanPair

MARK = "<--- *** HERE ***"
# Neighbours shown on either side of the way to the place, and children of the place.
_NEIGHBOURS = 2
_WIDTH = 110
# No layer's name.
_FUNCTION = "()"
_GAP = 4


def excerpt(
    plan: Sequence[PlanPair],
    reference: Optional[Place],
    candidate: Optional[Place],
    in_reference: str = "",
    in_candidate: str = "",
) -> str:
    """Returns both trees in two columns, or one under the other where they are too wide; plain text.

    `in_reference`, `in_candidate`: a function inside the layer of the place, which is marked in its stead.
    """
    left = _side("reference", [pair.reference for pair in plan], reference, in_reference)
    right = _side("candidate", [pair.candidate for pair in plan], candidate, in_candidate)
    width = max((len(line) for line in left), default=0) + _GAP
    if left and right and width + max(len(line) for line in right) <= _WIDTH:
        rows = zip_longest(left, right, fillvalue="")
        return "\n".join(f"  {one:<{width}}{other}".rstrip() for one, other in rows)
    return "\n".join(f"  {line}" for line in [*left, *right])


def _side(title: str, places: Sequence[Optional[Place]], at: Optional[Place], function: str) -> list[str]:
    known = {place.path: place for place in places if place is not None}
    if at is None or not known:
        return []
    known.setdefault("", Place(path=""))
    known.setdefault(at.path, at)
    children = _children(known)
    root = known[""]
    name = plain(root.class_name) or "model"
    target = _with_function(known, children, at.path, function) if function else at.path
    lines = [f"{title}:", name + (f"  {MARK}" if target == "" else "")]
    _draw("", children, known, target, "", lines)
    return lines


def _with_function(known: dict[str, Place], children: dict[str, list[str]], path: str, function: str) -> str:
    """Puts a function among the layers, first in the layer at `path`; returns what it goes by there."""
    name = f"{path}.{_FUNCTION}" if path else _FUNCTION
    known[name] = Place(path=function)
    children.setdefault(path, []).insert(0, name)
    return name


def _children(known: Mapping[str, Place]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for path in known:
        if path:
            children.setdefault(_parent(path, known), []).append(path)
    return children


def _parent(path: str, known: Mapping[str, Place]) -> str:
    above = path.rpartition(".")[0]
    while above and above not in known:
        above = above.rpartition(".")[0]
    return above


def _draw(
    parent: str,
    children: Mapping[str, Sequence[str]],
    known: Mapping[str, Place],
    target: str,
    indent: str,
    lines: list[str],
) -> None:
    paths = children.get(parent, [])
    on_the_way = [path for path in paths if target == path or target.startswith(f"{path}.")]
    centre = paths.index(on_the_way[-1]) if on_the_way else 0
    first, last = max(0, centre - _NEIGHBOURS), min(len(paths), centre + _NEIGHBOURS + 1)
    if first:
        lines.append(f"{indent}├── ... {first} more")
    for position in range(first, last):
        path = paths[position]
        is_last = position == len(paths) - 1
        own_name = path[len(parent) + 1 :] if parent else path
        if own_name == _FUNCTION:
            own_name = known[path].path
        class_name = known[path].class_name
        text = f"{indent}{'└── ' if is_last else '├── '}{plain(own_name)}"
        text += f" ({plain(class_name)})" if class_name else ""
        lines.append(text + (f"  {MARK}" if path == target else ""))
        if path in on_the_way:
            _draw(path, children, known, target, indent + ("    " if is_last else "│   "), lines)
    if last < len(paths):
        lines.append(f"{indent}└── ... {len(paths) - last} more")
