from __future__ import annotations

import pytest

from padiff_compare.alignment.align import align
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import IgnoredLayers, LayerPair, Reason, StatedPairing
from padiff_rpc.v1.words import Cause, NoteKind, Side


def pairs(plan):
    return {pair.reference: pair.candidate for pair in plan.layers}


def pinned(**map_):
    return StatedPairing(pairs=tuple(LayerPair(reference=r, candidate=c) for r, c in map_.items()))


MLP = """
.: mine.Net
fc1: t.Linear weight(8,4) bias(8)
act: t.ReLU
fc2: t.Linear weight(2,8) bias(2)
"""
PADDLE_MLP = """
.: mine.Net
first: p.Linear weight(4,8) bias(8)
relu: p.ReLU
second: p.Linear weight(8,2) bias(2)
"""


# Names, order, type


def test_equal_paths_with_equal_kind_and_shapes_are_certain(side):
    plan = align(
        side(MLP), side(MLP.replace("t.", "p.").replace("8,4", "4,8").replace("2,8", "8,2")), StatedPairing()
    )
    assert [(p.reference, p.candidate, p.how, p.confidence) for p in plan.layers] == [
        ("", "", "root", 1.0),
        ("fc1", "fc1", "same_path", 1.0),
        ("act", "act", "same_path", 1.0),
        ("fc2", "fc2", "same_path", 1.0),
    ]
    assert plan.only_reference == plan.only_candidate == ()


def test_other_names_pair_by_order_and_type_with_less_confidence(side):
    plan = align(side(MLP), side(PADDLE_MLP), StatedPairing())
    assert pairs(plan) == {"": "", "fc1": "first", "act": "relu", "fc2": "second"}
    fc1 = plan.candidate_of("fc1")
    assert (fc1.how, fc1.compared) == ("order_and_type", True)
    assert 0.5 < fc1.confidence < 1
    assert fc1.reason.cause is Cause.SAME_ORDER


def test_execution_order_stands_above_definition_order(side):
    reference = side(".: m.Net\na: t.Linear weight(4,4)\nb: t.Linear weight(4,4)", calls="b a")
    candidate = side(".: m.Net\nx: p.Linear weight(4,4)\ny: p.Linear weight(4,4)", calls="x y")
    assert pairs(align(reference, candidate, StatedPairing())) == {"": "", "b": "x", "a": "y"}


def test_a_layer_too_many_shifts_no_index(side):
    reference = side(
        ".: t.Sequential\n0: t.Linear weight(4,4)\n1: t.Dropout\n2: t.Linear weight(4,4)\n"
        "3: t.Dropout\n4: t.Linear weight(4,4)"
    )
    candidate = side(
        ".: p.Sequential\n0: p.Linear weight(4,4)\n1: p.Linear weight(4,4)\n2: p.Linear weight(4,4)"
    )
    plan = align(reference, candidate, StatedPairing())
    assert pairs(plan) == {"": "", "0": "0", "2": "1", "4": "2"}
    assert plan.only_reference == ("1", "3")


def test_a_missing_bias_keeps_its_place_among_equal_layers(side):
    linears = [f"{n}: t.Linear weight(4,4) bias(4)" for n in range(5)]
    reference = side("\n".join([".: t.Sequential", *linears]))
    names = "abcde"
    others = [f"{names[n]}: p.Linear weight(4,4)" + (" bias(4)" if n != 2 else "") for n in range(5)]
    candidate = side("\n".join([".: mine.Net", *others]))
    plan = align(reference, candidate, StatedPairing())
    assert pairs(plan) == {"": "", **{str(n): names[n] for n in range(5)}}
    assert plan.candidate_of("2").confidence < plan.candidate_of("1").confidence


