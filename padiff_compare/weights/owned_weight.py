"""A weight with the layer that holds it, and the full names that workers know weights by."""

from __future__ import annotations

from padiff_rpc.records import record
from padiff_rpc.v1.records import Weight


@record
class OwnedWeight:
    """A weight under its own name, and its layer's first path."""

    path: str
    weight: Weight

    @property
    def name(self) -> str:
        """The full name under which its worker knows the tensor (its first owner's)."""
        return owner_name(self.path, self.weight)


def owner_name(path: str, weight: Weight) -> str:
    """Returns the full name of a layer's weight; a tied one goes by its first owner's."""
    return weight.tied_to or full_name(path, weight.name)


def full_name(path: str, name: str) -> str:
    """Returns what a name in the layer at `path` is called at the root."""
    return f"{path}.{name}" if path else name


def is_within(path: str, top: str) -> bool:
    """Whether the layer at `path` is the one at `top`, or below it."""
    return not top or path == top or path.startswith(f"{top}.")
