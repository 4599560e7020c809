"""Sentences for findings: what functions between the layers do differently, with both sides' lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Optional

from padiff_client import wording
from padiff_client.layer_trees import Leaf
from padiff_rpc.v1.records import (
    ArgumentDifference,
    FunctionCall,
    FunctionDetail,
    FunctionFinding,
    Place,
    Row,
    SourceLine,
)
from padiff_rpc.v1.words import FindingKind, Phase, Side

# What an operator does to its left side.
_VERBS = {
    "add": "adds {other}",
    "subtract": "subtracts {other}",
    "multiply": "multiplies by {other}",
    "divide": "divides by {other}",
}
_LINES_SHOWN = 4


def sentence(found: FunctionFinding) -> str:
    """Returns what a finding says, in one sentence."""
    is_of_gradients = found.phase in (Phase.BACKWARD, Phase.GRADIENTS) and found.kind in _OF_GRADIENTS
    said = (_OF_GRADIENTS if is_of_gradients else _SENTENCES)[found.kind]
    mark = f' (mark "{found.mark}")' if found.mark else ""
    return wording.plain(said(found) + mark + _evidence(found.differing))


def block(found: FunctionFinding) -> list[str]:
    """Returns the sentence, and the lines of both sides as their files have them."""
    return [sentence(found), *(f"  {line}" for line in _lines(found))]


def code(found: FunctionFinding) -> list[str]:
    """Returns the code of the lines that the sentence names, a line for each side that has one."""
    return [
        f"{side}: {wording.plain(call.source.text.strip())}"
        for side, call in _calls(found).items()
        if call is not None and call.source is not None and call.source.text.strip()
    ]


def edit(found: FunctionFinding) -> str:
    """Returns how to change the candidate's line, where the finding alone tells; "" else."""
    ours, theirs = found.candidate_call, found.reference_call
    if found.kind is FindingKind.EXTRA and ours is not None:
        return f"take {_call_at(ours)} out of the candidate"
    if found.kind is FindingKind.MISSING and theirs is not None:
        return f"give the candidate what {_call_at(theirs)} does in the reference"
    if found.kind is not FindingKind.FUNCTION or ours is None or ours.source is None:
        return ""
    changes = [
        f"{one.name or 'the argument'} from {one.candidate} to {one.reference}"
        for one in found.differing
        if one.candidate and one.reference
    ]
    return f"change {', '.join(changes)} at {_at(ours.source)}" if changes else ""


def paired(details: Sequence[FunctionDetail]) -> list[str]:
    """Returns how many functions' tensors have counterparts, a line for each step that was looked into."""
    lines = []
    for one in details:
        step = f"step {one.step}: " if len(details) > 1 else ""
        text = f"{step}{one.paired} of {one.tensors} tensors of the reference have a counterpart by value"
        lines.append(f"{text}; {one.left_out} calls are not listed" if one.left_out else text)
    return lines


def leaves(found: Optional[FunctionFinding], detail: Optional[FunctionDetail], side: Side) -> list[Leaf]:
    """Returns a side's functions as the layer trees show them: those of the detail, and of what was found."""
    marked = (_calls(found)[side] or _users(found)[side]) if found is not None else None
    place = _places(found)[side] if found is not None else Place(path="")
    own = (place.path, place.call)
    made = []
    for path, calls in _first_calls(detail, side, own).items():
        for call in calls:
            is_here = (path, call) == (place.path, marked)
            layer = path if call.is_layer else call.layer_path
            text = call.function if call.is_layer else wording.plain(_call_at(call))
            made.append(Leaf(layer=layer, text=text, is_layer=call.is_layer, is_here=is_here))
    if marked is not None and not any(one.is_here and not one.is_layer for one in made):
        made.insert(0, Leaf(layer=place.path, text=wording.plain(_call_at(marked)), is_here=True))
    return made


def _first_calls(
    detail: Optional[FunctionDetail], side: Side, own: tuple[str, int]
) -> Mapping[str, Sequence[FunctionCall]]:
    """Returns the functions of each layer's first call, and of `own`, a layer and the number of its call."""
    found: dict[str, Sequence[FunctionCall]] = {}
    for one in detail.calls if detail is not None else ():
        path, call, its = (
            (one.reference_path, one.reference_call, one.reference)
            if side is Side.REFERENCE
            else (one.candidate_path, one.candidate_call, one.candidate)
        )
        if path not in found or (path, call) == own:
            found[path] = [leaf.call for leaf in its]
    return found


