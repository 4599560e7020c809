"""The user's word on which layers belong together, and which do not count."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Optional, Union

from padiff_client.plan_file import layer_map_of, read_plan
from padiff_client.spec import ModelSpec, check_reference
from padiff_rpc import options
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.options import IgnoredLayers, LayerPair
from padiff_rpc.types import Tls

Names = Union[str, Iterable[str]]


class LayerMap:
    """Pinned pairs of layers and ignored layers, by path. Immutable: every method returns a new map.

    A pinned pair is compared as one unit: its inputs, outputs and gradients, not its inside. Paths that
    the models do not have are refused when the comparison starts, with the nearest names.
    """

    def __init__(self, pairs: Optional[Mapping[str, str]] = None) -> None:
        """Pins each reference path in `pairs` to its candidate path; "" is the root."""
        if pairs is not None and not isinstance(pairs, Mapping):
            raise InvalidRequestError(
                f"layer_map: {pairs!r} is not allowed; allowed: {{reference path: candidate path}}"
            )
        self._record = options.LayerMap(
            pairs=tuple(
                LayerPair(reference=_path(reference, "layer_map"), candidate=_path(candidate, "layer_map"))
                for reference, candidate in (pairs or {}).items()
            )
        )

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> LayerMap:
        """Returns the layer map of a plan file, as `padiff plan -o` writes it.

        Raises InvalidRequestError with the file and line of what is wrong.
        """
        return _from_record(read_plan(os.fspath(path)))

    @classmethod
    def auto(
        cls,
        layer: ModelSpec,
        module: ModelSpec,
        example_inp: Any = None,
        layer_map: Union[LayerMap, Mapping[str, str], None] = None,
        server: Optional[str] = None,
        token: Optional[str] = None,
        tls: Optional[Tls] = None,
        loss_fn: Optional[tuple[Optional[str], Optional[str]]] = None,
    ) -> LayerMap:
        """Returns what the alignment makes of two models: every pair, gap and unit, pinned.

        The arguments are those of `auto_diff`. Raises what it raises, and InvalidRequestError where the
        models could not be aligned.
        """
        # Not at the top: the functions that compare take layer maps.
        from padiff_client.api import plan

        return _from_record(
            layer_map_of(
                plan(layer, module, example_inp, layer_map, server, token, tls, loss_fn=loss_fn).plan
            )
        )

    def ignore(self, reference: Names = (), candidate: Names = ()) -> LayerMap:
        """Leaves these layers out of the comparison; their children are still compared."""
        return self._with("ignored", "layer_map.ignore", reference, candidate)

    def ignore_recursively(self, reference: Names = (), candidate: Names = ()) -> LayerMap:
        """Leaves these layers and everything below them out of the comparison."""
        return self._with("ignored_recursively", "layer_map.ignore_recursively", reference, candidate)

    def ignore_class(self, reference: Names = (), candidate: Names = ()) -> LayerMap:
        """Leaves all layers of these classes out; bare ("Dropout") or qualified class names."""
        return self._with("ignored_classes", "layer_map.ignore_class", reference, candidate)

    def special_init(self, pair: tuple[str, str], function: str) -> LayerMap:
        """Pins `pair`, (reference path, candidate path), and initialises it by a function of the user's.

        `function` is "package.module:function" in the candidate worker; it is called with the reference
        layer's arrays by name and returns the candidate layer's by name, all NumPy.
        """
        field = "layer_map.special_init"
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InvalidRequestError(
                f"{field}: {pair!r} is not allowed; allowed: a pair (reference path, candidate path)"
            )
        reference, candidate = (_path(path, field) for path in pair)
        pinned = LayerPair(
            reference=reference, candidate=candidate, special_init=check_reference(function, field=field)
        )
        others = tuple(
            known for known in self._record.pairs if (known.reference, known.candidate) != tuple(pair)
        )
        return _from_record(replace(self._record, pairs=(*others, pinned)))

    def to_record(self) -> options.LayerMap:
        """Returns the map as it travels."""
        return self._record

    def _with(self, list_name: str, field: str, reference: Names, candidate: Names) -> LayerMap:
        known: IgnoredLayers = getattr(self._record, list_name)
        longer = IgnoredLayers(
            reference=_merged(known.reference, reference, f"{field}.reference"),
            candidate=_merged(known.candidate, candidate, f"{field}.candidate"),
        )
        changes: dict[str, Any] = {list_name: longer}
        return _from_record(replace(self._record, **changes))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerMap) and other._record == self._record

    def __hash__(self) -> int:
        return hash(self._record)

    def __repr__(self) -> str:
        return f"LayerMap({self._record!r})"


def as_layer_map(value: Union[LayerMap, Mapping[str, str], None]) -> LayerMap:
    """Returns `value` (a LayerMap, a dict of pairs, or None) as a LayerMap."""
    return value if isinstance(value, LayerMap) else LayerMap(value)


def _from_record(record: options.LayerMap) -> LayerMap:
    made = LayerMap()
    made._record = record
    return made


def _path(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(
            f'{field}: {value!r} is not allowed; allowed: a layer path, as in "encoder.0.fc"'
        )
    return value


def _merged(known: tuple[str, ...], names: Names, field: str) -> tuple[str, ...]:
    given = (names,) if isinstance(names, str) else tuple(names)
    return tuple(dict.fromkeys([*known, *(_path(name, field) for name in given)]))
