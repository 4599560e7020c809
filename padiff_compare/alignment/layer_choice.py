"""The layer map against two real trees: paths resolved, or an error that names the nearest ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from padiff_compare.alignment.tree import LayerTree, Node
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.v1.records import Layer, Note, StatedPairing
from padiff_rpc.v1.words import NoteKind, Side


@record
class Ignored:
    """What one side leaves out, by the layers' first paths.

    Attributes:
        reasons: every ignored layer -> the field of the layer map that says so.
        held_back: those of them that pair last, since they may have no counterpart at all: layers
            without children, and everything that is ignored recursively.
        notes: classes that no layer has.
    """

    reasons: dict[str, str]
    held_back: frozenset[str]
    notes: tuple[Note, ...] = ()


@record
class Pin:
    """A pair that the layer map names; `compare_inside`: what the two hold is aligned and compared too."""

    reference: Node
    candidate: Node
    compare_inside: bool = False


def pinned_nodes(layer_map: StatedPairing, reference: LayerTree, candidate: LayerTree) -> list[Pin]:
    """Returns the pinned pairs, outermost first, by the first places of their layers.

    Raises InvalidRequestError for unknown paths, and for a layer that is pinned twice.
    """
    pinned = [
        Pin(
            reference=reference.first(_node(reference, pair.reference, Side.REFERENCE, "layer_map.pairs")),
            candidate=candidate.first(_node(candidate, pair.candidate, Side.CANDIDATE, "layer_map.pairs")),
            compare_inside=pair.compare_inside,
        )
        for pair in layer_map.pairs
    ]
    _check_once([pin.reference.layer.path for pin in pinned], Side.REFERENCE)
    _check_once([pin.candidate.layer.path for pin in pinned], Side.CANDIDATE)
    return sorted(pinned, key=lambda pin: pin.reference.path.count(".") if pin.reference.path else -1)


def unpaired_layers(
    layer_map: StatedPairing, reference: LayerTree, candidate: LayerTree
) -> tuple[frozenset[str], frozenset[str]]:
    """Returns first paths of layers that should have no partner, by side.

    Raises InvalidRequestError for unknown paths.
    """
    return (
        _alone(reference, layer_map.unpaired.reference, Side.REFERENCE),
        _alone(candidate, layer_map.unpaired.candidate, Side.CANDIDATE),
    )


def _alone(tree: LayerTree, paths: Sequence[str], side: Side) -> frozenset[str]:
    return frozenset(_node(tree, path, side, f"layer_map.unpaired.{side}").layer.path for path in paths)


def ignored_layers(layer_map: StatedPairing, tree: LayerTree, side: Side) -> Ignored:
    """Returns what the layer map ignores on `side`. Raises InvalidRequestError for unknown paths."""
    reasons: dict[str, str] = {}
    held_back: set[str] = set()
    for path in getattr(layer_map.ignored_recursively, side.value):
        field = f"layer_map.ignore_recursively.{side}"
        for node in _node(tree, path, side, field).below():
            reasons.setdefault(node.layer.path, field)
            held_back.add(node.layer.path)
    for path in getattr(layer_map.ignored, side.value):
        field = f"layer_map.ignore.{side}"
        reasons.setdefault(_node(tree, path, side, field).layer.path, field)
    notes = []
    for name in getattr(layer_map.ignored_classes, side.value):
        field = f"layer_map.ignore_class.{side}"
        named = [node for node in tree.nodes.values() if _is_class(node.layer, name)]
        if not named:
            near = _close(name, _class_names(tree))
            notes.append(Note(kind=NoteKind.UNKNOWN_CLASS, side=side, names=(field, name, *near)))
        for node in named:
            reasons.setdefault(node.layer.path, field)
    held_back.update(path for path in reasons if not tree.nodes[path].children)
    return Ignored(reasons=reasons, held_back=frozenset(held_back), notes=tuple(notes))


def _node(tree: LayerTree, path: str, side: Side, field: str) -> Node:
    if path in tree.nodes:
        return tree.nodes[path]
    raise InvalidRequestError(
        f"the {side} has no layer {path!r}{_nearest(path, tree.nodes)}",
        side=str(side),
        path=path,
        field=field,
    )


def _nearest(wrong: str, known: Iterable[str]) -> str:
    """Returns "; nearest: ..." with the known names closest to `wrong`."""
    close = _close(wrong, known)
    return f"; nearest: {', '.join(close)}" if close else ""


def _close(wrong: str, known: Iterable[str]) -> list[str]:
    """Returns up to three known names that are closest to `wrong`, by all of it or by its end."""
    names = [name for name in known if name]
    close = difflib.get_close_matches(wrong, names, n=3, cutoff=0.5)
    last = wrong.rpartition(".")[2]
    close += [name for name in names if name.rpartition(".")[2] == last and name not in close]
    if not close:
        close = difflib.get_close_matches(wrong, names, n=3, cutoff=0.0)
    return close[:3]


def _check_once(paths: Sequence[str], side: Side) -> None:
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise InvalidRequestError(
            f"the {side}'s layer {twice[0]!r} is in two pairs; name each layer once",
            side=str(side),
            path=twice[0],
            field="layer_map.pairs",
        )


def _is_class(layer: Layer, name: str) -> bool:
    # A public name stands for the module that defines it: torch.nn.Dropout, torch.nn.modules.dropout.Dropout.
    package, _, bare = name.rpartition(".")
    return any(
        qualified.rpartition(".")[2] == bare and f"{qualified}.".startswith(f"{package}." if package else "")
        for qualified in layer.classes
    )


def _class_names(tree: LayerTree) -> list[str]:
    return sorted(
        {qualified.rpartition(".")[2] for node in tree.nodes.values() for qualified in node.layer.classes}
    )