def is_of(found: FunctionFinding, row: Row) -> bool:
    """Whether a finding explains the row."""
    places = ((found.reference, row.reference), (found.candidate, row.candidate))
    return (found.step, found.phase) == (row.step, row.phase) and all(
        there is not None and _spot(here) == _spot(there) for here, there in places
    )


def _spot(place: Place) -> tuple[str, int, str]:
    shown = place.shown_by
    return (*((place.path, place.call) if shown is None else (shown.path, shown.call)), place.slot)


def _function(found: FunctionFinding) -> str:
    return f"{_against(found)}: equal inputs, different output"


def _layout(found: FunctionFinding) -> str:
    return f"{_against(found)}: the same elements in another order"


def _against(found: FunctionFinding) -> str:
    ours, theirs = found.candidate_call, found.reference_call
    if ours is None or theirs is None:
        here, there = ("candidate", "reference") if ours is not None else ("reference", "candidate")
        return f"{_call_at(ours or theirs)} in the {here}, and nothing in the {there}"
    return f"{_call_at(ours)} against {_call_at(theirs)}"


def _missing(found: FunctionFinding) -> str:
    return _more_than("reference", found.reference_call, "candidate", found.candidate_call, found.candidate)


def _extra(found: FunctionFinding) -> str:
    return _more_than("candidate", found.candidate_call, "reference", found.reference_call, found.reference)


def _more_than(
    side: str, call: Optional[FunctionCall], other: str, maker: Optional[FunctionCall], place: Place
) -> str:
    handed_on = f"what {_call_at(maker)} made" if maker is not None else f"its own input of {_layer(place)}"
    return f"the {side} {_does(call)}; the {other} hands on {handed_on}"


def _other_tensor(found: FunctionFinding) -> str:
    taken = [
        f"what {_call_at(call)} made" if call is not None else f"an input of {_layer(place)}"
        for call, place in (
            (found.candidate_call, found.candidate),
            (found.reference_call, found.reference),
        )
    ]
    users = [user for user in (found.candidate_user, found.reference_user) if user is not None]
    where = f" in {' against '.join(map(_call_at, users))}" if users else ""
    return f"another tensor: the candidate takes {taken[0]}, the reference {taken[1]}{where}"


def _region(found: FunctionFinding) -> str:
    ours, theirs = _where(found.candidate_lines), _where(found.reference_lines)
    return (
        f"between equal tensors and those that differ, the candidate runs {ours or 'nothing of its own'}, "
        f"the reference {theirs or 'nothing of its own'}{_begins(found)}"
    )


def _other_gradient(found: FunctionFinding) -> str:
    if found.of_values:
        return f"{_function(found)}{_shown_by_gradients(found)}"
    side = found.without_gradient
    goes_out = "different ones go out" if side is None else f"the {side} passes none on"
    return f"{_against(found)}: equal gradients come in, {'and ' if side is not None else ''}{goes_out}"


def _lone_gradient(side: Side, opposite: Side) -> Callable[[FunctionFinding], str]:
    """Returns what is said of a call that one side alone makes."""

    def said(found: FunctionFinding) -> str:
        if found.of_values:
            return f"{_SENTENCES[found.kind](found)}{_shown_by_gradients(found)}"
        call = _call_at(_calls(found)[side])
        if found.without_gradient is side:
            return f"the {side}'s gradient ends at {call}; the {opposite} passes it on"
        return f"the {side} changes the gradient in {call}; the {opposite} has no such call"

    return said


def _region_of_gradients(found: FunctionFinding) -> str:
    ours, theirs = _where(found.candidate_lines), _where(found.reference_lines)
    return (
        f"equal gradients come in, and different ones go out, where the candidate runs "
        f"{ours or 'nothing of its own'}, the reference {theirs or 'nothing of its own'}"
    )


def _shown_by_gradients(found: FunctionFinding) -> str:
    users = [user for user in (found.candidate_user, found.reference_user) if user is not None]
    return f", which gradients alone show{', in ' if users else ''}{' against '.join(map(_call_at, users))}"


