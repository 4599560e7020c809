"""Selection of layers by patterns of their paths: whose calls are captured."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.capture.sides import SIDES
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import is_mark_path, near_names
from padiff_rpc.v1.records import Layer, Note, Options, Selection
from padiff_rpc.v1.words import NoteKind, Side


def left_out(layers: Sequence[Layer], selection: Selection) -> tuple[str, ...]:
    """Returns the paths of the layers whose calls are not recorded; the root's always are.

    Raises InvalidRequestError for a pattern that fits no layer.
    """
    names = {layer.path: (layer.path, *layer.aliases) for layer in layers}
    _check_known(selection, [path for paths in names.values() for path in paths], owner="selection")
    return tuple(
        path
        for path, called in names.items()
        if path
        and not (
            _is_chosen(called, selection)
            and (selection.max_depth is None or any(_depth(one) <= selection.max_depth for one in called))
        )
    )


def with_selection(plan: Plan, layers: Mapping[Side, Sequence[Layer]], options: Options) -> Plan:
    """Returns the plan with the layers left out that the options leave out, each with its partner.

    A pattern may fit a path of either side. Raises InvalidRequestError for one that fits no layer of either.
    """
    selection = Selection(include=options.include, exclude=options.exclude)
    if not (selection.include or selection.exclude):
        return plan
    names = {
        (side, layer.path): [layer.path, *layer.aliases]
        for side in SIDES
        for layer in layers[side]
        if layer.path and not is_mark_path(layer.path)
    }
    _check_known(selection, [path for paths in names.values() for path in paths], owner="options")
    pairs = [*plan.layers, *(call.layer for call in plan.calls)]
    missing = {
        one
        for together in _groups(names, pairs)
        if not _is_chosen([path for one in together for path in names[one]], selection)
        for one in together
    }
    reference, candidate = (
        tuple(path for of, path in names if of is side and (of, path) in missing)
        for side in (Side.REFERENCE, Side.CANDIDATE)
    )
    return replace(plan, left_out_reference=reference, left_out_candidate=candidate)


def selection_notes(plan: Plan) -> Iterator[Note]:
    """Yields what is to be said of a plan that leaves layers out."""
    numbers = (len(plan.left_out_reference), len(plan.left_out_candidate))
    if any(numbers):
        yield Note(kind=NoteKind.LEFT_OUT, numbers=tuple(map(float, numbers)))


_Layer = tuple[Side, str]


def _groups(names: Collection[_Layer], pairs: Iterable[PairedLayer]) -> list[list[_Layer]]:
    """Returns the layers that stand for each other: most are pairs, and one may work for several."""
    groups = {one: [one] for one in names}
    for pair in pairs:
        ours, theirs = (Side.REFERENCE, pair.reference), (Side.CANDIDATE, pair.candidate)
        if ours in groups and theirs in groups and groups[ours] is not groups[theirs]:
            joined = [*groups[ours], *groups[theirs]]
            groups.update(dict.fromkeys(joined, joined))
    return list({id(group): group for group in groups.values()}.values())


def _is_chosen(paths: Collection[str], selection: Selection) -> bool:
    """Whether a layer of these paths is captured."""
    included = not selection.include or any(_fits(path, one) for one in selection.include for path in paths)
    return included and not any(_fits(path, one) for one in selection.exclude for path in paths)


def _fits(path: str, pattern: str) -> bool:
    """Whether the pattern names the layer, or one that it lies in."""
    return bool(_expression(pattern).match(path))


@functools.cache
def _expression(pattern: str) -> re.Pattern[str]:
    # Behind the replacement of `**.`, a `*` stands for any text within one name.
    literal = re.escape(pattern).replace(r"\*\*\.", r"(?:[^.]+\.)~").replace(r"\*", "[^.]*")
    return re.compile(literal.replace("~", "*") + r"(?:\.|$)")


def _depth(path: str) -> int:
    return path.count(".") + 1


def _check_known(selection: Selection, paths: Sequence[str], *, owner: str) -> None:
    for field in ("include", "exclude"):
        for pattern in getattr(selection, field):
            if not pattern or not any(_fits(path, pattern) for path in paths if path):
                near = near_names(pattern, paths)
                raise InvalidRequestError(f"{pattern!r} fits no layer{near}", field=f"{owner}.{field}")
