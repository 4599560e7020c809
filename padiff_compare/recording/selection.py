"""Selection of what is recorded: which layers' calls are captured."""

from __future__ import annotations

from collections.abc import Sequence

from padiff_compare.weights.weight_pair import is_within
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import near_names
from padiff_rpc.v1.records import Layer, Selection


def left_out(layers: Sequence[Layer], selection: Selection) -> tuple[str, ...]:
    """Returns the paths of the layers whose calls are not captured; the root's always are.

    Raises InvalidRequestError for a path that no layer has.
    """
    paths = [path for layer in layers for path in (layer.path, *layer.aliases)]
    for field in ("include", "exclude"):
        for path in getattr(selection, field):
            _check_known(path, paths, field=f"selection.{field}")
    kept = (any(_is_kept(path, selection) for path in (layer.path, *layer.aliases)) for layer in layers)
    return tuple(layer.path for layer, is_kept in zip(layers, kept) if layer.path and not is_kept)


def _is_kept(path: str, selection: Selection) -> bool:
    depth = path.count(".") + 1
    return (
        (not selection.include or any(is_within(path, top) for top in selection.include))
        and not any(is_within(path, top) for top in selection.exclude)
        and (selection.max_depth is None or depth <= selection.max_depth)
    )


def _check_known(path: str, paths: Sequence[str], *, field: str) -> None:
    if not path or path not in paths:
        raise InvalidRequestError(f"{path!r} is no layer of the model{near_names(path, paths)}", field=field)
