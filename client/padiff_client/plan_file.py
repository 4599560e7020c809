"""A plan as a YAML file that people read, edit and give back as a layer map."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from padiff_client import sentences
from padiff_client.wording import words
from padiff_rpc.names import known_names, shown
from padiff_rpc.v1.records import IgnoredLayers, LayerPair, Place, PlanPair, StatedPairing
from padiff_rpc.v1.words import PairedBy
from padiff_rpc.yaml_nodes import Entry, load

_HEADER = """\
# Which layer of the reference is compared with which layer of the candidate, in execution order.
# Edit reference and candidate, and give the file back as layer_map: what stands on one line is a pair;
# where one of them is null, the other has no counterpart; `unit: true` compares a pair as one unit, without
# what it holds; `how: ignored` leaves a line out of the comparison; a line that is deleted is aligned anew.
# The other keys are for reading only.
plan:
"""
# What a pair around them decides, or each call for itself.
_INSIDE = frozenset({PairedBy.INSIDE_PINNED, PairedBy.INSIDE_UNIT, PairedBy.CALLS})
_KEYS = ("reference", "candidate", "unit", "how", "confidence", "reason", "classes", "shapes")


def plan_yaml(plan: Sequence[PlanPair]) -> str:
    """Returns a plan as the text of such a file."""
    return _HEADER + "".join(f"  - {{{', '.join(_fields(pair))}}}\n" for pair in plan)


def read_plan(path: str) -> StatedPairing:
    """Returns what the file says. Raises InvalidRequestError as "file:line: what is wrong"."""
    top = load(path)
    found = top.known("plan")
    if "plan" not in found:
        raise top.error("the key 'plan' is missing; `padiff plan` writes such a file")
    return layer_map_of(_line(item) for item in found["plan"])


def layer_map_of(plan: Iterable[PlanPair]) -> StatedPairing:
    """Returns the layer map that asks for exactly this plan."""
    pairs: list[LayerPair] = []
    ignored: tuple[list[str], list[str]] = ([], [])
    unpaired: tuple[list[str], list[str]] = ([], [])
    for pair in plan:
        paths = [place.path if place is not None else None for place in (pair.reference, pair.candidate)]
        if pair.how in _INSIDE:
            continue
        for side, path in enumerate(paths):
            if path is not None and pair.how is PairedBy.IGNORED:
                ignored[side].append(path)
            elif path is not None and None in paths:
                unpaired[side].append(path)
        if None in paths or paths == ["", ""]:
            continue
        reference, candidate = (str(path) for path in paths)
        pairs.append(LayerPair(reference=reference, candidate=candidate, compare_inside=not pair.unit))
    return StatedPairing(
        pairs=tuple(pairs),
        ignored=IgnoredLayers(reference=tuple(ignored[0]), candidate=tuple(ignored[1])),
        unpaired=IgnoredLayers(reference=tuple(unpaired[0]), candidate=tuple(unpaired[1])),
    )


def _fields(pair: PlanPair) -> Iterator[str]:
    places = (pair.reference, pair.candidate)
    yield from (
        f"{name}: {json.dumps(place.path) if place is not None else 'null'}"
        for name, place in zip(("reference", "candidate"), places)
    )
    if pair.unit:
        yield "unit: true"
    yield f"how: {json.dumps(words(pair.how))}"
    if None not in places:
        yield f"confidence: {pair.confidence:g}"
    yield f"classes: {json.dumps(_both([place.class_name if place else '' for place in places]))}"
    shapes = [str(place.spec) if place is not None and place.spec is not None else "" for place in places]
    if any(shapes):
        yield f"shapes: {json.dumps(_both(shapes))}"
    if pair.reasons:
        yield f"reason: {json.dumps(sentences.reason(pair))}"


def _both(texts: Sequence[str]) -> str:
    return " | ".join(dict.fromkeys(text for text in texts if text))


def _how(entry: Entry) -> PairedBy:
    known = {words(how): how for how in PairedBy}
    text = entry.text()
    if text not in known:
        raise entry.error(f"{shown(text)} is not allowed; {known_names(text, known)}")
    return known[text]


def _line(item: Entry) -> PlanPair:
    found = item.known(*_KEYS)
    for key in ("reference", "candidate"):
        if key not in found:
            raise item.error(f"the key {key!r} is missing; null where the layer has no counterpart")
    reference, candidate = (_place(found[key]) for key in ("reference", "candidate"))
    if reference is None and candidate is None:
        raise item.error("reference and candidate are both null; name at least one")
    return PlanPair(
        how=_how(found["how"]) if "how" in found else PairedBy.PINNED,
        reference=reference,
        candidate=candidate,
        unit=found["unit"].flag() if "unit" in found else False,
    )


def _place(entry: Entry) -> Optional[Place]:
    value = entry.value()
    if value is not None and not isinstance(value, str):
        raise entry.error(f"{value!r} is not allowed; allowed: a layer path in quotes, null")
    return None if value is None else Place(path=value)