def test_a_faulty_block_keeps_its_place_among_equal_blocks(side):
    def blocks(prefix, start, faulty, p):
        lines = [".: mine.Net", f"{prefix}: {p}.ModuleList"]
        for n in range(start, start + 4):
            bias = "" if n - start == faulty else " bias(4)"
            lines += [
                f"{prefix}.{n}: mine.Block",
                f"{prefix}.{n}.fc: {p}.Linear weight(4,4){bias}",
                f"{prefix}.{n}.norm: {p}.LayerNorm weight(4) bias(4)",
            ]
        return "\n".join(lines)

    plan = align(side(blocks("h", 0, None, "t")), side(blocks("layers", 1, 2, "p")), StatedPairing())
    for n in range(4):
        assert pairs(plan)[f"h.{n}"] == f"layers.{n + 1}"
        assert pairs(plan)[f"h.{n}.fc"] == f"layers.{n + 1}.fc"
    assert plan.only_reference == plan.only_candidate == ()


def test_equal_kind_with_other_shapes_pairs_with_low_confidence(side):
    reference = side(".: m.Net\nhead: t.Linear weight(10,8)")
    candidate = side(".: m.Net\nfc: p.Linear weight(8,12)")
    pair = align(reference, candidate, StatedPairing()).candidate_of("head")
    assert (pair.candidate, pair.reason.cause) == ("fc", Cause.OTHER_SHAPES)
    assert pair.confidence < 0.5


def test_one_name_pairs_other_kinds_so_that_a_wrong_activation_is_seen(side):
    reference = side(".: m.Net\nfc: t.Linear weight(4,4)\nact: t.GELU", calls="fc act")
    candidate = side(".: m.Net\nfc: p.Linear weight(4,4)\nact: p.ReLU", calls="fc act")
    pair = align(reference, candidate, StatedPairing()).candidate_of("act")
    assert (pair.candidate, pair.reason) == ("act", Reason(cause=Cause.OTHER_KIND, names=("GELU", "ReLU")))


def test_a_custom_class_pairs_with_a_framework_layer_of_equal_shapes(side):
    reference = side(".: m.Net\nln: mine.Norm gamma(4) beta(4)\nfc: t.Linear weight(4,4)")
    candidate = side(".: m.Net\nnorm: p.LayerNorm weight(4) bias(4)\nfc: p.Linear weight(4,4)")
    assert pairs(align(reference, candidate, StatedPairing()))["ln"] == "norm"


# Layers without weights


def test_a_layer_against_a_function_is_listed_and_the_rest_pairs(side):
    candidate = side(PADDLE_MLP.replace("relu: p.ReLU\n", ""))
    plan = align(side(MLP), candidate, StatedPairing())
    assert pairs(plan) == {"": "", "fc1": "first", "fc2": "second"}
    assert plan.only_reference == ("act",)


def test_layers_without_weights_that_are_called_unequally_often_pair_call_by_call_alone(side):
    reference = side(".: m.Net\na: t.Linear weight(4,4)\nact: t.ReLU", calls="a act a act")
    candidate = side(".: m.Net\na: p.Linear weight(4,4)\nact: p.ReLU", calls="a a act")
    plan = align(reference, candidate, StatedPairing())
    assert plan.candidate_of("act") is None
    # Behind the second call of `a` on both sides.
    assert [(one.reference_call, one.candidate_call) for one in plan.calls] == [(1, 0)]


def test_layers_without_weights_do_not_pair_across_others(side):
    text = ".: m.Net\na: {0}.Linear weight(4,4)\nb: {0}.Linear weight(3,4)\nrelu{1}: {0}.ReLU"
    reference = side(text.format("t", 1), calls="a relu1 b")
    candidate = side(text.format("p", 2).replace("3,4", "4,3"), calls="a b relu2")
    plan = align(reference, candidate, StatedPairing())
    assert (plan.only_reference, plan.only_candidate) == (("relu1",), ("relu2",))


# Levels


def test_wrappers_and_sequentials_are_looked_through(side):
    reference = side(
        ".: m.Net\nbody: t.Sequential\nbody.0: t.Linear weight(8,4)\nbody.1: t.ReLU\n"
        "head: m.Head\nhead.inner: t.Linear weight(2,8)"
    )
    candidate = side(".: m.Net\na: p.Linear weight(4,8)\nr: p.ReLU\nb: p.Linear weight(8,2)")
    plan = align(reference, candidate, StatedPairing())
    assert pairs(plan) == {"": "", "body.0": "a", "body.1": "r", "head.inner": "b"}
    assert plan.only_reference == ("body", "head")