def _begins(found: FunctionFinding) -> str:
    if found.candidate_call is None or found.reference_call is None:
        return ""
    return f"; they part from {_against(found)}"


_SENTENCES: Mapping[FindingKind, Callable[[FunctionFinding], str]] = {
    FindingKind.FUNCTION: _function,
    FindingKind.MISSING: _missing,
    FindingKind.EXTRA: _extra,
    FindingKind.OTHER_TENSOR: _other_tensor,
    FindingKind.LAYOUT: _layout,
    FindingKind.REGION: _region,
}


_OF_GRADIENTS: Mapping[FindingKind, Callable[[FunctionFinding], str]] = {
    FindingKind.FUNCTION: _other_gradient,
    FindingKind.MISSING: _lone_gradient(Side.REFERENCE, Side.CANDIDATE),
    FindingKind.EXTRA: _lone_gradient(Side.CANDIDATE, Side.REFERENCE),
    FindingKind.REGION: _region_of_gradients,
}


def _evidence(differing: Sequence[ArgumentDifference]) -> str:
    texts = [
        f"{one.name + ' ' if one.name else ''}{one.candidate or 'none'} against {one.reference or 'none'}"
        for one in differing
    ]
    return f" (arguments: {', '.join(texts)})" if texts else ""


def _does(call: Optional[FunctionCall]) -> str:
    if call is None:
        return "makes more"
    verb = _VERBS.get(call.operation)
    others = [one.text for one in call.arguments if not one.is_default]
    if verb is None or len(others) != 1:
        return f"calls {_call_at(call)}"
    return f"{verb.format(other=others[0])} ({_at(call.source)})"


def _call_at(call: Optional[FunctionCall]) -> str:
    """Returns "`softmax(axis=-2)` at port.py:20"."""
    if call is None:
        return "nothing"
    if call.is_layer:
        text = f"the layer {call.function}"
    else:
        given = (one for one in call.arguments if not one.is_default)
        arguments = ", ".join(f"{one.name}={one.text}" if one.name else one.text for one in given)
        text = f"`{_name(call)}({arguments})`"
    return f"{text} at {_at(call.source)}" if call.source is not None and call.source.line else text


def _name(call: FunctionCall) -> str:
    return call.operation if call.function.startswith("__") else call.function


def _at(source: Optional[SourceLine]) -> str:
    if source is None or not source.line:
        return "line unknown"
    return f"{os.path.basename(source.file)}:{source.line}"


def _where(lines: Sequence[SourceLine]) -> str:
    named = [_at(line) for line in lines]
    more = f" and {len(named) - _LINES_SHOWN} more" if len(named) > _LINES_SHOWN else ""
    return ", ".join(named[:_LINES_SHOWN]) + more


def _layer(place: Place) -> str:
    return place.path or "the root"


def _calls(found: FunctionFinding) -> Mapping[Side, Optional[FunctionCall]]:
    return {Side.REFERENCE: found.reference_call, Side.CANDIDATE: found.candidate_call}


def _users(found: FunctionFinding) -> Mapping[Side, Optional[FunctionCall]]:
    return {Side.REFERENCE: found.reference_user, Side.CANDIDATE: found.candidate_user}


def _places(found: FunctionFinding) -> Mapping[Side, Place]:
    return {Side.REFERENCE: found.reference, Side.CANDIDATE: found.candidate}


def _lines(found: FunctionFinding) -> Iterator[str]:
    regions = {Side.REFERENCE: found.reference_lines, Side.CANDIDATE: found.candidate_lines}
    places = _places(found)
    for side in (Side.CANDIDATE, Side.REFERENCE):
        shown: dict[tuple[str, int], str] = {}
        call, user = _calls(found)[side], _users(found)[side]
        if found.kind is FindingKind.REGION:
            for line in regions[side][:_LINES_SHOWN]:
                shown.setdefault((line.file, line.line), _text(line))
        for source, word in (
            (call.source if call is not None else None, ""),
            (user.source if user is not None else places[side].source, "used by "),
        ):
            if source is not None and source.line:
                shown.setdefault((source.file, source.line), word + _text(source))
        for index, text in enumerate(shown.values()):
            yield f"{side if index == 0 else '':<10} {text}"


def _text(source: SourceLine) -> str:
    return wording.plain(f"{source.file}:{source.line}: {source.text.strip()}")
