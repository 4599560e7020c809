"""Conformance: what layers, their weights and their settings are called in the common vocabulary."""

from __future__ import annotations

from collections.abc import Iterator

from padiff_rpc import trees
from padiff_rpc.v1.records import Layer
from padiff_rpc.v1.words import BufferRole
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.conformance.known_layers import LAYERS

# Composites keep their weights each in its own way; their pieces are what all have.
_OWN_WAYS = {name for name, said in LAYERS.items() if said.pieces}


class VocabularySuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def said(self) -> Iterator[tuple[str, Layer]]:
        """Yields what the adapter's worker says of each layer that the case can make."""
        for name, make in self.case.known_layers().items():
            model = make()
            yield name, self.case.adapter.vocabulary.translated(self.case.adapter.layers(model))[0]

    def test_a_layer_is_of_its_kind_in_every_framework(self) -> None:
        for name, layer in self.said():
            assert (layer.kind, layer.framework) == (LAYERS[name].kind, self.case.adapter.name), name

    def test_its_weights_have_the_names_that_all_have(self) -> None:
        for name, layer in self.said():
            if name in _OWN_WAYS:
                pieces = {piece for held in layer.held for piece in held.pieces}
                assert pieces == set(LAYERS[name].pieces.split()), name
            else:
                counted = [one for one in layer.weights if one.role is not BufferRole.BOOKKEEPING]
                assert {one.canonical for one in counted} == set(LAYERS[name].weights.split()), name

    def test_its_settings_have_the_words_and_the_meaning_that_all_have(self) -> None:
        said = {name: trees.unpack_map(layer.hyper_parameters) for name, layer in self.said()}
        assert {
            name: {word: settings.get(word, "unsaid") for word in LAYERS[name].settings}
            for name, settings in said.items()
        } == {name: LAYERS[name].settings for name in said}

    def test_statistics_and_what_is_computed_of_others_say_so(self) -> None:
        for name, layer in self.said():
            roles = {one.canonical: one.role for one in layer.weights}
            statistics = {one for one in roles if one.startswith("running_") or one.endswith("_u")}
            assert {roles[one] for one in statistics} <= {BufferRole.STATISTIC}, name
            parts = {one.canonical for one in layer.weights if one.part_of == "weight"}
            assert parts == {one for one in roles if one.startswith("weight_") and "weight" in roles}, name
            assert (roles.get("weight") is BufferRole.COMPUTED) is bool(parts), name

    def test_a_layer_of_a_users_own_class_has_no_kind(self) -> None:
        model = self.case.layer(lambda layer, x: x)
        (layer,) = self.case.adapter.vocabulary.translated(self.case.adapter.layers(model))
        assert (layer.kind, layer.framework) == ("", "")