def test_a_wrapper_around_the_whole_model_is_looked_through(side):
    inner = "\n".join(f"model.{line}" for line in MLP.strip().splitlines()[1:])
    plan = align(side(f".: m.Wrapper\nmodel: mine.Net\n{inner}"), side(PADDLE_MLP), StatedPairing())
    assert pairs(plan) == {"": "", "model.fc1": "first", "model.act": "relu", "model.fc2": "second"}


def test_lists_by_type_pair_with_blocks_by_execution_order(side):
    reference = side(
        ".: m.Net\nfcs: t.ModuleList\nfcs.0: t.Linear weight(4,4)\nfcs.1: t.Linear weight(4,4)\n"
        "norms: t.ModuleList\nnorms.0: t.LayerNorm weight(4)\nnorms.1: t.LayerNorm weight(4)",
        calls="fcs.0 norms.0 fcs.1 norms.1",
    )
    candidate = side(
        ".: m.Net\na: p.Linear weight(4,4)\nb: p.LayerNorm weight(4)\nc: p.Linear weight(4,4)\n"
        "d: p.LayerNorm weight(4)",
        calls="a b c d",
    )
    plan = align(reference, candidate, StatedPairing())
    assert pairs(plan) == {"": "", "fcs.0": "a", "norms.0": "b", "fcs.1": "c", "norms.1": "d"}


def test_layers_at_other_depths_pair_in_the_end(side):
    reference = side(
        ".: m.Net\nvit: m.Vit token(1,1,4)\nvit.fc: t.Linear weight(4,4)\nvit.norm: t.LayerNorm weight(4)"
    )
    candidate = side(".: m.Net token(1,1,4)\nfc: p.Linear weight(4,4)\nnorm: p.LayerNorm weight(4)")
    assert pairs(align(reference, candidate, StatedPairing())) == {"": "", "vit.fc": "fc", "vit.norm": "norm"}


# Shared layers


SHARED = """
.: m.Net
left: m.Half
left.fc | right.fc: {0}.Linear weight(4,4)
left.own: {0}.Linear weight(3,4)
right: m.Half
right.own: {0}.Linear weight(4,3)
"""


def test_a_shared_layer_is_one_pair_under_any_of_its_paths(side):
    calls = "left.fc left.own right.own right.fc"
    candidate = SHARED.format("t").replace("left", "one").replace("right", "two")
    plan = align(
        side(SHARED.format("t"), calls),
        side(candidate, calls.replace("left", "one").replace("right", "two")),
        StatedPairing(),
    )
    assert plan.candidate_of("right.fc") == plan.candidate_of("left.fc")
    assert plan.reference_of("two.fc").reference == "left.fc"
    assert [pair.reference for pair in plan.layers].count("left.fc") == 1
    assert plan.only_reference == plan.only_candidate == ()


def test_a_pin_by_another_path_of_a_shared_layer_counts(side):
    plan = align(
        side(SHARED.format("t")),
        side(SHARED.format("t")),
        StatedPairing(pairs=(LayerPair(reference="right.fc", candidate="left.fc"),)),
    )
    assert plan.candidate_of("left.fc").how == "pinned"


def test_a_layer_that_only_one_side_shares_pairs_once(side):
    candidate = SHARED.replace("left.fc | right.fc", "left.fc") + "right.fc: {0}.Linear weight(4,4)"
    plan = align(side(SHARED.format("t")), side(candidate.format("t")), StatedPairing())
    assert pairs(plan)["left.fc"] == "left.fc"
    assert plan.only_candidate == ("right.fc",)


# The layer map: pins


NESTED = """
.: m.Net
enc: m.Block
enc.a: {0}.Linear weight(4,4)
enc.b: {0}.Linear weight(4,4)
dec: m.Block
dec.a: {0}.Linear weight(4,4)
dec.b: {0}.Linear weight(4,4)
"""


