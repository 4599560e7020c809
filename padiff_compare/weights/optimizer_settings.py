"""Settings of the two optimizers: how they differ, and the numbers in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from padiff_compare.capture.sides import SIDES
from padiff_compare.weights.hyper_parameters import as_text, equal
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc import trees
from padiff_rpc.v1.records import DescribeOptimizerResponse as Description
from padiff_rpc.v1.records import Note, OptimizerDifference
from padiff_rpc.v1.words import NoteKind, Side

Descriptions = Mapping[Side, Description]
Settings = Mapping[str, Any]
# A parameter pair with the number that each side has for it.
Numbers = Sequence[tuple[WeightPair, float, float]]
_GIVEN, _MISSING = "given to the optimizer", "not given to it"


def settings_of(description: Description) -> dict[str, Settings]:
    """Returns the settings of each parameter by its full name."""
    return {
        name: settings
        for group in description.groups
        for settings in (trees.unpack(group.settings),)
        for name in group.parameters
    }


def conventions_of(description: Description) -> Mapping[str, str]:
    """Returns the conventions by which an optimizer computes; none where it cannot be looked into."""
    unpacked: Mapping[str, str] = trees.unpack(description.conventions) if description.conventions else {}
    return unpacked


def notes(descriptions: Descriptions) -> Iterator[Note]:
    """Yields what keeps the optimizers from being looked into."""
    hidden = [side for side in SIDES if not descriptions[side].class_name]
    if len(hidden) == len(SIDES):
        yield Note(kind=NoteKind.OPTIMIZERS_UNSEEN)
    for side in hidden if len(hidden) == 1 else ():
        yield Note(kind=NoteKind.OPTIMIZER_UNSEEN, side=side)


def numbers(word: str, pairs: Sequence[WeightPair], descriptions: Descriptions) -> Numbers:
    """Returns a setting of each parameter for which both sides state it as a number; True is 1."""
    ours, theirs = (settings_of(descriptions[side]) for side in SIDES)
    stated = (
        (pair, ours.get(name, {}).get(word), theirs.get(pair.candidate_name, {}).get(word))
        for pair in pairs
        for name in pair.reference_names
    )
    return [
        (pair, float(reference), float(candidate))
        for pair, reference, candidate in stated
        if isinstance(reference, (int, float)) and isinstance(candidate, (int, float))
    ]


def given_to_one(
    pairs: Sequence[WeightPair], descriptions: Descriptions
) -> Iterator[tuple[WeightPair, Side]]:
    """Yields the pairs, trained on both sides, of which one side's optimizer alone was given its own."""
    settings = {side: settings_of(descriptions[side]) for side in SIDES}
    for pair in pairs:
        for name in pair.reference_names:
            has = {
                Side.REFERENCE: name in settings[Side.REFERENCE],
                Side.CANDIDATE: pair.candidate_name in settings[Side.CANDIDATE],
            }
            if any(has.values()) and not all(has.values()) and all(map(pair.is_trainable, SIDES)):
                yield pair, next(side for side in SIDES if has[side])
                break


def differences(pairs: Sequence[WeightPair], descriptions: Descriptions) -> Iterator[OptimizerDifference]:
    """Yields settings, then conventions, that differ; nothing where either side cannot be looked into.

    A setting is compared where both sides state it. Parameters with the same difference are told together,
    and not at all where all have it.
    """
    if not all(descriptions[side].class_name for side in SIDES):
        return
    settings = {side: settings_of(descriptions[side]) for side in SIDES}
    compared = 0
    found: dict[tuple[str, str, str], list[str]] = {}
    for pair in pairs:
        for name in pair.reference_names:
            compared += 1
            for difference in _of_pair(pair, name, settings):
                found.setdefault(difference, []).append(name)
    for (word, reference, candidate), names in found.items():
        yield OptimizerDifference(
            name=word,
            reference=reference,
            candidate=candidate,
            parameters=() if len(names) == compared else tuple(names),
        )
    yield from _conventions(descriptions, settings)


def _of_pair(
    pair: WeightPair, reference_name: str, settings: Mapping[Side, Mapping[str, Settings]]
) -> Iterator[tuple[str, str, str]]:
    ours = settings[Side.REFERENCE].get(reference_name)
    theirs = settings[Side.CANDIDATE].get(pair.candidate_name)
    if ours is not None and theirs is not None:
        for word in ours:
            if word in theirs and not equal(ours[word], theirs[word]):
                yield word, as_text(ours[word]), as_text(theirs[word])
    elif (ours is None) != (theirs is None) and all(map(pair.is_trainable, SIDES)):
        yield "parameter", _MISSING if ours is None else _GIVEN, _MISSING if theirs is None else _GIVEN


def _conventions(
    descriptions: Descriptions, settings: Mapping[Side, Mapping[str, Settings]]
) -> Iterator[OptimizerDifference]:
    ours, theirs = (conventions_of(descriptions[side]) for side in SIDES)
    for word in ours:
        if word in theirs and ours[word] != theirs[word] and _has_effect(word, settings):
            yield OptimizerDifference(
                name=word, reference=ours[word], candidate=theirs[word], convention=True
            )


def _has_effect(word: str, settings: Mapping[Side, Mapping[str, Settings]]) -> bool:
    """Whether it matters how a setting is used: not where all have it switched off."""
    stated = [values[word] for of in settings.values() for values in of.values() if word in values]
    return not stated or any(stated)
