"""The layer tree of every framework: paths, shared layers, tied weights, plain attributes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Optional

from padiff_rpc.records import record
from padiff_rpc.v1.records import TensorSpec, Weight
from padiff_rpc.v1.words import WeightKind

_SCALARS = (bool, int, float, str, type(None))
# Longer lists are tables, not hyper-parameters.
_MAX_ITEMS = 64


@record
class LayerHandle:
    """One layer of a model.

    Attributes:
        paths: all paths that reach the layer, definition order; the first names it, "" is the root.
        layer: the framework's object.
        classes: qualified class names, own class first, then bases up to and without the framework's
            base class for layers.
        hyper_parameters: public attributes that are bool, int, float, str, None, or flat tuples or
            lists of these, by the framework's own names.
        weights: own parameters and persistent or non-persistent buffers, definition order, with the
            framework's names. `tied_to` is filled in.
        opaque: compiled, exported or scripted, so that no call of the layers below can be watched.
        hidden: below an opaque layer, wherever it is held.
        training: in train mode.
    """

    paths: tuple[str, ...]
    layer: Any
    classes: tuple[str, ...]
    hyper_parameters: Mapping[str, Any]
    weights: tuple[Weight, ...]
    opaque: bool = False
    hidden: bool = False
    training: bool = False


@record
class OwnTensor:
    """A parameter or buffer that a layer itself holds, under its own name.

    `unsaved`: a buffer that state files leave out. `computed`: made anew whenever it is asked for, of others
    of the layer's; to write to it changes nothing.
    """

    name: str
    kind: WeightKind
    tensor: Any
    trainable: bool = False
    unsaved: bool = False
    computed: bool = False


@record
class LayerReader:
    """How to walk one framework's models.

    Attributes:
        base: the framework's base class for layers.
        all_layers: a model's layers, those among them that only make weights.
        children: a layer's named children, definition order; empty places are None.
        own_tensors: the parameters and buffers that a layer itself holds, definition order.
        bookkeeping: the attributes that every layer has.
        stores: those of them in which a layer keeps its parameters, buffers and children.
        attributes: a layer's attributes that may be hyper-parameters; the plain ones are taken.
        is_opaque: whether a layer is compiled, exported or scripted.
        class_of: the class that a layer was made of, as a qualified name; "" where its own says it.
    """

    base: type
    all_layers: Callable[[Any], Iterable[Any]]
    children: Callable[[Any], Mapping[str, Optional[Any]]]
    own_tensors: Callable[[Any], Iterable[OwnTensor]]
    attributes: Callable[[Any], Mapping[str, Any]]
    bookkeeping: frozenset[str]
    stores: tuple[str, ...]
    is_opaque: Callable[[Any], bool] = lambda layer: False
    class_of: Callable[[Any], str] = lambda layer: ""

    def layers(self, model: Any, spec: Callable[[Any], TensorSpec]) -> tuple[LayerHandle, ...]:
        """Returns what `FrameworkAdapter.layers` does; `spec` is the adapter's."""
        first_names: dict[int, str] = {}
        by_object = self._by_object(model)
        opaque = {path for paths, layer in by_object if self.is_opaque(layer) for path in paths}
        hidden = {id(layer) for paths, layer in by_object if all(_is_below(path, opaque) for path in paths)}
        return tuple(
            LayerHandle(
                paths=paths,
                layer=layer,
                classes=self._classes(layer),
                hyper_parameters=_plain(self.attributes(layer)),
                weights=tuple(
                    _weight(own, spec(own.tensor), full_name(paths[0], own.name), first_names)
                    for own in self.own_tensors(layer)
                ),
                opaque=paths[0] in opaque and id(layer) not in hidden,
                hidden=id(layer) in hidden,
                training=bool(getattr(layer, "training", False)),
            )
            for paths, layer in by_object
        )

    def weights(self, model: Any) -> dict[str, Any]:
        """Returns what `FrameworkAdapter.weights` does."""
        named: dict[str, Any] = {}
        known: set[int] = set()
        for paths, layer in self._by_object(model):
            for own in self.own_tensors(layer):
                if id(own.tensor) not in known:
                    known.add(id(own.tensor))
                    named[full_name(paths[0], own.name)] = own.tensor
        return named

    def _by_object(self, model: Any) -> list[tuple[tuple[str, ...], Any]]:
        found: dict[int, tuple[list[str], Any]] = {}
        for path, layer in self._walk("", model, ()):
            found.setdefault(id(layer), ([], layer))[0].append(path)
        return [(tuple(paths), layer) for paths, layer in found.values()]

    def _walk(self, path: str, layer: Any, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
        yield path, layer
        inside = (*above, id(layer))
        for name, child in self.children(layer).items():
            # A child may hold its own ancestor; that path has no end.
            if child is not None and id(child) not in inside:
                yield from self._walk(full_name(path, name), child, inside)

    def _classes(self, layer: Any) -> tuple[str, ...]:
        made_of = self.class_of(layer)
        if made_of:
            return (made_of,)
        own, *bases = type(layer).__mro__
        # The own class even where it is the base itself: a bare container.
        kept = [own, *(cls for cls in bases if issubclass(cls, self.base) and cls is not self.base)]
        return tuple(f"{cls.__module__}.{cls.__qualname__}" for cls in kept)


def full_name(path: str, name: str) -> str:
    """Returns the name within the model of what the layer at `path` calls `name`."""
    return f"{path}.{name}" if path else name


def _is_below(path: str, tops: Collection[str]) -> bool:
    while path:
        path = path.rpartition(".")[0]
        if path in tops:
            return True
    return False


def _weight(own: OwnTensor, spec: TensorSpec, name: str, first_names: dict[int, str]) -> Weight:
    # What is made for this question alone may lie where the last such tensor did.
    first = name if own.computed else first_names.setdefault(id(own.tensor), name)
    return Weight(
        name=own.name,
        kind=own.kind,
        spec=spec,
        trainable=own.trainable,
        tied_to="" if first == name else first,
        unsaved=own.unsaved,
    )


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in attributes.items():
        if _is_scalar(value):
            plain[name] = value
        elif isinstance(value, (list, tuple)) and len(value) <= _MAX_ITEMS and all(map(_is_scalar, value)):
            plain[name] = tuple(value) if isinstance(value, tuple) else list(value)
    return plain


def _is_scalar(value: Any) -> bool:
    # By exact type, since subclasses (enums, NumPy's float64) do not travel as what they are.
    return type(value) in _SCALARS and (type(value) is not int or -(2**63) <= value < 2**64)