def test_a_pin_outranks_names_and_order(side):
    plan = align(side(NESTED.format("t")), side(NESTED.format("t")), pinned(enc="dec"))
    assert pairs(plan)["enc"] == "dec"
    assert pairs(plan)["dec"] == "enc"
    assert (plan.candidate_of("enc").how, plan.candidate_of("enc").confidence) == ("pinned", 1.0)


def test_the_inside_of_a_pinned_pair_is_paired_but_not_compared(side):
    plan = align(side(NESTED.format("t")), side(NESTED.format("t")), pinned(enc="dec"))
    inner = plan.candidate_of("enc.a")
    assert (inner.candidate, inner.how, inner.compared) == ("dec.a", "inside_pinned", False)
    assert inner.reason.cause is Cause.INSIDE_PINNED
    assert plan.candidate_of("enc").compared
    assert plan.skip_paths(Side.REFERENCE) == ("enc.a", "enc.b")
    assert plan.skip_paths(Side.CANDIDATE) == ("dec.a", "dec.b")
    assert plan.candidate_of("dec.a").compared


def test_what_has_no_partner_inside_a_pinned_pair_is_not_listed_as_a_gap(side):
    reference = side(".: m.Net\nenc: m.Block\nenc.a: t.Linear weight(4,4)\nenc.drop: t.Dropout")
    candidate = side(".: m.Net\nenc: m.Block\nenc.a: t.Linear weight(4,4)")
    plan = align(reference, candidate, pinned(enc="enc"))
    assert plan.only_reference == ()
    assert plan.skip_paths(Side.REFERENCE) == ("enc.a", "enc.drop")


def test_a_pin_inside_a_pinned_pair_is_compared(side):
    layer_map = StatedPairing(
        pairs=(LayerPair(reference="enc", candidate="dec"), LayerPair(reference="enc.a", candidate="dec.b"))
    )
    plan = align(side(NESTED.format("t")), side(NESTED.format("t")), layer_map)
    assert (plan.candidate_of("enc.a").candidate, plan.candidate_of("enc.a").compared) == ("dec.b", True)
    assert plan.candidate_of("enc.b").candidate == "dec.a"


@pytest.mark.parametrize(
    ("layer_map", "field", "text"),
    [
        (
            pinned(**{"enc.aa": "dec"}),
            "layer_map.pairs",
            "the reference has no layer 'enc.aa'; nearest: enc.a",
        ),
        (
            pinned(enc="decoder"),
            "layer_map.pairs",
            "the candidate has no layer 'decoder'; nearest: dec",
        ),
        (
            StatedPairing(ignored=IgnoredLayers(candidate=("encoder.b",))),
            "layer_map.ignore.candidate",
            "nearest: enc.b",
        ),
        (
            StatedPairing(ignored_recursively=IgnoredLayers(reference=("block.dec",))),
            "layer_map.ignore_recursively.reference",
            "'block.dec'; nearest: .*dec",
        ),
    ],
)
def test_unknown_paths_name_the_field_and_the_nearest_paths(side, layer_map, field, text):
    with pytest.raises(InvalidRequestError, match=rf"^{field}: .*{text}"):
        align(side(NESTED.format("t")), side(NESTED.format("p")), layer_map)


def test_a_layer_pinned_twice_is_refused(side):
    with pytest.raises(
        InvalidRequestError, match=r"layer_map.pairs: the candidate's layer 'dec' is in two pairs"
    ):
        align(side(NESTED.format("t")), side(NESTED.format("t")), pinned(enc="dec", dec="dec"))


# The layer map: what is ignored


def ignoring(**sides):
    return StatedPairing(ignored=IgnoredLayers(**{side: (path,) for side, path in sides.items()}))


def test_an_ignored_layer_is_paired_for_its_weights_but_not_compared(side):
    plan = align(side(NESTED.format("t")), side(NESTED.format("t")), ignoring(reference="enc"))
    pair = plan.candidate_of("enc")
    assert (pair.how, pair.compared, pair.reason) == (
        "ignored",
        False,
        Reason(cause=Cause.IGNORED, names=("layer_map.ignore.reference",)),
    )
    assert plan.candidate_of("enc.a").compared
    assert plan.skip_paths(Side.CANDIDATE) == ("enc",)


