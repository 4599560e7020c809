"""Words for functions and their arguments, alike for all frameworks.

docs/vocabulary.md lists those of layers; here as there a framework says where its own differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from padiff_rpc.records import record

# What Python calls an operator, and what it computes. A reflected one has its operands in the other order.
_OPERATORS = {
    **dict.fromkeys(("add", "radd", "iadd"), "add"),
    **dict.fromkeys(("sub", "rsub", "isub"), "subtract"),
    **dict.fromkeys(("mul", "rmul", "imul"), "multiply"),
    **dict.fromkeys(("truediv", "rtruediv", "itruediv", "div", "rdiv", "idiv"), "divide"),
    **dict.fromkeys(("floordiv", "rfloordiv", "ifloordiv"), "floor_divide"),
    **dict.fromkeys(("mod", "rmod", "imod"), "remainder"),
    **dict.fromkeys(("pow", "rpow", "ipow"), "pow"),
    **dict.fromkeys(("matmul", "rmatmul", "imatmul"), "matmul"),
    **dict.fromkeys(("and", "rand", "iand"), "bitwise_and"),
    **dict.fromkeys(("or", "ror", "ior"), "bitwise_or"),
    **dict.fromkeys(("xor", "rxor", "ixor"), "bitwise_xor"),
    "neg": "negative",
    "abs": "abs",
    "invert": "bitwise_not",
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less_than",
    "le": "less_equal",
    "gt": "greater_than",
    "ge": "greater_equal",
    "getitem": "get_item",
    "setitem": "set_item",
}
# Common operations that only move, repeat, drop or rename the elements of one tensor.
_LAYOUT = frozenset(
    (
        *("reshape", "transpose", "squeeze", "unsqueeze", "expand", "flatten", "unflatten", "get_item"),
        *("split", "unbind", "slice", "contiguous", "clone", "detach", "flip", "roll", "rot90", "tile"),
        *("diagonal", "unfold"),
    )
)
# Common words for arguments, where frameworks have several.
_ARGUMENTS = {
    "dim": "axis",
    "dims": "axis",
    "eps": "epsilon",
    "keep_dim": "keepdim",
    "y": "other",
    "shape": "size",
    "repeats": "times",
    "repeat_times": "times",
    "ksize": "kernel_size",
    "strides": "stride",
    "paddings": "padding",
    "dilations": "dilation",
}


@record
class FunctionWords:
    """Where a framework's own words for functions are not the common ones, and where its code lies.

    Attributes:
        folder: the framework's package. A frame in it belongs to a function of the framework;
        callers: unless its file is below one of these, whose lines call functions as a user's do: layers;
        machinery: files among those that only call what a user wrote.
        wrappers: names of frames that stand around functions, and name none.
        operations: the framework's names for what functions compute -> the common words.
        arguments: its names of arguments -> the common words.
        unnamed: its arguments that change nothing of the result.
        by_products: its functions that return, after what they compute, what their backward needs.
    """

    folder: str
    callers: tuple[str, ...] = ()
    machinery: tuple[str, ...] = ()
    wrappers: frozenset[str] = frozenset()
    operations: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    unnamed: frozenset[str] = frozenset()
    by_products: frozenset[str] = frozenset()

    def operation(self, name: str) -> str:
        """Returns the common word for what a function of that name computes; its own where there is none."""
        if name.startswith("__") and name.endswith("__"):
            return _OPERATORS.get(name.strip("_"), name.strip("_"))
        # In place by a trailing underscore.
        bare = name.rstrip("_")
        return self.operations.get(bare, bare)

    def argument(self, name: str) -> str:
        """Returns the common word for an argument."""
        return self.arguments.get(name) or _ARGUMENTS.get(name, name)

    def is_layout(self, operation: str) -> bool:
        """Whether a common operation leaves the values of its one tensor as they are."""
        return operation in _LAYOUT
