"""Sentences for what is said of pairs of layers, of weights, of random decisions, and of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from padiff_client import wording
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause

_PARTS = (
    "; one real weight with both parts in a last axis of 2 fits, as view_as_real gives it; "
    "layer_map.special_init(..., function) can make any other of them"
)

# See `sentences`.
TEMPLATES: Mapping[Cause, str] = {
    Cause.SAME_ORDER: "equal order and type; the paths differ",
    Cause.SAME_PLACE: "equal type and place; the paths differ",
    Cause.SOME_SHAPES: "only some of their weights agree in shape",
    Cause.OTHER_SHAPES: "their weights differ in shape",
    Cause.OTHER_CLASS: "their classes differ; only weight shapes agree",
    Cause.OTHER_CLASS_MOST_SHAPES: "their classes differ; most of their weights agree in shape",
    Cause.OTHER_KIND: "a {name} against a {second}",
    Cause.DOUBTED: "another pairing fits as well",
    Cause.OTHER_ORDER: "equal type and weight shapes, executed in another order",
    Cause.OTHER_ORDER_BY_NAMES: (
        "equal type, weight shapes and names or surroundings, executed in another order"
    ),
    Cause.BY_NAMES: "equal type and weight shapes; of several like it, names or surroundings tell it",
    Cause.NAMES_AGAINST_ORDER: "their names and the order of execution contradict each other",
    Cause.ORDERS_DIFFER: (
        "alike and beside each other, and one side runs such layers in another order than "
        "it defines them; no name tells which is which"
    ),
    Cause.SAME_CONTENT: "each holds the other's partners",
    Cause.MOST_CONTENT: "each holds most of the other's partners; the rest of what they hold differs",
    Cause.ONE_UNIT: "compared as one unit: their insides hold the same weights in other layers",
    Cause.CALLED_AGAIN: "one of the two is called again where the other side has a layer for each call",
    Cause.INSIDE_PINNED: "inside a pinned pair, which is compared as one unit",
    Cause.INSIDE_UNIT: "the layer around it is compared as one unit",
    Cause.NO_LAYER: "no layer of the {side} corresponds to it",
    Cause.NO_CALL: "the {side} made no call that corresponds to it",
    Cause.CALL_NOT_ENDED: "the {side}'s call did not end (it raised, and a layer around it caught that)",
    Cause.WEIGHTS_ELSEWHERE: (
        "the other side has its weights in other layers, and compares what comes of it there"
    ),
    Cause.COMPUTED_FROM: "the reference computes {name!r} of it, and the candidate holds that",
    Cause.LAYER_ALONE: "its layer has no partner; pair it in the layer map, or ignore it there",
    Cause.LAYER_IGNORED: "its layer is ignored by the layer map",
    Cause.BEHIND_FAILURE: "its layer runs behind the place where a model raised",
    Cause.NEAREST: "nearest: {name!r} {second}{because}",
    Cause.MISFIT: "{name} does not fit {second}{because}",
    Cause.FITS_TRANSPOSED: ", which its transpose would fit",
    Cause.NO_IMAGINARY_PART: f": the imaginary part is missing{_PARTS}",
    Cause.IMAGINARY_PART_UNUSED: f": the imaginary part has no place{_PARTS}",
    Cause.SEVERAL_DTYPES: "weights of several dtypes ({names}) do not make one",
    Cause.TIED_ALONE: "tied on the candidate's side alone, and filled from {name}",
    Cause.UNTRIED: (
        "a user's own class holds it, and several orders of its axes fit; the first of them is taken"
    ),
    Cause.TRIED: "tried on the first batch",
    Cause.COMPARED_IN_ALL_ORDERS: "compared in all orders with the candidate's own values",
    Cause.FUNCTION_REPEATS: "{name} repeats elements",
    Cause.FUNCTION_SHARES: "{name} makes another weight of the same elements",
    Cause.FUNCTION_MAY_SHARE: "{name} may make another weight of the same elements",
    Cause.FUNCTION_COMPUTES: "{name} computes this weight",
    Cause.FUNCTION_LEAVES_OUT: "{name} makes nothing of it",
    Cause.SWITCHED_OFF: "switched off",
    Cause.LEFT_TO_FRAMEWORKS: "left to the frameworks",
    Cause.NOT_SHAREABLE: "not shared: it is none of the operations that can be",
    Cause.NOT_SHARED_BESIDE: "not shared beside {names}",
    Cause.NOTHING_TRAINED: "nothing requires a gradient",
    Cause.LOSS_OF_NOTHING_TRAINED: "the loss depends on nothing that requires a gradient",
    Cause.NO_FLOATING_OUTPUT: "the model returns no floating tensor",
    Cause.NO_BACKWARD_CALLED: "the train step called no backward",
    Cause.NO_SUCH_TENSOR: "the reference has no such tensor",
    Cause.NO_SUCH_GRADIENT: "the reference has no such gradient",
    Cause.OVERRIDE_OF_OTHER_SHAPE: "the reference's shape is {name}, the candidate's {second}",
    Cause.OVERRIDE_OF_OTHER_DTYPE: "the reference's dtype is {name}, the candidate's {second}",
}


def _ignored(one: Reason) -> str:
    return f"ignored by {' and '.join(one.names)}"


def _no_weight(one: Reason) -> str:
    path, kind = one.names
    return f"the {one.side}'s {path or 'root'} has no {kind} for it"


def _computed_here(one: Reason) -> str:
    name, how, path = one.names
    return (
        f"the {one.side} computes {name!r} of it by a {how}, and the {wording.other(one.side)}'s "
        f"{path or 'root'} has none: take it off here before the comparison, or apply it there too"
    )


def _own_table(one: Reason) -> str:
    return f"the {one.side}'s {one.names[0] or 'root'} makes its own and leaves it out of state files"


def _unused_parts(one: Reason) -> str:
    parts = ", ".join(f"{part:.0f}" for part in one.numbers[1:])
    return f"the candidate has nothing for part {parts} of {one.numbers[0]:.0f} of it"


def _fits_turned(one: Reason) -> str:
    return f", which it would fit as axes({', '.join(f'{axis:.0f}' for axis in one.numbers)})"


def _made_of(one: Reason) -> str:
    return f"the reference computes this weight of {' and '.join(map(repr, one.names))}"


def _uneven(one: Reason) -> str:
    path, *operations = one.names
    call, ours, theirs = one.numbers
    made = f" ({', '.join(operations)})" if operations else ""
    return (
        f"the reference makes {ours:.0f} in {wording.call(path, call)} and the candidate {theirs:.0f}{made}"
    )


def _no_backward_in_eval(one: Reason) -> str:
    framework, kind, *paths = one.names
    where = f" ({', '.join(paths)})" if any(paths) else ""
    return f"{framework}'s {kind}{where} has no backward in eval mode; train: true on both sides brings it"


def _unseen(one: Reason) -> str:
    return f"{one.names[0] or 'the whole model'} is compiled on the {one.side}, and runs unseen"


WRITTEN: Mapping[Cause, Callable[[Reason], str]] = {
    Cause.RUNS_UNSEEN: _unseen,
    Cause.IGNORED: _ignored,
    Cause.NO_WEIGHT: _no_weight,
    Cause.COMPUTED_HERE: _computed_here,
    Cause.OWN_TABLE: _own_table,
    Cause.UNUSED_PARTS: _unused_parts,
    Cause.FITS_TURNED: _fits_turned,
    Cause.MADE_OF: _made_of,
    Cause.UNEVEN: _uneven,
    Cause.NO_BACKWARD_IN_EVAL: _no_backward_in_eval,
}