def test_layers_ignored_recursively_take_everything_below_along(side):
    layer_map = StatedPairing(ignored_recursively=IgnoredLayers(reference=("enc",), candidate=("enc",)))
    plan = align(side(NESTED.format("t")), side(NESTED.format("t")), layer_map)
    assert plan.skip_paths(Side.REFERENCE) == ("enc", "enc.a", "enc.b")
    assert not plan.candidate_of("enc.b").compared
    assert plan.candidate_of("dec.a").compared


def test_an_ignored_layer_without_counterpart_takes_no_partner_away(side):
    aux = ".: m.Net\naux: t.Linear weight(4,4)\nfc: t.Linear weight(4,4)"
    plan = align(side(aux), side(".: m.Net\nhead: p.Linear weight(4,4)"), ignoring(reference="aux"))
    assert pairs(plan) == {"": "", "fc": "head"}
    assert plan.only_reference == ()
    assert plan.ignored_reference == ("aux",)


def test_an_ignored_layer_takes_what_the_others_left(side):
    reference = side(".: m.Net\naux: t.Linear weight(4,4)\nfc: t.Linear weight(4,4)")
    candidate = side(".: m.Net\nx: p.Linear weight(4,4)\ny: p.Linear weight(4,4)")
    plan = align(reference, candidate, ignoring(reference="fc", candidate="y"))
    assert pairs(plan) == {"": "", "aux": "x", "fc": "y"}


@pytest.mark.parametrize("name", ["Dropout", "torch.nn.Dropout", "torch.nn.modules.any.Dropout", "Base"])
def test_classes_are_ignored_by_bare_qualified_and_base_names(side, name):
    reference = side(".: m.Net\nfc: t.Linear weight(4,4)\ndrop: t.Dropout, m.Base")
    layer_map = StatedPairing(ignored_classes=IgnoredLayers(reference=(name,)))
    plan = align(reference, side(".: m.Net\nfc: p.Linear weight(4,4)"), layer_map)
    assert plan.ignored_reference == ("drop",)
    assert plan.notes == ()


def test_a_class_that_no_layer_has_is_noted(side):
    layer_map = StatedPairing(ignored_classes=IgnoredLayers(candidate=("Linaer",)))
    plan = align(side(MLP), side(PADDLE_MLP), layer_map)
    [note] = plan.notes
    assert (note.kind, note.names) == (
        NoteKind.UNKNOWN_CLASS,
        ("layer_map.ignore_class.candidate", "Linaer", "Linear"),
    )


# A real pair


STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))


def resnet50(p, *, conv, norm, relu, stem, stage, head, shortcut, shortcut_first):
    """Returns (layers, calls) of a ResNet-50; the arguments are its names."""
    linear, bn = (
        ("2048,10", "_mean({0}) _variance({0})")
        if p == "p"
        else ("10,2048", "~running_mean({0}) ~running_var({0}) ~num_batches_tracked()")
    )
    lines, calls = [".: mine.ResNet"], []

    def pair(names, channels_in, channels, kernel):
        dims = "2D" if p == "p" else "2d"
        lines.append(f"{names[0]}: {p}.Conv{dims} weight({channels},{channels_in},{kernel},{kernel})")
        lines.append(
            f"{names[1]}: {p}.BatchNorm{dims} weight({channels}) bias({channels}) {bn.format(channels)}"
        )
        return list(names)

    def parent(path, kind):
        lines.append(f"{path}: {kind}")

    if "." in stem[0]:
        parent(stem[0].rpartition(".")[0], "mine.ConvNorm")
    calls += pair(stem, 3, 64, 7)
    if relu:
        lines += [f"{relu}: {p}.ReLU", f"pool: {p}.MaxPool2{'D' if p == 'p' else 'd'}"]
        calls += [relu, "pool"]
    if "." in stage:
        parent(stage.partition(".")[0], f"{p}.ModuleList")
    channels = 64
    for s, (blocks, width, _) in enumerate(STAGES):
        parent(stage.format(s, s + 1), f"{p}.{'Sequential' if p == 'p' else 'ModuleList'}")
        for b in range(blocks):
            block = f"{stage.format(s, s + 1)}.{b}"
            parent(block, "mine.Bottleneck")
            main, sizes = [], ((channels, width, 1), (width, width, 3), (width, 4 * width, 1))
            for n, size in enumerate(sizes, 1):
                main += pair((f"{block}.{conv}{n}", f"{block}.{norm}{n}"), *size)
                if relu and n < 3:
                    main.append(f"{block}.{relu}")
            if relu:
                lines.append(f"{block}.{relu}: {p}.ReLU")
            side_way = []
            if b == 0:
                parent(f"{block}.downsample", f"{p}.Sequential" if p == "p" else "mine.ConvNorm")
                names = tuple(f"{block}.downsample.{name}" for name in shortcut)
                side_way = pair(names, channels, 4 * width, 1)
            calls += [*side_way, *main] if shortcut_first else [*main, *side_way]
            calls += [f"{block}.{relu}"] if relu else []
            channels = 4 * width
    lines.append(f"{head}: {p}.Linear weight({linear}) bias(10)")
    return "\n".join(lines), " ".join([*calls, head])


