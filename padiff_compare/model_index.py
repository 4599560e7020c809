"""A model's layers by path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from padiff_compare.alignment.kinds import averages, is_bookkeeping, is_byproduct, is_composite
from padiff_compare.normalization import Normalization
from padiff_compare.weights.weight_pair import owner_name
from padiff_rpc import trees
from padiff_rpc.names import is_mark_path
from padiff_rpc.v1.records import Layer, SourceLine
from padiff_rpc.v1.words import Side


class ModelIndex:
    """Looks layers up by any of their paths."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = {path: layer for layer in layers for path in (layer.path, *layer.aliases)}

    def paths(self) -> tuple[str, ...]:
        """Returns the layers' first paths in definition order."""
        return tuple(dict.fromkeys(layer.path for layer in self._layers.values()))

    def class_name(self, path: str) -> str:
        """Returns the bare class name of the layer at `path`, or "" where there is none."""
        layer = self._layers.get(path)
        return layer.class_name if layer is not None else ""

    def made(self, path: str) -> Optional[SourceLine]:
        """Returns the line that made the layer at `path`; None where it is not known."""
        layer = self._layers.get(path)
        return layer.made if layer is not None else None

    def is_frameworks_own(self, path: str) -> bool:
        """Whether the layer at `path` is one of the framework's that does one thing, or stands for a mark."""
        layer = self._layers.get(path)
        if layer is None or layer.opaque:
            return False
        return is_mark_path(path) or (bool(layer.kind) and not is_composite(layer.kind))

    def is_parameterised(self, path: str) -> bool:
        """Whether the layer itself holds parameters or buffers that a verdict may depend on."""
        layer = self._layers.get(path)
        return layer is not None and any(not is_bookkeeping(weight) for weight in layer.weights)

    def weight_names(self, path: str) -> frozenset[str]:
        """Returns the full names of the layer's own weights; a tied one goes by its first owner's."""
        layer = self._layers.get(path)
        weights = layer.weights if layer is not None else ()
        return frozenset(owner_name(path, weight) for weight in weights if not is_bookkeeping(weight))

    def normalization(self, path: str) -> Optional[Normalization]:
        """Returns how the layer at `path` takes statistics of what it is called with; None: it takes none."""
        layer = self._layers.get(path)
        if layer is None or self.uses_kept_statistics(path):
            return None
        return Normalization.of(
            layer.kind, trees.unpack_map(layer.hyper_parameters), self.widest_weight(path)
        )

    def normalizes(self, path: str) -> bool:
        """Whether the layer at `path` divides by how far the values that it is called with spread."""
        return self.normalization(path) is not None

    def uses_kept_statistics(self, path: str) -> bool:
        """Whether the layer at `path` is a norm that takes statistics of earlier calls, as in eval mode."""
        layer = self._layers.get(path)
        if layer is None or not any(weight.canonical == "running_var" for weight in layer.weights):
            return False
        return not layer.training or bool(self.setting(path, "use_global_stats"))

    def own_weight(self, path: str, canonical: str) -> Optional[str]:
        """Returns the full name of a weight of the layer at `path`, by its common name; None for none."""
        layer = self._layers.get(path)
        weights = layer.weights if layer is not None else ()
        return next((owner_name(path, one) for one in weights if one.canonical == canonical), None)

    def widest_weight(self, path: str) -> int:
        """Returns the number of elements of the largest of the layer's own weights; 0 where it has none."""
        layer = self._layers.get(path)
        weights = layer.weights if layer is not None else ()
        return max((math.prod(one.spec.shape) for one in weights if not is_bookkeeping(one)), default=0)

    def averages(self, path: str) -> bool:
        """Whether the layer at `path` makes averages of what it takes, and nothing else."""
        layer = self._layers.get(path)
        return layer is not None and averages(layer.kind)

    def fused_activation(self, path: str) -> Optional[str]:
        """Returns what the layer at `path` says that it applies to its own result: "" for nothing.

        None for users' own classes, of which nobody knows.
        """
        name: Optional[str] = self.setting(path, "fused_activation", "")
        return name

    def setting(self, path: str, name: str, default: Any = None) -> Any:
        """Returns a setting of the layer at `path`, in the common vocabulary; None for users' own classes."""
        layer = self._layers.get(path)
        if layer is None or not layer.kind:
            return None
        return trees.unpack_map(layer.hyper_parameters).get(name, default)

    def has_to_return(self, path: str, slot: str) -> bool:
        """Whether a verdict depends on this output of the layer at `path`, "" for the root."""
        if path == "":
            return True
        return self.is_parameterised(path) and not is_byproduct(self._layers[path].kind, slot)

    def holds_weights(self, path: str) -> bool:
        """Whether the layer, or any below it, is parameterised."""
        below = f"{path}." if path else ""
        return any(self.is_parameterised(one) for one in self._layers if one == path or one.startswith(below))


Models = Mapping[Side, ModelIndex]
