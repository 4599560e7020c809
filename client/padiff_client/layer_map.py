"""The user's word on which layers belong together, and which do not count."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Optional, Union

from padiff_client.arguments import as_server, references, specs
from padiff_client.comparison import Comparison
from padiff_client.frameworks import framework_of
from padiff_client.habits import instead_of_argument, kind_of
from padiff_client.plan_file import layer_map_of, read_plan
from padiff_client.spec import ModelSpec, check_reference
from padiff_client.verbs import plan
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import arguments_checked, nearest, not_allowed, shown
from padiff_rpc.v1 import records
from padiff_rpc.v1.records import IgnoredLayers, LayerPair, Tls

Names = Union[str, Iterable[str]]
_INSTEAD_OF_MAP = 'layer_map.map: there is none; write LayerMap({"reference.path": "candidate.path"})'


class LayerMap:
    """Pinned pairs of layers and ignored layers, by path.

    Every method changes the map that it is called on, and returns it, so that calls chain;
    `LayerMap(other)` is a copy. A pinned pair is compared as one unit: its inputs, outputs and gradients,
    not its inside. Paths that the models do not have are refused when the comparison starts, with the
    nearest names.
    """

    _record: records.StatedPairing
    # Maps of equal content are equal, and the content changes.
    __hash__ = None  # type: ignore[assignment]

    @arguments_checked("LayerMap")
    def __init__(self, pairs: Union[LayerMap, Mapping[str, str], None] = None) -> None:
        """Pins each reference path in `pairs` to its candidate path; "" is the root."""
        if isinstance(pairs, LayerMap):
            self._become(pairs._record)
            return
        self._become(records.StatedPairing())
        if pairs is not None and not isinstance(pairs, Mapping):
            raise not_allowed(
                pairs,
                "{reference path: candidate path}; a plan's file is read by LayerMap.load",
                field="layer_map",
            )
        for reference, candidate in (pairs or {}).items():
            self._pin(
                LayerPair(reference=_path(reference, "layer_map"), candidate=_path(candidate, "layer_map"))
            )

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> LayerMap:
        """Returns the layer map of a plan file, as `padiff plan -o` writes it.

        Raises InvalidRequestError with the file and line of what is wrong.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise not_allowed(path, "a file's path", field="LayerMap.load")
        return cls()._become(read_plan(os.fspath(path)))

    @classmethod
    @arguments_checked("LayerMap.auto", instead_of_argument)
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
        candidate, reference = specs(layer, module)
        asked = Comparison(
            candidate=candidate,
            reference=reference,
            example_inp=example_inp,
            layer_map=as_layer_map(layer_map).to_record(),
            losses=references(loss_fn, "loss_fn"),
            server=as_server(server, token, tls),
        )
        return cls()._become(layer_map_of(plan(asked).plan))

    @arguments_checked("layer_map.ignore")
    def ignore(self, *, reference: Names = (), candidate: Names = ()) -> LayerMap:
        """Leaves these layers out of the comparison; their children are still compared."""
        return self._with("ignored", "layer_map.ignore", reference, candidate)

    @arguments_checked("layer_map.ignore_recursively")
    def ignore_recursively(self, *, reference: Names = (), candidate: Names = ()) -> LayerMap:
        """Leaves these layers and everything below them out of the comparison."""
        return self._with("ignored_recursively", "layer_map.ignore_recursively", reference, candidate)

    @arguments_checked("layer_map.ignore_class")
    def ignore_class(self, *, reference: Names = (), candidate: Names = ()) -> LayerMap:
        """Leaves all layers of these classes out; bare ("Dropout") or qualified class names."""
        return self._with("ignored_classes", "layer_map.ignore_class", reference, candidate)

    @arguments_checked("layer_map.special_init")
    def special_init(self, pair: tuple[str, str], function: str) -> LayerMap:
        """Pins `pair`, (reference path, candidate path), and initialises it by a function of the user's.

        `function` is "package.module:function" in the candidate worker; it is called with the reference
        layer's arrays by name and returns the candidate layer's by name, all NumPy.
        """
        field = "layer_map.special_init"
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise not_allowed(pair, "a pair (reference path, candidate path)", field=field)
        reference, candidate = (_path(path, field) for path in pair)
        return self._pin(
            LayerPair(
                reference=reference,
                candidate=candidate,
                special_init=check_reference(function, field=field),
            )
        )

    def to_record(self) -> records.StatedPairing:
        """Returns the map as it travels."""
        return self._record

    def _with(self, list_name: str, field: str, reference: Names, candidate: Names) -> LayerMap:
        known: IgnoredLayers = getattr(self._record, list_name)
        longer = IgnoredLayers(
            reference=_merged(known.reference, reference, f"{field}.reference"),
            candidate=_merged(known.candidate, candidate, f"{field}.candidate"),
        )
        changes: dict[str, Any] = {list_name: longer}
        return self._become(replace(self._record, **changes))

    def _pin(self, pinned: LayerPair) -> LayerMap:
        """A pair that was pinned before is replaced."""
        both = (pinned.reference, pinned.candidate)
        others = (pair for pair in self._record.pairs if (pair.reference, pair.candidate) != both)
        return self._become(replace(self._record, pairs=(*others, pinned)))

    def _become(self, record: records.StatedPairing) -> LayerMap:
        object.__setattr__(self, "_record", record)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        raise InvalidRequestError(_INSTEAD_OF_MAP if name == "map" else f"layer_map.{name}: cannot be set")

    def __getattr__(self, name: str) -> Any:
        # Only for what is not there; an AttributeError, so that hasattr and copying do what they do.
        near = nearest(name, (known for known in dir(type(self)) if not known.startswith("_")))
        raise AttributeError(
            _INSTEAD_OF_MAP
            if name == "map"
            else f"layer_map.{name}: there is none" + (f"; nearest: {', '.join(near)}" if near else "")
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerMap) and other._record == self._record

    def __repr__(self) -> str:
        return f"LayerMap({self._record!r})"


def as_layer_map(value: Union[LayerMap, Mapping[str, str], None]) -> LayerMap:
    """Returns `value` (a LayerMap, a dict of pairs, or None) as a LayerMap."""
    return value if isinstance(value, LayerMap) else LayerMap(value)


def _path(value: Any, field: str) -> str:
    if not isinstance(value, str):
        given = shown(value) if framework_of(value) is None else kind_of(value)
        raise InvalidRequestError(
            f'{given} is not allowed; allowed: a layer path, as in "encoder.0.fc"', field=field
        )
    return value


def _merged(known: tuple[str, ...], names: Names, field: str) -> tuple[str, ...]:
    # A layer has no place here, and many a layer can be iterated.
    is_one = isinstance(names, str) or framework_of(names) is not None or not isinstance(names, Iterable)
    given = (names,) if is_one else names
    return tuple(dict.fromkeys([*known, *(_path(name, field) for name in given)]))