OWN = resnet50(
    "t",
    conv="conv",
    norm="norm",
    relu="",
    stem=("stem.conv", "stem.norm"),
    stage="stages.{0}",
    head="head",
    shortcut=("conv", "norm"),
    shortcut_first=True,
)
STOCK = resnet50(
    "p",
    conv="conv",
    norm="bn",
    relu="relu",
    stem=("conv1", "bn1"),
    stage="layer{1}",
    head="fc",
    shortcut=("0", "1"),
    shortcut_first=False,
)


@pytest.mark.parametrize("traced", [True, False])
def test_a_hand_written_resnet50_aligns_with_paddles_own_without_a_map(side, traced):
    reference = side(OWN[0], OWN[1] if traced else "")
    candidate = side(STOCK[0], STOCK[1] if traced else "")
    plan = align(reference, candidate, StatedPairing())
    expected = {"": "", "stem.conv": "conv1", "stem.norm": "bn1", "head": "fc"}
    for s, (blocks, _, _) in enumerate(STAGES):
        expected[f"stages.{s}"] = f"layer{s + 1}"
        for b in range(blocks):
            ours, theirs = f"stages.{s}.{b}", f"layer{s + 1}.{b}"
            expected[ours] = theirs
            for n in (1, 2, 3):
                expected[f"{ours}.conv{n}"] = f"{theirs}.conv{n}"
                expected[f"{ours}.norm{n}"] = f"{theirs}.bn{n}"
            if b == 0:
                expected[f"{ours}.downsample"] = f"{theirs}.downsample"
                expected[f"{ours}.downsample.conv"] = f"{theirs}.downsample.0"
                expected[f"{ours}.downsample.norm"] = f"{theirs}.downsample.1"
    assert pairs(plan) == expected
    assert plan.only_reference == ("stem", "stages")
    assert all(path.rpartition(".")[2] in ("relu", "pool") for path in plan.only_candidate)

    weights = plan_weights(plan, reference.layers, candidate.layers, StatedPairing())
    assert len(weights.pairs) == 53 + 4 * 53 + 2
    assert all(pair.placed for pair in weights.pairs)
    assert weights.unmatched == ()
    assert len(weights.bookkeeping) == 53


def test_a_missing_bias_deep_in_a_resnet_costs_no_other_pair(side):
    faulty = OWN[0].replace("stages.2.3.conv2: t.Conv2d ", "stages.2.3.conv2: t.Conv2d bias(256) ")
    assert faulty != OWN[0]
    sound = align(side(*OWN), side(*STOCK), StatedPairing())
    plan = align(side(faulty, OWN[1]), side(*STOCK), StatedPairing())
    assert pairs(plan) == pairs(sound)
    assert plan.candidate_of("stages.2.3.conv2").confidence < 0.8
