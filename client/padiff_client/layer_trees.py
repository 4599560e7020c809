"""An excerpt of both models' layer trees around one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Optional

from padiff_client.wording import plain
from padiff_rpc.records import record
from padiff_rpc.v1.records import Place, PlanPair

MARK = "<--- *** HERE ***"
# Neighbours shown on either side of the way to the place, and children of the place.
_NEIGHBOURS = 2
_WIDTH = 110
# How no layer's name begins.
_FUNCTION = "()"
_GAP = 4


@record
class Leaf:
    """A function, or a layer among the functions, in the code of a layer.

    Attributes:
        layer: the path of that layer.
        text: how the function is shown; the path of a layer.
        is_here: it is marked, in the stead of the place's layer.
    """

    layer: str
    text: str
    is_layer: bool = False
    is_here: bool = False


def excerpt(
    plan: Sequence[PlanPair],
    reference: Optional[Place],
    candidate: Optional[Place],
    in_reference: Sequence[Leaf] = (),
    in_candidate: Sequence[Leaf] = (),
) -> str:
    """Returns both trees in two columns, or one under the other where they are too wide; plain text.

    `in_reference`, `in_candidate`: what is known of the functions, in order of execution.
    """
    left = _side("reference", [pair.reference for pair in plan], reference, in_reference)
    right = _side("candidate", [pair.candidate for pair in plan], candidate, in_candidate)
    width = max((len(line) for line in left), default=0) + _GAP
    if left and right and width + max(len(line) for line in right) <= _WIDTH:
        rows = zip_longest(left, right, fillvalue="")
        return "\n".join(f"  {one:<{width}}{other}".rstrip() for one, other in rows)
    return "\n".join(f"  {line}" for line in [*left, *right])


def _side(
    title: str, places: Sequence[Optional[Place]], at: Optional[Place], leaves: Sequence[Leaf]
) -> list[str]:
    known = {place.path: place for place in places if place is not None}
    if at is None or not known:
        return []
    known.setdefault("", Place(path=""))
    known.setdefault(at.path, at)
    children = _children(known)
    root = known[""]
    name = plain(root.class_name) or "model"
    target = _with_functions(known, children, leaves) or at.path
    lines = [f"{title}:", name + (f"  {MARK}" if target == "" else "")]
    _draw("", children, known, target, "", lines)
    return lines


def _with_functions(known: dict[str, Place], children: dict[str, list[str]], leaves: Iterable[Leaf]) -> str:
    """Puts functions among the layers, as they ran; returns what the marked one goes by, "" for none."""
    here, ran = "", dict[str, dict[str, None]]()
    for number, leaf in enumerate(leaves):
        layer = leaf.layer if leaf.layer in known else _parent(leaf.layer, known)
        names = ran.setdefault(layer, {})
        if leaf.is_layer:
            # It may lie in a list of layers, which no call shows.
            names.update(
                (one, None) for one in children.get(layer, ()) if f"{leaf.text}.".startswith(f"{one}.")
            )
            continue
        name = f"{layer}.{_FUNCTION}{number}" if layer else f"{_FUNCTION}{number}"
        known[name], names[name] = Place(path=leaf.text), None
        here = name if leaf.is_here else here
    for layer, names in ran.items():
        children[layer] = list(dict.fromkeys([*names, *children.get(layer, ())]))
    return here


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
        if own_name.startswith(_FUNCTION):
            own_name = known[path].path
        class_name = known[path].class_name
        text = f"{indent}{'└── ' if is_last else '├── '}{plain(own_name)}"
        text += f" ({plain(class_name)})" if class_name else ""
        lines.append(text + (f"  {MARK}" if path == target else ""))
        if path in on_the_way:
            _draw(path, children, known, target, indent + ("    " if is_last else "│   "), lines)
    if last < len(paths):
        lines.append(f"{indent}└── ... {len(paths) - last} more")
